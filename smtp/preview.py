"""What the bridge would make of a mail, without taking it."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.utils import getaddresses, parseaddr
from typing import TYPE_CHECKING, Any

from bridge.model.account import normalise_address
from bridge.model.errors import BridgeError, MailTooLarge, Refusal
from bridge.model.price import credit_number
from bridge.model.text import check_length, clean
from smtp.address import parse_recipient
from smtp.content import read_content
from smtp.submission import submission_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.model.account import Directory
    from bridge.model.message import Receipt, Result, Submission
    from smtp.config import SmtpSettings


def preview(
    settings: SmtpSettings,
    directory: Directory,
    raw: bytes,
    *,
    sender: str | None,
    recipients: Sequence[str],
    region: str | None = None,
    ask: Callable[[Submission], Receipt] | None = None,
) -> list[dict[str, Any]]:
    """Return one entry per recipient: what would be sent, or ``error`` with its code and reason.

    Without a ``sender`` or ``recipients`` those of the mail's header stand in for the envelope. ``ask`` puts a test
    submission to the rules, which then say state, price, and when it would leave; without it the entries say what the
    mail alone says.
    """
    header = message_from_bytes(raw, policy=policy.compat32)
    sender = sender or parseaddr(str(header.get("From", "")))[1]
    named = recipients or [address for _, address in getaddresses([str(to) for to in header.get_all("To", [])])]
    try:
        origin = normalise_address(sender)
        account = directory.account_for(origin)
        if len(raw) + raw.count(b"\n") - raw.count(b"\r\n") > settings.max_size:  # each line goes out with CRLF
            reason = f"the mail is larger than {settings.max_size} octets"
            raise MailTooLarge(reason)
        mail = read_content(raw)
        text = clean(mail.text)
        measure = check_length(text, settings.max_parts)
        entries = [_addressed(address, settings, account.region or region) for address in named]
        numbers = [entry["number"] for entry in entries if "number" in entry]
        submission = submission_of(
            mail, account_id=account.id, origin=origin, numbers=numbers, max_parts=settings.max_parts, test=True
        )
        answers = _asked(ask, submission) if ask and numbers else {}
    except BridgeError as error:
        return [_error(address, error) for address in named]
    size = {"text": text, "encoding": str(measure.encoding), "units": measure.units, "parts": measure.parts}
    return [
        entry if "error" in entry else _answered(entry | {"account": account.name} | size, answers) for entry in entries
    ]


def _addressed(address: str, settings: SmtpSettings, region: str | None) -> dict[str, Any]:
    try:
        return {"to": address, "number": parse_recipient(address, domains=settings.domains, region=region)}
    except Refusal as error:
        return _error(address, error)


def _asked(ask: Callable[[Submission], Receipt], submission: Submission) -> dict[str, Result]:
    """Return the rules' answer by number; where one is named twice, the first."""
    return {result.number: result for result in reversed(ask(submission).results)}


def _answered(entry: dict[str, Any], answers: dict[str, Result]) -> dict[str, Any]:
    result = answers.get(entry["number"])
    if result is None:
        return entry
    if result.refusal is not None:
        return _error(entry["to"], result.refusal)
    if result.duplicate:
        return entry | {"duplicate_of": result.recipient_id}
    due = None if result.due_at is None else result.due_at.isoformat(timespec="seconds")
    return entry | {"state": result.state, "price": credit_number(result.price), "due_at": due}


def _error(address: str, error: BridgeError) -> dict[str, Any]:
    return {"to": address, "error": {"code": error.code, "reason": error.reason}}
