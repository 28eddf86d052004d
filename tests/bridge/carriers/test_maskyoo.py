"""What is known of Maskyoo is done as its pages have it; what is not is kept, looked for, and configured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs

from bridge.carriers.base import Asked, Call, Called, Funded, Received, Registers, Unreadable, Urls
from bridge.carriers.maskyoo.carrier import Maskyoo, MaskyooSettings
from bridge.carriers.maskyoo.news import OWN_ID
from bridge.model.errors import ConfigError, Trouble
from bridge.model.message import Verdict
from bridge.model.state import State
from tests.contract.carriers.case import REPLY_TEXT
from tests.contract.test_carriers import NOW, NUMBER, OTHER, Ear, outgoing
from tests.support.maskyoo_server import LINE, PASSWORD, SECRET, TOKEN, USERNAME, MaskyooServer
from tests.support.upstream import Answer, Wrong

OURS = "01a1f7df4a693b96124b9b87c3-1"
URLS = Urls.under("https://sms.example.com", "main", SECRET)


def carrier(**table: Any) -> Maskyoo:
    """Make one that needs no upstream."""
    own = {"kind": "maskyoo", "token": TOKEN, "default_sender": LINE, "callback_secret": SECRET}
    return Maskyoo("main", MaskyooSettings.model_validate(own | table), clock=lambda: NOW)


def heard(
    told: dict[str, str] | None = None, *, body: bytes = b"", query: bytes = b"", inbound: bool = False, **table: Any
) -> Received:
    """Return what a carrier reads in a call."""
    query = query or urlencode(told or {}).encode()
    return carrier(**table).receive(Call(method="GET", inbound=inbound, query=query, body=body, headers={}))


def served(
    main: Callable[[MaskyooServer, Maskyoo], Coroutine[Any, Any, None]],
    *,
    bulk: bool = False,
    urls: Urls | None = URLS,
    **more: Any,
) -> None:
    """Run a test with a server and an open carrier; the table may have more, and None takes a key out of it."""

    async def whole() -> None:
        async with asyncio.timeout(10), MaskyooServer(bulk=bulk).serving() as server:
            plain: dict[str, Any] = {
                "refused_pattern": None,
                "deferred_pattern": None,
                "callback_states": {},
                "callback_state": None,
            }
            made = Maskyoo("main", MaskyooSettings.model_validate(server.table() | plain | more), clock=lambda: NOW)
            if urls is not None:
                made.called_at(urls)
            await made.open(Ear())
            try:
                await main(server, made)
            finally:
                await made.close()

    asyncio.run(whole())


def test_what_it_can_do() -> None:
    """No states can be asked for, and no text is taken back: nothing says how."""
    made = carrier()
    for protocol in (Called, Funded, Registers):
        assert isinstance(made, protocol)
    assert not isinstance(made, Asked)
    assert not made.takes_own_id


# --- sending ---


def test_parameters_of_a_text() -> None:
    """As send_sms names them, by GET with the token in a header, and a callback_url that holds our id."""

    async def main(server: MaskyooServer, made: Maskyoo) -> None:
        text = outgoing(text="שלום & 50% 👍\nbye")
        assert (await made.send(text)).verdict is Verdict.ACCEPTED
        assert server.asked == [
            {
                "service": "send_sms",
                "dest": "0502345678",
                "message": "שלום & 50% 👍\nbye",
                "sender": "ACME",
                "callback_url": f"{URLS.callback}?smsbridge_id={text.id}",
            }
        ]
        (seen,) = server.seen
        assert seen.headers["authorization"] == f"Bearer {TOKEN}"
        assert TOKEN not in seen.target

    served(main)


def test_elements_of_the_bulk_service() -> None:
    """The same in a list of one, as JSON."""

    async def main(server: MaskyooServer, made: Maskyoo) -> None:
        text = outgoing(text="שלום 👍")
        assert (await made.send(text)).carrier_id == "100000001"
        (told,) = server.asked
        assert (told["message"], told["dest"], set(told)) == (
            "שלום 👍",
            "0502345678",
            {"service", "dest", "message", "sender", "callback_url"},
        )

    served(main, bulk=True)


def test_a_login_of_older_accounts() -> None:
    """It goes in the query, which is all that is known of it; with no secret of URLs no callback_url goes."""

    async def main(server: MaskyooServer, made: Maskyoo) -> None:
        outcome = await made.send(outgoing())
        assert outcome.verdict is Verdict.ACCEPTED
        (told,) = server.asked
        assert (told["username"], told["password"]) == (USERNAME, PASSWORD)
        assert "callback_url" not in told
        assert "authorization" not in server.seen[0].headers
        server.said = Answer(body=f"no such login: {PASSWORD}".encode(), media_type="text/plain")
        assert PASSWORD not in (await made.send(outgoing())).raw

    served(main, token=None, username=USERNAME, password=PASSWORD, callback_secret=None, urls=None)


@pytest.mark.parametrize("wrong", [Wrong.CLOSE, Wrong.RESET, Wrong.HALF_HEAD])
@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_get_that_sends_is_made_once(wrong: Wrong, before: int) -> None:
    """Clients of HTTP may repeat a GET whose connection broke; this one would send the text a second time."""

    async def main(server: MaskyooServer, made: Maskyoo) -> None:
        for _ in range(before):
            await made.send(outgoing())
        server.wrong, tries = wrong, server.tries
        outcome = await made.send(outgoing())
        assert (outcome.verdict, server.tries - tries) == (Verdict.UNKNOWN, 1)

    served(main)


@pytest.mark.parametrize(
    ("form", "number", "written"),
    [
        ("local", NUMBER, "0502345678"),
        ("digits", NUMBER, "972502345678"),
        ("e164", NUMBER, NUMBER),
        ("local", "+4915112345678", "4915112345678"),
        ("e164", "+4915112345678", "+4915112345678"),
    ],
)
def test_forms_of_numbers(form: str, number: str, written: str) -> None:
    """As at home, or international: whether that is taken, no page says. Senders' numbers go the same way."""
    made = carrier(number_form=form)
    assert made._number(number) == written
    assert made._sender(number) == written
    assert (made._sender("ACME"), made._sender("*2345"), made._sender(None)) == ("ACME", "*2345", LINE)


