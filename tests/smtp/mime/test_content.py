"""What a mail says, whatever its bytes, and what tells that it came before. The email package is the oracle.

The folder ``mails`` holds one mail per case. Beside ``NAME.eml`` stands ``NAME.txt``, the text as it comes out of
``read_content`` and is cleaned, with nothing cut off; or ``NAME.refused.txt``, the error's code and reason. Where the
text that is sent in the end is another, ``NAME.sent.txt`` holds it for the tests of the whole way.
"""

import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from email import encoders, message_from_bytes, policy
from email.generator import BytesGenerator
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bridge.model.errors import MalformedContent, NoText
from bridge.model.text import clean
from smtp.mime import charsets, markup
from smtp.mime.content import Content, idempotency_key, read_content
from smtp.mime.entity import Entity

MAILS = sorted((Path(__file__).parent.parent / "mails").glob("*.eml"))
MIB = 1 << 20

HEADER = (
    b"From: ann@example.com\r\n"
    b"Date: Fri, 20 Nov 2026 07:00:00 +0000\r\n"
    b"Message-ID: <1@mail.example.com>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
)


def outcome(raw: bytes) -> str:
    """Read a mail; write what came of it as the files beside the mails do."""
    try:
        return clean(read_content(raw).text) + "\n"
    except (NoText, MalformedContent) as refusal:
        return f"{refusal.code}: {refusal.reason}\n"


def content(message_id: str | None = "<1@a>", date: str | None = "today", digest: bytes = b"d" * 16) -> Content:
    """Write a content short."""
    return Content(text="x", message_id=message_id, date=date, digest=digest)


@pytest.mark.parametrize("mail", MAILS, ids=lambda path: path.stem)
def test_mails(mail: Path) -> None:
    """Each mail in the folder reads as the file beside it says, or is refused with the reason there."""
    expected = [path for path in (mail.with_suffix(".txt"), mail.with_suffix(".refused.txt")) if path.exists()]
    assert len(expected) == 1
    assert outcome(mail.read_bytes()) == expected[0].read_bytes().decode()


def test_mails_are_as_sent() -> None:
    """The folder is there, and no tool has changed the line ends of its mails."""
    assert len(MAILS) >= 25
    for mail in MAILS:
        raw = mail.read_bytes()
        assert raw.count(b"\r\n") == (0 if mail.stem.startswith("bare_") else raw.count(b"\n")), mail.stem


@pytest.mark.parametrize("mail", MAILS, ids=lambda path: path.stem)
def test_line_ends_change_nothing(mail: Path) -> None:
    """A relay that changes line ends, or white space at the end of lines, changes neither text nor digest."""
    crlf = mail.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    lf = crlf.replace(b"\r\n", b"\n")
    assert outcome(crlf) == outcome(lf)
    if outcome(lf).startswith(("text_empty", "content_malformed")):
        return
    first = read_content(crlf)
    assert first.digest == read_content(lf).digest == read_content(crlf + b"\r\n \r\n").digest
    header, blank, body = crlf.partition(b"\r\n\r\n")
    spaced = header + blank + body.replace(b"\r\n", b" \t\r\n")
    assert first.digest == read_content(spaced).digest


IDS = {
    "plain": (b"Message-ID: <a@b>\r\nDate: now\r\n", "<a@b>", "now"),
    "folded": (b"message-id:\r\n  <a@b>\r\nDATE: Fri,\r\n\t20 Nov\r\n", "<a@b>", "Fri,\t20 Nov"),
    "space before the colon": (b"Message-Id : <a@b> \r\nDate \t: now\r\n", "<a@b>", "now"),
    "the first of two": (b"Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n", "<a@b>", None),
    "empty": (b"Message-ID: \r\nDate:\r\n", None, None),
    "zero bytes alone": (b"Message-ID: \0\r\nDate: \0 now\0\r\n", None, "now"),
    "in the value of another": (b"Subject: x\r\n message-id: <a@b>\r\nX-Message-ID: <c@d>\r\n", None, None),
    "a longer name": (b"Message-IDs: <a@b>\r\nDate-Sent: now\r\n", None, None),
    "UTF-8": ("Message-ID: <ä@b>\r\n".encode(), "<ä@b>", None),
    "not UTF-8": (b"Message-ID: <\xe4@b>\r\n", "<ä@b>", None),
    "none": (b"Subject: x\r\n", None, None),
}


