"""What every carrier keeps, whatever its upstream does. A new one adds a case file and a line to KINDS_UNDER_TEST."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from bridge import config, doors
from bridge.carriers.base import Asked, Called, Fetched, Funded, Pending, Recalled, Urls
from bridge.carriers.registry import KINDS
from bridge.model.errors import ConfigError, StoreUnavailable
from bridge.model.message import Outgoing, Verdict, recipient_id
from bridge.model.state import State
from bridge.model.text import clean, measure
from tests.contract.carriers.case import REPLY_TEXT, Arrival, Case, Told, Upstream
from tests.support.called import called

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from bridge.carriers.base import Carrier
    from bridge.model.message import Inbound, Report

KINDS_UNDER_TEST = (
    # The modules of tests/contract/carriers with cases: a line for each kind.
    "apprise",
    "http",
    "maskyoo",
    "openapi",
    "sandbox",
    "smpp",
    "smsc",
    "smsgate",
)
CASES: tuple[Case, ...] = tuple(
    case for name in KINDS_UNDER_TEST for case in import_module(f"tests.contract.carriers.{name}").CASES
)

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
NUMBER = "+972502345678"
OTHER = "+972502345679"
PUBLIC_URL = "https://sms.example.com"
DEADLINE = 10.0

VERDICTS: Mapping[Told, Verdict] = {
    Told.ACCEPT: Verdict.ACCEPTED,
    Told.REFUSE: Verdict.REFUSED,
    Told.DEFER: Verdict.DEFERRED,
    Told.LOSE: Verdict.UNKNOWN,
    Told.LOSE_UNSENT: Verdict.UNKNOWN,
    Told.DELIVERED: Verdict.ACCEPTED,
    Told.UNDELIVERED: Verdict.ACCEPTED,
    Told.WAIT: Verdict.ACCEPTED,
    Told.REPLY: Verdict.ACCEPTED,
}
UNARRIVED = {Told.REFUSE, Told.DEFER, Told.LOSE_UNSENT, Told.WAIT}

TEXTS = (
    "plain",
    'quotes " and \\ and / and {braces} [too] <b>&amp;</b> %41 + ?x=y',
    "two\nlines\n\nand more",
    "שלום, מה שלומך? ₪100",
    "ЁжикΔ€ñ ü 漢字 العربية",
    "👩‍👩‍👧‍👦 family, 🇮🇱 flag, 👍🏽 tone, ❤️ heart",
    "\u200eleft\u200f right\u2069",
    "a" * 1000,
    "😀" * 400,
)

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
_serial = count(1)


def outgoing(number: str = NUMBER, text: str = "hello", sender: str | None = "ACME") -> Outgoing:
    """Make a text with an id of its own."""
    message_id = f"{next(_serial):026x}"
    size = measure(text)
    return Outgoing(
        id=recipient_id(message_id, 1),
        message_id=message_id,
        number=number,
        text=text,
        sender=sender,
        encoding=size.encoding,
        parts=size.parts,
        attempt=1,
        expires_at=NOW + timedelta(hours=1),
    )


class Ear:
    """A sink that keeps what it hears; ``deaf`` times it has trouble first."""

    def __init__(self, deaf: int = 0) -> None:
        self.deaf = deaf
        self.heard: asyncio.Queue[Report | Inbound] = asyncio.Queue()

    async def report(self, report: Report) -> None:
        self._hear(report)

    async def inbound(self, inbound: Inbound) -> None:
        self._hear(inbound)

    async def take(self, brought: Sequence[Report], inbounds: Sequence[Inbound] = ()) -> None:
        for report in brought:
            self._hear(report)
        for inbound in inbounds:
            self._hear(inbound)

    def _hear(self, news: Report | Inbound) -> None:
        if self.deaf:
            self.deaf -= 1
            raise StoreUnavailable("the database is away")
        self.heard.put_nowait(news)


def made(case: Case, table: Mapping[str, Any]) -> Carrier:
    """Build a carrier as the application does, from its table."""
    settings_model, factory = KINDS[case.kind]
    carrier = factory("main", settings_model.model_validate(dict(table)), clock=lambda: NOW)
    if isinstance(carrier, Called) and carrier.callback_secret is not None:
        carrier.called_at(Urls.under(PUBLIC_URL, "main", carrier.callback_secret.get_secret_value()))
    return carrier


def gives_ids(case: Case) -> bool:
    """Whether the upstream has an id for each text; one whose answer is a bare yes has none."""
    return getattr(case, "gives_ids", True)


def is_called(carrier: Carrier) -> bool:
    """Whether the upstream brings news by itself; else it is asked for."""
    return isinstance(carrier, Called) and carrier.callback_secret is not None


@asynccontextmanager
async def opened(
    case: Case, upstream: Upstream, ear: Ear | None = None, *, changes: Mapping[str, Any] | None = None
) -> AsyncIterator[Carrier]:
    """Build a carrier on an upstream, and have it open meanwhile. An upstream that calls finds the carrier's door."""
    carrier = made(case, upstream.table() | dict(changes or {}))
    ear = ear or Ear()
    async with called(carrier, ear) as urls:
        if urls is not None and isinstance(carrier, Called):
            carrier.called_at(urls)
            upstream.urls = urls  # type: ignore[attr-defined]
        try:
            await carrier.open(ear)
            yield carrier
        finally:
            await carrier.close()


