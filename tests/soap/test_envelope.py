"""From bytes to the one call in them: decoding, the guards before the parser, and the structure of an envelope."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soap import envelope as module
from soap.decoding import as_utf8, inflate
from soap.envelope import Sent, open_envelope, parse, supposed_version
from soap.faults import Fault, Version
from tests.soap.echo import PING, envelope, send_sms

LIMIT = 1_000_000
HEBREW = "שלום"


def opened(body: bytes, **more: str) -> module.Call:
    """Open an envelope."""
    return open_envelope(Sent(body=body, **more), limit=LIMIT)


def refused(body: bytes, **more: str) -> Fault:
    """Return the Fault of an envelope."""
    with pytest.raises(Fault) as caught:
        opened(body, **more)
    return caught.value


# --- namespaces ---


@pytest.mark.parametrize(
    ("declared", "inside", "what"),
    [
        (" ".join(f'xmlns:n{place}="u"' for place in range(257)), "<item/>" * 3, "more than 256 namespaces"),
        ('xmlns:n="' + "u" * 1001 + '"', "<n:item/>", "longer than 1000"),
        ("xmlns:" + "n" * 40_000 + " \n = '" + "u" * 1001 + "'", "<item/>", "longer than 1000"),
    ],
)
def test_namespaces_are_bounded(declared: str, inside: str, what: str) -> None:
    """Each look at an element may cost as much as all that is declared around it, so that is little."""
    fault = refused(envelope(f'<send_sms xmlns="urn:smsbridge:1"><fields {declared}>{inside}</fields></send_sms>'))
    assert fault.code == "Client.TooLarge"
    assert what in fault.text


def test_namespaces_of_old_clients_are_taken() -> None:
    """Some declare theirs on every element anew, and a text may hold what looks like a declaration."""
    item = '<n:item xmlns:n="urn:smsbridge:1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>'
    around = " ".join(f'xmlns:n{place}="urn:{place}"' for place in range(200))
    text = '<message>xmlns="' + "u" * 2000 + "</message>"
    body = f'<send_sms xmlns="urn:smsbridge:1" {around}>{text}<fields>{item * 2000}</fields></send_sms>'
    assert len(opened(envelope(body)).element) == 2


# --- decoding ---

TEXT = f'<?xml version="1.0"?>\n<a>{HEBREW}</a>'
PLAIN = f"<a>{HEBREW}</a>".encode()


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (TEXT.encode(), None),
        (TEXT.encode("utf-8-sig"), None),
        (TEXT.encode("utf-8-sig"), "windows-1255"),
        (TEXT.encode("utf-16"), None),
        (TEXT.encode("utf-16"), "utf-8"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), None),
        (TEXT.encode("utf-32"), None),
        (TEXT.encode("utf-16-le"), "utf-16"),
        (TEXT.encode("utf-16-be"), None),
        (("\n" + TEXT).encode("utf-16-be"), None),
        (("\n" + TEXT).encode("utf-16-le"), None),
        (TEXT.encode(), "utf-16"),
        (TEXT.encode(), '"UTF-8"'),
        (TEXT.encode(), "utf8"),
        (TEXT.encode(), "us-ascii"),
        (TEXT.encode("windows-1255"), "windows-1255"),
        (TEXT.encode("iso-8859-8"), "iso-8859-8-i"),
        (TEXT.replace("?>", ' encoding="windows-1255"?>').encode("windows-1255"), "utf-8"),
        (TEXT.replace("?>", " encoding = 'windows-1255' standalone='yes'?>").encode("windows-1255"), None),
        (TEXT.replace("?>", ' encoding="utf-8"?>').encode(), "windows-1255"),
        (b"\xef\xbb\xbf \r\n" + TEXT.encode() + b"\r\n\x00\x00", None),
        (b" \t\n" + TEXT.encode(), None),
    ],
    ids=range(22),
)
def test_every_encoding_comes_out_as_utf8(body: bytes, charset: str | None) -> None:
    """Marks, declarations and what stands around the document are gone."""
    assert as_utf8(body, charset) == PLAIN


def test_latin_1_means_windows_1252() -> None:
    """As on the web: the euro sign and curly quotes come in documents that say ISO-8859-1."""
    assert as_utf8(b"<a>\x80\x93\xe9</a>", "iso-8859-1") == "<a>€“é</a>".encode()


@pytest.mark.parametrize(
    "name",
    ["klingon", "unicode_escape", "utf-7", "punycode", "idna", "base64", "hex", "rot13", "zip", "\0", "undefined"],
)
def test_encodings_in_which_no_xml_comes(name: str) -> None:
    """Codecs that do more than map bytes to characters are not known."""
    with pytest.raises(Fault, match="is not known; send UTF-8"):
        as_utf8(PLAIN, name)


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (b"\xff" + PLAIN, "utf-8"),
        (PLAIN.decode().encode("utf-16")[:-1], None),
        ("<a>\ud800</a>".encode("utf-16-le", "surrogatepass"), None),
        (PLAIN, "shift_jis"),
        (TEXT.replace("?>", ' encoding="utf-8"?>').encode("windows-1255"), "utf-8"),
    ],
    ids=range(5),
)
def test_bytes_that_are_not_what_they_claim(body: bytes, charset: str | None) -> None:
    """The Fault says so; of what claims to be UTF-8 the parser finds out."""
    assert refused(body, **({"charset": charset} if charset else {})).code == "Client.Encoding"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("", PLAIN),
        ("identity", PLAIN),
        ("gzip", gzip.compress(PLAIN)),
        ("X-GZIP", gzip.compress(PLAIN)),
        ("gzip", gzip.compress(PLAIN[:3]) + gzip.compress(PLAIN[3:])),
        (" deflate ", zlib.compress(PLAIN)),
        ("deflate", zlib.compress(PLAIN)[2:-4]),
        ("deflate", gzip.compress(PLAIN)),
    ],
    ids=range(8),  # what gzip writes has the time in it
)
def test_inflating(coding: str, body: bytes) -> None:
    """All that clients call gzip and deflate."""
    assert inflate(body, coding, limit=len(PLAIN)) == PLAIN


@pytest.mark.parametrize("over", [1, 1000])
def test_inflating_stops_at_the_limit(over: int) -> None:
    """Exactly at the limit it passes; one byte over is a Fault, in one part or several."""
    assert inflate(gzip.compress(b"x" * 500), "gzip", limit=500) == b"x" * 500
    for body in (gzip.compress(b"x" * (500 + over)), gzip.compress(b"x" * 500) + gzip.compress(b"x" * over)):
        with pytest.raises(Fault, match="longer than 500 bytes when decompressed"):
            inflate(body, "gzip", limit=500)


def test_a_body_in_thousands_of_parts() -> None:
    """Each part is a stream of its own, and what is behind it is copied: a megabyte of them would take seconds."""
    assert inflate(gzip.compress(b"x") * 100, "gzip", limit=500) == b"x" * 100
    with pytest.raises(Fault, match="parts") as caught:
        inflate(gzip.compress(b"x") * 101, "gzip", limit=500)
    assert caught.value.code == "Client.Encoding"


# --- structure ---


def test_the_call_of_an_envelope() -> None:
    """Version, element, and no login where there is no header."""
    for version in Version:
        call = opened(envelope(send_sms(), version=version))
        assert (call.version, call.element.tag, call.header) == (version, "{urn:smsbridge:1}send_sms", None)


def test_what_stands_beside_header_and_body_is_passed_over() -> None:
    """Comments, instructions and foreign elements."""
    body = envelope(f"<!-- c --><?pi x?>{PING}<!-- d -->").replace(b"<soap:Body>", b"<x/><!-- e --><soap:Body>")
    assert opened(b"<!-- before --><?pi?>" + body[body.index(b"?>") + 2 :]).element.tag == "{urn:smsbridge:1}ping"


def test_the_version_to_complain_in() -> None:
    """Only 1.2's own type says 1.2."""
    assert supposed_version("application/soap+xml") is Version.V12
    assert {supposed_version(kind) for kind in ("", "text/xml", "application/xml")} == {Version.V11}


