"""The desk that all faces come to: SOAP, the legacy XML and JSON calls, the SMSC face.

Every call is made for a :class:`~bridge.calls.values.Caller` and sees its account's things only. What is wrong with a
call as a whole is raised as a :exc:`~bridge.model.errors.BridgeError`; what is wrong with one recipient or one item is
in its result.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from bridge.calls import book, changing, looking
from bridge.calls.orders import check_text
from bridge.calls.sending import Sending
from bridge.model.errors import BridgeError, InvalidRequest, Refusal
from bridge.model.sender import SenderRules, parse_sender
from bridge.pipeline.callback_url import read_url
from bridge.pipeline.recipients import read
from bridge.store import inbound, ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from ipaddress import IPv4Network, IPv6Network

    from bridge.calls.changing import Cancelled
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
    from bridge.pipeline.commit import Writer
    from bridge.pipeline.intake import Intake
    from bridge.pipeline.recall import Recalls
    from bridge.store.engine import Connection, Store

T = TypeVar("T")


class Desk:
    """What a program may ask. Reads run in a thread, writes in the writer's; times are those of the database."""

    def __init__(
        self,
        *,
        store: Store,
        writer: Writer,
        intake: Intake,
        region: str | None = None,
        allowed: Sequence[IPv4Network | IPv6Network] = (),
        recalls: Recalls | None = None,
    ) -> None:
        """Put the parts together.

        Local numbers are dialled in ``region`` where the account has none; URLs to call back may also lead into the
        ``allowed`` networks. Without ``recalls`` no carrier is asked for a text back.
        """
        self._store = store
        self._writer = writer
        self._intake = intake
        self._region = region
        self._allowed = tuple(allowed)
        self._recalls = recalls
        self._sending = Sending(store=store, intake=intake, region=region, allowed=self._allowed)

    async def send(self, caller: Caller, order: Order) -> Answer:
        """Take an order: each recipient by itself, one that is wrong stops no other.

        Of a test nothing has an id, but what was taken before.
        """
        return await self._sending.send(caller, order)

    async def send_many(self, caller: Caller, orders: Sequence[Order]) -> list[Answer | BridgeError]:
        """Take several orders, each by itself, all in one wait for the disk."""
        return await self._sending.send_many(caller, orders)

    async def status(self, caller: Caller, ids: Sequence[str], *, dests: Sequence[str] | None = None) -> list[Status]:
        """Return how texts stand, by message id, recipient id or the client's reference; unknown ids are left out.

        With ``dests``, numbers in any form, only texts to those: one reference may stand for thousands.
        """
        if not ids:
            return []
        numbers: list[str] | None = None
        if dests is not None:
            region = (await self._sending.account(caller)).region or self._region
            numbers = [one.number for one in (read(dest, region) for dest in dests) if one.number is not None]
        return await self._read(partial(looking.status, account_id=caller.account_id, ids=ids, numbers=numbers))

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
        return await self._read(
            partial(looking.report, account_id=caller.account_id, after=after, since=since, until=until, limit=limit)
        )

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
        if text is None and sender is None and send_at is None:
            raise InvalidRequest("nothing to change: a text, a sender or a time")
        check_text(text or "")
        await self._sending.account(caller)  # the snapshot has it now
        wish = changing.Wish(by=caller.user, text=text, sender=sender, send_at=send_at)
        return await self._change(
            lambda connection, now: changing.update(
                connection,
                caller.account_id,
                id_,
                wish,
                directory=self._intake.snapshot.directory,
                rules=self._intake.rules,
                now=now,
            )
        )

    async def cancel(self, caller: Caller, id_: str) -> list[Moved]:
        """Cancel what has not begun to leave, of a message or of one recipient.

        Of what is sent, the carriers that can are asked to take it back; then it is ``undelivered``. That takes
        seconds. Raises :exc:`~bridge.model.errors.WrongState` where nothing came of it.
        """
        (moved,) = await self.cancel_many(caller, [id_])
        if isinstance(moved, Refusal):
            raise moved
        return moved

    async def cancel_many(self, caller: Caller, ids: Sequence[str]) -> list[list[Moved] | Refusal]:
        """Cancel by several ids, each by itself; carriers are asked for all of it together."""
        outcomes = [await self._cancel(caller, id_) for id_ in ids]
        away = {text.key: text for one in outcomes if not isinstance(one, Refusal) for text in one.away}
        if self._recalls is None or not away:
            return [one if isinstance(one, Refusal) else list(one.moved) for one in outcomes]
        answers, states = await self._recalls.take_back(list(away.values()), by=caller.user)
        return [one if isinstance(one, Refusal) else one.told(answers, states) for one in outcomes]

    async def _cancel(self, caller: Caller, id_: str) -> Cancelled | Refusal:
        able = () if self._recalls is None else self._recalls.able
        try:
            return await self._change(
                lambda connection, now: changing.cancel(
                    connection, caller.account_id, id_, by=caller.user, now=now, recall=able
                )
            )
        except Refusal as error:
            return error

    async def incoming(
        self, caller: Caller, *, after: int = 0, limit: int = 1000, acknowledge: int | None = None
    ) -> list[Incoming]:
        """Return texts from phones after an id; those up to ``acknowledge`` are done with and not shown again."""
        if acknowledge is not None:
            looking.check_id(upto := acknowledge, "acknowledge")
            await self._change(
                lambda connection, now: inbound.acknowledge(connection, caller.account_id, upto=upto, now=now)
            )
        return await self._read(partial(looking.incoming, account_id=caller.account_id, after=after, limit=limit))

    async def credit(self, caller: Caller) -> int | None:
        """Return the balance, or None where texts are only counted."""
        return await self._read(partial(ledger.credit_left, account_id=caller.account_id))

    async def senders(self, caller: Caller) -> list[SenderName]:
        """Return the names that texts may come from, of every state."""
        return await self._read(partial(book.list_senders, account_id=caller.account_id))

    async def add_sender(self, caller: Caller, name: str) -> SenderName:
        """Ask for a name; one that is there already is returned as it stands."""
        account = await self._sending.account(caller)
        rules = self._intake.snapshot.directory.senders.get(account.id, SenderRules())
        wanted = parse_sender(name, kinds=rules.kinds)
        return await self._change(lambda connection, now: book.ask_for_sender(connection, account.id, wanted, now=now))

    async def contacts(self, caller: Caller, *, after: str | None = None, limit: int = 1000) -> list[ContactEntry]:
        """Return contacts in the order of their numbers."""
        start = book.read_number(after, await self._home(caller)) if after else ""
        return await self._read(partial(book.list_contacts, account_id=caller.account_id, after=start, limit=limit))

    async def add_contact(self, caller: Caller, entry: ContactEntry, *, new_number: str | None = None) -> ContactEntry:
        """Keep a contact, or change the one with that number; what is empty stays as it was."""
        region = await self._home(caller)
        wanted = book.read_contact(entry, region)
        other = book.read_number(new_number, region) if new_number else None
        return await self._change(
            lambda connection, now: book.keep_contact(connection, caller.account_id, wanted, new_number=other, now=now)
        )

    async def delete_contact(self, caller: Caller, number: str) -> None:
        """Forget a contact. Raises :exc:`~bridge.model.errors.UnknownRecipient`."""
        e164 = book.read_number(number, await self._home(caller))
        await self._change(lambda connection, _: book.forget_contact(connection, caller.account_id, e164))

    async def numbers_of(self, account_id: int, names: Sequence[str], *, limit: int) -> tuple[str, ...]:
        """Return the numbers that the first of the names which anybody has stands for; see :func:`book.numbers_of`."""
        return await self._read(partial(book.numbers_of, account_id=account_id, names=names, limit=limit))

    async def groups(self, caller: Caller) -> list[GroupEntry]:
        """Return the groups, by name."""
        return await self._read(partial(book.list_groups, account_id=caller.account_id))

    async def add_group(self, caller: Caller, entry: GroupEntry) -> GroupEntry:
        """Make a group, or add members to the one with that name. Numbers that are no contacts become some."""
        wanted = book.read_group(entry, await self._home(caller))
        return await self._change(
            lambda connection, now: book.keep_group(connection, caller.account_id, wanted, now=now)
        )

    async def delete_group(self, caller: Caller, name: str) -> None:
        """Forget a group, not its members. Raises :exc:`~bridge.model.errors.UnknownRecipient`."""
        await self._change(lambda connection, _: book.forget_group(connection, caller.account_id, name))

    async def set_callback(
        self, caller: Caller, url: str | None, *, reports: bool = True, incoming: bool = True
    ) -> None:
        """Name the URL that is called with reports, with texts from phones, or both; None ends it.

        Raises :exc:`~bridge.model.errors.CallbackRefused`.
        """
        if not reports and not incoming:
            raise InvalidRequest("a URL for reports, for texts from phones, or both")
        kept = read_url(url, allowed=self._allowed) if url else None
        await self._change(
            lambda connection, _: book.call_back(
                connection, caller.account_id, kept, reports=reports, incoming=incoming
            )
        )

    async def _read(self, look: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._look, look)

    def _look(self, look: Callable[[Connection], T]) -> T:
        with self._store.read() as connection:
            return look(connection)

    async def _home(self, caller: Caller) -> str | None:
        """Return where the account's local numbers are dialled."""
        return (await self._sending.account(caller)).region or self._region

    async def _change(self, change: Callable[[Connection, int], T]) -> T:
        """Run a change with the database's time: all of it, or, where it raises an error of ours, nothing."""
        outcome = await self._writer.run(partial(self._attempt, change=change))
        if isinstance(outcome, BridgeError):
            raise outcome
        return outcome

    def _attempt(self, connection: Connection, *, change: Callable[[Connection, int], T]) -> T | BridgeError:
        # The transaction has others' work in it: what is wrong with this change must not undo that.
        try:
            with connection.begin_nested():
                return change(connection, self._store.now(connection))
        except BridgeError as error:
            return error
