"""SMS Gate's calls, tokens and answers, each as its pages have it; what forges, repeats or breaks them gets nowhere."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from bridge.carriers.base import (
    Asked,
    Call,
    Called,
    Fetched,
    Forged,
    Pending,
    Recall,
    Recalled,
    Received,
    SetUp,
    Unreadable,
)
from bridge.carriers.smsgate import cipher as smsgate_cipher
from bridge.carriers.smsgate.calls import EVENTS, RECEIVED
from bridge.carriers.smsgate.carrier import SCOPES, STATES, SmsGate, SmsGateSettings
from bridge.carriers.smsgate.cipher import Undecipherable, decrypt, encrypt, is_encrypted
from bridge.model.errors import ConfigError, Trouble
from bridge.model.message import Inbound, Outgoing, Priority, Verdict
from bridge.model.state import State
from tests.contract.test_carriers import NOW, NUMBER, Ear, outgoing
from tests.support import smsgate_server
from tests.support.clock import HandClock
from tests.support.smsgate_server import DEVICE, KEY, PASSPHRASE, SECRET, SmsGateServer, signed
from tests.support.upstream import Answer, refusing

OURS = "01a1f7df4a693b96124b9b87c3-1"
AT = int(NOW.timestamp())
URLS = {"callback_url": "https://sms.example.com/c/callback/s", "inbound_url": "https://sms.example.com/c/inbound/s"}


def carrier(*, clock: Callable[[], datetime] = lambda: NOW, **table: Any) -> SmsGate:
    """Make one that needs no upstream."""
    own = {"kind": "smsgate", "user": "ann", "password": "x", "callback_secret": SECRET, "signing_keys": {DEVICE: KEY}}
    return SmsGate("main", SmsGateSettings.model_validate(own | table), clock=clock)


def call(said: object, *, at: int = AT, key: str | None = KEY, **headers: str) -> Call:
    """Make a call of a phone; without a key it is not signed."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    proof = {} if key is None else signed(body, at=at, key=key)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call(method="POST", inbound=False, query=b"", body=body, headers=proof | named)


def told(event: str, payload: object, *, device: str | None = DEVICE, call_id: str = "c1") -> dict[str, Any]:
    """Make what a call says."""
    return {"deviceId": device, "event": event, "id": call_id, "webhookId": "w1", "payload": payload}


def reply(**changes: Any) -> dict[str, Any]:
    """Make the payload of a text from a phone."""
    plain = {"messageId": "a1", "sender": NUMBER, "recipient": "+972502345670", "message": "yes", "simNumber": 1}
    return plain | {"receivedAt": "2026-11-20T08:59:00.000+02:00"} | changes


def heard(said: object, **table: Any) -> Received:
    """Return what a carrier reads in a signed call."""
    return carrier(**table).receive(call(said))


def inbound(said: object, **table: Any) -> Inbound:
    """Return the one text of a signed call."""
    received = heard(said, **table)
    (text,) = received.inbounds
    assert not received.reports
    return text


def served(
    main: Callable[[SmsGateServer, SmsGate], Coroutine[Any, Any, None]],
    *,
    server: SmsGateServer | None = None,
    clock: Callable[[], datetime] = lambda: NOW,
    **more: Any,
) -> None:
    """Run a test with a server and an open carrier, whose table may have more."""

    async def whole() -> None:
        async with asyncio.timeout(20), (server or SmsGateServer()).serving() as running:
            made = SmsGate("main", SmsGateSettings.model_validate(running.table() | more), clock=clock)
            await made.open(Ear())
            try:
                await main(running, made)
            finally:
                await made.close()

    asyncio.run(whole())


def pending(text_id: str) -> Pending:
    """Make what the pipeline asks about."""
    return Pending(id=text_id, carrier_id=text_id, number=NUMBER, sent_at=NOW)


def logins(server: SmsGateServer) -> int:
    """Return how often somebody asked for a token."""
    return sum(seen.path.endswith("/auth/token") for seen in server.seen)


def test_what_it_can_do() -> None:
    """Each of the protocols that the provider has something for."""
    made = carrier()
    for protocol in (Called, Asked, Fetched, Recalled, SetUp):
        assert isinstance(made, protocol)
    assert made.takes_own_id
    assert made.fetch_every == 0
    assert carrier(refresh_every="10m").fetch_every == 600


# --- the proof of a call ---


