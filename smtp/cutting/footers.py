"""Where mailing lists, scanners and newsletters put their words below a text.

A footer is the end of a text: a paragraph that begins as such ones do and leads somewhere (a page or an address), or
what stands below a line drawn across, if it speaks of a list. It has at most twelve lines, and a text stands above it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from smtp.cutting.lines import EDGES, bare, first_shown, is_rule, last_shown

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_LINES: Final = 12
_LOOKED_AT: Final = 400
_LEADS: Final = re.compile(r"https?://|www\.|mailto:|[\w.+-]@[\w-]|<[^>]{1,80}>|unsubscri|subscri")
_LIST: Final = re.compile(
    r"mailing list|mailman|listinfo|/lists?/|-request@|-leave@|unsubscri|listserv|groups\.google|googlegroups|"
    r"groups\.io|yahoogroups|send an email to \S{1,80}-leave"
)
_DRAWN: Final = re.compile(r"[_=~*#-]{20,}|(?:-=){5,}-?|[_.,]{8,}")
_OPENINGS: Final = (
    *("to unsubscribe", "unsubscribe", "if you no longer wish", "if you wish to unsubscribe", "you are receiving this"),
    *("you're receiving this", "you received this message because", "you received this email because"),
    *("this email was sent to", "this e-mail was sent to", "this message was sent to", "to stop receiving"),
    *("to manage your", "manage your subscription", "manage your notification", "manage notifications"),
    *("update your preferences", "update your email preferences", "view this email in your browser"),
    *("reply to this email directly", "view it on github", "se désabonner", "se désinscrire", "pour vous désabonner"),
    *(
        "para darse de baja",
        "cancelar suscripción",
        "para cancelar",
        "zum abmelden",
        "vom newsletter abmelden",
        "abmelden",
    ),
    *("отписаться", "чтобы отписаться", "להסרה מ", "להסרה מרשימת", "לביטול הרישום", "לביטול המינוי", "הסר אותי"),
    *(
        "إلغاء الاشتراك",
        "退订",
        "取消订阅",
        "配信停止",
        "수신거부",
        "wypisz się",
        "disiscriviti",
        "cancella iscrizione",
    ),
)
_SCANNED: Final = re.compile(
    r"(?:this e-?mail|this message|the message|diese e-?mail|dieser e-?mail|l'absence de virus|este correo|"
    r"este mensaje|questa e-?mail)\b.{0,60}\b(?:virus|viruses|viren|antivirus|malware)\b|virus-?free\.? ?(?:<?https?://|www\.|\Z)|"
    r"scanned by\b.{0,60}(?:anti-?virus|mailscanner|avast|avg|eset|sophos|symantec|mimecast|messagelabs)|"
    r"no virus found in this|checked by avg|virenfrei\. ?(?:www\.|\Z)|libre de virus\. ?(?:www\.|\Z)"
)
_FIRSTS: Final = frozenset(each[:3] for each in _OPENINGS) | set(
    "thi|the|die|l'a|est|que|vir|sca|no |che|lib".split("|")  # noqa: SIM905
)
_DECORATION: Final = "*_-|[(• " + EDGES
_STROKES: Final = frozenset("_=~*#-.,")


def footer(lines: list[str], start: int, stop: int, starts: Sequence[int]) -> int:
    """Return where the footer of a part begins, a line drawn above it included; ``stop`` when there is none.

    ``starts`` are where its paragraphs begin, but for the first.
    """
    end = last_shown(lines, start, stop)
    lowest = max(first_shown(lines, start, end) + 1, end - _MOST_LINES)
    found = stop
    for at in reversed(starts):
        if at < lowest:
            break
        if at < end and _begins(lines, at, end):
            found = at
    for at in range(lowest, min(found, end - 1)):
        if lines[at][:1] in _STROKES and _DRAWN.fullmatch(lines[at].strip(EDGES)[:_LOOKED_AT]):
            # What is drawn is a footer's if a list is named below.
            if _LIST.search(_text(lines, at + 1, end)):
                found = at
            break
    if found == stop:
        return stop
    above = last_shown(lines, start, found) - 1
    return above if above >= lowest and is_rule(lines[above]) and lines[above].strip(EDGES) != "--" else found


def _begins(lines: list[str], at: int, end: int) -> bool:
    text = lines[at][:_LOOKED_AT].lstrip(_DECORATION)
    if text[:3].casefold() not in _FIRSTS:
        return False
    text = bare(text).casefold()
    if text.startswith(_OPENINGS):
        return _LEADS.search(_text(lines, at, end)) is not None
    return _SCANNED.match(text) is not None


def _text(lines: list[str], start: int, stop: int) -> str:
    return " ".join([line[:_LOOKED_AT] for line in lines[start:stop]]).casefold()
