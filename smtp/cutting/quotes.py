"""Where a mail stops being its sender's own words, and where these go on.

Somebody else's words are:

- lines that begin with ``>`` (RFC 3676, 4.5): below a line that says who wrote them, or at least two together. One
  line alone (``> 90% used``), numbers compared, the output of diff, and what stands below ``output:`` are content.
- all from a line with a writer's address ("On … wrote:") below which no ``>`` follows.
- all from a mark of an original or a forwarded mail.
- all from a bare header as Outlook writes it: From first, a date, a subject, and blank lines around it.

Own words may stand above, between and below those of the first kind. Where the others end nobody can tell: they go on
to the end of the text.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

from smtp.cutting.lines import EDGES, bare, first_shown, is_blank, is_rule, last_shown, unquoted
from smtp.cutting.phrases import (
    FORWARDED,
    FROM_HEADS,
    OPENERS,
    ORIGINAL,
    PLAIN_DATES,
    ROLES,
    WROTE,
    WROTE_SPACELESS,
    Role,
)

_COLONS: Final = (":", "：")
_HEADS: Final = frozenset(">-" + EDGES)
_TAILS: Final = frozenset("".join(_COLONS) + EDGES)
_CJK: Final = "\u2e80"
_FROM_FIRSTS: Final = frozenset(head[:2] for head in FROM_HEADS)

_LONGEST: Final = 400
"""Characters of a line that says who wrote something."""
_WRAPPED: Final = 58
"""From this length on, a line may go on in the next."""
_MOST_ABOVE: Final = 3
"""Lines above the one with the colon over which it may be wrapped."""
_MOST_FIELDS: Final = 40
_ADDRESS: Final = re.compile(r"[\w.+-]@[\w-]")
_ENDS_IN_ADDRESS: Final = re.compile(r"@[^\s@]{1,200}[>)\]]\W{0,9}\Z")
_YEAR: Final = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_COMPARED: Final = re.compile(r"[> ]*+=?\s*+[-+]?[\d$€£.%]")
_DIFF: Final = re.compile(r"<|\d+(?:,\d+)?[acd]\d|---|\+\+\+|diff |@@")
_NOTES: Final = re.compile(r"-{2,}\s*forwarded by [^\n]{1,300}", re.IGNORECASE)


class Kind(Enum):
    """Whose words a piece is, and how that is known."""

    OWN = 1
    ANSWERED = 2
    """Quoted, and a line says who wrote it."""
    LOOSE = 3
    """Quoted, and no line says so."""
    MAIL = 4
    """A mail with its header, answered or sent on."""


class Piece(NamedTuple):
    """A part of a text, ``lines[start:stop]``. ``body`` is where the text of a mail with its header begins."""

    kind: Kind
    start: int
    stop: int
    body: int
    prefixed: bool = False


def divide(lines: list[str], start: int, stop: int) -> list[Piece]:
    """Return the pieces of a part of a text in their order, together all of it. The time is linear in its length."""
    pieces: list[Piece] = []
    own = resume = start
    answered = False
    for at in _triggers(lines, start, stop):
        if at < resume:
            continue
        if lines[at].lstrip(EDGES).startswith(">"):
            resume = _block_end(lines, at, stop)
            piece = _block(lines, at, resume, own, answered=answered)
        else:
            piece = _rest(lines, at, own, stop, above=bool(pieces))
        if piece is not None:
            if piece.start > own:
                pieces.append(Piece(Kind.OWN, own, piece.start, own))
            pieces.append(piece)
            answered = answered or piece.kind is Kind.ANSWERED
            own = resume = piece.stop
    if own < stop:
        pieces.append(Piece(Kind.OWN, own, stop, own))
    return pieces


def inner(lines: list[str], piece: Piece) -> list[str]:
    """Return the lines of the text of a mail with its header."""
    body = lines[piece.body : piece.stop]
    return [unquoted(line) for line in body] if piece.prefixed else body


def _triggers(lines: list[str], start: int, stop: int) -> list[int]:
    """Return where a piece may begin, or be announced."""
    return [
        at
        for at in range(start, stop)
        if (line := lines[at])
        and (
            line[0] in _HEADS
            or line[-1] in _TAILS
            or (line[:2] in _FROM_FIRSTS and line.partition(":")[0] in FROM_HEADS)
            or line[0] >= _CJK
        )
    ]


def _block_end(lines: list[str], at: int, stop: int) -> int:
    """Return the end of the lines that begin with ``>``, and the blank ones between them."""
    end = at + 1
    for here in range(at + 1, stop):
        line = lines[here].lstrip(EDGES)
        if line.startswith(">"):
            end = here + 1
        elif line:
            break
    return end


def _block(lines: list[str], at: int, end: int, own: int, *, answered: bool) -> Piece | None:
    """Judge lines that begin with ``>``; None for content."""
    above = last_shown(lines, own, at) - 1
    writer = _attribution(lines, above, own) if above >= own else None
    if writer is not None or answered:
        return Piece(Kind.ANSWERED, writer[0] if writer else at, end, at)
    if not lines[at].startswith(">"):
        return None
    first = next((here for here in range(at, end) if bare(unquoted(lines[here]))), at)
    body = _mail(lines, first, end, bare(unquoted(lines[first])), prefixed=True)
    if body is not None:
        return Piece(Kind.MAIL, at, end, body, prefixed=True)
    if _is_announced(lines, first, end):
        return Piece(Kind.ANSWERED, at, end, at)
    return None if _is_content(lines, at, end, above, own) else Piece(Kind.LOOSE, at, end, at)


def _is_announced(lines: list[str], first: int, end: int) -> bool:
    """Tell whether the first of the quoted lines say who wrote the others, as on an iPhone."""
    inside = [unquoted(line) for line in lines[first : min(end, first + 4)]]
    last = next((here for here, line in enumerate(inside) if bare(line).endswith(_COLONS)), None)
    return last is not None and _attribution(inside, last, 0) is not None


def _is_content(lines: list[str], at: int, end: int, above: int, own: int) -> bool:
    """Tell whether lines that begin with ``>``, of which nobody says who wrote them, are the sender's own."""
    if end - at == 1:
        return True
    if above >= own and (_DIFF.match(lines[above]) or bare(lines[above]).endswith(_COLONS)):
        return True
    return all(_COMPARED.match(line) for line in lines[at:end] if not is_blank(line))


