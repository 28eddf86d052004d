"""From the bytes of a request to the one call in it: the guards before Spyne.

Nothing of a document is believed before it is parsed, and it is parsed only when it is short enough, has no more
elements than the contract could need, and no document type declaration; so there are no entities to expand. The
parser reaches no file and no network.

What clients get wrong is mended where there is one meaning only: spaces and NULs around the document, encodings (see
:mod:`soap.decoding`), characters beyond U+FFFF written as two references to surrogates (so Axis 1.4 writes emoji), and
values that stand in further children of the Body, referred to by ``href`` (SOAP 1.1, 5.4.1). The version is that of the
root element's namespace, whatever the Content-Type and the rest of the document say; SOAPAction is not looked at.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from soap import decoding
from soap.faults import MALFORMED, TOO_LARGE, VERSION_MISMATCH, Fault, Version
from soap.security import read_header, split_name

if TYPE_CHECKING:
    from lxml.etree import _Element

    from bridge.calls.logins import Credentials

MOST_ELEMENTS: Final = 100_000
"""In one document. A full bulk has fewer, with thirty fields for each text."""

MOST_NAMESPACES: Final = 256
"""That may be declared for one element, with those around it: what is asked of an element may go through all."""

_LONGEST_NAMESPACE: Final = 1000
_DEEPEST: Final = 250
_MOST_TOLD: Final = 160

_VERSIONS: Final = {version.namespace: version for version in Version}
_TOO_DEEP: Final = "depth"

# No name is longer than libxml2 lets it be.
_LONG_NAMESPACE: Final = re.compile(rb"""xmlns(?::[^\s=<>]{0,50000})?\s*=\s*(?:"[^"]{1001}|'[^']{1001})""")

_SPACES: Final = re.compile(rb"[ \t\r\n]*")
_GUARDED: Final[dict[str, Any]] = {
    "encoding": "utf-8",
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
    "collect_ids": False,
}
_LONGEST_PROLOG: Final = 16_384
_OPENED: Final = ((b"<!--", b"-->"), (b"<?", b"?>"))

_HIGH: Final = rb"(x0*d[89ab][0-9a-f]{2}|0*5[56]\d{3})"
_LOW: Final = rb"(x0*d[c-f][0-9a-f]{2}|0*5[67]\d{3})"
_SURROGATES: Final = re.compile(rb"&#" + _HIGH + rb";&#" + _LOW + rb";", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """What is in an envelope: the element that names the operation and holds its values, and the header's login."""

    version: Version
    element: _Element
    header: Credentials | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """The body of a request, and what the HTTP header says of it."""

    body: bytes
    media_type: str = ""
    charset: str | None = None
    coding: str = ""


def supposed_version(media_type: str) -> Version:
    """Return the version in which to complain of a document that does not tell its own."""
    return Version.V12 if media_type == Version.V12.media_type else Version.V11


def open_envelope(sent: Sent, *, limit: int) -> Call:
    """Return the call in a request; ``limit`` is the length of a body, in bytes, also when it was compressed.

    Raises :exc:`Fault`. One that is raised after the version is known has it in ``version``.
    """
    if sent.media_type.startswith("multipart/"):
        raise Fault(MALFORMED, "a message in several parts (attachments, MTOM) is not taken")
    document = decoding.as_utf8(decoding.inflate(sent.body, sent.coding, limit=limit), sent.charset)
    if not document:
        raise Fault(MALFORMED, "the request is empty; a SOAP envelope was expected")
    root = parse(document)
    namespace, name = split_name(root)
    if name != "Envelope":
        raise Fault(MALFORMED, f"no SOAP envelope: the root element is {_shown(name)}")
    if namespace not in _VERSIONS:
        raise Fault(
            VERSION_MISMATCH, f"the envelope is in namespace {_shown(namespace)}, not in one of SOAP 1.1 or 1.2"
        )
    version = _VERSIONS[namespace]
    try:
        return _call(root, version, limit)
    except Fault as fault:
        fault.version = version
        raise


def parse(document: bytes) -> _Element:
    """Return the root of a document in UTF-8. Raises :exc:`Fault`."""
    if document.count(b"<") > 2 * MOST_ELEMENTS:
        raise Fault(TOO_LARGE, f"the document has more than {MOST_ELEMENTS} elements")
    _refuse_doctype(document)
    try:
        return _parsed(document)
    except etree.XMLSyntaxError as error:
        joined = _SURROGATES.sub(_joined, document)
        if joined == document:
            raise _told(error, document) from None
    try:
        return _parsed(joined)
    except etree.XMLSyntaxError as error:
        raise _told(error, joined) from None


def _parsed(document: bytes) -> _Element:
    # A parser keeps the errors of its last document, so each has its own.
    root: _Element = etree.fromstring(document, etree.XMLParser(**_GUARDED))
    if root.getroottree().docinfo.internalDTD is not None:
        raise _no_doctype()
    if document.count(b"xmlns") > MOST_NAMESPACES or _LONG_NAMESPACE.search(document):
        _check_namespaces(document)
    return root


