"""What a text costs, where it is cut, and what may be sent. smsutil is the oracle, but for a raw escape."""

import unicodedata
from itertools import pairwise

import pytest
import smsutil
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.model.errors import NoText, TextTooLong
from bridge.model.text import Encoding, Measure, check_length, clean, measure, outside_gsm7, split

ONE_SEPTET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
TWO_SEPTETS = "\f^{}\\[~]|€"
SHALOM = "ש"
SMILE = "😀"
FAMILY = "👩\u200d👩\u200d👧"


def runs(alphabet: str) -> st.SearchStrategy[str]:
    """Make texts long enough to be cut: characters repeated up to beyond a part, and others between."""
    chars = st.sampled_from(alphabet)
    run = st.builds(lambda char, count: char * count, chars, st.integers(1, 5) | st.integers(60, 160))
    return st.lists(run | st.text(chars, max_size=5), max_size=12).map("".join)


gsm_texts = runs("ab\né@€[~")
wide_texts = runs(SMILE + SHALOM + "a€𝄞")
any_texts = st.text(st.characters(codec="utf-8", exclude_characters="\x1b"), max_size=400)
all_texts = gsm_texts | wide_texts | any_texts
raw_texts = st.text(st.characters() | st.sampled_from("\r\n\t \x00\x1b\x85\u2028\ufeff\ud83d\ude00e\u0301"))


def units_of(text: str, encoding: Encoding) -> int:
    """Count by the definition, one character at a time."""
    if encoding is Encoding.GSM7:
        return sum(2 if char in TWO_SEPTETS else 1 for char in text)
    return sum(2 if ord(char) > 0xFFFF else 1 for char in text)


def size(encoding: Encoding, units: int, parts: int) -> Measure:
    """Write a measure short."""
    return Measure(encoding=encoding, units=units, parts=parts)


GSM7, UCS2 = Encoding.GSM7, Encoding.UCS2

EDGES = {
    "nothing has no parts": ("", size(GSM7, 0, 0)),
    "160 septets are one part": ("a" * 160, size(GSM7, 160, 1)),
    "161 septets are two": ("a" * 161, size(GSM7, 161, 2)),
    "306 septets fill two": ("a" * 306, size(GSM7, 306, 2)),
    "307 septets are three": ("a" * 307, size(GSM7, 307, 3)),
    "1530 septets fill ten": ("a" * 1530, size(GSM7, 1530, 10)),
    "1531 septets are eleven": ("a" * 1531, size(GSM7, 1531, 11)),
    "80 extended are one part": ("€" * 80, size(GSM7, 160, 1)),
    "79 extended and two are two": ("€" * 79 + "abc", size(GSM7, 161, 2)),
    "an escape pair fits at 152": ("a" * 151 + "€" + "b" * 153, size(GSM7, 306, 2)),
    "an escape pair at 153 moves on": ("a" * 152 + "€" + "b" * 152, size(GSM7, 306, 3)),
    "76 pairs a part": ("€" * 152, size(GSM7, 304, 2)),
    "77 pairs do not fit a part": ("€" * 153, size(GSM7, 306, 3)),
    "the default table beyond ASCII": ("é" * 160, size(GSM7, 160, 1)),
    "all of both tables": (ONE_SEPTET + TWO_SEPTETS, size(GSM7, 127 + 20, 1)),
    "70 units are one part": (SHALOM * 70, size(UCS2, 70, 1)),
    "71 units are two": (SHALOM * 71, size(UCS2, 71, 2)),
    "134 units fill two": (SHALOM * 134, size(UCS2, 134, 2)),
    "135 units are three": (SHALOM * 135, size(UCS2, 135, 3)),
    "670 units fill ten": (SHALOM * 670, size(UCS2, 670, 10)),
    "671 units are eleven": (SHALOM * 671, size(UCS2, 671, 11)),
    "35 emoji are one part": (SMILE * 35, size(UCS2, 70, 1)),
    "36 emoji are two": (SMILE * 36, size(UCS2, 72, 2)),
    "an emoji fits at 66": (SHALOM * 65 + SMILE + SHALOM * 67, size(UCS2, 134, 2)),
    "an emoji at 67 moves on": (SHALOM * 66 + SMILE + SHALOM * 66, size(UCS2, 134, 3)),
    "33 emoji a part": (SMILE * 66, size(UCS2, 132, 2)),
    "one foreign character costs all": ("a" * 70 + SHALOM, size(UCS2, 71, 2)),
    "a euro is one unit of UCS-2": ("€" + SHALOM, size(UCS2, 2, 1)),
    "a backtick is not GSM": ("`", size(UCS2, 1, 1)),
    "a tab is not GSM": ("\t", size(UCS2, 1, 1)),
    "a raw escape is not GSM": ("a\x1be", size(UCS2, 3, 1)),
    "a raw escape beyond ASCII is not GSM": ("é\x1be", size(UCS2, 3, 1)),
    "a small c with cedilla is not GSM": ("ç", size(UCS2, 1, 1)),
    "a lone surrogate counts one": ("\ud83d", size(UCS2, 1, 1)),
}


