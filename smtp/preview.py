"""What the bridge would make of a mail, without taking it."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.utils import getaddresses, parseaddr
from typing import TYPE_CHECKING, Any

from bridge.model.account import normalise_address
from bridge.model.errors import BridgeError, MailTooLarge, Refusal
from bridge.model.text import check_length, clean
from smtp.address import parse_recipient
from smtp.content import read_content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.account import Directory
    from smtp.config import SmtpSettings


def preview(
    settings: SmtpSettings,
    directory: Directory,
    raw: bytes,
    *,
    sender: str | None,
    recipients: Sequence[str],
    region: str | None = None,
) -> list[dict[str, Any]]:
    """Return one entry per recipient: what would be sent, or ``error`` with its code and reason.

    Without a ``sender`` or ``recipients`` those of the mail's header stand in for the envelope.
    """
    header = message_from_bytes(raw, policy=policy.compat32)
    sender = sender or parseaddr(str(header.get("From", "")))[1]
    named = recipients or [address for _, address in getaddresses([str(to) for to in header.get_all("To", [])])]
    try:
        account = directory.account_for(normalise_address(sender))
        if len(raw) + raw.count(b"\n") - raw.count(b"\r\n") > settings.max_size:  # each line goes out with CRLF
            reason = f"the mail is larger than {settings.max_size} octets"
            raise MailTooLarge(reason)
        text = clean(read_content(raw).text)
        measure = check_length(text, settings.max_parts)
    except BridgeError as error:
        return [_error(address, error) for address in named]
    entries = []
    for address in named:
        try:
            number = parse_recipient(address, domains=settings.domains, region=account.region or region)
        except Refusal as error:
            entries.append(_error(address, error))
            continue
        entries.append(
            {
                "to": address,
                "number": number,
                "account": account.name,
                "text": text,
                "encoding": str(measure.encoding),
                "units": measure.units,
                "parts": measure.parts,
            }
        )
    return entries


def _error(address: str, error: BridgeError) -> dict[str, Any]:
    return {"to": address, "error": {"code": error.code, "reason": error.reason}}