def test_faults_know_the_version_of_the_envelope() -> None:
    """From the root element on."""
    assert refused(envelope("", version=Version.V12), media_type="text/xml").version is Version.V12
    assert refused(b"<a/>").version is None


def test_values_by_reference_are_filled_in() -> None:
    """Also through each other, more than once, and whatever the order of the Body's children."""
    body = envelope(
        '<p id="1">one</p><m:send xmlns:m="urn:x"><a href="#1"/><b href="#1"/><c href="#2"/><d>four</d></m:send>'
        '<q id="2"><item href="#1"/><item>two</item></q>'
    )
    element = opened(body).element
    assert [each.text for each in element.iter() if each.text] == ["one", "one", "one", "two", "four"]
    assert not any("href" in each.attrib for each in element.iter())


def test_references_may_not_grow_without_bound() -> None:
    """What is copied counts, the length of texts too; so does depth."""
    references = '<b href="#1"/>' * 50
    long = envelope(f'<a>{references}</a><m id="1">{"x" * 30_000}</m>')
    assert len(long) < LIMIT
    assert refused(long).code == "Client.TooLarge"
    opening, closing = "<a>" * 100, "</a>" * 100
    chain = "".join(f'<m id="{n}">{opening}<b href="#{n + 1}"/>{closing}</m>' for n in range(5))
    assert refused(envelope(f'<a><b href="#0"/></a>{chain}<m id="5"/>')).code == "Client.TooLarge"