@pytest.mark.parametrize(("header", "message_id", "date"), IDS.values(), ids=IDS)
def test_message_id_and_date(header: bytes, message_id: str | None, date: str | None) -> None:
    """Message-ID and Date come unfolded and stripped, None when missing or empty."""
    found = read_content(header + b"\r\nhello\r\n")
    assert (found.message_id, found.date) == (message_id, date)


def test_digest_is_of_what_the_mail_says() -> None:
    """Another body, type or transfer encoding is another digest; other headers, case and folds are not."""
    base = read_content(HEADER + b"Content-Transfer-Encoding: 7bit\r\n\r\nhello").digest
    assert len(base) == 16
    same = (
        b"Received: from a by b\r\n" + HEADER + b"Content-Transfer-Encoding:  7BIT\r\nX-Spam: no\r\n\r\nhello\r\n",
        HEADER.replace(b"; charset", b";\r\n charset") + b"Content-Transfer-Encoding: 7bit\r\n\r\nhello",
    )
    other = (
        HEADER + b"Content-Transfer-Encoding: 7bit\r\n\r\nhello you",
        HEADER + b"Content-Transfer-Encoding: 7bit\r\n\r\nhe llo",
        HEADER + b"Content-Transfer-Encoding: quoted-printable\r\n\r\nhello",
        HEADER + b"\r\nhello",
        HEADER.replace(b"utf-8", b"koi8-r") + b"Content-Transfer-Encoding: 7bit\r\n\r\nhello",
    )
    assert {read_content(raw).digest for raw in same} == {base}
    assert len({base, *(read_content(raw).digest for raw in other)}) == 1 + len(other)


def test_key() -> None:
    """The key is 32 hex digits, and other for another mail, sender or number."""
    keys = [
        idempotency_key(mail, sender=sender, number=number)
        for mail in (
            content(),
            content(message_id="<2@a>"),
            content(digest=b"e" * 16),
            content(message_id=None),
            content(message_id=None, date="<1@a>"),
            content(message_id="today"),
        )
        for sender in ("ann@example.com", "bob@example.com")
        for number in ("+972502345678", "+972502345679")
    ]
    assert len(set(keys)) == len(keys) == 24
    for key in keys:
        assert key is not None
        assert len(key) == 32
        assert set(key) <= set("0123456789abcdef")
    assert keys[0] == idempotency_key(content(date="another"), sender="ann@example.com", number="+972502345678")


def test_no_key_for_what_cannot_be_told_apart() -> None:
    """Without Message-ID and Date there is no key: two equal alerts are two texts."""
    assert idempotency_key(content(message_id=None, date=None), sender="a@example.com", number="+1") is None


def test_key_has_no_seams() -> None:
    """What moves from one field to the next makes another key; odd characters raise nothing."""
    first = idempotency_key(content(message_id="ab"), sender="c", number="d")
    assert first != idempotency_key(content(message_id="a"), sender="bc", number="d")
    assert first != idempotency_key(content(message_id="ab"), sender="cd", number="")
    assert idempotency_key(content(message_id="\ud800"), sender="\udcff@a", number="+1")


def test_operators_fallback() -> None:
    """Text without a charset that is not UTF-8 is read as the operator says, before anything is guessed."""
    raw = b"Subject: x\r\n\r\n" + "Насос стоит".encode("cp866")
    assert read_content(raw, fallback_charset="cp866").text == "Насос стоит"
    assert read_content(b"\n" + "Ёлка".encode(), fallback_charset="cp866").text == "Ёлка"
    assert read_content(b"\n\xff\xfe no", fallback_charset="no such thing").text


