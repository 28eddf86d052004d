"""What becomes of a text that takes more parts than it may.

A text is cut between what readers take for characters (Unicode Standard Annex #29, the rules that matter in texts):
never before an accent, within a family of emoji or a flag, and never within a surrogate or an escape pair.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from bridge.model.errors import TextTooLong
from bridge.model.mail_policy import Length, MailPolicy, Transliterate
from bridge.model.text import MOST_PARTS, Encoding, check_length, measure, outside_gsm7
from bridge.model.transliterate import to_gsm7

_LONGEST_PART: Final = 160
_LONGEST_WORD: Final = 40
"""A longer word, and a text without spaces, is cut within."""
_MARKS: Final = {Encoding.GSM7: "...", Encoding.UCS2: "…"}
_JOINER: Final = "\u200d"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A text that takes no more parts than it may, and what was done for that, one line each."""

    text: str
    notes: tuple[str, ...] = ()


def fit(text: str, *, most: int, policy: MailPolicy) -> Fitted:
    """Return a clean text in at most ``most`` parts, as ``policy`` has it.

    Raises :exc:`TextTooLong` when it may not be cut; its reason says if transliteration would help. Raises
    :exc:`NoText` when it shows nothing.
    """
    notes: list[str] = []
    if policy.transliterate is Transliterate.ALWAYS:
        text = _transliterated(text, notes)
    try:
        check_length(text, most)
    except TextTooLong as too_long:
        if policy.transliterate is Transliterate.FIT:
            text = _transliterated(text, notes)
        if measure(text).parts > most:
            if policy.length is Length.REFUSE:
                raise _refusal(text, most, policy, too_long) from too_long
            text = _cut(text, most, policy.length, notes)
    return Fitted(text=text, notes=tuple(notes))


def _transliterated(text: str, notes: list[str]) -> str:
    written = to_gsm7(text)
    if written is not text:
        changed = outside_gsm7(text)
        shown = ", ".join(char for char in changed[:5] if char.isprintable())
        notes.append(f"letters outside GSM 7 bit are written with others: {shown}{' …' if len(changed) > 5 else ''}")
    return written


def _refusal(text: str, most: int, policy: MailPolicy, too_long: TextTooLong) -> TextTooLong:
    """Say what would help."""
    if policy.transliterate is Transliterate.NEVER and len(text) <= 2 * _LONGEST_PART * most:
        written = to_gsm7(text)
        if written is not text and (parts := measure(written).parts) <= most:
            taken = "one part" if parts == 1 else f"{parts} parts"
            return TextTooLong(f"{too_long.reason}; with transliterate=fit the text would take {taken}")
    return too_long


def _cut(text: str, most: int, how: Length, notes: list[str]) -> str:
    """Return the longer of what fits in GSM 7 bit, up to the first letter that is not in it, and in UCS-2."""
    parts = min(most, MOST_PARTS)
    head = text[: parts * _LONGEST_PART + 1]
    outside = outside_gsm7(head)
    plain = head[: head.index(outside[0])] if outside else head
    mark = how is Length.ELLIPSIS
    cuts = [_longest(plain, text, parts, how, _MARKS[Encoding.GSM7] if mark else "")]
    if outside:
        cuts.append(_longest(head, text, parts, how, _MARKS[Encoding.UCS2] if mark else ""))
    # The second has a letter more, or is shorter.
    kept, written = max(cuts, key=lambda found: found[0])
    notes.append(f"cut after {kept} characters, to {parts} part{'s' if parts > 1 else ''}; {len(text) - kept} left out")
    return written


def _longest(source: str, text: str, parts: int, how: Length, mark: str) -> tuple[int, str]:
    """Return how many characters of ``source``, the beginning of ``text``, fit with ``mark`` behind them, and both."""
    low, high = 0, len(source)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(source[:middle] + mark).parts <= parts:
            low = middle
        else:
            high = middle - 1
    end = _word_end(text, low) if how is Length.WORD else low
    kept = text[: _cluster_end(text, end)].rstrip()
    return len(kept), kept + mark


def _word_end(text: str, end: int) -> int:
    """Return the end of the last whole word before ``end``, or ``end`` itself when that word is very long."""
    if end >= len(text) or text[end].isspace():
        return end
    for at in range(end, max(0, end - _LONGEST_WORD), -1):
        if text[at - 1].isspace():
            return at
    return end


def _cluster_end(text: str, end: int) -> int:
    """Return the last border between two characters as readers see them, up to ``end``."""
    at = end
    while 0 < at < len(text) and _is_within(text, at):
        at -= 1
    # One that is longer than a whole text is cut within all the same.
    return at or end


def _is_within(text: str, at: int) -> bool:
    """Tell whether what readers take for one character lies on both sides of ``at`` (UAX #29, GB6 to GB13)."""
    before, behind = text[at - 1], text[at]
    if behind.isascii():
        return False
    if _JOINER in {before, behind} or unicodedata.category(behind).startswith("M"):
        return True
    if "\U0001f3fb" <= behind <= "\U0001f3ff" or "\U000e0020" <= behind <= "\U000e007f":
        return True
    if "\u1160" <= behind <= "\u11ff":
        return "\u1100" <= before <= "\u11ff"
    if _is_flag_half(before) and _is_flag_half(behind):
        run = at
        while run and _is_flag_half(text[run - 1]):
            run -= 1
        return (at - run) % 2 == 1
    return False


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
