"""Sender names: which forms there are, what may be sent as what, and how a name comes to be approved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import Conflict, NotFound, SenderName, SenderNotApproved
from bridge.model.sender import (
    USUAL,
    Sender,
    SenderKind,
    SenderRules,
    SenderState,
    Verdict,
    decide,
    fold_sender,
    parse_sender,
)
from bridge.model.text import Encoding, measure

ALL = frozenset(SenderKind)
A, N, C, S = SenderKind.ALPHANUMERIC, SenderKind.NUMERIC, SenderKind.SHORT_CODE, SenderKind.STAR


@pytest.mark.parametrize(
    ("raw", "kinds", "kind", "name"),
    [
        ("ACME", USUAL, A, "ACME"),
        ("abc", USUAL, A, "abc"),
        ("ElevenChars", USUAL, A, "ElevenChars"),
        ("A-1 & B.'_+!", USUAL, None, ""),
        ("A-1 & B.'_!", USUAL, A, "A-1 & B.'_!"),
        ("1-800-X", USUAL, A, "1-800-X"),
        ("123", USUAL, N, "123"),
        ("1234567", USUAL, N, "1234567"),
        ("12345678901234", USUAL, N, "12345678901234"),
        ("+972502345678", USUAL, N, "972502345678"),
        ("0502345678", USUAL, N, "0502345678"),
        ("12345", ALL, C, "12345"),
        ("123456", {C}, C, "123456"),
        ("1234567", ALL, N, "1234567"),
        ("*1234", ALL, S, "*1234"),
        ("*1234", {S}, S, "*1234"),
    ],
)
def test_forms(raw: str, kinds: frozenset[SenderKind], kind: SenderKind | None, name: str) -> None:
    """Each form has its kind, and its bounds hold at the edge; digits are a short code only where one is allowed."""
    if kind is None:
        with pytest.raises(SenderName):
            parse_sender(raw, kinds=kinds)
    else:
        assert parse_sender(raw, kinds=kinds) == Sender(kind=kind, name=name)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("", "it is empty"),
        ("AB", "2 characters"),
        ("TwelveLetter", "12 characters"),
        ("12", "2 characters without a letter"),
        ("123456789012345", "15 characters without a letter"),
        ("123-456", "without a letter"),
        ("+12", "without a letter"),
        ("+0502345678", "without a letter"),
        (" ACME", "a space"),
        ("ACME ", "a space"),
        ("A  ME", "a space"),
        ("ACME\n", "a space"),
        ("\u05e9\u05dc\u05d5\u05dd", "U+05E9"),
        ("Caf\xe9", "U+00E9"),
        ("A@ME", "U+0040"),
        ('"ACME"', "U+0022"),
        ("AC\x1bME", "(U+001B)"),
        ("ACME\u202e", "U+202E"),
        ("\uff21\uff23\uff2d\uff25", "U+FF21"),
        ("\u0661\u0662\u0663\u0664", "U+0661"),
        ("*123", "a star is followed by four digits"),
        ("*12345", "a star is followed by four digits"),
        ("*12a4", "a star is followed by four digits"),
    ],
)
def test_what_is_no_name_is_refused(raw: str, said: str) -> None:
    """The reason says what is wrong, on one line that shows no codes to a terminal, and what is allowed."""
    with pytest.raises(SenderName) as caught:
        parse_sender(raw, kinds=ALL)
    assert said in caught.value.reason
    assert "allowed: 3 to 11 Latin letters" in caught.value.reason
    assert caught.value.reason.isprintable()
    assert not isinstance(caught.value, SenderNotApproved)


@pytest.mark.parametrize(
    ("raw", "kinds", "said"),
    [
        ("*1234", USUAL, "may not send as a star and four digits; allowed: 3 to 11 Latin"),
        ("ACME", {N}, "may not send as 3 to 11 Latin letters"),
        ("0502345678", {A, C}, "may not send as 3 to 14 digits"),
        ("ACME", set(), "this account may use none"),
    ],
)
def test_a_kind_the_account_lacks_is_refused(raw: str, kinds: set[SenderKind], said: str) -> None:
    """A good name of a kind that the account's setting leaves out is refused, and the reason says which are in."""
    with pytest.raises(SenderName, match=said):
        parse_sender(raw, kinds=kinds)