FLOWED_CASES = {
    "a paragraph": ("a \nb \nc\nd", "no", "a b c\nd"),
    "delsp": ("a \nb  \nc", "yes", "ab c"),
    "a last line that flows": ("a \nb ", "no", "a b "),
    "stuffed": (" >a\n From b\n  c", "no", ">a\nFrom b\n c"),
    "quotes flow within one depth": ("> a \n> b\n>> c \n> d", "no", "> a b\n>> c \n> d"),
    "a quote after a flowed line": ("a \n> b", "no", "a \n> b"),
    "a signature stands alone": ("a \n-- \nAnn \nB", "no", "a \n-- \nAnn B"),
    "a quoted signature": ("> a \n> -- \n> Ann", "no", "> a \n> -- \n> Ann"),
    "an empty quote": (">\n> a", "no", "> \n> a"),
}


@pytest.mark.parametrize(("body", "delsp", "text"), FLOWED_CASES.values(), ids=FLOWED_CASES)
def test_flowed(body: str, delsp: str, text: str) -> None:
    """Lines of format=flowed are joined as RFC 3676, 4 says."""
    header = f"Content-Type: text/plain; charset=utf-8; format=flowed; delsp={delsp}\r\n\r\n"
    assert read_content(header.encode() + body.replace("\n", "\r\n").encode()).text == text


def test_slow_libraries_wait_until_needed() -> None:
    """A start, and a plain mail, import neither the guesser of charsets nor a parser of HTML."""
    program = (
        "import sys; from smtp.mime.content import read_content; read_content('\\nשלום'.encode());"
        "sys.exit(any(name in sys.modules for name in ('lxml', 'charset_normalizer')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


# --- The oracle: mails as the email package builds them must read as it reads them.

TEXTS = ["hello", "שלום עולם", "Größe: 5 cm", "a=b; c > d", "From here\n.dot\n--no boundary", "  ", "x\n" * 5, "Привет"]
NAMES = ["utf-8", "windows-1255", "koi8-r", "iso-8859-1", "us-ascii", "iso-2022-jp", "utf-16"]
CODINGS = ["7bit", "8bit", "base64", "quoted-printable"]


@st.composite
def leaves(draw: st.DrawFn) -> Message:
    """Build one part that is no multipart."""
    kind = draw(st.sampled_from(["text/plain", "text/plain", "text/html", "image/png", "text/csv"]))
    text, charset = draw(st.sampled_from(TEXTS)), draw(st.sampled_from(NAMES))
    coding = draw(st.sampled_from(CODINGS))
    try:
        body = text.encode(charset)
    except UnicodeEncodeError:
        body, charset = text.encode(), "utf-8"
    # Its bytes are no lines, so no other encoding leaves them alone.
    coding = "base64" if charset == "utf-16" else coding
    part = MIMEBase(*kind.split("/"))
    if kind.startswith("text/"):
        part.set_param("charset", charset)
    if draw(st.booleans()) and kind != "text/html":
        part.add_header("Content-Disposition", draw(st.sampled_from(["inline", "attachment"])), filename="a b;c.txt")
    part.set_payload(body)
    if coding == "base64":
        encoders.encode_base64(part)
    elif coding == "quoted-printable":
        encoders.encode_quopri(part)
    else:
        part["Content-Transfer-Encoding"] = coding
        part.set_payload(body.decode("ascii", "surrogateescape"))
    return part


def joined(kind: str, children: list[Message]) -> Message:
    """Put parts into one."""
    return MIMEMultipart(kind, _subparts=children)


trees = st.recursive(
    leaves(),
    lambda children: st.builds(
        joined,
        st.sampled_from(["mixed", "alternative", "related", "signed", "x-unheard-of"]),
        st.lists(children, min_size=1, max_size=4),
    ),
    max_leaves=8,
)


def wire(message: Message) -> bytes:
    """Write a mail as it is sent."""
    target = BytesIO()
    BytesGenerator(target, mangle_from_=False, policy=policy.compat32.clone(linesep="\r\n")).flatten(message)
    return target.getvalue()


def candidates(part: Message, *, root: bool) -> Iterator[str]:
    """List the texts of a mail in the order of preference, all by the email package."""
    if part.is_multipart():
        children: list[Message] = part.get_payload()  # type: ignore[assignment]
        if part.get_content_subtype() == "alternative":
            children = sorted(children, key=lambda child: child.get_content_type() != "text/plain")
        for child in children:
            yield from candidates(child, root=False)
        return
    attached = part.get_content_disposition() == "attachment" or (not root and part.get_filename() is not None)
    if part.get_content_type() in {"text/plain", "text/html"} and not attached:
        body = part.get_payload(decode=True)
        assert isinstance(body, bytes)
        text = body.decode(part.get_content_charset() or "utf-8")
        yield markup.to_text(text) if part.get_content_subtype() == "html" else text.replace("\r\n", "\n")


@given(trees)
def test_as_the_email_package(tree: Message) -> None:
    """Whatever the nesting, charsets and encodings, a well-formed mail reads as the email package reads it."""
    raw = wire(tree)
    expected = next((text for text in candidates(message_from_bytes(raw), root=True) if text.strip()), None)
    try:
        found = read_content(raw).text
    except NoText:
        found = None
    assert found == expected


TOKENS = st.text("abcXYZ019-_.=+'()/:?", min_size=1, max_size=12)
HEADERS = st.lists(
    st.sampled_from(
        [b"Subject: a", b"Content-Type: text/html", b"content-TYPE:a/b", b" folded", b"\tmore", b"X:", b"Date: 1", b""]
    )
    | st.binary(max_size=8).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b"")),
    max_size=8,
)