@pytest.mark.parametrize(("text", "expected"), EDGES.values(), ids=EDGES)
def test_measure_and_split_at_the_edges(text: str, expected: Measure) -> None:
    """Encoding, units and parts are exact, and the cut makes just as many parts."""
    assert measure(text) == expected
    assert len(split(text)) == expected.parts
    assert "".join(split(text)) == text


def test_pair_on_the_border_opens_the_next_part() -> None:
    """The part ends one unit early instead of cutting an escape pair or a surrogate pair in two."""
    assert split("a" * 151 + "€" + "b" * 153) == ("a" * 151 + "€", "b" * 153)
    assert split("a" * 152 + "€" + "b" * 152) == ("a" * 152, "€" + "b" * 151, "b")
    assert split(SHALOM * 65 + SMILE + SHALOM * 67) == (SHALOM * 65 + SMILE, SHALOM * 67)
    assert split(SHALOM * 66 + SMILE + SHALOM * 66) == (SHALOM * 66, SMILE + SHALOM * 65, SHALOM)


@pytest.mark.parametrize("char", ONE_SEPTET + TWO_SEPTETS, ids=lambda char: f"{ord(char):04x}")
def test_every_character_of_the_tables(char: str) -> None:
    """Each costs what its table says, as the oracle counts it."""
    assert measure(char) == size(GSM7, 2 if char in TWO_SEPTETS else 1, 1)
    assert smsutil.split(char).total_bytes == measure(char).units


def test_no_other_character_is_gsm() -> None:
    """Of the first two planes of Unicode only the two tables are GSM 7 bit."""
    every = map(chr, range(0x20000))
    assert {char for char in every if measure(char).encoding is GSM7} == set(ONE_SEPTET + TWO_SEPTETS)


@given(all_texts)
def test_parts_join_to_the_text(text: str) -> None:
    """Cutting loses nothing, and measure counts the same parts."""
    parts = split(text)
    assert "".join(parts) == text
    assert all(parts)
    assert measure(text).parts == len(parts)


@given(all_texts)
def test_every_part_fits_and_is_full(text: str) -> None:
    """No part is over its room, and none could take the next character too."""
    found = measure(text)
    parts = split(text)
    single, joined = (160, 153) if found.encoding is GSM7 else (70, 67)
    room = single if len(parts) == 1 else joined
    assert all(units_of(part, found.encoding) <= room for part in parts)
    assert all(units_of(part + after[0], found.encoding) > room for part, after in pairwise(parts))
    assert len(parts) <= 1 or found.units > single
    assert sum(units_of(part, found.encoding) for part in parts) == found.units


@given(wide_texts)
def test_surrogate_pairs_stay_whole(text: str) -> None:
    """Each part is UTF-16 by itself: it goes to the carrier alone."""
    assert b"".join(part.encode("utf-16-be") for part in split(text)) == text.encode("utf-16-be")


