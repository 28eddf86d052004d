"""Whole connections: a real conversation with its store, rules and logins, over a wire without a network."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_network
from random import Random
from typing import TYPE_CHECKING, Any, Final, Self

import argon2
from sqlalchemy import event
from structlog.testing import capture_logs

from bench.mailfuzz import making, signed, spoil
from bench.mailfuzz.making import ANN, OPEN, PASSWORD, SIGNED, USER
from bench.mailfuzz.setting import SECRETS, SETTINGS
from bench.mailfuzz.weighing import check, weigh_wire
from bench.mailfuzz.wire import Watched, Wire, talk
from bridge.calls.desk import Desk
from bridge.calls.logins import Logins
from bridge.calls.passwords import Passwords
from bridge.calls.throttle import Patience, Throttle
from bridge.model.login import KeyKind
from bridge.pipeline.accept import Rules
from bridge.pipeline.commit import Writer
from bridge.pipeline.intake import Intake
from bridge.pipeline.routing import Route, Router
from bridge.pipeline.snapshot import Snapshot
from bridge.store import accounts, schema
from bridge.store.engine import Store
from bridge.telemetry import Metrics
from smtp.contacts import resolve
from smtp.house import House
from smtp.places import Places
from smtp.proof.prove import Prover
from smtp.session import Conversation
from smtp.standing import Senders
from smtp.wire.client import Service
from smtp.wire.frame import Frame
from tests.support.clock import HandClock

if TYPE_CHECKING:
    from pathlib import Path

_LOOPBACK: Final = "127.0.0.1"
_PEERS: Final = (*[_LOOPBACK] * 6, signed.HOST, "198.51.100.7", "2001:db8::9", "")
_CHEAP: Final = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_SMALL: Final = 20_000
"""Octets of a mail that some of the listeners take: many are larger."""
_ENDED: Final = 500
"""Turns of the loop in which the tasks of a connection that is over have to end."""

_NAMING: Final = (b"mail", b"helo", b"ehlo", b"lhlo", b"from", b"sender")
"""Words of a line in which a password would be somebody's name, and so in a reason."""