def run(main: Any) -> None:
    """Run a test's coroutine, for a bounded time; nothing of it may be left running."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(bounded())


def can(*told: Told) -> list[Any]:
    """Return the cases that can be told one of these, each with that."""
    return [
        pytest.param(case, one, id=f"{case.name}-{one.name.lower()}")
        for case in CASES
        for one in told
        if one in case.told
    ]


@pytest.mark.parametrize(("case", "told"), can(*Told))
def test_each_outcome_is_answered_as_it_was(case: Case, told: Told, tmp_path: Path) -> None:
    """Of the four outcomes the one that was; a text that did not arrive is never called accepted, nor the reverse."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            upstream.tell(NUMBER, told)
            async with opened(case, upstream) as carrier:
                outcome = await carrier.send(outgoing())
                assert outcome.verdict is VERDICTS[told]
                if outcome.verdict is Verdict.ACCEPTED:
                    assert bool(outcome.carrier_id) is gives_ids(case)
                    assert not outcome.reason
                else:
                    assert outcome.reason
                    assert "hello" not in outcome.reason + outcome.raw
                    assert NUMBER not in outcome.reason
                assert (await carrier.send(outgoing(OTHER))).verdict is Verdict.ACCEPTED
            arrived = [arrival.number for arrival in upstream.arrived()]
            assert arrived == ([OTHER] if told in UNARRIVED else [NUMBER, OTHER])

    run(main)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@each
def test_text_arrives_as_it_is(case: Case, text: str, tmp_path: Path) -> None:
    """Every character of a clean text reaches the phone, line ends and emoji included; so does the sender."""
    assert clean(text) == text

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            async with opened(case, upstream) as carrier:
                assert (await carrier.send(outgoing(text=text))).verdict is Verdict.ACCEPTED
            sender = "ACME" if case.names_senders else None
            assert upstream.arrived() == [Arrival(number=NUMBER, sender=sender, text=text)]

    run(main)


@each
def test_no_sender_is_none(case: Case, tmp_path: Path) -> None:
    """A text without a sender is accepted, and arrives without one."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            async with opened(case, upstream) as carrier:
                assert (await carrier.send(outgoing(sender=None))).verdict is Verdict.ACCEPTED
            assert [arrival.sender for arrival in upstream.arrived()] == [None]

    run(main)


@pytest.mark.parametrize("text", ["plain, [€]", "שלום", "a" * 400, "א" * 200], ids=range(4))
@each
def test_a_flash_text_arrives_as_it_is(case: Case, text: str, tmp_path: Path) -> None:
    """Whether the upstream knows flash texts or sends them as usual ones: each arrives, once and whole."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            async with opened(case, upstream) as carrier:
                flash = dataclasses.replace(outgoing(text=text), flash=True)
                assert (await carrier.send(flash)).verdict is Verdict.ACCEPTED
            assert [(arrival.number, arrival.text) for arrival in upstream.arrived()] == [(NUMBER, text)]

    run(main)


