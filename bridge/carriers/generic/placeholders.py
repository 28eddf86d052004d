"""Templates of a request: ``{{name}}`` or ``{{name|filter}}`` among other text. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

NAMES: Final[Mapping[str, str]] = {
    "to": "the number, in the form of number_form",
    "text": "the text",
    "sender": "the name or number it comes from; where there is none, a field that is nothing else is left out",
    "id": "our id, the same on every try of the same text",
    "message_id": "our id of the message, the same for all its recipients",
    "parts": "how many parts the text takes",
    "unicode": "1 if the text needs UCS-2, else 0",
    "flash": "1 if the text is to be shown at once and not kept, else 0",
    "expires": "until when it may be sent, as 2026-11-20T07:00:00Z",
    "ttl": "seconds until then",
    "user": "the setting user",
    "password": "the setting password",
    "token": "the setting token",
    "callback_url": "where reports are to go",
    "inbound_url": "where texts from phones are to go",
}
"""What a template may name; ``secrets.NAME`` beside them."""

FILTERS: Final[Mapping[str, str]] = {
    "int": "in JSON, and alone in its string: a number without quotes",
    "hex": "its UTF-16 (big-endian) in hexadecimal digits",
}

_SLOT: Final = re.compile(r"\{\{\s*([a-z_]+(?:\.[A-Za-z0-9_]+)?)\s*(?:\|\s*([a-z]+)\s*)?\}\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """A place to be filled."""

    name: str
    filter: str | None = None

    def value(self, values: Mapping[str, str]) -> str:
        """Return what fills it; a name without a value is empty."""
        value = values.get(self.name, "")
        return value.encode("utf-16-be").hex().upper() if self.filter == "hex" else value


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """Literal text and slots, in their order."""

    parts: tuple[str | Slot, ...]
    alone: Slot | None = field(init=False, repr=False, compare=False)
    """The one slot that it is, and nothing else."""

    def __post_init__(self) -> None:
        """Look once whether it is a slot."""
        only = self.parts[0] if len(self.parts) == 1 else None
        object.__setattr__(self, "alone", only if isinstance(only, Slot) else None)

    @classmethod
    def of(cls, written: str) -> Self:
        """Read a template. Raises ValueError for a placeholder that is none of :data:`NAMES`."""
        parts: list[str | Slot] = []
        end = 0
        for found in _SLOT.finditer(written):
            name, wanted = found[1], found[2]
            if name not in NAMES and not name.startswith("secrets."):
                raise ValueError(f"{{{{{name}}}}} is no placeholder; there are {', '.join(NAMES)}, secrets.NAME")
            if wanted is not None and wanted not in FILTERS:
                raise ValueError(f"{wanted!r} is no filter; there are {', '.join(FILTERS)}")
            parts += [written[end : found.start()], Slot(name=name, filter=wanted)]
            end = found.end()
        parts.append(written[end:])
        if any("{{" in part or "}}" in part for part in parts if isinstance(part, str)):
            raise ValueError("a placeholder is written {{name}} or {{name|filter}}")
        return cls(parts=tuple(part for part in parts if part))

    @property
    def names(self) -> frozenset[str]:
        """What it asks for."""
        return frozenset(part.name for part in self.parts if isinstance(part, Slot))

    def lacks(self, values: Mapping[str, str]) -> bool:
        """Whether it is nothing but a value that there is not."""
        return self.alone is not None and self.alone.name not in values

    def fill(self, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
        """Return the text with its values, each escaped."""
        if self.alone is not None:
            return escape(self.alone.value(values))
        return "".join(part if isinstance(part, str) else escape(part.value(values)) for part in self.parts)


def names_in(tree: object) -> Iterable[str]:
    """Give what the templates in a tree of tables, lists and strings ask for. Raises ValueError as they do."""
    match tree:
        case str():
            yield from Template.of(tree).names
        case dict():
            for each in tree.values():
                yield from names_in(each)
        case list() | tuple():
            for each in tree:
                yield from names_in(each)
