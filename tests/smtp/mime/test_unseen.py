"""What nobody sees goes; what changes how letters look stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp.mime.unseen import seen

GOES = {
    "soft hyphens": ("inter\xadnational", "international"),
    "zero-width spaces": ("a\u200bb\u2060c\u180ed", "abcd"),
    "the place of an object": ("a \ufffcb", "a b"),
    "joiners between Latin letters": ("a\u200db\u200cc", "abc"),
    "joiners between Hebrew letters": ("א\u200dב", "אב"),
    "padding of a preview": ("a\u034f\u200c\xa0\u034f\u200c\xa0", "a  "),
    "spaces that do not break": ("5\xa0km\u202f\u2009!", "5 km  !"),
    "marks of pictures": ("a [cid:image001.png@01DC5A3F.6E0D3A40] b", "a  b"),
    "a line of one": ("a\n[cid:x.png]\nb", "a\nb"),
    "a line of one between blank lines": ("a\n\n[cid:x.png]\n\nb", "a\n\nb"),
    "a line of one before a blank line": ("a\n[cid:x.png]\n\nb", "a\n\nb"),
    "the first line": ("[cid:x.png]\n\na", "a"),
    "the last line": ("a\n[image: x]", "a\n"),
    "several in a line": ("a\n [image: x.png] <cid:part1@example.com>\nb", "a\nb"),
    "a name over two lines": ("a [image: a long\nname.png] b", "a  b"),
    "the address of a picture": ("a\n[https://example.com/i/x.png?w=5]\nb", "a\nb"),
}


@pytest.mark.parametrize(("text", "shown"), GOES.values(), ids=GOES)
def test_goes(text: str, shown: str) -> None:
    """These cost characters, or a whole alphabet, for nothing."""
    assert seen(text) == shown


STAYS = [
    "👩\u200d👩\u200d👧 ❤\ufe0f 🏳\ufe0f\u200d🌈 👍🏽",
    "می\u200cخواهم ه\u200d",
    "र\u094d\u200dय श\u094d\u200d",
    "\u200fקוד: \u2066AB-12\u2069\u200e",
    "\u202bעברית\u202c",
    "全角\u3000スペース",
    "[cid] [image] [https://example.com/page] [note: x] [x] <cid>",
    "plain, with [brackets]",
    "e\u0301 and ñ",
]


@pytest.mark.parametrize("text", STAYS)
def test_stays(text: str) -> None:
    """Joiners of emoji and of scripts that join, marks of direction, and other brackets stay."""
    assert seen(text) == text


@given(st.text() | st.text("[]<>cid:image hps/.png\n\u200d\xa0א😀"))
def test_any_text(text: str) -> None:
    """Nothing is added, and what stays is in its order."""
    rest = iter(text.replace("\xa0", " "))
    assert len(seen(text)) <= len(text)
    if not set("\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f") & set(text):
        assert all(char in rest for char in seen(text))
