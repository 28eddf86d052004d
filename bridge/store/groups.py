"""Groups: contacts and other groups under one name, never in a circle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, select, text

from bridge.model.contacts import fold
from bridge.model.errors import Conflict, NotFound
from bridge.store import batch
from bridge.store.tables import contacts, group_groups, group_members, groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import CTE, ColumnElement, Connection, Row, Select


_CHANGING = 0x636F_6E74 << 32
"""Added to an account's id; no other lock has such a number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A group, and how many contacts and groups it holds itself."""

    id: int
    name: str
    contacts: int
    groups: int


def lock(connection: Connection, account_id: int) -> None:
    """Let others who change the account's contacts and groups wait until this transaction ends.

    Else two could put two groups into each other, and neither would see the circle. Nothing else waits.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CHANGING + account_id})


def add(connection: Connection, account_id: int, name: str, *, now: int) -> int:
    """Make a group and return its id. Raises :exc:`Conflict` when the name is taken, in whatever spelling."""
    if id_of(connection, account_id, name) is not None:
        raise Conflict(f"group {name} exists already")
    return ensure(connection, account_id, [name], now=now)[fold(name)]


def ensure(connection: Connection, account_id: int, names: Iterable[str], *, now: int) -> dict[str, int]:
    """Make those of the groups that are not there, and return the ids of all, by folded name."""
    wanted = {fold(name): name for name in names}
    columns = ("account_id", "name", "folded", "created_at")
    known = ids_of(connection, account_id, list(wanted))
    new = [(account_id, name, folded, now) for folded, name in sorted(wanted.items()) if folded not in known]
    if not new:
        return known
    batch.insert(connection, groups, columns, new, then="ON CONFLICT (account_id, folded) DO NOTHING")
    return ids_of(connection, account_id, list(wanted))


def ids_of(connection: Connection, account_id: int, folded: Sequence[str]) -> dict[str, int]:
    """Return the ids of the groups that are there, by folded name."""
    query = select(groups.c.folded, groups.c.id).where(groups.c.account_id == account_id, groups.c.folded.in_(folded))
    return {row.folded: row.id for row in connection.execute(query)}


def id_of(connection: Connection, account_id: int, name: str) -> int | None:
    """Return the id of a group, None where there is none of that name."""
    return ids_of(connection, account_id, [fold(name)]).get(fold(name))


def find(connection: Connection, account_id: int, name: str) -> Group:
    """Return a group by name, in whatever spelling. Raises :exc:`NotFound`."""
    row = connection.execute(_groups(account_id).where(groups.c.folded == fold(name))).one_or_none()
    if row is None:
        raise NotFound(f"no group is named {name}")
    return _group(row)


def listed(connection: Connection, account_id: int) -> list[Group]:
    """Return the groups of an account, by name."""
    return [_group(row) for row in connection.execute(_groups(account_id).order_by(groups.c.folded))]


def all_of(connection: Connection, account_id: int) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return name, own numbers and the names of own groups of every group of an account, by name."""
    return _filled(connection, groups.c.account_id == account_id)


