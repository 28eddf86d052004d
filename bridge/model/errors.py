"""The one error tree.

::

    BridgeError
    ├── Refusal                 the submission's fault; what the sender can mend
    │   ├── InvalidNumber           number_invalid
    │   │   ├── PremiumNumber       number_premium
    │   │   └── UnassignedNumber    number_unassigned
    │   ├── UnknownDomain           domain_unknown
    │   ├── SenderRefused           sender_not_authorised
    │   │   └── ProofMissing            proof_missing
    │   ├── AutomaticMail           mail_automatic
    │   ├── LoginFailed             login_failed
    │   ├── LoginBlocked            login_blocked         (temporary: too many failed before it)
    │   ├── SenderName              sender_name_invalid
    │   │   └── SenderNotApproved   sender_name_not_approved
    │   ├── AccountDisabled         account_disabled
    │   ├── NoText                  text_empty
    │   ├── TextTooLong             text_too_long
    │   ├── MailTooLarge            mail_too_large
    │   ├── MalformedContent        content_malformed
    │   ├── InvalidTemplate         template_invalid
    │   │   └── MissingField        field_missing
    │   ├── InvalidTime             sendtime_invalid
    │   │   ├── PastTime            sendtime_past
    │   │   └── UnknownZone         zone_unknown
    │   ├── QuietHours              quiet_hours
    │   ├── CountryRefused          country_not_allowed
    │   ├── NoRoute                 route_missing
    │   ├── OptedOut                opted_out
    │   ├── UnknownRecipient        recipient_unknown
    │   ├── UnknownMessage          message_unknown
    │   ├── WrongState              state_wrong
    │   ├── InvalidRequest          request_invalid
    │   ├── CallbackRefused         callback_url_invalid
    │   ├── TooManyRecipients       recipients_too_many   (temporary: send the rest in another one)
    │   ├── NoCredit                credit_exhausted      (temporary: credit can be added)
    │   └── RateLimited             rate_limited          (temporary)
    │       └── SpendLimited        spend_limited         (temporary)
    ├── Trouble                 ours; always temporary
    │   ├── StoreUnavailable        store_unavailable
    │   │   └── StoreFull               store_full
    │   ├── Stopping                stopping
    │   ├── DnsUnavailable          dns_unavailable
    │   └── InternalError           internal
    └── OperatorError           a command or a start that cannot go on; never reaches a sender
        ├── ConfigError             config_invalid
        ├── SchemaMismatch          schema_mismatch
        ├── NotFound                not_found
        └── Conflict                conflict

Every class has a stable ``code`` (documented in docs/errors.md) and says whether the same request may succeed
later (``temporary``). ``reason`` is one line for a person; it never holds a secret or the text of a message,
but for the few characters that a rule has to name.
A door maps classes to its own replies by one total table.
"""

from __future__ import annotations

from typing import ClassVar


class BridgeError(Exception):
    """Root of the tree. ``code`` is stable, ``temporary`` says whether trying again can help."""

    code: ClassVar[str] = "error"
    temporary: ClassVar[bool] = True

    def __init__(self, reason: str) -> None:
        """Keep ``reason``, one line for a person."""
        super().__init__(reason)
        self.reason = reason


class Refusal(BridgeError):
    """The submission breaks a rule; the sender can mend it."""

    code = "refused"
    temporary = False


class InvalidNumber(Refusal):
    """The recipient is no number a text can be sent to."""

    code = "number_invalid"


class PremiumNumber(InvalidNumber):
    """The recipient is a premium-rate number: texts to it cost the account money it did not mean to spend."""

    code = "number_premium"


class UnassignedNumber(InvalidNumber):
    """The recipient's range is not assigned to any operator."""

    code = "number_unassigned"


class UnknownDomain(Refusal):
    """The address is in a domain this bridge does not serve; it relays for nobody."""

    code = "domain_unknown"


class SenderRefused(Refusal):
    """The sender's mailbox may not send, or did not prove that it is who it says."""

    code = "sender_not_authorised"


class ProofMissing(SenderRefused):
    """The mailbox may send, but nothing proves that the mail is from it; the reason names what would."""

    code = "proof_missing"


class AutomaticMail(Refusal):
    """A bounce, an out-of-office answer or the like: what a machine answers to a mail is no text for a phone."""

    code = "mail_automatic"


class LoginFailed(Refusal):
    """Nobody may come in with that login from there. Which part of it is wrong is not told."""

    code = "login_failed"


class LoginBlocked(Refusal):
    """Too many logins failed lately, for this account or from this address."""

    code = "login_blocked"
    temporary = True


