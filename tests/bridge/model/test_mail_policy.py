"""What is set for a mailbox: how it is written, what is refused, and which level counts."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest

from bridge.model.mail_policy import (
    NAMES,
    STANDARD,
    Cut,
    Length,
    MailPolicy,
    Option,
    Proof,
    SecretPlace,
    SubjectUse,
    Transliterate,
    all_written,
    check,
    read,
    written,
)

SET = {
    "proof": ("login, DKIM", frozenset({Proof.LOGIN, Proof.DKIM}), "dkim,login"),
    "signed_recipients": ("no", False, "false"),
    "subject": ("Prefix", SubjectUse.PREFIX, "prefix"),
    "cut": ("quotes", frozenset({Cut.QUOTES}), "quotes"),
    "disclaimers": ("This mail is | בכבוד רב", ("This mail is", "בכבוד רב"), "This mail is|בכבוד רב"),
    "banners": ("CAUTION", ("CAUTION",), "CAUTION"),
    "end_markers": ("none", (), "none"),
    "fold_blank": ("off", False, "false"),
    "first_lines": ("3", 3, "3"),
    "links": ("true", True, "true"),
    "length": ("word", Length.WORD, "word"),
    "max_parts": ("2", 2, "2"),
    "transliterate": ("fit", Transliterate.FIT, "fit"),
    "charset": ("windows-1255", "cp1255", "cp1255"),
    "options": ("at,test", frozenset({Option.AT, Option.TEST}), "at,test"),
    "secrets": ("line", frozenset({SecretPlace.LINE}), "line"),
    "collapse": ("5m", timedelta(minutes=5), "300s"),
    "collapse_pass": ("RECOVERY|OK", ("RECOVERY", "OK"), "RECOVERY|OK"),
}


@pytest.mark.parametrize("name", SET)
def test_a_setting_is_read_and_written(name: str) -> None:
    """What is written is read as it is meant, and written in one form that is read the same."""
    given, meant, kept = SET[name]
    assert getattr(read({name: given}), name) == meant
    assert check(name, given) == kept
    assert read({name: kept}) == read({name: given})
    assert written(read({name: given})) == {name: kept}


def test_every_setting_has_a_case() -> None:
    """None can be added without being read and written; the usual values are written as nothing."""
    assert set(SET) == set(NAMES) == {each.name for each in fields(MailPolicy)}
    assert written(STANDARD) == {}
    assert read(all_written(STANDARD)) == STANDARD
    assert {name: check(name, value) for name, value in all_written(STANDARD).items()} == all_written(STANDARD)


def test_the_nearer_level_counts() -> None:
    """A mailbox's own setting goes before its account's; what neither says is the usual."""
    policy = read({"cut": "none", "subject": "only"}, {"cut": "quotes"})
    assert policy == MailPolicy(cut=frozenset({Cut.QUOTES}), subject=SubjectUse.ONLY)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("proof", "none", "one of network"),
        ("proof", "dkim,vouch", "none, or some of"),
        ("subject", "maybe", "one of ignore, prefix, only, options"),
        ("cut", "quotes,", "none, or some of"),
        ("first_lines", "0", "from 1 to 1000"),
        ("first_lines", "1001", "from 1 to 1000"),
        ("first_lines", "٣", "from 1 to 1000"),
        ("max_parts", "21", "from 1 to 20"),
        ("charset", "klingon", "no charset"),
        ("collapse", "0.5s", "from 1s to 1d"),
        ("collapse", "25h", "from 1s to 1d"),
        ("collapse", "soon", "write a time span"),
        ("links", "2", "true or false"),
        ("disclaimers", "|".join("x" * 51), "at most 50 phrases"),
        ("banners", "x" * 201, "at most 50 phrases of 200"),
        ("colour", "red", "no setting is named colour"),
    ],
)
def test_what_is_wrong_is_refused(name: str, value: str, reason: str) -> None:
    """The error names what is allowed."""
    with pytest.raises(ValueError, match=reason):
        check(name, value)
    with pytest.raises(ValueError, match=reason):
        read({name: value})


def test_network_and_login_are_usual_proofs_and_spf_and_secrets_are_not() -> None:
    """SPF says of a host what all its users share, and who sees a mail reads a secret in it: only on request."""
    assert Proof.SPF not in STANDARD.proof
    assert Proof.SECRET not in STANDARD.proof
    assert {Proof.NETWORK, Proof.LOGIN} <= STANDARD.proof
