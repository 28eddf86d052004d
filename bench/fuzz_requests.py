"""What a hostile or broken client may send to ``/soap``: whole connections as bytes, drawn by hypothesis.

They begin with the examples of the contract, or are built from its operations, and are then spoilt: bytes are flipped,
cut and doubled; elements are taken out, doubled, moved, renamed and nested; encodings, compressions, chunks and headers
lie. Each holds a login that is right, so what is still a call is done. The two secrets of it stand only where a login
belongs: wherever else they turn up afterwards, they leaked.
"""

from __future__ import annotations

import copy
import gzip
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st
from lxml import etree

USER: Final = "fuzz"
PASSWORD: Final = "canary-9c1f4be2-password"  # noqa: S105 - made up
TOKEN: Final = "canary-5e07ad63-" + "t" * 27
LONGEST: Final = 4_194_304
"""The bridge's own limit of a body."""

_EXAMPLES: Final = Path(__file__).parent.parent / "wsdl" / "examples"
_NAMESPACE: Final = "urn:smsbridge:1"
_ENVELOPES: Final = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_LOGIN: Final = re.compile(rb"<username>acme</username>\s*<password>[^<]*</password>")
_SECRETS: Final = (PASSWORD.encode(), TOKEN.encode())
_IN_PLACE: Final = re.compile(
    rb"(<(?:\w+:)?(?:password|token|psw)[^<>]*>|Bearer )(" + b"|".join(map(re.escape, _SECRETS)) + rb")"
)


def _examples() -> tuple[bytes, ...]:
    given = (f"<username>{USER}</username><password>{PASSWORD}</password>", f"<token>{TOKEN}</token>")
    found = []
    for path in sorted(_EXAMPLES.glob("*.request.xml")):
        document = path.read_bytes()
        # An argon2 check for every wrong password takes its time: most log in by token.
        found += [_LOGIN.sub(login.encode(), document) for login in (*given, given[1], given[1])]
    smsc = (
        '<?xml version="1.0" encoding="utf-8"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        f'<send xmlns="https://smsc.ru/sys/soap.php"><login>{USER}</login><psw>{PASSWORD}</psw><phones>0502345671</phones>'
        "<mes>Hello</mes><id>7</id></send></e:Body></e:Envelope>"
    )
    return (*found, smsc.encode())


EXAMPLES: Final = _examples()

_SNIPPETS: Final = (
    *(b"<", b">", b"&", b'"', b"'", b"/>", b"</", b"]]>", b"<!--", b"-->", b"<?x ?>", b"<![CDATA[", b"\x00", b"\x1b"),
    *(b"<!DOCTYPE a [<!ENTITY x 'y'>]>", b"<!ENTITY x SYSTEM 'file:///etc/hostname'>", b"&x;", b"&nbsp;", b"&#0;"),
    *(b"&#xD83D;", b"&#xD83D;&#xDE00;", b"&#55357;", b"&#x1F600;", b"&#99999999;", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(b"\xc3\x28", b"\xed\xa0\xbd", b'<?xml version="1.0" encoding="utf-16"?>', b"encoding='klingon'"),
    *(b' xsi:nil="true"', b' href="#1"', b' id="1"', b' mustUnderstand="1"', b" xmlns:a='urn:b'", b"<a/>", b"</a>"),
    *(b"<soap:Header/>", b"<soap:Body>", b"</soap:Body>", b"urn:smsbridge:1", b"<item>", b"</item>", b"0502345678;"),
)

_TEXTS: Final = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        (
            "",
            "0",
            "-1",
            "9" * 400,
            "1e999",
            "NaN",
            "true",
            "0502345678",
            "0502345678;12,+972502345679",
            "tag:vip",
            "a\x0cb",
            "{{name}} {{",
            "2026-13-45",
            "24/12/2026 09:30",
            "+99999999999",
            "javascript:alert(1)",
            "http://127.0.0.1:1/",
            "../../etc/passwd",
            "' OR 1=1 --",
            "%s%n{0}${jndi}",
            "😀" * 800,
            "x" * 20_000,
            "\u202e\u0000\ufffe",
        )
    ),
)
_NAMES: Final = (
    *("dest", "message", "sender", "sendtime", "reference", "test", "fields", "items", "item", "key", "value"),
    *("message_id", "after_id", "limit", "username", "password", "token", "priority", "lifetime", "nothing", "Fault"),
)
_CHARSETS: Final = (
    "utf-8",
    "utf-16",
    "utf-32",
    "windows-1255",
    "iso-8859-8-i",
    "koi8-r",
    "utf-7",
    "klingon",
    "",
    "idna",
)
_ESCAPED: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Request:
    """What one connection sends.

    ``whole``: it is HTTP, and all that it promised; so there has to be an answer.
    """

    kind: str
    sent: bytes
    whole: bool = True

    def __repr__(self) -> str:
        """Show the beginning: a whole one may have megabytes."""
        return f"<{self.kind}, {len(self.sent)} bytes, {'whole' if self.whole else 'broken'}: {self.sent[:1500]!r}>"