@given(HEADERS, st.sampled_from([b"\n", b"\r\n"]))
@example([b"Content-Type: text/html", b" ", b"X: y", b"", b"body"], b"\r\n")
def test_headers_as_the_email_package(lines: list[bytes], end: bytes) -> None:
    """Where a header ends, and what the first value of a name is, are as the email package has it."""
    # Where this reader is meant to differ: space before a colon, and what begins with a continuation or a colon.
    assume(not any(b" :" in line or b"\t:" in line or line.startswith(b":") for line in lines))
    assume(not any(line.startswith((b"From ", b">From ")) for line in lines))
    assume(not lines or not lines[0].startswith((b" ", b"\t")))
    raw = end.join([*lines, b"", b"the body"])
    message = message_from_bytes(raw)
    entity = Entity.of(raw, "text/plain")
    for name in ("subject", "content-type", "date", "x"):
        value = str(message[name] or "").replace("\r", "").replace("\n", "").strip()
        assert entity.value(f"\n{name}".encode()).decode("ascii", "replace").strip() == value.strip()
    payload = message.get_payload()
    assert isinstance(payload, str)
    if payload.isascii():
        assert entity.body.decode() == payload


@given(TOKENS, st.booleans(), st.sampled_from(["boundary", "Boundary", "BOUNDARY"]), st.text("ab;= ", max_size=5))
def test_parameters_as_the_email_package(value: str, quoted: bool, name: str, other: str) -> None:  # noqa: FBT001
    """Parameters are found whatever the case, order and quotes, with semicolons in other values."""
    assume(quoted or not set(value) & set("()'=:?/"))
    written = f'"{value}"' if quoted else value
    line = f'Multipart/Mixed; x="{other}";\r\n {name}={written}; charset = "utf-8"; format=flowed\r\n\r\n'
    raw = b"Content-Type: " + line.encode()
    message, media = message_from_bytes(raw), Entity.of(raw, "text/plain").media()
    assert media.type == message.get_content_type()
    assert media.boundary.decode() == message.get_boundary()
    assert media.charset == message.get_content_charset() == "utf-8"
    assert media.flowed


