"""Contacts of an account, many at once; and the numbers that a recipient's name stands for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import TextClause, bindparam, delete, func, select, text, update

from bridge.model.contacts import Contact, Listing, fold, merge, split_listing
from bridge.model.errors import NotFound, TooManyRecipients, UnknownRecipient
from bridge.store import batch, groups
from bridge.store.tables import contact_tags, contacts, group_members
from bridge.store.tables import groups as group_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Row, Select

    from bridge.model.contacts import Change
    from bridge.model.errors import Refusal

_COLUMNS = ("account_id", "number", "name", "folded", "email", "fields", "created_at", "updated_at")
_SHOWN: tuple[Column[Any], ...] = (
    contacts.c.id,
    contacts.c.number,
    contacts.c.name,
    contacts.c.email,
    contacts.c.fields,
)


_Asked: TypeAlias = dict[Listing | None, dict[str, str]]
"""What recipients were named, each by its folded name, as written; under None those that do not say what they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A contact as it is in the store, with the groups that hold it themselves. Times are in milliseconds."""

    id: int
    contact: Contact
    groups: tuple[str, ...]
    created_at: int
    updated_at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What became of changes: how many made a contact, changed one, or changed one that ``now`` had written before.

    ``refused`` has the place of each other one, and why.
    """

    added: int
    updated: int
    repeated: int
    refused: tuple[tuple[int, str], ...]


def put(connection: Connection, account_id: int, changes: Sequence[Change], *, now: int) -> Written:
    """Make or change the contacts of the changes' numbers, in their order: of two for one number the later wins.

    Groups that do not exist are made. Calls with the same ``now`` are one piece of work: what one of them wrote, the
    next ones count as repeated. A thousand changes are a good size: a few statements, whatever their number.
    """
    groups.lock(connection, account_id)
    numbers = list(dict.fromkeys(change.number for change in changes))
    known = _known(connection, account_id, numbers)
    before = {number for number, row in known.items() if row.updated_at != now}
    made: dict[str, Contact] = {}
    tags: dict[str, frozenset[str]] = {}
    joined: list[tuple[str, str]] = []
    refused = []
    added = updated = repeated = 0
    for place, change in enumerate(changes):
        number = change.number
        base = made.get(number) or (_contact(known[number]) if number in known else None)
        try:
            made[number] = merge(base, change)
        except ValueError as error:
            refused.append((place, str(error)))
            continue
        if change.tags is not None:
            tags[number] = change.tags
        joined += [(group, number) for group in change.groups]
        if base is None:
            added += 1
        elif number in before:
            before.remove(number)
            updated += 1
        else:
            repeated += 1
    ids = _write(connection, account_id, made.values(), now)
    _tag(connection, account_id, {ids[number]: given for number, given in tags.items()}, drop=bool(known))
    if joined:
        places = groups.ensure(connection, account_id, {group for group, _ in joined}, now=now)
        groups.join(connection, {(places[fold(group)], ids[number]) for group, number in joined})
    return Written(added=added, updated=updated, repeated=repeated, refused=tuple(refused))


def find(connection: Connection, account_id: int, number: str) -> Kept:
    """Return the contact of a number (E.164). Raises :exc:`NotFound`."""
    found = _kept(connection, _of(account_id).where(contacts.c.number == number))
    if not found:
        raise NotFound(f"no contact has the number {number}")
    return found[0]


def named(connection: Connection, account_id: int, name: str) -> list[Kept]:
    """Return the contacts of a name, in whatever spelling; there may be several."""
    return _kept(connection, _of(account_id).where(contacts.c.folded == fold(name)).order_by(contacts.c.id))


def listed(
    connection: Connection, account_id: int, *, tag: str | None = None, group_id: int | None = None, limit: int
) -> list[Kept]:
    """Return contacts by name: all, those with a tag, or those in a group or a group within it."""
    query = _of(account_id).order_by(contacts.c.folded, contacts.c.id).limit(limit)
    if tag is not None:
        query = query.where(contacts.c.id.in_(_tagged(account_id, [tag])))
    if group_id is not None:
        query = query.where(contacts.c.id.in_(groups.members([group_id])))
    return _kept(connection, query)


