"""Accounts and mailboxes: who may send, and on whose account."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import email_validator
from email_validator import EmailNotValidError, validate_email

from bridge.model.errors import AccountDisabled, SenderRefused
from bridge.model.login import KeyKind
from bridge.model.mail_policy import STANDARD, MailPolicy
from bridge.model.rules import AccountRules
from bridge.model.sender import SenderRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.model.login import Login

_PLAIN_ADDRESS = re.compile(
    r"[a-z0-9_+&'=-]+(?:\.[a-z0-9_+&'=-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}", re.ASCII
)
"""Addresses that are their own normal form.

The validator is asked about all others (a test compares the two).
"""

# Devices and monitors do send as root@localhost. Who may send is the operator's rule: no name is reserved.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

_LOCAL_LIMIT = 64
_ADDRESS_LIMIT = 254


def normalise_address(raw: str) -> str:
    """Return the one spelling under which a mailbox is known: lower case, the domain as A-labels (RFC 5891).

    The local part is folded too: no mailbox provider in use tells ``Ann`` from ``ann``, and a rule that does
    would refuse people. Raises :exc:`SenderRefused` when this is no address (RFC 5321, 4.1.2; RFC 6531).
    """
    folded = raw.lower()
    if (
        len(folded) <= _ADDRESS_LIMIT
        and folded.find("@") <= _LOCAL_LIMIT
        and "--" not in folded  # an A-label, or a domain that only looks like one
        and _PLAIN_ADDRESS.fullmatch(folded)
    ):
        return folded
    try:
        parsed = validate_email(raw, check_deliverability=False, allow_quoted_local=True, globally_deliverable=False)
    except EmailNotValidError as error:
        reason = f"not an email address: {error}"
        raise SenderRefused(reason) from error
    domain = parsed.ascii_domain or parsed.domain
    return f"{parsed.local_part.lower()}@{domain.lower()}"


def normalise_pattern(raw: str) -> str:
    """Return the normal form of a mailbox rule: ``ann@example.com``, or ``@example.com`` for a whole domain.

    Raises :exc:`SenderRefused` for anything else.
    """
    if raw.startswith("@"):
        return "@" + normalise_address("x" + raw).partition("@")[2]
    return normalise_address(raw)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A customer of the bridge. ``region`` (ISO 3166) is where its local numbers are dialled."""

    id: int
    name: str
    region: str | None
    enabled: bool = True
    rules: AccountRules = field(default_factory=AccountRules)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mailbox:
    """A mailbox, or all of a domain, that may send for an account; ``settings`` are its own ones of the policy."""

    pattern: str
    account_id: int
    policy: MailPolicy = STANDARD
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Directory:
    """A snapshot of who may send: what the rules are asked of, with no I/O.

    ``revision`` is the store's count of changes. ``logins`` are those in force, by user name; ``tokens`` the ones of
    them that are tokens, by what is kept of the token.
    """

    revision: int
    accounts: Mapping[int, Account] = field(default_factory=dict)
    mailboxes: Mapping[str, Mailbox] = field(default_factory=dict)
    senders: Mapping[int, SenderRules] = field(default_factory=dict)
    logins: Mapping[str, Login] = field(default_factory=dict)
    tokens: Mapping[str, Login] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        revision: int,
        accounts: Iterable[Account],
        mailboxes: Iterable[Mailbox],
        senders: Mapping[int, SenderRules] | None = None,
        logins: Iterable[Login] = (),
    ) -> Directory:
        """Build a snapshot from rows."""
        by_user = {login.user: login for login in logins}
        return cls(
            revision=revision,
            accounts={account.id: account for account in accounts},
            mailboxes={mailbox.pattern: mailbox for mailbox in mailboxes},
            senders=senders or {},
            logins=by_user,
            tokens={login.secret: login for login in by_user.values() if login.kind is KeyKind.TOKEN},
        )

    def account(self, account_id: int) -> Account:
        """Return an account that may send. Raises :exc:`AccountDisabled`, also when it is gone."""
        account = self.accounts.get(account_id)
        if account is None or not account.enabled:
            reason = "the account is disabled"
            raise AccountDisabled(reason)
        return account

    def account_for(self, address: str) -> Account:
        """Return the account for which a mailbox may send; see :meth:`mailbox_for`."""
        return self.account(self.mailbox_for(address).account_id)

    def mailbox_for(self, address: str) -> Mailbox:
        """Return the rule by which a mailbox may send: its own first, then its domain's; its account is enabled.

        ``address`` is in the form of :func:`normalise_address`. Raises :exc:`SenderRefused`,
        :exc:`AccountDisabled`.
        """
        mailbox = self.mailboxes.get(address) or self.mailboxes.get(address[address.rfind("@") :])
        if mailbox is None:
            reason = f"mailbox {address} is not allowed to send"
            raise SenderRefused(reason)
        self.account(mailbox.account_id)
        return mailbox

    def sender(self, account_id: int, wanted: str | None, *, origin: str) -> str | None:
        """Return the name that a text comes from; see :meth:`bridge.model.sender.SenderRules.choose`."""
        return self.senders.get(account_id, _USUAL_SENDERS).choose(wanted, origin)


_USUAL_SENDERS = SenderRules()
