"""The door that inputs come to: its settings, what mailboxes may set, and who may send."""

from __future__ import annotations

from typing import Final

from bench.mailfuzz.making import ANN, DOMAIN, OPEN, SIGNED
from bridge.model import mail_policy
from bridge.model.account import Account, Directory, Mailbox
from smtp.config import SmtpSettings
from smtp.places import Places

SETTINGS: Final = SmtpSettings.model_validate(
    {
        "domains": [DOMAIN, "us.example.com", "ישראל.example"],
        "domain": {"us.example.com": {"region": "US", "digits": 10}},
        "carrier_domains": True,
        "relays": {"mx.relay.test": ["198.51.100.7/32"]},
        "forwarders": ["forwarder.test"],
    }
)
PLACES: Final = Places(SETTINGS)

SECRETS: Final = {"secrets": "subject,address,body,line", "subject": "prefix", "length": "word", "max_parts": "3"}
POLICIES: Final = tuple(
    mail_policy.read(settings)
    for settings in (
        {},
        SECRETS,
        {"subject": "prefix", "length": "word", "max_parts": "1", "transliterate": "fit"},
        {"subject": "only", "length": "ellipsis", "max_parts": "2"},
        {"subject": "options", "options": "from,at"},
        {"subject": "options", "transliterate": "always", "first_lines": "3", "length": "ellipsis"},
        {"cut": "none", "fold_blank": "false", "length": "ellipsis", "max_parts": "1"},
        {"disclaimers": "CONFIDENTIAL|Disclaimer", "banners": "CAUTION|[EXTERNAL]", "end_markers": "$$|--end|-"},
        {"secrets": "line", "subject": "ignore", "charset": "windows-1255", "links": "true", "length": "word"},
    )
)


def directory() -> Directory:
    """Return who may send: the three mailboxes, and all of another domain."""
    policies = {ANN: POLICIES[0], OPEN: POLICIES[1], SIGNED: POLICIES[0], "@example.net": POLICIES[2]}
    mailboxes = [Mailbox(pattern=name, account_id=1, policy=policy) for name, policy in policies.items()]
    return Directory.of(1, [Account(id=1, name="bench", region="IL")], mailboxes)
