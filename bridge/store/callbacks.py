"""Calls that customers' programs have still to get: written with the change they tell of, kept until they are made.

A report is told of each text that comes to an end, also where it is no good one: a program that counts its texts needs
no other source. That somebody of the account cancelled it is told too, for the URL and the hand may be two programs.
Moves on the way (scheduled, queued, sent) are not told; who wants them asks for the status.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import TextClause, bindparam, delete, func, select, text, update

from bridge.model.message import recipient_id
from bridge.model.moment import from_ms
from bridge.model.state import FINAL
from bridge.store import batch
from bridge.store.queue import printable
from bridge.store.tables import accounts, callbacks, events, inbound, recipients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from bridge.store.events import NewEvent

REPORTED: Final = FINAL
"""The states that a program is called for."""

REPORT_FIELDS: Final = (
    "service",
    "message_id",
    "recipient_id",
    "reference",
    "dest",
    "status",
    "reason",
    "parts",
    "time",
    "event_id",
)
INCOMING_FIELDS: Final = ("service", "id", "from", "to", "msg", "time", "message_id", "recipient_id")

_KINDS: Final = frozenset(map(str, REPORTED))
_TOLD: Final = (recipients.c.message_id, recipients.c.position, events.c.kind, recipients.c.reason)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call that is due: ``fields`` are posted to ``url``. Times are in milliseconds since 1970."""

    id: int
    account_id: int
    host: str
    url: str
    fields: Mapping[str, str]
    attempts: int
    created_at: int


def tell_moves(connection: Connection, moves: Sequence[NewEvent], *, now: int) -> None:
    """Write the calls for moves that came to an end, given as their events, where a URL is named for them.

    The message's own URL stands before the account's. One statement for all of them; none where no text came to an end.
    """
    rows = [
        (message_id, position, kind, printable(str(data.get("reason") or "")))
        for _, kind, message_id, position, data in moves
        if kind in _KINDS and message_id is not None and position is not None
    ]
    if rows:
        told = {"rows": batch.pack(rows), "now": now, "stamp": str(now), "time": _time(now)}
        connection.execute(_tell_moves(connection.dialect.name), told)


def tell_incoming(connection: Connection, inbound_id: int, *, now: int) -> None:
    """Write the call for a text from a phone, where its account names a URL for these."""
    row = connection.execute(
        select(inbound, accounts.c.inbound_url)
        .join(accounts, accounts.c.id == inbound.c.account_id)
        .where(inbound.c.id == inbound_id, accounts.c.inbound_url.is_not(None))
    ).one_or_none()
    if row is None:
        return
    fields = {
        "service": "sms_receive",
        "id": str(row.id),
        "from": row.sender,
        "to": row.recipient,
        "msg": row.text,
        "time": _time(row.sent_at),
        "message_id": row.message_id or "",
        "recipient_id": "" if row.message_id is None else recipient_id(row.message_id, row.position),
    }
    connection.execute(
        callbacks.insert().values(
            account_id=row.account_id,
            host=host_of(row.inbound_url),
            url=row.inbound_url,
            fields=json.dumps(fields),
            due_at=now,
            created_at=now,
        )
    )


def host_of(url: str) -> str:
    """Return host and port of a URL in its normal form, as they stand in it."""
    return url.partition("://")[2].partition("/")[0]


class Next(NamedTuple):
    """The call of a host that is due first: when, in milliseconds since 1970, and whose it is."""

    due_at: int
    account_id: int


def waiting_hosts(connection: Connection) -> dict[str, Next]:
    """Return the hosts that have calls coming, each with its next one."""
    return {row.host: Next(row.due_at, row.account_id) for row in connection.execute(_HOSTS)}


def due(connection: Connection, host: str, *, now: int, limit: int) -> list[Call]:
    """Return calls of a host whose time has come, the longest due first."""
    rows = connection.execute(
        select(callbacks)
        .where(callbacks.c.host == host, callbacks.c.due_at <= now)
        .order_by(callbacks.c.due_at, callbacks.c.id)
        .limit(limit)
    )
    return [_call(row) for row in rows]


def made(connection: Connection, call_id: int) -> None:
    """Forget a call that was made."""
    connection.execute(delete(callbacks).where(callbacks.c.id == call_id))


