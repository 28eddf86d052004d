"""``smsbridge demo``: a whole bridge on a sandbox, and one mail and one SOAP call through it.

Nothing here is a stand-in but the phone: the bridge is the one that ``serve`` runs, mail and call go over sockets, each
text lies in a database before it is answered, and the carrier writes it to a file.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
import signal
import smtplib
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import typer

from bridge import config
from bridge.app import App, loop_factory
from bridge.cli.context import Context, command
from bridge.cli.options import PLAIN
from bridge.fields import split_address
from bridge.model.errors import InternalError
from bridge.model.text import measure
from bridge.store import accounts, schema
from bridge.store.engine import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.config import BaseSettings

app = typer.Typer(**PLAIN)

_CONFIG = """\
database = "sqlite:///bridge.db"
[smtp]
listen = ["127.0.0.1:0"]
domains = ["sms.example.com"]
[http]
listen = "127.0.0.1:0"
console = true
[carriers.sandbox]
kind = "sandbox"
outbox = "outbox.jsonl"
"""
_ACCOUNT = "demo"
_REGION = "IL"
_SENDER = "demo@example.com"
_RECIPIENT = "972502345678@sms.example.com"
_SUBJECT = "תזכורת"
_TEXT = "שלום! התור שלך מחר בשעה 10:30. להתראות."
_CALL_TO = "050-234-5679"
_CALL_TEXT = "Parcel 4711 arrives today between 09:00 and 12:00."
_HTML = f'<html><body dir="rtl"><p style="color: #036">{_TEXT}</p></body></html>'

_ENVELOPE = """\
<?xml version="1.0" encoding="utf-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">
  <soap:Body>
    <send_sms xmlns="urn:smsbridge:1">
      <token>{token}</token>
      <dest>{dest}</dest>
      <message>{message}</message>
      <reference>demo-1</reference>
    </send_sms>
  </soap:Body>
</soap:Envelope>
"""
_ELEMENT = re.compile(r"<[a-z]+:(status|status_text|message_id|recipient_id|parts|price)>([^<]*)</")

_LIMIT = 25.0
"""Seconds in which both texts have to arrive; with start and stop it stays below 30."""
_LOOK = 0.02
_OK = 250
_WATCH = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where the bridge of the demo is."""

    smtp: str
    http: str
    outbox: Path
    token: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Arrived:
    """What was answered, the line that the phone got, and the seconds from the one to the other."""

    answer: str
    line: dict[str, Any]
    seconds: float


@command(app)
def demo(
    context: Context,
    once: Annotated[bool, typer.Option("--once", help="Stop after both texts have arrived.")] = False,
) -> None:
    """Run a bridge on a sandbox, and send one mail and one SOAP call through it.

    All of it lies in a temporary folder, on free ports, and is gone afterwards.
    """
    # Until the loop listens to it, SIGTERM too must not leave the folder behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="smsbridge-demo-") as folder:
        token = secrets.token_urlsafe(32)
        settings = _prepare(Path(folder), token)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run(context, settings, token, once=once))


def _prepare(folder: Path, token: str) -> BaseSettings:
    """Make what an operator makes by hand: a configuration, its database, an account, and who may send for it."""
    file = folder / config.DEFAULT_FILE
    file.write_text(_CONFIG, encoding="utf-8")
    settings = config.load(file, {})
    store = Store(settings.database.get_secret_value())
    try:
        schema.migrate(store)
        with store.write() as connection:
            now = store.now(connection)
            account = accounts.add_account(connection, _ACCOUNT, region=_REGION, now=now)
            accounts.allow_mailbox(connection, account.id, _SENDER, now=now)
            kept = hashlib.sha256(token.encode()).hexdigest()
            accounts.add_key(connection, account.id, user=_ACCOUNT, kind="token", secret=kept, now=now)
    finally:
        store.close()
    return settings


