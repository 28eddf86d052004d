"""One table from error class to SMTP reply.

Codes are those of RFC 5321, 4.2.3, enhanced codes those of RFC 3463. Temporary errors answer 4yz, permanent ones 5yz:
a test proves it for every class of the tree. What is wrong with the submission is said; what is wrong with us is not.
"""

from __future__ import annotations

from bridge.model import errors
from bridge.model.errors import BridgeError, Refusal

_MOST = 400
"""Longest text in a reply; the line may have 512 octets (RFC 5321, 4.5.3.1.5)."""

TABLE: dict[type[BridgeError], str] = {
    errors.BridgeError: "451 4.3.0",
    errors.InvalidNumber: "550 5.1.1",
    errors.UnknownDomain: "550 5.1.2",
    errors.UnknownRecipient: "550 5.1.1",
    # Of a mail: what it asks for behind the number, or in its subject.
    errors.InvalidRequest: "550 5.1.3",
    errors.InvalidTime: "550 5.1.3",
    errors.SenderRefused: "550 5.7.1",
    errors.AutomaticMail: "550 5.7.1",
    errors.LoginFailed: "550 5.7.1",
    errors.LoginBlocked: "450 4.7.1",
    errors.AccountDisabled: "550 5.7.1",
    errors.SenderName: "550 5.7.1",
    errors.CountryRefused: "550 5.7.1",
    errors.NoRoute: "550 5.4.4",
    errors.OptedOut: "550 5.7.1",
    errors.QuietHours: "550 5.7.1",
    errors.NoText: "554 5.6.0",
    errors.TextTooLong: "552 5.3.4",
    errors.MailTooLarge: "552 5.3.4",
    errors.MalformedContent: "554 5.6.0",
    errors.TooManyRecipients: "452 4.5.3",
    errors.NoCredit: "452 4.2.2",
    errors.RateLimited: "450 4.7.1",
    errors.Refusal: "554 5.0.0",
    errors.Stopping: "421 4.3.2",
    errors.DnsUnavailable: "451 4.4.3",
    # An operator's error in front of a sender is ours.
    errors.OperatorError: "451 4.3.0",
}

ACCEPTED = "250 2.0.0 Accepted"
SENDER_OK = "250 2.1.0 OK"
RECIPIENT_OK = "250 2.1.5 OK"
LOGGED_IN = "235 2.7.0 Authentication succeeded"
LOGIN_FAILED = "535 5.7.8 Authentication credentials invalid"
LOGIN_LATER = "454 4.7.0 Authentication is not possible now; come again later"
CLOSING = "421 4.3.2 Closing; come again later"
TIMEOUT = "421 4.4.2 Timeout; closing"
TOO_LONG = "421 4.4.2 This takes too long; closing"
TOO_MANY = "421 4.3.2 Too many connections; come again later"
TOO_MANY_COMMANDS = "421 4.7.0 Too many commands; closing"
TOO_MANY_ERRORS = "421 4.7.0 Too many errors; closing"
BEHIND_STARTTLS = "554 5.5.1 Nothing may follow STARTTLS before its reply; closing"
NO_DNS = "451 4.4.3 DNS gave no answer about the sender; come again later"
TROUBLE = "451 4.3.0 Trouble on our side; come again later"


def reply(error: BridgeError) -> str:
    """Return the reply for an error: the table's code for its class or the nearest above it, and a text."""
    code = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    if isinstance(error, Refusal):
        return f"{code} {_line(error.reason)}"
    if isinstance(error, errors.Stopping):
        return CLOSING
    if isinstance(error, errors.DnsUnavailable):
        return NO_DNS
    return TROUBLE


def _line(reason: str) -> str:
    """Return a reason as it may stand in a reply: one line of printable ASCII (RFC 5321, 4.2), bounded."""
    plain = "".join(char if " " <= char <= "~" else "?" for char in " ".join(reason.split()))
    return plain[:_MOST]
