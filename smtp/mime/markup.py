"""HTML to the text a person would read out.

The source is read once, from tag to tag, with no tree and no recursion: so nothing is too deep, and a page takes time
by its size alone. What is not shown is left out (styles, comments, the hidden line that mailboxes show beside the
subject); a row of a table is a line, since columns side by side are unreadable on a telephone; a quoted mail has "> "
before its lines, as in plain text, so that it can be told from what is new.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from smtp.mime import styles
from smtp.mime.sheet import Break, Sheet, tidy

LONGEST: Final = 1_048_576
"""Characters that are looked at, where nothing else is said."""

_MOST_TAGS: Final = 150_000
_MOST_SCOPES: Final = 32
_LONGEST_LINK: Final = 2000
_LONGEST_EMOJI: Final = 12

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
_ATTRIBUTE: Final = re.compile(r"""([^\s=/"']++)(?:\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s"']*+))?+""")

_DIVISIONS: Final = (
    *("div", "dl", "dt", "dd", "address", "article", "aside", "footer", "header", "main", "nav", "section"),
    *("figure", "figcaption", "center", "form", "fieldset", "body"),
)
_PARAGRAPHS: Final = ("p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote")
_BLOCKS: Final = dict.fromkeys(_DIVISIONS, Break.LINE) | dict.fromkeys(_PARAGRAPHS, Break.PARAGRAPH)
_ROWS: Final = frozenset({"tr", "table", "hr", "caption", "tbody", "thead", "tfoot"})
_CELLS: Final = frozenset({"td", "th"})
_LISTS: Final = frozenset({"ul", "ol"})

_QUOTE: Final = re.compile(r"(?:^|[\s_-])(?:quote|cite)(?:$|[\s_-])")
_CONTROLS: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_SCHEME: Final = re.compile(r"\s*(?:(https?|ftp|mailto|tel):)?(?://)?(.*)", re.IGNORECASE | re.DOTALL)
_CHARSET: Final = re.compile(rb"""(?i)<meta[^<>]{1,200}?charset\s*=\s*["']?\s*([a-z0-9._:-]{2,40})""")


def declared_charset(page: bytes) -> str | None:
    """Return the charset a page names for itself, for mails which name none. Source: HTML, 4.2.5.4."""
    found = _CHARSET.search(page, 0, 2048)
    return found[1].decode("ascii") if found else None


def to_text(page: str, *, links: bool = False, longest: int = LONGEST) -> str:
    """Return the text of ``page``: lines end in a line feed, at most one blank line in a row, none around.

    Pictures are nothing, but for emoji; a space stands between the cells of a row. ``links`` writes the target of a
    link behind its text, where it says more. A page without a single tag keeps its lines. Raises nothing and takes
    well under a second, whatever the page; what is beyond ``longest`` characters, many tags or lines is left out.
    """
    page = _CONTROLS.sub(" ", page[:longest])
    if not _TAG.search(page):
        return tidy(html.unescape(page))
    reader = _Reader(links=links)
    text = reader.read(page)
    if not text and reader.dropped:
        # Letters of no size all over: a layout that says elsewhere how large they are.
        text = _Reader(links=links, zero=False).read(page)
    return text


@dataclass(slots=True)
class _Scope:
    """An element that changes how what is in it reads; ``open`` counts those of its name within."""

    name: str
    pre: bool
    sized: bool | None
    open: int = 1


class _Reader:
    """One look through a page."""

    def __init__(self, *, links: bool, zero: bool = True) -> None:
        self._sheet = Sheet()
        self._links = links
        self._zero = zero
        self.dropped = False
        """Whether text was left out because its letters have no size."""
        self._sizeless = False
        self._scopes: list[_Scope] = []
        self._paragraph = Break.PARAGRAPH
        """What the paragraph that is open ends with."""
        self._quotes: list[bool] = []
        self._lists: list[int] = []
        """For each open list the number of its last item; -1 for one without numbers."""
        self._link: tuple[str, list[str]] | None = None
        self._hidden = ""
        """The name of the element that is hidden, while in one; how often it is open within itself stands beside."""
        self._inside = 0
        self._hidden_classes: set[str] = set()
        self._endless: set[str] = set()

    def read(self, page: str) -> str:
        """Return the text of a page."""
        at = 0
        for _ in range(_MOST_TAGS):
            found = _TAG.search(page, at)
            if not self._hidden:
                self._put(page[at : found.start() if found else len(page)])
            if not found:
                break
            at = self._declaration(page, found) if found["other"] else self._tag(page, found)
            if at >= len(page) or self._sheet.full:
                break
        return self._sheet.text()

    def _put(self, text: str) -> None:
        if not text:
            return
        if "&" in text:
            text = html.unescape(text)
            if "\r" in text or "\0" in text:
                text = text.replace("\r", " ").replace("\0", "")
        if self._sizeless and not text.isspace():
            self.dropped = True
            return
        self._sheet.put(text)
        if self._link is not None:
            self._link[1].append(text)

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
        elif ends:
            if self._scopes:
                self._leave(name)
            self._close(name)
        elif name in _UNSEEN:
            return self._unseen(page, found.end(), name)
        else:
            attributes = _attributes(found["attributes"]) if "=" in found["attributes"] else {}
            style = styles.of(attributes["style"]) if "style" in attributes else ""
            if name not in _VOID:
                if "hidden" in found["attributes"].lower().split() or self._is_hidden(attributes, style):
                    self._hidden, self._inside = name, 1
                    return found.end()
                if self._scopes or style:
                    self._enter(name, attributes, style)
            self._open(name, attributes, style)
        return found.end()

    def _unseen(self, page: str, start: int, name: str) -> int:
        """Return where an element ends; where its tag does, when it has no end: then the rest is not in it."""
        end = _UNSEEN[name].search(page, start) if name not in self._endless else None
        if end is None:
            self._endless.add(name)
            return start
        if name == "style":
            self._hidden_classes |= styles.hidden_classes(page[start : end.start()])
        return end.start()

    def _is_hidden(self, attributes: dict[str, str], style: str) -> bool:
        if "hidden" in attributes or (style and styles.hides(style)):
            return True
        if not self._hidden_classes or "class" not in attributes:
            return False
        classes = attributes["class"].lower().split()
        return not self._hidden_classes.isdisjoint(classes) and not styles.shows(style)

    def _enter(self, name: str, attributes: dict[str, str], style: str) -> None:
        for scope in self._scopes:
            if scope.name == name:
                scope.open += 1
        pre = bool(style) and styles.keeps_lines(style)
        sized = styles.font_size(style) if style and self._zero else None
        if sized is None and self._sizeless and (name == "table" or "class" in attributes):
            # Tables do not inherit the size in the old rules that mails live by; of a class it is not known.
            sized = True
        if (pre or sized is False or (sized and self._sizeless)) and len(self._scopes) < _MOST_SCOPES:
            self._scopes.append(_Scope(name, pre, sized))
            self._sheet.pre += pre
            self._measure()

    def _leave(self, name: str) -> None:
        for place in range(len(self._scopes) - 1, -1, -1):
            scope = self._scopes[place]
            if scope.name != name:
                continue
            scope.open -= 1
            if not scope.open:
                self._sheet.pre -= sum(each.pre for each in self._scopes[place:])
                del self._scopes[place:]
                self._measure()

    def _measure(self) -> None:
        self._sizeless = next((not each.sized for each in reversed(self._scopes) if each.sized is not None), False)

    def _open(self, name: str, attributes: dict[str, str], style: str) -> None:
        sheet = self._sheet
        if name in _CELLS:
            sheet.cell()
        elif name == "br":
            sheet.line()
            if self._link is not None:
                self._link[1].append(" ")
        elif name in _BLOCKS:
            self._open_block(name, attributes, style)
        elif name in _ROWS:
            sheet.block(Break.LINE)
        elif name == "li":
            self._item()
        elif name in _LISTS:
            sheet.block(Break.LINE)
            self._lists.append(0 if name == "ol" else -1)
        else:
            self._open_inline(name, attributes)

    def _open_block(self, name: str, attributes: dict[str, str], style: str) -> None:
        sheet, kind = self._sheet, _BLOCKS[name]
        if name == "p":
            if _is_word(attributes) or (style and styles.is_line(style)):
                kind = Break.LINE
            self._paragraph = kind
        sheet.block(kind, soft=kind is Break.LINE or name == "p")
        if name == "pre":
            sheet.pre += 1
        elif name == "blockquote":
            self._quotes.append(_is_quote(attributes))
            sheet.quotes += self._quotes[-1]

    def _open_inline(self, name: str, attributes: dict[str, str]) -> None:
        if name == "a":
            self._end_link()
            self._begin_link(attributes.get("href", ""))
        elif name == "img" and (picture := _emoji(attributes.get("alt", ""))):
            self._put(picture)

    def _close(self, name: str) -> None:
        sheet = self._sheet
        if kind := self._paragraph if name == "p" else _BLOCKS.get(name):
            sheet.block(kind, soft=kind is Break.LINE or name == "p")
            if name == "pre" and sheet.pre:
                sheet.pre -= 1
            elif name == "blockquote" and self._quotes:
                sheet.quotes -= self._quotes.pop()
        elif name in _ROWS or name == "li":
            sheet.block(Break.LINE)
        elif name in _LISTS:
            sheet.block(Break.LINE)
            if self._lists:
                self._lists.pop()
        elif name == "a":
            self._end_link()

    def _item(self) -> None:
        if not self._lists or self._lists[-1] < 0:
            self._sheet.item("* ")
        else:
            self._lists[-1] += 1
            self._sheet.item(f"{self._lists[-1]}. ")

    def _begin_link(self, target: str) -> None:
        if self._links and target and len(target) <= _LONGEST_LINK:
            self._link = (html.unescape(target), [])

    def _end_link(self) -> None:
        """Write a link's target behind its text."""
        if self._link is None:
            return
        (target, pieces), self._link = self._link, None
        text = " ".join("".join(pieces).split())
        scheme, rest = _SCHEME.match(target).groups()  # type: ignore[union-attr]  # it matches everything
        rest = rest.strip()
        if not text or scheme is None or not rest or _plain(text) == _plain(rest):
            return
        shown = (
            f"{scheme.lower()}://{rest}"
            if scheme.lower() in {"http", "https", "ftp"}
            else unquote(rest.partition("?")[0])
        )
        if _plain(shown) != _plain(text):
            self._sheet.put(f" ({_CONTROLS.sub('', ''.join(shown.split()))})")


def _attributes(source: str) -> dict[str, str]:
    """Return the attributes of a tag by lower-case name, the first of each, as they stand in the source."""
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(source):
        found.setdefault(name.lower(), value.strip("\"'"))
    return found


def _is_quote(attributes: dict[str, str]) -> bool:
    """Tell whether a quote is a mail that is answered, not a paragraph that stands back."""
    if attributes.get("type", "").lower() == "cite" or attributes.get("cite", "").lower().startswith("mid:"):
        return True
    return _QUOTE.search(f"{attributes.get('class', '')} {attributes.get('id', '')}".lower()) is not None


def _is_word(attributes: dict[str, str]) -> bool:
    """Tell whether a paragraph is one of Word's, which stand without space between them."""
    return attributes.get("class", "").lower().removeprefix("x_").startswith("mso")


def _emoji(alternative: str) -> str:
    """Return what stands for a picture, if that is an emoji."""
    text = html.unescape(alternative)
    if not text or len(text) > _LONGEST_EMOJI or any(char < "\u2000" or char.isalnum() for char in text):
        return ""
    return text


def _plain(link: str) -> str:
    """Return an address without what people leave out."""
    return _SCHEME.match(link)[2].strip().lower().removeprefix("www.").rstrip("/")  # type: ignore[index]  # see above