def test_the_vector_of_the_reference() -> None:
    """Its key, time and body give its signature; one digit off is a forgery."""
    body = b'{"event":"sms:sent","id":"e1"}'
    signature = "920d6d2d35eec2c4616e76c01da3baa8092acbd52ded3ce0ea12bd19f19fd648"
    made = carrier(signing_keys={"any": "abcd1234"}, clock=lambda: datetime.fromtimestamp(1_795_158_000, UTC))
    with pytest.raises(Unreadable, match="no payload"):  # it has none; so its proof was taken
        made.receive(call(body, key=None, x_timestamp="1795158000", x_signature=signature))
    with pytest.raises(Unreadable, match="no payload"):
        made.receive(call(body, key=None, x_timestamp="1795158000", x_signature=signature.upper()))
    with pytest.raises(Forged, match="wrong"):
        made.receive(call(body, key=None, x_timestamp="1795158000", x_signature=f"{signature[:-1]}9"))


_SAID = told("sms:delivered", {"messageId": OURS})
_GOOD = call(_SAID)
_SIGNATURE = _GOOD.headers["x-signature"]


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        (call(_SAID, key=None), "no signature"),
        (call(_SAID, key=None, x_timestamp=str(AT)), "no signature"),
        (call(_SAID, key=None, x_signature=_SIGNATURE), "no signature"),
        (call(_SAID, x_signature=""), "no signature"),
        (call(_SAID, key="another key"), "wrong"),
        (call(_SAID, x_signature="é" * 64), "wrong"),
        (call(_SAID, x_signature=_SIGNATURE[:-1]), "wrong"),
        (call(_SAID, x_timestamp=str(AT + 1)), "wrong"),
        (call(_SAID, x_timestamp=f" {AT}"), "wrong"),
        (dataclasses.replace(_GOOD, body=_GOOD.body.replace(b"delivered", b"failed")), "wrong"),
        (dataclasses.replace(_GOOD, body=_GOOD.body + b" "), "wrong"),
        (call(_SAID | {"deviceId": "another-phone-of-mine"}), "no key"),
        (call(_SAID | {"deviceId": None}), "no key"),
        (call({name: value for name, value in _SAID.items() if name != "deviceId"}), "no key"),
    ],
)
def test_what_is_not_signed_by_the_phone_is_forged(forged: Call, reason: str) -> None:
    """No signature, another's, one of another time, body or phone: none of it is read."""
    with pytest.raises(Forged, match=reason):
        carrier().receive(forged)


@pytest.mark.parametrize("written", ["", "soon", "1e9", "-5", "٢٣", "9" * 13])
def test_a_time_that_is_none_is_forged(written: str) -> None:
    """Also under a signature that is right."""
    body = json.dumps(_SAID).encode()
    signature = hmac.new(KEY.encode(), body + written.encode(), hashlib.sha256).hexdigest()
    with pytest.raises(Forged):
        carrier().receive(call(body, key=None, x_timestamp=written, x_signature=signature))


@pytest.mark.parametrize("window", [300, 60])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_signature_counts_to_the_end_of_the_window(window: int, side: int) -> None:
    """At its edge it is good, a second later or earlier it is stale, and so it is a millisecond past the edge."""
    late = NOW + timedelta(milliseconds=1)
    made = carrier(signature_window=window)
    assert made.receive(call(_SAID, at=AT + side * window)).reports
    with pytest.raises(Forged, match="stale"):
        made.receive(call(_SAID, at=AT + side * (window + 1)))
    made = carrier(signature_window=window, clock=lambda: late)
    if side < 0:
        with pytest.raises(Forged, match="stale"):
            made.receive(call(_SAID, at=AT - window))
    else:
        assert made.receive(call(_SAID, at=AT + window)).reports


def test_a_key_for_each_phone_and_one_for_the_others() -> None:
    """A phone's own key counts for it alone; ``any`` is for phones without one."""
    made = carrier(signing_keys={DEVICE: KEY, "any": "for-all-the-others"})
    other = _SAID | {"deviceId": "another-phone-of-mine"}
    assert made.receive(call(_SAID)).reports
    assert made.receive(call(other, key="for-all-the-others")).reports
    for said, key in ((_SAID, "for-all-the-others"), (other, KEY)):
        with pytest.raises(Forged, match="wrong"):
            made.receive(call(said, key=key))


def test_only_with_a_passphrase_calls_take_long() -> None:
    """They are read in a thread then: a key is made for each value."""
    assert carrier(passphrase="open sesame").decrypts
    assert not carrier().decrypts