UNCONFIRMED = (Verdict.ACCEPTED, None, "unconfirmed: HTTP 200, and no id in the answer")


@pytest.mark.parametrize(
    ("said", "kind", "ends"),
    [
        (b"", "", UNCONFIRMED),
        (b"", "text/html; charset=utf-8", UNCONFIRMED),
        (b"OK", "text/plain", UNCONFIRMED),
        (b"<r><message_id></message_id></r>", "text/xml", UNCONFIRMED),
        (b"<r><message_id>100000001</message_id></r>", "text/xml", (Verdict.ACCEPTED, "100000001", "")),
        (b'<r message_id="100000001"/>', "application/xml", (Verdict.ACCEPTED, "100000001", "")),
        (b'{"status": "ok", "message_id": 100000001}', "application/json", (Verdict.ACCEPTED, "100000001", "")),
        (b'{"message_id":"ab-1"}', "text/html", (Verdict.ACCEPTED, "ab-1", "")),
        (b"message_id=100000001", "text/plain", (Verdict.ACCEPTED, "100000001", "")),
        (b"message_id: 100000001", "", (Verdict.ACCEPTED, "100000001", "")),
        (b"<!DOCTYPE html><title>Login</title>", "text/html", (Verdict.UNKNOWN, None, "the answer is a page")),
        (b" <HTML><body>", "text/html", (Verdict.UNKNOWN, None, "the answer is a page")),
    ],
)
def test_answers_of_any_form(said: bytes, kind: str, ends: tuple[Verdict, str | None, str]) -> None:
    """HTTP 200 is accepted, and called unconfirmed without an id; where an id stands, it is taken. The raw is kept."""

    async def main(server: MaskyooServer, made: Maskyoo) -> None:
        server.said = Answer(body=said, media_type=kind)
        outcome = await made.send(outgoing())
        assert (outcome.verdict, outcome.carrier_id, outcome.reason) == ends
        assert outcome.raw == f"200 {said.decode().strip()}".strip()

    served(main)


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (b"<e>Sender not approved</e>", Verdict.REFUSED),
        (b"<e>NO CREDIT</e>", Verdict.DEFERRED),
        (b"<ok/>", Verdict.ACCEPTED),
        (b"<ok/> message_id=7", Verdict.ACCEPTED),
        (b"message_id=7", Verdict.UNKNOWN),
        (b"", Verdict.UNKNOWN),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_patterns_say_what_an_operator_learned(said: bytes, verdict: Verdict, status: int) -> None:
    """They come before the status; with one for what is accepted, nothing else is."""

    async def main(server: MaskyooServer, made: Maskyoo) -> None:
        server.said = Answer(status=status, body=said, media_type="text/xml")
        outcome = await made.send(outgoing())
        wanted = verdict if status == 200 or verdict in {Verdict.REFUSED, Verdict.DEFERRED} else Verdict.REFUSED
        assert outcome.verdict is wanted
        assert outcome.raw.startswith(str(status))
        assert bool(outcome.reason) is (wanted is not Verdict.ACCEPTED)

    served(main, refused_pattern="not approved", deferred_pattern="(?i)no credit", accepted_pattern="<ok")