# --- Whatever the bytes.


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Take a mail of the folder, and cut, double, move or overwrite pieces of it."""
    raw = draw(st.sampled_from([mail.read_bytes() for mail in MAILS if mail.stat().st_size < 8192]))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(raw)))
        stop = draw(st.integers(start, min(len(raw), start + 200)))
        piece = draw(
            st.binary(max_size=12)
            | st.just(raw[stop : stop + 100])
            | st.sampled_from(
                [b"", b"\r\n\r\n", b"--", b"\n--b", b"=", b'"', b"<", b"\0", b"; charset=", b"multipart/"]
            )
            | st.sampled_from([b"utf-7", b"hz", b"utf-16", b"idna", b"zlib", b"johab", b"base64", b"x-uuencode"])
        )
        raw = raw[:start] + piece + raw[stop:]
    return raw


def check(raw: bytes) -> None:
    """Read, and hold what must always hold."""
    result: Content | NoText | MalformedContent
    try:
        result = read_content(raw)
    except (NoText, MalformedContent) as refusal:
        result = refusal
    if not isinstance(result, Content):
        assert result.reason.isascii()
        assert "\n" not in result.reason
        assert len(result.reason) < 500
        return
    found = result
    assert found.text.strip()
    assert "\r" not in found.text
    assert len(found.digest) == 16
    assert found == read_content(raw)
    for value in (found.message_id, found.date):
        assert value is None or (value == value.strip(" \t") != "" and "\n" not in value and "\0" not in value)
    clean(found.text)


@given(broken())
def test_broken_mails(raw: bytes) -> None:
    """A damaged mail is read, or refused as having no text or none that can be read: never anything else."""
    check(raw)


@given(st.binary(max_size=400))
def test_any_bytes(raw: bytes) -> None:
    """So is anything at all."""
    check(raw)


@given(st.sampled_from(NAMES) | st.text(max_size=20), st.sampled_from(CODINGS), st.binary(max_size=200))
@example("utf-7", "7bit", b"+2AA-")
def test_any_body(charset: str, coding: str, body: bytes) -> None:
    """So is any body under any names."""
    header = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {coding}\r\n\r\n"
    check(header.encode("utf-8", "replace") + body)


def nested(depth: int, kind: str = "mixed") -> bytes:
    """Write multiparts within multiparts, as one would to break a parser."""
    return b"".join(
        b'Content-Type: multipart/%b; boundary="b%d"\r\n\r\n--b%d\r\n' % (kind.encode(), level, level)
        for level in range(depth)
    )


def multipart(body: bytes, boundary: bytes = b"b") -> bytes:
    """Write one multipart."""
    return b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n%b' % (boundary, body)


def compressed(content: bytes) -> bytes:
    """Write what S/MIME compresses (RFC 3274, 1.1)."""

    def value(tag: int, *parts: bytes) -> bytes:
        whole = b"".join(parts)
        return bytes([tag, 0x84]) + len(whole).to_bytes(4) + whole

    packed = value(0x04, zlib.compress(content, 9))
    inside = value(0x30, value(0x06, bytes.fromhex("2a864886f70d010701")), value(0xA0, packed))
    algorithm = value(0x30, value(0x06, bytes.fromhex("2a864886f70d0109100308")))
    data = value(0x30, value(0x02, b"\0"), algorithm, inside)
    return value(0x30, value(0x06, bytes.fromhex("2a864886f70d0109100109")), value(0xA0, data))


TEXT = b"Content-Type: text/plain; charset=%b\r\nContent-Transfer-Encoding: %b\r\n\r\n"
HTML = b"Content-Type: text/html\r\n\r\n"
FLOWED = b"Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\n"
EVIL = {
    "1,000 levels": nested(1000) + b"\r\nhi",
    "1,000 levels and a megabyte": nested(1000) + b"x" * MIB,
    "levels with one boundary": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * 20_000,
    "31 levels of a long header": nested(31) + b"X: y\r\n" * 170_000,
    "31 levels of alternatives": nested(31, "alternative") + b"\r\n" + b"x" * MIB,
    "many parts": multipart(b"--b\r\n\r\n" * 150_000),
    "many parts of pages": multipart((b"--b\r\nContent-Type: text/html\r\n\r\n" + b"<br>" * 900 + b"\r\n") * 256),
    "many headers of many parameters": multipart((b"--b\r\nContent-Type: a/b;" + b' a="' * 1000 + b"\r\n\r\n") * 256),
    "nearly the boundary": multipart((b"\n--" + b"a" * 68) * 14_000, b"a" * 69),
    "boundary of dashes": multipart(b"-" * MIB, b"-" * 69),
    "no boundary": b"Content-Type: multipart/mixed\r\n\r\n" + (b"--" + b"a" * 190 + b" " * 20 + b"\r\n") * 5000,
    "header lines": b"A:\r\n" * 260_000,
    "folds": b"Content-Type: text/plain" + b"\r\n " * 340_000 + b"\r\n\r\nx",
    "spaces before a colon": b"Content-Type" + b" " * MIB,
    "a header name again and again": (b"content-type" + b" " * 70 + b"\r\n") * 12_000,
    "open quotes": b'Content-Type: text/plain;a="' + b'\\";a="' * 1300 + b"\\\r\n\r\nx",
    "equal signs": TEXT % (b"utf-8", b"quoted-printable") + b"=" * MIB,
    "soft breaks of spaces": TEXT % (b"utf-8", b"quoted-printable") + (b"=" + b" " * 79) * 13_000,
    "padding": TEXT % (b"utf-8", b"base64") + b"a=" * (MIB // 2),
    "base64 of spaces": TEXT % (b"utf-8", b"base64") + b"a" + b" " * MIB,
    "uuencode": TEXT % (b"utf-8", b"uuencode") + b"begin 644 a\n" + b"!!\n" * 340_000,
    "unreadable UTF-8": TEXT % (b"utf-8", b"8bit") + b"\xe0\xf0\x81a" * (MIB // 4),
    "unreadable UTF-7": TEXT % (b"utf-7", b"8bit") + b"+AAA\xf0" * (MIB // 5),
    "unreadable ISO 2022": TEXT % (b"iso-2022-jp", b"8bit") + b"\x1b$B\xf0" * (MIB // 4),
    "unknown charset": TEXT % (b"x-no", b"8bit") + b"\xe0\xf9 \xb1" * (MIB // 4),
    "zeros": TEXT % (b"utf-8", b"8bit") + b"\0" * MIB,
    "flowed lines of nothing": FLOWED + b" \n" * (MIB // 2),
    "flowed quotes": FLOWED + b"> \n" * (MIB // 3),
    "angle brackets": HTML + b"<" * MIB,
    "deep page": HTML + b"<div>" * (MIB // 5),
    "deep tables": HTML + b"<table><tr><td>" * (MIB // 15),
    "open tags": HTML + b"<a" * (MIB // 2),
    "attributes": HTML + b"<p " + b"a=1 " * (MIB // 4) + b">x",
    "quotes in tags": HTML + b'<p ="<p" ' * (MIB // 9),
    "comments": HTML + b"<!--" * (MIB // 4),
    "entities": HTML + b"&#" * (MIB // 2),
    "styles": HTML + b'<p style="' * (MIB // 10),
    "100,000 nested tags": HTML + b"<div>" * 100_000 + b"x" + b"</div>" * 90_000,
    "paragraphs": HTML + b"<p>" * (MIB // 3),
    "lines": HTML + b"<br>x" * (MIB // 5),
    "preformatted lines": HTML + b"<pre>" + b"\nx" * (MIB // 2),
    "quotes in quotes": HTML + b"<blockquote type=cite>x" * (MIB // 23),
    "lists in lists": HTML + b"<ol><li>" * (MIB // 8),
    "letters of no size": HTML + b"<b style='font-size:0'>x" * (MIB // 24),
    "one style": HTML + b"<p style='" + b"display : " * (MIB // 10) + b"'>x",
    "one style of spaces": HTML + b"<p style='margin" + b" " * (MIB - 50) + b"'>x",
    "a style sheet": HTML + b"<style>" + b".a{display:none}" * (MIB // 16) + b"</style>x",
    "a style sheet of names": HTML + b"<style>" + b"a" * (MIB // 2) + b"{" * (MIB // 2) + b"</style>x",
    "a style sheet of comments": HTML + b"<style>" + b"/*" * (MIB // 2) + b"</style>x",
    "pages for lost letters": b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n??\r\n"
    + (b"--b\r\nContent-Type: text/html\r\n\r\n\xc3\xbc" + b"<br>x" * 800 + b"\r\n") * 255,
    "question marks": b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n"
    + b"? " * (MIB // 4)
    + b"\r\n--b\r\nContent-Type: text/html\r\n\r\n"
    + b"\xc3\xbc? " * (MIB // 8),
    "begins of files": b"\r\n" + b"begin 644 a\r\n" * (MIB // 13),
    "lines of a file": b"\r\nbegin 644 a\r\n" + b"#AAAA\r\n" * (MIB // 7),
    "begins of yEnc": b"\r\n" + b"=ybegin line=1 size=1\r\n" * (MIB // 24),
    "begins of PGP": b"\r\n" + b"-----BEGIN PGP SIGNED MESSAGE-----\r\nA:\r\n" * (MIB // 40),
    "a header of PGP": b"\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n" + b"A: b\r\n" * (MIB // 7),
    "keys of PGP": b"\r\n" + b"-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n" * (MIB // 38),
    "marks of pictures": b"\r\n" + b"[cid:" * (MIB // 5),
    "marks of pictures with spaces": b"\r\n" + b"[image: " * (MIB // 8),
    "addresses of pictures": b"\r\n" + b"[http://a" * (MIB // 9),
    "joiners": TEXT % (b"utf-8", b"8bit") + "\u200d\xad".encode() * (MIB // 5),
    "values in values": b"Content-Type: application/pkcs7-mime\r\n\r\n" + b"\x30\x80" * (MIB // 2),
    "octets in octets": b"Content-Type: application/pkcs7-mime\r\n\r\n"
    + bytes.fromhex("308006092a864886f70d010702a080308002010131003080060161a080")
    + b"\x24\x80" * (MIB // 2),
    "wrappers of nothing that was compressed": multipart(
        (
            b"--b\r\nContent-Type: application/pkcs7-mime\r\n\r\n"
            + compressed(b"\r\n\r\n" + b" \r\n" * 1_390_000)
            + b"\r\n"
        )
        * 100
    ),
    "boundaries without a header": b"\r\n--" + b"a" * 190 + b"\r\n--" * (MIB // 4),
    "parts of unreadable text": multipart((b"--b\r\n\r\n" + b"\xb1\xb2\xb3 \xe0\x81" * 600 + b"\r\n") * 256),
    "parts of junk": multipart((b"--b\r\n\r\n" + b"\xff\x01\x02\x03\x04\xfe" * 600 + b"\r\n") * 256),
}


@pytest.mark.parametrize("raw", EVIL.values(), ids=EVIL)
def test_no_mail_holds_the_loop(raw: bytes) -> None:
    """A megabyte made to take long takes less than a second of work."""
    read_content(HTML + b"<p>" + "שלום".encode("cp1255"))  # what is imported once is not the mail's
    charsets.decode(b"\xb3\xb4\xb5" * 9, None)
    begin = time.process_time()
    with suppress(NoText, MalformedContent):
        read_content(raw[:MIB])
    assert time.process_time() - begin < 1.0