@each
def test_same_id_twice(case: Case, tmp_path: Path) -> None:
    """A carrier that takes our own id makes one text of two sends, with one answer, also when it is made anew."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            text = outgoing()
            outcomes = []
            for _ in range(2):
                async with opened(case, upstream) as carrier:
                    assert carrier.takes_own_id is case.takes_own_id
                    outcomes += [await carrier.send(text), await carrier.send(text)]
            once = case.takes_own_id
            assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
            assert len(upstream.arrived()) == (1 if once else 4)
            # Our id that comes back as theirs guards nothing, and neither does none.
            same = once or getattr(case, "echoes_id", False) or not gives_ids(case)
            assert len({outcome.carrier_id for outcome in outcomes}) == (1 if same else 4)

    run(main)


@pytest.mark.parametrize(("case", "told"), can(Told.LOSE, Told.LOSE_UNSENT))
def test_lost_answer_is_asked_for_again(case: Case, told: Told, tmp_path: Path) -> None:
    """After a lost answer the same id may be sent again where the carrier says so: the text arrives once."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            text = outgoing()
            upstream.tell(NUMBER, told)
            async with opened(case, upstream) as carrier:
                assert (await carrier.send(text)).verdict is Verdict.UNKNOWN
            upstream.tell(NUMBER, Told.ACCEPT)
            if case.takes_own_id:
                async with opened(case, upstream) as carrier:
                    assert (await carrier.send(text)).verdict is Verdict.ACCEPTED
            assert len(upstream.arrived()) == int(case.takes_own_id or told is Told.LOSE)

    run(main)


@each
def test_many_at_once(case: Case, tmp_path: Path) -> None:
    """As many sends at once as the carrier says it takes: each is answered, each arrives once and whole."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            async with opened(case, upstream) as carrier:
                texts = [outgoing(text=f"text {place}") for place in range(carrier.concurrency)]
                outcomes = await asyncio.gather(*map(carrier.send, texts))
            assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
            assert len({outcome.carrier_id for outcome in outcomes}) == (len(texts) if gives_ids(case) else 1)
            assert sorted(arrival.text for arrival in upstream.arrived()) == sorted(text.text for text in texts)

    run(main)


@each
def test_cancelled_send_harms_no_other(case: Case, tmp_path: Path) -> None:
    """A send that is given up ends at once; those beside it are answered, and the carrier closes."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            async with opened(case, upstream) as carrier:
                sends = [asyncio.create_task(carrier.send(outgoing(text=str(place)))) for place in range(4)]
                await asyncio.sleep(0)
                sends[1].cancel()
                ends = await asyncio.gather(*sends, return_exceptions=True)
            assert isinstance(ends.pop(1), asyncio.CancelledError)
            assert [getattr(end, "verdict", end) for end in ends] == [Verdict.ACCEPTED] * 3
            assert {arrival.text for arrival in upstream.arrived()} >= {"0", "2", "3"}

    run(main)


@pytest.mark.parametrize(
    ("case", "trouble"),
    [pytest.param(case, trouble, id=f"{case.name}-{trouble}") for case in CASES for trouble in case.troubles],
)
def test_trouble_is_an_outcome(case: Case, trouble: str, tmp_path: Path) -> None:
    """Whatever the upstream does, send returns: deferred or unknown while it lasts, accepted once it is over."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream, opened(case, upstream) as carrier:
            assert (await carrier.send(outgoing(text="before"))).verdict is Verdict.ACCEPTED
            upstream.trouble(trouble)
            late = outgoing(text="during")
            outcome = await carrier.send(late)
            assert outcome.verdict in {Verdict.DEFERRED, Verdict.UNKNOWN}
            assert outcome.reason
            assert "during" not in outcome.reason
            upstream.mend()
            if outcome.verdict is Verdict.DEFERRED or case.takes_own_id:
                assert (await carrier.send(late)).verdict is Verdict.ACCEPTED
                assert [arrival.text for arrival in upstream.arrived()].count("during") == 1

    run(main)


@pytest.mark.parametrize(
    ("case", "trouble"),
    [pytest.param(case, trouble, id=f"{case.name}-{trouble}") for case in CASES for trouble in case.broken],
)
def test_open_refuses_what_cannot_work(case: Case, trouble: str, tmp_path: Path) -> None:
    """A carrier that cannot work says so at open, under its name; it can be closed, and sends nothing."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            carrier = made(case, upstream.table())
            upstream.trouble(trouble)
            with pytest.raises(ConfigError, match="main"):
                await carrier.open(Ear())
            assert (await carrier.send(outgoing())).verdict is Verdict.DEFERRED
            await carrier.close()
            await carrier.close()

    run(main)


