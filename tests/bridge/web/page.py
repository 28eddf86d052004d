"""A page as a tree, to be asked for what is on it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder

_VOID: Final = frozenset({"meta", "link", "img", "br", "input"})


class Page:
    """The tree of a page that is well formed; one that is not raises. Paths are ElementTree's."""

    def __init__(self, source: str) -> None:
        builder = _Builder()
        builder.feed(source)
        builder.close()
        self.root = builder.tree.close()

    def all(self, path: str) -> list[Element]:
        return self.root.findall(path)

    def one(self, path: str) -> Element:
        (found,) = self.root.findall(path)
        return found

    def texts(self, path: str) -> list[str]:
        return [said(element) for element in self.root.findall(path)]

    def values(self, path: str, attribute: str) -> list[str]:
        return [element.attrib[attribute] for element in self.root.findall(f"{path}[@{attribute}]")]


def said(element: Element | None) -> str:
    """Return the text within an element."""
    assert element is not None
    return "".join(element.itertext()).strip()


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tree = TreeBuilder()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in {tag}"
        self.tree.start(tag, {name: value or "" for name, value in attrs})
        if tag in _VOID:
            self.tree.end(tag)
        else:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tree.start(tag, {name: value or "" for name, value in attrs})
        self.tree.end(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self.tree.end(tag)

    def handle_data(self, data: str) -> None:
        if self._open:
            self.tree.data(data)
