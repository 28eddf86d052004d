"""The door: its listeners, a mail all the way into the store, and how it stops."""

from __future__ import annotations

import asyncio
import socket
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge import doors
from bridge.calls.logins import Logins
from bridge.calls.passwords import Passwords
from bridge.clock import system_clock
from bridge.model.errors import ConfigError
from bridge.model.login import KeyKind
from bridge.pipeline.accept import Rules
from bridge.pipeline.commit import Writer
from bridge.pipeline.intake import Intake
from bridge.pipeline.routing import Route, Router
from bridge.pipeline.snapshot import Snapshot
from bridge.store import accounts
from bridge.store.engine import Store
from bridge.telemetry import Metrics
from smtp import replies, server
from smtp.config import SmtpSettings
from smtp.preview import preview
from smtp.server import MailDoor
from smtp.wire.client import Service
from tests.smtp.talk import LOOPS, Client, calling, run, until
from tests.smtp.wire.test_tls import trusting
from tests.support import certificates, texts
from tests.support.logins import Hasher

pytestmark = pytest.mark.enable_socket

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))
DOMAINS = ("sms.example.com", "text.example.com")
MAIL = b"MAIL FROM:<ann@example.com>\r\nRCPT TO:<0502345678@text.example.com>\r\nDATA\r\n"


@asynccontextmanager
async def mail_door(store: Store, *, account: str = "acme", **settings: Any) -> AsyncIterator[MailDoor]:
    """Give a door, not yet open, in front of a real intake; closed at the end."""
    hasher = Hasher()
    with store.write() as connection:
        made = accounts.add_account(connection, account, region=None, now=0)
        accounts.allow_mailbox(connection, made.id, "@example.com" if account == "acme" else f"@{account}", now=0)
        accounts.add_key(
            connection,
            made.id,
            user=f"{account}-device" if account != "acme" else "device",
            kind=KeyKind.PASSWORD,
            secret=hasher.hash("right"),
            networks=(),
            mailboxes=("ann@example.com",),
            now=0,
        )
    writer = Writer(store)
    intake = Intake(
        writer=writer,
        snapshot=Snapshot(store),
        rules=Rules(router=Router((Route(name="1", carriers=("sandbox",)),))),
        metrics=Metrics(),
    )
    logins = Logins(
        snapshot=intake.snapshot,
        secret_key=None,
        metrics=Metrics(),
        clock=system_clock,
        passwords=Passwords(hasher=hasher),
    )
    writer.start()
    await intake.snapshot.open()
    told = SmtpSettings.model_validate({"listen": ["127.0.0.1:0"], "domains": DOMAINS} | settings)
    door = server.door.build(told, offered(intake=intake, logins=logins))
    assert isinstance(door, MailDoor)
    try:
        yield door
    finally:
        await door.close(grace=0)
        await until(lambda: not door._connections)
        logins.close()
        await writer.stop()


def offered(*, intake: Any = None, logins: Any = None, region: str | None = "IL") -> Any:
    """Return what the application offers to the door."""
    intake = intake or SimpleNamespace(snapshot=None)
    return SimpleNamespace(
        intake=intake,
        logins=logins,
        desk=None,
        clock=system_clock,
        settings=SimpleNamespace(default_region=region),
    )


def port(door: MailDoor, service: str = "listen") -> int:
    """Return the port of the first listener of a service."""
    addresses = door.addresses if service == "listen" else door.more[service]
    return int(addresses[0].rpartition(":")[2])


async def hang_up(client: Client) -> str:
    """Return what the server still says, if the connection is not reset first."""
    try:
        return await client.rest()
    except ConnectionResetError:
        return ""


@BOTH
def test_a_mail_reaches_the_store(loop: str, store: Store) -> None:
    """From the socket to the committed row: the reply names the message, a local number is read in the region."""

    async def main() -> None:
        async with mail_door(store) as door:
            await door.open()
            async with calling(port(door)) as client:
                assert (await client.reply()).startswith("220 sms.example.com ")
                assert "250-SIZE 1048576\n" in await client.say("EHLO client.example.com")
                await client.send(MAIL + b"\r\nhello\r\n.\r\nQUIT\r\n")
                replied = [await client.reply() for _ in range(5)]
                assert [reply[:3] for reply in replied] == ["250", "250", "354", "250", "221"]
                (row,) = texts.rows(store)
                assert replied[3] == f"250 2.0.0 Accepted {row.message_id}"
                assert row.number == "+972502345678"

    run(loop, main())


