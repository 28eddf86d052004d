"""Sending: orders become submissions, and receipts answers.

An order's recipients are read one by one; one that is wrong has its refusal and stops no other. The database is read
before the commit only where an order names contacts, groups or tags, or is a template. A rule that has come to refuse
an order since it was taken, for its time is over or its sender revoked, does not hide the first answer.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bridge.calls.orders import Draft, Ready, address, answer, check, doubtful, seed_of
from bridge.model.errors import BridgeError, Refusal, TooManyRecipients
from bridge.model.message import Receipt
from bridge.pipeline.callback_url import read_url
from bridge.pipeline.recipients import Known, look_up, read
from bridge.store import ledger, submissions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from ipaddress import IPv4Network, IPv6Network
    from typing import Any

    from bridge.calls.orders import Outcome
    from bridge.calls.values import Answer, Caller, Order
    from bridge.model.account import Account
    from bridge.pipeline.intake import Intake
    from bridge.store.engine import Connection, Store

_SLICE: Final = 500
"""Numbers that are read, or orders that are begun, before the event loop has its turn."""

_NOBODY: Final = Known()


class Sending:
    """Takes orders."""

    def __init__(
        self, *, store: Store, intake: Intake, region: str | None, allowed: Sequence[IPv4Network | IPv6Network]
    ) -> None:
        """Keep what it asks; local numbers are dialled in ``region`` where the account has none."""
        self._store = store
        self._intake = intake
        self._region = region
        self._allowed = allowed

    async def send(self, caller: Caller, order: Order) -> Answer:
        """Take an order."""
        account = await self.account(caller)
        try:
            draft = await self._read(caller, account, order)
            known = await self._known(account, [draft])
            room = self._intake.rules.max_recipients
            # A name may stand for many.
            if len(order.to) <= _SLICE and not known.named:
                ready = address(draft, known, room=room)
            else:
                ready = await asyncio.to_thread(address, draft, known, room=room)
        except Refusal as error:
            self._intake.refused(order.door, error)
            raise
        outcome = await self._submit(ready)
        if isinstance(outcome, BridgeError) or not outcome.results or doubtful(ready, outcome):
            (given,) = await self._answers(account, [ready], [outcome])
        elif len(ready.shown) <= _SLICE:
            given = answer(ready, outcome, {}, None)
        else:
            given = await asyncio.to_thread(answer, ready, outcome, {}, None)
        if isinstance(given, BridgeError):
            raise given
        return given

    async def send_many(self, caller: Caller, orders: Sequence[Order]) -> list[Answer | BridgeError]:
        """Take several orders, each by itself."""
        most = self._intake.rules.max_recipients
        if len(orders) > most:
            raise TooManyRecipients(f"at most {most} texts in one call")
        account = await self.account(caller)
        drafts: list[Draft | BridgeError] = []
        for place, order in enumerate(orders, start=1):
            if not place % _SLICE:
                await asyncio.sleep(0)
            try:
                drafts.append(await self._read(caller, account, order))
            except Refusal as error:
                self._intake.refused(order.door, error)
                drafts.append(error)
        known = await self._known(account, [one for one in drafts if isinstance(one, Draft)])
        ready: list[Ready | BridgeError] = []
        room = most
        for draft in drafts:
            if isinstance(draft, BridgeError):
                ready.append(draft)
                continue
            try:
                ready.append(made := address(draft, known, room=room))
            except Refusal as error:
                self._intake.refused(draft.order.door, error)
                ready.append(error)
                continue
            room -= len(made.shown)
        asked = [one for one in ready if isinstance(one, Ready)]
        tasks = []
        for place, one in enumerate(asked, start=1):
            tasks.append(asyncio.create_task(self._submit(one)))
            if not place % _SLICE:
                await asyncio.sleep(0)
        answers = iter(await self._answers(account, asked, await asyncio.gather(*tasks)))
        return [one if isinstance(one, BridgeError) else next(answers) for one in ready]

    async def account(self, caller: Caller) -> Account:
        """Return the caller's account. Raises :exc:`~bridge.model.errors.AccountDisabled`."""
        snapshot = self._intake.snapshot
        known = snapshot.directory.accounts.get(caller.account_id)
        if known is None or not known.enabled:  # or made, or switched on, after the snapshot was taken
            await snapshot.renew()
            return snapshot.directory.account(caller.account_id)
        return known

    async def _read(self, caller: Caller, account: Account, order: Order) -> Draft:
        """Read an order. Raises a :exc:`~bridge.model.errors.Refusal` for what is wrong with the whole of it."""
        check(order)
        most = self._intake.rules.max_recipients
        if len(order.to) > most:
            raise TooManyRecipients(f"at most {most} recipients in one submission")
        region = account.region or self._region
        written = []
        for place, dest in enumerate(order.to, start=1):
            if not place % _SLICE:
                await asyncio.sleep(0)
            written.append(read(dest, region))
        url = order.callback_url
        return Draft(
            caller=caller,
            order=order,
            written=written,
            callback_url=read_url(url, allowed=self._allowed) if url else None,
            key=seed_of(order),
        )

    async def _known(self, account: Account, drafts: Sequence[Draft]) -> Known:
        """Look up what orders name, all at once; nothing is read where there is nothing to look up."""
        names = list(dict.fromkeys(name for draft in drafts for name in draft.names()))
        numbers = list(dict.fromkeys(number for draft in drafts for number in draft.filled_in()))
        if not names and not numbers:
            return _NOBODY

        def look() -> Known:
            with self._store.read() as connection:
                most = self._intake.rules.max_recipients
                return look_up(connection, account.id, names=names, numbers=numbers, limit=most)

        return await asyncio.to_thread(look)

    async def _submit(self, ready: Ready) -> Outcome:
        """Ask for a submission; its refusal as a whole is returned, for its recipients may have been taken before."""
        for _, refusal in ready.shown:
            if refusal is not None:
                self._intake.refused(ready.submission.door, refusal)
        if not ready.submission.recipients:
            return Receipt(message_id=None, results=())
        try:
            return await self._intake.submit(ready.submission)
        except BridgeError as error:
            return error

    async def _answers(
        self, account: Account, ready: Sequence[Ready], outcomes: Sequence[Outcome]
    ) -> list[Answer | BridgeError]:
        """Return the answers, after a look for what was taken before and would be refused now."""
        doubts = [doubtful(one, outcome) for one, outcome in zip(ready, outcomes, strict=True)]
        keys = [key for own in doubts for key in own]
        # No commit has told the credit of an order that had nobody to send to.
        poor = any(not isinstance(outcome, BridgeError) and not outcome.results for outcome in outcomes)
        before: Mapping[tuple[int, str], tuple[str, int]] = {}
        credit = None
        if keys or poor:

            def look(connection: Connection) -> tuple[dict[tuple[int, str], tuple[str, int]], int | None]:
                taken = submissions.taken(connection, [(account.id, key) for key in keys])
                return taken, ledger.credit_left(connection, account.id)

            before, credit = await asyncio.to_thread(self._look, look)
        return [
            answer(one, outcome, {key: before[account.id, key] for key in own if (account.id, key) in before}, credit)
            for one, outcome, own in zip(ready, outcomes, doubts, strict=True)
        ]

    def _look(self, do: Any) -> Any:
        with self._store.read() as connection:
            return do(connection)
