"""SMS v2 of openapi.com (OAS 1.2.7): one recipient a call, by a path that has to fit its country.

Forbidden words can get the whole account blocked there, at a price. Which words those are is not documented; what an
operator knows of them is ``forbidden_pattern``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.carriers.openapi.base import OpenApiCarrier, window
from bridge.carriers.openapi.news import found, good_id, moment, own_id
from bridge.carriers.wire import BadReply, Reply
from bridge.model.message import Outcome, Report
from bridge.model.numbers import country_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.carriers.base import Pending
    from bridge.model.message import Outgoing

PATHS: Final = {"IT": "/IT-messages", "ES": "/ES-messages"}
_WORLD: Final = "/WW-messages"

_RETRY: Final = 5
"""Times that a call is made again; the most they take."""
_PAGE: Final = 100
_MOST_PAGES: Final = 10


class SmsV2(OpenApiCarrier):
    """Implements :class:`~bridge.carriers.base.Carrier`; is called and confirms, is asked and funded."""

    version = 2
    error_key = "code"
    errors: Mapping[int, str] = {  # type: ignore[misc]
        2011: "they take the number for invalid",
        2013: "the number is not of the country of the path",
        2020: "the account is blocked: write to their support",
        2021: "the sender has not 3 to 11 characters",
        2024: "the sender is a number",
        2044: "they forbid a word of the text or of the sender",
        2050: "they forbid a word of the text or of the sender",
    }
    scopes = ("POST:/IT-messages", "POST:/ES-messages", "POST:/WW-messages", "GET:/messages")

    async def submit(self, outgoing: Outgoing) -> Reply:
        """Post one text."""
        body: dict[str, Any] = {
            "sender": self.sender(outgoing),
            "recipient": outgoing.number,
            "message": outgoing.text,
            "options": {"dryRun": self.settings.test},
        }
        if self.urls is not None:
            field = self.settings.callback_field
            form = {"method": "JSON"} if field is None else {"method": "POST", "field": field}
            own = {"id": outgoing.id}
            body["callback"] = {"url": self.urls.callback, "retry": _RETRY, "custom": own, **form}
        return await self.post(PATHS.get(country_of(outgoing.number) or "", _WORLD), body)

    def read(self, reply: Reply, outgoing: Outgoing) -> Outcome:
        """Read the message that was made."""
        message = found(reply.json())
        carrier_id = good_id(message["id"])
        if carrier_id is None:
            raise BadReply("the answer has no id")
        if message.get("blocklisted") is True:
            return Outcome.refused("they forbid a word of the text or of the sender")
        self.remember(carrier_id, outgoing.id)
        return Outcome.accepted(carrier_id)

    async def state_of(self, carrier_id: str, *, number: str | None = None) -> tuple[bool, Report | None]:
        """Read a message. Raises :exc:`~bridge.model.errors.Trouble`."""
        reply = await self.ask("GET", f"/messages/{carrier_id}", fine=(404,))
        if reply.status == 404:
            return False, None
        return True, self.reads(reply, lambda said: self._report(found(said), carrier_id, number))

    async def look(self, texts: Sequence[Pending]) -> Mapping[str, str]:
        """Go through the list of messages, page by page. Without a URL to be called our id does not go along."""
        if self.urls is None:
            return {}
        wanted = {text.id for text in texts}
        first, _ = window(texts)
        ids: dict[str, str] = {}
        for page in range(_MOST_PAGES):
            params = {"skip": str(page * _PAGE), "limit": str(_PAGE)}
            reply = await self.ask("GET", "/messages", params=params, fine=(404,))
            if reply.status == 404:
                break
            items = self.reads(
                reply, lambda said: [(good_id(one["id"]), _own(one), _made(one)) for one in said["data"]]
            )
            ids |= {own: their for their, own, _ in items if own in wanted and their is not None}
            # Their order is not documented: only a list that is older on both ends is done with.
            past = all(at is not None and at < first for _, _, at in items)
            if len(items) < _PAGE or wanted <= ids.keys() or past:
                break
        for own, their in ids.items():
            self.remember(their, own)
        return ids

    def _report(self, message: Mapping[str, Any], carrier_id: str, number: str | None) -> Report | None:
        if number is not None and message.get("recipient", number) != number:
            return None
        return self.news.report(
            (message.get("state"),),
            more=(message.get("blocklistedReason"),),
            at=moment(message.get("deliveredAt")) or moment(message.get("updatedAt")),
            carrier_id=carrier_id,
        )


def _own(message: Mapping[str, Any]) -> str | None:
    return own_id((message.get("callback") or {}).get("custom"))


def _made(message: Mapping[str, Any]) -> Any:
    return moment(message.get("createdAt"))