@BOTH
def test_it_listens_where_it_is_told(loop: str, store: Store) -> None:
    """On several addresses, IPv6 among them, and says where; a host name of one's own stands in the greeting."""

    async def main() -> None:
        listen = ["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"]
        async with mail_door(store, listen=listen, hostname="mx.example.com") as door:
            assert list(door.addresses) == []
            await door.open()
            hosts = [address.rpartition(":")[0] for address in door.addresses]
            assert hosts == ["127.0.0.1", "[::1]", "127.0.0.1"]
            for address in door.addresses:
                host, port = address.strip("[").replace("]", "").rsplit(":", 1)
                reader, writer = await asyncio.open_connection(host, int(port))
                client = Client(reader, writer)
                assert (await client.reply()).startswith("220 mx.example.com ")
                assert (await client.say("EHLO client.example.com"))[:3] == "250"
                await client.say("MAIL FROM:<ann@example.com>")
                assert await client.say("RCPT TO:<0502345678@sms.example.com>") == replies.RECIPIENT_OK
                writer.close()
                await writer.wait_closed()

    run(loop, main())


def test_an_address_in_use(store: Store) -> None:
    """It is refused with its place in the configuration and what to do; the listeners before it are let go."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = f"127.0.0.1:{other.getsockname()[1]}"
            async with mail_door(store, listen=["127.0.0.1:0", taken]) as door:
                with pytest.raises(ConfigError, match=f"smtp.listen: {taken} is in use"):
                    await door.open()
                first = port(door)
                await door.close(grace=1)
                with pytest.raises(OSError, match=r"refused|failed"):
                    await asyncio.open_connection("127.0.0.1", first)

    asyncio.run(main())


def test_no_domain_is_an_error_where_mail_would_come_in(store: Store) -> None:
    """A listener with no domain would refuse every mail; without a listener nothing is missing."""

    async def main() -> None:
        with pytest.raises(ConfigError, match=r"smtp\.domains: name at least one"):
            async with mail_door(store, domains=[]):
                pass

    async def silent() -> None:
        door = server.door.build(SmtpSettings(listen=()), offered())
        await door.open()
        assert list(door.addresses) == []
        await door.close(grace=1)

    asyncio.run(main())
    asyncio.run(silent())


def test_how_the_application_finds_it() -> None:
    """By its entry point, with its settings and its preview; it has no routes, and no end of its own."""
    kind: Any = doors.kinds()["smtp"]
    assert kind is server.door
    assert kind.settings is SmtpSettings
    assert kind.preview is preview
    door = kind.build(SmtpSettings(domains=DOMAINS), offered(region=None))
    assert door.routes() == ()
    assert door.ended() is None


# Listeners


ALL: dict[str, Any] = {
    "submission": ["127.0.0.1:0"],
    "submissions": ["127.0.0.1:0", "127.0.0.1:0"],
    "lmtp": ["127.0.0.1:0"],
}
SENDING = [b"MAIL FROM:<ann@example.com>", b"RCPT TO:<0502345678@sms.example.com>", b"DATA"]


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Any]:
    """Settings with a certificate."""
    certificate, key = certificates.made(tmp_path, "127.0.0.1")
    return {"tls": {"certificate": str(certificate), "key": str(key)}}


def files(tls: dict[str, Any]) -> tuple[Path, Path]:
    """Return the certificate and key of settings."""
    return Path(tls["tls"]["certificate"]), Path(tls["tls"]["key"])


def test_each_service_has_its_addresses(store: Store, tls: dict[str, Any]) -> None:
    """The door says where it listens, by service; only those that are configured."""

    async def main() -> None:
        async with mail_door(store, **(ALL | tls)) as door:
            assert door.more == {}
            await door.open()
            assert [len(door.more[name]) for name in ("submission", "submissions", "lmtp")] == [1, 2, 1]
            assert len(door.addresses) == 1
        async with mail_door(store, account="other", lmtp=["127.0.0.1:0"], listen=[]) as door:
            await door.open()
            assert (list(door.addresses), list(door.more)) == ([], ["lmtp"])

    asyncio.run(main())


@BOTH
@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_a_user_submits(loop: str, service: str, store: Store, tls: dict[str, Any]) -> None:
    """Only behind TLS and a login: STARTTLS at one port, at once at the other; the mail is in the store."""

    async def main() -> None:
        async with mail_door(store, **(ALL | tls), trusted_networks=[]) as door:
            await door.open()
            async with calling(port(door, service)) as client:
                context = trusting(files(tls))
                if service == "submission":
                    await client.greet()
                    assert (await client.say(SENDING[0])).startswith("530 5.7.0 ")
                    assert (await client.say("STARTTLS"))[:3] == "220"
                    await client.secure(context)
                else:
                    await client.secure(context)
                    assert (await client.reply())[:3] == "220"
                assert "AUTH PLAIN" in await client.say("EHLO client.example.com")
                assert (await client.say(SENDING[0])).startswith("530 5.7.0 ")
                for password, code in (("wrong", "535"), ("right", "235")):
                    secret = b64encode(f"\0device\0{password}".encode()).decode()
                    assert (await client.say(f"AUTH PLAIN {secret}"))[:3] == code
                for line in SENDING:
                    assert (await client.say(line))[:1] in "23", line
                answer = await client.say(b"From: ann@example.com\r\n\r\nhello\r\n.")
                assert answer.startswith("250 2.0.0 Accepted "), answer
            assert [row.number for row in texts.rows(store)] == ["+972502345678"]

    run(loop, main())


@BOTH
def test_a_mail_server_delivers_by_lmtp(loop: str, store: Store) -> None:
    """LHLO, and a reply for each recipient that was taken."""

    async def main() -> None:
        async with mail_door(store, **ALL | {"submission": [], "submissions": []}) as door:
            await door.open()
            async with calling(port(door, "lmtp")) as client:
                await client.greet("LHLO")
                for line in (*SENDING[:2], SENDING[1].replace(b"678@", b"679@"), SENDING[2]):
                    assert (await client.say(line))[:1] in "23", line
                await client.send(b"From: ann@example.com\r\n\r\nhello\r\n.\r\n")
                assert [(await client.reply())[:3] for _ in range(2)] == ["250", "250"]
            assert len(texts.rows(store)) == 2

    run(loop, main())


@BOTH
def test_a_proxy_names_a_client_that_is_not_trusted(loop: str, store: Store) -> None:
    """The proxy's own address proves nothing for the clients it brings, and theirs may be trusted."""

    async def main() -> None:
        named: dict[str, Any] = {"proxy_networks": ["127.0.0.1"], "trusted_networks": ["127.0.0.0/8", "192.0.2.0/24"]}
        async with mail_door(store, **named) as door:
            await door.open()
            for address, code in (("192.0.2.7", "250 "), ("198.51.100.9", "550 5.7.1 "), ("", "550 5.7.1 ")):
                async with calling(port(door)) as client:
                    family = f"TCP4 {address} 127.0.0.1 50000 25" if address else "UNKNOWN"
                    await client.send(f"PROXY {family}\r\n".encode())
                    await client.greet()
                    for line in SENDING:
                        assert (await client.say(line))[:1] in "23", line
                    answer = await client.say(b"From: ann@example.com\r\n\r\nhello\r\n.")
                    assert answer.startswith(code), answer

    run(loop, main())


