"""The error tree: its drawing, its codes, its flags."""

from __future__ import annotations

import re

import pytest

from bridge.model import errors
from bridge.model.errors import BridgeError, ConfigError, tree

CODES = {
    "BridgeError": "error",
    "Refusal": "refused",
    "InvalidNumber": "number_invalid",
    "PremiumNumber": "number_premium",
    "UnassignedNumber": "number_unassigned",
    "UnknownDomain": "domain_unknown",
    "SenderRefused": "sender_not_authorised",
    "ProofMissing": "proof_missing",
    "AutomaticMail": "mail_automatic",
    "DnsUnavailable": "dns_unavailable",
    "LoginFailed": "login_failed",
    "LoginBlocked": "login_blocked",
    "AccountDisabled": "account_disabled",
    "SenderName": "sender_name_invalid",
    "SenderNotApproved": "sender_name_not_approved",
    "NoText": "text_empty",
    "TextTooLong": "text_too_long",
    "MailTooLarge": "mail_too_large",
    "MalformedContent": "content_malformed",
    "InvalidTemplate": "template_invalid",
    "MissingField": "field_missing",
    "InvalidTime": "sendtime_invalid",
    "PastTime": "sendtime_past",
    "UnknownZone": "zone_unknown",
    "QuietHours": "quiet_hours",
    "CountryRefused": "country_not_allowed",
    "NoRoute": "route_missing",
    "OptedOut": "opted_out",
    "UnknownRecipient": "recipient_unknown",
    "UnknownMessage": "message_unknown",
    "WrongState": "state_wrong",
    "InvalidRequest": "request_invalid",
    "CallbackRefused": "callback_url_invalid",
    "TooManyRecipients": "recipients_too_many",
    "NoCredit": "credit_exhausted",
    "RateLimited": "rate_limited",
    "SpendLimited": "spend_limited",
    "Trouble": "trouble",
    "StoreUnavailable": "store_unavailable",
    "StoreFull": "store_full",
    "Stopping": "stopping",
    "InternalError": "internal",
    "OperatorError": "operator",
    "ConfigError": "config_invalid",
    "SchemaMismatch": "schema_mismatch",
    "NotFound": "not_found",
    "Conflict": "conflict",
}
"""Programs of our users compare these: a code is never changed and never used again."""

DRAWN = re.compile(r"^    ([│ ├└─]*)([A-Z]\w+)(?: +(.+))?$", re.MULTILINE)


def _ours() -> dict[str, type[BridgeError]]:
    """The classes of the module itself: other tests may derive their own."""
    return {found.__name__: found for found in tree() if found.__module__ == errors.__name__}


def test_codes_are_stable() -> None:
    """Every class has the code that was published."""
    assert {name: found.code for name, found in _ours().items()} == CODES


def test_codes_are_unique() -> None:
    """A code names one class, so that a table from code to anything is one from class too."""
    assert len(set(CODES.values())) == len(CODES)


def test_the_tree_is_as_drawn() -> None:
    """The drawing in the module's docstring is the tree: each class under its parent, with its code and its flag."""
    assert errors.__doc__ is not None
    path: list[str] = []
    drawn = {}
    for branch, name, remark in DRAWN.findall(errors.__doc__):
        depth = len(branch) // 4
        path[depth:] = [name]
        drawn[name] = (path[depth - 1] if depth else None, remark)
    classes = _ours()
    assert set(drawn) == set(classes)
    for name, (parent, remark) in drawn.items():
        found = classes[name]
        if parent is not None:
            assert found.__bases__ == (classes[parent],), name
        if not found.__subclasses__() or found.code in remark:
            assert remark.split()[0] == found.code, name
        if issubclass(found, errors.Refusal):
            assert found.temporary == ("(temporary" in remark), name
    assert "always temporary" in drawn["Trouble"][1]


@pytest.mark.parametrize("found", tree(), ids=lambda found: found.__name__)
def test_flags(found: type[BridgeError]) -> None:
    """Our trouble is always temporary, an operator's mistake never."""
    if issubclass(found, errors.Trouble):
        assert found.temporary
    if issubclass(found, errors.OperatorError):
        assert not found.temporary


@pytest.mark.parametrize("found", tree(), ids=lambda found: found.__name__)
def test_an_error_says_its_reason(found: type[BridgeError]) -> None:
    """Each is made with one reason, which is what it prints."""
    error = found("disk at 97 %")
    assert (error.reason, str(error)) == ("disk at 97 %", "disk at 97 %")


def test_tree_starts_anywhere() -> None:
    """The tree of a class is itself first, then all below it, and nothing beside."""
    found = tree(errors.InvalidNumber)
    assert found[0] is errors.InvalidNumber
    assert set(found) == {errors.InvalidNumber, errors.PremiumNumber, errors.UnassignedNumber}


def test_a_configuration_has_many_problems() -> None:
    """All of them are kept, in order."""
    assert ConfigError("2 problems", ("one", "two")).problems == ("one", "two")
    assert ConfigError("it").problems == ()