def test_without_keys_the_secret_of_the_path_is_all() -> None:
    """A phone that has no key signs nothing; the operator chose so."""
    made = carrier(signing_keys={})
    assert made.receive(call(_SAID, key=None)).reports == made.receive(call(_SAID, key="whatever")).reports


# --- what calls say ---


@pytest.mark.parametrize(
    ("event", "at", "state"),
    [
        ("sms:sent", "sentAt", State.SENT),
        ("sms:delivered", "deliveredAt", State.DELIVERED),
        ("sms:failed", "failedAt", State.UNDELIVERED),
        ("sms:cancelled", "cancelledAt", State.UNDELIVERED),
    ],
)
def test_reports(event: str, at: str, state: State) -> None:
    """Each event has a state, its own time, and names the text by our id; a second time says the same."""
    said = told(event, {"messageId": OURS, "recipient": None, at: "2026-11-20T09:00:00.250+02:00"})
    received = heard(said)
    (report,) = received.reports
    assert (report.carrier, report.state, report.recipient_id, report.carrier_id) == ("main", state, OURS, None)
    assert report.at == NOW + timedelta(milliseconds=250)
    assert report.raw == event
    assert heard(said) == received
    assert set(EVENTS) == {"sms:sent", "sms:delivered", "sms:failed", "sms:cancelled"}


def test_the_reason_of_a_failure_is_kept() -> None:
    """As much of it as anybody reads."""
    (report,) = heard(told("sms:failed", {"messageId": OURS, "reason": "RESULT_ERROR_NO_SERVICE" * 99})).reports
    assert report.raw.startswith("sms:failed RESULT_ERROR_NO_SERVICE")
    assert len(report.raw) < 250
    assert report.at == NOW


@pytest.mark.parametrize("text_id", ["a1b2c3", "", "01A1F7DF4A693B96124B9B87C3-1", f"{OURS}x", "br-000017"])
def test_texts_that_others_send_by_the_same_phone(text_id: str) -> None:
    """They are no news, and the phone need not come again."""
    received = heard(told("sms:sent", {"messageId": text_id}))
    assert not received.reports
    assert not received.inbounds


@pytest.mark.parametrize("event", ["system:ping", "app:started", "mms:received", "sms:batch:received", "", "x" * 999])
@pytest.mark.parametrize("payload", [{"health": {}}, None, []])
def test_events_without_news(event: str, payload: object) -> None:
    """What no table knows is answered well, whatever it holds."""
    assert heard(told(event, payload)) == Received()


_ODD: tuple[object, ...] = (None, [], "x", 7, {}, {"messageId": 5, "sender": 5, "message": None})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"sms:sent"',
        b"[" * 100_000,
        b'{"event":7}',
        b"{}",
        *(json.dumps(told(event, payload)).encode() for event in ("sms:delivered", RECEIVED) for payload in _ODD),
        json.dumps(told(RECEIVED, reply(message=None))).encode(),
        json.dumps(told(RECEIVED, reply(sender=None))).encode(),
        json.dumps(told(RECEIVED, reply(sender=["+972502345678"]))).encode(),
    ],
)
def test_what_is_no_call_is_unreadable(body: bytes) -> None:
    """It is told so, and nothing of it counts."""
    with pytest.raises(Unreadable) as refused:
        heard(body)
    assert NUMBER[1:] not in str(refused.value)


# --- texts from phones ---


def test_a_text_from_a_phone() -> None:
    """Who, to whom, what and when."""
    text = inbound(told(RECEIVED, reply(message="כן 👍")))
    assert (text.carrier, text.sender, text.to, text.text) == ("main", NUMBER, "+972502345670", "כן 👍")
    assert text.at == NOW - timedelta(minutes=1)
    old = {key: value for key, value in reply(phoneNumber=NUMBER).items() if key not in {"sender", "recipient"}}
    assert (inbound(told(RECEIVED, old)).sender, inbound(told(RECEIVED, old)).to) == (NUMBER, "")


@pytest.mark.parametrize(
    ("written", "sender"),
    [
        ("972502345678", "+972502345678"),
        ("+972502345678", "+972502345678"),
        ("0502345678", "0502345678"),
        ("12345", "12345"),
        ("ACME", "ACME"),
        ("٠٥٠٢٣٤٥٦٧٨٩", "٠٥٠٢٣٤٥٦٧٨٩"),
    ],
)
def test_senders_without_a_plus(written: str, sender: str) -> None:
    """A number with its country gets its plus; short codes, names and numbers as at home stay as they are."""
    assert inbound(told(RECEIVED, reply(sender=written))).sender == sender