@each
def test_close_is_safe(case: Case, tmp_path: Path) -> None:
    """Close may come before open, and twice; a closed carrier defers, and writes no more."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            carrier = made(case, upstream.table())
            await carrier.close()
            await carrier.open(Ear())
            await carrier.close()
            await carrier.close()
            assert (await carrier.send(outgoing())).verdict is Verdict.DEFERRED
            assert upstream.arrived() == []

    run(main)


@pytest.mark.parametrize(("case", "told"), can(Told.DELIVERED, Told.UNDELIVERED))
def test_reports_reach_the_sink(case: Case, told: Told, tmp_path: Path) -> None:
    """A report names the carrier and the text as it was answered, and has a time with a zone."""

    async def main() -> None:
        ear = Ear()
        async with case.upstream(tmp_path) as upstream:
            upstream.tell(NUMBER, told)
            async with opened(case, upstream, ear) as carrier:
                text = outgoing()
                outcome = await carrier.send(text)
                if isinstance(carrier, Asked) and not is_called(carrier):
                    pending = Pending(id=text.id, carrier_id=outcome.carrier_id, number=text.number, sent_at=NOW)
                    await ear.take(await carrier.states_of([pending]))
                news: Any = await ear.heard.get()
            assert news.carrier == "main"
            assert news.state is (State.DELIVERED if told is Told.DELIVERED else State.UNDELIVERED)
            assert news.at.utcoffset() is not None
            assert (news.carrier_id, news.recipient_id) in {(outcome.carrier_id, None), (None, text.id)}

    run(main)


@pytest.mark.parametrize(("case", "told"), can(Told.REPLY))
def test_replies_reach_the_sink(case: Case, told: Told, tmp_path: Path) -> None:
    """What a phone answers comes whole, from its number, to the sender it saw, with an id of its own."""

    async def main() -> None:
        ear = Ear()
        async with case.upstream(tmp_path) as upstream:
            upstream.tell(NUMBER, told)
            async with opened(case, upstream, ear) as carrier:
                await carrier.send(outgoing(sender=OTHER))
                await carrier.send(outgoing(sender=OTHER))
                if isinstance(carrier, Fetched) and not is_called(carrier):
                    await ear.take((), await carrier.fetch())
                news: list[Any] = [await ear.heard.get(), await ear.heard.get()]
            to = OTHER if case.names_senders else ""
            assert [(one.carrier, one.sender, one.to, one.text) for one in news] == [
                ("main", NUMBER, to, REPLY_TEXT)
            ] * 2
            assert len({one.carrier_id for one in news}) == 2
            assert all(one.at.utcoffset() is not None for one in news)

    run(main)


@each
def test_only_those_that_can_are_asked_for_a_text_back(case: Case, tmp_path: Path) -> None:
    """A carrier says by its class that it takes texts back; who is asked of others would wait for nothing."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            assert isinstance(made(case, upstream.table()), Recalled) is (Told.WAIT in case.told)

    run(main)


