"""What all conversations of the mail door share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from bridge.calls.logins import Logins
    from bridge.pipeline.intake import Intake
    from smtp.address import Destination
    from smtp.config import SmtpSettings
    from smtp.places import Place, Places
    from smtp.standing import Senders, Standing

_LARGE_AT_ONCE: Final = 2
"""Large mails that are read at a time: each takes some tens of MiB, and all wait for one interpreter."""


class Resolve(Protocol):
    """How the numbers behind a name are found; see :func:`smtp.contacts.resolve`."""

    def __call__(self, account_id: int, meant: Destination, /, *, room: int, most: int) -> Awaitable[tuple[str, ...]]:
        """Return the numbers in E.164."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """The parts. ``region`` is where local numbers are dialled that nobody places.

    ``resolve`` returns the numbers behind the name of a contact or a group of an account. Who reads a large mail waits
    for ``large``.
    """

    intake: Intake
    logins: Logins
    senders: Senders
    settings: SmtpSettings
    places: Places
    resolve: Resolve
    region: str | None = None
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LARGE_AT_ONCE))

    def most(self, standing: Standing) -> int:
        """Return how many recipients one mail of a sender may have."""
        own = self.settings.max_recipients
        return min(own, standing.account.rules.max_recipients or own)

    def region_of(self, place: Place, standing: Standing) -> str | None:
        """Return where local numbers of a domain are dialled for a sender."""
        return place.region or standing.account.region or self.region