@pytest.mark.parametrize("text", ['say "not approved" & <go>', "no credit: message_id=666", "שלום not approved/"])
@pytest.mark.parametrize("bulk", [False, True])
def test_what_an_answer_repeats_of_the_text_counts_for_nothing(*, text: str, bulk: bool) -> None:
    """Who writes a text cannot write its outcome, nor its id."""

    async def main(server: MaskyooServer, made: Maskyoo) -> None:
        outcome = await made.send(outgoing(text=text))
        assert (outcome.verdict, outcome.carrier_id) == (Verdict.ACCEPTED, "100000001")
        if not bulk:
            server.said = Answer(body=f"done: {text}".encode(), media_type="text/plain")
            outcome = await made.send(outgoing(text=text))
            assert (outcome.verdict, outcome.carrier_id) == (Verdict.ACCEPTED, None)

    served(main, bulk=bulk, refused_pattern="not approved", deferred_pattern="no credit")


def test_short_texts_do_not_eat_the_answer() -> None:
    """A letter is in every answer."""

    async def main(server: MaskyooServer, made: Maskyoo) -> None:
        for text in ("e", "1", "id"):
            assert (await made.send(outgoing(text=text))).carrier_id

    served(main)


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        ([{"status": "Message in Action", "message_id": 7}], (Verdict.ACCEPTED, "7")),
        ([{"status": "Message in Action"}], (Verdict.ACCEPTED, None)),
        ([{"status": "Blocked", "message_id": 7}], (Verdict.REFUSED, None)),
        ([{"status": "Something new", "message_id": 7}], (Verdict.UNKNOWN, None)),
        ([{"message_id": 7}], (Verdict.UNKNOWN, None)),
        ([], (Verdict.UNKNOWN, None)),
        ([{"status": "Message in Action"}] * 2, (Verdict.UNKNOWN, None)),
        ({"status": "Message in Action"}, (Verdict.UNKNOWN, None)),
        ([7], (Verdict.UNKNOWN, None)),
    ],
)
def test_answers_of_the_bulk_service(said: Any, ends: tuple[Verdict, str | None]) -> None:
    """One status is documented; what others mean is a setting, and unknown without it."""

    async def main(server: MaskyooServer, made: Maskyoo) -> None:
        server.said = Answer.of(said)
        outcome = await made.send(outgoing())
        assert (outcome.verdict, outcome.carrier_id) == ends

    served(main, bulk=True, bulk_states={"Message in Action": "accepted", "Blocked": "refused"})


def test_urls_need_the_bridges_own() -> None:
    """A secret without public_url is told at start; an answer that is no text is unknown."""
    with pytest.raises(ConfigError, match="public_url"):
        asyncio.run(carrier().open(Ear()))


# --- callbacks ---

STATES: dict[str, Any] = {
    "callback_state": "dlr",
    "callback_states": {"ok": "delivered", "late": "expired", "on": "nothing"},
}