def paged(connection: Connection, account_id: int, *, after: str, limit: int) -> list[Kept]:
    """Return contacts with numbers after one (E.164, or empty), in the order of their numbers."""
    query = _of(account_id).where(contacts.c.number > after).order_by(contacts.c.number).limit(limit)
    return _kept(connection, query)


def renumber(connection: Connection, account_id: int, number: str, new_number: str, *, now: int) -> None:
    """Give the contact of a number another one, which no contact has. Its tags and groups stay."""
    here = (contacts.c.account_id == account_id, contacts.c.number == number)
    connection.execute(update(contacts).where(*here).values(number=new_number, updated_at=now))


def ids_of(connection: Connection, account_id: int, numbers: Sequence[str]) -> dict[str, int]:
    """Return the ids of the contacts of those of the numbers (E.164) that have one."""
    return {number: row.id for number, row in _known(connection, account_id, numbers).items()}


def remove(connection: Connection, account_id: int, number: str) -> None:
    """Remove a contact; it leaves its groups. Raises :exc:`NotFound`."""
    here = (contacts.c.account_id == account_id, contacts.c.number == number)
    if not connection.execute(delete(contacts).where(*here)).rowcount:
        raise NotFound(f"no contact has the number {number}")


def among(connection: Connection, account_id: int, numbers: Sequence[str]) -> dict[str, Contact]:
    """Return the contacts of those of the numbers (E.164) that have one, without their tags."""
    return {number: _contact(row) for number, row in _known(connection, account_id, numbers).items()}


def resolve(connection: Connection, account_id: int, names: Sequence[str], *, limit: int) -> list[Contact]:
    """Return the contacts that recipients' names stand for, each number once, without their tags.

    A name is a contact's or a group's, in whatever spelling, or ``tag:x``; ``contact:x`` and ``group:x`` say which is
    meant. Groups bring the contacts of all groups within. Contacts named come first, then those of groups, then those
    of tags.

    Raises :exc:`UnknownRecipient` for a name that stands for nothing, for no number, or for more than one thing: two
    contacts, or a contact and a group; :exc:`TooManyRecipients` beyond ``limit`` numbers.
    """
    if len(names) > limit:
        raise _too_many(limit)
    meant = _meant(connection, account_id, names)
    if meant.refused:
        raise next(iter(meant.refused.values()))
    found = {row.number: _contact(row) for row in meant.people.values()}
    teams, tags = list(meant.teams.values()), meant.tags
    for ids in (groups.members(teams) if teams else None, _tagged(account_id, tags) if tags else None):
        if ids is not None:
            for one in _many(connection, _first(ids, limit + 1)):
                found.setdefault(one.number, one)
    if len(found) > limit:
        raise _too_many(limit)
    if names and not found:
        raise UnknownRecipient(f"nobody is in {', '.join(names[:3])}")
    return list(found.values())


def resolve_each(
    connection: Connection, account_id: int, names: Sequence[str], *, limit: int
) -> dict[str, Contact | list[Contact] | Refusal]:
    """Return for each name whom it stands for, as :func:`resolve` reads it, or why it stands for nobody.

    A contact's name has the contact, that of a group or a tag a list. Lists that would have more than ``limit``
    contacts in all have :exc:`TooManyRecipients` for an answer.
    """
    meant = _meant(connection, account_id, names)
    answers: dict[str, Contact | list[Contact] | Refusal] = dict(meant.refused)
    room = limit
    for written in names:
        if written in answers:
            continue
        listing, name = split_listing(written)
        folded = fold(name)
        if listing in (None, Listing.CONTACT) and folded in meant.people:
            answers[written] = _contact(meant.people[folded])
            continue
        tagged = listing is Listing.TAG
        ids = _tagged(account_id, [folded]) if tagged else groups.members([meant.teams[folded]])
        found = _many(connection, _first(ids, room + 1))
        if len(found) > room:
            answers[written] = _too_many(limit)
            room = 0
        else:
            answers[written] = found or UnknownRecipient(f"nobody is in {written}")
            room -= len(found)
    return answers