def test_a_text_that_comes_again_is_the_same() -> None:
    """An inbox that is read again brings it in another call, perhaps from another time zone; it keeps its id."""
    first = inbound(told(RECEIVED, reply()))
    again = inbound(told(RECEIVED, reply(), call_id="c2"))
    moved = inbound(told(RECEIVED, reply(receivedAt="2026-11-20T06:59:00.000Z", messageId="b2"), call_id="c3"))
    assert first == again
    assert first.carrier_id == moved.carrier_id
    assert len(first.carrier_id) == 40


@pytest.mark.parametrize(
    "said",
    [
        told(RECEIVED, reply(receivedAt="2026-11-20T08:59:00.001+02:00"), call_id="c2"),
        told(RECEIVED, reply(message="yes!"), call_id="c2"),
        told(RECEIVED, reply(sender="+972502345679"), call_id="c2"),
    ],
)
def test_another_text_is_another(said: dict[str, Any]) -> None:
    """The same words a moment later, other words, or of somebody else are heard, too: messageId may be the same."""
    assert inbound(said).carrier_id != inbound(told(RECEIVED, reply())).carrier_id


def test_the_same_text_to_two_phones_is_two() -> None:
    """Each phone got one."""
    keys = {"any": KEY}
    ids = {inbound(told(RECEIVED, reply(), device=each), signing_keys=keys).carrier_id for each in ("one", "two")}
    assert len(ids) == 2


@pytest.mark.parametrize("when", [None, "yesterday", 5])
def test_a_text_without_a_time_goes_by_its_call(when: object) -> None:
    """Without one nothing else tells the same words said twice from a call that came twice."""
    one, again, two = (
        inbound(told(RECEIVED, reply(receivedAt=when), call_id=call_id)) for call_id in ("c1", "c1", "c2")
    )
    assert one == again
    assert one.carrier_id != two.carrier_id
    assert one.at == NOW


def test_sealed_texts_from_phones_are_opened() -> None:
    """Under the passphrase they are what they were; sealed anew they are the same text."""

    def sealed() -> dict[str, Any]:
        hidden = {key: encrypt(reply()[key], PASSPHRASE) for key in ("sender", "recipient", "message")}
        return told(RECEIVED, reply(**hidden))

    one, two = inbound(sealed(), passphrase=PASSPHRASE), inbound(sealed(), passphrase=PASSPHRASE)
    assert one == two == inbound(told(RECEIVED, reply()))
    with pytest.raises(Unreadable, match="no passphrase"):
        heard(sealed())
    with pytest.raises(Unreadable, match="another passphrase"):
        heard(told(RECEIVED, reply(message=_SEALED)), passphrase="another")


# --- encryption ---

_SEALED = "$aes-256-cbc/pbkdf2-sha1$i=1000$AAECAwQFBgcICQoLDA0ODw==$3ol9eFs+mnGhbYUsCV+2Kg=="
"""Made by OpenSSL."""


@pytest.mark.parametrize("plain", ["", "a", "sixteen octets!!", "שלום 👍" * 50])
def test_there_and_back(plain: str) -> None:
    """What is sealed opens again, and looks different each time."""
    sealed = encrypt(plain, PASSPHRASE)
    assert is_encrypted(sealed)
    assert not is_encrypted(plain)
    assert decrypt(sealed, PASSPHRASE) == plain
    assert sealed != encrypt(plain, PASSPHRASE)
    assert sealed.startswith("$aes-256-cbc/pbkdf2-sha1$i=75000$")


def test_a_value_that_another_program_made() -> None:
    """The form is that of the reference, with the iterations that it names."""
    assert decrypt(_SEALED, "between us") == "שלום, phone"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain",
        "$aes-256-cbc/pbkdf2-sha1$",
        _SEALED.replace("i=1000", "i=0"),
        _SEALED.replace("i=1000", "i=1000001"),
        _SEALED.replace("i=1000", "i=99999999"),
        _SEALED.replace("i=1000", "i=-1"),
        _SEALED.replace("sha1", "sha256"),
        _SEALED.replace("AAECAwQFBgcICQoLDA0ODw==", "AAEC"),
        _SEALED.replace("AAECAwQFBgcICQoLDA0ODw==", "A=A="),
        _SEALED[:-6],
        f"{_SEALED}\n",
        f"{_SEALED}$",
        f"{_SEALED.rpartition('$')[0]}$AAECAwQFBgcICQoLDA0ODw==",
    ],
)
def test_broken_values(value: str) -> None:
    """They are told from whole ones, and none of them takes long."""
    with pytest.raises(Undecipherable):
        decrypt(value, "between us")


