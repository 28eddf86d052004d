"""What single clients can do beyond handing over a mail: they ask for receipts, keep connections, come by a proxy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.interop.mail.between import between
from tests.interop.mail.bridge import CLOSED, RELAY, Bridge, address
from tests.interop.mail.clients import (
    HOST,
    Order,
    Said,
    by_curl,
    by_msmtp,
    by_smtplib,
    by_swaks,
    composed_by_nodemailer,
    needed,
    nodemailer,
    run,
)
from tests.interop.mail.conftest import LOGINS
from tests.support.served import DOMAIN

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

TEXT: Final = "שלום 🙂"


def order(bridge: Bridge, folder: Path, *numbers: str, **more: Any) -> Order:
    """Return an order from the relay's mailbox."""
    wanted = Order(
        port=bridge.port("smtp"),
        sender=RELAY,
        recipients=[address(number) for number in numbers],
        text=TEXT,
        id=f"<{numbers[0]}@client.example.com>",
        folder=folder,
        trust=bridge.root,
    )
    return replace(wanted, **more)


def _asked_by_nodemailer(wanted: Order) -> Said:
    receipts = {"id": "QQ+314", "return": "headers", "notify": ["success", "failure"]}
    (told,) = nodemailer(wanted, composed_by_nodemailer(wanted) | {"dsn": receipts})
    return Said(0 if "accepted" in told else told["code"], str(told))


@pytest.mark.parametrize(
    ("name", "number", "send", "envelope"),
    [
        (
            "smtplib",
            "+972502347001",
            lambda wanted: by_smtplib(
                wanted, mailing=["RET=HDRS", "ENVID=QQ+2B314"], each=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;a+2Bb@c"]
            ),
            {"ret": "HDRS", "envid": "QQ+314", "orcpt": "rfc822;a+b@c"},
        ),
        (
            "msmtp",
            "+972502347002",
            lambda wanted: by_msmtp(wanted, "--dsn-notify=success,failure", "--dsn-return=hdrs"),
            {"ret": "HDRS"},
        ),
        ("nodemailer", "+972502347003", _asked_by_nodemailer, {"ret": "HDRS", "envid": "QQ+314"}),
    ],
)
def test_receipts_that_are_asked_for(
    *, bridge: Bridge, tmp_path: Path, name: str, number: str, send: Callable[[Order], Said], envelope: dict[str, str]
) -> None:
    """Each client asks in its own words, and the bridge keeps what was meant."""
    needed(name)
    said = send(order(bridge, tmp_path, number))
    assert said.ended == 0, said
    (stored,) = bridge.stored(number)
    recipient = {"notify": ["SUCCESS", "FAILURE"], "orcpt": envelope.pop("orcpt", None)}
    assert stored.envelope == envelope | {"recipients": {number: recipient}}


@pytest.mark.parametrize(
    ("name", "number", "send"),
    [
        ("smtplib", "+972502347011", by_smtplib),
        ("curl", "+972502347012", by_curl),
        ("msmtp", "+972502347013", by_msmtp),
        ("nodemailer", "+972502347014", _asked_by_nodemailer),
    ],
)
def test_digits_of_another_script(
    bridge: Bridge, tmp_path: Path, name: str, number: str, send: Callable[[Order], Said]
) -> None:
    """An address beyond ASCII goes by SMTPUTF8, which the client finds by itself."""
    needed(name)
    written = number.removeprefix("+").translate({ord(str(digit)): 0x0660 + digit for digit in range(10)})
    said = send(order(bridge, tmp_path, number, recipients=[f"{written}@{DOMAIN}"]))
    assert said.ended == 0, said
    assert bridge.arrived(number) == {number: TEXT}


def test_kept_connections(bridge: Bridge, tmp_path: Path) -> None:
    """Nodemailer's pool sends many mails over two; one that is refused spoils none of the others."""
    needed("nodemailer")
    numbers = [f"+97250234702{serial}" for serial in range(10)]
    wanted = order(bridge, tmp_path, *numbers)
    mails = [
        composed_by_nodemailer(wanted) | {"to": address(number), "messageId": f"<{number}@pool>"} for number in numbers
    ]
    mails.insert(3, mails[0] | {"to": f"12@{DOMAIN}"})
    mails.insert(6, mails[0] | {"from": "eve@example.org"})
    with between(HOST, bridge.port("smtp")) as wire:
        wanted = order(bridge, tmp_path, *numbers, port=wire.port)
        told = nodemailer(wanted, *mails, pool=True, maxConnections=2)
        assert wire.connections == 2
    assert [place for place, each in enumerate(told) if each.get("code") == "EENVELOPE"] == [3, 6]
    assert sum("accepted" in each for each in told) == len(numbers)
    assert bridge.arrived(*numbers) == dict.fromkeys(numbers, TEXT)


