"""The transport over a real HTTP server: every form in which clients send a call, and every way to send none."""

from __future__ import annotations

import asyncio
import gc
import gzip
import re
import shutil
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.model.errors import LoginFailed
from soap.envelope import Call, open_envelope
from soap.faults import Version
from soap.receiving import Bodies
from soap.transport import Transport
from soap.visit import Visits
from tests.soap.echo import (
    HEARD,
    ID,
    LIMIT,
    NAMESPACE,
    PING,
    SECRET,
    Answer,
    Echo,
    EchoServer,
    Heard,
    envelope,
    request,
    send_sms,
    serving,
)

V11, V12 = Version.V11, Version.V12
HEBREW = "שלום"
_NOBODY: Any = None
TRANSPORT = Transport(Echo, namespace=NAMESPACE, visits=Visits(desk=_NOBODY, logins=_NOBODY), bodies=Bodies(LIMIT))


@pytest.fixture(scope="module")
def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EchoServer]:
    """The echo service, for all tests of this file."""
    folder = tmp_path_factory.mktemp("echo")
    shutil.copy(sqlite_template, folder / "bridge.db")
    with serving(folder) as served:
        yield served


@pytest.fixture(autouse=True)
def heard() -> Iterator[list[Heard]]:
    """The calls that reach the service in a test. Whatever happens, no secret gets into the log."""
    HEARD.clear()
    with capture_logs() as logs:
        yield HEARD
    assert SECRET not in str(logs)


# --- calls as clients send them (reference: the request forms of real clients) ---

REQUESTS = {
    "zeep": request(
        b"<?xml version='1.0' encoding='utf-8'?>\n"
        b'<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"><soap-env:Body>'
        b'<ns0:send_sms xmlns:ns0="urn:smsbridge:1"><ns0:dest>1</ns0:dest><ns0:message>hello</ns0:message>'
        b"</ns0:send_sms></soap-env:Body></soap-env:Envelope>",
        SOAPAction='"urn:smsbridge:1/send_sms"',
    ),
    "suds, two prefixes and an empty Header": request(
        b'<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:ns0="urn:smsbridge:1" '
        b'xmlns:ns1="http://schemas.xmlsoap.org/soap/envelope/" '
        b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        b'xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Header/><ns1:Body><ns0:send_sms>'
        b"<ns0:message>hello</ns0:message></ns0:send_sms></ns1:Body></SOAP-ENV:Envelope>",
    ),
    "SOAP::Lite, unqualified children and types": request(
        b'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope '
        b'soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" '
        b'xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
        b'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        b'<soap:Body><namesp1:send_sms xmlns:namesp1="urn:smsbridge:1"><dest xsi:type="xsd:string">1</dest>'
        b'<message xsi:type="xsd:string">hello</message><sendtime xsi:nil="true" xsi:type="xsd:int"/>'
        b"</namesp1:send_sms></soap:Body></soap:Envelope>",
        SOAPAction='"urn:smsbridge:1#send_sms"',
    ),
    "types with a foreign and an undeclared prefix": request(
        envelope(
            '<send_sms xmlns="urn:smsbridge:1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            '<message xsi:type="SOAP-ENC:base64">hello</message><dest xsi:type="x">1</dest></send_sms>'
        ),
    ),
    "no namespace at all": request(envelope("<send_sms><message>hello</message></send_sms>")),
    "reordered": request(
        envelope('<send_sms xmlns="urn:smsbridge:1"><message>hello</message><dest>1</dest></send_sms>')
    ),
    "strong-soap, indented": request(
        envelope(
            f'\n  <a:send_sms xmlns:a="{NAMESPACE}">\n    <a:dest/>\n'
            "    <a:message>hello</a:message>\n  </a:send_sms>\n"
        ),
    ),
    "CDATA and comments": request(
        envelope(f'<send_sms xmlns="{NAMESPACE}"><!-- c --><message><![CDATA[hel]]>l<!-- d -->o</message></send_sms>')
    ),
    "Mono, action is a star": request(envelope(send_sms()), SOAPAction='"*"'),
    "gowsdl, action without quotes": request(envelope(send_sms()), SOAPAction="urn:smsbridge:1/send_sms"),
    "an empty action": request(envelope(send_sms()), SOAPAction='""'),
    "a wrong action": request(envelope(send_sms()), SOAPAction='"urn:smsbridge:1/ping"'),
    "quoted charset": request(envelope(send_sms()), 'text/xml; charset="utf-8"'),
    "charset without a space": request(envelope(send_sms()), "text/xml;charset=UTF-8"),
    "no charset": request(envelope(send_sms()), "text/xml"),
    "another type altogether": request(envelope(send_sms()), "application/octet-stream"),
    "accepts only html": request(envelope(send_sms()), Accept="text/html", Accept_Encoding="none, gzip"),
    "user and no agent": request(envelope(send_sms()), Connection="close"),
    "UTF-8 with a mark": request(b"\xef\xbb\xbf" + envelope(send_sms())),
    "a line break before the declaration": request(b"\r\n\n" + envelope(send_sms())),
    "a NUL at the end": request(envelope(send_sms()) + b"\x00"),
    "UTF-16 with a mark": request(envelope(send_sms()).decode().encode("utf-16"), "text/xml; charset=utf-16"),
    "UTF-16 without a mark": request(envelope(send_sms()).decode().encode("utf-16-le"), "text/xml"),
    "UTF-8 that says UTF-16": request(envelope(send_sms()).replace(b'"utf-8"', b'"utf-16"')),
    "gzip": request(gzip.compress(envelope(send_sms())), Content_Encoding="gzip"),
    "deflate as PHP has it": request(zlib.compress(envelope(send_sms())), Content_Encoding="deflate"),
    "deflate without a head": request(zlib.compress(envelope(send_sms()))[2:-4], Content_Encoding="deflate"),
    "HTTP/1.0": request(envelope(send_sms())).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "Delphi, values by reference": request(
        envelope(f'<s:send_sms xmlns:s="{NAMESPACE}"><message href="#1"/></s:send_sms><m id="1">hello</m>')
    ),
}