def one_of(connection: Connection, account_id: int, group_id: int) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return one group as :func:`all_of` does."""
    (found,) = _filled(connection, and_(groups.c.account_id == account_id, groups.c.id == group_id))
    return found


def within(connection: Connection, group_id: int) -> list[str]:
    """Return the names of the groups that a group holds itself."""
    query = (
        select(groups.c.name)
        .join(group_groups, group_groups.c.member_group_id == groups.c.id)
        .where(group_groups.c.group_id == group_id)
        .order_by(groups.c.folded)
    )
    return list(connection.execute(query).scalars())


def remove(connection: Connection, group_id: int) -> None:
    """Remove a group. Its contacts stay, and so do the groups it holds."""
    connection.execute(delete(groups).where(groups.c.id == group_id))


def join(connection: Connection, members: Iterable[tuple[int, int]]) -> None:
    """Put contacts into groups, as (group, contact); those that are in already stay."""
    batch.insert(
        connection,
        group_members,
        ("group_id", "contact_id"),
        sorted(members),
        then="ON CONFLICT (group_id, contact_id) DO NOTHING",
    )


def join_group(connection: Connection, account_id: int, group_id: int, member_id: int) -> None:
    """Put a group into another one of the same account.

    Raises :exc:`Conflict` where the member is the group, or holds it at whatever depth: it would hold itself.
    """
    lock(connection, account_id)
    below = reached([member_id])
    if connection.execute(select(below.c.id).where(below.c.id == group_id)).first() is not None:
        raise Conflict("a group cannot hold itself, directly or through others")
    batch.insert(
        connection,
        group_groups,
        ("group_id", "member_group_id"),
        [(group_id, member_id)],
        then="ON CONFLICT (group_id, member_group_id) DO NOTHING",
    )


def leave(connection: Connection, group_id: int, contact_id: int) -> bool:
    """Take a contact out of a group; False when it was not in it itself."""
    here = (group_members.c.group_id == group_id, group_members.c.contact_id == contact_id)
    return bool(connection.execute(delete(group_members).where(*here)).rowcount)


def leave_group(connection: Connection, group_id: int, member_id: int) -> bool:
    """Take a group out of another one; False when it was not in it itself."""
    here = (group_groups.c.group_id == group_id, group_groups.c.member_group_id == member_id)
    return bool(connection.execute(delete(group_groups).where(*here)).rowcount)


def reached(group_ids: Sequence[int]) -> CTE:
    """Return a recursive table of the ids of these groups and of all they hold, each once."""
    first = select(groups.c.id).where(groups.c.id.in_(group_ids)).cte("reached", recursive=True)
    # UNION, not UNION ALL: it would end even in a circle.
    return first.union(select(group_groups.c.member_group_id).join(first, group_groups.c.group_id == first.c.id))


def members(group_ids: Sequence[int]) -> Select[Any]:
    """Return a query for the ids of all contacts in these groups, at whatever depth."""
    below = reached(group_ids)
    return select(group_members.c.contact_id).where(group_members.c.group_id.in_(select(below.c.id)))


def _filled(connection: Connection, which: ColumnElement[bool]) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    found = connection.execute(select(groups.c.id, groups.c.name).where(which).order_by(groups.c.folded)).all()
    numbers: dict[int, list[str]] = {row.id: [] for row in found}
    inner: dict[int, list[str]] = {row.id: [] for row in found}
    members = (
        select(group_members.c.group_id, contacts.c.number)
        .join(contacts, contacts.c.id == group_members.c.contact_id)
        .join(groups, groups.c.id == group_members.c.group_id)
        .where(which)
        .order_by(contacts.c.number)
    )
    for group_id, number in connection.execute(members):
        numbers[group_id].append(number)
    member = groups.alias()
    held = (
        select(group_groups.c.group_id, member.c.name)
        .join(member, member.c.id == group_groups.c.member_group_id)
        .join(groups, groups.c.id == group_groups.c.group_id)
        .where(which)
        .order_by(member.c.folded)
    )
    for group_id, name in connection.execute(held):
        inner[group_id].append(name)
    return [(row.name, tuple(numbers[row.id]), tuple(inner[row.id])) for row in found]


def _groups(account_id: int) -> Select[Any]:
    own = select(func.count()).select_from(group_members).where(group_members.c.group_id == groups.c.id)
    inner = select(func.count()).select_from(group_groups).where(group_groups.c.group_id == groups.c.id)
    return select(
        groups.c.id, groups.c.name, own.scalar_subquery().label("own"), inner.scalar_subquery().label("inner")
    ).where(groups.c.account_id == account_id)


def _group(row: Row[Any]) -> Group:
    return Group(id=row.id, name=row.name, contacts=row.own, groups=row.inner)
