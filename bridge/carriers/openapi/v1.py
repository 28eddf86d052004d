"""Gateway SMS, version 1 of openapi.com's SMS (OAS 1.0.0). Its provider has marked it deprecated.

An answer of 201 does not mean that the recipient was taken: it says so itself, in ``recipients``.

``{{name}}`` in a text is filled in there, from fields that go with the recipient. Ours is filled in before it is
queued, so braces are meant as they are: a text that holds ``{{`` is sent with a field whose value is just that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from bridge.carriers.base import Recall
from bridge.carriers.openapi.base import OpenApiCarrier, amount, window
from bridge.carriers.openapi.news import found, good_id, moment, own_id
from bridge.carriers.wire import BadReply, Reply
from bridge.model.errors import InvalidNumber
from bridge.model.message import Outcome, Report
from bridge.model.numbers import split_country_code
from bridge.model.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.carriers.base import CarrierSettings, Pending
    from bridge.carriers.openapi.settings import PriorityName
    from bridge.clock import Clock
    from bridge.model.message import Outgoing

_NO_CREDIT: Final = 201
_NONE_FOUND: Final = 203
_MOST_READ: Final = 50
"""Messages that are read in one look: the list says neither number nor text nor our id of them."""
_OPENING: Final = "{{"
_FIELD: Final = "opening"


class GatewaySms(OpenApiCarrier):
    """Implements :class:`~bridge.carriers.base.Carrier`; is called and confirms, is asked, funded and recalled."""

    version = 1
    error_key = "error"
    errors: Mapping[int, str] = {  # type: ignore[misc]
        _NO_CREDIT: "the credit is not enough",
        202: "they know no such id",
        _NONE_FOUND: "nothing was found",
        217: "no id",
        218: "they know no such id",
        219: "they know no such text",
        221: "it is on its way already",
        302: "a parameter is missing",
    }
    # Nothing here is done by PUT: what is stored there is queued at once.
    scopes = ("POST:/messages", "GET:/messages", "DELETE:/messages")

    def __init__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> None:
        """Touch nothing yet."""
        super().__init__(name, settings, clock=clock)
        self._void: set[str] = set()

    async def submit(self, outgoing: Outgoing) -> Reply:
        """Post one text."""
        settings = self.settings
        number = recipient(outgoing.number)
        options: dict[str, Any] = {"custom": outgoing.id}
        if settings.flash or outgoing.flash:
            options["flash"] = True
        if settings.realtime:
            options["realtime"] = True
        if self.urls is not None:
            options["callback_url"] = self.urls.callback
            if settings.callback_field is not None:
                options["callback_field"] = settings.callback_field
        body: dict[str, Any] = {
            "sender": self.sender(outgoing),
            "body": outgoing.text,
            "recipients": number,
            "transaction": False,
            "options": options,
        }
        if _OPENING in outgoing.text:
            # One field, filled in once: whatever stands between the braces, no other can be meant.
            body["body"] = outgoing.text.replace(_OPENING, f"{_OPENING}{_FIELD}}}}}")
            body["recipients"] = {"number": number, "fields": {_FIELD: _OPENING}}
        name = cast("PriorityName", outgoing.priority.name.lower())
        if name in settings.priorities:
            body["priority"] = settings.priorities[name]
        if settings.test:
            body["test"] = True
        return await self.post("/messages/", body)

    def fault(self, outgoing: Outgoing) -> str | None:
        """Refuse a number whose country code nobody has, too: it cannot be written in their form."""
        try:
            recipient(outgoing.number)
        except InvalidNumber as error:
            return error.reason
        return super().fault(outgoing)

    def read(self, reply: Reply, outgoing: Outgoing) -> Outcome:
        """Read the message that was made, and whether its only recipient counts."""
        said = reply.json()
        if said.get("success") is False:
            raise BadReply("a good status, and no success")
        message = found(said)
        if _is_void(message):
            return Outcome.refused("they take the number for invalid")
        carrier_id = good_id(message["id"])
        if carrier_id is None:
            raise BadReply("the answer has no id")
        self.remember(carrier_id, outgoing.id)
        return Outcome.accepted(carrier_id)

    async def state_of(self, carrier_id: str, *, number: str | None = None) -> tuple[bool, Report | None]:
        """Read the recipients of a message; ours have one. Raises :exc:`~bridge.model.errors.Trouble`."""
        if carrier_id in self._void:
            at, raw = self.clock(), "they take the number for invalid"
            return True, Report(carrier=self.name, state=State.UNDELIVERED, at=at, carrier_id=carrier_id, raw=raw)
        reply = await self.ask("GET", f"/messages/{carrier_id}/recipients/", fine=(404, 406))
        if not 200 <= reply.status < 300:
            if self.error(reply) is None:
                raise self.trouble(reply)  # not their word: a page of somebody in between
            return False, None
        return True, self.reads(reply, lambda said: self._report(said["data"], carrier_id, number))

    async def look(self, texts: Sequence[Pending]) -> Mapping[str, str]:
        """Look at the messages of the time in question, nearest first, until the texts are found."""
        reply = await self.ask("GET", "/messages/", fine=(404,))
        if reply.status == 404:
            if self.error(reply) != _NONE_FOUND:
                raise self.trouble(reply)
            return {}
        wanted = {text.id for text in texts}
        ids: dict[str, str] = {}
        for carrier_id in self.reads(reply, lambda said: self._candidates(said["data"], texts))[:_MOST_READ]:
            if wanted <= ids.keys():
                break
            own = await self._owner(carrier_id)
            self.remember(carrier_id, own)
            if own in wanted:
                ids[own] = carrier_id
        return ids

    async def recall(self, text: Pending) -> Recall:
        """Delete a text that waits there. Raises :exc:`~bridge.model.errors.Trouble`. Its price is not given back."""
        carrier_id = (await self.ids_of([text])).get(text.id)
        if carrier_id is None:
            return Recall(done=False, words="no such text was found")
        reply = await self.ask("DELETE", f"/messages/{carrier_id}", fine=(400, 404, 406, 422))
        if not 200 <= reply.status < 300:
            return Recall(done=False, words=self.reason(reply))
        done = self.reads(reply, lambda said: said["success"] is True)
        return Recall(done=done, words="" if done else "it was not deleted")

    async def credit(self) -> str:
        """Return the wallet's credit; with a fixed token what the list of messages says of it."""
        if self.tokens.login is not None:
            return await super().credit()
        reply = await self.ask("GET", "/messages/", fine=(404,))
        if reply.status == 404:
            raise self.trouble(reply)
        return self.reads(reply, amount)

    async def _owner(self, carrier_id: str) -> str | None:
        """Return our id from a message; None for one that is not ours."""
        reply = await self.ask("GET", f"/messages/{carrier_id}", fine=(404, 406))
        if not 200 <= reply.status < 300:
            return None
        message = self.reads(reply, found)
        own = own_id((message.get("options") or {}).get("custom"))
        try:
            if own is not None and _is_void(message):
                self._void.add(carrier_id)
        except (ValueError, KeyError, TypeError):
            pass  # how it stands is asked of its recipients
        return own

    def _candidates(self, items: Sequence[Mapping[str, Any]], texts: Sequence[Pending]) -> list[str]:
        """Return ids of messages of which nothing is kept, of the time in question, nearest to its end first.

        One without a time that can be read is a candidate, too; the last.
        """
        first, last = window(texts)
        aged = []
        for item in items:
            carrier_id, at = good_id(item["id"]), moment(item.get("timestamp"))
            if carrier_id is None or self.is_known(carrier_id) or not (at is None or first <= at <= last):
                continue
            aged.append((float("inf") if at is None else (last - at).total_seconds(), carrier_id))
        return [carrier_id for _, carrier_id in sorted(aged)]

    def _report(self, items: Any, carrier_id: str, number: str | None) -> Report | None:
        """Read the one recipient; its words from the surest on. None: no news, or not the recipient meant."""
        item = found({"data": items}) if isinstance(items, dict) or len(items) == 1 else None
        if item is None or (number is not None and _digits(item.get("number")) != number[1:]):
            return None
        report = item.get("report") or {}
        status, error = report.get("status") or {}, report.get("error") or {}
        return self.news.report(
            (item.get("state"), status.get("groupName")),
            more=(item.get("state_description"), status.get("name"), error.get("name")),
            at=moment(item.get("timestamp_delivery")) or moment(report.get("doneAt")),
            carrier_id=carrier_id,
        )


def recipient(number: str) -> str:
    """Write an E.164 number as ``+CC-rest``; anything else they count as invalid. Raises :exc:`InvalidNumber`."""
    code, rest = split_country_code(number)
    return f"+{code}-{rest}"


def _is_void(message: Mapping[str, Any]) -> bool:
    """Whether the only recipient of a message does not count. Raises what a missing field raises."""
    recipients = message["recipients"]
    if int(recipients["valid"]["count"]) > 0:
        return False
    if not recipients["invalid"]["list"] and not recipients["invalid"]["total"]:
        raise BadReply("the recipient is neither valid nor invalid")
    return True


def _digits(number: object) -> str:
    return "".join(char for char in str(number) if char.isdecimal())
