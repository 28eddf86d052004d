"""OpenPGP in the text itself (RFC 9580, 6 and 7): signed text is read, encrypted text cannot be."""

from __future__ import annotations

import re
from typing import Final

_MARK: Final = "-----BEGIN PGP "
_ENCRYPTED: Final = re.compile(r"(?m)^-----BEGIN PGP MESSAGE(?:, PART [0-9/]{1,12})?-----[ \t]*+$")
_SIGNED: Final = re.compile(
    r"(?m)^-----BEGIN PGP SIGNED MESSAGE-----[ \t]*+\n(?:[A-Za-z-]{1,40}:[^\n]*+\n)*+[ \t]*+\n?"
)
_SIGNATURE: Final = re.compile(r"(?m)^-----BEGIN PGP SIGNATURE-----[ \t]*+$")
_END: Final = re.compile(r"(?m)^-----END PGP SIGNATURE-----[^\n]*+\n?")
_KEY: Final = re.compile(r"(?m)^-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*+$")
_KEY_END: Final = re.compile(r"(?m)^-----END PGP PUBLIC KEY BLOCK-----[^\n]*+\n?")


def marked(text: str) -> bool:
    """Tell whether a text holds anything of PGP's; the rest is for such texts alone."""
    return _MARK in text


def is_encrypted(text: str) -> bool:
    """Tell whether a block of the text is encrypted."""
    return _ENCRYPTED.search(text) is not None


def readable(text: str) -> tuple[str, list[str]]:
    """Return a text without signatures and keys, its dashes as they were (RFC 9580, 7.2), and what was done.

    A signature is not verified. What stands around a signed block stays: whether it is wanted is another question.
    """
    notes: list[str] = []
    pieces: list[str] = []
    at = 0
    while begin := _SIGNED.search(text, at):
        notes.append("the PGP signature is not checked")
        signature = _SIGNATURE.search(text, begin.end())
        signed = text[begin.end() : signature.start() if signature else len(text)]
        lines = [line.removeprefix("- ") for line in signed.split("\n")]
        pieces += [text[at : begin.start()], "\n".join(lines)]
        end = _END.search(text, signature.end()) if signature else None
        at = end.end() if end else len(text)
    text = "".join([*pieces, text[at:]])
    pieces, at = [], 0
    while begin := _KEY.search(text, at):
        notes.append("a PGP key ignored")
        end = _KEY_END.search(text, begin.end())
        pieces.append(text[at : begin.start()])
        at = end.end() if end else len(text)
    return "".join([*pieces, text[at:]]), notes
