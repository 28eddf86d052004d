"""What the kind ``apprise`` does beyond the suite of all carriers; that stands in tests/contract."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from bridge.carriers.apprise import AppriseCarrier, AppriseSettings
from bridge.carriers.registry import KINDS
from bridge.model.errors import ConfigError
from bridge.model.message import Verdict
from tests.contract.carriers.apprise import JsonService, SmsEagle
from tests.contract.test_carriers import NOW, NUMBER, Ear, outgoing, run
from tests.support.carriers import until
from tests.support.upstream import Answer, Wrong, refusing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.upstream import Upstream


def carrier_of(table: dict[str, Any]) -> AppriseCarrier:
    """Make a carrier of a table."""
    return AppriseCarrier("main", AppriseSettings.model_validate(table), clock=lambda: NOW)


@asynccontextmanager
async def opened(upstream: Upstream, **changes: Any) -> AsyncIterator[AppriseCarrier]:
    """Have a carrier open on an upstream that serves meanwhile."""
    async with upstream.serving():
        carrier = carrier_of(upstream.table() | changes)
        try:
            await carrier.open(Ear())
            yield carrier
        finally:
            await carrier.close()


async def given_up(carrier: AppriseCarrier, upstream: Upstream) -> None:
    """Begin a send, and give it up once the upstream has it."""
    before = len(upstream.seen)
    send = asyncio.create_task(carrier.send(outgoing()))
    await until(lambda: len(upstream.seen) > before)
    send.cancel()
    with pytest.raises(asyncio.CancelledError):
        await send


def test_without_the_extra_open_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind can be named and its table read without the library; only opening such a carrier needs it."""
    monkeypatch.setitem(sys.modules, "apprise", None)

    async def main() -> None:
        settings, factory = KINDS["apprise"]
        table = {"kind": "apprise", "url": "json://sms.example.com/{to}"}
        carrier = factory("main", settings.model_validate(table), clock=lambda: NOW)
        with pytest.raises(ConfigError, match=r"carriers\.main: .*pip install smsbridge\[apprise\]"):
            await carrier.open(Ear())
        assert (await carrier.send(outgoing())).verdict is Verdict.DEFERRED
        await carrier.close()

    run(main)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nosuchservice://hush-hush@sms.example.com/{to}", "no service"),
        ("smseagle://sms.example.com/{to}?tokn=hush-hush", "no service"),
        ("json://u:hush-hush@sms.example.com/{to}?retry=2", "no retry"),
        ("json://u:hush-hush@sms.example.com/{to}?redirect=yes", "no redirect"),
        ("smseagle://hush-hush@sms.example.com/{to}/+972502345670", "not to 2 places"),
        ("smseagle://hush-hush@sms.example.com/{to}?retry=1", "no retry"),
    ],
)
def test_urls_that_cannot_work_are_refused_at_open(url: str, why: str) -> None:
    """No service, one that would repeat or follow, and one that leads elsewhere too: told, without the URL."""

    async def main() -> None:
        with pytest.raises(ConfigError, match=r"carriers\.main: url: ") as caught:
            await carrier_of({"kind": "apprise", "url": url}).open(Ear())
        assert why in str(caught.value)
        assert "hush" not in str(caught.value)

    run(main)


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500, 503])
def test_a_no_is_a_doubt(status: int) -> None:
    """Whatever the service says but yes, nobody learns which it was: the text is in doubt, and went out once."""

    async def main() -> None:
        upstream = JsonService()
        async with opened(upstream) as carrier:
            upstream.status = Answer(status=status, headers={"location": f"{upstream.url}/welcome"})
            assert (await carrier.send(outgoing())).verdict is Verdict.UNKNOWN
        assert len(upstream.seen) == 1

    run(main)


def test_a_host_that_is_away_is_a_doubt() -> None:
    """A refused connection looks to us like any other no."""

    async def main() -> None:
        with refusing() as port:
            carrier = carrier_of({"kind": "apprise", "url": f"json://127.0.0.1:{port}/{{to}}"})
            await carrier.open(Ear())
            assert (await carrier.send(outgoing())).verdict is Verdict.UNKNOWN
            await carrier.close()

    run(main)


@pytest.mark.parametrize("wrong", [Wrong.SILENT, Wrong.STALLED_HEAD, Wrong.STALLED_BODY, Wrong.TRICKLE])
def test_no_answer_in_time_is_a_doubt(wrong: Wrong) -> None:
    """An upstream that never ends its answer ends the wait, not the carrier."""

    async def main() -> None:
        upstream = SmsEagle()
        async with opened(upstream, total_timeout="200ms") as carrier:
            upstream.trouble(wrong)
            outcome = await carrier.send(outgoing())
            assert (outcome.verdict, outcome.reason) == (Verdict.UNKNOWN, "no answer of apprise in time")

    run(main)


