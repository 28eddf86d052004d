"""HTML to the text a person would read out.

A page is read in two steps. The first goes over the source once: it leaves out what is not shown (comments, styles,
the hidden line that mailboxes show beside the subject) and every tag and attribute that makes no line. A table
becomes lines: mails use tables for layout, and columns side by side are unreadable on a telephone. The second step,
inscriptis, lays the rest out.

What no person wrote (very deep, or thousands of tags) is put together without layout instead: the parser behind
inscriptis drops what lies too deep and takes seconds for one tag with many attributes, and the event loop waits.
"""

from __future__ import annotations

import html
import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from inscriptis.model.config import ParserConfig

LONGEST: Final = 512 * 1024
"""Characters that are looked at; the text that ten messages hold ends long before."""

_MOST_TAGS: Final = 2000
_DEEPEST: Final = 40

# A tag always ends: at its ">", else before the next "<", else with the page. So the source is read once, whatever
# it holds. A quote counts only behind "=".
_TAG: Final = re.compile(
    r"""<(?:(?P<other>[!?])|(?P<close>/?)(?P<name>[a-zA-Z][^\s/<>]*+)"""
    r"""(?P<attributes>(?:[^<>=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+)*+)(?:>|(?=<)|\Z))"""
)
_UNSEEN: Final = {
    name: re.compile(f"(?i)</{name}")
    for name in ("script", "style", "title", "template", "textarea", "select", "svg", "math", "iframe")
}
"""Elements whose content is not a mail's text: it is left out unread, up to the end tag found by this pattern."""

_VOID: Final = frozenset({"br", "hr", "img", "input", "meta", "link", "col", "area", "base", "wbr"})
# Not font-size:0 and mso-hide: common layouts set the one around everything, the other hides from Outlook alone.
_HIDDEN_STYLE: Final = re.compile(
    r"(?:^|[;\s])(?:display\s*:\s*none|visibility\s*:\s*hidden|max-height\s*:\s*0(?:px|pt|em)?\s*(?:[;!]|$))"
)
_ATTRIBUTE: Final = re.compile(r"""([^\s=/"']++)(?:\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s"']*+))?+""")

_CELLS: Final = frozenset({"td", "th"})
_PARAGRAPHS: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote"})
_DIVISIONS: Final = frozenset(
    {"div", "dl", "address", "article", "aside", "footer", "header", "main", "nav", "section"}
    | {"figure", "figcaption", "center", "form", "fieldset", "caption", "table"}
)
# Their end tags are often left out, so they are divisions of nothing between two lines.
_BREAKS: Final = dict.fromkeys(("tr", "hr", "dt", "dd"), "<div></div>")
_LAYOUT: Final = {name: name for name in (*_PARAGRAPHS, "ul", "ol", "li", "br")} | dict.fromkeys(_DIVISIONS, "div")
_ENDS_ITSELF: Final = frozenset({"p", "li", "br"})

_CONTROLS: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_SPACES: Final = re.compile(r"[ \t\r\f\v\xa0]+")
_WHITE: Final = re.compile(r"[ \t\r\n\f\v\xa0]+")
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_CHARSET: Final = re.compile(rb"""(?i)<meta[^<>]{1,200}?charset\s*=\s*["']?\s*([a-z0-9._:-]{2,40})""")


def declared_charset(page: bytes) -> str | None:
    """Return the charset a page names for itself, for mails which name none. Source: HTML, 4.2.5.4."""
    found = _CHARSET.search(page, 0, 2048)
    return found[1].decode("ascii") if found else None


def to_text(page: str) -> str:
    """Return the text of ``page``: lines end in a line feed, at most one blank line in a row, none around.

    Links are their text alone, pictures nothing; a space stands between the cells of a row. Raises nothing and
    takes well under a second, whatever the page; what is beyond :data:`LONGEST` characters is left out.
    """
    outline = _Outline(_CONTROLS.sub(" ", page[:LONGEST]))
    text = None
    if outline.tags <= _MOST_TAGS and outline.deepest <= _DEEPEST:
        text = _laid_out("".join(outline.pieces))
    return _tidy(_strung(outline.pieces) if text is None else text)


