"""What a check of one proof looks at, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from smtp.proof.alignment import Alignment
from smtp.proof.dns import Lookups


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """``peer`` is the client's IP address, ``helo`` the name it greeted with, ``sender`` the normalised MAIL FROM."""

    peer: str
    helo: str
    sender: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One mail: by whom it says it is, how it came, and when. ``age``: how old a signature may be."""

    author: str
    envelope: Envelope
    alignment: Alignment
    lookups: Lookups
    now: datetime
    age: timedelta

    @property
    def domain(self) -> str:
        """The author's."""
        return self.alignment.author_domain


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """``detail`` for the log where the proof holds, else None, and then ``reason`` says why it does not.

    ``results`` are those of RFC 8601, ``method=result``; ``recipients`` those that a signature covers, in lower case.
    ``seal``: where it is a signature, what of the mail who sends it again cannot change.
    """

    detail: str | None = None
    reason: str = ""
    results: tuple[str, ...] = ()
    recipients: frozenset[str] | None = None
    seal: bytes | None = None