@pytest.mark.parametrize("sent", REQUESTS.values(), ids=REQUESTS.keys())
def test_requests_as_clients_send_them(server: EchoServer, sent: bytes, heard: list[Heard]) -> None:
    """Each is understood: the service hears the message, and the answer is plain UTF-8 of SOAP 1.1."""
    with server.connect() as client:
        client.send(sent)
        answer = client.answer()
    assert answer.status == 200, answer.body
    assert answer.value("text") == "hello"
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert "content-encoding" not in answer.headers
    assert answer.body.decode("utf-8").startswith("<?xml version='1.0' encoding='UTF-8'?>")
    assert [(call.operation, call.values[2], call.values[3]) for call in heard] == [("send_sms", "hello", None)]


TYPES_12 = {
    "plain": "application/soap+xml; charset=utf-8",
    "action in the type": 'application/soap+xml; charset=utf-8; action="urn:smsbridge:1/send_sms"',
    "KDSoap, action without quotes": "application/soap+xml;charset=utf-8;action=urn:smsbridge:1/send_sms",
    "as 1.1": "text/xml; charset=utf-8",
}


@pytest.mark.parametrize("content_type", TYPES_12.values(), ids=TYPES_12.keys())
def test_a_call_in_1_2_is_answered_in_1_2(server: EchoServer, content_type: str) -> None:
    """The envelope says the version, not the Content-Type; Faults follow it too."""
    answer = server.post(envelope(send_sms(), version=V12), content_type, SOAPAction="x")
    assert (answer.status, answer.root.tag) == (200, f"{{{V12.namespace}}}Envelope")
    assert answer.headers["content-type"] == "application/soap+xml; charset=utf-8"
    answer = server.post(envelope("<nothing/>", version=V12), content_type)
    assert (answer.status, answer.root.tag) == (500, f"{{{V12.namespace}}}Envelope")
    assert answer.headers["content-type"] == "application/soap+xml; charset=utf-8"


def test_a_call_in_1_1_sent_as_1_2_is_answered_in_1_1(server: EchoServer) -> None:
    """The other way round."""
    answer = server.post(envelope(send_sms()), "application/soap+xml")
    assert (answer.status, answer.root.tag) == (200, f"{{{V11.namespace}}}Envelope")
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"


def test_the_other_version_named_in_the_text_changes_nothing(server: EchoServer) -> None:
    """SOAP::Lite declares every prefix of the WSDL: the version is the root element's."""
    declared = envelope(send_sms(V12.namespace)).replace(b"<soap:Env", b"<soap:Env", 1)
    declared = declared.replace(b"<soap:Envelope", f'<soap:Envelope xmlns:s12="{V12.namespace}"'.encode(), 1)
    answer = server.post(declared)
    assert (answer.root.tag, answer.value("text")) == (f"{{{V11.namespace}}}Envelope", V12.namespace)


