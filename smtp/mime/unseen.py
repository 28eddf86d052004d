"""Characters and marks that a reader of the mail does not see, and that a text message would be charged for."""

from __future__ import annotations

import re
from typing import Final

# Soft hyphens, joiners of graphemes and words, zero-width spaces, invisible operators, the place of an object.
_NOTHING: Final = "\xad\u034f\u180e\u200b\u2060-\u2064\u206a-\u206f\ufff9-\ufffc"
# Spaces of other widths, or where no line may break. U+3000 is as wide as the letters around it.
_SPACE: Final = "\xa0\u2000-\u200a\u202f\u205f"
# A joiner means something beside an emoji, and in scripts whose letters join: from Arabic to Mongolian.
_JOINING: Final = (
    "\u0600-\u109f\u1700-\u180d\u180f-\u18af\u1900-\u1cff\u2190-\u2bff\ua840-\ua87f\ua8e0-\ua8ff\ufb50-\ufdff\ufe0e"
    "\ufe0f\ufe70-\ufefc\U00010ac0-\U00010aff\U00011000-\U00011fff\U0001e900-\U0001e95f\U0001f000-\U0001faff"
    "\U000e0020-\U000e007f"
)
_UNSEEN: Final = re.compile(f"[{_NOTHING}]|([{_SPACE}])|(?<![{_JOINING}])[\u200c\u200d](?![{_JOINING}])")

# What programs write for a picture when they make plain text of a page.
_PICTURE: Final = (
    r"(?:\[cid:[^\[\]\s]{1,400}+\]|<cid:[^<>\s]{1,400}+>|\[image:[ \n][^\[\]\n]{0,200}+(?:\n[^\[\]\n]{0,200}+)?+\]"
    r"|\[https?://[^\[\]\s?#]{1,400}+(?:(?<=\.(?:png|gif|jpg|bmp|svg))|(?<=\.(?:jpeg|webp)))(?:\?[^\[\]\s]{0,400}+)?+\])"
)
_PICTURES: Final = re.compile(rf"(?mi)^[ \t]*+(?:{_PICTURE}[ \t]*+)++(?:\n([ \t]*+\n)?+|\Z)|{_PICTURE}")


def seen(text: str) -> str:
    """Return a text without what nobody sees, with a space for each space, and without marks of pictures.

    Marks of direction, joiners in emoji and in scripts that join, and variation selectors stay. A line of nothing but
    marks of pictures goes. Raises nothing.
    """
    if ("[" in text or "<cid:" in text) and any(mark in text for mark in ("[cid:", "[image:", "[http", "<cid:")):
        text = _PICTURES.sub(_instead, text)
    # What is printable holds none but two of them, and no space but the one.
    if text.isascii() or (text.replace("\n", "").isprintable() and "\ufffc" not in text and "\u034f" not in text):
        return text
    return _UNSEEN.sub(lambda match: " " if match[1] else "", text)


def _instead(match: re.Match[str]) -> str:
    """Return the blank line behind a line of pictures, if there is none before it."""
    before = match.string[max(match.start() - 2, 0) : match.start()]
    return "" if before in {"", "\n", "\n\n"} else match[1] or ""