def _check_namespaces(document: bytes) -> None:
    """Refuse namespaces that make every look at an element dear: very long ones, and thousands of them."""
    around = 0
    for event, declared in etree.iterparse(BytesIO(document), events=("start-ns", "end-ns"), **_GUARDED):
        if event == "end-ns":
            around -= 1
            continue
        around += 1
        if around > MOST_NAMESPACES:
            raise Fault(TOO_LARGE, f"more than {MOST_NAMESPACES} namespaces are declared for one element")
        if len(declared[1]) > _LONGEST_NAMESPACE:
            raise Fault(TOO_LARGE, f"a namespace is longer than {_LONGEST_NAMESPACE} characters")


def _refuse_doctype(document: bytes) -> None:
    """Look at what stands before the root element: only there can a document type be declared."""
    place = 0
    while place < _LONGEST_PROLOG:
        place = _SPACES.match(document, place).end()  # type: ignore[union-attr]
        for opening, closing in _OPENED:
            if document.startswith(opening, place):
                found = document.find(closing, place + len(opening))
                place = len(document) if found < 0 else found + len(closing)
                break
        else:
            if document[place : place + 9].upper() == b"<!DOCTYPE":
                raise _no_doctype()
            return
    raise Fault(MALFORMED, f"no element within the first {_LONGEST_PROLOG} bytes")


def _no_doctype() -> Fault:
    return Fault(MALFORMED, "a document type declaration (DTD) is not taken")


def _joined(found: re.Match[bytes]) -> bytes:
    high, low = (int(each[1:], 16) if each[:1] in b"xX" else int(each) for each in found.groups())
    if not (0xD800 <= high < 0xDC00 <= low < 0xE000):
        return found[0]
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).encode()


def _told(error: etree.XMLSyntaxError, document: bytes) -> Fault:
    """Return the Fault for a document that the parser gave up: where, and what was wrong there."""
    decoding.check_utf8(document)
    said = " ".join((error.msg or "").split())
    if _TOO_DEEP in said.lower():
        return _too_deep()
    return Fault(MALFORMED, f"not well-formed XML: {_shown(said)}")


def _too_deep() -> Fault:
    return Fault(TOO_LARGE, f"elements are nested deeper than {_DEEPEST}")


def _shown(text: str) -> str:
    return text if len(text) <= _MOST_TOLD else f"{text[:_MOST_TOLD]}…"


def _call(root: _Element, version: Version, limit: int) -> Call:
    parts = {name: _only(root, f"{{{version.namespace}}}{name}") for name in ("Header", "Body")}
    header, body = parts["Header"], parts["Body"]
    if body is None:
        raise Fault(MALFORMED, "the envelope has no Body")
    login = read_header(header, version) if header is not None else None
    children = list(body.iterchildren("*"))
    if not children:
        raise Fault(MALFORMED, "the Body is empty; the element of an operation was expected")
    element = children[0] if len(children) == 1 else _one_of(children, limit)
    return Call(version=version, element=element, header=login)


def _only(root: _Element, tag: str) -> _Element | None:
    found = root.findall(tag)
    if len(found) > 1:
        raise Fault(MALFORMED, f"the envelope has {len(found)} elements {split_name(found[0])[1]}")
    return found[0] if found else None


def _one_of(children: list[_Element], limit: int) -> _Element:
    """Return the call among several children of a Body, with the values of the others where it refers to them.

    ``limit`` is how many bytes may be copied in all.
    """
    parts = {str(child.get("id")): child for child in children if child.get("id")}
    calls = [child for child in children if not child.get("id")]
    if len(calls) != 1:
        raise Fault(MALFORMED, f"the Body holds {len(calls)} calls; send each in an envelope of its own")
    _References(parts, limit).fill(calls[0], (), depth=0)
    return calls[0]


class _References:
    """Puts values where ``href`` refers to them."""

    def __init__(self, parts: dict[str, _Element], room: int) -> None:
        self._parts = parts
        self._room = room

    def fill(self, element: _Element, path: tuple[str, ...], *, depth: int) -> None:
        """Do so in all children; ``path`` are the references that led here."""
        if depth > _DEEPEST:
            raise _too_deep()
        for child in element.iterchildren("*"):
            reference = child.get("href", "")
            if not reference.startswith("#"):
                self.fill(child, path, depth=depth + 1)
                continue
            part = self._parts.get(reference[1:])
            if part is None:
                raise Fault(MALFORMED, f"href {_shown(reference)} refers to nothing")
            if reference in path:
                raise Fault(MALFORMED, f"href {_shown(reference)} refers to itself")
            # One part may be referred to many times, and so may those in it.
            self._room -= len(etree.tostring(part))
            if self._room < 0:
                raise Fault(TOO_LARGE, "the document is too long with all its references filled in")
            del child.attrib["href"]
            child.text = part.text
            child.extend(deepcopy(each) for each in part)
            self.fill(child, (*path, reference), depth=depth + 1)