class _Outline:
    """What of a page is shown: in ``pieces`` its text (even places) and bare tags (odd places)."""

    def __init__(self, page: str) -> None:
        self.pieces: list[str] = []
        self.tags = 0
        self.deepest = 0
        self._depth = 0
        self._text: list[str] = []
        self._hidden = ""
        """The name of the element that is hidden, while in one; how often it is open within itself stands beside."""
        self._inside = 0
        self._endless: set[str] = set()
        at = 0
        while at < len(page):
            found = _TAG.search(page, at)
            if not self._hidden:
                self._text.append(page[at : found.start() if found else len(page)].replace("<", "&lt;"))
            if not found:
                break
            at = self._declaration(page, found) if found["other"] else self._tag(page, found)
        self._put()

    def _put(self, tag: str = "") -> None:
        self.pieces.append("".join(self._text))
        self._text.clear()
        if tag:
            self.pieces.append(tag)
            self.tags += 1

    @staticmethod
    def _declaration(page: str, found: re.Match[str]) -> int:
        """Return where the text after a comment, a doctype or the like begins."""
        close = "-->" if page.startswith("--", found.end()) else ">"
        end = page.find(close, found.end())
        return end + len(close) if end >= 0 else len(page)

    def _tag(self, page: str, found: re.Match[str]) -> int:
        """Take a tag in, and return where the text after it begins."""
        name, ends = found["name"].lower(), bool(found["close"])
        if self._hidden:
            if name == self._hidden:
                self._inside += -1 if ends else 1
                if not self._inside:
                    self._hidden = ""
        elif name in _UNSEEN and not ends:
            return self._unseen(page, found.end(), name)
        elif found["attributes"] and not ends and name not in _VOID and _is_hidden(found["attributes"].lower()):
            self._hidden, self._inside = name, 1
        elif name in _CELLS:
            self._text.append(" ")
        elif name in _BREAKS:
            self._put(_BREAKS[name])
        elif kept := _LAYOUT.get(name):
            self._put(f"</{kept}>" if ends else f"<{kept}>")
            if name not in _ENDS_ITSELF:
                self._depth += -1 if ends else 1
                self.deepest = max(self.deepest, self._depth)
        return found.end()

    def _unseen(self, page: str, start: int, name: str) -> int:
        """Return where an element ends; where its tag does, when it has no end: then the rest is not in it."""
        end = _UNSEEN[name].search(page, start) if name not in self._endless else None
        if end is None:
            self._endless.add(name)
            return start
        return end.start()


def _is_hidden(attributes: str) -> bool:
    if "style" not in attributes and "hidden" not in attributes:
        return False
    for name, value in _ATTRIBUTE.findall(attributes):
        if name == "hidden" or (name == "style" and _HIDDEN_STYLE.search(html.unescape(value.strip("\"'")))):
            return True
    return False


@cache
def _profile() -> ParserConfig:
    # Many mails have no HTML that is needed, and the parser is slow to import.
    from inscriptis.css_profiles import CSS_PROFILES  # noqa: PLC0415 - see above
    from inscriptis.model.config import ParserConfig  # noqa: PLC0415 - see above

    return ParserConfig(css=CSS_PROFILES["strict"].copy(), table_cell_separator=" ")


def _laid_out(page: str) -> str | None:
    from inscriptis import get_text  # noqa: PLC0415 - see _profile

    try:
        return get_text(page, _profile())
    except Exception:  # noqa: BLE001 - it raises AssertionError, ValueError and more on some pages; there is another way
        return None


def _strung(pieces: list[str]) -> str:
    """Put text together with no layout but lines and paragraphs."""
    out = ["\n\n"]
    breaks = 2
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            text = _WHITE.sub(" ", html.unescape(piece))
            if text and not (text == " " and breaks):
                out.append(text)
                breaks = 0
            continue
        name = piece.strip("</").partition(">")[0]
        wanted = breaks + 1 if name == "br" else 2 if name in _PARAGRAPHS else 1
        if wanted > breaks:
            out.append("\n" * (wanted - breaks))
            breaks = wanted
    return "".join(out)


def _tidy(text: str) -> str:
    lines = "\n".join([line.strip() for line in _SPACES.sub(" ", text).split("\n")])
    return _BLANK_LINES.sub("\n\n", lines).strip("\n")