def test_calls_that_never_end_are_not_heaped_up() -> None:
    """With twice as many as may be under way left behind, texts are deferred; once those ended they go again."""

    async def main() -> None:
        upstream = SmsEagle()
        async with opened(upstream, concurrency=1) as carrier:
            upstream.trouble(Wrong.TRICKLE)
            for _ in range(2):
                await given_up(carrier, upstream)
            assert (await carrier.send(outgoing())).verdict is Verdict.DEFERRED
            await upstream.stop()
            upstream.mend()
            await until(lambda: not carrier._threads)
            await upstream.start()
            assert (await carrier.send(outgoing())).verdict is Verdict.ACCEPTED

    run(main)


def test_a_text_longer_than_the_service_takes_is_refused_whole() -> None:
    """At the limit it goes, above it nothing does; the limit is apprise's, or the operator's."""

    async def main() -> None:
        upstream = SmsEagle()
        async with opened(upstream, max_chars=None) as carrier:
            outcomes = [await carrier.send(outgoing(text="ש" * length)) for length in (1200, 1201)]
        async with opened(upstream, max_chars=5) as carrier:
            outcomes += [await carrier.send(outgoing(text="a" * length)) for length in (5, 6)]
        assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED, Verdict.REFUSED] * 2
        assert "longer than 1200 characters" in outcomes[1].reason
        assert [len(arrival.text) for arrival in upstream.arrived()] == [1200, 5]

    run(main)


@pytest.mark.parametrize(("form", "number"), [("e164", NUMBER), ("digits", NUMBER[1:])])
def test_numbers_are_written_as_the_setting_says(form: str, number: str) -> None:
    """With the plus, or without."""

    async def main() -> None:
        upstream = JsonService()
        async with opened(upstream, number_form=form) as carrier:
            await carrier.send(outgoing())
        assert [arrival.number for arrival in upstream.arrived()] == [number]

    run(main)


@pytest.mark.parametrize("sender", ["ACME", "My Shop", "A+B", "+972502345679", "*1234", "it's!", "a-b_c.d"])
def test_senders_arrive_as_they_are(sender: str) -> None:
    """What has a meaning in URLs too."""

    async def main() -> None:
        upstream = JsonService()
        async with opened(upstream) as carrier:
            assert (await carrier.send(outgoing(sender=sender))).verdict is Verdict.ACCEPTED
        assert [arrival.sender for arrival in upstream.arrived()] == [sender]

    run(main)


@pytest.mark.parametrize("sender", ["A&B", "A/B", "A,B", "A%2FB", "{to}", "שלום"])
def test_a_sender_that_could_change_the_url_is_refused(sender: str) -> None:
    """It is never sent under another name, nor to another place; where the URL has no place for it, it says nothing."""

    async def main() -> None:
        upstream, eagle = JsonService(), SmsEagle()
        async with opened(upstream) as carrier:
            assert (await carrier.send(outgoing(sender=sender))).verdict is Verdict.REFUSED
        assert upstream.seen == []
        async with opened(eagle) as carrier:
            assert (await carrier.send(outgoing(sender=sender))).verdict is Verdict.ACCEPTED

    run(main)


def test_a_service_that_raises_is_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service's code raises is known by its class alone: its words may hold the text."""
    from apprise.plugins.smseagle import NotifySMSEagle  # noqa: PLC0415 - not before the kind has loaded it

    def send(self: object, body: str, **_: object) -> bool:
        raise KeyError(body)

    monkeypatch.setattr(NotifySMSEagle, "send", send)

    async def main() -> None:
        async with opened(SmsEagle()) as carrier:
            outcome = await carrier.send(outgoing(text="classified"))
        assert outcome.verdict is Verdict.UNKNOWN
        assert "KeyError" in outcome.reason
        assert "classified" not in outcome.reason

    run(main)


def test_close_does_not_wait_for_what_was_given_up() -> None:
    """Such a call may end after close: its answer is heard by nobody and harms nobody."""

    async def main() -> None:
        upstream = SmsEagle()
        async with opened(upstream) as carrier:
            upstream.trouble(Wrong.TRICKLE)
            await given_up(carrier, upstream)
            await carrier.close()
            assert carrier._threads == 1
            await upstream.stop()
            await until(lambda: not carrier._threads)

    run(main)
