"""Which paragraphs above a text were put there by the mail server: "CAUTION: This email originated from outside …".

Those of the account count by their beginning. One that is known here is a paragraph, or the first lines of one, in
which a server speaks of a mail from outside; "CAUTION: pump 3 is hot" is content. Nothing is cut that is all there is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from smtp.cutting.lines import bare, first_shown, is_blank, is_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST: Final = 4
"""Banners one above the other."""
_MOST_LINES: Final = 8
_LOOKED_AT: Final = 600

TAG: Final = re.compile(
    r"[ \t]*+[\[{<*]{1,3}(?:warning|caution|attention)?[ :!-]{0,3}"
    r"(?:external|ext|external (?:e-?mail|mail|sender|message|source)|extern|externe mail|externe e-mail|externo|"
    r"correo externo|e-?mail externo|externe|courriel externe|esterno|внешнее|внешняя почта|חיצוני|מקור חיצוני|外部|"
    r"外部邮件|社外|외부)[\]}>*]{1,3}[ \t]*+:?[ \t]*+",
    re.IGNORECASE,
)
"""A mark of a mail from outside, as servers put it before the subject or the text."""

_MAIL: Final = (
    r"(?:e-?mail|mail|message|sender|courriel|correo|mensaje|mensagem|messaggio|nachricht|bericht|письмо|сообщение)"
)
_HOUSE: Final = (
    r"(?:organi[sz]ation|company|agency|university|school|district|business|firm|corporation|group|network|domain|"
    r"institution|hospital|college|government|tenant|unternehmens?|firma|entreprise|organización|empresa|organização|"
    r"azienda|organizzazione|organisatie|bedrijf|organizacji|организации|компании)"
)
_OUT: Final = r"(?:outside|außerhalb|extérieur|fuera|fora|fuori|dall'esterno|buiten|spoza|вне)"
_KNOWN: Final = re.compile(
    rf"\b{_MAIL}\b[^.!?]{{0,80}}?\b{_OUT}\b[^.!?]{{0,40}}?\b{_HOUSE}\b|"
    rf"\b(?:originat\w{{1,5}}|came|comes|is|was|sent|received)\b[^.!?]{{0,30}}?\bfrom (?:an external|outside)\b"
    rf"[^.!?]{{0,40}}?\b(?:{_HOUSE}|{_MAIL}|source)\b[^.!?]{{0,40}}|"
    r"\bexternal (?:e-?mail|mail|sender|message)\b[^.!?]{0,60}?"
    r"\b(?:click|links?|attachments?|caution|careful|care|trust)\b|"
    r"\bexternal (?:e-?mail|sender|message)\b\W{1,6}(?:this|do not|be|use|please|think|exercise)\b|"
    r"\byou don't often get e-?mail from\b|\bsome people who received this message don't often get\b|"
    r"\bdo not click (?:on )?(?:any )?links?\b[^!?]{0,80}?\bunless you\b|"
    r"\b(?:e-mail|mail|nachricht) (?:stammt|kommt|kam)\b[^.!?]{0,40}?\b(?:extern|außerhalb)|"
    r"\bcourriel (?:provient|vient)\b[^.!?]{0,40}?\bext[eé]r|\bcorreo\b[^.!?]{0,60}?\borigen externo\b|"
    r"נשלחה? מ(?:חוץ ל|גורם חיצוני|מקור חיצוני)|הודעה (?:זו )?(?:התקבלה|הגיעה) מ(?:חוץ|גורם חיצוני|מקור חיצוני)|"
    r"מייל זה (?:התקבל|הגיע|נשלח) מ(?:חוץ|גורם חיצוני|מקור חיצוני)|внешн\w{1,4} (?:отправител|почт)|"
    r"[此该]邮件来自外部|外部发件人|外部寄件者|社外からのメール|외부에서 (?:발송|수신)된 메일|"
    r"رسالة من خارج|من خارج المؤسسة"
)
_NEEDLES: Final = (
    *("outside", "extern", "often get", "do not click", "außerhalb", "extér", "fuera", "fora", "fuori", "dall'est"),
    *("buiten", "spoza", "вне", "מחוץ", "חיצוני", "外部", "社外", "외부", "خارج"),
)
"""One of them is in each that is known."""
_BRACKETS: Final = frozenset("[{<*")
_GOES_ON: Final = re.compile(
    r"outside|organi[sz]ation|click|links?\b|attachment|recogni[sz]e|\bsafe\b|external|phish|suspicious|"
    r"learn why|report|trust|sender|caution|anhäng|absender|lien|pièces jointes|enlaces|adjuntos|קישור|קבצים|שולח"
)


def banners(lines: list[str], start: int, stop: int, phrases: Sequence[str]) -> tuple[int, int]:
    """Return where the text of a part begins below its banners, and how many characters of its line are a mark.

    ``phrases`` are the account's own, in lower case.
    """
    own = tuple(phrases)
    begin = first_shown(lines, start, stop)
    if not own and not _may_be(lines, begin, stop):
        return start, 0
    begin = start
    for _ in range(_MOST):
        first = first_shown(lines, begin, stop)
        if first == stop:
            return begin, 0
        end = _paragraph_end(lines, first, stop)
        if own and bare(lines[first][:_LOOKED_AT]).casefold().startswith(own):
            below = end
        elif (below := _known_end(lines, first, end)) == first:
            break
        if first_shown(lines, below, stop) == stop:
            break
        begin = below
    first = first_shown(lines, begin, stop)
    if first < stop and (mark := TAG.match(lines[first])) is not None:
        if mark.end() < len(lines[first].rstrip()):
            return first, mark.end()
        if first_shown(lines, first + 1, stop) < stop:
            return first + 1, 0
    return begin, 0


def _may_be(lines: list[str], first: int, stop: int) -> bool:
    """Tell whether a known banner, or a mark, may stand above."""
    if first < stop and lines[first].lstrip()[:1] in _BRACKETS:
        return True
    head = "\n".join(lines[first : min(stop, first + _MOST_LINES)])[:_LOOKED_AT].casefold()
    return any(needle in head for needle in _NEEDLES)


def _known_end(lines: list[str], first: int, end: int) -> int:
    """Return the end of a banner that begins at ``first``; ``first`` when it is none."""
    here = first
    while here < end and here - first < 2 and is_rule(lines[here]):
        here += 1
    last = min(end, here + _MOST_LINES)
    head = [bare(line[:_LOOKED_AT]).casefold().replace("’", "'") for line in lines[here:last]]
    joined = " ".join(head[:4])[:_LOOKED_AT]
    found = _KNOWN.search(joined) if any(needle in joined for needle in _NEEDLES) else None
    if found is None:
        return first
    # A line of its own below the banner is text, unless it speaks of the same.
    below = here
    length = -1
    for text in head:
        if length >= found.end() and not (_GOES_ON.search(text) or is_rule(text)):
            break
        below += 1
        length += len(text) + 1
    return below


def _paragraph_end(lines: list[str], at: int, stop: int) -> int:
    while at < stop and not is_blank(lines[at]):
        at += 1
    return at
