"""What every carrier over HTTP keeps, whatever happens on the wire: the right one of four outcomes, and one try."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from bridge.carriers.base import Called
from bridge.model.message import Verdict
from tests.contract.test_carriers import CASES, NUMBER, Ear, opened, outgoing, run
from tests.support.carriers import until
from tests.support.upstream import (
    SLOW,
    TRICKLING,
    Answer,
    HttpCase,
    News,
    Seen,
    Server,
    Wrong,
    refusing,
    ring,
    unanswering,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HTTP = tuple(case for case in CASES if isinstance(case, HttpCase) and case.by_wire)
SHORT = "150ms"
TEXT = "classified, more than once"

ENDS: Mapping[Wrong, Verdict] = {Wrong.ELSEWHERE: Verdict.DEFERRED}
"""The rest is *unknown*: the request was there."""

AT_ONCE = frozenset({Wrong.RESET_AT_ONCE, Wrong.CLOSE_AT_ONCE})

STATUSES: Mapping[int, Verdict] = {
    202: Verdict.UNKNOWN,  # without the body that says what was accepted
    204: Verdict.UNKNOWN,
    301: Verdict.DEFERRED,
    302: Verdict.UNKNOWN,
    303: Verdict.UNKNOWN,
    307: Verdict.DEFERRED,
    308: Verdict.DEFERRED,
    400: Verdict.REFUSED,
    401: Verdict.DEFERRED,
    402: Verdict.DEFERRED,
    403: Verdict.DEFERRED,
    404: Verdict.DEFERRED,
    405: Verdict.DEFERRED,
    408: Verdict.UNKNOWN,
    409: Verdict.UNKNOWN,
    410: Verdict.DEFERRED,
    413: Verdict.REFUSED,
    415: Verdict.REFUSED,
    418: Verdict.UNKNOWN,
    422: Verdict.REFUSED,
    425: Verdict.DEFERRED,
    429: Verdict.DEFERRED,
    500: Verdict.UNKNOWN,
    501: Verdict.UNKNOWN,
    502: Verdict.UNKNOWN,
    503: Verdict.UNKNOWN,
    504: Verdict.UNKNOWN,
}

each = pytest.mark.parametrize("case", HTTP, ids=lambda case: case.name)


def moved(value: Any, old: str, new: str) -> Any:
    """Return a table that leads to another place."""
    match value:
        case str():
            return value.replace(old, new)
        case dict():
            return {name: moved(inner, old, new) for name, inner in value.items()}
        case list() | tuple():
            return [moved(inner, old, new) for inner in value]
    return value


def shows_nothing(case: HttpCase, *shown: object) -> None:
    """Check that neither text, number nor secret are in what is shown."""
    said = "\n".join(map(str, shown))
    for hidden in (TEXT, NUMBER[1:], NUMBER[4:], *case.secrets):
        assert hidden not in said


@pytest.mark.parametrize("before", [0, 1], ids=["fresh", "reused"])
@pytest.mark.parametrize("wrong", [wrong for wrong in Wrong if wrong not in SLOW | TRICKLING], ids=str)
@each
def test_what_goes_wrong_ends_right(
    case: HttpCase,
    wrong: Wrong,
    before: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One request goes out, to the configured host alone, and its outcome is never a guess; nothing private shows."""
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with Server().serving() as other, case.upstream(tmp_path) as upstream:
            upstream.elsewhere = other.url
            async with opened(case, upstream) as carrier:
                await carrier.send(outgoing())
                fetches = any(map(upstream.spares, upstream.seen))
            async with opened(case, upstream) as carrier:
                for _ in range(before):
                    assert (await carrier.send(outgoing())).verdict is Verdict.ACCEPTED
                upstream.wrong, tries = wrong, upstream.tries
                outcome = await carrier.send(outgoing(text=TEXT))
                usual = ENDS.get(wrong, Verdict.UNKNOWN)
                if not before and wrong in AT_ONCE and fetches:
                    usual = Verdict.DEFERRED  # it was the request for a token that failed
                assert outcome.verdict is case.ends.get(wrong, usual)
                assert outcome.reason
                assert upstream.tries - tries == 1
                assert other.connections == 0
                upstream.mend()
                assert (await carrier.send(outgoing())).verdict is Verdict.ACCEPTED
            shows_nothing(case, outcome, repr(carrier))

    with capture_logs() as logs:
        run(main)
    shows_nothing(case, logs, caplog.text)


@pytest.mark.parametrize("wrong", sorted(SLOW | TRICKLING), ids=str)
@each
def test_silence_is_unknown(case: HttpCase, wrong: Wrong, tmp_path: Path) -> None:
    """Once the request is out, no answer in time is *unknown*; nothing is tried again."""
    # Long enough for a busy machine to connect, and to fetch what a carrier needs before the text.
    limits = {"connect_timeout": "500ms", "total_timeout": "600ms"} if wrong in TRICKLING else {"read_timeout": "400ms"}

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream, opened(case, upstream, changes=limits) as carrier:

            def asked() -> list[Seen]:
                return [seen for seen in upstream.seen if not upstream.spares(seen)]

            upstream.wrong = wrong
            outcome = await carrier.send(outgoing(text=TEXT))
            assert outcome.verdict is case.ends.get(wrong, Verdict.UNKNOWN)
            await until(lambda: len(asked()) > 0)
            assert len(asked()) == 1
            shows_nothing(case, outcome)

    run(main)


