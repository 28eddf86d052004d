"""One signature over a mail: what it says of itself, and whether it holds (RFC 6376, 3.5, 6.1; RFC 8617, 4.1).

The hashing and the arithmetic are dkimpy's. What comes before is done here: dkimpy reads time from the machine, asks
DNS in its own time, takes some tags for more than they say, and on some forms of white space needs time that grows with
the square of a mail. It gets keys that were read, fields that were split, and a body in its canonical form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import dkim

from smtp.proof import tags
from smtp.proof.key import Key
from smtp.proof.signed import SignedMail
from smtp.proof.tags import Flaw

MOST_TO_LOOK_AT: Final = 5
_LONGEST: Final = 16_384
_MOST_NAMES: Final = 200
_SLOW_CLOCK: Final = timedelta(minutes=10)
_LONGEST_DATE: Final = 100

_LABELS: Final = rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN: Final = re.compile(_LABELS + rb"(?:\." + _LABELS + rb")*+")
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")
_BLANK_LINES: Final = re.compile(rb"(?:\n\r)++")
_WIDE: Final = re.compile(rb"\s{100}")
_CANONICAL: Final = re.compile(rb"(simple|relaxed)(?:/(simple|relaxed))?")
_ALGORITHMS: Final = {b"rsa-sha256": b"rsa", b"ed25519-sha256": b"ed25519"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """``field`` as it stands in the mail; ``domain`` and ``selector`` in lower case; ``names`` of the signed fields."""

    field: tuple[bytes, bytes]
    tags: dict[bytes, bytes]
    domain: str
    selector: str
    names: tuple[bytes, ...]
    made: datetime | None
    expires: datetime | None

    @classmethod
    def of(cls, field: tuple[bytes, bytes]) -> Signature:
        """Read a field of DKIM or ARC. Raises :exc:`Flaw` for one that no key could prove."""
        if len(field[1]) > _LONGEST or _WIDE.search(field[1]):
            raise Flaw("is too long")
        said = tags.read(_FOLD.sub(b"", field[1]))
        domain, selector = said.get(b"d", b"").lower(), said.get(b"s", b"").lower()
        if not _DOMAIN.fullmatch(domain) or not _DOMAIN.fullmatch(selector):
            raise Flaw("names no domain and selector")
        names = tuple(name.strip().lower() for name in said.get(b"h", b"").split(b":")) if b"h" in said else ()
        if len(names) > _MOST_NAMES:
            raise Flaw("covers too many fields")
        return cls(
            field=field,
            tags=said,
            domain=domain.decode("ascii"),
            selector=selector.decode("ascii"),
            names=names,
            made=_moment(said, b"t"),
            expires=_moment(said, b"x"),
        )

    @property
    def key_name(self) -> str:
        """Where its key is published."""
        return f"{self.selector}._domainkey.{self.domain}"

    def check(self, mail: SignedMail, now: datetime, age: timedelta) -> None:
        """Raise :exc:`Flaw` where it cannot count, whatever the key: what it covers, how, and since when."""
        self.check_algorithm()
        if b"l" in self.tags:
            raise Flaw("covers a part of the body only (l=)")
        if self.tags.get(b"q", b"dns/txt") != b"dns/txt":
            raise Flaw("has its key elsewhere than in DNS")
        if b"c" in self.tags and not _CANONICAL.fullmatch(self.tags[b"c"]):
            raise Flaw("has an unknown form in c=")
        tags.base64_of(self.tags, b"bh")
        mail.check_cover(self.names)
        self._check_time(mail, now, age)

    def check_algorithm(self) -> None:
        """Raise :exc:`Flaw` for an algorithm that proves nothing (RFC 8301, 3.1)."""
        algorithm = self.tags.get(b"a", b"")
        if algorithm == b"rsa-sha1":
            raise Flaw("is made with SHA-1")
        if algorithm not in _ALGORITHMS:
            raise Flaw("is made with an unknown algorithm")
        tags.base64_of(self.tags, b"b")

    def _check_time(self, mail: SignedMail, now: datetime, age: timedelta) -> None:
        if self.expires is not None and (self.expires <= now or (self.made is not None and self.expires < self.made)):
            raise Flaw("has expired")
        made = self.made or self._date(mail)
        if made is None:
            raise Flaw("does not say when it was made, neither does a Date that it covers")
        if made > now + _SLOW_CLOCK:
            raise Flaw("is of the future")
        if now - made > age:
            raise Flaw("is too old")

    def seal(self, mail: SignedMail) -> bytes:
        """Return what of a mail nobody can change without breaking this: the body's hash, and the Message-ID.

        One that is not covered says nothing: then it is the time at which the signature was made.
        """
        given = mail.values(b"message-id") if b"message-id" in self.names else []
        mark = b" ".join(given[0][1].split()) if len(given) == 1 else str(self.made or self._date(mail)).encode()
        return mark + b" " + tags.packed(self.tags[b"bh"])

    def _date(self, mail: SignedMail) -> datetime | None:
        dates = mail.values(b"date") if b"date" in self.names else []
        if len(dates) != 1 or len(dates[0][1]) > _LONGEST_DATE:
            return None
        try:
            date = parsedate_to_datetime(_FOLD.sub(b"", dates[0][1]).decode("ascii").strip())
            return date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            return None

    def verify(self, key: Key, fields: tuple[tuple[bytes, bytes], ...], body: bytes, names: tuple[bytes, ...]) -> None:
        """Raise :exc:`Flaw` unless the key made it over the fields of these names, each time from the bottom up."""
        if _ALGORITHMS[self.tags[b"a"]] != key.kind:
            raise Flaw("is made with another algorithm than its key is for")
        if key.exact and self._identity() != self.domain:
            raise Flaw("has a key for the domain alone, and is of a subdomain")
        form = self.tags.get(b"c", b"simple/simple")
        verifier = dkim.DKIM()
        verifier.headers = list(fields)
        verifier.body = _ended(body)
        if form.endswith(b"/relaxed"):
            verifier.body = relaxed(body)
            if verifier.body.strip(b"\r\n"):  # of an empty one nothing is hashed, where the simple form has a CRLF
                form = form.removesuffix(b"/relaxed") + b"/simple"
        verifier.pk, verifier.keysize, verifier.ktag = key.public, key.bits, key.kind
        try:
            holds = verifier.verify_sig_process({**self.tags, b"c": form}, list(names), self.field, None)
        except dkim.ValidationError:
            raise Flaw("does not hold: the body is another one") from None
        except Exception as error:  # what a library raises on a stranger's octets says one thing
            raise Flaw("does not hold") from error
        if not holds:
            raise Flaw("does not hold: a field is another one, or the key")

    def check_identity(self) -> None:
        """Raise :exc:`Flaw` when it speaks for another domain than the one that made it (RFC 6376, 3.5, i=)."""
        identity = self._identity()
        if identity != self.domain and not identity.endswith(f".{self.domain}"):
            raise Flaw("speaks for another domain")

    def _identity(self) -> str:
        identity = self.tags.get(b"i", b"@" + self.domain.encode("ascii"))
        return identity.rpartition(b"@")[2].lower().decode("ascii", "replace")


def relaxed(body: bytes) -> bytes:
    """Return a body in the relaxed form (RFC 6376, 3.4.4), an empty one perhaps as a CRLF; in linear time.

    dkimpy's takes the square of a run of white space, and for any other body ten times as long.
    """
    body = body.replace(b"\t", b" ")
    while b"  " in body:
        body = body.replace(b"  ", b" ")
    return _ended(body.replace(b" \r\n", b"\r\n"))


def _ended(body: bytes) -> bytes:
    """Return a body with no more than one CRLF at its end: dkimpy takes them off one by one (RFC 6376, 3.4.3)."""
    if not body.endswith(b"\r\n\r\n"):
        return body
    tail = body[len(body.rstrip(b"\r\n")) :]
    found = _BLANK_LINES.match(tail[::-1])
    return body[: len(body) - found.end() + 2] if found else body


def _moment(said: dict[bytes, bytes], name: bytes) -> datetime | None:
    number = tags.number_of(said, name)
    try:
        return None if number is None else datetime.fromtimestamp(number, UTC)
    except (ValueError, OverflowError, OSError):
        raise Flaw(f"has no time in {name.decode('ascii')}=") from None
