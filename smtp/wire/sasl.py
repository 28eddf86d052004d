"""SASL as SMTP carries it: octets of a client in, and what comes next out (RFC 4954, 4). Pure.

Two mechanisms, both with the password as it is: PLAIN (RFC 4616), and LOGIN, which has no RFC but which devices and
old programs know alone. LOGIN asks for the name and then for the password, in words that some clients look for.

Both strings are UTF-8, and are taken in NFC: programs write a letter with its accent in one way or the other
(RFC 8265, 4.2.2). Case and spaces stay.

Nothing here raises, logs, or shows a password by ``repr``.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from bridge.model.text import normalised

LONGEST: Final = 12_288
"""Octets of a response in base64, at most (RFC 4954, 4)."""

_CHALLENGES: Final = {
    "PLAIN": ("334 ",),
    "LOGIN": ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"),
}
MECHANISMS: Final = " ".join(_CHALLENGES)
"""As EHLO lists them."""

UNKNOWN: Final = "504 5.5.4 No such mechanism"
CANCELLED: Final = "501 5.7.0 Authentication cancelled"
NO_BASE64: Final = "501 5.5.2 That is not base64"
NO_CREDENTIALS: Final = "501 5.5.2 A user name and a password in UTF-8 are needed"
TOO_LONG: Final = "500 5.5.6 Authentication line too long"
FOR_ANOTHER: Final = "535 5.7.8 Nobody may log in for another"


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """Send this line; the client answers it."""

    reply: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Send this reply; the exchange is over."""

    reply: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """Who the client says it is. The exchange is over."""

    user: str
    password: str = field(repr=False)


Step: TypeAlias = Challenge | Refusal | Credentials


class Exchange:
    """One attempt to log in: begun with :meth:`begin`, then :meth:`answered` once for each challenge."""

    def __init__(self) -> None:
        self._mechanism = ""
        self._told: list[str] = []

    def begin(self, argument: str) -> Step:
        """Take what follows AUTH: a mechanism, and perhaps the first response, ``=`` for an empty one."""
        name, _, initial = argument.partition(" ")
        self._mechanism = name.upper()
        if self._mechanism not in _CHALLENGES:
            return Refusal(reply=UNKNOWN)
        initial = initial.strip()
        if not initial:
            return self._next()
        return self._hear(b"" if initial == "=" else initial.encode("utf-8", "replace"))

    def answered(self, line: bytes | None) -> Step:
        """Take the line that answers a challenge, without its end; None is one that is longer than we hold."""
        if line is None or len(line) > LONGEST:
            return Refusal(reply=TOO_LONG)
        line = line.strip()
        if line == b"*":
            return Refusal(reply=CANCELLED)
        return self._hear(line)

    def _hear(self, encoded: bytes) -> Step:
        try:
            response = binascii.a2b_base64(encoded, strict_mode=True)
        except ValueError:
            return Refusal(reply=NO_BASE64)
        try:
            told = normalised(response.decode("utf-8"))
        except UnicodeDecodeError:
            return Refusal(reply=NO_CREDENTIALS)
        if self._mechanism == "PLAIN":
            return _plain(told)
        if not told or "\0" in told:
            return Refusal(reply=NO_CREDENTIALS)
        self._told.append(told)
        return self._next()

    def _next(self) -> Step:
        challenges = _CHALLENGES[self._mechanism]
        if len(self._told) < len(challenges):
            return Challenge(reply=challenges[len(self._told)])
        user, password = self._told
        return Credentials(user=user, password=password)


def _plain(message: str) -> Step:
    """Take the message of PLAIN apart: whom to act for, NUL, user, NUL, password (RFC 4616, 2)."""
    parts = message.split("\0", 3)
    if len(parts) != 3 or not parts[1] or not parts[2]:
        return Refusal(reply=NO_CREDENTIALS)
    other, user, password = parts
    if other and other != user:
        return Refusal(reply=FOR_ANOTHER)
    return Credentials(user=user, password=password)
