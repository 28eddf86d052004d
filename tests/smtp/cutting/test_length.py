"""Texts that are too long: refused with what would help, written with other letters, or cut."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import NoText, TextTooLong
from bridge.model.mail_policy import Length, MailPolicy, Transliterate
from bridge.model.text import measure
from smtp.cutting.length import Fitted, fit

REFUSE, ELLIPSIS, WORD = Length.REFUSE, Length.ELLIPSIS, Length.WORD
NEVER, FIT, ALWAYS = Transliterate.NEVER, Transliterate.FIT, Transliterate.ALWAYS
FAMILY = "👩\u200d👩\u200d👧"
FLAG = "🇮🇱"


def fitted(text: str, most: int = 1, length: Length = REFUSE, transliterate: Transliterate = NEVER) -> Fitted:
    """Fit with the two settings."""
    return fit(text, most=most, policy=MailPolicy(length=length, transliterate=transliterate))


CUTS = {
    "fits": ("a" * 160, 1, ELLIPSIS, "a" * 160),
    "one too many": ("a" * 161, 1, ELLIPSIS, "a" * 157 + "..."),
    "two parts": ("a" * 400, 2, ELLIPSIS, "a" * 303 + "..."),
    "UCS-2": ("ש" * 71, 1, ELLIPSIS, "ש" * 69 + "…"),
    "UCS-2 in two parts": ("ש" * 200, 2, ELLIPSIS, "ש" * 133 + "…"),
    "escapes": ("€" * 81, 1, ELLIPSIS, "€" * 78 + "..."),
    "the letter is left out": ("a" * 158 + "שלום" + "a" * 9, 1, ELLIPSIS, "a" * 157 + "..."),
    "the letter is left out early": ("a" * 100 + "ש" * 60, 1, ELLIPSIS, "a" * 100 + "..."),
    "the letter is in": ("a" * 50 + "ש" * 60, 1, ELLIPSIS, "a" * 50 + "ש" * 19 + "…"),
    "space before the mark": ("a" * 156 + " " + "b" * 9, 1, ELLIPSIS, "a" * 156 + "..."),
    "word": ("disk " * 40, 1, WORD, ("disk " * 32).strip()),
    "word that ends there": ("a" * 155 + " bbbb cc", 1, WORD, "a" * 155 + " bbbb"),
    "word that does not": ("a" * 155 + " bbbbb cc", 1, WORD, "a" * 155),
    "word by line": ("a" * 155 + "\nbbbbb cc", 1, WORD, "a" * 155),
    "word that is very long": ("a" * 200, 1, WORD, "a" * 160),
    "Chinese": ("服" * 80, 1, WORD, "服" * 70),
    "family": ("a" * 66 + FAMILY + "b", 1, WORD, "a" * 66),
    "flag": ("a" * 69 + FLAG + "b", 1, WORD, "a" * 69),
    "second flag": ("a" * 65 + FLAG + FLAG, 1, WORD, "a" * 65 + FLAG),
    "accent": ("ש" * 68 + "ab\u0323\u0323", 1, WORD, "ש" * 68 + "a"),
    "tone of skin": ("a" * 68 + "👍🏽b", 1, WORD, "a" * 68),
    "Hangul": ("가" * 69 + "\u1100\u1161\u11a8", 1, WORD, "가" * 69),
    "one long character": ("a" + "\u0323" * 500, 1, ELLIPSIS, "a" + "\u0323" * 68 + "…"),
}


@pytest.mark.parametrize(("text", "most", "how", "sent"), CUTS.values(), ids=CUTS)
def test_where_it_is_cut(text: str, most: int, how: Length, sent: str) -> None:
    """As late as the parts allow, between characters as readers see them; what is left out is noted."""
    found = fitted(text, most, how)
    assert found.text == sent
    assert len(found.notes) == (sent != text)
    assert measure(sent).parts <= most


def test_the_note_counts() -> None:
    """The note says how much is sent, and how much is not."""
    assert fitted("a" * 400, 2, ELLIPSIS).notes == ("cut after 303 characters, to 2 parts; 97 left out",)
    assert fitted("a" * 161, 1, WORD).notes == ("cut after 160 characters, to 1 part; 1 left out",)


def test_refused_with_what_would_help() -> None:
    """The reason names the letter, and transliteration where the text would fit with it."""
    with pytest.raises(
        TextTooLong, match=r"because of í \(U\+00ED\); with transliterate=fit the text would take one part$"
    ):
        fitted("í" + "a" * 100)
    with pytest.raises(TextTooLong, match=r"would take 2 parts$"):
        fitted("í" + "a" * 200, 2)
    for text in ("ש" * 71, "í" * 161, "a" * 161):
        with pytest.raises(TextTooLong) as caught:
            fitted(text)
        assert "transliterate" not in caught.value.reason
    with pytest.raises(TextTooLong) as caught:
        fitted("í" * 161, 1, REFUSE, FIT)
    assert "transliterate" not in caught.value.reason


def test_transliterated_when_it_helps() -> None:
    """With ``fit`` only a text that is too long changes, and one in Hebrew never; the letters are noted."""
    assert fitted("í" + "a" * 60, transliterate=FIT) == Fitted(text="í" + "a" * 60)
    assert fitted("í" + "a" * 100, transliterate=FIT) == Fitted(
        text="i" + "a" * 100, notes=("letters outside GSM 7 bit are written with others: í",)
    )
    with pytest.raises(TextTooLong):
        fitted("ש" * 71, transliterate=FIT)


def test_transliterated_always() -> None:
    """With ``always`` a short text changes too; a text in GSM 7 bit does not, and has no note."""
    assert fitted("áíóúğş", transliterate=ALWAYS) == Fitted(
        text="aiougs", notes=("letters outside GSM 7 bit are written with others: á, í, ó, ú, ğ …",)
    )
    assert fitted("plain é", transliterate=ALWAYS) == Fitted(text="plain é")
    assert fitted("שלום í", transliterate=ALWAYS) == Fitted(text="שלום í")


def test_transliterated_and_cut() -> None:
    """What is too long even so is cut, and by the larger parts."""
    found = fitted("í" * 400, 2, ELLIPSIS, FIT)
    assert found.text == "i" * 303 + "..."
    assert len(found.notes) == 2


def test_nothing_to_send() -> None:
    """A text that shows nothing is none, however it may be cut."""
    for how in Length:
        with pytest.raises(NoText):
            fitted("\u200b \n" * 100, 1, how)


@given(
    st.text(st.sampled_from(f"ab \néí€[ש😀{FAMILY}{FLAG}\u0323"), min_size=60, max_size=700),
    st.integers(1, 4),
    st.sampled_from([ELLIPSIS, WORD]),
    st.sampled_from(Transliterate),
)
def test_fits(text: str, most: int, how: Length, transliterate: Transliterate) -> None:
    """What comes out takes no more parts than it may, and is the beginning of what went in."""
    try:
        found = fitted(text, most, how, transliterate)
    except NoText:
        return
    assert measure(found.text).parts <= most
    assert found.text == text or found.notes
    if transliterate is NEVER and found.text != text:
        kept = found.text.removesuffix("...").removesuffix("…") if how is ELLIPSIS else found.text
        assert text.startswith(kept)
        behind = text[len(kept) :].lstrip(" \n")
        assert kept.strip("\u0323") == "" or unicodedata.category(text[len(kept)]) != "Mn" or behind == ""


@given(st.text(st.sampled_from("aש€ "), min_size=200, max_size=600), st.integers(1, 3))
def test_cut_as_late_as_can_be(text: str, most: int) -> None:
    """No longer beginning of the text fits with a mark behind it."""
    found = fitted(text, most, ELLIPSIS)
    if found.text == text:
        return
    kept = len(found.text.rstrip(".…"))
    for end in range(kept + 1, len(text) + 1):
        for mark in ("...", "…"):
            if len(text[:end].rstrip()) > kept:
                assert measure(text[:end].rstrip() + mark).parts > most