@pytest.mark.parametrize("text", [HEBREW, "emoji 😀", '<&>"', "line\nbreak", "tab\there", "x" * 100_000])
@pytest.mark.parametrize("version", list(Version))
def test_texts_come_back_as_they_were(server: EchoServer, text: str, version: Version) -> None:
    """Also one that is long enough for a thread."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert server.post(envelope(send_sms(escaped), version=version)).value("text") == text


@pytest.mark.parametrize(
    "written", ["&#xD83D;&#xDE00;", "&#55357;&#56832;", "&#xd83d;&#56832;", "&#x0D83D;&#xde00;", "&#128512;"]
)
def test_surrogates_are_joined(server: EchoServer, written: str) -> None:
    """An emoji as two references, in hexadecimal or decimal, is one character; beside others it harms none."""
    assert server.post(envelope(send_sms(f"a&#1489;{written}{written}&#1489;z"))).value("text") == "aב😀😀בz"


@pytest.mark.parametrize("charset", ["windows-1255", "iso-8859-8", "ISO-8859-8-I"])
def test_other_charsets(server: EchoServer, charset: str) -> None:
    """From the declaration, or from the HTTP header where that is the only one to name it."""
    codec = "iso-8859-8" if charset.endswith("I") else charset
    body = envelope(send_sms(HEBREW)).decode()
    declared = body.replace('"utf-8"', f'"{charset}"').encode(codec)
    silent = body[body.index("?>") + 2 :].encode(codec)
    assert server.post(declared, "text/xml").value("text") == HEBREW
    assert server.post(declared, "text/xml; charset=utf-8").value("text") == HEBREW
    assert server.post(silent, f'text/xml; charset="{charset}"').value("text") == HEBREW
    assert server.post(body.encode(), f"text/xml; charset={charset}").value("text") == HEBREW


NILS = {
    "nil": '<message xsi:nil="true"/>',
    "nil is 1": '<message xsi:nil=" 1 "/>',
    "empty": "<message/>",
    "empty with an end": "<message></message>",
    "nil with a type": '<message xsi:nil="true" xsi:type="xsd:string"/>',
    "absent": "",
}


@pytest.mark.parametrize("given", NILS.values(), ids=NILS.keys())
def test_nil_and_empty_are_absent(server: EchoServer, given: str, heard: list[Heard]) -> None:
    """All forms of nothing are None; a list of nothing is none either."""
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    answer = server.post(envelope(f'<send_sms xmlns="{NAMESPACE}" {xsi}>{given}<dest>1</dest><fields/></send_sms>'))
    assert answer.status == 200, answer.body
    (call,) = heard
    assert call.values[:4] == (None, "1", None, None)
    assert call.values[4].item is None


def test_what_is_not_nil_is_there(server: EchoServer) -> None:
    """A client that writes nil="false" means the value."""
    given = '<message xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="false">hello</message>'
    assert server.post(envelope(f'<send_sms xmlns="{NAMESPACE}">{given}</send_sms>')).value("text") == "hello"


@pytest.mark.parametrize(
    "call",
    [
        PING,
        f'<p:ping xmlns:p="{NAMESPACE}"></p:ping>',
        f'<ping xmlns="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>',
        f'<ping xmlns="{NAMESPACE}"> </ping>',
    ],
)
def test_a_call_without_arguments(server: EchoServer, call: str) -> None:
    """SOAP::Lite sends it as nil."""
    assert server.post(envelope(call)).value("status") == "0"


def test_records_and_attributes(server: EchoServer, heard: list[Heard]) -> None:
    """Lists of records keep their order; attributes named like elements are no values."""
    items = "".join(f'<item id="{n}" key="x"><value>v{n}</value><key message="y">k{n}</key></item>' for n in range(3))
    answer = server.post(envelope(send_sms(more=f'<fields id="f" soapenc="x">{items}</fields>')))
    assert answer.status == 200, answer.body
    (call,) = heard
    assert [(one.key, one.value) for one in call.values[4].item] == [("k0", "v0"), ("k1", "v1"), ("k2", "v2")]
    assert [each.text for each in answer.root.iter(f"{{{NAMESPACE}}}key")] == ["k0", "k1", "k2"]


def test_values_that_are_no_texts(server: EchoServer, heard: list[Heard]) -> None:
    """Numbers and times are read by Spyne; empty ones are absent, and wrong ones named."""
    call = f'<typed xmlns="{NAMESPACE}"><count>7</count><at>2026-11-20T07:00:00Z</at></typed>'
    assert server.post(envelope(call)).value("status") == "7"
    assert server.post(envelope(f'<typed xmlns="{NAMESPACE}"><count/><at></at></typed>')).status == 200
    assert [type(each) for each in heard[0].values] != [str, str]
    assert heard[1].values == (None, None)
    for wrong in ("seven", "99999999999", "1.5", "&#x661;x"):
        answer = server.post(envelope(f'<typed xmlns="{NAMESPACE}"><count>{wrong}</count></typed>'))
        assert answer.fault[0] == "soap:Client.InvalidRequest".replace("soap", "env")
        assert answer.fault[1].startswith("count: the value is not of its type")


# --- what is no call ---

DEEP = "<a>" * 1000 + "</a>" * 1000
LAUGHS = "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1};" * 10 if n else "lol"}">' for n in range(10))

BAD: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "Malformed", "the request is empty"),
    "no XML": (b"hello", "Malformed", "not well-formed XML"),
    "JSON": (b'{"send_sms": {}}', "Malformed", "not well-formed XML"),
    "no envelope": (b"<html/>", "Malformed", "the root element is html"),
    "cut short": (envelope(send_sms())[:-9], "Malformed", "not well-formed XML"),
    "two documents": (envelope(PING) + envelope(PING), "Malformed", "not well-formed XML"),
    "DTD": (b'<!DOCTYPE a [<!ENTITY x "y">]>' + envelope(send_sms())[38:], "Malformed", "document type"),
    "DTD after a comment": (b'<!-- -- ><!-- -->\n<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>', "Malformed", ""),
    "DTD in lower case": (b"<!doctype html><html/>", "Malformed", "document type"),
    "DTD in UTF-16": ("<!DOCTYPE a><a/>".encode("utf-16"), "Malformed", "document type"),
    "billion laughs": (f"<!DOCTYPE l [{LAUGHS}]><l>&lol9;</l>".encode(), "Malformed", "document type"),
    "external entity": (
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        "Malformed",
        "document type",
    ),
    "unknown entity": (envelope(send_sms("&nbsp;")), "Malformed", "nbsp"),
    "1,000 deep": (envelope(send_sms(more=DEEP)), "TooLarge", "nested deeper"),
    "1,000 deep in the header": (envelope(PING, header=DEEP), "TooLarge", "nested deeper"),
    "too long": (envelope(send_sms("x" * LIMIT)), "TooLarge", f"longer than {LIMIT} bytes"),
    "invalid UTF-8": (
        envelope(send_sms("\udcff")[:0] + send_sms("?")).replace(b"?<", b"\xff\xfe<"),
        "Encoding",
        "UTF-8",
    ),
    "Latin-1 that says UTF-8": (envelope(send_sms("é")).decode().encode("latin-1"), "Encoding", "not UTF-8 (byte "),
    "half a UTF-16": (envelope(PING).decode().encode("utf-16")[:-1], "Encoding", "UTF-16"),
    "an encoding that is none": (envelope(PING).replace(b'"utf-8"', b'"klingon"'), "Encoding", "klingon"),
    "an encoding that runs code": (envelope(PING).replace(b'"utf-8"', b'"unicode_escape"'), "Encoding", "is not known"),
    "a control character": (envelope(send_sms("\x01")), "Malformed", "not well-formed XML"),
    "a control character by reference": (envelope(send_sms("&#7;")), "Malformed", "not well-formed XML"),
    "a NUL inside": (envelope(send_sms("\x00")), "Malformed", "not well-formed XML"),
    "half an emoji": (envelope(send_sms("&#xD83D;")), "Malformed", "not well-formed XML"),
    "halves in the wrong order": (envelope(send_sms("&#xDE00;&#xD83D;")), "Malformed", "not well-formed XML"),
    "no Body": (f'<e:Envelope xmlns:e="{V11.namespace}"/>'.encode(), "Malformed", "no Body"),
    "two Bodies": (
        f'<e:Envelope xmlns:e="{V11.namespace}"><e:Body>{PING}</e:Body><e:Body/></e:Envelope>'.encode(),
        "Malformed",
        "2 elements Body",
    ),
    "an empty Body": (envelope(""), "Malformed", "the Body is empty"),
    "a Body of text": (envelope("ping"), "Malformed", "the Body is empty"),
    "two calls": (envelope(PING + PING), "Malformed", "2 calls"),
    "attachments": (envelope(PING), "Malformed", "several parts"),
    "an unknown operation": (envelope(f'<frob xmlns="{NAMESPACE}"/>'), "UnknownOperation", "no operation frob"),
    "a wrong namespace": (
        envelope('<send_sms xmlns="urn:other"/>'),
        "UnknownOperation",
        "is in namespace urn:other; this service's is",
    ),
    "a Fault as a call": (envelope("<soap:Fault/>"), "UnknownOperation", "no operation Fault"),
    "an unknown element": (
        envelope(send_sms(more="<sendtiem>+5</sendtiem>")),
        "UnknownElement",
        "did you mean sendtime?",
    ),
    "an element twice": (envelope(send_sms(more="<message>b</message>")), "InvalidRequest", "more than one message"),
    "an element twice, once empty": (envelope(send_sms(more="<dest>1</dest>")), "InvalidRequest", "more than one dest"),
    "XML in a text": (envelope(send_sms("a <b>bold</b> word")), "InvalidRequest", "message holds elements"),
    "an unknown element in a list": (
        envelope(send_sms(more="<fields><pair/></fields>")),
        "UnknownElement",
        "fields has no element pair",
    ),
    "a reference to nothing": (envelope(send_sms(more='<sendtime href="#9"/>')), "InvalidRequest", "refers to"),
    "a reference to itself": (
        envelope(f'<send_sms xmlns="{NAMESPACE}"><fields href="#1"/></send_sms><m id="1"><item href="#1"/></m>'),
        "Malformed",
        "refers to itself",
    ),
    "a bomb of references": (
        envelope(
            f'<send_sms xmlns="{NAMESPACE}"><fields href="#m0"/></send_sms>'
            + "".join(f'<m id="m{n}">{f"""<item href="#m{n + 1}"/>""" * 20}</m>' for n in range(12))
            + '<m id="m12">end</m>'
        ),
        "TooLarge",
        "references",
    ),
    "more elements than there can be": (b"<" * (LIMIT - 10), "Malformed", ""),
}


@pytest.mark.parametrize(("body", "code", "text"), BAD.values(), ids=BAD.keys())
def test_what_is_no_call(server: EchoServer, body: bytes, code: str, text: str, heard: list[Heard]) -> None:
    """Each is a Fault of the client's, with a text that says what is wrong, an id, and HTTP 500; nothing is called."""
    content_type = "multipart/related; boundary=x" if text == "several parts" else "text/xml; charset=utf-8"
    with capture_logs() as logs:
        answer = server.post(body, content_type)
    assert answer.status == 500
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert answer.fault[0] == f"env:Client.{code}"
    assert text in answer.fault[1]
    found = ID.search(answer.fault[1])
    assert found
    (log,) = logs
    told = (log["log_level"], log["event"], log["id"], log["door"], log["code"])
    assert told == ("info", "call refused", found[1], "soap", f"Client.{code}")
    assert SECRET not in str(logs)
    assert not heard


