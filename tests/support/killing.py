"""Bridges that are killed while they send: what was accepted, what arrived, and what the store says of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import smtplib
import sqlite3
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from tests.contract.carriers.case import Arrival, Told
from tests.contract.carriers.http import _Modern
from tests.support.hosted import toml
from tests.support.served import CONFIG, DOMAIN, MAILBOX, Served, until
from tests.support.smsgate_server import SmsGateServer
from tests.support.upstream import Seen, Upstream

TEXTS = 40
"""Texts that are accepted in a round."""
CONCURRENCY = 8
_LONGEST = 0.06
"""Seconds. A provider takes up to that before it works on a text, and again before it answers."""
_NUMBER = "+97250234{:04d}"


class Slow(Upstream):
    """Mixed into a provider: it takes its time, another one for each text.

    ``unheard`` and ``unanswered`` are the texts that are with it now, not worked on and not answered yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.chance = random.Random()
        self.unheard = 0
        self.unanswered = 0

    @property
    def sends(self) -> int:
        """How often a text came, again ones included."""
        return sum(seen.method == "POST" for seen in self.seen)

    async def ponder(self, seen: Seen, *, answered: bool) -> None:
        if seen.method != "POST":
            return
        count = "unanswered" if answered else "unheard"
        setattr(self, count, getattr(self, count) + 1)
        await asyncio.sleep(self.chance.random() * _LONGEST)
        setattr(self, count, getattr(self, count) - 1)


class Gate(Slow, SmsGateServer):
    """SMS Gate: takes our ids, and says 409 to one that it has."""


class Knowing(Slow, _Modern):
    """A provider of the kind ``http`` to whom the second try under an id is the first."""


class Forgetful(Slow, _Modern):
    """One to whom every try is another text."""

    def table(self) -> dict[str, Any]:
        return super().table() | {"takes_own_id": False}

    def treat(self, arrival: Arrival, *, carrier_id: str, key: str | None = None) -> Told:
        return super().treat(arrival, carrier_id=carrier_id, key=None)


@dataclass(kw_only=True)
class Tally:
    """What a run saw. ``in_doubt``, ``unheard`` and ``unanswered`` are summed over the kills."""

    accepted: list[str] = field(default_factory=list)
    in_doubt: int = 0
    unheard: int = 0
    unanswered: int = 0
    again: int = 0
    """Tries beyond the first of a text."""
    states: dict[str, str] = field(default_factory=dict)
    arrived: Counter[str] = field(default_factory=Counter)

    def of(self, state: str) -> set[str]:
        """Return the numbers whose text is in a state."""
        return {number for number, each in self.states.items() if each == state}

    @property
    def lost(self) -> list[str]:
        """Numbers whose accepted text did not arrive, and of which nobody says so."""
        return [number for number in self.accepted if not self.arrived[number] and self.states[number] != "unknown"]

    @property
    def doubled(self) -> list[str]:
        """Numbers that got their text more than once."""
        return [number for number, times in self.arrived.items() if times > 1]


def bridge(folder: Path, table: dict[str, Any]) -> Served:
    """Make a bridge with one carrier."""
    served = Served(folder)
    head = CONFIG.format(folder=folder).partition("[carriers.sandbox]")[0]
    table = {"concurrency": CONCURRENCY} | table
    served.config.write_text(f"{head}[carriers.main]\n{toml(table)}", encoding="utf-8")
    return served


def mail(served: Served, numbers: Sequence[str]) -> None:
    """Have a text to numbers accepted."""
    message = EmailMessage()
    message["From"] = MAILBOX
    message["Message-ID"] = f"<{numbers[0]}@example.com>"
    message.set_content("the door is open דלת")
    with smtplib.SMTP("127.0.0.1", served.port, timeout=20) as smtp:
        to = [f"{number.removeprefix('+')}@{DOMAIN}" for number in numbers]
        assert smtp.send_message(message, from_addr=MAILBOX, to_addrs=to) == {}


def kill_often(served: Served, upstream: Slow, *, rounds: int, chance: random.Random) -> Tally:
    """Kill it that many times while it sends, start it again, and let it finish."""
    tally = Tally()
    served.start()
    for serial in range(rounds):
        numbers = [_NUMBER.format(serial * TEXTS + place) for place in range(TEXTS)]
        mail(served, numbers)
        tally.accepted += numbers
        wanted = upstream.sends + chance.randrange(1, TEXTS // 2)
        until(lambda: upstream.sends >= wanted or None, seconds=30)  # noqa: B023
        threading.Event().wait(chance.random() * _LONGEST)
        tally.unheard += upstream.unheard
        tally.unanswered += upstream.unanswered
        served.kill()
        tally.in_doubt += list(states(served).values()).count("sending")
        served.start()
    tally.states = settled(served)
    tally.arrived = Counter(arrival.number for arrival in upstream.arrived())
    tally.again = upstream.sends - len(tally.arrived)
    return tally


def states(served: Served) -> dict[str, str]:
    """Return the state of each number's text."""
    with contextlib.closing(sqlite3.connect(served.folder / "bridge.db", timeout=10)) as database:
        return dict(database.execute("SELECT number, state FROM recipients").fetchall())


def settled(served: Served, *, seconds: float = 60) -> dict[str, str]:
    """Return the states once nothing is queued or under way."""

    def probe() -> dict[str, str] | None:
        found = states(served)
        return None if {"queued", "sending"} & set(found.values()) else found

    return until(probe, seconds=seconds)


def in_doubt(served: Served) -> dict[str, str]:
    """Return what ``message list --state unknown`` lists: the id of the recipient by the number."""
    listed = served.command("message", "list", "--state", "unknown", "--limit", "1000", "--json")
    assert listed.returncode == 0, listed.stderr
    return {
        one["number"]: f"{message['id']}-{place}"
        for message in json.loads(listed.stdout)
        for place, one in enumerate(message["recipients"], start=1)
        if one["state"] == "unknown"
    }


def settle(served: Served, which: str, state: str) -> None:
    """Say what became of a text in doubt, as a person does."""
    done = served.command("message", "settle", which, "--state", state)
    assert done.returncode == 0, done.stderr