def test_another_passphrase_opens_nothing() -> None:
    """It is told; the value's own words are not."""
    with pytest.raises(Undecipherable, match="another passphrase"):
        decrypt(_SEALED, "between them")


def test_iterations_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value can ask for a million at most: more is refused before any work is done."""
    asked: list[int] = []

    def no_key(_passphrase: str, _salt: bytes, iterations: int) -> bytes:
        asked.append(iterations)
        return b"k"

    monkeypatch.setattr(smsgate_cipher, "_key", no_key)
    for iterations in (1_000_001, 9_999_999):
        with pytest.raises(Undecipherable):
            decrypt(_SEALED.replace("i=1000", f"i={iterations}"), "between us")
    assert not asked
    with pytest.raises(Undecipherable):  # that key is no key
        decrypt(_SEALED.replace("i=1000", "i=1000000"), "between us")
    assert asked == [1_000_000]


# --- sending ---


def posted(text: Outgoing, **table: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the parameters and the body of the request for a text."""
    found: list[tuple[dict[str, str], dict[str, Any]]] = []

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        assert (await made.send(text)).verdict is Verdict.ACCEPTED
        (seen,) = server.seen
        assert (seen.method, seen.path) == ("POST", "/3rdparty/v1/messages")
        found.append((dict(parse_qsl(seen.target.partition("?")[2])), seen.json))

    served(main, **table)
    return found[0]


def test_the_plain_request() -> None:
    """Our id, one number, the lifetime that is left, and nothing that was not asked for."""
    text = outgoing(text="hello")
    params, body = posted(text)
    assert params == {"skipPhoneValidation": "true"}
    assert body == {
        "id": text.id,
        "phoneNumbers": [NUMBER],
        "textMessage": {"text": "hello"},
        "withDeliveryReport": True,
        "ttl": 3600,
        "priority": 0,
    }


def test_the_request_with_all_that_can_be_set() -> None:
    """A phone, its card, phones that were seen lately, no reports, numbers checked."""
    own = {"device": DEVICE, "sim": 2, "active_within": 12, "delivery_reports": False, "check_numbers": True}
    params, body = posted(outgoing(), **own)
    assert params == {"deviceActiveWithin": "12"}
    assert (body["deviceId"], body["simNumber"], body["withDeliveryReport"]) == (DEVICE, 2, False)


@pytest.mark.parametrize(
    ("priority", "written"),
    [(Priority.BULK, -50), (Priority.NORMAL, 0), (Priority.HIGH, 50), (Priority.URGENT, 100)],
)
def test_priorities(priority: Priority, written: int) -> None:
    """Only what is urgent passes the phone's own limits, from 100 on."""
    _, body = posted(dataclasses.replace(outgoing(), priority=priority))
    assert body["priority"] == written


@pytest.mark.parametrize(("left", "ttl"), [(-5, 5), (4.9, 5), (6.9, 6), (604_800, 604_800), (1e7, 604_800)])
def test_the_lifetime(left: float, ttl: int) -> None:
    """Never below what the provider takes, a week at most."""
    _, body = posted(dataclasses.replace(outgoing(), expires_at=NOW + timedelta(seconds=left)))
    assert body["ttl"] == ttl


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer.of({"message": "message already exists"}, 409), Verdict.ACCEPTED),
        # Also said by networks in front of servers, of names that they cannot look up.
        (Answer(status=409, body=b"<p>conflict", media_type="text/html"), Verdict.UNKNOWN),
        (Answer.of({"message": "No active devices found"}, 400), Verdict.DEFERRED),
        (Answer.of({"message": "invalid phone number"}, 400), Verdict.REFUSED),
        (Answer.of({"error": "invalid phone number"}, 400), Verdict.UNKNOWN),
        (Answer.of({"message": "too many pending messages"}, 503), Verdict.DEFERRED),
        (Answer.of({"error": "too many pending messages"}, 503), Verdict.UNKNOWN),
        (Answer(status=400), Verdict.UNKNOWN),
        (Answer(status=503), Verdict.UNKNOWN),
        (Answer.of([], 400), Verdict.UNKNOWN),
        (Answer(status=400, body=b"<h1>Bad Request</h1>", media_type="text/html"), Verdict.UNKNOWN),
        (Answer(status=503, body=b"<h1>Bad Gateway</h1>", media_type="text/html"), Verdict.UNKNOWN),
        (Answer(status=503, body=b"[" * 50_000), Verdict.UNKNOWN),
        (Answer.of({"message": "oops"}, 500), Verdict.UNKNOWN),
        (Answer.of({"id": "x"}, 202), Verdict.UNKNOWN),
        (Answer.of(["state"], 202), Verdict.UNKNOWN),
        (Answer.of({"state": "Whatever is new"}, 202), Verdict.ACCEPTED),
    ],
)
def test_what_answers_mean(answer: Answer, verdict: Verdict) -> None:
    """Only the server's own word refuses or puts off; a page from in between leaves the text in doubt."""
    text = outgoing()

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        server.status = answer
        outcome = await made.send(text)
        assert outcome.verdict is verdict
        assert (outcome.carrier_id == text.id) == (verdict is Verdict.ACCEPTED)
        assert (outcome.reason == "") == (verdict is Verdict.ACCEPTED)
        assert outcome.raw.startswith(str(answer.status))

    served(main)