@given(all_texts.filter(bool))
def test_the_oracle_agrees(text: str) -> None:
    """Without a raw escape, smsutil finds the same encoding, units and parts."""
    theirs = smsutil.split(text)
    ours = measure(text)
    encoding, unit = (GSM7, 1) if theirs.encoding == "gsm0338" else (UCS2, 2)
    assert ours == size(encoding, theirs.total_bytes // unit, len(theirs.parts))
    assert split(text) == tuple(part.content for part in theirs.parts)


@given(all_texts, st.characters())
def test_more_text_is_never_less(text: str, char: str) -> None:
    """A character more never lowers the parts, nor the units while the encoding stays."""
    before, after = measure(text), measure(text + char)
    assert after.parts >= before.parts
    assert after.units > before.units or after.encoding is not before.encoding


@given(all_texts)
def test_a_part_alone_is_one_message(text: str) -> None:
    """What split makes, split leaves alone."""
    assert all(split(part) == (part,) for part in split(text))


def test_measure_is_a_value() -> None:
    """Two measures of the same text are equal and cannot be changed."""
    found = measure("abc")
    assert found == measure("xyz")
    assert hash(found) == hash(measure("xyz"))
    with pytest.raises(AttributeError):
        found.units = 4  # type: ignore[misc]


OUTSIDE = {
    "none in GSM text": ("Hello, {€} é", ()),
    "none in nothing": ("", ()),
    "each once, in order": ("שלום ש`ç`", ("ש", "ל", "ו", "ם", "`", "ç")),
    "emoji is one character": (f"ok {SMILE}{SMILE}", (SMILE,)),
    "an escape": ("a\x1bb", ("\x1b",)),
    "curly quotes and long dashes": ("“a” – b", ("“", "”", "–")),
}


@pytest.mark.parametrize(("text", "expected"), OUTSIDE.values(), ids=OUTSIDE)
def test_outside_gsm7(text: str, expected: tuple[str, ...]) -> None:
    """The characters that force UCS-2, each once, in order."""
    assert outside_gsm7(text) == expected


@given(raw_texts)
def test_outside_gsm7_decides_the_encoding(text: str) -> None:
    """UCS-2 is used just when such a character is there."""
    assert bool(outside_gsm7(text)) == (measure(text).encoding is UCS2)


CLEANED = {
    "plain text stays": ("Hello, you.", "Hello, you."),
    "nothing stays nothing": ("", ""),
    "CR LF": ("a\r\nb", "a\nb"),
    "CR": ("a\rb", "a\nb"),
    "CR CR LF": ("a\r\r\nb", "a\n\nb"),
    "LF CR is two": ("a\n\rb", "a\n\nb"),
    "NEL, VT, FF, U+2028 and U+2029": ("a\x85b\vc\fd\u2028e\u2029f", "a\nb\nc\nd\ne\nf"),
    "tab": ("a\tb", "a b"),
    "NUL": ("a\0b", "ab"),
    "escape and DEL": ("a\x1b[1mb\x7f", "a[1mb"),
    "C1": ("a\x80\x9fb", "ab"),
    "C1 among Hebrew": ("ש\x9bל", "של"),
    "BOM before": ("\ufeffHello", "Hello"),
    "BOM within": ("a\ufeffb", "ab"),
    "BOM before blank lines": ("\n\ufeff\nHello", "Hello"),
    "lone high surrogate": ("a\ud83db", "a\ufffdb"),
    "lone low surrogate": ("a\udc80b", "a\ufffdb"),
    "surrogate at the end": ("a\ud83d", "a\ufffd"),
    "two halves of a pair": ("a\ud83d\ude00b", "a😀b"),
    "halves the wrong way round": ("\ude00\ud83d", "\ufffd\ufffd"),
    "noncharacters": ("a\ufffe\uffff\ufdd0\U0001fffeb", "a\ufffd\ufffd\ufffd\ufffdb"),
    "NFC": ("e\u0301", "é"),
    "NFC over a dropped control": ("e\0\u0301", "é"),
    "ohm is omega": ("\u2126", "\u03a9"),
    "direction marks stay": ("\u200fשלום\u202c", "\u200fשלום\u202c"),
    "joined emoji stay": (FAMILY, FAMILY),
    "variation selector stays": ("❤\ufe0f", "❤\ufe0f"),
    "a no-break space within stays": ("a\u00a0b", "a\u00a0b"),
    "white space at the end": ("a \u3000\t", "a"),
    "white space at line ends": ("a \u00a0\nb\t\n c", "a\nb\n c"),
    "indentation stays": ("  a\n  b", "  a\n  b"),
    "blank lines around": ("\n \n\na\n\t\n\n", "a"),
    "blank lines within": ("a\n\n \n\nb", "a\n\n\n\nb"),
    "white space alone": (" \t\r\n ", ""),
}


@pytest.mark.parametrize(("text", "expected"), CLEANED.values(), ids=CLEANED)
def test_clean(text: str, expected: str) -> None:
    """Each rule of clean, alone."""
    assert clean(text) == expected


@given(raw_texts)
@example("\n\ufeff\n e\x1b\u0301 \n")
def test_clean_text_is_fit_to_send(text: str) -> None:
    """No control but the line end, no surrogate, composed, no white space at the end of a line."""
    result = clean(text)
    result.encode()
    assert {char for char in result if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}} <= {"\n"}
    assert "\ufeff" not in result
    assert unicodedata.is_normalized("NFC", result)
    assert all(line == line.rstrip() for line in result.split("\n"))
    assert result.strip("\n") == result


