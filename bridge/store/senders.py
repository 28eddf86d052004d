"""Sender names: who asked for which, what became of it, and the snapshot that the rules are asked of.

Every change counts in the directory's revision, for the snapshot of who may send carries the approved names.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from bridge.model.errors import Conflict, NotFound
from bridge.model.sender import USUAL, Sender, SenderKind, SenderRules, SenderState, Verdict, decide, fold_sender
from bridge.store import revision
from bridge.store.tables import sender_defaults, sender_kinds, senders

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection, Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A sender name of an account. Times are in milliseconds since 1970."""

    id: int
    account_id: int
    name: str
    kind: SenderKind
    state: SenderState
    reason: str
    created_at: int
    decided_at: int | None


def settle(
    connection: Connection, account_id: int, sender: Sender, verdict: Verdict, *, reason: str = "", now: int
) -> Known:
    """Request, approve, refuse or revoke a name, and return what it is now.

    An approval makes its spelling the one that is sent. A name that is revoked is nobody's default any more.
    Raises :exc:`Conflict` and :exc:`NotFound` as :func:`~bridge.model.sender.decide`.
    """
    known = find(connection, account_id, sender.name)
    after = decide(verdict, known.state if known else None, sender.name)
    if known is not None and known.state is after and known.name == sender.name and not reason:
        return known
    decided = None if after is SenderState.REQUESTED else now
    values: dict[str, Any] = {"state": after, "reason": reason, "decided_at": decided}
    if known is None:
        values |= {"account_id": account_id, "folded": sender.folded, "created_at": now}
    if known is None or verdict is Verdict.APPROVE:
        values |= {"name": sender.name, "kind": sender.kind}
    try:
        if known is None:
            connection.execute(insert(senders).values(values))
        else:
            connection.execute(update(senders).where(senders.c.id == known.id).values(values))
    except IntegrityError as error:
        raise Conflict(f"the sender name {sender.name} was changed by somebody else just now") from error
    if known is not None and after is not SenderState.APPROVED:
        connection.execute(delete(sender_defaults).where(sender_defaults.c.sender_id == known.id))
    revision.changed(connection)
    settled = find(connection, account_id, sender.name)
    assert settled is not None  # noqa: S101 - written above, in this transaction
    return settled


def find(connection: Connection, account_id: int, name: str) -> Known | None:
    """Return what is known of a name, in whatever spelling."""
    query = select(senders).where(senders.c.account_id == account_id, senders.c.folded == fold_sender(name))
    row = connection.execute(query).one_or_none()
    return _known(row) if row is not None else None


def listed(connection: Connection, account_id: int | None = None, state: SenderState | None = None) -> list[Known]:
    """Return the names of one account or of all, by account and name."""
    query = select(senders).order_by(senders.c.account_id, senders.c.folded)
    if account_id is not None:
        query = query.where(senders.c.account_id == account_id)
    if state is not None:
        query = query.where(senders.c.state == state)
    return [_known(row) for row in connection.execute(query)]


def set_default(connection: Connection, account_id: int, name: str | None, *, pattern: str = "") -> None:
    """Make an approved name the default of a mailbox or ``@domain`` (in normal form), or of the account itself.

    None takes the default away. Raises :exc:`NotFound` for a name that is not approved, and where there is no
    default to take away.
    """
    here = (sender_defaults.c.account_id == account_id, sender_defaults.c.pattern == pattern)
    known = find(connection, account_id, name) if name is not None else None
    if name is not None and (known is None or known.state is not SenderState.APPROVED):
        raise NotFound(f"the sender name {name} is not approved for this account")
    gone = connection.execute(delete(sender_defaults).where(*here))
    if known is not None:
        new = {"account_id": account_id, "pattern": pattern, "sender_id": known.id}
        connection.execute(insert(sender_defaults).values(new))
    elif not gone.rowcount:
        raise NotFound(f"{pattern or 'the account'} has no default sender name")
    revision.changed(connection)


def set_kinds(connection: Connection, account_id: int, kinds: Collection[SenderKind]) -> None:
    """Say which kinds of names an account may use; the usual ones are no setting."""
    connection.execute(delete(sender_kinds).where(sender_kinds.c.account_id == account_id))
    if kinds and set(kinds) != USUAL:
        rows = [{"account_id": account_id, "kind": kind} for kind in kinds]
        connection.execute(insert(sender_kinds), rows)
    revision.changed(connection)


def kinds_of(connection: Connection, account_id: int) -> frozenset[SenderKind]:
    """Return the kinds of names an account may use."""
    query = select(sender_kinds.c.kind).where(sender_kinds.c.account_id == account_id)
    return frozenset(map(SenderKind, connection.execute(query).scalars())) or USUAL


def approved(connection: Connection) -> Mapping[int, Mapping[str, str]]:
    """Return the approved names of every account that has one, each by its folded form."""
    names: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for known in listed(connection, state=SenderState.APPROVED):
        names[known.account_id][fold_sender(known.name)] = known.name
    return dict(names)


def defaults(connection: Connection) -> Mapping[int, Mapping[str, str]]:
    """Return the default names of every account that has one: by mailbox, ``@domain``, or ``""``."""
    names: defaultdict[int, dict[str, str]] = defaultdict(dict)
    query = select(sender_defaults.c.account_id, sender_defaults.c.pattern, senders.c.name).join(
        senders, senders.c.id == sender_defaults.c.sender_id
    )
    for row in connection.execute(query):
        names[row.account_id][row.pattern] = row.name
    return dict(names)


def rules(connection: Connection) -> Mapping[int, SenderRules]:
    """Return what every account may call itself; one that is missing has ``SenderRules()``."""
    kinds: defaultdict[int, set[SenderKind]] = defaultdict(set)
    for row in connection.execute(select(sender_kinds)):
        kinds[row.account_id].add(SenderKind(row.kind))
    names, usual = approved(connection), defaults(connection)
    return {
        account_id: SenderRules(
            kinds=frozenset(kinds.get(account_id, USUAL)),
            approved=names.get(account_id, {}),
            defaults=usual.get(account_id, {}),
        )
        for account_id in kinds.keys() | names.keys()
    }


def _known(row: Row[Any]) -> Known:
    return Known(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        kind=SenderKind(row.kind),
        state=SenderState(row.state),
        reason=row.reason,
        created_at=row.created_at,
        decided_at=row.decided_at,
    )
