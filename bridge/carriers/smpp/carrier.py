"""The carrier: its settings, how a text is submitted, and what the centre's statuses mean."""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator

from bridge.carriers.base import CarrierSettings
from bridge.carriers.smpp import content, pdu, receipt
from bridge.carriers.smpp.content import Alphabet, Joining
from bridge.carriers.smpp.inbox import Inbox
from bridge.carriers.smpp.pdu import Address, Command, Pdu
from bridge.carriers.smpp.receipt import Ids
from bridge.carriers.smpp.session import Line, Lost, NotBound, Session
from bridge.fields import Span
from bridge.model.errors import ConfigError
from bridge.model.message import Outcome, Priority, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.carriers.base import Sink
    from bridge.clock import Clock
    from bridge.model.message import Outgoing

STATUSES: Final[Mapping[int, Verdict]] = {
    # SMPP 3.4, 5.1.3. What is wrong with the text, its number or its sender:
    0x01: Verdict.REFUSED,  # ESME_RINVMSGLEN
    0x06: Verdict.REFUSED,  # ESME_RINVPRTFLG
    0x07: Verdict.REFUSED,  # ESME_RINVREGDLVFLG
    0x0A: Verdict.REFUSED,  # ESME_RINVSRCADR
    0x0B: Verdict.REFUSED,  # ESME_RINVDSTADR
    0x15: Verdict.REFUSED,  # ESME_RINVSERTYP
    0x43: Verdict.REFUSED,  # ESME_RINVESMCLASS
    0x48: Verdict.REFUSED,  # ESME_RINVSRCTON
    0x49: Verdict.REFUSED,  # ESME_RINVSRCNPI
    0x50: Verdict.REFUSED,  # ESME_RINVDSTTON
    0x51: Verdict.REFUSED,  # ESME_RINVDSTNPI
    0x61: Verdict.REFUSED,  # ESME_RINVSCHED
    0x62: Verdict.REFUSED,  # ESME_RINVEXPIRY
    0x65: Verdict.REFUSED,  # ESME_RX_P_APPN
    0x66: Verdict.REFUSED,  # ESME_RX_R_APPN
    0xC0: Verdict.REFUSED,  # ESME_RINVOPTPARSTREAM
    0xC1: Verdict.REFUSED,  # ESME_ROPTPARNOTALLWD
    0xC2: Verdict.REFUSED,  # ESME_RINVPARLEN
    0xC3: Verdict.REFUSED,  # ESME_RMISSINGOPTPARAM
    0xC4: Verdict.REFUSED,  # ESME_RINVOPTPARAMVAL
    0xFE: Verdict.REFUSED,  # ESME_RDELIVERYFAILURE
    # What is wrong with the centre, the session or the moment: it did not take the text.
    0x02: Verdict.DEFERRED,  # ESME_RINVCMDLEN
    0x03: Verdict.DEFERRED,  # ESME_RINVCMDID
    0x04: Verdict.DEFERRED,  # ESME_RINVBNDSTS
    0x05: Verdict.DEFERRED,  # ESME_RALYBND
    0x08: Verdict.DEFERRED,  # ESME_RSYSERR
    0x0D: Verdict.DEFERRED,  # ESME_RBINDFAIL
    0x14: Verdict.DEFERRED,  # ESME_RMSGQFUL
    0x45: Verdict.DEFERRED,  # ESME_RSUBMITFAIL
    0x58: Verdict.DEFERRED,  # ESME_RTHROTTLED
    0x64: Verdict.DEFERRED,  # ESME_RX_T_APPN
}
"""What command_status of a submit_sm_resp says of a text. All others are *unknown*: 0xFF is, and a vendor's own may
mean that the same text was taken before."""

_PRIORITIES: Final[Mapping[Priority, int]] = {
    # 5.2.14. In GSM 0 is no priority, and all others are one, which some centres charge for.
    Priority.BULK: 0,
    Priority.NORMAL: 0,
    Priority.HIGH: 1,
    Priority.URGENT: 2,
}

_SLOW_DOWN: Final = frozenset({0x14, 0x58})
_MOST_PAUSES: Final = 5
"""For one text."""
_SHORT_CODE: Final = 8
"""Digits of a short code, at most."""


