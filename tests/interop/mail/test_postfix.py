"""Postfix hands its mails over, by SMTP and by LMTP: each becomes one text, or its sender hears why not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from typing import Final

import pytest

from bridge.model.limits import parse_limit
from bridge.model.rules import AccountRules
from tests.interop.mail.between import Wire, between
from tests.interop.mail.bridge import CLOSED, RELAY, Bridge
from tests.interop.mail.postfix import Postfix, login_needed, needed

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

HOST: Final = "127.0.0.5"
"""Where this bridge listens: its ports have to stay free while it is down."""
WAYS: Final = ("smtp", "lmtp", "login", "lossy")
LOGIN: Final = "postfix"
PASSWORD: Final = "change-me-42"
TEXT: Final = "התור שלך נקבע ליום שלישי 🙂\n.נקודה\nתודה"
BREAKS: Final = 3


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A bridge with a domain for each way that mail comes to it, and with an account that may send little."""
    needed()
    made = Bridge(
        tmp_path_factory.mktemp("postfix"),
        host=HOST,
        logins={LOGIN: PASSWORD},
        domains=[f"{way}.example.com" for way in WAYS],
    )
    made.add_account("slow", AccountRules(limits=(parse_limit("1/3s"),)))
    made.served.start()
    made.stay()
    try:
        yield made
    finally:
        assert made.served.stop() == 0
    assert "Traceback" not in made.served.logged()


@pytest.fixture(scope="module")
def wire(bridge: Bridge) -> Iterator[Wire]:
    """A wire to it that breaks a few times."""
    with between(HOST, bridge.port("smtp"), breaks=BREAKS) as made:
        yield made


@pytest.fixture(scope="module")
def postfix(bridge: Bridge, wire: Wire) -> Iterator[Postfix]:
    """The Postfix in front of it."""
    lossy, login = f"[{HOST}]:{wire.port}", f"[{HOST}]:{bridge.port('submission')}"
    routes = {
        "smtp": f"smtp:[{HOST}]:{bridge.port('smtp')}",
        "lmtp": f"lmtp:inet:{HOST}:{bridge.port('lmtp')}",
        "login": f"smtp:{login}",
        "lossy": f"smtp:{lossy}",
    }
    made = Postfix(
        {f"{way}.example.com": route for way, route in routes.items()},
        trust=bridge.root,
        plain=[lossy],
        logins={login: f"{LOGIN}:{PASSWORD}"},
    )
    try:
        yield made
        assert made.queued() == []
    finally:
        made.stop()


def address(number: str, way: str) -> str:
    """Return the address of a number by one of the ways."""
    return f"{number.removeprefix('+')}@{way}.example.com"


def numbers(first: int, count: int) -> list[str]:
    """Return numbers of this file's own."""
    return [f"+9725023480{serial:02}" for serial in range(first, first + count)]


def mail(serial: str, text: str = TEXT, sender: str = RELAY) -> bytes:
    """Return a mail as a program writes it."""
    made = EmailMessage()
    made["From"] = sender
    made["Subject"] = "תזכורת"
    made["Message-ID"] = f"<{serial}@example.com>"
    made.set_content(text)
    return made.as_bytes()


@pytest.mark.parametrize(("way", "first"), [("smtp", 0), ("lmtp", 3), ("login", 6)])
def test_a_mail_to_three(bridge: Bridge, postfix: Postfix, way: str, first: int) -> None:
    """It is handed over in one, so it is one message, with a text to each."""
    if way == "login":
        login_needed()
    to = numbers(first, 3)
    sender = f"{LOGIN}@example.com" if way == "login" else RELAY
    postfix.give(sender, [address(each, way) for each in to], mail(way, sender=sender))
    assert bridge.arrived(*to) == dict.fromkeys(to, TEXT)
    stored = [one for each in to for one in bridge.stored(each)]
    assert len(stored) == 3
    assert len({one.message for one in stored}) == 1
    assert {one.proof for one in stored} == {f"login {LOGIN}" if way == "login" else "network 127.0.0.4"}
    postfix.await_logged(f"to=<{address(to[0], way)}>", "status=sent", f"250 2.0.0 Accepted {stored[0].message}")
    if way != "lmtp":
        assert f"Trusted TLS connection established to {HOST}" in postfix.logged()


@pytest.mark.parametrize("way", ["smtp", "lmtp"])
def test_a_bad_number_bounces(bridge: Bridge, postfix: Postfix, way: str) -> None:
    """Of three: the others have their text, and the sender hears of this one alone."""
    good = numbers({"smtp": 10, "lmtp": 12}[way], 2)
    to = [address(good[0], way), f"12@{way}.example.com", address(good[1], way)]
    postfix.give(RELAY, to, mail(f"bad-{way}"))
    assert bridge.arrived(*good) == dict.fromkeys(good, TEXT)
    bounced = postfix.await_bounce(f"<bad-{way}@example.com>")
    assert list(bounced) == [to[1]]
    status, told = bounced[to[1]]
    assert status == "5.1.1"
    assert told.startswith("smtp; 550 5.1.1 ")


def test_a_rule_that_refuses_one_by_lmtp(bridge: Bridge, postfix: Postfix) -> None:
    """Known only at the end of the mail, and still each recipient has an answer of its own: this one bounces alone."""
    good = numbers(14, 2)
    to = [address(each, "lmtp") for each in (good[0], CLOSED, good[1])]
    postfix.give(RELAY, to, mail("closed-lmtp"))
    assert bridge.arrived(*good) == dict.fromkeys(good, TEXT)
    bounced = postfix.await_bounce("<closed-lmtp@example.com>")
    assert list(bounced) == [to[1]]
    assert bounced[to[1]][0] == "5.7.1"


