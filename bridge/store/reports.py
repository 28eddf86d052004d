"""Finding the text that a carrier's report is about, and moving it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from bridge.model.message import split_recipient_id
from bridge.model.state import State
from bridge.store.queue import printable
from bridge.store.tables import messages, recipients

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.model.message import Report


@dataclass(frozen=True, kw_only=True, slots=True)
class Reported:
    """The recipient that a report names, as it stands."""

    message_id: str
    position: int
    account_id: int
    number: str
    state: State
    in_doubt: bool


def find(connection: Connection, report: Report) -> Reported | None:
    """Return the recipient that a report names, locked until the transaction ends, or None."""
    query = (
        select(
            recipients.c.message_id,
            recipients.c.position,
            recipients.c.number,
            recipients.c.state,
            recipients.c.in_doubt,
            messages.c.account_id,
        )
        .join(messages, messages.c.id == recipients.c.message_id)
        .where(recipients.c.carrier == report.carrier)
        .with_for_update(of=recipients)
    )
    if report.recipient_id is not None:
        try:
            message_id, position = split_recipient_id(report.recipient_id)
        except ValueError:
            return None
        query = query.where(recipients.c.message_id == message_id, recipients.c.position == position)
    else:
        query = query.where(recipients.c.carrier_id == printable(report.carrier_id))
    row = connection.execute(query).first()
    if row is None:
        return None
    return Reported(
        message_id=row.message_id,
        position=row.position,
        account_id=row.account_id,
        number=row.number,
        state=State(row.state),
        in_doubt=row.in_doubt,
    )


def move(connection: Connection, found: Reported, report: Report, *, now: int) -> None:
    """Write the reported state. The caller asked the table of moves, and holds the row from :func:`find`."""
    connection.execute(
        update(recipients)
        .where(recipients.c.message_id == found.message_id, recipients.c.position == found.position)
        .values(
            state=report.state,
            raw=printable(report.raw),
            lease_owner=None,
            lease_until=None,
            updated_at=now,
        )
    )
