"""The account's book: sender names, contacts, groups, and the URLs that are called.

Every function runs in the caller's transaction. What is wrong with a call is raised, and the transaction with it gone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.calls.looking import MOST, check_limit
from bridge.calls.values import ContactEntry, GroupEntry, SenderName
from bridge.model.contacts import Contact, Listing, change, field_name, group_name, split_listing
from bridge.model.errors import (
    Conflict,
    InvalidNumber,
    InvalidRequest,
    NotFound,
    Refusal,
    TooManyRecipients,
    UnknownRecipient,
)
from bridge.model.numbers import parse_number
from bridge.model.sender import SenderState, Verdict
from bridge.store import accounts, contacts, groups, senders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.contacts import Change
    from bridge.model.sender import Sender
    from bridge.store.contacts import Kept
    from bridge.store.engine import Connection
    from bridge.store.senders import Known

MOST_SENDERS: Final = 1000
"""Names that one account may have asked for: each takes an operator's time."""


# Senders.


def list_senders(connection: Connection, account_id: int) -> list[SenderName]:
    """Return the names that texts may come from, of every state, by name."""
    usual = senders.defaults(connection).get(account_id, {}).get("")
    return [_sender(known, usual) for known in senders.listed(connection, account_id)]


def ask_for_sender(connection: Connection, account_id: int, wanted: Sender, *, now: int) -> SenderName:
    """Ask for a name. One that is there already stays as it stands, also where it was refused."""
    known = senders.find(connection, account_id, wanted.name)
    if known is None:
        if len(senders.listed(connection, account_id)) >= MOST_SENDERS:
            raise InvalidRequest(f"{MOST_SENDERS} names were asked for already")
        known = senders.settle(connection, account_id, wanted, Verdict.REQUEST, now=now)
    usual = senders.defaults(connection).get(account_id, {}).get("")
    return _sender(known, usual)


def _sender(known: Known, usual: str | None) -> SenderName:
    default = known.state is SenderState.APPROVED and known.name == usual
    return SenderName(name=known.name, state=known.state, reason=known.reason, default=default)


# Contacts.


def read_contact(entry: ContactEntry, region: str | None) -> Change:
    """Return what an entry asks for; what is empty in it stays as it was.

    Raises :exc:`~bridge.model.errors.InvalidNumber`, :exc:`InvalidRequest`.
    """
    number = read_number(entry.number, region)
    try:
        return change(
            number,
            name=entry.name or None,
            email=entry.email.strip() or None,
            tags=entry.tags or None,
            fields=[(field_name(name), value) for name, value in entry.fields.items() if value],
            groups=entry.groups,
        )
    except ValueError as error:
        raise InvalidRequest(str(error)) from error


def read_number(written: str, region: str | None) -> str:
    """Return a number in E.164. Raises :exc:`~bridge.model.errors.InvalidNumber` that names it."""
    try:
        return parse_number(written.strip(), region)
    except InvalidNumber as error:
        raise type(error)(f"{written.strip():.40}: {error.reason}") from error


def list_contacts(connection: Connection, account_id: int, *, after: str, limit: int) -> list[ContactEntry]:
    """Return contacts in the order of their numbers, after one."""
    check_limit(limit)
    return [_contact(kept) for kept in contacts.paged(connection, account_id, after=after, limit=limit)]


def keep_contact(
    connection: Connection, account_id: int, wanted: Change, *, new_number: str | None, now: int
) -> ContactEntry:
    """Keep or change a contact, and give it another number. The same call again comes to the same."""
    number = wanted.number
    if new_number is not None and new_number != number:
        _renumber(connection, account_id, number, new_number, now=now)
        number = new_number
    written = contacts.put(connection, account_id, [replace(wanted, number=number)], now=now)
    if written.refused:
        raise InvalidRequest(written.refused[0][1])
    return _contact(contacts.find(connection, account_id, number))


def forget_contact(connection: Connection, account_id: int, number: str) -> None:
    """Forget a contact. Raises :exc:`UnknownRecipient`."""
    try:
        contacts.remove(connection, account_id, number)
    except NotFound as error:
        raise UnknownRecipient(error.reason) from error


def numbers_of(connection: Connection, account_id: int, names: Sequence[str], *, limit: int) -> tuple[str, ...]:
    """Return the numbers (E.164) that the first of the names which anybody has stands for, each once.

    A name is read as :func:`bridge.store.contacts.resolve` reads it. Raises :exc:`UnknownRecipient`, whose reason does
    not repeat a name, :exc:`TooManyRecipients` beyond ``limit`` numbers.
    """
    for name in names:
        meant = contacts.resolve_each(connection, account_id, [name], limit=limit)[name]
        if isinstance(meant, TooManyRecipients):
            raise meant
        if not isinstance(meant, Refusal):
            people = [meant] if isinstance(meant, Contact) else meant
            return tuple(dict.fromkeys(one.number for one in people))
    reasons = [_why_nobody(connection, account_id, name) for name in names]
    raise UnknownRecipient(next((reason for reason in reasons if reason), "nobody of the account has that name"))


