"""Addresses as a header writes them (RFC 5322, 3.4; RFC 6532): one that must be read without doubt, or a list.

Programs read addresses in many ways, and a forger looks for a form that ours reads otherwise than the one that signed
it. So where one address counts, every form that two readers could take for two mailboxes is refused.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from bridge.model.account import normalise_address
from bridge.model.errors import SenderRefused

LONGEST: Final = 4096

_ATOM: Final = r"[^\x00-\x20\x7f\"(),.:;<>@\[\\\]]"
_TOKEN: Final = re.compile(
    rf"""(?P<space>[ \t]++)|(?P<quoted>"(?:[^"\\]|\\.)*+")|(?P<atom>{_ATOM}++)|(?P<special>.)""", re.DOTALL
)
_COMMENT: Final = re.compile(r"(?:[^()\\]++|\\.)*+(?P<edge>[()])", re.DOTALL)
_PLAIN_QUOTED: Final = re.compile(rf'"(?:{_ATOM}|[. ])++"')
_ADDRESS: Final = re.compile(rf'(?:{_ATOM}++(?:\.{_ATOM}++)*+|"(?:{_ATOM}|[. ])++")@{_ATOM}++(?:\.{_ATOM}++)*+')


_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")
_LARGEST_LIST: Final = 65_536
_MOST_LISTED: Final = 1000
_UNPAIRED: Final = frozenset('"\\)')


class Unreadable(ValueError):
    """What stands there is not one address that all readers agree on. The text says why."""


class _Token(NamedTuple):
    kind: str
    text: str


def one(value: str) -> str:
    """Return the address of a field that has to hold exactly one; unfolded. Raises :exc:`Unreadable`."""
    if len(value) > LONGEST:
        raise Unreadable("it is too long")
    if any(character < " " and character != "\t" for character in value) or "\x7f" in value:
        raise Unreadable("it holds control characters")
    tokens = list(_tokens(value))
    _check_specials(tokens)
    address = _without_doubt("".join(token.text for token in _address_of(tokens)))
    for token in tokens:
        if token.kind == "comment" and "@" in token.text and token.text[1:-1].strip() != address:
            raise Unreadable("a comment holds another address")
    return address


def several(value: str, most: int) -> list[str]:
    """Return the addresses of a list, with groups, as they are written; of more than ``most`` the first.

    What cannot be read is left out; behind a quote or a parenthesis that does not pair nothing is read.
    """
    found: list[str] = []
    piece: list[_Token] = []
    try:
        for token in _tokens(value):
            if token.kind == "special" and token.text in _UNPAIRED:
                return found[:most]
            if token.kind != "special" or token.text not in {",", ";", ":"}:
                piece.append(token)
                continue
            if token.text != ":":  # before a colon stands the name of a group
                found += _read(piece)
            piece = []
            if len(found) >= most:
                break
        else:
            found += _read(piece)
    except Unreadable:
        pass
    return found[:most]


def _read(piece: list[_Token]) -> list[str]:
    try:
        address = "".join(token.text for token in _address_of(piece))
    except Unreadable:
        return []
    return [address] if _ADDRESS.fullmatch(address) else []


def _tokens(value: str) -> Iterator[_Token]:
    at = 0
    while at < len(value):
        if value[at] == "(":
            end = end_of_comment(value, at)
            yield _Token("comment", value[at:end])
            at = end
            continue
        match = _TOKEN.match(value, at)
        if match is None or match.lastgroup is None:  # pragma: no cover - every character is one of the four
            raise Unreadable("it cannot be read")
        yield _Token(match.lastgroup, match[0])
        at = match.end()


def end_of_comment(value: str, start: int) -> int:
    """Return where a comment that opens at ``start`` is closed: comments nest (RFC 5322, 3.2.2)."""
    depth, at = 1, start + 1
    while depth:
        match = _COMMENT.match(value, at)
        if match is None:
            raise Unreadable("a comment is not closed")
        depth += 1 if match["edge"] == "(" else -1
        at = match.end()
    return at


_REFUSED: Final = {
    ",": "it names several addresses, or has a comma outside quotes",
    ":": "it is a group, or has a colon outside quotes",
    ";": "it is a group, or has a semicolon outside quotes",
    ")": "a parenthesis is not opened",
    "\\": "it has a backslash outside quotes",
    '"': "a quote is not closed",
}


def _check_specials(tokens: list[_Token]) -> None:
    for token in tokens:
        if token.kind == "special" and token.text in _REFUSED:
            raise Unreadable(_REFUSED[token.text])


def _address_of(tokens: list[_Token]) -> list[_Token]:
    """Return the tokens of the address: those between angle brackets, or all when there are none."""
    edges = [place for place, token in enumerate(tokens) if token.kind == "special" and token.text in {"<", ">"}]
    if not edges:
        return _trimmed(tokens)
    if len(edges) != 2 or tokens[edges[0]].text != "<" or tokens[edges[1]].text != ">":
        raise Unreadable("its angle brackets do not pair")
    if _trimmed(tokens[edges[1] + 1 :]):
        raise Unreadable("something stands behind the address")
    inside = tokens[edges[0] + 1 : edges[1]]
    name = tokens[: edges[0]]
    if any(token.kind == "special" and token.text == "@" for token in name):
        # Programs do put the same address in front, without quotes. Another one would be believed by some reader.
        shown = "".join(token.text for token in _trimmed(name))
        if shown.lower() != "".join(token.text for token in inside).lower():
            raise Unreadable("its name shows another address outside quotes")
    return inside


def _trimmed(tokens: list[_Token]) -> list[_Token]:
    edge = {"space", "comment"}
    start, end = 0, len(tokens)
    while start < end and tokens[start].kind in edge:
        start += 1
    while end > start and tokens[end - 1].kind in edge:
        end -= 1
    return tokens[start:end]


def _without_doubt(address: str) -> str:
    if not address or "@" not in address:
        raise Unreadable("it holds no address")
    if address.startswith('"') and not _PLAIN_QUOTED.match(address):
        raise Unreadable("its quoted local part could be read in two ways")
    if not _ADDRESS.fullmatch(address):
        raise Unreadable("its address has another form than local@domain")
    if "=?" in address:
        raise Unreadable("its address holds an encoded word")
    if not address.isascii() and (
        unicodedata.normalize("NFKC", address) != unicodedata.normalize("NFC", address)
        or any(unicodedata.category(character)[0] in "CZ" for character in address if character != " ")
        or "\u3002" in address  # a dot for IDNA (RFC 5895), and for nothing else
    ):
        raise Unreadable("its address has letters that stand for others, or none at all")
    return address


def plain(address: str) -> str:
    """Return an address of a list in lower case, the local part without quotes it does not need, A-labels.

    It is compared with another one; where it can have no such form it is left as it is.
    """
    if not address.isascii():
        with contextlib.suppress(SenderRefused):
            return normalise_address(address)
    if address.startswith('"'):
        local, _, domain = address.rpartition("@")
        if re.fullmatch(rf"{_ATOM}++(?:\.{_ATOM}++)*+", local[1:-1]):
            return f"{local[1:-1]}@{domain}".lower()
    return address.lower()


def listed(values: Iterable[bytes]) -> frozenset[str]:
    """Return the addresses in the fields To and Cc, as they were written, in lower case. Raises nothing."""
    found: list[str] = []
    for value in values:
        if len(value) <= _LARGEST_LIST:
            line = _FOLD.sub(b"", value).decode("utf-8", "replace").strip()
            found += several(line, _MOST_LISTED - len(found))
    return frozenset(plain(address) for address in found)
