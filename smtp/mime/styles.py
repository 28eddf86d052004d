"""What the styles of a page hide, and what else of them changes its text: enough of CSS for mails, no more."""

from __future__ import annotations

import html
import re
from typing import Final

_HIDDEN: Final = re.compile(
    r"(?:^|[;\s])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0(?:\.0+)?%?\s*(?:[;!]|$)"
    r"|max-height\s*:\s*0(?:px|pt|em)?\s*(?:[;!]|$))"
)
# Alone it hides from Outlook what all others show, as a button that is drawn twice.
_HIDDEN_FROM_OUTLOOK: Final = re.compile(r"(?:^|[;\s])mso-hide\s*:\s*all")
_SMALL: Final = re.compile(
    r"(?:^|[;\s])(?:font-size|line-height|height|width|max-width)\s*:\s*[01](?:px|pt|em)?\s*(?:[;!]|$)"
)
_SHOWN: Final = re.compile(r"(?:^|[;\s])display\s*:\s*(?!none)[a-z]")
_FONT: Final = re.compile(r"(?:^|[;\s])font(?:-size)?\s*:\s*(?:(0(?:\.0+)?(?![.\d]))|[^\s;])")
_PRE: Final = re.compile(r"(?:^|[;\s])white-space\s*:\s*(?:pre|break-spaces)")
_MARGIN: Final = re.compile(r"(?:^|[;\s])margin\s*:\s*([^;!]{1,80})")
_BOTTOM: Final = re.compile(r"(?:^|[;\s])margin-bottom\s*:\s*([^;!\s]{1,20})")
_NO_SPACE: Final = re.compile(r"(?:0+(?:\.0*)?|0*\.0+1?)(?:[a-z]{2})?")
_COMMENT: Final = re.compile(r"/\*(?:[^*]++|\*(?!/))*+(?:\*/|\Z)")
_CLASS: Final = re.compile(r"\s*(?:[a-z][a-z0-9]*)?\.([\w-]{1,80})\s*")
_LONGEST_SHEET: Final = 65_536
_MOST_CLASSES: Final = 200


def of(value: str) -> str:
    """Return a style attribute's value in the form that the other functions take."""
    return (html.unescape(value) if "&" in value else value).lower()


def hides(style: str) -> bool:
    """Tell whether an element of this style is not shown."""
    if _HIDDEN.search(style):
        return True
    return _HIDDEN_FROM_OUTLOOK.search(style) is not None and _SMALL.search(style) is not None


def shows(style: str) -> bool:
    """Tell whether an element of this style is shown though its class is hidden."""
    return _SHOWN.search(style) is not None


def font_size(style: str) -> bool | None:
    """Tell whether letters have a size: None when the style says nothing of it."""
    found = _FONT.search(style)
    return None if found is None else found[1] is None


def keeps_lines(style: str) -> bool:
    """Tell whether the source's line breaks are shown."""
    return _PRE.search(style) is not None


def is_line(style: str) -> bool:
    """Tell whether a paragraph has no space above and below, as those of Word: then it is a line."""
    sides = found[1].split() if (found := _MARGIN.search(style)) else []
    if not sides:
        return False
    below = found[1] if (found := _BOTTOM.search(style)) else sides[2 if len(sides) > 2 else 0]
    return all(_NO_SPACE.fullmatch(side) for side in (sides[0], below))


def hidden_classes(sheet: str) -> set[str]:
    """Return the classes that a style sheet hides on every screen; what it says for some devices does not count."""
    sheet = _COMMENT.sub(" ", sheet[:_LONGEST_SHEET]).replace("<!--", " ").replace("-->", " ")
    found: set[str] = set()
    selectors, depth = "", 0
    for piece in re.split("([{}])", sheet):
        if piece == "{":
            depth += 1
        elif piece == "}":
            depth = max(depth - 1, 0)
        elif depth == 0:
            selectors = piece.rpartition(";")[2]
        elif depth == 1 and "@" not in selectors and hides(piece.lower()):
            found.update(match[1] for each in selectors.split(",") if (match := _CLASS.fullmatch(each.lower())))
            if len(found) > _MOST_CLASSES:
                break
    return found
