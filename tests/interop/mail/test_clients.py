"""Mail clients of the world: what they send arrives letter for letter, and what is refused they tell their users."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.interop.mail.bridge import CLOSED, RELAY, Bridge, address
from tests.interop.mail.clients import CLIENTS, Client, Order, Said, needed
from tests.interop.mail.conftest import LOGINS
from tests.support import certificates
from tests.support.served import DOMAIN

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

TEXT: Final = """\
שלום דנה, התור שלך אצל ד״ר כהן נקבע ליום שלישי, 24 בנובמבר, בשעה 10:30.

.נקודה בתחילת שורה
לביטול: https://clinic.example/c?id=7&x=1 € "תודה" 🙂👍🏽"""
"""With a line whose dot SMTP has to double, and characters of two units."""

_KINDS: Final = tuple(CLIENTS)


@dataclass(frozen=True)
class Sender:
    """A client with numbers that no other sends to."""

    name: str
    client: Client
    bridge: Bridge
    folder: Path

    def number(self, ending: int) -> str:
        """Return one of its numbers, in E.164."""
        return f"+9725023{_KINDS.index(self.name) + 41}{ending:03}"

    def order(self, *endings: int, service: str = "smtp", **more: Any) -> Order:
        """Return an order from the relay's mailbox, or by the client's login where the service wants one."""
        numbers = [self.number(ending) for ending in endings]
        order = Order(
            port=self.bridge.port(service),
            sender=RELAY,
            recipients=[address(number) for number in numbers],
            text=TEXT,
            id=f"<{self.name}.{endings[0]}@client.example.com>",
            folder=self.folder,
            trust=self.bridge.root,
        )
        if service != "smtp":
            order = self.logged_in(replace(order, tls="implicit" if service == "submissions" else "starttls"))
        return replace(order, **more)

    def logged_in(self, order: Order) -> Order:
        """Return an order by the client's login."""
        return replace(order, sender=f"{self.name}@example.com", user=self.name, password=LOGINS[self.name])

    def refused(self, said: Said, case: str, *numbers: str, reply: str = "") -> None:
        """Check that the client ended as it does in such a case, told its user why, and that nothing was taken."""
        assert said.ended == self.client.endings[case], said
        assert reply in said.told, said
        assert not [number for number in numbers if self.bridge.stored(number)]


@pytest.fixture(params=_KINDS)
def sender(request: pytest.FixtureRequest, bridge: Bridge, tmp_path: Path) -> Sender:
    """Each client in turn."""
    return Sender(request.param, needed(request.param), bridge, tmp_path)


def test_a_trusted_network(sender: Sender) -> None:
    """Without a login and without TLS, as a device in the house sends."""
    said = sender.client.send(sender.order(1))
    assert said.ended == 0, said
    assert sender.bridge.arrived(sender.number(1)) == {sender.number(1): TEXT}
    assert [stored.proof for stored in sender.bridge.stored(sender.number(1))] == ["network 127.0.0.1"]


@pytest.mark.parametrize(
    ("ending", "service", "mechanism"),
    [
        (11, "submission", "PLAIN"),
        (12, "submission", "LOGIN"),
        (13, "submissions", ""),
        (14, "submissions", "LOGIN"),
        (15, "starttls", ""),
    ],
)
def test_a_login(sender: Sender, ending: int, service: str, mechanism: str) -> None:
    """By STARTTLS and with TLS at once, by either mechanism: the text is the login's, and for no other reason taken."""
    order = sender.order(ending, service="submission" if service == "starttls" else service, mechanism=mechanism)
    if service == "starttls":  # where a login is no duty
        order = replace(order, port=sender.bridge.port("smtp"))
    said = sender.client.send(order)
    assert said.ended == 0, said
    assert sender.bridge.arrived(sender.number(ending)) == {sender.number(ending): TEXT}
    assert [stored.proof for stored in sender.bridge.stored(sender.number(ending))] == [f"login {sender.name}"]


@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_a_certificate_of_somebody_else(sender: Sender, service: str, tmp_path: Path) -> None:
    """The client looks at it: where it knows another authority, it sends nothing, above all not the password."""
    order = sender.order(21, service=service, trust=certificates.issued(tmp_path, "127.0.0.1"))
    sender.refused(sender.client.send(order), "distrust", sender.number(21))


def test_a_wrong_password(sender: Sender) -> None:
    """The client says that the login failed."""
    order = replace(sender.order(31, service="submission"), password="change-me")
    sender.refused(sender.client.send(order), "password", sender.number(31))


def test_a_mailbox_that_may_not_send(sender: Sender) -> None:
    """Nobody's mailbox, another's than the login's, and one that needs a login: the client shows the reason."""
    other = f"{next(name for name in CLIENTS if name != sender.name)}@example.com"
    for order, why in (
        (sender.order(41, sender="eve@example.org"), "eve@example.org is not allowed to send"),
        (sender.order(42, service="submission", sender=other), f"may not send as {other}"),
        (sender.order(43, sender=f"{sender.name}@example.com"), "needs one of: login"),
    ):
        (to,) = order.recipients
        sender.refused(sender.client.send(order), "sender", f"+{to.partition('@')[0]}", reply=why)


def test_one_bad_recipient(sender: Sender) -> None:
    """The client says which; whether the other has its text is the client's choice, not the bridge's."""
    good = sender.number(51)
    order = sender.order(51)
    said = sender.client.send(replace(order, recipients=[f"12@{DOMAIN}", *order.recipients]))
    assert said.ended == sender.client.endings["one"], said
    assert "5.1.1" in said.told, said
    if sender.client.partial:
        assert sender.bridge.arrived(good) == {good: TEXT}
    else:
        assert not sender.bridge.stored(good)


def test_a_recipient_that_a_rule_refuses(sender: Sender) -> None:
    """It is known only at the end of the mail: the other has its text, and the client is content."""
    order = sender.order(52)
    said = sender.client.send(replace(order, recipients=[*order.recipients, address(CLOSED)]))
    assert said.ended == 0, said
    assert sender.bridge.arrived(sender.number(52)) == {sender.number(52): TEXT}


def test_an_attachment(sender: Sender, tmp_path: Path) -> None:
    """Of one MiB: the text beside it arrives, and nothing of it."""
    file = tmp_path / "report.bin"
    file.write_bytes(bytes(range(256)) * 4096)
    said = sender.client.send(sender.order(61, service="submission", attached=file))
    assert said.ended == 0, said
    assert sender.bridge.arrived(sender.number(61)) == {sender.number(61): TEXT}


def test_too_large(sender: Sender, tmp_path: Path) -> None:
    """Whether it says its size before or not, the client hears 552 and shows it."""
    file = tmp_path / "report.bin"
    file.write_bytes(bytes(range(256)) * 8192)
    said = sender.client.send(sender.order(62, service="submission", attached=file))
    sender.refused(said, "large", sender.number(62), reply="5.3.4")