class AccountDisabled(Refusal):
    """The account was switched off."""

    code = "account_disabled"


class SenderName(Refusal):
    """The name that the text should come from has a form no network shows."""

    code = "sender_name_invalid"


class SenderNotApproved(SenderName):
    """The name that the text should come from is not approved for the account."""

    code = "sender_name_not_approved"


class NoText(Refusal):
    """Nothing is left to send."""

    code = "text_empty"


class TextTooLong(Refusal):
    """The text needs more parts than may be sent."""

    code = "text_too_long"


class MailTooLarge(Refusal):
    """The mail has more bytes than the door takes."""

    code = "mail_too_large"


class MalformedContent(Refusal):
    """The content holds something that cannot be read as text."""

    code = "content_malformed"


class InvalidTemplate(Refusal):
    """The text has placeholders that cannot be read: unknown, nested or open braces."""

    code = "template_invalid"


class MissingField(InvalidTemplate):
    """A recipient lacks a field that the template asks for."""

    code = "field_missing"


class InvalidTime(Refusal):
    """The time to send at cannot be read, or does not exist."""

    code = "sendtime_invalid"


class PastTime(InvalidTime):
    """The time to send at is over, or so is the text's lifetime by then."""

    code = "sendtime_past"


class UnknownZone(InvalidTime):
    """No time zone has that name."""

    code = "zone_unknown"


class QuietHours(Refusal):
    """Nothing is sent at this hour, and the account does not hold texts until it ends."""

    code = "quiet_hours"


class CountryRefused(Refusal):
    """The account does not send to that country."""

    code = "country_not_allowed"


class NoRoute(Refusal):
    """No route of the configuration takes texts to that number, of that account, sender or priority."""

    code = "route_missing"


class OptedOut(Refusal):
    """The recipient asked for no more texts."""

    code = "opted_out"


class UnknownRecipient(Refusal):
    """No contact or group has that name."""

    code = "recipient_unknown"


class UnknownMessage(Refusal):
    """The account has no message with that id."""

    code = "message_unknown"


class InvalidRequest(Refusal):
    """The call lacks something it needs, or has it in a form that cannot be read."""

    code = "request_invalid"


class CallbackRefused(Refusal):
    """The URL to call back is none, or leads where the bridge does not call."""

    code = "callback_url_invalid"


class WrongState(Refusal):
    """The message is too far on its way, or over, for what was asked of it."""

    code = "state_wrong"


class TooManyRecipients(Refusal):
    """More recipients than one submission may have; the rest may come in another (RFC 5321, 4.5.3.1.10)."""

    code = "recipients_too_many"
    temporary = True


class NoCredit(Refusal):
    """The account's credit does not cover the text."""

    code = "credit_exhausted"
    temporary = True


class RateLimited(Refusal):
    """A limit of texts per time is reached."""

    code = "rate_limited"
    temporary = True


class SpendLimited(RateLimited):
    """The account's spend for the day is reached."""

    code = "spend_limited"


class Trouble(BridgeError):
    """Our own trouble. The sender should come again; nothing of the submission is kept."""

    code = "trouble"


class StoreUnavailable(Trouble):
    """The database cannot be read or written now."""

    code = "store_unavailable"


class StoreFull(StoreUnavailable):
    """The database has no space left."""

    code = "store_full"


class Stopping(Trouble):
    """The bridge is going down; another node or a later try will take it."""

    code = "stopping"


class DnsUnavailable(Trouble):
    """What proves a sender stands in the DNS, and that gave no answer."""

    code = "dns_unavailable"


class InternalError(Trouble):
    """A bug. Details are in the log under the same id."""

    code = "internal"


class OperatorError(BridgeError):
    """What an operator asked for cannot be done as asked."""

    code = "operator"
    temporary = False


class ConfigError(OperatorError):
    """The configuration has errors; ``problems`` lists all of them, one line each."""

    code = "config_invalid"

    def __init__(self, reason: str, problems: tuple[str, ...] = ()) -> None:
        """Keep all the problems found, not only the first."""
        super().__init__(reason)
        self.problems = problems


class SchemaMismatch(OperatorError):
    """The database's schema is not the one this version works with."""

    code = "schema_mismatch"


class NotFound(OperatorError):
    """The thing named does not exist."""

    code = "not_found"


class Conflict(OperatorError):
    """The thing exists already, or is in a state that does not allow this."""

    code = "conflict"


def tree(root: type[BridgeError] = BridgeError) -> tuple[type[BridgeError], ...]:
    """Every class of the tree, the root first. Doors prove with it that their tables are total."""
    found = [root]
    for child in root.__subclasses__():
        found.extend(tree(child))
    return tuple(found)
