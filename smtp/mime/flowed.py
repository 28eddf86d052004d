"""format=flowed undone: lines that a program broke are the paragraphs they were (RFC 3676, 4)."""

from __future__ import annotations


def unflowed(text: str, *, delsp: bool) -> str:
    """Join the lines of a text. ``delsp`` tells that the space before a break is no part of it."""
    paragraphs: list[str] = []
    open_lines: list[str] = []
    open_at = -1
    for line in text.split("\n"):
        bare = line.lstrip(">")
        depth = len(line) - len(bare)
        bare = bare.removeprefix(" ")
        # The line before a signature is text of its own.
        separator = bare == "-- "
        if open_at >= 0 and (open_at != depth or separator):
            paragraphs.append("".join(open_lines))
            open_at = -1
        start = "" if open_at >= 0 or not depth else ">" * depth + " "
        if bare.endswith(" ") and not separator:
            if open_at < 0:
                open_lines = [start]
                open_at = depth
            open_lines.append(bare[:-1] if delsp else bare)
        elif open_at >= 0:
            paragraphs.append("".join([*open_lines, bare]))
            open_at = -1
        else:
            paragraphs.append(start + bare)
    if open_at >= 0:
        paragraphs.append("".join(open_lines))
    return "\n".join(paragraphs)