def test_a_text_that_is_sent_again_arrives_once() -> None:
    """The server says that it has the id; for us that is: accepted."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        text = outgoing()
        outcomes = [await made.send(text), await made.send(dataclasses.replace(text, attempt=2))]
        assert [(each.verdict, each.carrier_id) for each in outcomes] == [(Verdict.ACCEPTED, text.id)] * 2
        assert len(server.arrived()) == 1

    served(main)


def test_without_a_phone_texts_wait() -> None:
    """It may come back."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        server.has_phone = False
        outcome = await made.send(outgoing())
        assert (outcome.verdict, outcome.reason) == (Verdict.DEFERRED, "no phone (HTTP 400)")

    served(main)


# --- tokens ---


def test_a_token_has_the_least_rights() -> None:
    """It may do what the carrier does, and nothing else; the password goes nowhere but to the login."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        for _ in range(3):
            assert (await made.send(outgoing())).verdict is Verdict.ACCEPTED
        assert tuple(server.scopes) == SCOPES
        assert not {scope for scope in SCOPES if scope.split(":")[0] not in {"messages", "webhooks", "inbox"}}
        assert "all:any" not in SCOPES
        assert logins(server) == 1
        schemes = Counter(seen.headers["authorization"].split()[0] for seen in server.seen)
        assert schemes == {"Basic": 1, "Bearer": 3}

    served(main, server=SmsGateServer(jwt=True))


def test_a_token_is_renewed_before_its_end() -> None:
    """Half a minute before, and not earlier; a server's nanoseconds are read, too."""
    clock = HandClock(NOW)

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        server.expires_at = "2026-11-20T09:15:00.000000001+02:00"
        for moment, wanted in ((0, 1), (869.9, 1), (870, 2), (871, 3)):
            clock.now = NOW + timedelta(seconds=moment)
            assert (await made.send(outgoing())).verdict is Verdict.ACCEPTED
            assert logins(server) == wanted, moment

    served(main, server=SmsGateServer(jwt=True), clock=clock)


def test_many_that_wait_need_one_login() -> None:
    """Texts, questions and calls of a person."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        asking = asyncio.create_task(made.states_of([pending(OURS)] * 4))
        ends = await asyncio.gather(*(made.send(outgoing()) for _ in range(12)))
        assert [end.verdict for end in ends] == [Verdict.ACCEPTED] * 12
        assert await asking == []
        assert logins(server) == 1

    served(main, server=SmsGateServer(jwt=True))


def test_a_login_that_fails_fails_for_all_that_wait() -> None:
    """One try for all of them, each surely not sent; those that come later try anew."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        for tries in (1, 2):
            ends = await asyncio.gather(*(made.send(outgoing()) for _ in range(12)))
            assert {(end.verdict, end.reason) for end in ends} == {
                (Verdict.DEFERRED, "no token: the login is refused (HTTP 401)")
            }
            assert (len(server.seen), logins(server)) == (tries, tries)

    served(main, server=SmsGateServer(jwt=True), password="not-it")