@dataclass(frozen=True, kw_only=True, slots=True)
class _Meant:
    """What names stand for, by their folded forms, and by the written ones why they stand for nothing."""

    people: Mapping[str, Row[Any]]
    teams: Mapping[str, int]
    tags: Sequence[str]
    refused: Mapping[str, UnknownRecipient]


def _meant(connection: Connection, account_id: int, names: Sequence[str]) -> _Meant:
    asked: _Asked = {listing: {} for listing in (None, *Listing)}
    for written in names:
        listing, name = split_listing(written)
        asked[listing][fold(name)] = written
    people = _people(connection, account_id, [*asked[None], *asked[Listing.CONTACT]])
    teams = groups.ids_of(connection, account_id, [*asked[None], *asked[Listing.GROUP]])
    tags = _tags_in_use(connection, account_id, list(asked[Listing.TAG]))
    refused: dict[str, UnknownRecipient] = {}
    for written in names:
        listing, name = split_listing(written)
        reason = _fault(written, listing, fold(name), people=people, teams=teams, tags=tags)
        if reason is not None:
            refused[written] = UnknownRecipient(reason)
    return _Meant(people=people, teams=teams, tags=tags, refused=refused)


def _fault(
    written: str,
    listing: Listing | None,
    folded: str,
    *,
    people: Mapping[str, Row[Any]],
    teams: Mapping[str, int],
    tags: Sequence[str],
) -> str | None:
    """Say why a name stands for nothing, or may stand for two things; None where it is clear."""
    person = listing in (None, Listing.CONTACT) and folded in people
    team = listing in (None, Listing.GROUP) and folded in teams
    if not person and not team and not (listing is Listing.TAG and folded in tags):
        return f"no contact, group or tag is named {written}"
    if person and team:
        return f"{written} is a contact and a group; write contact:{written} or group:{written}"
    if person and people[folded].many > 1:
        return f"{people[folded].many} contacts are named {written}; write the number"
    return None


def _first(ids: Select[Any], limit: int) -> Select[Any]:
    return select(*_SHOWN).where(contacts.c.id.in_(ids)).order_by(contacts.c.id).limit(limit)


def _too_many(limit: int) -> TooManyRecipients:
    return TooManyRecipients(f"at most {limit} recipients in one submission")


def _write(connection: Connection, account_id: int, made: Iterable[Contact], now: int) -> dict[str, int]:
    """Write contacts, and return the id of each number."""
    rows = [
        (
            account_id,
            one.number,
            one.name,
            fold(one.name),
            one.email,
            json.dumps(dict(one.fields), ensure_ascii=False, separators=(",", ":")),
            now,
            now,
        )
        for one in made
    ]
    if not rows:
        return {}
    written = connection.execute(_upsert(connection.dialect.name), {"rows": batch.pack(rows)})
    return {row.number: row.id for row in written}


def _tag(connection: Connection, account_id: int, tags: dict[int, frozenset[str]], *, drop: bool) -> None:
    """Give contacts their tags; where there may be old ones, those go."""
    if tags and drop:
        connection.execute(delete(contact_tags).where(contact_tags.c.contact_id.in_(list(tags))))
    rows = [(contact_id, tag, account_id) for contact_id, given in tags.items() for tag in sorted(given)]
    batch.insert(connection, contact_tags, ("contact_id", "tag", "account_id"), rows)


def _of(account_id: int) -> Select[Any]:
    return select(*_SHOWN, contacts.c.created_at, contacts.c.updated_at).where(contacts.c.account_id == account_id)


def _tagged(account_id: int, tags: Sequence[str]) -> Select[Any]:
    """Return a query for the ids of the contacts with one of the tags."""
    return select(contact_tags.c.contact_id).where(
        contact_tags.c.account_id == account_id, contact_tags.c.tag.in_(tags)
    )