@st.composite
def spoilt_bytes(draw: st.DrawFn) -> bytes:
    """Return an example with bytes flipped, cut out, put in, doubled or missing at the end."""
    body = bytearray(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(body)))
        end = min(len(body), place + draw(st.integers(1, 60)))
        match draw(st.sampled_from(("flip", "cut", "put", "put", "double", "end", "noise"))):
            case "flip" if place < len(body):
                body[place] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del body[place:end]
            case "put":
                body[place:place] = draw(st.sampled_from(_SNIPPETS)) * draw(st.sampled_from((1, 1, 1, 2, 500)))
            case "double":
                body[place:place] = body[place:end] * draw(st.sampled_from((1, 1, 3, 400)))
            case "end":
                del body[place:]
            case "noise":
                body[place:end] = draw(st.binary(max_size=20))
    return bytes(body)


def _out(_draw: st.DrawFn, element: Any, parent: Any) -> None:
    parent.remove(element)


def _double(draw: st.DrawFn, element: Any, parent: Any) -> None:
    for _ in range(draw(st.sampled_from((1, 1, 2, 1500)))):
        parent.append(copy.deepcopy(element))


def _rename(draw: st.DrawFn, element: Any, _parent: Any) -> None:
    element.tag = f"{{{etree.QName(element).namespace}}}{draw(st.sampled_from(_NAMES))}"


def _nest(draw: st.DrawFn, element: Any, _parent: Any) -> None:
    for _ in range(draw(st.sampled_from((1, 20, 240, 1000)))):
        element = etree.SubElement(element, element.tag)


def _write(draw: st.DrawFn, element: Any, _parent: Any) -> None:
    element.text = _ESCAPED.sub("?", draw(_TEXTS))


def _mark(draw: st.DrawFn, element: Any, _parent: Any) -> None:
    for name, value in draw(_MARKS):
        element.set(name, value)


def _elsewhere(draw: st.DrawFn, element: Any, _parent: Any) -> None:
    others = (_NAMESPACE, "urn:other", *_ENVELOPES, "x" * 5000)
    element.tag = f"{{{draw(st.sampled_from(others))}}}{etree.QName(element).localname}"


def _first(_draw: st.DrawFn, element: Any, parent: Any) -> None:
    parent.insert(0, element)


def _add(draw: st.DrawFn, element: Any, parent: Any) -> None:
    _write(draw, etree.SubElement(element, f"{{{_NAMESPACE}}}{draw(st.sampled_from(_NAMES))}"), parent)


_SPOILS: Final = (_out, _double, _rename, _nest, _write, _write, _mark, _elsewhere, _first, _add)