def test_places_are_shared_by_all_listeners(store: Store) -> None:
    """The bound holds for the door, and trusted hosts are bound by no number of their own."""

    async def main() -> None:
        settings: dict[str, Any] = {"max_connections": 3, "max_connections_per_address": 1, "lmtp": ["127.0.0.1:0"]}
        async with mail_door(store, **settings) as door:
            await door.open()
            async with calling(port(door)) as one, calling(port(door)) as two, calling(port(door, "lmtp")) as three:
                for client in (one, two, three):
                    assert (await client.reply())[:3] == "220"
                async with calling(port(door)) as client:
                    assert await client.rest() == replies.TOO_MANY + "\r\n"
        async with mail_door(store, **settings, trusted_networks=[], account="other") as door:
            await door.open()
            async with calling(port(door)) as one, calling(port(door, "lmtp")) as two:
                assert (await one.reply())[:3] == "220"
                assert await two.rest() == replies.TOO_MANY + "\r\n"

    asyncio.run(main())


def test_a_certificate_that_is_none_is_told(store: Store, tls: dict[str, Any]) -> None:
    """At the start, and by ``check``, with the setting that is wrong."""
    settings = SmtpSettings.model_validate({"domains": DOMAINS, **tls})
    ((part, look),) = server.door.looks(settings)
    assert (part, look()) == ("certificate", tls["tls"]["certificate"])
    assert list(server.door.looks(SmtpSettings(domains=DOMAINS))) == []
    files(tls)[1].write_bytes(b"none")
    with pytest.raises(ConfigError, match=r"smtp\.tls\.key: "):
        look()
    with pytest.raises(ConfigError, match=r"smtp\.tls\.key: "):
        server.door.build(settings, offered())