def test_a_rule_that_refuses_all(bridge: Bridge, postfix: Postfix) -> None:
    """By SMTP too: the sender hears it in words."""
    to = address(CLOSED, "smtp")
    postfix.give(RELAY, [to], mail("closed-smtp"))
    status, told = postfix.await_bounce("<closed-smtp@example.com>")[to]
    assert status == "5.7.1"
    assert "550 5.7.1" in told


def test_too_large(bridge: Bridge, postfix: Postfix) -> None:
    """Postfix knows the limit from EHLO, and tells the sender."""
    (to,) = numbers(16, 1)
    postfix.give(RELAY, [address(to, "smtp")], mail("large", "x" * 79 + "\n") + b"x" * 998 * 2200)
    status, _ = postfix.await_bounce("<large@example.com>")[address(to, "smtp")]
    assert status == "5.3.4"
    assert not bridge.stored(to)


def test_a_limit(bridge: Bridge, postfix: Postfix) -> None:
    """450 is no bounce: Postfix comes again, until the limit lets the text pass."""
    to = numbers(20, 3)
    for serial, each in enumerate(to):
        postfix.give("slow@example.com", [address(each, "smtp")], mail(f"slow-{serial}", sender="slow@example.com"))
    assert bridge.arrived(*to) == dict.fromkeys(to, TEXT)
    postfix.await_logged("status=deferred", "450 4.7.1", "in reply to end of DATA")
    postfix.await_idle()
    assert [len(bridge.stored(each)) for each in to] == [1, 1, 1]


def test_receipts_that_are_asked_for(bridge: Bridge, postfix: Postfix) -> None:
    """What the sender says of them comes through Postfix as it was said."""
    for way, (to,) in (("smtp", numbers(24, 1)), ("lmtp", numbers(25, 1))):
        asked = ["NOTIFY=SUCCESS,FAILURE", f"ORCPT=rfc822;{address(to, way)}"]
        postfix.give(RELAY, [address(to, way)], mail(f"dsn-{way}"), mailing=["RET=HDRS", "ENVID=QQ+2B314"], each=asked)
        assert bridge.arrived(to) == {to: TEXT}
        (stored,) = bridge.stored(to)
        assert stored.envelope == {
            "ret": "HDRS",
            "envid": "QQ+314",
            "recipients": {to: {"notify": ["SUCCESS", "FAILURE"], "orcpt": f"rfc822;{address(to, way)}"}},
        }


def test_digits_of_another_script(bridge: Bridge, postfix: Postfix) -> None:
    """An address beyond ASCII goes by SMTPUTF8, through both."""
    (to,) = numbers(26, 1)
    written = to.removeprefix("+").translate({ord(str(digit)): 0x0660 + digit for digit in range(10)})
    postfix.give(RELAY, [f"{written}@smtp.example.com"], mail("digits"), mailing=["SMTPUTF8"])
    assert bridge.arrived(to) == {to: TEXT}


def test_a_bounce_is_no_text(bridge: Bridge, postfix: Postfix) -> None:
    """Who sends as a phone, and may not, is told so by a bounce to that phone: it ends there, and makes no other."""
    (phone,) = numbers(27, 1)
    sender = address(phone, "smtp")
    postfix.give(sender, [address(CLOSED, "smtp")], mail("loop", sender=sender))
    postfix.await_logged(f"to=<{sender}>", "status=bounced", "The null sender sends no texts")
    postfix.await_idle()
    assert not bridge.stored(phone)


def test_an_answer_that_gets_lost(bridge: Bridge, postfix: Postfix, wire: Wire) -> None:
    """Postfix cannot know that the mail was taken, and sends it again: it stays one text."""
    to = numbers(30, BREAKS + 2)
    for serial, each in enumerate(to):
        postfix.give(RELAY, [address(each, "lossy")], mail(f"lost-{serial}"))
    postfix.await_logged(
        "status=deferred", "lost connection", "while sending end of data -- message may be sent more than once"
    )
    postfix.await_idle()
    assert wire.breaks == 0
    assert bridge.arrived(*to) == dict.fromkeys(to, TEXT)
    assert [len(bridge.stored(each)) for each in to] == [1] * len(to)
    assert bridge.served.metric("smsbridge_duplicates_total", door="smtp") >= BREAKS


def test_a_bridge_that_is_killed(bridge: Bridge, postfix: Postfix) -> None:
    """While mails are under way, and while it is down there come more: each becomes one text, none is lost."""
    to = numbers(40, 60)
    texts = {each: f"{TEXT} {each}" for each in to}
    killed = threading.Event()

    def give() -> None:
        for serial, each in enumerate(to):
            if serial == 40:
                assert killed.wait(60)
            postfix.give(RELAY, [address(each, WAYS[serial % 2])], mail(f"kill-{serial}", texts[each]))

    before = len(bridge.served.texts())
    with ThreadPoolExecutor(1) as thread:
        giving = thread.submit(give)
        bridge.served.await_texts(before + 5)
        bridge.served.kill()
        killed.set()
        giving.result()
    for last, way in zip(to[-2:], WAYS, strict=False):
        postfix.await_logged(f"to=<{address(last, way)}>", "status=deferred")
    bridge.served.start()
    assert bridge.arrived(*to) == texts
    postfix.await_idle()
    assert [len(bridge.stored(each)) for each in to] == [1] * len(to)