@st.composite
def spoilt_trees(draw: st.DrawFn) -> bytes:
    """Return an example that is well-formed still, with other elements than the contract has, or in other places."""
    root = etree.fromstring(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        element = draw(st.sampled_from(list(root.iter())))
        if (parent := element.getparent()) is not None:
            draw(st.sampled_from(_SPOILS))(draw, element, parent)
    return etree.tostring(root, encoding="utf-8", xml_declaration=draw(st.booleans()))


_MARKS: Final = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("id", "href", "x", f"{{{_XSI}}}nil", f"{{{_XSI}}}type", "{urn:a}b", "extra"),
                *(f"{{{space}}}{name}" for space in _ENVELOPES for name in ("mustUnderstand", "actor", "role")),
            )
        ),
        st.sampled_from(("1", "true", "#1", "#2", "xsd:base64Binary", "x" * 100_000, "", "0", "urn:other")),
    ),
    min_size=1,
    max_size=3,
)


@st.composite
def built(draw: st.DrawFn) -> bytes:
    """Return a call of an operation, or of none, with elements that it may have, and values that it may not."""
    version = draw(st.sampled_from(_ENVELOPES))
    operation = draw(st.sampled_from(_OPERATIONS))
    root = etree.Element(f"{{{version}}}Envelope", nsmap={"s": version, None: _NAMESPACE})
    if draw(st.booleans()):
        block = etree.SubElement(etree.SubElement(root, f"{{{version}}}Header"), f"{{{draw(_SPACES)}}}Security")
        for name, value in draw(_MARKS):
            block.set(name, value)
        token = etree.SubElement(block, "UsernameToken")
        etree.SubElement(token, "Username").text = USER
        etree.SubElement(token, "password").text = draw(st.sampled_from((PASSWORD, "wrong")))
    call = etree.SubElement(etree.SubElement(root, f"{{{version}}}Body"), f"{{{_NAMESPACE}}}{operation}")
    if draw(st.integers(0, 9)) != 5:
        etree.SubElement(call, f"{{{_NAMESPACE}}}token").text = TOKEN
    for name in draw(st.lists(st.sampled_from(_NAMES), max_size=8)):
        _filled(draw, call, name, 3)
    return etree.tostring(root)


def _filled(draw: st.DrawFn, parent: Any, name: str, depth: int) -> None:
    element = etree.SubElement(parent, f"{{{_NAMESPACE}}}{name}")
    if depth and name in {"fields", "items", "item"}:
        children = st.sampled_from(("item", "item", "key", "value", "dest", "message", "fields"))
        for each in draw(st.lists(children, max_size=5)):
            _filled(draw, element, each, depth - 1)
    else:
        element.text = _ESCAPED.sub("?", draw(_TEXTS))


_SPACES: Final = st.sampled_from(
    (
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
        "http://www.w3.org/2005/08/addressing",
        "urn:other",
    )
)
_OPERATIONS: Final = (
    *sorted({path.name.partition(".")[0] for path in _EXAMPLES.glob("*.request.xml")} - {"fault", "fault12"}),
    *("nothing", "Fault", "send_sms", "send_sms", "send_sms_bulk", "send_sms_bulk"),
)


def _call(inner: bytes) -> bytes:
    token = f"<token>{TOKEN}</token>".encode()
    return (
        b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><send_sms xmlns="urn:smsbridge:1">'
        + token
        + b"<dest>12</dest>"
        + inner
        + b"</send_sms></e:Body></e:Envelope>"
    )


def _laughs(size: int) -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(min(size, 30)))
    return f"<!DOCTYPE l [{entities}]><l>&l{min(size, 30) - 1};</l>".encode()


