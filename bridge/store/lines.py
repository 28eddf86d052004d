"""One account's texts, as its programs look at them: a line for each recipient, found by id, by reference, or in order.

Ids of an account's messages are committed in their order (:func:`bridge.pipeline.order.in_order`), so a reader who
goes on after the last line it has seen misses none.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Integer, TextClause, bindparam, select, text

from bridge.model.message import recipient_id, split_recipient_id
from bridge.model.state import State
from bridge.store import batch
from bridge.store.tables import messages, recipients

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

LONGEST_REFERENCE: Final = 200
"""Characters of a client's reference."""

MOST_OF_ONE: Final = 1000
"""Messages that one reference finds: the latest."""

_MESSAGE_ID: Final = re.compile("[0-9a-f]{26}")
_LAST: Final = (1 << 31) - 1
_DAY: Final = 86_400_000
_PLACE: Final = (messages.c.id, *(Column(name, Integer) for name in ("low", "high", "wanted")))
_SHOWN: Final[tuple[Column[Any], ...]] = (
    recipients.c.message_id,
    recipients.c.position,
    messages.c.reference,
    recipients.c.number,
    messages.c.sender,
    recipients.c.state,
    recipients.c.reason,
    recipients.c.parts,
    recipients.c.price,
    messages.c.created_at,
    recipients.c.due_at,
    recipients.c.updated_at,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One recipient's text as it stands. Times are in milliseconds since 1970."""

    message_id: str
    position: int
    reference: str | None
    number: str
    sender: str | None
    state: State
    reason: str | None
    parts: int
    price: int
    created_at: int
    due_at: int
    updated_at: int

    @property
    def id(self) -> str:
        """The recipient's id."""
        return recipient_id(self.message_id, self.position)


def is_reference(written: str) -> bool:
    """Whether a client's reference can be kept: up to 200 characters, none of them a control or half of a pair."""
    return len(written) <= LONGEST_REFERENCE and (
        written.isprintable() or all(unicodedata.category(char) not in {"Cc", "Cs"} for char in written)
    )


def named(
    connection: Connection, account_id: int, ids: Sequence[str], *, numbers: Sequence[str] | None = None, limit: int
) -> list[Line]:
    """Return the lines that ids mean, in their order, each once and ``limit`` at most.

    An id is that of a message, of a recipient, or a client's reference: what names nothing as one kind is tried as
    the next. A reference may stand for several messages; the latest thousand of them are found, the latest last.
    With ``numbers`` (E.164) only lines to one of those are meant.
    """
    places = places_of(connection, account_id, ids)
    wanted = [(*place, order) for order, one in enumerate(ids) for place in places.get(one, ())]
    if not wanted:
        return []
    asked = {"rows": batch.pack(wanted), "account": account_id, "limit": limit}
    if numbers is not None:
        asked["numbers"] = json.dumps(list(numbers))
    rows = connection.execute(_by_place(connection.dialect.name, narrowed=numbers is not None), asked).all()
    first: dict[tuple[str, int], Row[Any]] = {}
    for row in sorted(rows, key=lambda row: (row.wanted, row.message_id, row.position)):
        first.setdefault((row.message_id, row.position), row)
    return [_line(row) for row in first.values()]


def places_of(connection: Connection, account_id: int, ids: Iterable[str]) -> dict[str, list[tuple[str, int, int]]]:
    """Return what ids mean, as (message, first position, last position); those that mean nothing are left out."""
    asked = [one for one in dict.fromkeys(ids) if is_reference(one)]
    own = {one: place for one in asked if (place := _place(one)) is not None}
    there = _own_messages(connection, account_id, {place[0] for place in own.values()})
    found = {one: [place] for one, place in own.items() if place[0] in there}
    references = [one for one in asked if one not in found and one]
    if references:
        rows = connection.execute(
            _by_reference(connection.dialect.name),
            {"rows": batch.pack([one] for one in references), "account": account_id},
        )
        for reference, message_id in sorted(tuple(row) for row in rows):
            found.setdefault(reference, []).append((message_id, 1, _LAST))
    return found


def page(
    connection: Connection,
    account_id: int,
    *,
    after: tuple[str, int] | None,
    since: int | None,
    until: int | None,
    limit: int,
) -> list[Line]:
    """Return up to ``limit`` lines in the order of their ids: after one, from ``since`` to before ``until``."""
    first, position = after if after is not None else ("", 0)
    # An id is never made before the time its message has, and by no clock that is a day ahead.
    query = (
        select(*_SHOWN)
        .join(recipients, recipients.c.message_id == messages.c.id)
        .where(messages.c.account_id == account_id, messages.c.id >= first)
        .where((messages.c.id > first) | (recipients.c.position > position))
        .order_by(messages.c.id, recipients.c.position)
        .limit(limit)
    )
    if since is not None:
        query = query.where(messages.c.created_at >= since, messages.c.id >= _earliest(since))
    if until is not None:
        query = query.where(messages.c.created_at < until, messages.c.id < _earliest(until + _DAY))
    return [_line(row) for row in connection.execute(query)]


def _place(written: str) -> tuple[str, int, int] | None:
    if _MESSAGE_ID.fullmatch(written):
        return written, 1, _LAST
    try:
        message_id, position = split_recipient_id(written)
    except ValueError:
        return None
    return message_id, position, position


def _own_messages(connection: Connection, account_id: int, ids: Iterable[str]) -> set[str]:
    packed = batch.pack([one] for one in ids)
    if packed == "[]":
        return set()
    rows = connection.execute(_own(connection.dialect.name), {"rows": packed, "account": account_id})
    return {row.id for row in rows}


def _earliest(moment: int) -> str:
    return f"{min(max(0, moment), (1 << 48) - 1):012x}"


def _line(row: Row[Any]) -> Line:
    return Line(
        message_id=row.message_id,
        position=row.position,
        reference=row.reference,
        number=row.number,
        sender=row.sender,
        state=State(row.state),
        reason=row.reason,
        parts=row.parts,
        price=row.price,
        created_at=row.created_at,
        due_at=row.due_at,
        updated_at=row.updated_at,
    )


# CROSS JOIN keeps SQLite from walking all messages and looking for each in the batch.


@lru_cache(maxsize=2)
def _own(dialect: str) -> TextClause:
    return text(
        f"SELECT m.id FROM {batch.source(dialect, [messages.c.id])}"  # noqa: S608 - names of our own columns
        " CROSS JOIN messages AS m WHERE m.id = batch.id AND m.account_id = :account"
    ).bindparams(bindparam("rows"), bindparam("account"))


@lru_cache(maxsize=2)
def _by_reference(dialect: str) -> TextClause:
    # The conditions of the index in its own words, or it is not used.
    return text(
        f"SELECT batch.reference, m.id FROM {batch.source(dialect, [messages.c.reference])}"  # noqa: S608
        " CROSS JOIN messages AS m WHERE m.id IN (SELECT l.id FROM messages AS l WHERE l.account_id = :account"
        " AND l.reference = batch.reference AND l.reference IS NOT NULL AND l.door <> 'smtp'"
        f" ORDER BY l.id DESC LIMIT {MOST_OF_ONE})"
    ).bindparams(bindparam("rows"), bindparam("account"))


_NUMBERS: Final = {
    "sqlite": "SELECT value FROM json_each(:numbers)",
    "postgresql": "SELECT jsonb_array_elements_text(CAST(:numbers AS jsonb))",
}


@lru_cache(maxsize=4)
def _by_place(dialect: str, *, narrowed: bool) -> TextClause:
    shown = ", ".join(str(column) for column in _SHOWN)
    only = f" AND recipients.number IN ({_NUMBERS[dialect]})" if narrowed else ""
    statement = text(
        f"SELECT batch.wanted, {shown} FROM {batch.source(dialect, _PLACE)}"  # noqa: S608 - names of our own columns
        " CROSS JOIN messages CROSS JOIN recipients WHERE messages.id = batch.id AND messages.account_id = :account"
        " AND recipients.message_id = messages.id AND recipients.position >= batch.low"
        f" AND recipients.position <= batch.high{only} LIMIT :limit"
    )
    names = ("rows", "account", "limit", *(("numbers",) if narrowed else ()))
    return statement.bindparams(*map(bindparam, names))