def failed(connection: Connection, call_id: int, *, reason: str, due_at: int) -> None:
    """Keep a call that failed for another try."""
    connection.execute(
        update(callbacks)
        .where(callbacks.c.id == call_id)
        .values(attempts=callbacks.c.attempts + 1, reason=reason, due_at=due_at)
    )


def overdue(connection: Connection, *, before: int, limit: int) -> list[tuple[Call, str | None]]:
    """Forget calls that were written at a time or before it, and return them, each with why it failed last.

    Looks at the ``limit`` oldest alone.
    """
    oldest = select(callbacks.c.id).order_by(callbacks.c.id).limit(limit)
    rows = connection.execute(
        select(callbacks).where(callbacks.c.id.in_(oldest), callbacks.c.created_at <= before).order_by(callbacks.c.id)
    ).all()
    if rows:
        connection.execute(delete(callbacks).where(callbacks.c.id.in_([row.id for row in rows])))
    return [(_call(row), row.reason) for row in rows]


def count(connection: Connection) -> int:
    """Return how many calls are still to be made."""
    return int(connection.execute(select(func.count()).select_from(callbacks)).scalar_one())


def _time(moment: int) -> str:
    return from_ms(moment).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _call(row: Any) -> Call:
    return Call(
        id=row.id,
        account_id=row.account_id,
        host=row.host,
        url=row.url,
        fields=json.loads(row.fields),
        attempts=row.attempts,
        created_at=row.created_at,
    )


# One step from host to host in the index, however many calls each of them has.
_HOSTS = text(
    "WITH RECURSIVE hosts(host) AS (SELECT min(host) FROM callbacks UNION ALL"
    " SELECT (SELECT min(c.host) FROM callbacks AS c WHERE c.host > hosts.host) FROM hosts"
    " WHERE hosts.host IS NOT NULL)"
    " SELECT c.host, c.due_at, c.account_id FROM hosts JOIN callbacks AS c ON c.id ="
    " (SELECT d.id FROM callbacks AS d WHERE d.host = hosts.host ORDER BY d.due_at, d.id LIMIT 1)"
)

_HOST = {
    "sqlite": "substr(u.rest, 1, instr(u.rest || '/', '/') - 1)",
    "postgresql": "split_part(u.rest, '/', 1)",
}
_REST = {
    "sqlite": "substr(t.url, instr(t.url, '://') + 3)",
    "postgresql": "substr(t.url, strpos(t.url, '://') + 3)",
}
_OBJECT = {"sqlite": "json_object", "postgresql": "jsonb_build_object"}
_OWN = "u.message_id || '-' || CAST(u.position AS text)"
_REPORT = {
    "service": "'sms_report'",
    "message_id": "u.message_id",
    "recipient_id": _OWN,
    "reference": "COALESCE(u.reference, '')",
    "dest": "u.number",
    "status": "u.kind",
    "reason": "u.reason",
    "parts": "CAST(u.parts AS text)",
    "time": "CAST(:time AS text)",
    "event_id": f"{_OWN} || '-' || u.kind || '-' || CAST(:stamp AS text)",
}
assert tuple(_REPORT) == REPORT_FIELDS  # noqa: S101 - every field is said


@lru_cache(maxsize=2)
def _tell_moves(dialect: str) -> TextClause:
    # What a report says is put together only where a URL wants it.
    fields = ", ".join(f"'{name}', {value}" for name, value in _REPORT.items())
    return text(
        "INSERT INTO callbacks (account_id, host, url, fields, due_at, created_at)"  # noqa: S608 - our own words
        f" SELECT u.account_id, {_HOST[dialect]}, u.url, CAST({_OBJECT[dialect]}({fields}) AS text), :now, :now"
        f" FROM (SELECT t.*, {_REST[dialect]} AS rest FROM (SELECT m.account_id,"
        " COALESCE(m.callback_url, a.report_url) AS url, batch.message_id, batch.position, batch.kind, batch.reason,"
        f" m.reference, r.number, r.parts FROM {batch.source(dialect, _TOLD)}"
        " CROSS JOIN messages AS m CROSS JOIN accounts AS a CROSS JOIN recipients AS r"
        " WHERE m.id = batch.message_id AND a.id = m.account_id AND (m.callback_url IS NOT NULL"
        " OR a.report_url IS NOT NULL) AND r.message_id = batch.message_id AND r.position = batch.position) AS t) AS u"
    ).bindparams(*map(bindparam, ("rows", "now", "time", "stamp")))