class SmppSettings(CarrierSettings):
    """``[carriers.NAME]`` with ``kind = "smpp"``."""

    host: str = Field(min_length=1, description="the message centre")
    port: int = Field(default=2775, ge=1, le=65_535, description="its port")
    tls: bool = Field(
        default=False, description="on: the connection is encrypted, and the centre's certificate checked"
    )
    ca_file: Path | None = Field(default=None, description="certificates (PEM) to be trusted besides the public ones")
    system_id: str = Field(min_length=1, max_length=15, description="user name of the bind")
    password: SecretStr = Field(default=SecretStr(""), description="its password, at most 8 characters")
    system_type: str = Field(default="", max_length=12, description="system_type of the bind")
    bind: Literal["transceiver", "transmitter+receiver", "transmitter"] = Field(
        default="transceiver", description="transceiver, transmitter+receiver (two connections), or transmitter"
    )
    service_type: str = Field(default="", max_length=5, description="service_type of every text")
    source_ton: int | None = Field(default=None, ge=0, le=7, description="type of number of senders; default: by form")
    source_npi: int | None = Field(default=None, ge=0, le=18, description="plan of senders; default: by form")
    alphabet: Alphabet = Field(default=Alphabet.GSM, description="gsm or latin1: what data_coding 0 and 3 are used for")
    long_texts: Joining = Field(default=Joining.UDH, description="how parts are joined: udh, sar or payload")
    receipt_ids: Ids = Field(
        default=Ids.SAME, description="how receipts write ids: same, decimal (answers have hex) or hex"
    )
    receipts: bool = Field(default=True, description="ask for a receipt of every text")
    connect_timeout: Span = Field(
        default=timedelta(seconds=10), gt=timedelta(0), description="longest wait for a connection"
    )
    answer_timeout: Span = Field(
        default=timedelta(seconds=30), gt=timedelta(0), description="longest wait for an answer; then it is in doubt"
    )
    enquire_every: Span = Field(
        default=timedelta(seconds=30), gt=timedelta(0), description="silence after which enquire_link is sent"
    )
    reconnect: Span = Field(
        default=timedelta(seconds=1), gt=timedelta(0), description="pause before connecting again; it doubles"
    )
    longest_reconnect: Span = Field(
        default=timedelta(minutes=1), gt=timedelta(0), description="longest pause before connecting again"
    )
    throttle_pause: Span = Field(
        default=timedelta(seconds=2), gt=timedelta(0), description="pause of the carrier when it says: too fast"
    )
    join_wait: Span = Field(
        default=timedelta(seconds=60), gt=timedelta(0), description="how long parts of a text from a phone wait"
    )

    @field_validator("password")
    @classmethod
    def _short(cls, password: SecretStr) -> SecretStr:
        value = password.get_secret_value()
        if len(value) > 8 or not value.isascii():
            raise ValueError("at most 8 ASCII characters (SMPP 3.4, 5.2.2)")
        return password

    @field_validator("system_id", "system_type", "service_type")
    @classmethod
    def _ascii(cls, value: str) -> str:
        if not value.isascii() or not (value.isprintable() or not value):
            raise ValueError("ASCII only")
        return value

    def anchored(self, folder: Path) -> Self:
        """Return the settings with the CA file counted from ``folder``."""
        return self if self.ca_file is None else self.model_copy(update={"ca_file": folder / self.ca_file})