@pytest.mark.parametrize(
    ("state", "meant"), [("ok", State.DELIVERED), ("late", State.EXPIRED), ("on", None), ("new", State.SENT)]
)
def test_states_are_mapped_by_settings(state: str, meant: State | None) -> None:
    """An unknown one moves nothing that was sent; it is logged, and kept as it came."""
    with capture_logs() as logs:
        reports = heard({OWN_ID: OURS, "dlr": state, "x": "y"}, **STATES).reports
    assert [(one.recipient_id, one.state, one.raw) for one in reports] == (
        [] if meant is None else [(OURS, meant, f"dlr={state}; x=y")]
    )
    assert [line["event"] for line in logs] == (["unknown state"] if state == "new" else [])


def test_without_settings_every_callback_is_kept() -> None:
    """Raw, beside a text that stays sent: so an operator learns what the parameters are."""
    with capture_logs() as logs:
        (report,) = heard({OWN_ID: OURS, "Status": "3", "dest": "0502345678", "message": "the text"}).reports
    assert (report.state, report.recipient_id) == (State.SENT, OURS)
    assert report.raw == "Status=3; dest=***; message=…"
    assert logs[0]["state"] == f"none in {OWN_ID}, Status, dest, message"


@pytest.mark.parametrize(
    "query",
    [
        f"{OWN_ID}={OURS}&dlr=ok",
        f"{OWN_ID}={OURS}?dlr=ok",
        f"?{OWN_ID}={OURS}&&dlr=ok&",
        f"dlr=ok&{OWN_ID}={OURS}",
    ],
)
def test_parameters_in_the_query(query: str) -> None:
    """However they are put to a URL that has one already."""
    assert [one.state for one in heard(query=query.encode(), **STATES).reports] == [State.DELIVERED]


@pytest.mark.parametrize("body", [b"dlr=ok&a=b", b'{"dlr": "ok", "deep": {"a": 1}, "none": null}', b'[{"dlr": "ok"}]'])
def test_parameters_in_a_body(body: bytes) -> None:
    """A form, or JSON; the id is in the query all the same."""
    (report,) = heard({OWN_ID: OURS}, body=body, **STATES).reports
    assert (report.recipient_id, report.state) == (OURS, State.DELIVERED)


def test_a_hundred_recipients_in_one_report() -> None:
    """Each by the provider's id where its name is set; our id in the URL is one text's, and names none of many."""
    items = [{"mid": str(place), "dlr": "ok"} for place in range(100)]
    reports = heard({OWN_ID: OURS}, body=json.dumps(items).encode(), callback_id="mid", **STATES).reports
    assert [(one.carrier_id, one.recipient_id) for one in reports] == [(str(place), None) for place in range(100)]
    with pytest.raises(Unreadable):
        heard({OWN_ID: OURS}, body=json.dumps(items).encode(), **STATES)


def test_without_our_id_the_providers_counts() -> None:
    """Where its name is set; else the call is refused, with the names of what it has, and no value."""
    (report,) = heard({"mid": "7", "dlr": "ok"}, callback_id="mid", **STATES).reports
    assert (report.carrier_id, report.recipient_id) == ("7", None)
    for strange in ({}, {"mid": "7", "dlr": "ok"}, {OWN_ID: "../../x", "to": "0502345678", "a text?": ""}):
        with pytest.raises(Unreadable) as caught:
            heard(strange, **STATES)
        assert "0502345678" not in str(caught.value)
        assert "a text" not in str(caught.value)
    with pytest.raises(Unreadable, match="mid, dlr"):
        heard({"mid": "7", "dlr": "ok"}, **STATES)


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"[1]", b"[" * 50_000, b"a=1&" * 300, json.dumps([{"a": "b"}] * 1001).encode()]
)
def test_calls_that_are_none(body: bytes) -> None:
    """No JSON, a very long list, too many parameters: refused aloud."""
    with pytest.raises(Unreadable):
        heard({OWN_ID: OURS}, body=body, **STATES)


def test_nobodys_words_get_long() -> None:
    """What is kept of a call is bounded, whatever it says."""
    (report,) = heard({OWN_ID: OURS} | {f"p{place}": "x" * 500 for place in range(50)}).reports
    assert len(report.raw) == 500


# --- texts from phones ---


def text(**told: str) -> dict[str, str]:
    """Return the parameters of the webhook."""
    return {"from": "0502345678", "to": LINE, "msg": REPLY_TEXT, "time": "2026-11-20 08:15:00"} | told