@given(raw_texts)
def test_clean_twice_is_clean(text: str) -> None:
    """A clean text comes back as it is."""
    assert clean(clean(text)) == clean(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1))
def test_clean_keeps_what_is_written(text: str) -> None:
    """Letters, digits, punctuation and symbols are only composed, never lost."""
    assert clean(text) == unicodedata.normalize("NFC", text)


def test_clean_takes_time_by_length_alone() -> None:
    """Long runs of blanks or line ends are one pass, not one for each of them."""
    assert clean(f"a{' ' * 1_000_000}b").endswith(" b")
    assert clean("\r\n \t" * 250_000 + "a") == "  a"


@pytest.mark.parametrize("marks", ["\u0315\u0300", "\u0315\u0300\u0316\u0345"])
def test_clean_takes_no_more_marks_than_a_letter_has(marks: str) -> None:
    """A megabyte of marks on one letter, which takes hours to put in order, is thirty of them; the text goes on."""
    made = clean(f"{SHALOM}{marks * (500_000 // len(marks))}a\u0301{SHALOM}")
    assert len(made) == 33
    assert made.endswith(f"á{SHALOM}")
    assert clean("a" + marks * 5) == unicodedata.normalize("NFC", "a" + marks * 5)


def test_each_character_that_is_put_in_order_is_a_mark() -> None:
    """What counts as a mark in a row is all that Unicode moves, and no letter or digit is among it."""
    moved = [chr(code) for code in range(0x110000) if unicodedata.combining(chr(code))]
    assert {unicodedata.category(char)[0] for char in moved} == {"M"}
    assert not any(char.isalnum() or char == "_" for char in moved)


@pytest.mark.parametrize("text", ["", " ", "\n\r\n", "\u00a0", "\u200f\u200e", "\ufeff", "\u2066 \u2069", "\ufe0f"])
def test_check_length_wants_something_to_see(text: str) -> None:
    """White space and invisible characters alone are no text."""
    with pytest.raises(NoText, match="no text"):
        check_length(text, 10)


@pytest.mark.parametrize("text", ["a", " a ", "\u200fש", "❤\ufe0f", ".", "\ufffd"])
def test_check_length_takes_what_can_be_seen(text: str) -> None:
    """One visible character is a text."""
    assert check_length(text, 1) == measure(text)


@pytest.mark.parametrize(
    ("text", "limit"),
    [("a" * 160, 1), ("a" * 1530, 10), (SHALOM * 670, 10), ("a" * 153 * 255, 255), ("a" * 153 * 255, 999)],
    ids=["one", "ten", "ten of UCS-2", "as many as there can be", "a limit beyond what there can be"],
)
def test_check_length_at_the_limit(text: str, limit: int) -> None:
    """Up to the limit a text passes, and its measure comes back; one character more is refused."""
    assert check_length(text, limit) == measure(text)
    with pytest.raises(TextTooLong):
        check_length(text + text[0], limit)


def test_too_long_in_gsm7_says_the_counts() -> None:
    """The sender reads how many parts the text takes, and how many may be sent."""
    with pytest.raises(TextTooLong) as refusal:
        check_length("a" * 1531, 10)
    assert refusal.value.reason == "the text takes 11 parts, and 10 may be sent"


def test_too_long_in_ucs2_names_the_characters() -> None:
    """The sender reads which characters to leave out, five at most, and none that would garble the line."""
    with pytest.raises(TextTooLong, match=r"UCS-2.*because of ’ \(U\+2019\)$"):
        check_length("a" * 100 + "’", 1)
    with pytest.raises(TextTooLong) as refusal:
        check_length("ab\x1b\u0301\ud83d“”–—" * 20, 1)
    assert refusal.value.reason.endswith("because of U+001B, U+0301, U+D83D, “ (U+201C), ” (U+201D) and others")
    refusal.value.reason.encode()


def test_no_more_parts_than_the_header_can_count() -> None:
    """The header counts to 255; a higher limit changes nothing."""
    with pytest.raises(TextTooLong, match="takes 256 parts, and 255 may be sent"):
        check_length("a" * (153 * 255 + 1), 10_000)