class Smpp:
    """Implements :class:`bridge.carriers.base.Carrier` over SMPP."""

    takes_own_id = False

    def __init__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> None:
        """Touch nothing yet."""
        if not isinstance(settings, SmppSettings):
            raise TypeError("an smpp carrier needs SmppSettings")
        self.name = name
        self.concurrency = settings.concurrency
        self._settings = settings
        self._clock = clock
        self._inbox: Inbox | None = None
        self._sending: Session | None = None
        self._receiving: Session | None = None
        self._references = itertools.count(random.randrange(256))  # noqa: S311 - only to tell texts apart

    async def open(self, sink: Sink) -> None:
        """Begin to connect. Raises :exc:`ConfigError` for certificates that cannot be read."""
        tls = self._tls()
        self._inbox = inbox = Inbox(
            self.name,
            sink=sink,
            clock=self._clock,
            alphabet=self._settings.alphabet,
            ids=self._settings.receipt_ids,
            join_wait=self._settings.join_wait.total_seconds(),
        )
        kinds = {
            "transceiver": (Command.BIND_TRANSCEIVER,),
            "transmitter": (Command.BIND_TRANSMITTER,),
            "transmitter+receiver": (Command.BIND_TRANSMITTER, Command.BIND_RECEIVER),
        }[self._settings.bind]
        sessions = [
            Session(self.name, self._line(kind, tls), delivered=inbox.take, answered=inbox.answered) for kind in kinds
        ]
        self._sending = sessions[0]
        self._receiving = sessions[1] if len(sessions) > 1 else None
        for session in sessions:
            session.open()

    async def close(self) -> None:
        """Unbind. Parts of texts from phones that still wait for others are given to the sink as they are."""
        sessions = [each for each in (self._sending, self._receiving) if each is not None]
        self._sending = self._receiving = None
        if self._inbox is not None:
            await self._inbox.close()
        await asyncio.gather(*(session.close() for session in sessions))

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Submit one text, part after part. One that went out in part is *unknown*: parts are never sent twice.

        A later part that is turned away for the pace alone waits here, and goes again: nobody else could send the rest.
        """
        session = self._sending
        if session is None:
            return Outcome.deferred("the carrier is not open")
        pieces = content.pieces(
            outgoing.text,
            outgoing.encoding,
            joining=self._settings.long_texts,
            written=self._settings.alphabet,
            reference=next(self._references) % 256,
            flash=outgoing.flash,
        )
        message_id = None
        pauses = 0
        for place, piece in enumerate(pieces):
            last = place == len(pieces) - 1
            body = self._submit(outgoing, piece, receipt_wanted=last and self._settings.receipts)
            outcome, message_id = await self._ask(session, body)
            while place and outcome.retry_after is not None and pauses < _MOST_PAUSES:
                pauses += 1
                await asyncio.sleep(outcome.retry_after.total_seconds())
                outcome, message_id = await self._ask(session, body)
            if outcome.verdict is not Verdict.ACCEPTED:
                if place:
                    reason = f"{place} of {len(pieces)} parts went out; then: {outcome.reason}"
                    return Outcome.unknown(reason, raw=outcome.raw)
                return outcome
        kept = None if message_id is None else receipt.kept_id(message_id, self._settings.receipt_ids)
        return Outcome.accepted(kept, raw=f"message_id {message_id}")

    async def _ask(self, session: Session, body: bytes) -> tuple[Outcome, str | None]:
        """Submit one part, once; return what became of it, and the centre's id for it."""
        try:
            answer = await session.ask(Command.SUBMIT_SM, body)
        except NotBound:
            return Outcome.deferred("not bound to the message centre"), None
        except Lost:
            return Outcome.unknown("no answer from the message centre"), None
        return self._judge(answer), pdu.read_message_id(answer.body)

    def _judge(self, answer: Pdu) -> Outcome:
        if not answer.status:
            return Outcome.accepted(None)
        verdict = STATUSES.get(answer.status, Verdict.UNKNOWN)
        words = f"command_status 0x{answer.status:08X}"
        if verdict is Verdict.DEFERRED:
            pause = self._settings.throttle_pause if answer.status in _SLOW_DOWN else None
            return Outcome.deferred(words, retry_after=pause, raw=words)
        return Outcome(verdict=verdict, reason=words, raw=words)

    def _submit(self, outgoing: Outgoing, piece: content.Piece, *, receipt_wanted: bool) -> bytes:
        left = (outgoing.expires_at - self._clock()).total_seconds()
        return pdu.submit_sm(
            service_type=self._settings.service_type,
            source=self._source(outgoing.sender),
            destination=Address(value=outgoing.number.removeprefix("+"), ton=1, npi=1),
            esm_class=piece.esm_class,
            priority=_PRIORITIES[outgoing.priority],
            validity_period=pdu.relative_period(max(left, 60)),
            registered_delivery=int(receipt_wanted),
            data_coding=piece.data_coding,
            message=piece.message,
            tlvs=piece.tlvs,
        )

    def _source(self, sender: str | None) -> Address:
        digits = (sender or "").removeprefix("+")
        if digits.isascii() and digits.isdigit():
            # 5.2.5, 5.2.6: an international number of the telephone plan, or a short code of the network.
            long = len(digits) > _SHORT_CODE
            found = Address(value=digits, ton=1 if long else 3, npi=1 if long else 0)
        else:
            found = Address(value=digits, ton=5 if digits else 0)
        own = self._settings
        return Address(
            value=found.value,
            ton=found.ton if own.source_ton is None else own.source_ton,
            npi=found.npi if own.source_npi is None else own.source_npi,
        )

    def _line(self, kind: Command, tls: ssl.SSLContext | None) -> Line:
        own = self._settings
        return Line(
            host=own.host,
            port=own.port,
            tls=tls,
            command=kind,
            bind=pdu.bind(
                system_id=own.system_id,
                password=own.password.get_secret_value(),
                system_type=own.system_type,
            ),
            connect_timeout=own.connect_timeout.total_seconds(),
            answer_timeout=own.answer_timeout.total_seconds(),
            enquire_every=own.enquire_every.total_seconds(),
            first_pause=own.reconnect.total_seconds(),
            longest_pause=own.longest_reconnect.total_seconds(),
        )

    def _tls(self) -> ssl.SSLContext | None:
        if not self._settings.tls:
            return None
        context = ssl.create_default_context()
        if self._settings.ca_file is not None:
            try:
                context.load_verify_locations(self._settings.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(f"carriers.{self.name}.ca_file: cannot be read: {error}") from error
        return context
