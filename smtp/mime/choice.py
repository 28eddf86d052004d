"""Which of a mail's texts is the one meant: when the plain part is worth less than the HTML, banners, footers."""

from __future__ import annotations

import re
from typing import Final

# A plain part that only says that there is an HTML one. Looked for in short texts alone.
_LONGEST_PLACEHOLDER: Final = 1500
_WORDS: Final = (
    "html",
    "browser",
    "navigat",
    "navegador",
    "webversion",
    "דפדפן",
    "браузер",
    "متصفح",
    "ブラウザ",
    "浏览器",
    "瀏覽器",
)
_PLACEHOLDER: Final = re.compile(
    r"html[- ](?:compatible|capable|enabled|only|based|e-?mail|message|mail|version|format|fähig|formatiert)"
    r"|(?:support|enable|activate|display|read|view|show|turn on|in|als|en|au format|im|nicht|unterstütz\w*) html\b"
    r"|html[- ]?(?:format|darstellung|anzeige|version|e-?mails?|nachricht|mails?)\b"
    r"|(?:format|formato|formacie|formátu|формате|в) html\b|html[-‑ ]?(?:формат|письм)"
    r"|(?:תומכ|בפורמט|תצוגת|להציג)[^\n]{0,30}html"
    r"|(?:view|read|see|open)[^\n.]{0,60}\b(?:web ?)?browser"
    r"|\bbrowser\b[^\n.]{0,30}(?:öffnen|ansehen|anzeigen|betrachten)"
    r"|(?:dans|avec) (?:votre|un) navigateur|en (?:tu|su|el) navegador|no (?:seu )?navegador|nel (?:tuo )?browser"
    r"|בדפדפן|в браузере|في المتصفح|ブラウザで|在浏览器|在瀏覽器"
)
_TAGS: Final = re.compile(
    r"(?i)</?(?:html|head|body|p|br|hr|div|span|table|tbody|tr|td|th|font|b|i|u|strong|em|a|ul|ol|li|h[1-6]|img|center)"
    r"(?=[\s/>])[^<>]{0,1000}+>"
)
_FEW_TAGS: Final = 3
_PAGE: Final = re.compile(r"(?i)\s*+(?:<\?xml[^<>]{0,200}+>\s*+)?+<(?:!doctype\s++html|html[\s>])")
_MASKED: Final = re.compile(r"[?\ufffd]+")
# A question mark within a word, several, one alone, or one with which no sentence ends.
_DOUBTFUL: Final = re.compile(r"\?(?=[\w?])|\ufffd|(?<!\S)\?(?!\S)|\?(?= [a-z])")
_BEYOND: Final = re.compile(r"[^\0-\x7f]+")

_RULE: Final = re.compile(r"\s*+(?:[_\-=*~#]{5,}+|-{2,3})[ \t]*+(?:\n|\Z)")
_LIST: Final = re.compile(
    r"(?i)mailing list|unsubscribe|mailman|listinfo|abmelden|désinscri|désabonner|darse de baja|отписаться"
    r"|הסרה מרשימת|להסרה"
    r"|checked (?:for viruses|by)|virus[- ]?(?:free|frei|scann|check|geprüft)|антивирус|avast|avg\b|groups\.google"
)
_LONGEST_FOOTER: Final = 1000
_LONGEST_NOTICE: Final = 400
_ORIGIN: Final = re.compile(
    r"(?i)outside|external|extern\w*|third.party|externe|externo|внешн|מחוץ לארגון|חיצוני|خارج|外部|社外"
)
_ADVICE: Final = re.compile(
    r"(?i)\bclick|\blinks?\b|attachment|caution|warning|recogni[sz]e|trust|phishing|vorsicht|anh[äa]ng|anlage|vertrau"
    r"|attention|pi[èe]ces? jointe|liens?\b|precauci[óo]n|enlaces|adjuntos|let op|bijlage|осторожн|ссыл|вложени"
    r"|זהירות|שימו לב|קישור|צרופ|احذر|تحذير|الروابط|链接|附件|連結|添付|リンク"
)
_BANNER: Final = re.compile(r"(?i)\s*+\[?\W*\s*(?:ext|external|external e-?mail|external sender|extern)\W*\s*\Z")
_LONGEST_BANNER: Final = 700


def is_page(text: str) -> bool:
    """Tell whether plain text is the source of a page."""
    return "<" in text and _PAGE.match(text) is not None


def is_placeholder(text: str) -> bool:
    """Tell whether plain text only asks for a program that shows HTML."""
    if len(text) > _LONGEST_PLACEHOLDER:
        return False
    lowered = text.lower()
    return any(word in lowered for word in _WORDS) and _PLACEHOLDER.search(" ".join(lowered.split())) is not None


def is_source(text: str) -> bool:
    """Tell whether plain text is full of tags."""
    if "<" not in text or ">" not in text:
        return False
    found = _TAGS.finditer(text)
    return sum(1 for _, _ in zip(range(_FEW_TAGS), found, strict=False)) == _FEW_TAGS


def masked_words(text: str) -> set[str]:
    """Return the words in which question marks may stand for letters, each run of marks as one."""
    if ("?" not in text and "\ufffd" not in text) or not _DOUBTFUL.search(text):
        return set()
    return {_MASKED.sub("?", word) for word in text.split() if ("?" in word or "\ufffd" in word) and "://" not in word}


def lost_letters(words: set[str], page: str) -> bool:
    """Tell whether words with question marks are words of the page, which has the letters."""
    theirs: set[str] = set()
    for word in page.split():
        if word.isascii():
            words = words - {_MASKED.sub("?", word)}
        else:
            theirs.add(_MASKED.sub("?", _BEYOND.sub("?", word)))
    return not words.isdisjoint(theirs)


def is_footer(text: str) -> bool:
    """Tell whether a part of its own is what a mailing list or a scanner adds below."""
    if len(text) > _LONGEST_FOOTER:
        return False
    return _RULE.match(text) is not None or (len(text) <= _LONGEST_NOTICE and _LIST.search(text) is not None)


def is_banner(text: str) -> bool:
    """Tell whether a part of its own is what a mail server puts above mails from outside."""
    if len(text) > _LONGEST_BANNER:
        return False
    return _BANNER.match(text) is not None or (_ORIGIN.search(text) is not None and _ADVICE.search(text) is not None)
