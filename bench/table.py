"""Tables on the terminal, in Markdown, so that they can be kept in docs/performance.md as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    print(f"\n### {title}\n")
    for row in (head, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
    print(flush=True)


def verdict(value: float, *, bar: float, at_least: bool = True) -> str:
    """Return ``met`` or ``MISSED``."""
    return "met" if (value >= bar) == at_least or value == bar else "MISSED"