_HARD: Final[dict[str, Callable[[int], bytes]]] = {
    "deep": lambda n: _call(b"<a>" * n + b"</a>" * n),
    "open": lambda n: _call(b"<a>" * n),
    "attribute": lambda n: _call(b'<a b="' + b"x" * n + b'"/>'),
    "attributes": lambda n: _call(b"<a " + b" ".join(b'a%d=""' % each for each in range(n // 8)) + b"/>"),
    "namespaces": lambda n: _call(b"<a " + b" ".join(b'xmlns:a%d="u"' % each for each in range(n // 16)) + b"/>"),
    "elements": lambda n: _call(b"<fields>" + b"<item/>" * (n // 7) + b"</fields>"),
    "items": lambda n: (
        _call(b"<message>x</message>")
        .replace(b"send_sms", b"send_sms_bulk")
        .replace(
            b"<dest>12</dest><message>x</message>",
            b"<items>" + b"<item><dest>12</dest><message>x</message></item>" * (n // 53) + b"</items>",
        )
    ),
    "numbers": lambda n: _call(b"<message>x</message>").replace(b"<dest>12", b"<dest>" + b"12;" * (n // 3)),
    "text": lambda n: _call(b"<message>" + b"x" * n + b"</message>"),
    "references": lambda n: _call(b"<message>" + b"&#xD83D;&#xDE00;" * (n // 16) + b"</message>"),
    "name": lambda n: _call(b"<" + b"a" * n + b"/>"),
    "comments": lambda n: b"<!---->" * (n // 7) + _call(b""),
    "spaces": lambda n: b" " * n + _call(b""),
    "laughs": _laughs,
    "hrefs": lambda n: _call(b'<fields href="#m"/>').replace(
        b"</send_sms>",
        b'</send_sms><m id="m">' + b'<item href="#m2"/>' * min(n // 18, 9000) + b'</m><m id="m2"><key>k</key></m>',
    ),
}


@st.composite
def hard(draw: st.DrawFn) -> bytes:
    """Return a document that is made to take long, or much room."""
    made = _HARD[draw(st.sampled_from(sorted(_HARD)))]
    size = draw(st.sampled_from((10, 300, 300, 5000, 5000, 60_000, 60_000, 400_000, LONGEST - 2000, LONGEST + 100)))
    return made(size)


def in_place(body: bytes) -> bytes:
    """Return a body in which a secret stands nowhere but in an element for one."""
    kept = _IN_PLACE.sub(lambda found: found[1] + found[2].replace(b"canary", b"CANARY"), body)
    for secret in _SECRETS:
        kept = kept.replace(secret, b"x" * len(secret))
    return kept.replace(b"CANARY", b"canary")


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Return a connection's bytes: a body of any of these kinds, in HTTP that may be wrong as well."""
    kind, strategy = draw(
        st.sampled_from(
            (
                *[("bytes", spoilt_bytes())] * 5,
                *[("tree", spoilt_trees())] * 5,
                *[("built", built())] * 5,
                ("hard", hard()),
                ("plain", st.sampled_from(EXAMPLES)),
            )
        )
    )
    body = in_place(draw(strategy))
    headers: list[bytes] = []
    charset = ""
    if draw(st.integers(0, 4)) == 2:
        charset = draw(st.sampled_from(_CHARSETS))
        codec = draw(st.sampled_from(("utf-8", "utf-16", "utf-16-le", "utf-32-be", "windows-1255", "cp037", "utf-7")))
        body = body.decode("utf-8", "replace").encode(codec, "replace")
    if draw(st.integers(0, 4)) == 2:
        coding, body = draw(_compressed(body))
        headers.append(b"Content-Encoding: " + coding)
    media = draw(st.sampled_from((*["text/xml"] * 4, *["application/soap+xml"] * 3, "", "multipart/related", "a/b;;=")))
    headers.append(f"Content-Type: {media}; charset={charset or 'utf-8'}".encode())
    framed, whole = draw(_framed(body))
    odd = draw(st.lists(st.sampled_from(_HEADERS), max_size=2))
    line = draw(st.sampled_from(_ANSWERED))
    if draw(st.integers(0, 14)) == 7:
        odd.append(draw(st.sampled_from(sorted(_BROKEN))))
    if draw(st.integers(0, 29)) == 14:
        line = draw(st.sampled_from(_NO_LINES))
    whole = whole and line in _ANSWERED and not set(odd) & _BROKEN
    head = [line, b"Host: 127.0.0.1", b"Connection: close", *headers, *odd]
    return Request(kind=kind, sent=b"\r\n".join(head) + b"\r\n" + framed, whole=whole)


_ANSWERED: Final = (
    *[b"POST /soap HTTP/1.1"] * 30,
    *(
        b"POST /soap HTTP/1.0",
        b"POST /sys/soap.php HTTP/1.1",
        b"POST /sys/soap.php HTTP/1.1",
        b"POST /soap?wsdl HTTP/1.1",
    ),
    *(b"POST /soap/ HTTP/1.1", b"POST /soap.wsdl HTTP/1.1", b"POST /soap?" + b"a" * 3000 + b" HTTP/1.1"),
    *(b"PUT /soap HTTP/1.1", b"DELETE /soap HTTP/1.1", b"GET /soap HTTP/1.1"),
)
_NO_LINES: Final = (b"post /soap HTTP/1.1", b"P\xd6ST /soap HTTP/1.1", b"POST /soap HTTP/3.7", b"POST", b"")


@st.composite
def _compressed(draw: st.DrawFn, body: bytes) -> tuple[bytes, bytes]:
    coding = draw(st.sampled_from((b"gzip", b"deflate", b"x-gzip", b"br", b"gzip, gzip", b"", b"identity")))
    match draw(st.sampled_from(("right", "right", "other", "cut", "noise", "bomb", "plain"))):
        case "right":
            return coding, zlib.compress(body) if coding == b"deflate" else gzip.compress(body, 1)
        case "other":
            return coding, zlib.compress(body)[2:-4]
        case "cut":
            packed = gzip.compress(body, 1)
            return coding, packed[: draw(st.integers(0, len(packed)))]
        case "noise":
            return coding, gzip.compress(body, 1)[:10] + draw(st.binary(max_size=200))
        case "bomb":
            return coding, _BOMB
    return coding, body


_BOMB: Final = gzip.compress(b"<a>" + b" " * 60_000_000, 9)


@st.composite
def _framed(draw: st.DrawFn, body: bytes) -> tuple[bytes, bool]:
    """Return the end of a head and the body behind it; and whether that is all that the head promised."""
    length, rest = len(body), body
    match draw(st.sampled_from((*["right"] * 12, *["chunks"] * 3, "less", "more", "cut", "none", "both"))):
        case "chunks":
            return draw(_chunked(body))
        case "less":
            length //= 2
        case "more":
            length += draw(st.sampled_from((1, 10**6, 10**18)))
        case "cut":
            rest = body[:-1]
        case "none":
            return b"\r\n" + body, not body
        case "both":
            return b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%b" % (length, body), False
    return b"Content-Length: %d\r\n\r\n%b" % (length, rest), length == len(rest)


@st.composite
def _chunked(draw: st.DrawFn, body: bytes) -> tuple[bytes, bool]:
    size = draw(st.sampled_from((1, 7, 1000, 65_536))) if len(body) < 20_000 else 65_536
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    end = draw(st.sampled_from((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"zz\r\n", b"")))
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + end, end == b"0\r\n\r\n"


_BROKEN: Final = {
    b"SOAPAction: \xff\xfe",
    b"X-Forwarded-Host: evil.example.net\x01",
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Type: \xd7\xa9",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: chunked",
    b"No colon at all",
    b"A: " + b"b" * 70_000,
}
"""Headers over which a request may be taken for none."""

_HEADERS: Final = (
    b"Expect: 100-continue",
    b"Expect: the unexpected",
    b"Authorization: Bearer " + TOKEN.encode(),
    b"Authorization: Basic !!!",
    b"Authorization: " + b"x" * 7000,
    b"SOAPAction: " + b'"' * 5000,
    b"X-Forwarded-For: " + b"1.2.3.4, " * 500,
    b"X-Forwarded-Host: evil.example.net",
    b"Accept: */*" + b";q=0" * 900,
    b"Upgrade: h2c",
)