class Connections:
    """Has a house of its own, and lets clients talk to it. A block."""

    def __init__(self, folder: Path) -> None:
        """Open a house with its database in a folder."""
        self._complaints: list[dict[str, Any]] = []
        with ExitStack() as stack:
            self._runner = stack.enter_context(asyncio.Runner())
            loop = self._runner.get_loop()
            loop.set_exception_handler(lambda _, context: self._complaints.append(context))
            self._store = Store(f"sqlite:///{folder / 'bridge.db'}")
            stack.callback(self._store.close)
            event.listen(self._store.engine, "connect", _in_no_hurry)
            schema.migrate(self._store)
            self._allow()
            self._runner.run(self._open(stack))
            # The header of a proxy is read from the one, and from no other.
            self._frames = {
                (service, proxied): Frame(
                    hostname="sms.example.com",
                    limit=SETTINGS.max_size if service is Service.SMTP and not proxied else _SMALL,
                    loop=loop,
                    service=service,
                    proxies=(ip_network(_LOOPBACK),) if proxied else (),
                )
                for service in Service
                for proxied in (False, True)
            }
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the house."""
        self._stack.close()

    def look(self, service: Service, way: int, octets: bytes, *, proxied: bool = False) -> bool:
        """Whatever a client says, each reply is one, nothing is left behind, and nothing of it is our trouble."""
        chance = Random(way)
        peer = _LOOPBACK if proxied else _PEERS[way % len(_PEERS)]
        pieces = spoil.cut(chance, octets)
        self._complaints.clear()
        with capture_logs() as logs:
            watched = self._runner.run(self._talk(self._frames[service, proxied], peer, pieces, way))
        if watched.troubles:
            raise watched.troubles[0]
        check(not self._complaints, f"the loop complains: {self._complaints!r}")
        named = PASSWORD.encode() in octets and _is_a_name(octets)
        codes = weigh_wire(bytes(watched.told), named=named)
        trouble = re.search(rb"451 4\.3\.0[^\r]*", watched.told)
        check(trouble is None, f"trouble of ours: {trouble!r}")
        written = [{key: value for key, value in entry.items() if key != "user"} for entry in logs]
        check(named or PASSWORD not in repr(written), f"a secret in the log: {logs!r}")
        return "354" in codes and codes[codes.index("354") + 1 : codes.index("354") + 2] == ["250"]

    async def _talk(self, frame: Frame, peer: str, pieces: list[bytes], way: int) -> Watched:
        before = asyncio.all_tasks()
        watched = Watched(frame, Conversation(self._house))
        wire = Wire(watched, peer, lazy=way // 64 % 8 == 0)
        try:
            await talk(watched, wire, pieces, hasty=way // 512 % 4 == 0)
            for _ in range(_ENDED):
                if asyncio.all_tasks() <= before:
                    break
                await asyncio.sleep(0)
            check(asyncio.all_tasks() <= before, f"left running: {asyncio.all_tasks() - before!r}")
            check(frame.gate.taken == 0, "a place at the gate was not given back")
        finally:
            for task in asyncio.all_tasks() - before:
                task.cancel()
        watched.told = bytes(wire.told)
        return watched

    def _allow(self) -> None:
        with self._store.write() as connection:
            account = accounts.add_account(connection, "bench", region="IL", now=0).id
            own = {ANN: {}, OPEN: SECRETS, SIGNED: {"proof": "dkim,spf,arc,relay"}}
            for pattern, settings in own.items():
                accounts.allow_mailbox(connection, account, pattern, now=0)
                accounts.set_mailbox_settings(connection, account, pattern, settings)
            secret = _CHEAP.hash(PASSWORD)
            accounts.add_key(connection, account, user=USER, kind=KeyKind.PASSWORD, secret=secret, now=0)

    async def _open(self, stack: ExitStack) -> None:
        clock, metrics = HandClock(), Metrics()
        writer, snapshot = Writer(self._store), Snapshot(self._store)
        writer.start()
        stack.callback(lambda: self._runner.run(writer.stop()))
        await snapshot.open()
        rules = Rules(router=Router((Route(name="1", carriers=("sandbox",)),)))
        intake = Intake(writer=writer, snapshot=snapshot, rules=rules, metrics=metrics, clock=clock)
        logins = Logins(
            snapshot=snapshot,
            secret_key=None,
            metrics=metrics,
            clock=clock,
            throttle=Throttle(Patience(failures=1 << 40), sleep=_at_once),
            passwords=Passwords(hasher=_CHEAP),
        )
        stack.callback(logins.close)
        prover = Prover(SETTINGS, hostname="sms.example.com", resolver=signed.Names(), clock=clock)
        self._house = House(
            intake=intake,
            logins=logins,
            senders=Senders(snapshot=snapshot, settings=SETTINGS, prover=prover, hostname="sms.example.com"),
            settings=SETTINGS,
            places=Places(SETTINGS),
            resolve=partial(resolve, Desk(store=self._store, writer=writer, intake=intake)),
            region="IL",
        )


def _is_a_name(octets: bytes) -> bool:
    lines = octets.lower().split(b"\n")
    return any(PASSWORD.encode() in line and any(word in line for word in _NAMING) for line in lines)


def _in_no_hurry(connection: Any, _record: object) -> None:
    """Let the disk take its time: what is looked at is not what a crash leaves."""
    connection.execute("PRAGMA synchronous = OFF").close()


async def _at_once(_seconds: float) -> None:
    """Wait for nothing: a thousand wrong logins are answered at once."""


def fresh(chance: Random, *, greeting: bytes = b"EHLO client.example.com", login: bool = False) -> bytes:
    """Return what a client says."""
    if chance.random() < 0.15:
        mail = spoil.one(chance, signed.mails())
        said = b"\r\n".join((
            b"EHLO client.example.com",
            b"MAIL FROM:<" + (ANN, SIGNED)[spoil.some(chance, 2)].encode() + b">",
            b"RCPT TO:<" + signed.TO + b">",
            b"DATA",
            mail.replace(b"\r\n.", b"\r\n..") + b".",
            b"QUIT",
            b"",
        ))  # fmt: skip
    else:
        said = making.session(chance)
    if chance.random() < 0.95:
        said = greeting + b"\r\n" + said.partition(b"\r\n")[2]
    if login and chance.random() < 0.9:
        first, _, rest = said.partition(b"\r\n")
        said = first + b"\r\nAUTH " + making.login(chance) + b"\r\n" + rest
    return said


def fresh_proxied(chance: Random) -> bytes:
    """Return what a proxy passes on."""
    return making.proxied(chance) + fresh(chance)