def _tags_in_use(connection: Connection, account_id: int, tags: Sequence[str]) -> list[str]:
    query = select(contact_tags.c.tag).where(contact_tags.c.account_id == account_id, contact_tags.c.tag.in_(tags))
    return list(connection.execute(query.distinct()).scalars()) if tags else []


def _people(connection: Connection, account_id: int, folded: Sequence[str]) -> dict[str, Row[Any]]:
    """Return by folded name the contact, and how ``many`` there are of that name."""
    of_name = (
        select(contacts.c.folded, func.min(contacts.c.id).label("first"), func.count().label("many"))
        .where(contacts.c.account_id == account_id, contacts.c.folded.in_([name for name in folded if name]))
        .group_by(contacts.c.folded)
        .subquery()
    )
    shown: tuple[ColumnElement[Any], ...] = (*_SHOWN, of_name.c.folded, of_name.c.many)
    query = select(*shown).join(of_name, of_name.c.first == contacts.c.id)
    return {row.folded: row for row in connection.execute(query)}


def _kept(connection: Connection, query: Select[Any]) -> list[Kept]:
    """Return contacts with their tags and groups."""
    rows = list(connection.execute(query))
    ids = [row.id for row in rows]
    tags: dict[int, set[str]] = {contact_id: set() for contact_id in ids}
    teams: dict[int, list[str]] = {contact_id: [] for contact_id in ids}
    for row in connection.execute(select(contact_tags).where(contact_tags.c.contact_id.in_(ids))):
        tags[row.contact_id].add(row.tag)
    holding = (
        select(group_members.c.contact_id, group_table.c.name)
        .join(group_table, group_table.c.id == group_members.c.group_id)
        .where(group_members.c.contact_id.in_(ids))
        .order_by(group_table.c.folded)
    )
    for row in connection.execute(holding):
        teams[row.contact_id].append(row.name)
    return [
        Kept(
            id=row.id,
            contact=_contact(row, frozenset(tags[row.id])),
            groups=tuple(teams[row.id]),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


def _contact(row: Row[Any], tags: frozenset[str] = frozenset()) -> Contact:
    fields = json.loads(row.fields) if row.fields != "{}" else {}
    return Contact(number=row.number, name=row.name, email=row.email, tags=tags, fields=fields)


def _many(connection: Connection, query: Select[Any]) -> list[Contact]:
    """Return contacts without their tags, ten thousand in a few hundredths of a second."""
    rows = connection.execute(query).all()
    every = json.loads(f"[{','.join(row[4] for row in rows)}]")
    return [
        Contact(number=number, name=name, email=email, fields=fields)
        for (_, number, name, email, _), fields in zip(rows, every, strict=True)
    ]


def _known(connection: Connection, account_id: int, numbers: Sequence[str]) -> dict[str, Row[Any]]:
    packed = batch.pack((number,) for number in numbers)
    rows = connection.execute(_by_number(connection.dialect.name), {"rows": packed, "account_id": account_id})
    return {row.number: row for row in rows}


@lru_cache(maxsize=2)
def _by_number(dialect: str) -> TextClause:
    # CROSS JOIN keeps SQLite from walking all contacts and looking for each in the batch.
    return text(
        "SELECT c.id, c.number, c.name, c.email, c.fields, c.updated_at"  # noqa: S608 - names of our own columns
        f" FROM {batch.source(dialect, [contacts.c.number])}"
        " CROSS JOIN contacts AS c WHERE c.account_id = :account_id AND c.number = batch.number"
    ).bindparams(bindparam("rows"), bindparam("account_id"))


@lru_cache(maxsize=2)
def _upsert(dialect: str) -> TextClause:
    names = ", ".join(_COLUMNS)
    changed = ", ".join(
        f"{name} = excluded.{name}" for name in _COLUMNS if name not in {"account_id", "number", "created_at"}
    )
    columns = [contacts.c[name] for name in _COLUMNS]
    return text(
        f"INSERT INTO contacts ({names}) SELECT {names} FROM {batch.source(dialect, columns)} WHERE true"  # noqa: S608
        f" ON CONFLICT (account_id, number) DO UPDATE SET {changed} RETURNING id, number"
    ).bindparams(bindparam("rows"))