@pytest.mark.parametrize(("case", "told"), can(Told.WAIT))
def test_what_waits_there_is_taken_back(case: Case, told: Told, tmp_path: Path) -> None:
    """What waits is taken back once, and never arrives; of what is on its way, or not known, the carrier says why."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            upstream.tell(OTHER, told)
            async with opened(case, upstream) as carrier:
                assert isinstance(carrier, Recalled)
                sent = {}
                for number in (NUMBER, OTHER):
                    text = outgoing(number)
                    outcome = await carrier.send(text)
                    sent[number] = Pending(id=text.id, carrier_id=outcome.carrier_id, number=number, sent_at=NOW)
                back = await carrier.recall(sent[OTHER])
                assert (back.done, back.words) == (True, "")
                never = outgoing(OTHER)
                foreign = Pending(id=never.id, carrier_id=None, number=OTHER, sent_at=NOW)
                for late in (sent[NUMBER], sent[OTHER], foreign):
                    kept = await carrier.recall(late)
                    assert not kept.done
                    assert kept.words
                    assert late.number[1:] not in kept.words
            assert [arrival.number for arrival in upstream.arrived()] == [NUMBER]

    run(main)


@each
def test_credit_is_told(case: Case, tmp_path: Path) -> None:
    """What is left is as the upstream writes it. A carrier that cannot say is not asked, or names what is not set."""
    changes, left = getattr(case, "credit", None) or ({}, None)

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream, opened(case, upstream, changes=changes) as carrier:
            if left is not None:
                assert isinstance(carrier, Funded)
                assert await carrier.credit() == left
            elif isinstance(carrier, Funded):
                with pytest.raises(ConfigError, match=r"^carriers\.main: "):
                    await carrier.credit()

    run(main)


@each
def test_bad_settings_are_refused_with_their_place(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault of a table is told at start, all in one go, each under carriers.NAME and its key."""
    monkeypatch.setattr(doors, "kinds", dict)

    async def table() -> dict[str, Any]:
        async with case.upstream(tmp_path) as upstream:
            return upstream.table()

    good = asyncio.run(table())
    raw = {"carriers": {"good": good} | {f"bad{place}": good | bad for place, (bad, _) in enumerate(case.bad)}}
    monkeypatch.setattr(config, "_read", lambda path: raw)
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path / "bridge.toml", {})
    told = "\n".join(caught.value.problems)
    for place, (_, key) in enumerate(case.bad):
        assert f"carriers.bad{place}.{key}" in told
    assert "carriers.good" not in told
    assert len(caught.value.problems) == len(case.bad)
    for secret in case.secrets:
        assert secret not in told


@each
def test_settings_hide_secrets(case: Case, tmp_path: Path) -> None:
    """No secret shows in a repr; a setting that is named like a secret is one."""

    async def main() -> None:
        async with case.upstream(tmp_path) as upstream:
            table = upstream.table()
            settings = KINDS[case.kind][0].model_validate(table)
            assert all(secret in str(table) for secret in case.secrets)
            for shown in (repr(settings), str(settings), repr(made(case, table)), settings.model_dump_json()):
                assert not [secret for secret in case.secrets if secret in shown]
            for name, field in type(settings).model_fields.items():
                if re.search("password|secret|token|key", name):
                    assert "Secret" in repr(field.annotation), f"{name} is not a {SecretStr.__name__}"

    run(main)


@each
def test_logs_hold_no_text_number_or_secret(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever happens, neither our logs, nor those of libraries, nor stderr have a text, a number or a secret."""
    caplog.set_level(logging.DEBUG)
    numbers = {told: f"+9725023456{place:02}" for place, told in enumerate(Told) if told in case.told}

    async def main() -> None:
        ear = Ear(deaf=1)
        async with case.upstream(tmp_path) as upstream:
            for told, number in numbers.items():
                upstream.tell(number, told)
            async with opened(case, upstream, ear) as carrier:
                for number in numbers.values():
                    await carrier.send(outgoing(number, text="classified"))
                for trouble in case.troubles:
                    upstream.trouble(trouble)
                    await carrier.send(outgoing(text="classified"))
                    upstream.mend()

    with capture_logs() as logs:
        run(main)
    out, err = capfd.readouterr()
    shown = "\n".join([*map(str, logs), caplog.text, out, err])
    for hidden in ("classified", REPLY_TEXT, NUMBER[1:], *(number[1:] for number in numbers.values()), *case.secrets):
        assert hidden not in shown
