"""Texts that have not begun to leave, while a program changes what they say or whom they come from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import TextClause, bindparam, func, select, text, update

from bridge.model.state import State
from bridge.store import batch
from bridge.store.tables import messages, recipients

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

_WRITTEN = ("message_id", "position", "text", "encoding", "parts", "price", "lane")


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A recipient as it stands: ``waits`` where it was never tried and may still be.

    ``text`` is its own one, where it does not have the message's.
    """

    position: int
    number: str
    text: str | None
    encoding: str | None
    state: State
    lane: str
    parts: int
    price: int
    waits: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Open:
    """A message that is to be changed, with the recipients asked for; ``size`` is how many it has in all."""

    id: str
    account_id: int
    origin: str
    sender: str | None
    text: str
    priority: int
    draft: bool
    size: int
    recipients: tuple[Waiting, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What a recipient is to be: ``text`` and ``encoding`` are None where they are the message's."""

    position: int
    text: str | None
    encoding: str | None
    parts: int
    price: int
    lane: str


def lock(connection: Connection, message_ids: Iterable[str]) -> None:
    """Lock messages in the order of their ids, before the account and their recipients."""
    query = select(messages.c.id).where(messages.c.id.in_(sorted(message_ids))).order_by(messages.c.id)
    connection.execute(query.with_for_update())


def find(connection: Connection, message_id: str, *, first: int, last: int, now: int) -> Open:
    """Return a message with its recipients from ``first`` to ``last``, these locked too."""
    message = connection.execute(select(messages).where(messages.c.id == message_id)).one()
    of_message = recipients.c.message_id == message_id
    rows = connection.execute(
        select(recipients)
        .where(of_message, recipients.c.position >= first, recipients.c.position <= last)
        .order_by(recipients.c.position)
        .with_for_update()
    )
    return Open(
        id=message.id,
        account_id=message.account_id,
        origin=message.origin,
        sender=message.sender,
        text=message.text,
        priority=message.priority,
        draft=message.draft is not None,
        recipients=tuple(
            Waiting(
                position=row.position,
                number=row.number,
                text=row.text,
                encoding=row.encoding,
                state=State(row.state),
                lane=row.lane,
                parts=row.parts,
                price=row.price,
                waits=row.expires_at > now
                and (
                    row.state == State.SCHEDULED
                    or (row.state == State.QUEUED and not row.in_doubt and not row.attempts)
                ),
            )
            for row in rows
        ),
        size=connection.execute(select(func.count()).where(of_message)).scalar_one(),
    )


def write_message(connection: Connection, message_id: str, **values: Any) -> None:
    """Change columns of a message."""
    if values:
        connection.execute(update(messages).where(messages.c.id == message_id).values(values))


def write(connection: Connection, message_id: str, changed: Sequence[Written]) -> None:
    """Write what recipients are to be. The caller holds their locks, and has asked that they wait."""
    rows = [(message_id, one.position, one.text, one.encoding, one.parts, one.price, one.lane) for one in changed]
    if rows:
        connection.execute(_write(connection.dialect.name), {"rows": batch.pack(rows)})


def hold(connection: Connection, message_id: str, position: int, own: str) -> None:
    """Give a recipient of a draft a text of its own."""
    connection.execute(
        update(recipients)
        .where(recipients.c.message_id == message_id, recipients.c.position == position)
        .values(text=own)
    )


@lru_cache(maxsize=2)
def _write(dialect: str) -> TextClause:
    columns = [recipients.c[name] for name in _WRITTEN]
    changed = ", ".join(f"{name} = batch.{name}" for name in _WRITTEN[2:])
    return text(
        f"UPDATE recipients SET {changed}"  # noqa: S608 - names of our own columns
        f" FROM {batch.source(dialect, columns)}"
        " WHERE recipients.message_id = batch.message_id AND recipients.position = batch.position"
    ).bindparams(bindparam("rows"))
