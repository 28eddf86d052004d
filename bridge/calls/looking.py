"""Looking: how texts stand, what came from phones, what is left. Every read is of the caller's account alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.calls.values import Incoming, Page, Status
from bridge.model.errors import InvalidRequest
from bridge.model.message import require_aware, split_recipient_id
from bridge.model.moment import from_ms, to_ms
from bridge.store import inbound, lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bridge.store.engine import Connection
    from bridge.store.inbound import Heard
    from bridge.store.lines import Line

MOST: Final = 10_000
"""Lines in one answer, and ids in one question."""

_HIGHEST: Final = (1 << 63) - 1


def status(
    connection: Connection, account_id: int, ids: Sequence[str], numbers: Sequence[str] | None = None
) -> list[Status]:
    """Return how texts stand, in the order asked for, each once; with ``numbers`` (E.164) only those to them.

    Raises :exc:`InvalidRequest` for too many.
    """
    if len(ids) > MOST:
        raise InvalidRequest(f"at most {MOST} ids in one call")
    found = lines.named(connection, account_id, ids, numbers=numbers, limit=MOST + 1)
    if len(found) > MOST:
        raise InvalidRequest(f"more than {MOST} texts are meant; read them by pages, from the report")
    return [_status(line) for line in found]


def report(
    connection: Connection,
    account_id: int,
    *,
    after: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> Page:
    """Return a page of the account's texts. Raises :exc:`InvalidRequest`."""
    check_limit(limit)
    found = lines.page(
        connection,
        account_id,
        after=_after(after),
        since=_moment(since, "since"),
        until=_moment(until, "until"),
        limit=limit + 1,
    )
    shown = found[:limit]
    return Page(lines=tuple(map(_status, shown)), next=shown[-1].id if len(found) > limit else None)


def incoming(connection: Connection, account_id: int, *, after: int, limit: int) -> list[Incoming]:
    """Return texts from phones after an id that are not done with. Raises :exc:`InvalidRequest`."""
    check_limit(limit)
    check_id(after, "after")
    return [_incoming(heard) for heard in inbound.listed(connection, account_id, after=after, limit=limit)]


def check_limit(limit: int) -> None:
    """Raise :exc:`InvalidRequest` for a limit that is none."""
    if not 1 <= limit <= MOST:
        raise InvalidRequest(f"limit: from 1 to {MOST}")


def check_id(value: int, name: str) -> None:
    """Raise :exc:`InvalidRequest` for a number that no row has."""
    if not 0 <= value <= _HIGHEST:
        raise InvalidRequest(f"{name}: a number of a text, or 0")


def _after(written: str | None) -> tuple[str, int] | None:
    if not written:
        return None
    try:
        return split_recipient_id(written)
    except ValueError as error:
        raise InvalidRequest("after: the id of a recipient, as in the line before") from error


def _moment(moment: datetime | None, name: str) -> int | None:
    if moment is None:
        return None
    require_aware(moment, name)
    return to_ms(moment)


def _status(line: Line) -> Status:
    return Status(
        recipient_id=line.id,
        message_id=line.message_id,
        reference=line.reference,
        dest=line.number,
        sender=line.sender,
        state=line.state,
        reason=line.reason,
        parts=line.parts,
        price=line.price,
        created_at=from_ms(line.created_at),
        due_at=from_ms(line.due_at),
        updated_at=from_ms(line.updated_at),
    )


def _incoming(heard: Heard) -> Incoming:
    return Incoming(
        id=heard.id,
        sender=heard.sender,
        to=heard.recipient,
        text=heard.text,
        sent_at=from_ms(heard.sent_at),
        received_at=from_ms(heard.created_at),
        answers=heard.answers,
    )
