"""The pieces that inputs are made of: ``pieces.txt``, by the name of their kind; and the mails of the suite."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_ESCAPE: Final = re.compile(rb"\\(?:x([0-9a-f]{2})|([rnt0se\\]))")
_MEANT: Final = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"s": b" ", b"e": b"", b"\\": b"\\"}


def _meant(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)]) if found[1] else _MEANT[found[2]]


def _read(path: Path) -> dict[str, tuple[bytes, ...]]:
    sections: dict[str, list[bytes]] = {}
    lines: list[bytes] = []
    for line in path.read_bytes().split(b"\n"):
        if line.startswith(b"["):
            lines = sections[line[1:-1].decode("ascii")] = []
        elif line:
            lines.append(_ESCAPE.sub(_meant, line))
    return {name: tuple(found) for name, found in sections.items()}


PIECES: Final = _read(_HERE / "pieces.txt")

MAILS: Final = tuple(path.read_bytes() for path in sorted((_HERE.parents[1] / "tests/smtp/mails").glob("*.eml")))
"""One mail for each case that the suite knows."""
