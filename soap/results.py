"""One table from error class to the status that an answer carries, for every face.

A status is a number, for programs; the text beside it is for people. 0 is *taken*. The hundreds say what to do::

    1xx  the call, the login or what it names: mend the call
    2xx  the recipient
    3xx  the text, or the name it comes from
    4xx  the time to send at
    5xx  not now: the same call may succeed later (credit, limits)
    9xx  our trouble: the same call should come again

So everything from 500 on may be tried again as it is, and nothing below may. Numbers are never given to another error
later; docs/errors.md lists them. Of what is wrong with the call its own reason is told; of our trouble the text here.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.model import errors
from bridge.model.errors import BridgeError, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST = 400
"""Longest text beside a status: old programs keep it in a column."""


class Result(NamedTuple):
    """A status and the text beside it."""

    status: int
    text: str


TAKEN: Final = Result(0, "OK")

TABLE: Final[Mapping[type[BridgeError], Result]] = MappingProxyType(
    {
        errors.Refusal: Result(100, "refused"),
        errors.InvalidRequest: Result(101, "the call lacks something, or has it in a form that cannot be read"),
        errors.CallbackRefused: Result(102, "the URL to call back is not allowed"),
        errors.UnknownMessage: Result(103, "no message has that id"),
        errors.WrongState: Result(104, "too late, or too early, for that"),
        errors.LoginFailed: Result(105, "the login is wrong"),
        errors.AccountDisabled: Result(106, "the account is disabled"),
        errors.SenderRefused: Result(107, "the sender may not send"),
        errors.ProofMissing: Result(108, "nothing proves that the mail is from its sender"),
        errors.InvalidNumber: Result(201, "the number is not valid"),
        errors.PremiumNumber: Result(202, "a premium-rate number"),
        errors.UnassignedNumber: Result(203, "the number's range is not assigned"),
        errors.UnknownRecipient: Result(204, "no contact or group has that name"),
        errors.OptedOut: Result(205, "the recipient asked for no more texts"),
        errors.CountryRefused: Result(206, "the account does not send to that country"),
        errors.UnknownDomain: Result(207, "the domain is not served here"),
        errors.NoRoute: Result(208, "no route takes texts to that number"),
        errors.NoText: Result(301, "no text to send"),
        errors.TextTooLong: Result(302, "the text is too long"),
        errors.MalformedContent: Result(303, "the text cannot be read"),
        errors.InvalidTemplate: Result(304, "the text has placeholders that cannot be read"),
        errors.MissingField: Result(305, "the recipient lacks a field of the text"),
        errors.SenderName: Result(306, "the sender's name has a form no network shows"),
        errors.SenderNotApproved: Result(307, "the sender's name is not approved"),
        errors.MailTooLarge: Result(308, "the mail is too large"),
        errors.AutomaticMail: Result(309, "the mail is what a machine answers to another"),
        errors.InvalidTime: Result(401, "the time to send at cannot be read"),
        errors.PastTime: Result(402, "the time to send at is over"),
        errors.UnknownZone: Result(403, "no time zone has that name"),
        errors.QuietHours: Result(404, "nothing is sent at this hour"),
        errors.NoCredit: Result(501, "the credit does not cover the text"),
        errors.RateLimited: Result(502, "a limit of texts in a time is reached"),
        errors.SpendLimited: Result(503, "the spend of the day is reached"),
        errors.TooManyRecipients: Result(504, "too many recipients in one call"),
        errors.LoginBlocked: Result(505, "too many failed logins"),
        errors.BridgeError: Result(900, "trouble on our side; call again later"),
        errors.Trouble: Result(901, "trouble on our side; call again later"),
        errors.StoreUnavailable: Result(902, "trouble on our side; call again later"),
        errors.StoreFull: Result(903, "trouble on our side; call again later"),
        errors.Stopping: Result(904, "the bridge is going down; call again"),
        errors.InternalError: Result(905, "trouble on our side; call again later"),
        errors.DnsUnavailable: Result(906, "trouble on our side; call again later"),
        # An operator's error in front of a program is ours.
        errors.OperatorError: Result(950, "trouble on our side; call again later"),
        errors.ConfigError: Result(951, "trouble on our side; call again later"),
        errors.SchemaMismatch: Result(952, "trouble on our side; call again later"),
        errors.NotFound: Result(953, "trouble on our side; call again later"),
        errors.Conflict: Result(954, "trouble on our side; call again later"),
    }
)


def result(error: BridgeError | None) -> Result:
    """Return the status and the text of an error, or :data:`TAKEN` for none.

    The number is the table's for the class, or for the nearest above it. The text is one line without control
    characters, of 400 characters at most.
    """
    if error is None:
        return TAKEN
    found = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    if isinstance(error, Refusal):
        return Result(found.status, _line(error.reason) or found.text)
    return found


def _line(reason: str) -> str:
    shown = "".join(char if char.isprintable() else " " for char in reason)
    return " ".join(shown.split())[:_MOST]