@pytest.mark.parametrize("inbound", [True, False])
def test_the_webhook_of_texts(*, inbound: bool) -> None:
    """Numbers as at home, the time in the zone of the settings; both of our URLs take it."""
    (one,) = heard(text(), inbound=inbound).inbounds
    assert (one.sender, one.to, one.text) == (NUMBER, "+972722345678", REPLY_TEXT)
    assert one.at == datetime(2026, 11, 20, 6, 15, tzinfo=UTC)
    (other,) = heard(text(), inbound=inbound, time_zone="UTC").inbounds
    assert other.at == datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
    assert other.carrier_id == one.carrier_id


def test_the_same_call_twice_is_one_text() -> None:
    """It has no id; other words, phones, numbers and times are other texts."""
    others = [text(), text(msg="no"), text(time="2026-11-20 08:15:01"), text(to="*2345"), {**text(), "from": OTHER}]
    ids = [heard(one, inbound=True).inbounds[0].carrier_id for one in others]
    assert len(set(ids)) == 5
    assert heard(text(), inbound=True).inbounds[0].carrier_id == ids[0]


@pytest.mark.parametrize(
    ("number", "read"),
    [(NUMBER, NUMBER), ("972502345678", NUMBER), ("050-234-5678", NUMBER), ("MyBank", "MyBank"), ("*2345", "*2345")],
)
def test_numbers_in_other_forms(number: str, read: str) -> None:
    """What is no number stays as it is."""
    assert heard({**text(), "from": number}, inbound=True).inbounds[0].sender == read


@pytest.mark.parametrize("time", ["", "20/11/2026 08:15", "2026-11-20T08:15:00Z", "0000-00-00 00:00:00"])
def test_a_time_that_cannot_be_read_is_now(time: str) -> None:
    """No text is lost for it."""
    assert heard(text(time=time), inbound=True).inbounds[0].at == NOW


def test_bytes_of_another_charset_lose_no_text() -> None:
    """What is UTF-8 in it is read."""
    (one,) = heard(query=b"from=0502345678&to=&msg=yes+%F9&time=", inbound=True).inbounds
    assert one.text == "yes \ufffd"


@pytest.mark.parametrize("told", [{}, {"msg": "hi"}, {"from": "0502345678"}, {"from": "", "msg": "hi"}])
def test_no_text_from_a_phone(told: dict[str, str]) -> None:
    """Without a sender or a text: refused aloud."""
    with pytest.raises(Unreadable):
        heard(told, inbound=True)


# --- what else can be told ---


def test_senders_and_contacts() -> None:
    """By the names that are known; what is answered is shown as it is, for no page says what it means."""

    async def main(server: MaskyooServer, made: Maskyoo) -> None:
        assert await made.add_sender("ACME") == "<r>add_sender_text done</r>"
        assert await made.add_contact(NUMBER, email="ann@example.com", name="Ann") == "<r>add_contact done</r>"
        await made.add_contact(NUMBER, email="ann@example.com")
        assert server.asked == [
            {"service": "add_sender_text", "sender": "ACME"},
            {"service": "add_contact", "sms_phone": "0502345678", "email": "ann@example.com", "name": "Ann"},
            {"service": "add_contact", "sms_phone": "0502345678", "email": "ann@example.com"},
        ]
        server.said = Answer(body=b"", media_type="")
        assert await made.add_sender("ACME") == "nothing"
        server.said = Answer(status=403)
        with pytest.raises(Trouble, match="forbidden"):
            await made.add_sender("ACME")

    served(main)


def test_credit_needs_the_name_of_its_service() -> None:
    """There is one, and no public page has its name; with it, what is answered is shown."""

    async def without(server: MaskyooServer, made: Maskyoo) -> None:
        with pytest.raises(ConfigError, match="credit_service"):
            await made.credit()
        assert server.asked == []

    async def within(server: MaskyooServer, made: Maskyoo) -> None:
        server.said = Answer(body=b"<credit>1200</credit>", media_type="text/xml")
        assert await made.credit() == "<credit>1200</credit>"
        assert server.asked == [{"service": "get_credit"}]

    served(without)
    served(within, credit_service="get_credit")
