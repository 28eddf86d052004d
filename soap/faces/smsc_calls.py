"""What the SMSC face does, in no format: both its HTTP files and its SOAP service ask here.

What is wrong with a call is raised as a :exc:`~bridge.model.errors.BridgeError`; smsc_terms has the number for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.calls.logins import Password
from bridge.model.errors import BridgeError, InvalidRequest, Refusal, Trouble, UnknownMessage, WrongState
from bridge.model.numbers import to_local
from soap.faces.smsc_orders import Repeats, read_orders
from soap.faces.smsc_terms import STATUS, Code, Fault, fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from bridge.calls.values import Answer, Caller, Status, Taken
    from bridge.clock import Clock
    from soap.visit import Visit

_MOST_ASKED: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Phone:
    """What became of one number. ``error`` is a number of the table, 0 where it was taken; ``cost`` in thousandths."""

    phone: str
    cost: int = 0
    error: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """The answer to send.php. ``count`` is of parts to all numbers; money is in thousandths of a credit.

    ``asked`` is the call's ``cost``: with 1 nothing was sent. ``balance`` is None where texts are only counted.
    """

    id: str
    asked: int
    count: int
    cost: int
    balance: int | None
    phones: tuple[Phone, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """How one text stands. ``at`` is None where there is no such text; times are in the account's zone."""

    id: str
    phone: str
    code: Code
    error: int = 0
    at: datetime | None = None
    send_at: datetime | None = None
    cost: int = 0
    sender: str = ""


class Smsc:
    """The calls of the face. ``zone`` tells an account's time zone by its id."""

    def __init__(self, *, clock: Clock, zone: Callable[[int], tzinfo]) -> None:
        """Begin without any call."""
        self._clock = clock
        self._zone = zone
        self._repeats = Repeats()

    async def send(self, visit: Visit, fields: Mapping[str, str]) -> Sent:
        """Send, or tell the price only. When it returns, what it says is durable."""
        caller = await _login(visit, fields)
        now = self._clock()
        asked = read_orders(
            fields,
            mark=self._repeats.mark(caller.account_id, fields, now=now),
            now=now,
            zone=self._zone(caller.account_id),
        )
        answers = await visit.desk.send_many(caller, asked.orders)
        given = [answer for answer in answers if not isinstance(answer, BridgeError)]
        results = [result for answer in given for result in answer.results]
        _complain(answers, results)
        sizes = await self._sizes(visit, caller, results)
        return Sent(
            id=asked.id,
            asked=asked.cost,
            count=sum(parts for parts, _ in sizes.values()),
            cost=sum(price for _, price in sizes.values()),
            balance=given[-1].credit,
            phones=tuple(_phone(result, sizes) for result in results),
        )

    async def status(self, visit: Visit, fields: Mapping[str, str]) -> list[Found]:
        """Say how texts stand, in the order asked for; what there is not has :attr:`Code.NOT_FOUND`."""
        caller = await _login(visit, fields)
        found = await self._pairs(visit, caller, fields)
        zone = self._zone(caller.account_id)
        return [
            Found(id=own, phone=phone, code=Code.NOT_FOUND) if status is None else _found(own, status, zone)
            for own, phone, status in found
        ]

    async def delete(self, visit: Visit, fields: Mapping[str, str]) -> None:
        """Cancel texts that have not begun to leave; carriers are asked for those that they have.

        Raises :exc:`UnknownMessage` when there is none of them, :exc:`WrongState` when one is too far on its way; the
        others are cancelled all the same.
        """
        caller = await _login(visit, fields)
        found = [status for _, _, status in await self._pairs(visit, caller, fields) if status is not None]
        if not found:
            raise UnknownMessage("no such message")
        late: Refusal | None = None
        for moved in await visit.desk.cancel_many(caller, [status.recipient_id for status in found]):
            if isinstance(moved, Refusal):
                late = moved
            elif not any(one.changed for one in moved):
                late = WrongState(f"it is {moved[0].after}")
        if late is not None:
            raise late

    async def balance(self, visit: Visit, fields: Mapping[str, str]) -> int | None:
        """Return the credit in thousandths; None where texts are only counted."""
        caller = await _login(visit, fields)
        return await visit.desk.credit(caller)

    async def _sizes(self, visit: Visit, caller: Caller, results: Iterable[Taken]) -> dict[str, tuple[int, int]]:
        """Return parts and price of each text that was taken, by its recipient id; also of one taken before."""
        taken = [result for result in results if result.refusal is None]
        sizes = {
            result.recipient_id or f"{place}": (result.parts, result.price)
            for place, result in enumerate(taken)
            if not result.duplicate
        }
        before = dict.fromkeys(
            result.recipient_id
            for result in taken
            if result.recipient_id is not None and result.recipient_id not in sizes
        )
        if before:
            known = await visit.desk.status(caller, list(before))
            sizes |= {status.recipient_id: (status.parts, status.price) for status in known}
        return sizes

    async def _pairs(
        self, visit: Visit, caller: Caller, fields: Mapping[str, str]
    ) -> list[tuple[str, str, Status | None]]:
        """Return for each id and number asked for the latest text of that id to that number, or None."""
        pairs = read_pairs(fields)
        known: dict[str, list[Status]] = {}
        ids, phones = (list(dict.fromkeys(each)) for each in zip(*pairs, strict=True))
        for status in await visit.desk.status(caller, ids, dests=phones):
            for name in {status.reference, status.message_id, status.recipient_id}:
                if name is not None:
                    known.setdefault(name, []).append(status)
        return [(own, phone, _latest(known.get(own, ()), phone)) for own, phone in pairs]