@pytest.mark.parametrize("name", ["unknown operation", "an empty Body", "an unknown element"])
def test_faults_in_1_2(server: EchoServer, name: str) -> None:
    """Sender, and a Subcode with a prefix that is declared."""
    body, code, _ = next(case for key, case in BAD.items() if name in key)
    answer = server.post(body.replace(V11.namespace.encode(), V12.namespace.encode()), "application/soap+xml")
    assert answer.status == 500
    assert answer.fault[0] == f"env:Sender sms:{code}"
    (subcode,) = answer.root.iter(f"{{{V12.namespace}}}Subcode")
    assert subcode.nsmap["sms"] == NAMESPACE


def test_an_unreadable_body_is_complained_of_in_the_version_of_its_type(server: EchoServer) -> None:
    """Nothing but the Content-Type tells it then."""
    answer = server.post(b"<broken", 'application/soap+xml; charset=utf-8; action="x"')
    assert answer.root.tag == f"{{{V12.namespace}}}Envelope"
    assert answer.headers["content-type"] == "application/soap+xml; charset=utf-8"


def test_an_envelope_of_neither_version(server: EchoServer) -> None:
    """VersionMismatch (SOAP 1.1, 4.4.1)."""
    body = envelope(PING).replace(V11.namespace.encode(), b"urn:schemas-xmlsoap-org:soap.v1")
    assert server.post(body).fault[0] == "env:VersionMismatch"
    assert server.post(b"<Envelope><Body><ping/></Body></Envelope>").fault[0] == "env:VersionMismatch"