@pytest.mark.parametrize(
    "answer",
    [
        Answer.of({}, 201),
        Answer.of([], 201),
        Answer.of({"access_token": "t", "expires_at": "soon"}, 201),
        Answer.of({"access_token": "t", "expires_at": 5}, 201),
        Answer.of({"access_token": 5, "expires_at": "2026-11-20T09:15:00Z"}, 201),
        Answer.of({"message": "off"}, 501),
        Answer(status=201, body=b"{"),
        Answer(status=201, body=b"<p>", media_type="text/html"),
    ],
)
def test_a_login_that_cannot_be_read(answer: Answer) -> None:
    """No text has left then; a question is trouble for later."""

    class Odd(SmsGateServer):
        def _token(self, seen: Any) -> Answer:
            return answer

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        outcome = await made.send(outgoing())
        assert outcome.verdict is Verdict.DEFERRED
        assert outcome.reason.startswith("no token: ")
        with pytest.raises(Trouble, match="no token"):
            await made.states_of([pending(OURS)])
        assert not server.arrived()

    served(main, server=Odd(jwt=True))


def test_a_token_that_counts_no_more_is_dropped() -> None:
    """The text waits, surely not sent; the next try logs in anew."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        assert (await made.send(outgoing())).verdict is Verdict.ACCEPTED
        server.tokens.clear()
        text = outgoing()
        assert (await made.send(text)).verdict is Verdict.DEFERRED
        assert logins(server) == 1
        assert (await made.send(text)).verdict is Verdict.ACCEPTED
        assert logins(server) == 2

    served(main, server=SmsGateServer(jwt=True))


def test_a_late_word_on_an_old_token_drops_no_new_one() -> None:
    """An answer to it that was long on its way is about a token that nobody uses any more."""

    class Late(SmsGateServer):
        def __init__(self) -> None:
            super().__init__(jwt=True)
            self.held: asyncio.Event | None = None
            self.holding = asyncio.Event()

        async def ponder(self, seen: Any, *, answered: bool) -> None:
            held, self.held = (self.held, None) if answered else (None, self.held)
            if held is not None:
                self.holding.set()
                await held.wait()

    server = Late()

    async def main(_server: SmsGateServer, made: SmsGate) -> None:
        assert (await made.send(outgoing())).verdict is Verdict.ACCEPTED
        server.tokens.clear()
        server.held = go = asyncio.Event()
        late = asyncio.create_task(made.send(outgoing()))
        await server.holding.wait()
        assert (await made.send(outgoing())).verdict is Verdict.DEFERRED
        assert (await made.send(outgoing())).verdict is Verdict.ACCEPTED
        go.set()
        assert (await late).verdict is Verdict.DEFERRED
        assert (await made.send(outgoing())).verdict is Verdict.ACCEPTED
        assert logins(server) == 2

    served(main, server=server)


# --- asking, fetching, taking back, setting up ---


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("Sent", State.SENT),
        ("Delivered", State.DELIVERED),
        ("Failed", State.UNDELIVERED),
        ("Cancelled", State.UNDELIVERED),
        ("Pending", None),
        ("Processed", None),
        ("Cancelling", None),
        ("Something new", None),
        (None, None),
        (7, None),
    ],
)
def test_states_that_are_asked_for(said: object, state: State | None) -> None:
    """Each state of the table is a report under our id; all others are no news."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        text = outgoing()
        await made.send(text)
        server.states[text.id] |= {"state": said, "recipients": [{"state": said, "error": "no service"}, 5, {}]}
        found = await made.states_of([pending(text.id), pending(OURS)])
        assert [(report.state, report.recipient_id) for report in found] == (
            [] if state is None else [(state, text.id)]
        )
        assert all(report.raw == f"{said} no service" for report in found)

    served(main)
    assert set(STATES) == {"Sent", "Delivered", "Failed", "Cancelled"}


@pytest.mark.parametrize("recipients", [None, 5, "x", [], {}, [None]])
def test_a_state_with_odd_recipients(recipients: object) -> None:
    """The state counts; of the rest nothing is needed."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        server.status = Answer.of({"state": "Delivered", "recipients": recipients})
        (report,) = await made.states_of([pending(OURS)])
        assert (report.state, report.raw) == (State.DELIVERED, "Delivered")

    served(main)


@pytest.mark.parametrize(
    "answer",
    [
        Answer.of({"message": "down"}, 500),
        Answer.of({"message": "who?"}, 401),
        Answer.of({"message": "scope messages:read"}, 403),
        Answer(body=b"<p>", media_type="text/html"),
        Answer(body=b"{"),
    ],
)
def test_an_answer_that_is_none_is_trouble(answer: Answer) -> None:
    """It is asked again later; nothing is concluded from it."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        server.status = answer
        with pytest.raises(Trouble, match="main: "):
            await made.states_of([pending(OURS)])

    served(main)


