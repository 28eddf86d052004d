"""A mail as its signatures cover it: the fields as they were written, and the body (RFC 6376, 3.4, 3.7).

What a reader of the text takes for the header has to be what was signed. So a header that two readers could split in
two ways is covered by no signature here.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from smtp.proof import mailboxes
from smtp.proof.tags import Flaw

_FIELD: Final = re.compile(rb"([!-9;-~]++):([^\r\n\0]*+\r\n(?:[ \t][^\r\n\0]*+\r\n)*+)")
_MOST_FIELDS: Final = 1000
_LARGEST_HEADER: Final = 262_144

ONCE: Final = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
"""Fields that a mail has once (RFC 5322, 3.6; RFC 2045, 3). One that was added reads as if it were the signed one."""

COVERED: Final = (b"from", b"subject")
"""What a signature has to cover, where the mail has it: the author, and what may become the text besides the body.

Content-Type is not among them: large providers do not sign it, and the body that it describes is signed.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedMail:
    """``fields``: name and value as written, with what folds them and the CRLF; ``counts`` by name in lower case."""

    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    counts: Counter[bytes]

    @classmethod
    def of(cls, raw: bytes) -> SignedMail:
        """Split a mail. Raises :exc:`Flaw` where it is not plain what the header is."""
        end = raw.find(b"\r\n\r\n")
        header, body = (raw[: end + 2], raw[end + 4 :]) if end >= 0 else (raw, b"")
        if len(header) > _LARGEST_HEADER:
            raise Flaw("the header is too large")
        fields: list[tuple[bytes, bytes]] = []
        at = 0
        while match := _FIELD.match(header, at):
            fields.append((match[1], match[2]))
            at = match.end()
        if at != len(header):
            raise Flaw("the header has a line that can be read in two ways")
        if len(fields) > _MOST_FIELDS:
            raise Flaw("the header has too many fields")
        return cls(fields=tuple(fields), body=body, counts=Counter(name.lower() for name, _ in fields))

    def values(self, name: bytes) -> list[tuple[bytes, bytes]]:
        """Return the fields of a name, in lower case, from the top."""
        return [field for field in self.fields if field[0].lower() == name]

    def check_cover(self, names: tuple[bytes, ...]) -> None:
        """Raise :exc:`Flaw` unless a signature over fields of these names, one for each time, covers what counts."""
        signed = Counter(names)
        for name in COVERED:
            if self.counts[name] and not signed[name]:
                raise Flaw(f"does not cover {_title(name)}")
        if self.counts[b"from"] != 1:
            raise Flaw("there is not one From field")
        for name in ONCE:
            if self.counts[name] > max(signed[name], 1):
                raise Flaw(f"{_title(name)} stands there more often than it was signed")

    def recipients(self, names: tuple[bytes, ...]) -> frozenset[str] | None:
        """Return the addresses in those of To and Cc that a signature covers, in lower case; None if it covers none."""
        covered = [name for name in (b"to", b"cc") if name in names and self.counts[name]]
        if not covered:
            return None
        return mailboxes.listed(value for name in covered for _, value in self.values(name))


def _title(name: bytes) -> str:
    return name.decode("ascii").title()