def _rest(lines: list[str], at: int, own: int, stop: int, *, above: bool) -> Piece | None:
    """Judge a line from which on all may be quoted; ``above`` tells whether there are pieces before."""
    text = bare(lines[at])
    if not text or len(text) > _LONGEST:
        return None
    body = _mail(lines, at, stop, text, prefixed=False)
    if body is not None:
        return Piece(Kind.MAIL, at, stop, body)
    if text.endswith(_COLONS):
        return _announced(lines, at, own, stop, text, above=above)
    return _bare_header(lines, at, own, stop) if _role(text) is Role.FROM else None


def _announced(lines: list[str], at: int, own: int, stop: int, text: str, *, above: bool) -> Piece | None:
    """Judge a line that ends with a colon."""
    below = first_shown(lines, at + 1, stop)
    if below < stop and lines[below].lstrip(EDGES).startswith(">"):
        if text.rstrip(":： ").casefold() not in FORWARDED:
            return None  # who asks what the lines below are asks for this one too
        body, roles, _ = _header(lines, below, stop, prefixed=True)
        return Piece(Kind.MAIL, at, _block_end(lines, below, stop), body if roles else below, prefixed=True)
    if not any("@" in line for line in lines[max(own, at - _MOST_ABOVE) : at + 1]):
        return None
    writer = _attribution(lines, at, own)
    if writer is None or not writer[1]:
        return None
    # With nothing above it is no answer as programs write them.
    own_words = above or first_shown(lines, own, at) < writer[0]
    return Piece(Kind.ANSWERED, writer[0], stop, at + 1) if own_words else None


def _mail(lines: list[str], at: int, stop: int, text: str, *, prefixed: bool) -> int | None:
    """Return where the text of a mail begins whose mark is at ``at``; None when there is no mark."""
    if text.startswith("--"):
        phrase = text.strip("- ").casefold()
        if phrase not in FORWARDED and phrase not in ORIGINAL and not _NOTES.match(text):
            return None
    elif not (text.endswith(_COLONS) and text.rstrip(":： ").casefold() in FORWARDED):
        if not prefixed or _role(text) is not Role.FROM:
            return None
        body, roles, _ = _header(lines, at, stop, prefixed=True)
        return body if {Role.FROM, Role.SUBJECT} <= roles else None
    elif not _header(lines, at + 1, stop, prefixed=prefixed)[1]:
        return None
    return _header(lines, at + 1, stop, prefixed=prefixed)[0]


