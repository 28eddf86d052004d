"""From the text of a mail to what its sender wants said, and a list of what was cut off.

In this order: the end marker; banners above; then the text falls into its sender's words and other people's, and off
the end of each piece of the first go, as often as they are found, footer, disclaimer, signature, and the line of a
telephone. When nothing is left, and the mail does no more than send another one on, that one is the text.

A text in which nothing is cut comes back as it is. Nothing here fails, and the time is linear in the text's length.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.model.mail_policy import Cut
from smtp.cutting import markers
from smtp.cutting.banners import banners
from smtp.cutting.disclaimers import disclaimer
from smtp.cutting.footers import footer
from smtp.cutting.lines import EDGES, first_shown, last_shown, paragraphs, written
from smtp.cutting.mobile import mobile_lines
from smtp.cutting.quotes import Kind, Piece, divide, inner
from smtp.cutting.signatures import signature

if TYPE_CHECKING:
    from bridge.model.mail_policy import MailPolicy

END_MARKER: Final = "end marker"
BLANK_LINES: Final = "blank lines"
FIRST_LINES: Final = "first lines"

_MOST_FORWARDS: Final = 8
"""Mails sent on in mails sent on that are taken off."""
_MOST_PEELS: Final = 5
_NAMES: Final = {
    Cut.QUOTES: "what is quoted",
    Cut.SIGNATURE: "a signature",
    Cut.MOBILE: "the line of a telephone",
    Cut.DISCLAIMER: "a disclaimer",
    Cut.BANNER: "a banner",
    Cut.FOOTER: "a footer",
    END_MARKER: "what follows the end marker",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """One thing that was cut: a value of :class:`Cut`, or one of the three names here, and its text as it stood."""

    kind: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Trimmed:
    """What is left of a text, and what was cut, from top to bottom."""

    text: str
    cuts: tuple[Removed, ...] = ()


_OWN: Final = Kind.OWN


class _Kinds(NamedTuple):
    """What is cut."""

    banner: bool
    quotes: bool
    footer: bool
    disclaimer: bool
    signature: bool
    mobile: bool


@lru_cache(maxsize=1 << len(Cut))
def _kinds(chosen: frozenset[Cut]) -> _Kinds:
    return _Kinds(**{kind.value: kind in chosen for kind in Cut})


def cut(text: str, policy: MailPolicy) -> Trimmed:
    """Return what of a decoded text is sent as ``policy`` has it. Lines end in a line feed. Raises nothing."""
    kept, cuts = _words(text, policy)
    if policy.fold_blank and "\n" in kept:
        kept, lines = markers.fold_blank(kept)
        if lines:
            cuts.append(Removed(kind=BLANK_LINES, text="\n" * lines))
    if policy.first_lines is not None:
        kept, rest = markers.first_lines(kept, policy.first_lines)
        if rest:
            cuts.append(Removed(kind=FIRST_LINES, text=rest))
    return Trimmed(text=kept, cuts=tuple(cuts))


def why_empty(trimmed: Trimmed) -> str:
    """Return in one line why nothing is left of a text."""
    names = list(dict.fromkeys(_NAMES[each.kind] for each in trimmed.cuts if each.kind in _NAMES))
    if not names:
        return "the message has no text"
    *most, last = names
    listed = f"{', '.join(most)} and {last}" if most else last
    return f"the message has no text of its own; cut off: {listed}"


def _words(text: str, policy: MailPolicy) -> tuple[str, list[Removed]]:
    lines = text.split("\n")
    below = _take_end(lines, text, policy)
    cuts: list[Removed] = []
    kept = [text]
    for _ in range(_MOST_FORWARDS):
        kept, mail = _round(lines, policy, cuts)
        if kept or mail is None:
            break
        cuts.append(Removed(kind=Cut.QUOTES, text=written(lines, mail.start, mail.body)))
        lines = inner(lines, mail)
        kept = ["\n".join(lines)]
    cuts += below
    return "\n".join(kept) if cuts else text, cuts


def _take_end(lines: list[str], text: str, policy: MailPolicy) -> list[Removed]:
    """Take what follows the end marker off the lines."""
    lower = text.lower() if policy.end_markers else ""
    if not any(marker.lower() in lower for marker in policy.end_markers):
        return []
    found = markers.end_marker(lines, policy.end_markers)
    if found is None:
        return []
    at, column = found
    rest = "\n".join([lines[at][column:], *lines[at + 1 :]]).strip("\n")
    lines[at] = lines[at][:column].rstrip(EDGES)
    del lines[at + 1 :]
    return [Removed(kind=END_MARKER, text=rest)]


def _round(lines: list[str], policy: MailPolicy, cuts: list[Removed]) -> tuple[list[str], Piece | None]:
    """Return what is left of lines, and the mail with its header that stands there when nothing is."""
    kinds = _kinds(policy.cut)
    found: list[tuple[int, Removed]] = []
    start = _take_banners(lines, policy, found) if kinds.banner else 0
    pieces = divide(lines, start, len(lines))
    own = [piece for piece in pieces if piece.kind is _OWN]
    kept: list[tuple[int, int]] = []
    for piece in own:
        # Between answers nobody signs.
        ends = piece is own[0] or piece is own[-1]
        stop = _peel(lines, piece, policy, found, first=piece is pieces[0]) if ends else piece.stop
        if len(pieces) == 1 and not found:
            return ["\n".join(lines).strip("\n")], None  # as of most mails: nothing is cut
        begin, stop = first_shown(lines, piece.start, stop), last_shown(lines, piece.start, stop)
        if begin < stop:
            kept.append((begin, stop))
    mail = None
    if len(own) < len(pieces):
        quoted = [piece for piece in pieces if piece.kind is not _OWN]
        if not kinds.quotes or (not kept and all(piece.kind is Kind.LOOSE for piece in quoted)):
            kept = sorted(kept + [(piece.start, piece.stop) for piece in quoted])
        else:
            if not kept and quoted[0].kind is Kind.MAIL:
                mail, *quoted = quoted
            found += _quotes(lines, quoted)
    cuts += [removed for _, removed in sorted(found, key=itemgetter(0))]
    return ["\n".join(lines[begin:stop]) for begin, stop in kept], mail


def _quotes(lines: list[str], quoted: list[Piece]) -> list[tuple[int, Removed]]:
    return [(piece.start, Removed(kind=Cut.QUOTES, text=written(lines, piece.start, piece.stop))) for piece in quoted]


def _take_banners(lines: list[str], policy: MailPolicy, found: list[tuple[int, Removed]]) -> int:
    """Return where the text begins below its banners, and take a mark off the line there."""
    start, marked = banners(lines, 0, len(lines), [phrase.casefold() for phrase in policy.banners])
    if start and (text := written(lines, 0, start)):
        found.append((0, Removed(kind=Cut.BANNER, text=text)))
    if marked:
        found.append((start, Removed(kind=Cut.BANNER, text=lines[start][:marked].strip(EDGES))))
        lines[start] = lines[start][marked:]
    return start


def _peel(lines: list[str], piece: Piece, policy: MailPolicy, found: list[tuple[int, Removed]], *, first: bool) -> int:
    """Return the end of a piece without what programs put below it. The ``first`` piece is not below a quote."""
    kinds = _kinds(policy.cut)
    start, stop = piece.start, piece.stop
    starts = paragraphs(lines, start, stop)
    phrases = [phrase.casefold() for phrase in policy.disclaimers]
    for _ in range(_MOST_PEELS):
        before = stop
        if kinds.footer:
            stop = _take(lines, footer(lines, start, stop, starts), stop, Cut.FOOTER, found)
        if kinds.disclaimer:
            stop = _take(lines, disclaimer(lines, start, stop, starts, phrases), stop, Cut.DISCLAIMER, found)
        if kinds.signature:
            stop = _take(lines, signature(lines, start, stop, below_quote=not first), stop, Cut.SIGNATURE, found)
        if kinds.mobile:
            stop = _take(lines, mobile_lines(lines, start, stop), stop, Cut.MOBILE, found)
        if stop == before:
            break
        starts = [at for at in starts if at < stop]
    return stop


def _take(lines: list[str], at: int, stop: int, kind: Cut, found: list[tuple[int, Removed]]) -> int:
    """Note what is cut, if it shows anything, and return where."""
    if at < stop and (text := written(lines, at, stop)):
        found.append((at, Removed(kind=kind, text=text)))
    return at