def read_pairs(fields: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the ids and numbers of status.php, by pairs; one number may stand for all ids, and the other way round."""
    ids = [own for part in fields.get("id", "").split(",") if (own := part.strip())]
    phones = [phone for part in fields.get("phone", "").split(",") if (phone := part.strip())]
    if not ids or not phones:
        raise InvalidRequest("phone and id: both are needed")
    most = max(len(ids), len(phones))
    if most > _MOST_ASKED:
        raise InvalidRequest(f"id: at most {_MOST_ASKED} in a call")
    ids, phones = (each * most if len(each) == 1 else each for each in (ids, phones))
    if len(ids) != len(phones):
        raise InvalidRequest("phone and id: not as many of one as of the other")
    return list(zip(ids, phones, strict=True))


def is_list(fields: Mapping[str, str]) -> bool:
    """Tell whether more than one text is asked for; a comma at the end is enough."""
    return "," in fields.get("id", "") or "," in fields.get("phone", "")


async def _login(visit: Visit, fields: Mapping[str, str]) -> Caller:
    key = fields.get("apikey", "")
    if key:
        return await visit.caller(token=key)
    user, password = fields.get("login", ""), fields.get("psw", "")
    if user and password:
        given = Password(user=user, password=password, md5=True)
        return await visit.logins.login(given, address=visit.address)
    return await visit.caller(user, password)


def _complain(answers: Sequence[Answer | BridgeError], results: Sequence[Taken]) -> None:
    """Raise what stands against the whole call: our trouble with any of it, or that nothing of it was taken.

    After our trouble a client comes again with the same call, and what was taken already is not sent twice.
    """
    whole = [answer for answer in answers if isinstance(answer, BridgeError)]
    against = [*whole, *(result.refusal for result in results if result.refusal is not None)]
    troubles = [error for error in against if fault(error) is None]
    if troubles:
        raise troubles[0]
    if any(result.refusal is None for result in results):
        return
    reason = next((error for error in against if error.temporary), next(iter(against), None))
    raise reason or Trouble("nothing was answered")


def _phone(result: Taken, sizes: Mapping[str, tuple[int, int]]) -> Phone:
    number = (result.number or result.dest).removeprefix("+")
    if result.refusal is not None:
        return Phone(phone=number, error=fault(result.refusal) or Fault.UNDELIVERABLE)
    _, price = sizes.get(result.recipient_id or "", (0, result.price))
    return Phone(phone=number, cost=price)


def _latest(found: Iterable[Status], phone: str) -> Status | None:
    digits = "".join(char for char in phone if char.isdecimal()).removeprefix("00")
    own = [one for one in found if one.dest == f"+{digits}" or digits == to_local(one.dest)]
    return max(own, key=lambda one: (one.created_at, one.recipient_id), default=None)


def _found(own: str, status: Status, zone: tzinfo) -> Found:
    code, error = STATUS[status.state]
    return Found(
        id=own,
        phone=status.dest.removeprefix("+"),
        code=code,
        error=error,
        at=status.updated_at.astimezone(zone),
        send_at=status.due_at.astimezone(zone),
        cost=status.price,
        sender=status.sender or "",
    )