def _why_nobody(connection: Connection, account_id: int, written: str) -> str:
    """Say why a name that somebody has stands for nobody; empty where nobody has it."""
    listing, name = split_listing(written)
    people = len(contacts.named(connection, account_id, name)) if listing in {None, Listing.CONTACT} else 0
    team = listing in {None, Listing.GROUP} and groups.id_of(connection, account_id, name) is not None
    if people and team:
        return "a contact and a group have that name; say which is meant"
    if people > 1:
        return f"{people} contacts have that name; write the number"
    return "nobody is in that group" if team else ""


def _renumber(connection: Connection, account_id: int, number: str, new_number: str, *, now: int) -> None:
    there = contacts.among(connection, account_id, [number, new_number])
    if number not in there:
        if new_number in there:  # by the first one of two such calls
            return
        raise UnknownRecipient(f"no contact has the number {number}")
    if new_number in there:
        raise InvalidRequest(f"another contact has the number {new_number}")
    contacts.renumber(connection, account_id, number, new_number, now=now)


def _contact(kept: Kept) -> ContactEntry:
    contact = kept.contact
    return ContactEntry(
        number=contact.number,
        name=contact.name,
        email=contact.email,
        fields=dict(contact.fields),
        tags=tuple(sorted(contact.tags)),
        groups=kept.groups,
    )


# Groups.


def read_group(entry: GroupEntry, region: str | None) -> GroupEntry:
    """Return an entry in its normal form. Raises :exc:`~bridge.model.errors.InvalidNumber`, :exc:`InvalidRequest`."""
    if len(entry.numbers) + len(entry.groups) > MOST:
        raise InvalidRequest(f"at most {MOST} members in one call")
    try:
        name = group_name(entry.name)
        inner = tuple(dict.fromkeys(map(group_name, entry.groups)))
    except ValueError as error:
        raise InvalidRequest(str(error)) from error
    numbers = dict.fromkeys(read_number(written, region) for written in entry.numbers)
    return GroupEntry(name=name, numbers=tuple(numbers), groups=inner)


def list_groups(connection: Connection, account_id: int) -> list[GroupEntry]:
    """Return the groups with their own members, by name."""
    return [
        GroupEntry(name=name, numbers=numbers, groups=inner)
        for name, numbers, inner in groups.all_of(connection, account_id)
    ]


def keep_group(connection: Connection, account_id: int, entry: GroupEntry, *, now: int) -> GroupEntry:
    """Make a group or add to it; ``entry`` is in its normal form.

    Raises :exc:`UnknownRecipient` for a group that is to be in it and is not there, and :exc:`InvalidRequest` for one
    that would then hold itself.
    """
    groups.lock(connection, account_id)
    group_id = next(iter(groups.ensure(connection, account_id, [entry.name], now=now).values()))
    try:
        for name in entry.groups:
            groups.join_group(connection, account_id, group_id, groups.find(connection, account_id, name).id)
    except NotFound as error:
        raise UnknownRecipient(error.reason) from error
    except Conflict as error:
        raise InvalidRequest(error.reason) from error
    known = contacts.among(connection, account_id, entry.numbers)
    new = [change(number) for number in entry.numbers if number not in known]
    contacts.put(connection, account_id, new, now=now)
    ids = contacts.ids_of(connection, account_id, entry.numbers)
    groups.join(connection, [(group_id, contact_id) for contact_id in ids.values()])
    name, numbers, inner = groups.one_of(connection, account_id, group_id)
    return GroupEntry(name=name, numbers=numbers, groups=inner)


def forget_group(connection: Connection, account_id: int, name: str) -> None:
    """Forget a group, not its members. Raises :exc:`UnknownRecipient`."""
    try:
        groups.remove(connection, groups.find(connection, account_id, group_name(name)).id)
    except (NotFound, ValueError) as error:
        raise UnknownRecipient("no group has that name") from error


# Callbacks.


def call_back(connection: Connection, account_id: int, url: str | None, *, reports: bool, incoming: bool) -> None:
    """Name the URL that is called with reports, with texts from phones, or both; ``url`` is in its normal form."""
    named: Sequence[str] = [kind for kind, wanted in (("report_url", reports), ("inbound_url", incoming)) if wanted]
    accounts.set_urls(connection, account_id, dict.fromkeys(named, url))
