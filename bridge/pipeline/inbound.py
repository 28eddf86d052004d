"""Texts from phones: whose they are, and whether they ask for no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.model.errors import InvalidNumber, NotFound
from bridge.model.moment import to_ms
from bridge.model.numbers import parse_number
from bridge.model.text import normalised
from bridge.store import callbacks, conversations, events, ledger, opt_outs
from bridge.store import inbound as texts
from bridge.store.queue import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.model.message import Inbound
    from bridge.store.engine import Connection

INBOUND = "inbound"
OPTED_OUT = "opted_out"
OPTED_IN = "opted_in"


def fold(text: str) -> str:
    """Return what is compared of an answer: letters and digits in one case, without marks on or around them."""
    folded = normalised(normalised(text, "NFKC").casefold(), "NFKD")
    return "".join(char for char in folded if char.isalnum())


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """The answers that close a number, and those that open it again, in the form of :func:`fold`."""

    stop: frozenset[str] = frozenset()
    start: frozenset[str] = frozenset()

    @classmethod
    def of(cls, stop: Iterable[str], start: Iterable[str]) -> Words:
        """Make the words of a configuration; marks alone are no word."""
        return cls(stop=frozenset(filter(None, map(fold, stop))), start=frozenset(filter(None, map(fold, start))))


def keep(connection: Connection, *, inbound: Inbound, words: Words, now: int) -> None:
    """Store a text from a phone for the account that texted it last, with an event, and do what a word in it asks.

    Only a text that is nothing but the word counts: "stop by at six" does not. A number that no account texted
    lately closes itself to all; its text is nobody's.
    """
    carrier_id = printable(inbound.carrier_id) or ""
    if not conversations.first_time(connection, inbound.carrier, carrier_id, now=now):
        return
    number = _number(inbound.sender)
    last = conversations.last(connection, number)
    account, message, position = last if last is not None else (None, None, None)
    data = {
        "carrier": inbound.carrier,
        "carrier_id": carrier_id,
        "from": number,
        "to": inbound.to,
        "text": inbound.text,
        "at": inbound.at.isoformat(),
    }
    news: list[events.NewEvent] = [(account, INBOUND, message, position, data)]
    said = fold(inbound.text)
    word = printable(inbound.text.strip()) or ""
    whose = opt_outs.EVERYBODY if account is None else account
    if said in words.stop:
        opt_outs.add(connection, number, whose, word=word, now=now)
        news.append((account, OPTED_OUT, message, position, {"number": number, "word": word}))
    elif said in words.start and _reopened(connection, number, whose):
        news.append((account, OPTED_IN, message, position, {"number": number}))
    if account is not None:
        # Until the commit no other text of the account gets an id: programs read on from the last one they saw.
        ledger.lock(connection, [account])
    kept = texts.keep(
        connection,
        account_id=account,
        answers=None if last is None else last[1:],
        carrier=inbound.carrier,
        carrier_id=carrier_id,
        sender=number,
        recipient=inbound.to,
        text=inbound.text,
        sent_at=to_ms(inbound.at),
        created_at=now,
    )
    if account is not None:
        callbacks.tell_incoming(connection, kept, now=now)
    events.add(connection, news, now=now)


def _reopened(connection: Connection, number: str, account: int) -> bool:
    try:
        opt_outs.remove(connection, number, account)
    except NotFound:
        return False
    return True


def _number(sender: str) -> str:
    """Return a phone's number in E.164, or what the carrier calls it where that is none."""
    try:
        return parse_number(sender, None)
    except InvalidNumber:
        return printable(sender) or ""
