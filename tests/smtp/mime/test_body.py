"""Which part of a mail counts, what is said of the rest, and how far is looked."""

import base64

import pytest

from bridge.model.errors import NoText
from smtp.mime.content import Content, ContentLimits, read_content

PAGE = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"


def mixed(*parts: bytes, kind: bytes = b"mixed", boundary: bytes = b"b") -> bytes:
    """Write a multipart mail of parts, each with its header."""
    head = b'Content-Type: multipart/%b; boundary="%b"\r\n\r\n' % (kind, boundary)
    return head + b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary


def attached(name: bytes, kind: bytes = b"application/pdf") -> bytes:
    """Write an attachment."""
    return b"Content-Type: %b\r\nContent-Disposition: attachment; filename=%b\r\n\r\nx" % (kind, name)


NOTES = {
    "nothing to say": (PLAIN + b"a", "a", ()),
    "an attachment": (mixed(PLAIN + b"a", attached(b'"report.pdf"')), "a", ('attachment "report.pdf" ignored',)),
    "before the text": (mixed(attached(b"a.pdf"), PLAIN + b"a"), "a", ('attachment "a.pdf" ignored',)),
    "without a name": (mixed(PLAIN + b"a", b"Content-Type: image/png\r\n\r\nx"), "a", ("attachment ignored",)),
    "a name of words": (
        mixed(PLAIN + b"a", attached(b'"=?utf-8?B?16nXnNeV150ucGRm?="')),
        "a",
        ('attachment "שלום.pdf" ignored',),
    ),
    "a name in pieces": (
        mixed(PLAIN + b"a", attached(b"x; filename*0*=utf-8''%D7%A9; filename*1=l.pdf").replace(b"filename=x; ", b"")),
        "a",
        ('attachment "שl.pdf" ignored',),
    ),
    "a name of tricks": (
        mixed(PLAIN + b"a", attached(b'"a\\"b\x07' + b"c" * 200 + b'"')),
        "a",
        (f'attachment "a\'b{"c" * 57}" ignored',),
    ),
    "text in an attachment": (
        mixed(PLAIN + b"a", attached(b"a.log", b"text/plain")),
        "a",
        ('text in attachment "a.log" ignored',),
    ),
    "a second text": (mixed(PLAIN + b"a", PLAIN + b"b"), "a", ("a later text ignored",)),
    "a second text of nothing": (mixed(PLAIN + b"a", PLAIN + b" \r\n"), "a", ()),
    "a second multipart": (
        mixed(PLAIN + b"a", mixed(PLAIN + b"b", kind=b"alternative", boundary=b"c")),
        "a",
        ("a later text ignored",),
    ),
    "a list's footer": (
        mixed(PLAIN + b"a", PLAIN + b"______\r\nOps mailing list"),
        "a",
        ("a footer in a part of its own ignored",),
    ),
    "a banner": (
        mixed(PLAIN + b"CAUTION: this mail comes from outside. Do not click links.", PLAIN + b"a"),
        "a",
        ("a banner in a part of its own ignored",),
    ),
    "a banner alone is the text": (
        mixed(PLAIN + b"External link down, caution.", attached(b"a.pdf")),
        "External link down, caution.",
        ('attachment "a.pdf" ignored',),
    ),
    "a forwarded mail": (
        mixed(PLAIN + b"a", b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nb"),
        "a",
        ("a forwarded mail ignored",),
    ),
    "only a forwarded mail": (
        mixed(b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nb"),
        "b",
        ("a forwarded mail ignored", "the text is that of the forwarded mail"),
    ),
    "a guess": (b"\r\n" + "שלום עולם".encode("cp1255"), "שלום עולם", ("charset guessed: windows-1255",)),
    "signed": (mixed(PLAIN + b"a", attached(b"smime.p7s"), kind=b"signed"), "a", ()),
    "pictures of a page": (mixed(PAGE + b"<p>a</p>", attached(b"a.png"), kind=b"related"), "a", ()),
    "a page for an empty text": (
        mixed(PLAIN + b" ", PAGE + b"<p>a</p>", kind=b"alternative"),
        "a",
        ("the HTML part counts, not the plain one: it is empty",),
    ),
    "a page for a request": (
        mixed(PLAIN + b"Please view this mail in an HTML capable program", PAGE + b"<p>a</p>", kind=b"alternative"),
        "a",
        ("the HTML part counts, not the plain one: it only asks for a program that shows HTML",),
    ),
    "a page for its source": (
        mixed(PLAIN + b"<p>a<br>b</p>", PAGE + b"<p>a<br>b</p>", kind=b"alternative"),
        "a\nb",
        ("the HTML part counts, not the plain one: it is the source of a page",),
    ),
    "a page for lost letters": (
        mixed(PLAIN + b"caf? is open", PAGE + "<p>café is open</p>".encode(), kind=b"alternative"),
        "café is open",
        ("the HTML part counts, not the plain one: it has ? for its letters",),
    ),
    "source alone": (PLAIN + b"<html><p>a</p>", "a", ("the plain text is the source of a page",)),
    "a file in the text": (
        PLAIN + b"a\r\nbegin 644 x.bin\r\n#0V%T\r\n`\r\nend\r\nb",
        "a\nb",
        ('file in the text "x.bin" ignored',),
    ),
}


@pytest.mark.parametrize(("raw", "text", "notes"), NOTES.values(), ids=NOTES)
def test_notes(raw: bytes, text: str, notes: tuple[str, ...]) -> None:
    """What is ignored, guessed or put right is said, a line each."""
    found = read_content(raw)
    assert (found.text, found.notes) == (text, notes)


def test_notes_are_few() -> None:
    """A mail of hundreds of attachments does not make hundreds of notes."""
    raw = mixed(PLAIN + b"a", *(attached(b"%d.pdf" % number) for number in range(100)))
    assert len(read_content(raw).notes) == 20


KEPT = {
    "a question": (b"Are you there?", "<p>אתה שם?</p>"),
    "two marks in both": (b"Really??", "<p>Really?? ü</p>"),
    "an address": (b"see https://example.com/?id=5", "<p>see https://example.com/?id=5 ü</p>"),
    "a page of pictures": (b"Please use an HTML capable program. Code 12", "<img src=x>"),
    "one tag": (b"press <b> then <i>", "<p>press</p>"),
    "a word on HTML": (b"Job html-export failed", "<p>Job html-export failed</p>"),
    "lost letters, and a page that has none": (b"caf? is open", "<p>cafe is open</p>"),
}


@pytest.mark.parametrize(("plain", "page"), KEPT.values(), ids=KEPT)
def test_the_plain_part_counts(plain: bytes, page: str) -> None:
    """Where there is no reason against it, the plain part is the text."""
    found = read_content(mixed(PLAIN + plain, PAGE + page.encode(), kind=b"alternative"))
    assert found.text == plain.decode()
    assert not found.html
    assert found.notes == ()


def test_what_the_mail_is() -> None:
    """The type of the whole, the kind of a report, the header, and whether the text is HTML's are told."""
    report = mixed(PLAIN + b"Delivery failed", kind=b"report; report-type=Delivery-Status")
    found = read_content(b"Subject: =?utf-8?B?16nXnNeV150=?=\r\n" + report)
    assert (found.type, found.report_type, found.html) == ("multipart/report", "delivery-status", False)
    assert found.header.text("subject") == "שלום"
    found = read_content(PAGE + b"<p>a")
    assert (found.type, found.report_type, found.html) == ("text/html", "", True)
    assert read_content(b"\r\nx").type == "text/plain"
    assert not Content(text="x", message_id=None, date=None, digest=b"").header.fields


def test_links() -> None:
    """The targets of links are written out where the mailbox asks for it."""
    raw = PAGE + b'<p>Run <a href="https://example.com/a?b=1&amp;c=2">the book</a></p>'
    assert read_content(raw).text == "Run the book"
    assert read_content(raw, links=True).text == "Run the book (https://example.com/a?b=1&c=2)"


def test_charset_of_a_page_before_the_operators() -> None:
    """A page that names its charset knows it better than the operator."""
    raw = b"Content-Type: text/html\r\n\r\n<meta charset=windows-1251><p>" + "Ёж".encode("cp1251")
    assert read_content(raw, fallback_charset="cp1255").text == "Ёж"
    raw = b"Content-Type: text/html; charset=us-ascii\r\n\r\n<meta charset=windows-1251><p>" + "Ёж".encode("cp1251")
    assert read_content(raw, fallback_charset="cp1255").text == "Ёж"


HEADLESS = {
    "parts alone": (b"\r\n--x\r\nContent-Type: text/plain\r\n\r\na\r\n--x--", "a"),
    "below the usual words": (
        (
            b"Subject: y\r\n\r\nThis is a multi-part message in MIME format.\r\n"
            b"\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>a"
        ),
        "a",
    ),
    "below other words": (
        b"\r\nThis is it:\r\n--x\r\nContent-Type: text/plain\r\n\r\na",
        "This is it:\n--x\nContent-Type: text/plain\n\na",
    ),
    "under a header that says text": (
        PLAIN + b"--x\r\nContent-Type: text/plain\r\n\r\na",
        "--x\nContent-Type: text/plain\n\na",
    ),
    "a rule": (b"\r\n-- x\r\nContent", "-- x\nContent"),
}


@pytest.mark.parametrize(("raw", "text"), HEADLESS.values(), ids=HEADLESS)
def test_header_of_parts_is_lost(raw: bytes, text: str) -> None:
    """A mail without a type that begins with a boundary is a multipart whose header was lost; others are text."""
    assert read_content(raw).text == text


def nested(depth: int) -> bytes:
    """Write a text in multiparts within multiparts."""
    raw = PLAIN + b"deep"
    for level in range(depth):
        raw = mixed(raw, boundary=b"b%d" % level)
    return raw


def test_limit_of_depth() -> None:
    """As many multiparts as the limit says are looked into, and no more."""
    limits = ContentLimits(depth=3)
    assert read_content(nested(3), limits=limits).text == "deep"
    with pytest.raises(NoText, match="too deep"):
        read_content(nested(4), limits=limits)
    assert read_content(nested(32)).text == "deep"


def test_limit_of_parts() -> None:
    """As many parts as the limit says are looked at, and no more."""
    limits = ContentLimits(parts=3)
    empty = PLAIN + b" "
    assert read_content(mixed(empty, empty, PLAIN + b"a"), limits=limits).text == "a"
    with pytest.raises(NoText, match="too many"):
        read_content(mixed(empty, empty, empty, PLAIN + b"a"), limits=limits)


def test_limit_of_html() -> None:
    """All pages of a mail share one limit; what is beyond it is not read, and said."""
    limits = ContentLimits(html=1024)
    page = PAGE + b"<p>" + b"a" * 2000
    found = read_content(page, limits=limits)
    assert found.text == "a" * 1021
    assert found.notes == ("the HTML beyond 1024 characters ignored",)
    blank = PAGE + b"<p hidden>" + b"a" * 1014
    with pytest.raises(NoText):
        read_content(mixed(blank, PAGE + b"<p>b"), limits=limits)
    assert read_content(mixed(blank, PAGE + b"<p>b"), limits=ContentLimits(html=1028)).text == "b"


def value(tag: int, *content: bytes) -> bytes:
    """Write a BER value with an end behind it."""
    return bytes([tag, 0x80]) + b"".join(content) + b"\0\0"


def wrapped(content: bytes, depth: int) -> bytes:
    """Write a mail signed in S/MIME wrappers, one in the other; the signatures are missing."""
    signed, data = (b"\x06\x09" + bytes.fromhex(f"2a864886f70d0107{kind}") for kind in ("02", "01"))
    for _ in range(depth):
        octets = b"\x04\x83" + len(content).to_bytes(3, "big") + content
        inner = value(0x30, b"\x02\x01\x01\x31\x00", value(0x30, data, value(0xA0, octets)))
        head = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        content = head + base64.encodebytes(value(0x30, signed, value(0xA0, inner)))
    return content


def test_wrappers_count_as_depth() -> None:
    """A wrapper in a wrapper is opened, and so on, but not without end."""
    found = read_content(wrapped(PLAIN + b"a", 3))
    assert (found.text, found.notes) == ("a", ("the S/MIME signature is not checked",))
    with pytest.raises(NoText):
        read_content(wrapped(PLAIN + b"a", 3), limits=ContentLimits(depth=2))