def test_the_parser_opens_nothing(tmp_path: object) -> None:
    """No entity, no external subset, no inclusion: neither file nor host is touched."""
    for text in (
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/hostname">%p;]><a/>',
        '<!DOCTYPE a PUBLIC "-//W3C//DTD" "a.dtd"><a/>',
        "\n<?x ?>\n<!-- -->\n <!DOCTYPE a><a/>",
    ):
        assert refused(text.encode()).text == "a document type declaration (DTD) is not taken"
    inclusion = '<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="file:///etc/hostname" parse="text"/>'
    assert opened(envelope(inclusion)).element.text is None


def test_a_doctype_in_a_text_is_a_text() -> None:
    """Only before the root element it declares anything."""
    assert opened(envelope(send_sms("<![CDATA[<!DOCTYPE html>]]>"))).element[2].text == "<!DOCTYPE html>"


def test_what_never_comes_to_an_element() -> None:
    """A prolog without end is not searched without end."""
    assert "no element within" in refused(b"<!---->" * 10_000 + b"<a/>").text
    assert refused(b"<!-- " + b"x" * 100_000).code == "Client.Malformed"


def test_surrogates_in_cdata_stay_as_they_are() -> None:
    """There they are no references."""
    element = opened(envelope(send_sms("<![CDATA[&#xD83D;&#xDE00;]]>"))).element
    assert element[2].text == "&#xD83D;&#xDE00;"


def test_elements_are_counted_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound they pass."""
    monkeypatch.setattr(module, "MOST_ELEMENTS", 10)
    parse(b"<a>" + b"<b></b>" * 9 + b"</a>")
    with pytest.raises(Fault, match="more than 10 elements"):
        parse(b"<a>" + b"<b></b>" * 10 + b"</a>")


HARD = {
    "attributes": b"<a " + b" ".join(b'a%d=""' % n for n in range(80_000)) + b"/>",
    "namespaces": b"<a " + b" ".join(b'xmlns:a%d="u"' % n for n in range(50_000)) + b"/>",
    "spaces": b"<!-- -->" + b" " * 900_000 + b"<a/>",
    "ampersands": b"<a>" + b"&#xD83D;" * 100_000 + b"</a>",
    "pairs": b"<a>" + b"&#xD83D;&#xDE00;" * 50_000 + b"</a>",
    "declaration": b"<?xml " + b"x" * 900_000,
    "long name": b"<" + b"a" * 900_000 + b"/>",
    "open tags": b"<a>" * 250_000,
    "numbers": b"<a>&#" + b"0" * 900_000 + b"128512;</a>",
}


@pytest.mark.parametrize("body", HARD.values(), ids=HARD.keys())
def test_no_document_takes_long(body: bytes) -> None:
    """What is as long as a body may be, and made to be hard, is done in about a second of work, not minutes."""
    began = time.process_time()
    with contextlib.suppress(Fault):
        opened(body)
    assert time.process_time() - began < 10


# --- whatever comes ---

SEEDS = [
    envelope(send_sms("&#xD83D;&#xDE00;")),
    envelope(send_sms(HEBREW), version=Version.V12, header='<h xmlns="urn:h" soap:mustUnderstand="0"/>'),
    envelope(f'<a href="#1"/>{PING}<m id="1"/>'),
    envelope(PING).decode().encode("utf-16"),
]


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_whatever_comes_is_a_call_or_a_fault(data: st.DataObject) -> None:
    """Envelopes with bytes put in, taken out, doubled and exchanged: nothing else is ever raised."""
    body = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(body)))
        end = min(len(body), place + data.draw(st.integers(0, 30)))
        put = data.draw(
            st.one_of(st.binary(max_size=12), st.sampled_from([b"<", b"&", b"]]>", b"<!--", b"\x00", b'"']))
        )
        body[place:end] = put + body[place:end] * data.draw(st.integers(0, 2))
    sent = Sent(
        body=bytes(body),
        media_type="text/xml",
        charset=data.draw(st.sampled_from([None, "utf-8", "windows-1255", "utf-16", "x"])),
        coding=data.draw(st.sampled_from(["", "", "", "gzip", "deflate"])),
    )
    told = None
    try:
        open_envelope(sent, limit=LIMIT)
    except Fault as fault:
        told = fault
    assert told is None or told.code.startswith("Client.") or told.code in {"VersionMismatch", "MustUnderstand"}
    assert told is None or told.text