@BOTH
def test_a_stop_answers_what_is_under_way(loop: str, store: Store) -> None:
    """Idle clients hear 421 at once, a mail under way is committed and answered first, nobody else gets in."""

    async def main() -> None:
        async with mail_door(store) as door:
            await door.open()
            async with calling(port(door)) as idle, calling(port(door)) as busy:
                await idle.greet()
                await busy.greet()
                await busy.send(MAIL + b"\r\nhel")
                for _ in range(3):
                    await busy.reply()
                closing = asyncio.create_task(door.close(grace=10))
                assert await idle.rest() == replies.CLOSING + "\r\n"
                with pytest.raises(OSError, match=r"refused|failed"):
                    await asyncio.open_connection("127.0.0.1", port(door))
                assert not closing.done()
                await busy.send(b"lo\r\n.\r\nNOOP\r\n")
                answered = (await busy.rest()).splitlines()
                assert answered[0].startswith("250 2.0.0 Accepted ")
                assert answered[1:] == [replies.CLOSING]
                await closing
                assert len(texts.rows(store)) == 1

    run(loop, main())


@BOTH
def test_a_stop_waits_no_longer_than_it_may(loop: str, store: Store) -> None:
    """A mail that does not end within the grace gets no answer, and is not kept: its client will come again."""

    async def main() -> None:
        async with mail_door(store) as door:
            await door.open()
            async with calling(port(door)) as client:
                await client.greet()
                await client.send(MAIL + b"\r\nhel")
                for _ in range(3):
                    await client.reply()
                began = time.monotonic()
                await door.close(grace=0.3)
                assert 0.25 < time.monotonic() - began < 3
                assert await hang_up(client) == ""
                assert texts.rows(store) == []

    run(loop, main())


@BOTH
def test_a_connection_that_came_in_the_last_moment(loop: str, store: Store) -> None:
    """One that the system had accepted before the stop is told 421 as well; it does not hold up anything."""

    async def main() -> None:
        async with mail_door(store) as door:
            await door.open()
            await door.close(grace=1)
            ours, theirs = socket.socketpair()
            for end in (ours, theirs):
                end.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: door._connection(door._frame(Service.SMTP, tls_at_once=False)), ours
            )
            reader, writer = await asyncio.open_connection(sock=theirs)
            assert (await Client(reader, writer).rest()).startswith(replies.CLOSING)
            writer.close()
            await until(lambda: not door._connections)

    run(loop, main())


@BOTH
def test_many_connections_at_a_stop(loop: str, store: Store) -> None:
    """Two hundred clients at all stages: those whose mail was answered 250 are in the store, the others are not."""

    async def main() -> None:
        async with mail_door(store) as door:
            await door.open()

            async def client(index: int) -> tuple[int, str]:
                try:
                    async with calling(port(door)) as one:
                        await one.send(b"EHLO x\r\n" + MAIL.replace(b"0502345678", b"97250234%04d" % index))
                        await one.send(b"\r\nhello\r\n.\r\n"[: index % 14])
                        return index, await hang_up(one)
                except ConnectionError:
                    return index, "too late"

            clients = [asyncio.create_task(client(index)) for index in range(200)]
            await until(lambda: len(texts.rows(store)) > 5)
            await door.close(grace=1)
            answered = {index for index, told in await asyncio.gather(*clients) if "250 2.0.0 " in told}
            assert answered
            kept = {int(row.number[-4:]) for row in texts.rows(store)}
            assert answered <= kept
            assert all(index % 14 >= 12 for index in kept)

    run(loop, main())