async def _run(context: Context, settings: BaseSettings, token: str, *, once: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _running(settings) as bridge:
        place = _Place(
            smtp=bridge.doors["smtp"].addresses[0],
            http=bridge.doors["http"].addresses[0],
            outbox=settings.carriers["sandbox"].outbox,
            token=token,
        )
        delivery = asyncio.create_task(_deliver(place))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([delivery, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not delivery.done():
            delivery.cancel()
            reason = "stopped before both texts arrived"
            raise InternalError(reason)
        _tell(context, place, *delivery.result(), once=once)
        while not once and not await _told_to(stop):
            if not (health := await bridge.health()).live:
                raise InternalError("; ".join(health.problems))


@asynccontextmanager
async def _running(settings: BaseSettings) -> AsyncIterator[App]:
    bridge = App(settings)
    try:
        await bridge.open()
        yield bridge
    finally:
        await bridge.close()


async def _told_to(stop: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(_WATCH):
            return await stop.wait()
    except TimeoutError:
        return False


async def _deliver(place: _Place) -> tuple[_Arrived, _Arrived]:
    """Send the mail, then make the call. Raises :exc:`InternalError` when a text does not arrive."""
    answer = "none"
    try:
        async with asyncio.timeout(_LIMIT):
            answer = await asyncio.to_thread(_send_mail, place.smtp)
            mail = await _arrival(place, answer, message_id=answer.rpartition(" ")[2])
            answer, message_id = await _call(place)
            return mail, await _arrival(place, answer, message_id=message_id)
    except TimeoutError as error:
        reason = f"a text did not arrive within {_LIMIT:.0f} seconds; the last answer: {answer}"
        raise InternalError(reason) from error


async def _arrival(place: _Place, answer: str, *, message_id: str) -> _Arrived:
    clock = asyncio.get_running_loop().time
    answered = clock()
    # A file says nothing by itself when it grows.
    while (line := _find(place.outbox, message_id=message_id)) is None:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK)
    return _Arrived(answer=answer, line=line, seconds=clock() - answered)


async def _call(place: _Place) -> tuple[str, str]:
    """Call ``send_sms``. Returns what it answers, and the id of the message. Raises :exc:`InternalError`."""
    envelope = _ENVELOPE.format(token=place.token, dest=_CALL_TO, message=_CALL_TEXT)
    headers = {"content-type": "text/xml; charset=utf-8", "soapaction": '"urn:smsbridge:1/send_sms"'}
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=_LIMIT) as client:
            reply = await client.post(f"{place.http}/soap", content=envelope.encode(), headers=headers)
    except httpx.HTTPError as error:
        reason = f"the call could not be made: {type(error).__name__}"
        raise InternalError(reason) from error
    said: dict[str, str] = {}
    for name, value in _ELEMENT.findall(reply.text):
        said.setdefault(name, value)
    if reply.status_code != httpx.codes.OK or said.get("status") != "0":
        reason = f"the call was refused: HTTP {reply.status_code}: {reply.text[:300]}"
        raise InternalError(reason)
    shown = ", ".join(f"{name} {said[name]}" for name in ("status", "status_text", "message_id"))
    return shown, said["message_id"]


def _send_mail(address: str) -> str:
    """Send the mail over SMTP, and return the reply to its end. Raises :exc:`InternalError`."""
    host, port = split_address(address)
    try:
        # With a name of its own: looking up this machine's can take seconds where its DNS is not set up.
        with smtplib.SMTP(host, port, local_hostname="demo.example.com", timeout=_LIMIT) as client:
            client.ehlo_or_helo_if_needed()
            _taken(*client.mail(_SENDER))
            _taken(*client.rcpt(_RECIPIENT))
            return _taken(*client.data(_mail()))
    except (OSError, smtplib.SMTPException) as error:
        reason = f"the mail could not be sent: {error}"
        raise InternalError(reason) from error


def _taken(code: int, said: bytes) -> str:
    reply = f"{code} {said.decode(errors='replace')}"
    if code != _OK:
        reason = f"the mail was refused: {reply}"
        raise InternalError(reason)
    return reply


def _mail() -> bytes:
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = _SENDER
    mail["To"] = _RECIPIENT
    mail["Subject"] = _SUBJECT
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain="example.com")
    mail.set_content(_TEXT, cte="quoted-printable")
    mail.add_alternative(_HTML, subtype="html", cte="quoted-printable")
    return mail.as_bytes()


def _find(outbox: Path, *, message_id: str) -> dict[str, Any] | None:
    """Return the outbox's line of a message, or None while there is none."""
    if not outbox.exists():
        return None
    for written in outbox.read_bytes().split(b"\n")[:-1]:
        line: dict[str, Any] = json.loads(written)
        if line["message_id"] == message_id:
            return line
    return None


def _tell(context: Context, place: _Place, mail: _Arrived, call: _Arrived, *, once: bool) -> None:
    console = f"{place.http}/console"
    context.show(
        {
            "mail": _told(mail),
            "soap": _told(call),
            "smtp": place.smtp,
            "http": place.http,
            "console": console,
            "outbox": str(place.outbox),
        },
        "One mail and one SOAP call went through a whole bridge, to a sandbox instead of a phone.",
        "",
        f"The mail, multipart/alternative in quoted-printable, over SMTP at {place.smtp}:",
        f"  from     {_SENDER}, a mailbox of the account {_ACCOUNT}",
        f"  to       {_RECIPIENT}",
        f"  text     {_TEXT}",
        f"  answer   {mail.answer}",
        *_phone(mail),
        "",
        f"The call, send_sms in a SOAP 1.1 envelope, to {place.http}/soap:",
        f"  dest     {_CALL_TO}",
        f"  message  {_CALL_TEXT}",
        f"  answer   {call.answer}",
        *_phone(call),
        "Both were answered once the text lay in the database; from there the dispatcher took it to the carrier.",
        *([] if once else _going_on(place, console)),
    )
    sys.stdout.flush()


def _told(one: _Arrived) -> dict[str, Any]:
    size = measure(one.line["text"])
    return {"answer": one.answer, "received": one.line, "encoding": size.encoding, "units": size.units}


def _phone(one: _Arrived) -> list[str]:
    line, size = one.line, measure(one.line["text"])
    parts = f"{line['parts']} part{'s' * (line['parts'] != 1)}"
    return [
        f"The text as the phone got it, {one.seconds * 1000:.0f} ms later:",
        f"  to       {line['to']}",
        f"  text     {line['text']}",
        f"  size     {parts}, {size.units} units of {size.encoding}",
        f"  id       {line['id']}",
    ]


def _going_on(place: _Place, console: str) -> list[str]:
    return [
        "",
        f"The page with all texts:  {console}",
        f"Send another one:         SMTP at {place.smtp}, from {_SENDER}, to NUMBER@sms.example.com",
        f"or by SOAP:               {place.http}/soap?wsdl, token {place.token}",
        f"What phones got:          {place.outbox}",
        "",
        "Ctrl-C stops.",
    ]