@pytest.mark.parametrize(
    ("body", "coding", "code"),
    [
        (gzip.compress(b" " * 10_000_000), "gzip", "TooLarge"),
        (zlib.compress(b" " * 10_000_000), "deflate", "TooLarge"),
        (gzip.compress(b"a" * 100) * 3, "gzip", "Malformed"),
        (gzip.compress(envelope(PING))[:-9], "gzip", "Encoding"),
        (envelope(PING), "gzip", "Encoding"),
        (envelope(PING), "deflate", "Encoding"),
        (envelope(PING), "br", "Encoding"),
        (gzip.compress(envelope(PING)), "gzip, gzip", "Encoding"),
    ],
    ids=range(8),  # what gzip writes has the time in it
)
def test_compressed_bodies_that_are_wrong(server: EchoServer, body: bytes, coding: str, code: str) -> None:
    """Bombs are stopped at the limit, and what is not what it says is said."""
    assert server.post(body, Content_Encoding=coding).fault[0] == f"env:Client.{code}"


# --- Faults of the service ---


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        ("login", "Client.Authentication", "the login is not right, or not allowed from here"),
        ("request", "Client.InvalidRequest", "dest is missing"),
        ("store", "Server.Unavailable", "trouble on our side; call again later"),
        ("stopping", "Server.Stopping", "the bridge is going down; call again later"),
        ("bug", "Server.Internal", "trouble on our side; call again later"),
        ("recursion", "Server.Internal", "trouble on our side; call again later"),
        ("unknown", "Server.Internal", "trouble on our side; call again later"),
    ],
)
def test_faults_of_the_service(server: EchoServer, kind: str, code: str, text: str) -> None:
    """What is wrong with a call is told; what is wrong with us is not, and of it the log has no contents either."""
    call = f'<fail xmlns="{NAMESPACE}"><password>{SECRET}</password><kind>{kind}</kind></fail>'
    with capture_logs() as logs:
        old, new = (server.post(envelope(call, version=version)) for version in Version)
    assert (old.status, new.status) == (500, 500)
    assert old.fault[0] == f"env:{code}"
    role, _, subcode = code.partition(".")
    assert new.fault[0] == f"env:{ {'Client': 'Sender', 'Server': 'Receiver'}[role] } sms:{subcode}"
    for answer in (old, new):
        assert ID.sub("", answer.fault[1]) == text
        assert SECRET.encode() not in answer.body
        assert not re.search(b"(?i)detail|faultactor|role>|node>|traceback", answer.body)
    assert SECRET not in str(logs)
    ids = {ID.search(answer.fault[1])[1] for answer in (old, new)}  # type: ignore[index]
    assert {log["id"] for log in logs} == ids
    if code == "Server.Internal":
        assert {log["log_level"] for log in logs} == {"error"}
        assert all("tests/soap/echo.py" in log["stack"] for log in logs)


