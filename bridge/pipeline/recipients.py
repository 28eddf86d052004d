"""Whom a submission goes to, as a client writes it: numbers, and the names of contacts, groups and tags.

What has a digit and no letter is a number, dialled in the account's region where it is local; all else is a name, as
:func:`bridge.store.contacts.resolve` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from bridge.model.errors import InvalidNumber, Refusal, TooManyRecipients, UnknownRecipient
from bridge.model.message import Addressee
from bridge.model.numbers import parse_number
from bridge.store import contacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.model.contacts import Contact
    from bridge.store.engine import Connection

_LONGEST_NAME = 200
"""Characters of a name that are looked for; no contact, group or tag has as many, with the word before it."""


class Written(NamedTuple):
    """A recipient as it was written: a number, or what is wrong with it; a name where both are None."""

    dest: str
    number: str | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the store knows of recipients: contacts by number, and by name whom it stands for, or why for nobody."""

    people: Mapping[str, Contact] = field(default_factory=dict)
    named: Mapping[str, Contact | Sequence[Contact] | Refusal] = field(default_factory=dict)


def read(written: str, region: str | None) -> Written:
    """Read a recipient by itself: what is wrong with it is in the answer. Raises nothing."""
    if not written.lstrip("+").isdigit() and _is_name(written):
        if len(written) > _LONGEST_NAME or not any(map(str.isalnum, written)):
            return Written(written, refusal=UnknownRecipient("no number, and no contact, group or tag has such a name"))
        # No database keeps NUL, and none takes half of a surrogate pair.
        if "\0" in written or any("\ud800" <= char <= "\udfff" for char in written):
            return Written(written, refusal=UnknownRecipient("a character that no name can have"))
        return Written(written)
    try:
        return Written(written, number=parse_number(written, region))
    except InvalidNumber as error:
        return Written(written, refusal=error)


def look_up(
    connection: Connection, account_id: int, *, names: Sequence[str], numbers: Sequence[str], limit: int
) -> Known:
    """Return what is known of names, and of numbers (E.164). Names bring ``limit`` contacts at most in all."""
    return Known(
        people=contacts.among(connection, account_id, numbers) if numbers else {},
        named=contacts.resolve_each(connection, account_id, names, limit=limit) if names else {},
    )


def fields_of(contact: Contact) -> Mapping[str, str]:
    """Return what a contact has for a template: its fields, its ``name`` and its ``email``."""
    return {"name": contact.name, "email": contact.email, **contact.fields}


def resolve(
    connection: Connection, account_id: int, written: Sequence[str], *, region: str | None, limit: int
) -> list[Addressee]:
    """Return the addressees that are meant: numbers first, then who the names stand for.

    The fields of a contact, and its ``name``, fill templates also where its number is written. Raises
    :exc:`~bridge.model.errors.InvalidNumber`, :exc:`~bridge.model.errors.UnknownRecipient`,
    :exc:`~bridge.model.errors.TooManyRecipients`.
    """
    if len(written) > limit:
        raise TooManyRecipients(f"at most {limit} recipients in one submission")
    names = [one for one in written if _is_name(one)]
    numbers = [_number(one, region) for one in written if not _is_name(one)]
    known = contacts.among(connection, account_id, numbers)
    addressed = [
        Addressee(number=number, fields=fields_of(known[number]) if number in known else {}) for number in numbers
    ]
    if names:
        found = contacts.resolve(connection, account_id, names, limit=limit)
        addressed += [Addressee(number=one.number, fields=fields_of(one)) for one in found]
    if len(addressed) > limit:
        raise TooManyRecipients(f"at most {limit} recipients in one submission")
    return addressed


def _is_name(written: str) -> bool:
    return any(char.isalpha() for char in written) or not any(char.isdigit() for char in written)


def _number(written: str, region: str | None) -> str:
    try:
        return parse_number(written, region)
    except InvalidNumber as error:
        # The command line and an API have several: say which.
        raise type(error)(f"{written}: {error.reason}") from error