def test_a_server_that_is_away_is_trouble() -> None:
    """For each thing that can be asked of it."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        for ask in (made.states_of([pending(OURS)]), made.fetch(), made.recall(pending(OURS)), made.set_up(**URLS)):
            with pytest.raises(Trouble, match="not reached"):
                await ask
        assert (await made.send(outgoing())).verdict is Verdict.DEFERRED

    with refusing() as port:
        served(main, url=f"http://127.0.0.1:{port}/3rdparty/v1")


def test_stored_texts_are_asked_for() -> None:
    """Of three times the pause, so that one request that failed loses nothing; of one phone where one is named."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        assert await made.fetch() == []
        (asked,) = server.refreshed
        assert (asked["since"], asked["until"]) == ("2026-11-20T06:30:00.000Z", "2026-11-20T07:00:00.000Z")
        assert (asked["messageTypes"], asked["webhookDelivery"], asked["deviceId"]) == (["SMS"], "Individual", DEVICE)

    served(main, refresh_every="10m", device=DEVICE)


@pytest.mark.parametrize(
    ("state", "answer", "words"),
    [
        ("Pending", None, ""),
        ("Processed", None, "a phone has the text already"),
        (None, None, "the server knows no such text"),
        ("Pending", 405, "this server takes no text back"),
    ],
)
def test_taking_back(state: str | None, answer: int | None, words: str) -> None:
    """Only what no phone has fetched is taken back; an older server cannot."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        text = outgoing()
        if state is not None:
            await made.send(text)
            server.states[text.id]["state"] = state
        server.status = None if answer is None else Answer(status=answer)
        assert await made.recall(pending(text.id)) == Recall(done=not words, words=words)

    served(main)


def test_setting_up() -> None:
    """A webhook for each event, on its URL, under ids that stay the same and fit."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        said = await made.set_up(**URLS)
        hooks = dict(server.webhooks)
        assert await made.set_up(**URLS) == said
        assert server.webhooks == hooks
        assert {hook["event"]: hook["url"] for hook in hooks.values()} == {
            **dict.fromkeys(EVENTS, URLS["callback_url"]),
            RECEIVED: URLS["inbound_url"],
        }
        assert len(hooks) == 5
        assert all(len(each) <= 36 and hook["deviceId"] == DEVICE for each, hook in hooks.items())
        assert said == [f"{event}: registered" for event in (*EVENTS, RECEIVED)]

    served(main, device=DEVICE)


def test_two_carriers_keep_out_of_each_others_webhooks() -> None:
    """Also where their names begin alike."""

    async def main(server: SmsGateServer, _made: SmsGate) -> None:
        for name in ("phones-of-the-shop-north", "phones-of-the-shop-south"):
            made = SmsGate(name, SmsGateSettings.model_validate(server.table()), clock=lambda: NOW)
            await made.open(Ear())
            await made.set_up(**URLS)
            await made.close()
        assert len(server.webhooks) == 10

    served(main)


def test_setting_up_where_an_event_is_not_known() -> None:
    """An older server takes the others; what it said is told, and no secret is in it. If it takes none, it failed."""
    refused = {"sms:cancelled"}

    class Older(SmsGateServer):
        def _hook(self, seen: Any) -> Answer:
            if seen.json["event"] in refused:
                return Answer.of({"message": f"no event for {seen.json['url']} {smsgate_server.PASSWORD}"}, 400)
            return super()._hook(seen)

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        secret = "https://sms.example.com/carriers/main/callback/" + SECRET
        said = await made.set_up(callback_url=secret, inbound_url=secret)
        assert said[3] == (
            "sms:cancelled: not registered: 400 "
            '{"message": "no event for https://sms.example.com/carriers/main/callback/*** ***"}'
        )
        assert len(server.webhooks) == 4
        refused.update(EVENTS, {RECEIVED})
        with pytest.raises(Trouble, match="not registered"):
            await made.set_up(**URLS)

    served(main, server=Older())


@pytest.mark.parametrize("url", ["http://sms.example.com/c", "http://10.0.0.5/c", "ftp://sms.example.com/c", ""])
def test_urls_that_no_phone_calls(url: str) -> None:
    """Nothing is registered under a URL that is not https."""

    async def main(server: SmsGateServer, made: SmsGate) -> None:
        with pytest.raises(ConfigError, match="https"):
            await made.set_up(callback_url=url, inbound_url=url)
        assert not server.seen

    served(main)
