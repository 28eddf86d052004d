"""A key of the account that stands in the mail itself, as old gateways wanted it.

Looked for only in the places that the mailbox allows (:class:`~bridge.model.mail_policy.SecretPlace`):

- *subject*: its first word is ``user:password``, or it begins with ``#user:password#``, where spaces may be;
- *body*: its first line with anything on it is one of these two, or its first two are ``user: NAME`` and
  ``password: WORD``;
- *line*: the text is a line as SMSC's mail interface takes it, see :mod:`smtp.smsc_line`;
- *address*: see :mod:`smtp.address`.

A user's name has no space and no colon, so there is one way to read them. What is found is cut out, wherever else the
same key stands it is hidden, and nothing here shows it: no reason, no repr. Whether it is right is asked elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from bridge.calls.logins import Credentials, Password, Token
from bridge.model.login import LONGEST_PASSWORD, LONGEST_USER
from bridge.model.mail_policy import SecretPlace
from smtp.options import NONE, Options
from smtp.smsc_line import read_line

if TYPE_CHECKING:
    from collections.abc import Iterator

_HIDDEN: Final = "***"
_TELLING: Final = 8
"""Characters from which on a password is no word of a text by chance: then it is hidden also without its user."""

_USER: Final = rf"(?P<user>[^\s:#]{{1,{LONGEST_USER}}}+)"
_WORD: Final = re.compile(rf"{_USER}:(?!//)(?P<password>\S{{1,{LONGEST_PASSWORD}}}+)(?=\s|\Z)")
_FENCED: Final = re.compile(rf"#{_USER}:(?P<password>[^#\r\n]{{1,{LONGEST_PASSWORD}}}+)#")
_LABELLED: Final = re.compile(
    rf"(?:user|username|login)[ \t]*+[:=][ \t]*+(?P<user>[^\s:]{{1,{LONGEST_USER}}}+)[ \t]*+\r?\n"
    rf"[ \t]*+(?:password|pass|psw|pwd)[ \t]*+[:=][ \t]*+(?P<password>\S{{1,{LONGEST_PASSWORD}}}+)[ \t]*+(?=\r?\n|\Z)",
    re.IGNORECASE,
)
_LINE_END: Final = re.compile(r"[ \t]*+(?:\r?\n|\Z)")
# What programs put before the first letter: spaces, a byte order mark, marks of direction.
_BEFORE: Final = re.compile("[\\s\ufeff\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]*+")


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretFound:
    """A key, and the mail without it. ``phones``, ``options``, ``id`` and ``transliterate`` are those of a line."""

    place: SecretPlace
    credentials: Credentials
    subject: str = field(repr=False)
    text: str = field(repr=False)
    phones: tuple[str, ...] = ()
    options: Options = NONE
    id: str | None = None
    transliterate: bool = False


def find_secret(places: frozenset[SecretPlace], *, subject: str, text: str) -> SecretFound | None:
    """Return the key that stands in a mail; None where there is none. ``subject`` and ``text`` are decoded.

    Of several the line counts before the body, and the body before the subject. Raises
    :exc:`~bridge.model.errors.InvalidRequest` and :exc:`~bridge.model.errors.InvalidTime` for a line that asks for
    what is not served.
    """
    if SecretPlace.LINE in places and (line := read_line(_bare(text))) is not None:
        return SecretFound(
            place=SecretPlace.LINE,
            credentials=line.credentials,
            subject=redact(subject, line.credentials),
            text=redact(line.text, line.credentials),
            phones=line.phones,
            options=line.options,
            id=line.id,
            transliterate=line.transliterate,
        )
    if SecretPlace.BODY in places and (found := _in_body(_bare(text))) is not None:
        return _found(SecretPlace.BODY, found[0], subject, found[1])
    if SecretPlace.SUBJECT in places and (found := _in_subject(_bare(subject))) is not None:
        return _found(SecretPlace.SUBJECT, found[0], found[1], text)
    return None


def redact(text: str, credentials: Credentials) -> str:
    """Return a text as it may be kept or shown: the key in it is ``***``. Raises nothing.

    A short password is hidden only behind its user's name: alone it may be any word.
    """
    for secret in _forms(credentials):
        text = text.replace(secret, _HIDDEN)
    return text


def _forms(credentials: Credentials) -> Iterator[str]:
    """Yield what is to be hidden, longer forms first; a telling password also as addresses and URLs have it."""
    if isinstance(credentials, Token):
        yield credentials.token
    if isinstance(credentials, Password):
        user, password = credentials.user, credentials.password
        yield f"{user}:{password}"
        if len(password) >= _TELLING:
            yield password
            yield quote(password, safe="", errors="replace")


def _found(place: SecretPlace, credentials: Password, subject: str, text: str) -> SecretFound:
    return SecretFound(
        place=place, credentials=credentials, subject=redact(subject, credentials), text=redact(text, credentials)
    )


def _in_subject(subject: str) -> tuple[Password, str] | None:
    found = _FENCED.match(subject) or _WORD.match(subject)
    return (_password(found), subject[found.end() :].strip()) if found else None


def _in_body(text: str) -> tuple[Password, str] | None:
    labelled = _LABELLED.match(text)
    if labelled is not None:
        return _password(labelled), text[labelled.end() :].lstrip()
    found = _FENCED.match(text) or _WORD.match(text)
    if found is None or (end := _LINE_END.match(text, found.end())) is None:
        return None
    return _password(found), text[end.end() :].lstrip("\r\n")


def _password(found: re.Match[str]) -> Password:
    return Password(user=found["user"], password=found["password"])


def _bare(text: str) -> str:
    """Return a text from its first letter on."""
    found = _BEFORE.match(text)
    return text[found.end() :] if found else text
