"""Contacts: whom an account knows, by number; and the forms of what it knows of them.

A contact is one number with a name, an email, tags, and free fields for templates. Names are for people and need not
be unique; recipients are found by them without regard to case, width and spaces (:func:`fold`). Tags have one
spelling, the folded one. A change says only what changes: None leaves a value, an empty one takes it away.

Everything that is kept is clean (:func:`bridge.model.text.clean`) and without marks of direction around it, for it
will stand in texts and on terminals.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from bridge.model.account import normalise_address
from bridge.model.errors import SenderRefused
from bridge.model.text import clean, normalised

LONGEST_NAME: Final = 100
LONGEST_FIELD_NAME: Final = 64
LONGEST_VALUE: Final = 500
MOST_FIELDS: Final = 50
LONGEST_TAG: Final = 50
MOST_TAGS: Final = 50
LONGEST_GROUP: Final = 64

RESERVED: Final = frozenset({"number", "name", "email", "tags", "group"})
"""What a contact has anyway: no field may have these names."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
# Programs put them around names of right-to-left scripts; within a name, direction is the letters' own.
_MARKS: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LETTER: Final = re.compile(r"[^\W\d_]")
_SEVERAL: Final = re.compile("[;,]")
_SIGNS: Final = frozenset("_-.\u200c\u200d")


class Listing(StrEnum):
    """What a recipient's name may stand for; the words before a colon that say so."""

    CONTACT = "contact"
    GROUP = "group"
    TAG = "tag"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """One number (E.164) and what is known of it."""

    number: str
    name: str = ""
    email: str = ""
    tags: frozenset[str] = frozenset()
    fields: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What is to become of the contact of one number (E.164), which is made where there is none.

    None leaves a value as it is, an empty one takes it away. Of ``fields`` only those named change; ``tags`` are all
    that the contact has afterwards; ``groups`` are joined, and none is left. Make one with :func:`change`.
    """

    number: str
    name: str | None = None
    email: str | None = None
    tags: frozenset[str] | None = None
    fields: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    groups: tuple[str, ...] = ()


def change(
    number: str,
    *,
    name: str | None = None,
    email: str | None = None,
    tags: Iterable[str] | None = None,
    fields: Iterable[tuple[str, str]] = (),
    groups: Iterable[str] = (),
) -> Change:
    """Bring what somebody wrote of a number (E.164) into its normal forms.

    Field names are expected in theirs already (:func:`field_name`). Raises ValueError that says what is allowed.
    """
    return Change(
        number=number,
        name=contact_name(name) if name is not None else None,
        email=_email(email) if email is not None else None,
        tags=_tags(tags) if tags is not None else None,
        fields={key: _value(key, value) for key, value in fields} if fields else _NOTHING,
        groups=tuple(dict.fromkeys(map(group_name, groups))) if groups else (),
    )


def merge(known: Contact | None, wanted: Change) -> Contact:
    """Return the contact that a change makes of the known one, or of nothing.

    Raises ValueError where it would have more than 50 fields.
    """
    known = known or Contact(number=wanted.number)
    fields = known.fields
    if wanted.fields:
        fields = {key: value for key, value in {**known.fields, **wanted.fields}.items() if value}
        if len(fields) > MOST_FIELDS:
            message = f"{len(fields)} fields; a contact has {MOST_FIELDS} at most"
            raise ValueError(message)
    return Contact(
        number=wanted.number,
        name=known.name if wanted.name is None else wanted.name,
        email=known.email if wanted.email is None else wanted.email,
        tags=known.tags if wanted.tags is None else wanted.tags,
        fields=fields,
    )


def fold(name: str) -> str:
    """Return what spellings of one name have in common: case, width, spaces and marks of direction aside.

    Raises nothing. Source: The Unicode Standard, 3.13 (toCasefold), UAX #15 (NFKC).
    """
    if name.isascii():
        return " ".join(name.lower().split())
    folded = normalised(_MARKS.sub("", name), "NFKC").casefold()
    return " ".join(normalised(folded, "NFKC").split())


def split_listing(written: str) -> tuple[Listing | None, str]:
    """Split ``tag:vip`` into what it stands for and the name; None where no such word leads. Raises nothing."""
    head, colon, name = written.partition(":")
    word = head.strip().lower()
    if colon and word in set(Listing):
        return Listing(word), name.strip()
    return None, written.strip()


def split_several(written: str) -> list[str]:
    """Split tags or groups that were written into one cell, with semicolons or commas between. Raises nothing."""
    return [each for part in _SEVERAL.split(written) if (each := part.strip())]


def contact_name(raw: str) -> str:
    """Return a name as it is kept. Raises ValueError."""
    return _line(raw, "a name", LONGEST_NAME)


def group_name(raw: str) -> str:
    """Return a group's name as it is kept: with a letter, for digits alone would be a telephone number.

    Raises ValueError.
    """
    name = _line(raw, "the name of a group", LONGEST_GROUP)
    if not _LETTER.search(name) or _SEVERAL.search(name) or split_listing(name)[0] is not None:
        message = (
            f"{name!r}: the name of a group has a letter, no comma and no semicolon, and does not begin with "
            f"{', '.join(f'{word}:' for word in Listing)}"
        )
        raise ValueError(message)
    return name


def tag_name(raw: str) -> str:
    """Return a tag as it is kept: folded. Raises ValueError."""
    tag = fold(_line(raw, "a tag", LONGEST_TAG))
    if not tag or _SEVERAL.search(tag):
        message = f"{tag!r}: a tag is not empty, and has no comma and no semicolon"
        raise ValueError(message)
    return tag


def field_name(raw: str) -> str:
    """Return a field's name as it is kept: one that a template can say.

    Letters, digits, marks, ``_``, ``-`` and ``.`` stay; whatever stands between becomes ``_``: ``First name`` is
    ``First_name``. Raises ValueError, also for what a contact has anyway.
    """
    line = _line(raw, "the name of a field", LONGEST_FIELD_NAME)
    name = "_".join("".join(char if _sayable(char) else " " for char in line).split()).lstrip("_")
    if not name:
        message = f"{raw!r:.80}: the name of a field has a letter or a digit"
        raise ValueError(message)
    if fold(name) in RESERVED:
        message = f"{name!r}: no field can have that name, for every contact has it"
        raise ValueError(message)
    return name


def _sayable(char: str) -> bool:
    return char in _SIGNS or unicodedata.category(char)[0] in "LM" or char.isdecimal()


def _email(raw: str) -> str:
    raw = raw.strip()
    try:
        return normalise_address(raw) if raw else ""
    except SenderRefused as error:
        raise ValueError(error.reason) from error


def _tags(raw: Iterable[str]) -> frozenset[str]:
    tags = frozenset(map(tag_name, raw))
    if len(tags) > MOST_TAGS:
        message = f"{len(tags)} tags; a contact has {MOST_TAGS} at most"
        raise ValueError(message)
    return tags


def _value(name: str, raw: str) -> str:
    """Return a field's value as it is kept; it may have several lines."""
    value = _clean(raw)
    if len(value) > LONGEST_VALUE:
        message = f"{name}: {len(value)} characters; a field has {LONGEST_VALUE} at most"
        raise ValueError(message)
    return value


def _line(raw: str, what: str, longest: int) -> str:
    line = " ".join(_clean(raw).split())
    if len(line) > longest:
        message = f"{what} of {len(line)} characters; {longest} are allowed"
        raise ValueError(message)
    return line


def _clean(raw: str) -> str:
    if raw.isascii() and raw.isprintable():
        return raw.strip()
    return clean(_MARKS.sub("", raw)).strip()