def test_curl_goes_on_without_the_bad_ones(bridge: Bridge, tmp_path: Path) -> None:
    """When it is told to: the good recipient has its text. After a login it says for whom it speaks (MAIL AUTH=)."""
    needed("curl")
    wanted = order(
        *(bridge, tmp_path, "+972502347031"),
        recipients=[f"12@{DOMAIN}", address("+972502347031")],
        port=bridge.port("submission"),
        tls="starttls",
        sender="curl@example.com",
        user="curl",
        password=LOGINS["curl"],
    )
    said = by_curl(wanted, "--mail-rcpt-allowfails")
    assert said.ended == 0, said
    assert "550 5.1.1" in said.told
    assert " AUTH=<curl@example.com>" in said.told
    assert bridge.arrived("+972502347031") == {"+972502347031": TEXT}


def test_curl_says_how_large_it_is(bridge: Bridge, tmp_path: Path) -> None:
    """Of a file it knows: MAIL is refused, and nothing of the mail is sent."""
    needed("curl")
    file = tmp_path / "mail"
    file.write_bytes(b"Subject: x\r\n\r\n" + b"x" * 998 * 2200)
    words = ("--url", f"smtp://{HOST}:{bridge.port('smtp')}/client.example.com", "--upload-file", str(file))
    said = run(["curl", "--verbose", *words, "--mail-from", RELAY, "--mail-rcpt", address("+972502347032")])
    assert said.ended == 55, said
    assert "552 5.3.4" in said.told
    assert "DATA" not in said.told


def test_swaks_by_lmtp(bridge: Bridge, tmp_path: Path) -> None:
    """Each recipient has an answer of its own."""
    needed("swaks")
    numbers = "+972502347041", CLOSED, "+972502347042"
    said = by_swaks(order(bridge, tmp_path, *numbers, port=bridge.port("lmtp")), "--protocol", "LMTP")
    answers = [line.split()[1:3] for line in said.told.splitlines() if "2.0.0 Accepted" in line or "5.7.1" in line]
    assert answers == [["250", "2.0.0"], ["550", "5.7.1"], ["250", "2.0.0"]], said
    assert bridge.arrived(numbers[0], numbers[2]) == dict.fromkeys((numbers[0], numbers[2]), TEXT)


def test_swaks_in_one_go(bridge: Bridge, tmp_path: Path) -> None:
    """PIPELINING: sender, recipients and DATA at once; the bad recipient is told from the good ones."""
    needed("swaks")
    numbers = "+972502347051", "+972502347052"
    recipients = [address(numbers[0]), f"12@{DOMAIN}", address(numbers[1])]
    said = by_swaks(order(bridge, tmp_path, *numbers, recipients=recipients), "--pipeline")
    assert said.ended == 0, said
    assert "550 5.1.1" in said.told
    assert bridge.arrived(*numbers) == dict.fromkeys(numbers, TEXT)


_V1: Final = ("--proxy-version", "1", "--proxy-family", "TCP4")
_V2: Final = (
    *("--proxy-version", "2", "--proxy-family", "AF_INET"),
    *("--proxy-protocol", "STREAM", "--proxy-command", "PROXY"),
)


@pytest.mark.parametrize(("version", "number"), [(_V1, "+972502347061"), (_V2, "+972502347063")], ids=["v1", "v2"])
def test_behind_a_proxy(bridge: Bridge, tmp_path: Path, version: tuple[str, ...], number: str) -> None:
    """What counts is the client's address, which the proxy tells: one is in the trusted network, the other is not."""
    needed("swaks")
    from_proxy = ("--local-interface", "127.0.0.2", *version, "--proxy-source-port", "49152")
    from_proxy += ("--proxy-dest", HOST, "--proxy-dest-port", "25")
    wanted = order(bridge, tmp_path, number)
    said = by_swaks(wanted, *from_proxy, "--proxy-source", "198.51.100.9")
    assert said.ended == 24, said
    assert "198.51.100.9 is in no trusted network" in said.told
    assert not bridge.stored(number)
    said = by_swaks(wanted, *from_proxy, "--proxy-source", "127.0.0.9")
    assert said.ended == 0, said
    assert [stored.proof for stored in bridge.stored(number)] == ["network 127.0.0.9"]