def _bare_header(lines: list[str], at: int, own: int, stop: int) -> Piece | None:
    """Judge a line that names a sender, with no mark above it."""
    above = last_shown(lines, own, at) - 1
    ruled = above >= own and is_rule(lines[above])
    apart = above < own or ruled or above < at - 1
    if above >= own and not ruled:
        lead = bare(lines[above][:_LONGEST])
        # "This mail was stopped:", or a field of the same header.
        if lead.endswith(_COLONS) or (not apart and _role(lead) is not None):
            return None
    body, roles, ended = _header(lines, at, stop, prefixed=False)
    if not ended or first_shown(lines, body, stop) == stop:
        return None
    if not apart and not _is_outlook(lines, at, body, roles):
        return None
    if not ({Role.DATE, Role.SUBJECT} <= roles or (ruled and len(roles - {Role.OTHER}) >= 3)):
        return None
    return Piece(Kind.MAIL, above if ruled else at, stop, body)


def _is_outlook(lines: list[str], at: int, body: int, roles: set[Role]) -> bool:
    """Tell whether a header is as no other program writes it: complete, and with a date that is not called that."""
    names = {_name(bare(line)) for line in lines[at:body]}
    return {Role.FROM, Role.DATE, Role.TO, Role.SUBJECT} <= roles and names.isdisjoint(PLAIN_DATES)


def _header(lines: list[str], at: int, stop: int, *, prefixed: bool) -> tuple[int, set[Role], bool]:
    """Read the header of a quoted mail from ``at`` on, blank lines before it and between its fields included.

    Returns where it ends, what it says, and whether a blank line or the end of the text follows.
    """
    roles: set[Role] = set()
    end = here = at
    open_ended = False
    while here < min(stop, at + _MOST_FIELDS):
        line = lines[here]
        if prefixed:
            if line.lstrip(EDGES).startswith(">"):
                line = unquoted(line)
            elif not is_blank(line):
                break
        text = bare(line)
        role = _role(text) if text else None
        if not text:
            here += 1
            continue
        if here > end and roles and (role is None or role is Role.OTHER or role in roles):
            break  # blank lines, and no field of this header below them
        if role is not None:
            roles.add(role)
        elif not roles or not (open_ended or line[0] in " \t"):
            return (end, roles, here > end) if roles else (at, roles, False)
        open_ended = len(text) >= _WRAPPED or text.endswith((",", ";"))
        end = here = here + 1
    return end, roles, True


def _role(text: str) -> Role | None:
    """Return what a line of a header says, by the name before its colon."""
    return ROLES.get(_name(text))


def _name(text: str) -> str:
    """Return the name of a field as it is looked up; empty for a line without a colon."""
    name, colon, _ = text[:40].replace("：", ":", 1).partition(":")
    return name.strip("* ").casefold() if colon else ""


def _attribution(lines: list[str], last: int, first: int) -> tuple[int, bool] | None:
    """Read the line at ``last``, not above ``first``, as one that says who wrote what is below.

    Returns where it begins, for programs wrap it, and whether it names an address; None when it is none.
    """
    text = bare(lines[last])
    if not text.endswith(_COLONS) or len(text) > _LONGEST:
        return None
    begin = last
    joined = text
    if not _opens(text):
        lower = text
        for here in range(last - 1, max(first, last - _MOST_ABOVE) - 1, -1):
            upper = bare(lines[here])
            if not _goes_on(upper, lower):
                break
            joined = f"{upper} {joined}"
            if _opens(upper):
                begin, text = here, joined
                break
            lower = upper
    wrote = _wrote(text)
    meets = _ENDS_IN_ADDRESS.search(text[:-1]) is not None and _YEAR.search(text) is not None
    if not (wrote or meets):
        return None
    return begin, _ADDRESS.search(text) is not None


def _opens(text: str) -> bool:
    """Tell whether a line can be the first of those that say who wrote something."""
    return text[:1].isdigit() or text.casefold().startswith(OPENERS) or _YEAR.search(text) is not None


def _goes_on(upper: str, lower: str) -> bool:
    """Tell whether a program may have wrapped a line so."""
    if not upper or upper.endswith((".", "!", "?", ":", ";")) or len(upper) > _LONGEST:
        return False
    return (
        len(upper) >= _WRAPPED
        or upper.endswith(("<", ","))
        or lower.startswith("<")
        or lower.rstrip(":： ").casefold() in WROTE
    )


def _wrote(text: str) -> bool:
    """Tell whether a line says that somebody wrote something."""
    words = {word.strip(",.:;：<>\"'") for word in text.casefold().split()}
    return not WROTE.isdisjoint(words) or any(form in text for form in WROTE_SPACELESS)
