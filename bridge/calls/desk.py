"""The desk that all faces come to: SOAP, the legacy XML and JSON calls, the SMSC face.

Every call is made for a :class:`~bridge.calls.values.Caller` and sees its account's things only. What is wrong with a
call as a whole is raised as a :exc:`~bridge.model.errors.BridgeError`; what is wrong with one recipient or one item is
in its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bridge.calls.values import (
        Answer,
        Caller,
        ContactEntry,
        GroupEntry,
        Incoming,
        Moved,
        Order,
        Page,
        SenderName,
        Status,
    )
    from bridge.model.errors import BridgeError


class Desk(Protocol):
    """What a program may ask."""

    async def send(self, caller: Caller, order: Order) -> Answer:
        """Take an order: each recipient by itself, one that is wrong stops no other."""
        ...

    async def send_many(self, caller: Caller, orders: Sequence[Order]) -> list[Answer | BridgeError]:
        """Take several orders, each by itself, all in one wait for the disk."""
        ...

    async def status(self, caller: Caller, ids: Sequence[str]) -> list[Status]:
        """Return how texts stand, by message id, recipient id or the client's reference; unknown ids are left out."""
        ...

    async def report(
        self,
        caller: Caller,
        *,
        after: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1000,
    ) -> Page:
        """Return texts by the order they were taken in: after a recipient id, from ``since`` to before ``until``."""
        ...

    async def update(
        self,
        caller: Caller,
        id_: str,
        *,
        text: str | None = None,
        sender: str | None = None,
        send_at: str | None = None,
    ) -> list[Moved]:
        """Change what has not begun to leave, of a message or of one recipient; a new text is priced anew."""
        ...

    async def cancel(self, caller: Caller, id_: str) -> list[Moved]:
        """Cancel what has not begun to leave, of a message or of one recipient."""
        ...

    async def incoming(
        self, caller: Caller, *, after: int = 0, limit: int = 1000, acknowledge: int | None = None
    ) -> list[Incoming]:
        """Return texts from phones after an id; those up to ``acknowledge`` are done with and not shown again."""
        ...

    async def credit(self, caller: Caller) -> int | None:
        """Return the balance, or None where texts are only counted."""
        ...

    async def senders(self, caller: Caller) -> list[SenderName]:
        """Return the names that texts may come from, of every state."""
        ...

    async def add_sender(self, caller: Caller, name: str) -> SenderName:
        """Ask for a name; one that is there already is returned as it stands."""
        ...

    async def contacts(self, caller: Caller, *, after: str | None = None, limit: int = 1000) -> list[ContactEntry]:
        """Return contacts in the order of their numbers."""
        ...

    async def add_contact(self, caller: Caller, entry: ContactEntry, *, new_number: str | None = None) -> ContactEntry:
        """Keep a contact, or change the one with that number; what is empty stays as it was."""
        ...

    async def delete_contact(self, caller: Caller, number: str) -> None:
        """Forget a contact. Raises :exc:`~bridge.model.errors.UnknownRecipient`."""
        ...

    async def groups(self, caller: Caller) -> list[GroupEntry]:
        """Return the groups, by name."""
        ...

    async def add_group(self, caller: Caller, entry: GroupEntry) -> GroupEntry:
        """Make a group, or add members to the one with that name. Numbers that are no contacts become some."""
        ...

    async def delete_group(self, caller: Caller, name: str) -> None:
        """Forget a group, not its members. Raises :exc:`~bridge.model.errors.UnknownRecipient`."""
        ...

    async def set_callback(
        self, caller: Caller, url: str | None, *, reports: bool = True, incoming: bool = True
    ) -> None:
        """Name the URL that is called with reports, with texts from phones, or both; None ends it.

        Raises :exc:`~bridge.model.errors.CallbackRefused`.
        """
        ...
