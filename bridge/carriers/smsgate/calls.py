"""What a phone with SMS Gate calls us with (its document "Webhooks"): the proof first, then the news. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.carriers.base import Forged, Received, Unreadable
from bridge.carriers.smsgate.cipher import Undecipherable, decrypt, is_encrypted
from bridge.model.message import Inbound, Report, split_recipient_id
from bridge.model.state import State
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.carriers.base import Call
    from bridge.clock import Clock

_log = get_logger(__name__)

EVENTS: Final[Mapping[str, tuple[State, str]]] = {
    # "delivered" comes once for each part, and may come before "sent": the table of moves takes care of both.
    "sms:sent": (State.SENT, "sentAt"),
    "sms:delivered": (State.DELIVERED, "deliveredAt"),
    "sms:failed": (State.UNDELIVERED, "failedAt"),
    "sms:cancelled": (State.UNDELIVERED, "cancelledAt"),
}
RECEIVED: Final = "sms:received"

_LONGEST_REASON: Final = 200
_INTERNATIONAL: Final = re.compile("[1-9][0-9]{9,14}")
"""A number with its country, without the plus that phones leave out at times."""


class PhoneCalls:
    """Reads the calls of one carrier's phones. ``keys`` are by device; ``""`` is for those not named."""

    def __init__(
        self, name: str, *, keys: Mapping[str, str], window: float, passphrase: str | None, clock: Clock
    ) -> None:
        """Prepare; ``window`` is how many seconds a call may be old, or ahead."""
        self._name = name
        self._keys = keys
        self._window = window
        self._passphrase = passphrase
        self._clock = clock

    def read(self, call: Call) -> Received:
        """Check a call and read it. Raises :exc:`Forged`, :exc:`Unreadable`."""
        try:
            said = json.loads(call.body)
        except (ValueError, RecursionError) as error:
            raise Unreadable("no JSON") from error
        if not isinstance(said, dict) or not isinstance(said.get("event"), str):
            raise Unreadable("no event")
        self._check(call, str(said.get("deviceId") or ""))
        payload = said.get("payload")
        event = said["event"]
        if event not in EVENTS and event != RECEIVED:
            _log.info("call without news", carrier=self._name, about=event[:40])
            return Received()
        if not isinstance(payload, dict):
            raise Unreadable("no payload")
        if event in EVENTS:
            return Received(reports=self._reports(event, payload))
        return Received(inbounds=[self._inbound(payload, said)])

    def _check(self, call: Call, device: str) -> None:
        """Compare the signature: over the raw body and the time, under the key of the phone."""
        if not self._keys:
            return
        key = self._keys.get(device) or self._keys.get("")
        if key is None:
            raise Forged("no key of this device is known")
        written, signature = call.headers.get("x-timestamp", ""), call.headers.get("x-signature", "")
        if not written or not signature:
            raise Forged("no signature")
        wanted = hmac.new(key.encode(), call.body + written.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, signature.lower().encode("ascii", "replace").decode()):
            raise Forged("the signature is wrong")
        if not written.isascii() or not written.isdigit() or len(written) > 12:
            raise Forged("the time of the signature cannot be read")
        if abs(self._clock().timestamp() - int(written)) > self._window:
            raise Forged("the signature is stale")

    def _reports(self, event: str, payload: Mapping[str, Any]) -> list[Report]:
        state, at = EVENTS[event]
        text_id = payload.get("messageId")
        if not isinstance(text_id, str):
            raise Unreadable("no messageId")
        try:
            split_recipient_id(text_id)
        except ValueError:
            # Somebody else sends by the same phones, too.
            _log.info("report on a text of others", carrier=self._name)
            return []
        reason = payload.get("reason")
        raw = event if not isinstance(reason, str) else f"{event} {reason[:_LONGEST_REASON]}"
        moment = _moment(payload.get(at)) or self._clock()
        return [Report(carrier=self._name, state=state, at=moment, recipient_id=text_id, raw=raw)]

    def _inbound(self, payload: Mapping[str, Any], said: Mapping[str, Any]) -> Inbound:
        sender = payload.get("sender") or payload.get("phoneNumber")
        text, to = payload.get("message"), payload.get("recipient")
        if not isinstance(sender, str) or not isinstance(text, str):
            raise Unreadable("no sender or no message")
        sender, text = self._opened(sender), self._opened(text)
        received = _moment(payload.get("receivedAt"))
        # Not the call's id: an inbox that is refreshed brings known texts in new calls. And not messageId alone: it is
        # made of the content, so a person who says the same again would not be heard. The time is written in the zone
        # in which the phone is, and it may have travelled meanwhile.
        when = str(said.get("id")) if received is None else received.astimezone(UTC).isoformat()
        told = "\x00".join((str(said.get("deviceId")), sender, text, when)).encode("utf-8", "replace")
        return Inbound(
            carrier=self._name,
            carrier_id=hashlib.sha256(told).hexdigest()[:40],
            sender=f"+{sender}" if _INTERNATIONAL.fullmatch(sender) else sender,
            to=self._opened(to) if isinstance(to, str) else "",
            text=text,
            at=received or self._clock(),
        )

    def _opened(self, value: str) -> str:
        if not is_encrypted(value):
            return value
        if self._passphrase is None:
            raise Unreadable("it is encrypted, and no passphrase is set")
        try:
            return decrypt(value, self._passphrase)
        except Undecipherable as error:
            raise Unreadable(str(error)) from None


def _moment(written: object) -> datetime | None:
    """Return a time with its offset, in UTC where it has none; None for what is no time."""
    try:
        moment = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
