"""What the suite for all carriers asks of one: a case file implements these two, and test_carriers.py names it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Protocol


class Told(Enum):
    """How an upstream is told to treat texts to a number."""

    ACCEPT = auto()
    REFUSE = auto()
    DEFER = auto()
    LOSE = auto()
    """The text arrives, and the answer does not."""
    LOSE_UNSENT = auto()
    """Neither arrives, and nobody can tell that from LOSE."""
    DELIVERED = auto()
    """Accepted, and a report says later that the phone has it."""
    UNDELIVERED = auto()
    """Accepted, and a report says later that the phone never got it."""
    WAIT = auto()
    """Accepted, and it waits there: it may be taken back."""
    REPLY = auto()
    """Accepted, and the phone answers with ``REPLY_TEXT``."""


REPLY_TEXT = "Danke, schöner Text; bis später 👍"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A text that reached a phone."""

    number: str
    sender: str | None
    text: str


class Upstream(Protocol):
    """A real upstream (a server on loopback, a file), seen from its other side."""

    def table(self) -> dict[str, Any]:
        """Return ``[carriers.NAME]`` as in bridge.toml, leading to this upstream and with all that it was told."""
        ...

    def tell(self, number: str, told: Told) -> None:
        """Treat texts to a number so from now on; others are accepted. Called before :meth:`table`."""
        ...

    def arrived(self) -> list[Arrival]:
        """Return what reached the phones, in any order."""
        ...

    def trouble(self, kind: str) -> None:
        """Begin one of the case's troubles."""
        ...

    def mend(self) -> None:
        """End the trouble."""
        ...


class Case(Protocol):
    """One kind of carrier, in one set-up of it."""

    name: str
    """Names it in the tests' ids."""
    kind: str
    takes_own_id: bool
    names_senders: bool
    """Whether a text can come from a name; else it comes from whatever the upstream has."""
    told: frozenset[Told]
    """What this kind of upstream can be told."""
    troubles: tuple[str, ...]
    """What can happen to it in mid-work; each leaves it open whether the texts of that time arrived."""
    broken: tuple[str, ...]
    """Troubles with which the carrier must not open, but raise ConfigError."""
    secrets: tuple[str, ...]
    """Values in its tables that must never be shown."""
    bad: tuple[tuple[dict[str, Any], str], ...]
    """Changes to a good table that are refused, each with the place that the refusal names."""

    def upstream(self, folder: Path) -> AbstractAsyncContextManager[Upstream]:
        """Start one; ``folder`` is its own."""
        ...
