"""Whom a submission goes to, as a client writes it: numbers, and the names of contacts, groups and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.errors import InvalidNumber, TooManyRecipients
from bridge.model.message import Addressee
from bridge.model.numbers import parse_number
from bridge.store import contacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.model.contacts import Contact
    from bridge.store.engine import Connection


def resolve(
    connection: Connection, account_id: int, written: Sequence[str], *, region: str | None, limit: int
) -> list[Addressee]:
    """Return the addressees that are meant: numbers first, then who the names stand for.

    What has a digit and no letter is a number, dialled in ``region`` where it is local; all else is a name as
    :func:`bridge.store.contacts.resolve` reads it. The fields of a contact, and its ``name``, fill templates also
    where its number is written. Raises :exc:`~bridge.model.errors.InvalidNumber`,
    :exc:`~bridge.model.errors.UnknownRecipient`, :exc:`~bridge.model.errors.TooManyRecipients`.
    """
    if len(written) > limit:
        raise TooManyRecipients(f"at most {limit} recipients in one submission")
    names = [one for one in written if _is_name(one)]
    numbers = [_number(one, region) for one in written if not _is_name(one)]
    known = contacts.among(connection, account_id, numbers)
    addressed = [
        Addressee(number=number, fields=_fields(known[number]) if number in known else {}) for number in numbers
    ]
    if names:
        found = contacts.resolve(connection, account_id, names, limit=limit)
        addressed += [Addressee(number=one.number, fields=_fields(one)) for one in found]
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


def _fields(contact: Contact) -> Mapping[str, str]:
    return {"name": contact.name, "email": contact.email, **contact.fields}
