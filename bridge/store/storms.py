"""Windows in which alike texts to a number become one: what is open, what was kept in it, and what is over.

All that writes a window holds the lock of its account.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import select

from bridge.model.message import Priority, recipient_id
from bridge.model.state import State
from bridge.store import batch
from bridge.store.tables import recipients, storms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection


class Target(NamedTuple):
    """Who texts whom: what a recovery ends."""

    account_id: int
    origin: str
    number: str


class Key(NamedTuple):
    """What makes a window: texts of one shape, from one origin of an account to one number."""

    account_id: int
    origin: str
    number: str
    shape: str

    @property
    def target(self) -> Target:
        """The key without its shape."""
        return Target(*self[:3])


@dataclass(kw_only=True, slots=True)
class Window:
    """One window. ``message_id`` and ``position`` are of the text that went out, ``state`` is how that stands.

    Of the ``count`` that were kept since, the last is ``last_id`` with ``last_position``. Times and ``span``, its
    length, are in milliseconds.
    """

    message_id: str
    position: int
    span: int
    ends_at: int
    count: int = 0
    first_at: int | None = None
    last_at: int | None = None
    last_id: str | None = None
    last_position: int | None = None
    state: State | None = None

    @property
    def head(self) -> str:
        """The recipient id of the text that went out."""
        return recipient_id(self.message_id, self.position)


@dataclass(frozen=True, kw_only=True, slots=True)
class Latest:
    """The last text that was kept in a window, and how it would have been sent."""

    text: str
    door: str
    sender: str | None
    priority: Priority
    proof: str
    callback_url: str | None
    flash: bool


_WINDOW: Final = (
    "message_id",
    "position",
    "span",
    "ends_at",
    "count",
    "first_at",
    "last_at",
    "last_id",
    "last_position",
)
_COLUMNS: Final = (*Key._fields, *_WINDOW)
_REPLACE: Final = "ON CONFLICT (account_id, origin, number, shape) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _WINDOW
)


def read(connection: Connection, keys: Iterable[Key]) -> dict[Key, Window]:
    """Return those of the windows that are there."""
    packed = batch.pack(keys)
    if packed == "[]":
        return {}
    return {
        Key(*row[:4]): Window(
            **dict(zip(_WINDOW, row[4:-1], strict=True)), state=None if row[-1] is None else State(row[-1])
        )
        for row in batch.execute(connection, _read(connection.dialect.name), packed)
    }


def write(connection: Connection, windows: Mapping[Key, Window]) -> None:
    """Write windows whole."""
    rows = [(*key, *(getattr(window, name) for name in _WINDOW)) for key, window in windows.items()]
    batch.insert(connection, storms, _COLUMNS, rows, then=_REPLACE)


def forget(connection: Connection, keys: Iterable[Key]) -> None:
    """Forget windows."""
    packed = batch.pack(keys)
    if packed != "[]":
        batch.execute(connection, _forget(connection.dialect.name), packed)


def end(connection: Connection, targets: Iterable[Target], *, now: int) -> None:
    """End every window of the targets: it is gone where nothing was kept, else it is over from now on."""
    packed = batch.pack((*target, now) for target in targets)
    if packed != "[]":
        for statement in _end(connection.dialect.name):
            batch.execute(connection, statement, packed)


def over(connection: Connection, *, now: int, limit: int) -> list[Key]:
    """Return windows that ended now or earlier, the longest over first."""
    query = (
        select(*(storms.c[name] for name in Key._fields))
        .where(storms.c.ends_at <= now)
        .order_by(storms.c.ends_at)
        .limit(limit)
    )
    return [Key(*row) for row in connection.execute(query)]


def pending(connection: Connection, targets: Iterable[Target]) -> list[Key]:
    """Return the windows of the targets in which something was kept."""
    rows = batch.execute(connection, _pending(connection.dialect.name), batch.pack(targets))
    return [Key(*row) for row in rows]


def latest(connection: Connection, windows: Mapping[Key, Window]) -> dict[Key, Latest]:
    """Return the last text that was kept in each window that has one."""
    places = {(window.last_id, window.last_position): key for key, window in windows.items() if window.last_id}
    rows = batch.execute(connection, _latest(connection.dialect.name), batch.pack(places))
    return {
        places[row.message_id, row.position]: Latest(
            text=row.text,
            door=row.door,
            sender=row.sender,
            priority=Priority(row.priority),
            proof=row.proof,
            callback_url=row.callback_url,
            flash=bool(row.flash),
        )
        for row in rows
    }


def mark(connection: Connection, rows: Sequence[tuple[str, int, str]]) -> None:
    """Write why recipients, given as (message, position, reason), were not sent."""
    batch.execute(connection, _mark(connection.dialect.name), batch.pack(rows))


def _matches(left: str, names: Iterable[str]) -> str:
    return " AND ".join(f"{left}.{name} = batch.{name}" for name in names)


@lru_cache(maxsize=2)
def _read(dialect: str) -> str:
    keys = batch.source(dialect, [storms.c[name] for name in Key._fields])
    given = ", ".join(f"s.{name}" for name in _COLUMNS)
    return (
        f"SELECT {given}, r.state FROM {keys} CROSS JOIN storms AS s"  # noqa: S608 - names of our own columns
        " LEFT JOIN recipients AS r ON r.message_id = s.message_id AND r.position = s.position"
        f" WHERE {_matches('s', Key._fields)}"
    )


@lru_cache(maxsize=2)
def _forget(dialect: str) -> str:
    names = ", ".join(Key._fields)
    keys = batch.source(dialect, [storms.c[name] for name in Key._fields])
    return f"DELETE FROM storms WHERE ({names}) IN (SELECT {names} FROM {keys})"  # noqa: S608 - our own columns


@lru_cache(maxsize=2)
def _end(dialect: str) -> tuple[str, str]:
    names = ", ".join(Target._fields)
    targets = batch.source(dialect, [storms.c[name] for name in (*Target._fields, "ends_at")])
    named = _matches("storms", Target._fields)
    idle = f"DELETE FROM storms WHERE count = 0 AND ({names}) IN (SELECT {names} FROM {targets})"  # noqa: S608
    full = f"UPDATE storms SET ends_at = batch.ends_at FROM {targets} WHERE {named}"  # noqa: S608 - our own columns
    return idle, full


@lru_cache(maxsize=2)
def _pending(dialect: str) -> str:
    targets = batch.source(dialect, [storms.c[name] for name in Target._fields])
    given = ", ".join(f"s.{name}" for name in Key._fields)
    return (
        f"SELECT {given} FROM {targets} CROSS JOIN storms AS s"  # noqa: S608 - names of our own columns
        f" WHERE {_matches('s', Target._fields)} AND s.count > 0"
    )


@lru_cache(maxsize=2)
def _latest(dialect: str) -> str:
    places = batch.source(dialect, [recipients.c.message_id, recipients.c.position])
    return (
        "SELECT r.message_id, r.position, COALESCE(r.text, m.text) AS text, m.door, m.sender, m.priority,"  # noqa: S608
        f" m.proof, m.callback_url, m.flash FROM {places} CROSS JOIN recipients AS r"
        f" JOIN messages AS m ON m.id = r.message_id WHERE {_matches('r', ('message_id', 'position'))}"
    )


@lru_cache(maxsize=2)
def _mark(dialect: str) -> str:
    rows = batch.source(dialect, [recipients.c.message_id, recipients.c.position, recipients.c.reason])
    return (
        f"UPDATE recipients SET reason = batch.reason FROM {rows}"  # noqa: S608 - names of our own columns
        f" WHERE {_matches('recipients', ('message_id', 'position'))}"
    )
