"""``smsbridge demo``: a whole bridge on a sandbox, and one mail through it.

Nothing here is a stand-in but the phone: the bridge is the one that ``serve`` runs, the mail goes over a socket, the
text lies in a database before it is answered, and the carrier writes it to a file.
"""

from __future__ import annotations

import asyncio
import json
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
_HTML = f'<html><body dir="rtl"><p style="color: #036">{_TEXT}</p></body></html>'

_LIMIT = 25.0
"""Seconds in which the text has to arrive; with start and stop it stays below 30."""
_LOOK = 0.02
_OK = 250
_WATCH = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where the bridge of the demo is."""

    smtp: str
    http: str
    outbox: Path


@command(app)
def demo(
    context: Context,
    once: Annotated[bool, typer.Option("--once", help="Stop after the text has arrived.")] = False,
) -> None:
    """Run a bridge on a sandbox, and send one mail through it.

    All of it lies in a temporary folder, on free ports, and is gone afterwards.
    """
    # Until the loop listens to it, SIGTERM too must not leave the folder behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="smsbridge-demo-") as folder:
        settings = _prepare(Path(folder))
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run(context, settings, once=once))


def _prepare(folder: Path) -> BaseSettings:
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
    finally:
        store.close()
    return settings


async def _run(context: Context, settings: BaseSettings, *, once: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _running(settings) as bridge:
        place = _Place(
            smtp=bridge.doors["smtp"].addresses[0],
            http=bridge.doors["http"].addresses[0],
            outbox=settings.carriers["sandbox"].outbox,
        )
        delivery = asyncio.create_task(_deliver(place))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([delivery, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not delivery.done():
            delivery.cancel()
            reason = "stopped before the text arrived"
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


async def _deliver(place: _Place) -> tuple[str, dict[str, Any], float]:
    """Send the mail. Returns the reply, the line that the phone got, and the seconds from the one to the other.

    Raises :exc:`InternalError` when it does not arrive.
    """
    clock = asyncio.get_running_loop().time
    reply = "none"
    try:
        async with asyncio.timeout(_LIMIT):
            reply = await asyncio.to_thread(_send_mail, place.smtp)
            answered = clock()
            # A file says nothing by itself when it grows.
            while (line := _find(place.outbox, message_id=reply.rpartition(" ")[2])) is None:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK)
            return reply, line, clock() - answered
    except TimeoutError as error:
        reason = f"the text did not arrive within {_LIMIT:.0f} seconds; the mail's last reply: {reply}"
        raise InternalError(reason) from error


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


def _tell(context: Context, place: _Place, reply: str, line: dict[str, Any], seconds: float, *, once: bool) -> None:
    size = measure(line["text"])
    console = f"{place.http}/console"
    parts = f"{line['parts']} part{'s' * (line['parts'] != 1)}"
    context.show(
        {
            "reply": reply,
            "received": line,
            "encoding": size.encoding,
            "units": size.units,
            "smtp": place.smtp,
            "console": console,
            "outbox": str(place.outbox),
        },
        "One mail went through a whole bridge, to a sandbox instead of a phone.",
        "",
        "The mail, multipart/alternative in quoted-printable:",
        f"  from     {_SENDER}, a mailbox of the account {_ACCOUNT}",
        f"  to       {_RECIPIENT}",
        f"  subject  {_SUBJECT}",
        f"  text     {_TEXT}",
        "",
        f"The answer of the SMTP server at {place.smtp}, once the text lay in the database:",
        f"  {reply}",
        "",
        f"The text as the phone got it, {seconds * 1000:.0f} ms later:",
        f"  to       {line['to']}",
        f"  text     {line['text']}",
        f"  size     {parts}, {size.units} units of {size.encoding}",
        f"  id       {line['id']}",
        "",
        "Its way: mail -> smtp -> rules -> database -> dispatcher -> carrier sandbox -> outbox",
        *([] if once else _going_on(place, console)),
    )
    sys.stdout.flush()


def _going_on(place: _Place, console: str) -> list[str]:
    return [
        "",
        f"The page with all texts:  {console}",
        f"Send another one:         SMTP at {place.smtp}, from {_SENDER}, to NUMBER@sms.example.com",
        f"What phones got:          {place.outbox}",
        "",
        "Ctrl-C stops.",
    ]
