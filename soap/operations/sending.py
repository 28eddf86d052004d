"""Texts to send: one, many, and what one would take."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any, Final

from bridge.calls.orders import check_text
from bridge.calls.values import Answer, Order
from bridge.model.errors import BridgeError, InvalidRequest, TooManyRecipients, Trouble
from bridge.model.text import clean, measure
from soap import schema
from soap.operations.call import said
from soap.results import TAKEN, Result, result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.calls.values import Taken
    from soap.asked import Asked
    from soap.operations.call import Call

MOST_ITEMS: Final = 1000
"""Items in one send_sms_bulk."""

_MANY: Final = 500
"""Recipients from which on an answer is put together in a thread."""

DUPLICATE: Final = "duplicate"
TEST: Final = "test"


async def send_sms(call: Call) -> Any:
    """Send a text to one or more recipients."""
    order = _order(call.asked, _common(call))
    answer = await call.desk.send(call.caller, order)
    if len(answer.results) <= _MANY:
        return _sent(answer, test=order.test)
    return await asyncio.to_thread(_sent, answer, test=order.test)


def _sent(answer: Answer, *, test: bool) -> Any:
    return said(
        schema.SendAnswer, result(answer.refusal), **_told(answer, test=test), credit=schema.amount(answer.credit)
    )


async def preview_sms(call: Call) -> Any:
    """Say what a text would take: nothing is sent and nothing is kept. Without a recipient it is only counted."""
    asked = call.asked
    if not asked.several("dest"):
        check_text(text := asked.required("message"))
        size = measure(clean(text))
        return said(schema.PreviewAnswer, TAKEN, parts=size.parts, encoding=size.encoding)
    order = _order(asked, _common(call) | {"test": True})
    answer = await call.desk.send(call.caller, order)
    passed = [one for one in answer.results if one.refusal is None]
    return said(
        schema.PreviewAnswer,
        result(answer.refusal),
        parts=max((one.parts for one in passed), default=None),
        encoding=answer.encoding,
        price=schema.amount(sum(one.price for one in passed)) if passed else None,
        recipients=map(_recipient, answer.results),
        credit=schema.amount(answer.credit),
    )


async def send_sms_bulk(call: Call) -> Any:
    """Send several texts, each with recipients, fields and a reference of its own."""
    items = call.asked.items("items")
    if not items:
        raise InvalidRequest("items is missing")
    if len(items) > MOST_ITEMS:
        raise TooManyRecipients(f"at most {MOST_ITEMS} items in one call")
    common = _common(call)
    read = [_read(item, common) for item in items]
    answers = iter(await call.desk.send_many(call.caller, [order for _, order in read if isinstance(order, Order)]))
    # From here on nothing may be refused: the texts are taken.
    ended = [(reference, next(answers) if isinstance(order, Order) else order) for reference, order in read]
    results = [
        _item(position, reference, end, test=common["test"]) for position, (reference, end) in enumerate(ended, start=1)
    ]
    balances = [end.credit for _, end in ended if isinstance(end, Answer) and end.credit is not None]
    return said(
        schema.BulkAnswer,
        _of_all([end for _, end in ended]),
        results=results,
        credit=schema.amount(min(balances, default=None)),
    )


def _read(item: Asked, common: Mapping[str, Any]) -> tuple[str | None, Order | InvalidRequest]:
    """Return the reference of an item, and its order or what is wrong with it."""
    reference = None
    try:
        reference = item.word("reference")
        return reference, _order(item, common)
    except InvalidRequest as error:
        return reference, error


def _common(call: Call) -> dict[str, Any]:
    """Return what an order has of the call as a whole."""
    asked = call.asked
    return {
        "door": call.door,
        "priority": asked.priority("priority"),
        "lifetime": asked.span("lifetime"),
        "max_parts": asked.number("max_parts"),
        "template": asked.flag("placeholders"),
        "test": asked.flag("test"),
    }


def _order(item: Asked, common: Mapping[str, Any]) -> Order:
    """Return the order of an item."""
    fields = item.fields("fields")
    order = Order(
        to=item.required_several("dest"),
        text=item.required("message"),
        sender=item.word("sender"),
        send_at=item.option("sendtime"),
        callback_url=item.word("callback_url"),
        reference=item.word("reference"),
        fields=fields,
        **common,
    )
    return dataclasses.replace(order, template=True) if fields else order


def _item(position: int, reference: str | None, end: Answer | BridgeError, *, test: bool) -> Any:
    told = _told(end, test=test) if isinstance(end, Answer) else {}
    return said(schema.BulkResult, _result_of(end), position=position, reference=reference, **told)


def _result_of(end: Answer | BridgeError) -> Result:
    return result(end.refusal if isinstance(end, Answer) else end)


def _of_all(ends: Sequence[Answer | BridgeError]) -> Result:
    """Return the status of the whole: taken when anything was, else the first one's.

    Raises the first of our own troubles when there is nothing else: then the whole call should come again.
    """
    results = [_result_of(end) for end in ends]
    if TAKEN in results:
        return TAKEN
    troubles = [end for end in ends if isinstance(end, Trouble)]
    if len(troubles) == len(ends):
        raise troubles[0]
    return results[0]


def _told(answer: Answer, *, test: bool) -> dict[str, Any]:
    """Return what an answer tells of an order, beside its status."""
    extra = [(TEST, "true")] if test else []
    taken = [one for one in answer.results if one.refusal is None]
    if taken and all(one.duplicate for one in taken):
        extra.append((DUPLICATE, "true"))
    return {
        "message_id": answer.message_id,
        "recipients": map(_recipient, answer.results),
        "extra": schema.pairs(extra),
    }


def _recipient(one: Taken) -> Any:
    new = one.refusal is None and not one.duplicate
    return said(
        schema.Recipient,
        result(one.refusal),
        dest=one.dest,
        recipient_id=one.recipient_id,
        parts=one.parts if new else None,
        price=schema.amount(one.price) if new else None,
        number=one.number,
        state=one.state,
        extra=schema.pairs([(DUPLICATE, "true")] if one.duplicate else ()),
    )
