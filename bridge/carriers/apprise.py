"""Any SMS service that the library apprise knows: ``kind = "apprise"``, with its optional extra installed.

Source: apprise 2.2 (appriseit.com), its plugins' base class, and requests beneath it. It answers yes or no, and nothing
else: yes is *accepted*, without an id; no is *unknown*, for a refusal, a lost answer and a host that is away all look
the same. Its service is called itself, not by way of ``Apprise.notify``: that would repeat, convert, split and cut.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.carriers.base import CarrierSettings
from bridge.fields import Span
from bridge.model.errors import ConfigError
from bridge.model.message import Outcome

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

    from bridge.carriers.base import Sink
    from bridge.clock import Clock
    from bridge.model.message import Outgoing

_QUIET: Final = ("apprise", "oauthlib", "requests", "requests_oauthlib", "urllib3")
"""Loggers whose lines hold URLs, numbers, texts and answers, at every level."""

_SENDER: Final = re.compile(r"[A-Za-z0-9 !'*+\-._]{1,20}", re.ASCII)
"""What cannot be taken for a part of the URL, also by a service that reads it twice."""

_EXAMPLE: Final = "+972502345678"
"""A number to try the URL with; nothing is sent to it."""


class AppriseSettings(CarrierSettings):
    """``[carriers.NAME]`` with ``kind = "apprise"``."""

    url: SecretStr = Field(description="URL of the service as apprise has it, with {to} and perhaps {sender}")
    number_form: Literal["e164", "digits"] = Field(default="e164", description="numbers as +972… or 972…")
    default_sender: str | None = Field(
        default=None, validate_default=True, description="sender of texts that have none; for a URL with {sender}"
    )
    max_chars: int | None = Field(
        default=None, ge=1, le=100_000, description="longest text, in characters; else what apprise says of the service"
    )
    total_timeout: Span = Field(
        default=timedelta(seconds=30), gt=timedelta(0), description="longest wait for an answer of apprise"
    )

    @field_validator("url")
    @classmethod
    def _leads_to_numbers(cls, url: SecretStr) -> SecretStr:
        if "://" not in url.get_secret_value() or "{to}" not in url.get_secret_value():
            raise ValueError("write a URL of apprise with {to} where the number goes")
        return url

    @field_validator("default_sender")
    @classmethod
    def _sender_of_a_place(cls, sender: str | None, info: ValidationInfo) -> str | None:
        if "url" in info.data and ("{sender}" in info.data["url"].get_secret_value()) is not (sender is not None):
            raise ValueError("default_sender and {sender} in the URL go together")
        if sender is not None and not _SENDER.fullmatch(sender):
            raise ValueError("1 to 20 letters, digits, spaces and !'*+-._")
        return sender


class AppriseCarrier:
    """Implements :class:`~bridge.carriers.base.Carrier`. Each send has a thread, for apprise blocks."""

    takes_own_id = False

    def __init__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> None:  # noqa: ARG002 - no times here
        """Touch nothing yet."""
        if not isinstance(settings, AppriseSettings):
            raise TypeError("an apprise carrier needs AppriseSettings")
        self.name = name
        self.concurrency = settings.concurrency
        self._settings = settings
        self._url = settings.url.get_secret_value()
        self._asset: AppriseAsset | None = None
        self._threads = 0

    async def open(self, sink: Sink) -> None:  # noqa: ARG002 - apprise has no news
        """Load apprise and try the URL. Raises :exc:`ConfigError` where either cannot be had."""
        # Its hundred and more services take a second to import.
        self._asset = await asyncio.to_thread(self._ready)

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Send one text by a service made for it, and wait no longer than ``total_timeout``."""
        asset = self._asset
        if asset is None:
            return Outcome.deferred("the carrier is not open")
        sender = outgoing.sender or self._settings.default_sender or ""
        if "{sender}" in self._url and not _SENDER.fullmatch(sender):
            return Outcome.refused("a URL of apprise cannot hold this sender")
        if self._threads >= 2 * self.concurrency:
            # Some were given up and have not ended: a service may wait for ever on an answer in drops.
            return Outcome.deferred("too many calls of apprise have not ended")
        loop = asyncio.get_running_loop()
        end: asyncio.Future[Outcome] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            self._threads -= 1
            if not end.done():
                end.set_result(outcome)

        def work() -> None:
            outcome = self._sent(asset, outgoing, sender)
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(settle, outcome)

        try:
            # Of no pool: a call that never ends must not keep the bridge from stopping.
            Thread(target=work, name=f"apprise {self.name}", daemon=True).start()
        except RuntimeError:
            return Outcome.deferred("no thread can be started")
        self._threads += 1
        try:
            async with asyncio.timeout(self._settings.total_timeout.total_seconds()):
                return await end
        except TimeoutError:
            return Outcome.unknown("no answer of apprise in time")

    async def close(self) -> None:
        """Send no more. A call that was given up ends by itself, unheard."""
        self._asset = None

    def _ready(self) -> AppriseAsset:
        try:
            from apprise import AppriseAsset  # noqa: PLC0415 - an extra: most bridges do not have it
        except ImportError as error:
            raise ConfigError(
                f"carriers.{self.name}: apprise is not installed: pip install smsbridge[apprise]"
            ) from error
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        # A redirect followed makes a GET of a POST, and its answer a yes. 0: no text is cut to a size of apprise's.
        asset = AppriseAsset(http_redirects=False, interpret_emojis=False, payload_max_size=0, secure_logging=True)
        service = self._service(asset, _EXAMPLE, self._settings.default_sender or "")
        if service is None:
            raise ConfigError(f"carriers.{self.name}: url: apprise makes no service of it, or not without a library")
        if service.retry or service.redirects:
            raise ConfigError(
                f"carriers.{self.name}: url: no retry and no redirect: a text could go out twice or nowhere"
            )
        if len(service) != 1:
            raise ConfigError(
                f"carriers.{self.name}: url: it has to lead to {{to}} alone, not to {len(service)} places"
            )
        return asset

    def _service(self, asset: AppriseAsset, number: str, sender: str) -> NotifyBase | None:
        from apprise import Apprise  # noqa: PLC0415 - as above; it is loaded by now

        to = number if self._settings.number_form == "e164" else number.removeprefix("+")
        url = self._url.replace("{to}", quote(to, safe="")).replace("{sender}", quote(sender, safe=""))
        return Apprise.instantiate(url, asset=asset)

    def _sent(self, asset: AppriseAsset, outgoing: Outgoing, sender: str) -> Outcome:
        """Send, in a thread. Whatever a service raises is an outcome, under the name of its class alone."""
        from apprise import NotifyFormat, NotifyType, OverflowMode  # noqa: PLC0415 - as above

        text = outgoing.text
        try:
            service = self._service(asset, outgoing.number, sender)
            if service is None:
                return Outcome.refused("apprise makes no service of the URL with this number and sender")
            longest, lines = self._settings.max_chars or service.body_maxlen, service.body_max_line_count
        except Exception as error:  # noqa: BLE001 - a service is anybody's code, and nothing has left yet
            return Outcome.deferred(f"apprise failed before the send: {type(error).__name__}")
        if 0 < longest < len(text):
            return Outcome.refused(f"longer than {longest} characters, the most for this service")
        if 0 < lines <= text.count("\n"):
            return Outcome.refused(f"more than {lines} lines, the most for this service")
        try:
            taken = service.notify(
                body=text,
                title="",
                notify_type=NotifyType.INFO,
                overflow=OverflowMode.UPSTREAM,  # the text as it is, in one piece
                body_format=NotifyFormat.TEXT,
            )
        except Exception as error:  # noqa: BLE001 - as above, and now it may have left
            return Outcome.unknown(f"apprise failed: {type(error).__name__}")
        return Outcome.accepted(None) if taken else Outcome.unknown("apprise says no, and not whether the text left")