@given(st.text(max_size=16))
def test_a_name_fits_in_its_field(raw: str) -> None:
    """What is taken is ASCII and GSM 7 bit without escapes, of one length in characters and septets, and stable."""
    try:
        sender = parse_sender(raw, kinds=ALL)
    except SenderName:
        return
    size = measure(sender.name)
    assert (size.encoding, size.units) == (Encoding.GSM7, len(sender.name))
    assert 3 <= len(sender.name) <= (14 if sender.kind is N else 11)
    assert parse_sender(sender.name, kinds=ALL) == sender
    assert sender.folded == fold_sender(sender.name.upper())


RULES = SenderRules(
    approved={"acme": "ACME", "972502345678": "972502345678", "*1234": "*1234"},
    defaults={"": "ACME", "@example.com": "Domain", "ann@example.com": "Ann"},
)


@pytest.mark.parametrize(
    ("wanted", "mailbox", "name"),
    [
        ("ACME", "", "ACME"),
        ("acme", "", "ACME"),
        ("+972502345678", "", "972502345678"),
        ("acme", "ann@example.com", "ACME"),
        (None, "ann@example.com", "Ann"),
        (None, "bob@example.com", "Domain"),
        (None, '"a@b"@example.com', "Domain"),
        (None, "bob@example.org", "ACME"),
        (None, "", "ACME"),
    ],
)
def test_the_name_that_is_sent(wanted: str | None, mailbox: str, name: str) -> None:
    """In the approved spelling; without a wish the mailbox's default, its domain's, the account's, in this order."""
    assert RULES.choose(wanted, mailbox) == name


def test_without_any_default_there_is_no_name() -> None:
    """Then it is the carrier that knows one."""
    assert SenderRules().choose(None, "ann@example.com") is None


@pytest.mark.parametrize("wanted", ["ACME2", "0502345678", "ACMEE"])
def test_a_name_that_is_not_approved_is_refused(wanted: str) -> None:
    """However good its form."""
    with pytest.raises(SenderNotApproved, match="is not approved for this account"):
        RULES.choose(wanted)


def test_an_approval_does_not_outlive_the_setting() -> None:
    """A star number that was approved is refused once the account may have none; with the setting it is sent."""
    with pytest.raises(SenderName, match="may not send as a star"):
        RULES.choose("*1234")
    assert SenderRules(kinds=ALL, approved=RULES.approved).choose("*1234") == "*1234"


NONE = None
REQUESTED, APPROVED, REFUSED = SenderState.REQUESTED, SenderState.APPROVED, SenderState.REFUSED
MOVES: dict[Verdict, dict[SenderState | None, SenderState | type[Exception]]] = {
    Verdict.REQUEST: {NONE: REQUESTED, REQUESTED: REQUESTED, APPROVED: APPROVED, REFUSED: Conflict},
    Verdict.APPROVE: {NONE: APPROVED, REQUESTED: APPROVED, APPROVED: APPROVED, REFUSED: APPROVED},
    Verdict.REFUSE: {NONE: NotFound, REQUESTED: REFUSED, APPROVED: Conflict, REFUSED: REFUSED},
    Verdict.REVOKE: {NONE: NotFound, REQUESTED: NotFound, APPROVED: REFUSED, REFUSED: NotFound},
}


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("state", [None, *SenderState])
def test_moves(verdict: Verdict, state: SenderState | None) -> None:
    """Every verdict on every state: where it leads, or which error it is."""
    after = MOVES[verdict][state]
    if isinstance(after, SenderState):
        assert decide(verdict, state, "ACME") is after
    else:
        with pytest.raises(after, match="ACME"):
            decide(verdict, state, "ACME")