@each
def test_no_connection_is_not_sent(case: HttpCase, tmp_path: Path) -> None:
    """Refused, or not answered in time: the text surely did not leave, and the next carrier may have it."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            for place in (refusing, unanswering):
                with place() as port:
                    changes = moved(upstream.table(), f":{upstream.port}", f":{port}") | {"connect_timeout": SHORT}
                    async with opened(case, upstream, changes=changes) as carrier:
                        outcome = await carrier.send(outgoing(text=TEXT))
                        assert outcome.verdict is Verdict.DEFERRED
                        assert "not reached" in outcome.reason
                        shows_nothing(case, outcome)
            assert upstream.connections == 0

    run(main)


@each
def test_each_status_has_its_outcome(case: HttpCase, tmp_path: Path) -> None:
    """The text is not lost to the operator's trouble, is not sent twice after a proxy's, and is refused for its own."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream, opened(case, upstream) as carrier:
            for status, usual in STATUSES.items():
                said = f'{{"error": "no {TEXT} to {NUMBER}", "echo": "{" ".join(case.secrets)}"}}'.encode()
                upstream.status = Answer(status=status, body=b"" if status < 300 else said)
                tries = upstream.tries
                outcome = await carrier.send(outgoing(text=TEXT))
                assert outcome.verdict is case.statuses.get(status, usual), status
                assert upstream.tries - tries == 1, status
                assert outcome.raw.startswith(str(status)) or outcome.verdict is not Verdict.REFUSED
                shows_nothing(case, outcome)

    run(main)


@pytest.mark.parametrize(
    ("written", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("Fri, 20 Nov 2026 07:03:00 GMT", timedelta(minutes=3)),
        ("Fri, 20 Nov 2026 06:00:00 GMT", timedelta(0)),
        ("99999999999999999999", timedelta(hours=24)),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
@each
def test_an_upstream_that_says_when_to_come_again(
    case: HttpCase, status: int, written: str, wait: timedelta, tmp_path: Path
) -> None:
    """Retry-After is heard, in seconds and as a date; with it a 503 is a word of the upstream itself."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream, opened(case, upstream) as carrier:
            upstream.status = Answer(status=status, headers={"retry-after": written})
            outcome = await carrier.send(outgoing())
            if status in case.statuses:
                assert outcome.verdict is case.statuses[status]
            else:
                assert (outcome.verdict, outcome.retry_after) == (Verdict.DEFERRED, wait)
            upstream.status = Answer(status=503, headers={"retry-after": "soon"})
            assert (await carrier.send(outgoing())).retry_after is None

    run(main)


CALLS: tuple[tuple[bytes, Mapping[str, str]], ...] = (
    (b"", {}),
    (b"\xff\xfe\x00", {"content-type": "application/x-www-form-urlencoded"}),
    (b"text=%FF%FE&id=%00", {"content-type": "application/x-www-form-urlencoded; charset=utf-16"}),
    (b"{", {"content-type": "application/json"}),
    (b"[" * 50_000, {"content-type": "application/json"}),
    (
        b'{"id": {"id": [1]}, "status": {}, "events": 7, "payload": [], "messages": [null]}',
        {"content-type": "text/json"},
    ),
    (b'[null, 1, "x", [], {}]', {"content-type": "application/json"}),
    (b"null", {"content-type": "application/json; charset=martian"}),
    (b"\xef\xbb\xbf<xml/>", {"content-type": "text/xml"}),
    (b"a=1&" * 5_000, {"content-type": "application/x-www-form-urlencoded"}),
    (b"x" * 10_000_000, {"content-type": "application/json"}),
)


@each
def test_calls_that_are_none_change_nothing(
    case: HttpCase, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bad charsets, no JSON, a body of 10 MB, another secret: no news, no bug, and nothing of it in a log."""
    caplog.set_level(logging.DEBUG)
    ear = Ear()

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream, opened(case, upstream, ear) as carrier:
            if not isinstance(carrier, Called) or carrier.callback_secret is None:
                return
            assert upstream.urls is not None
            for url in (upstream.urls.callback, upstream.urls.inbound):
                statuses = [await ring(News(url=url, body=body, headers=headers)) for body, headers in CALLS]
                statuses.append(await ring(News(url=f"{url}?id=%FF&status=%00&text", method="GET")))
                assert max(statuses) < 500
                assert 413 in statuses
                wrong = url.replace("-", "_")[:-1] + "x"
                assert await ring(News(url=wrong)) == 404
            assert ear.heard.empty()

    with capture_logs() as logs:
        run(main)
    assert [line for line in logs if line["log_level"] == "error"] == []
    shows_nothing(case, logs, caplog.text, *capfd.readouterr())