def test_what_cannot_be_written_is_a_fault(server: EchoServer) -> None:
    """The writer's errors are ours, and nothing else of the connection suffers."""
    with server.connect() as client:
        client.send(request(envelope(f'<broken xmlns="{NAMESPACE}"><kind>type</kind></broken>')))
        answer = client.answer()
        assert answer.fault[0] == "env:Server.Internal"
        assert SECRET.encode() not in answer.body
        client.send(request(envelope(PING)))
        assert client.answer().status == 200


def test_the_document_is_gone_while_a_call_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is far larger than what was read from it, and a login that fails is answered after seconds."""
    documents: list[weakref.ref[Any]] = []
    kept: list[bool] = []

    class Watched(Call):
        __slots__ = ("__weakref__",)

    def opened(sent: Any, *, limit: int) -> Call:
        call = open_envelope(sent, limit=limit)
        watched = Watched(version=call.version, element=call.element)
        documents.append(weakref.ref(watched))
        return watched

    class Asks:
        def of(self, *_: Any, **__: Any) -> Any:
            return None

    async def answer(self: Any, ctx: Any) -> None:
        kept.append(documents[0]() is not None)
        raise LoginFailed("no")

    async def receive() -> Any:
        return {"type": "http.request", "body": envelope(PING), "more_body": False}

    async def send(_: Any) -> None:
        pass

    monkeypatch.setattr("soap.transport.open_envelope", opened)
    monkeypatch.setattr("soap.transport._Server.answer", answer)
    transport = Transport(Echo, namespace=NAMESPACE, visits=Asks(), bodies=Bodies(LIMIT))  # type: ignore[arg-type]
    asyncio.run(transport({"type": "http", "headers": [], "path": "/soap"}, receive, send))
    assert kept == [False]


@pytest.mark.parametrize("fails", [False, True])
def test_a_call_is_gone_when_it_is_answered(monkeypatch: pytest.MonkeyPatch, *, fails: bool) -> None:
    """Nothing of it waits for the collector of cycles, which does not know how large its texts are."""

    class Here:
        pass

    class Asks:
        def of(self, *_: Any, **__: Any) -> Here:
            here = Here()
            visits.append(weakref.ref(here))
            return here

    async def answer(self: Any, ctx: Any) -> None:
        assert ctx.udc is visits[0]()
        if fails:
            raise LoginFailed("no")

    async def receive() -> Any:
        return {"type": "http.request", "body": envelope(PING), "more_body": False}

    async def send(message: Any) -> None:
        there.append((message.get("status"), visits[0]()))

    visits: list[weakref.ref[Here]] = []
    there: list[tuple[int | None, Here | None]] = []
    monkeypatch.setattr("soap.transport._Server.answer", answer)
    monkeypatch.setattr("soap.transport._Server.write", lambda *_: b"")
    transport = Transport(Echo, namespace=NAMESPACE, visits=Asks(), bodies=Bodies(LIMIT))  # type: ignore[arg-type]
    gc.disable()
    try:
        asyncio.run(transport({"type": "http", "headers": [], "path": "/soap"}, receive, send))
    finally:
        gc.enable()
    assert there == [(500 if fails else 200, None), (None, None)]


def test_texts_and_numbers_are_written_clean(server: EchoServer) -> None:
    """No character that XML cannot hold, no exponent, no types, and no nil."""
    answer = server.post(envelope(f'<broken xmlns="{NAMESPACE}"><kind>text</kind></broken>'))
    assert answer.value("text") == "form feed, nul , half   of an emoji 😀"
    assert server.post(envelope(send_sms())).value("credit") == "1000"
    assert (
        server.post(envelope(f'<broken xmlns="{NAMESPACE}"><kind>number</kind></broken>')).value("credit")
        == "0.0000001"
    )
    assert b"xsi:" not in answer.body
    assert answer.value("credit") is None


def test_a_long_answer(server: EchoServer) -> None:
    """It is written in a thread, and whole."""
    answer = server.post(envelope(f'<many xmlns="{NAMESPACE}"><count>3000</count></many>'))
    assert [each.text for each in answer.root.iter(f"{{{NAMESPACE}}}key")] == [str(n) for n in range(3000)]


# --- HTTP ---


def test_keep_alive_and_pipelined_calls(server: EchoServer, heard: list[Heard]) -> None:
    """Calls on one connection are answered in their order; a Fault does not end it."""
    sent = [envelope(send_sms(str(n))) for n in range(3)]
    with server.connect() as client:
        client.send(request(sent[0]) + request(b"<broken") + request(sent[1]))
        assert [client.answer().status for _ in range(3)] == [200, 500, 200]
        client.send(request(sent[2]))
        assert client.answer().value("text") == "2"
    assert [call.values[2] for call in heard] == ["0", "1", "2"]


def test_http_1_0_closes_unless_asked_not_to(server: EchoServer) -> None:
    """Axis and NuSOAP wait for the end of the connection."""
    with server.connect() as client:
        client.send(request(envelope(PING)).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        assert client.answer().status == 200
        assert client.closed()


def test_expect_100_continue(server: EchoServer) -> None:
    """.NET waits for the word to go on before it sends the body."""
    head, _, body = request(envelope(send_sms()), Expect="100-continue").partition(b"\r\n\r\n")
    with server.connect() as client:
        client.send(head + b"\r\n\r\n")
        assert client.head()[0] == 100
        client.send(body)
        answer = client.answer()
        assert (answer.status, answer.value("text")) == (200, "hello")


def test_a_body_that_is_announced_too_long_is_not_waited_for(server: EchoServer) -> None:
    """50 MB are refused at the head: who waits for the word to go on gets the Fault, and the connection ends."""
    head = request(b"", Expect="100-continue").replace(b"Content-Length: 0", b"Content-Length: 50000000")
    with server.connect() as client:
        client.send(head)
        answer = client.answer()
        assert answer.fault[0] == "env:Client.TooLarge"
        assert client.closed()


def test_a_body_that_is_sent_too_long_is_passed_over(server: EchoServer) -> None:
    """A client that sends all of it before it reads still gets its Fault, and may call again."""
    sent = b" " * 5_000_000
    with server.connect() as client:
        client.send(request(sent))
        assert client.answer().fault[0] == "env:Client.TooLarge"
        client.send(request(envelope(PING)))
        assert client.answer().status == 200


def test_a_chunked_body(server: EchoServer) -> None:
    """Without a length; one that grows too long is a Fault."""
    head = request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")

    def chunks(body: bytes, size: int) -> bytes:
        parts = [body[start : start + size] for start in range(0, len(body), size)]
        return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"

    with server.connect() as client:
        client.send(head + chunks(envelope(send_sms()), 7))
        assert client.answer().value("text") == "hello"
        client.send(head + chunks(envelope(send_sms("x" * 150_000)), 10_000))
        assert client.answer().value("text") == "x" * 150_000
        client.send(head + chunks(b"x" * (LIMIT + 1), 10_000))
        assert client.answer().fault[0] == "env:Client.TooLarge"


def test_a_body_that_never_ends(sqlite_url: str, tmp_path: Path) -> None:
    """A slow one is a Fault after the time that there is."""
    with serving(tmp_path, patience=0.05) as server, server.connect() as client:
        client.send(request(envelope(PING))[:-5])
        answer = client.answer()
        assert answer.fault[0] == "env:Client.TooSlow"


def test_a_client_that_goes_away(server: EchoServer, heard: list[Heard]) -> None:
    """Half a call calls nothing, and harms no other."""
    with server.connect() as client:
        client.send(request(envelope(send_sms()))[:-5])
    assert server.post(envelope(PING)).status == 200
    assert [call.operation for call in heard] == ["ping"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"])
def test_other_methods(server: EchoServer, method: str, heard: list[Heard]) -> None:
    """405 with what is allowed, where the contract is, and an id."""
    answer = server.get("/soap", method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    assert b"?wsdl (id " in answer.body
    assert not heard


def test_the_visit_of_a_call(server: EchoServer, heard: list[Heard]) -> None:
    """The service finds by which door it came, an id, and from where."""
    server.post(envelope(PING), X_Forwarded_For="203.0.113.9")
    (call,) = heard
    assert (call.visit.door, call.visit.address) == ("soap", "127.0.0.1")
    assert re.fullmatch("[0-9a-f]{16}", call.visit.id)
    assert SECRET not in repr(call.visit)


# --- whatever comes ---

SEEDS = [body for body, *_ in BAD.values() if len(body) < 2000]
SEEDS += [sent.partition(b"\r\n\r\n")[2] for sent in REQUESTS.values()]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.sampled_from(SEEDS),
    cuts=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 40), st.binary(max_size=8)), min_size=1, max_size=5),
    content_type=st.sampled_from(["text/xml", "text/xml; charset=windows-1255", "application/soap+xml", "", ";;=\x00"]),
    coding=st.sampled_from([b"", b"gzip", b"deflate"]),
)
def test_no_bytes_are_our_trouble(
    seed: bytes, cuts: list[tuple[int, int, bytes]], content_type: str, coding: bytes
) -> None:
    """Requests with bytes exchanged and taken out: an answer or the client's Fault, always an envelope."""
    body = seed
    for place, length, put in cuts:
        body = body[:place] + put + body[place + length :]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", content_type.encode()), (b"content-encoding", coding)]
    asyncio.run(TRANSPORT({"type": "http", "path": "/soap", "headers": headers, "client": None}, receive, send))
    start, end = sent
    answer = Answer(start["status"], {}, end["body"])
    if answer.status != 200:
        assert answer.status == 500
        assert not re.search("Server|Receiver", answer.fault[0]), answer.fault
        assert ID.search(answer.fault[1])
