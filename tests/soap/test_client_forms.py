"""The bytes that real clients send, over a socket to a real bridge: each text reaches the phone, letter for letter.

What zeep, suds, PHP, node-soap, strong-soap and SOAP::Lite send was recorded from them, what others send is written as
their users have published it. ``DEST`` stands for the number, ``TOKEN`` for the login, and the length is put in.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import pytest

from bridge.calls.vault import Vault
from bridge.clock import system_clock
from bridge.model.login import KeyKind
from bridge.model.moment import to_ms
from bridge.store import accounts
from bridge.store.engine import Store
from soap.faults import Version
from tests.soap.echo import Answer, Client
from tests.support.served import CONFIG, Served, until

V11, V12 = Version.V11, Version.V12
SECRET_KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "t" * 43
PASSWORD = "change-me-1"
PLAIN = "Hello"
TEXT = 'שלום 😀 <&>"\nline'

_serial = itertools.count(1000)


class Form(NamedTuple):
    """A request as a client sends it: the lines of its head, its body, and the text that has to arrive."""

    head: str
    body: str
    text: str = TEXT
    version: Version = V11
    encoded: Callable[[str], bytes] = str.encode

    def sent(self, number: str) -> bytes:
        """Return it as bytes."""
        body = self.encoded(self.body.replace("DEST", number).replace("TOKEN", TOKEN))
        lines = [*self.head.splitlines(), f"Content-Length: {len(body)}"]
        if "Host:" not in self.head and "HTTP/1.1" in self.head:
            lines.insert(1, "Host: 127.0.0.1")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def utf16(text: str) -> bytes:
    """Return what MSXML makes of a document: UTF-16 with a mark."""
    return text.encode("utf-16")


def marked(text: str) -> bytes:
    """Return what WCF makes of one in SOAP 1.2: UTF-8 with a mark."""
    return text.encode("utf-8-sig")


ZEEP: Final = """\
<?xml version='1.0' encoding='utf-8'?>
<soap-env:Envelope xmlns:soap-env="%s"><soap-env:Body><ns0:send_sms xmlns:ns0="urn:smsbridge:1"><ns0:token>TOKEN\
</ns0:token><ns0:dest>DEST</ns0:dest><ns0:message>שלום 😀 &lt;&amp;&gt;"
line</ns0:message><ns0:sender></ns0:sender></ns0:send_sms></soap-env:Body></soap-env:Envelope>"""

PHP: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="%s" xmlns:ns1="urn:smsbridge:1"><SOAP-ENV:Body><ns1:send_sms><ns1:token>TOKEN\
</ns1:token><ns1:dest>DEST</ns1:dest><ns1:message>שלום 😀 &lt;&amp;&gt;"
line</ns1:message><ns1:sender></ns1:sender></ns1:send_sms></SOAP-ENV:Body></SOAP-ENV:Envelope>
"""

NODE: Final = (
    '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="%s" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"  xmlns:tns="urn:smsbridge:1"><soap:Body><send_sms '
    'xmlns="urn:smsbridge:1"><token>TOKEN</token><dest>DEST</dest><message>שלום 😀 &lt;&amp;&gt;&quot;&#xA;line'
    '</message><sendtime xsi:nil="true"></sendtime><sender></sender></send_sms></soap:Body></soap:Envelope>'
)

STRONG: Final = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<soap:Envelope xmlns:soap="%s">
  <soap:Header/>
  <soap:Body>
    <ns1:send_sms xmlns:ns1="urn:smsbridge:1">
      <ns1:token>TOKEN</ns1:token>
      <ns1:dest>DEST</ns1:dest>
      <ns1:message>שלום 😀 &lt;&amp;&gt;"
line</ns1:message>
      <ns1:sender/>
      <ns1:sendtime/>
      <ns1:fields/>
    </ns1:send_sms>
  </soap:Body>
</soap:Envelope>"""

LITE: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><soap:Envelope soap:encodingStyle="%s" xmlns:namesp3="urn:smsbridge:1" '
    'xmlns:soap="%s" xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soap:Body>'
    '<namesp3:send_sms><dest xsi:type="xsd:string">DEST</dest>%s<sender xsi:type="xsd:string" />'
    '<sendtime xsi:nil="true" xsi:type="xsd:string" /><token xsi:type="xsd:string">TOKEN</token></namesp3:send_sms>'
    "</soap:Body></soap:Envelope>"
)
LITE_TEXT: Final = '<message xsi:type="xsd:string">שלום 😀 &lt;&amp;&gt;"\nline</message>'
LITE_BYTES: Final = f'<message xsi:type="xsd:base64Binary">{base64.encodebytes(TEXT.encode()).decode()}</message>'
ENCODING: Final = "http://schemas.xmlsoap.org/soap/encoding/"

# Every prefix of the contract is copied into the envelope, so the other version's may stand in it.
LITE_STUB: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><soap:Envelope soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'
    ' xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap12="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:tns="urn:smsbridge:1" '
    'xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soap:Body>'
    '<tns:send_sms><username xsi:nil="true" xsi:type="xs:string" /><password xsi:nil="true" xsi:type="xs:string" />'
    '<token xsi:type="xs:string">TOKEN</token><dest xsi:type="xs:string">DEST</dest><message xsi:type="xs:string">'
    "Hello</message></tns:send_sms></soap:Body></soap:Envelope>"
)

WCF: Final = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><send_sms '
    'xmlns="urn:smsbridge:1"><username xsi:nil="true"/><password xsi:nil="true"/><token>TOKEN</token><dest>DEST</dest>'
    '<message>Hello</message><sender xsi:nil="true"/><sendtime xsi:nil="true"/><callback_url xsi:nil="true"/>'
    '<reference xsi:nil="true"/><test>0</test><priority xsi:nil="true"/><fields xsi:nil="true"/></send_sms></s:Body>'
    "</s:Envelope>"
)

WS_HTTP: Final = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing">'
    '<s:Header><a:Action s:mustUnderstand="1">urn:smsbridge:1/send_sms</a:Action><a:MessageID>'
    "urn:uuid:7d5b3e1c-8f51-4a32-9c68-0d2f7f7f3b11</a:MessageID><a:ReplyTo><a:Address>"
    "http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>"
    '<a:To s:mustUnderstand="1">https://sms.example.com/soap</a:To></s:Header><s:Body><send_sms '
    'xmlns="urn:smsbridge:1"><token>TOKEN</token><dest>DEST</dest><message>Hello</message></send_sms></s:Body>'
    "</s:Envelope>"
)

WEB_REFERENCE: Final = (
    '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><soap:Body>'
    '<send_sms xmlns="urn:smsbridge:1"><token>TOKEN</token><dest>DEST</dest><message>Hello</message></send_sms>'
    "</soap:Body></soap:Envelope>"
)

JAX_WS: Final = (
    '<?xml version="1.0" ?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><send_sms '
    'xmlns="urn:smsbridge:1"><token>TOKEN</token><dest>DEST</dest><message>שלום 😀 &lt;&amp;&gt;"&#10;line</message>'
    "</send_sms></S:Body></S:Envelope>"
)

AXIS: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
    '<send_sms xmlns="urn:smsbridge:1"><token>TOKEN</token><dest>DEST</dest><message>&#x5E9;&#x5DC;&#x5D5;&#x5DD; '
    "&#xD83D;&#xDE00; &lt;&amp;&gt;&quot;&#xa;line</message></send_sms></soapenv:Body></soapenv:Envelope>"
)

GSOAP: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<SOAP-ENV:Envelope '
    'xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" xmlns:SOAP-ENC="http://www.w3.org/2003/05/soap-encoding" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:ns1="urn:smsbridge:1"><SOAP-ENV:Body><ns1:send_sms><ns1:token>TOKEN</ns1:token><ns1:dest>DEST</ns1:dest>'
    "<ns1:message>שלום 😀 &lt;&amp;&gt;&quot;&#xA;line</ns1:message></ns1:send_sms></SOAP-ENV:Body></SOAP-ENV:Envelope>"
)

GOWSDL: Final = (
    '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body '
    'xmlns="http://schemas.xmlsoap.org/soap/envelope/"><send_sms xmlns="urn:smsbridge:1"><token>TOKEN</token><dest>DEST'
    "</dest><message>שלום 😀 &lt;&amp;&gt;&#34;&#xA;line</message></send_sms></Body></Envelope>"
)

NUSOAP: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope '
    'SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" '
    'xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/" '
    'xmlns:ns4821="urn:smsbridge:1"><SOAP-ENV:Body><send_sms xmlns="urn:smsbridge:1"><token>TOKEN</token>'
    "<dest>DEST</dest><message>שלום 😀 &lt;&amp;&gt;&quot;\nline</message></send_sms></SOAP-ENV:Body>"
    "</SOAP-ENV:Envelope>"
)

DELPHI: Final = (
    '<?xml version="1.0"?>\r\n<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/"><SOAP-ENV:Body '
    'SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" xmlns:NS2="urn:smsbridge:1"><NS1:send_sms '
    'xmlns:NS1="urn:smsbridge:1"><token xsi:type="xsd:string">TOKEN</token><dest xsi:type="xsd:string">DEST</dest>'
    '<message xsi:type="xsd:string">Dear {{name}}</message><fields href="#1"/></NS1:send_sms><NS2:KeyValueList id="1" '
    'xsi:type="NS2:KeyValueList"><item href="#2"/></NS2:KeyValueList><NS2:KeyValue id="2" xsi:type="NS2:KeyValue"><key '
    'xsi:type="xsd:string">name</key><value xsi:type="xsd:string">Dana</value></NS2:KeyValue></SOAP-ENV:Body>'
    "</SOAP-ENV:Envelope>"
)

SAVON: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:tns="urn:smsbridge:1" '
    'xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body><tns:send_sms><tns:token>TOKEN</tns:token>'
    '<tns:dest>DEST</tns:dest><tns:message>Hello</tns:message><tns:sender xsi:nil="true"/><tns:fields xsi:nil="true"/>'
    "</tns:send_sms></env:Body></env:Envelope>"
)

BY_HAND: Final = """\
<?xml version="1.0"?>
<!-- made by a template -->
<SOAP:Envelope xmlns:SOAP='http://schemas.xmlsoap.org/soap/envelope/'><SOAP:Body>
<send_sms xmlns='urn:smsbridge:1'>
<message><![CDATA[שלום 😀 <&>"
line]]></message><dest>
DEST </dest><token>TOKEN</token>
</send_sms></SOAP:Body></SOAP:Envelope>

"""

MSXML: Final = (
    '<?xml version="1.0" encoding="UTF-16" standalone="no"?>\r\n<SOAP-ENV:Envelope '
    'xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><m:send_sms xmlns:m="urn:smsbridge:1">'
    "<m:token>TOKEN</m:token><m:dest>DEST</m:dest><m:message>שלום 😀 &lt;&amp;&gt;&quot;&#10;line</m:message>"
    "</m:send_sms></SOAP-ENV:Body></SOAP-ENV:Envelope>"
)

POST: Final = "POST /soap HTTP/1.1"
ACTION: Final = '"urn:smsbridge:1/send_sms"'
AGENT: Final = "User-Agent"
PHP_HEAD: Final = f"{POST}\nConnection: Keep-Alive\n{AGENT}: PHP-SOAP/8.2.35\n"
ZEEP_HEAD: Final = (
    f"{POST}\n{AGENT}: Zeep/4.3.3 (www.python-zeep.org)\nAccept-Encoding: gzip, deflate\nAccept: */*\n"
    f"Connection: keep-alive\nSOAPAction: {ACTION}\n"
)
NODE_HEAD: Final = (
    f"{POST}\nAccept: text/html,application/xhtml+xml,application/xml,text/xml;q=0.9,*/*;q=0.8\n"
    f"{AGENT}: node-soap/1.13.0\nAccept-Encoding: none\nAccept-Charset: utf-8\nConnection: keep-alive\n"
)
LITE_HEAD: Final = (
    f"{POST}\nTE: deflate,gzip;q=0.3\nConnection: TE, close\nAccept: text/xml\nAccept: multipart/*\n"
    f"Accept: application/soap\n{AGENT}: SOAP::Lite/Perl/1.27\nSOAPAction: {ACTION}\n"
)
TYPE_11: Final = "Content-Type: text/xml; charset=utf-8\n"
TYPE_12: Final = "Content-Type: application/soap+xml; charset=utf-8"

FORMS: Final = {
    "zeep 1.1": Form(ZEEP_HEAD + TYPE_11, ZEEP % V11.namespace),
    "zeep 1.2, action in both places": Form(
        f"{ZEEP_HEAD}{TYPE_12}; action={ACTION}", ZEEP % V12.namespace, version=V12
    ),
    "suds, a header written Soapaction, two prefixes": Form(
        f"{POST}\nAccept-Encoding: identity\n{AGENT}: Python-urllib/3.11\n{TYPE_11}Soapaction: {ACTION}\n"
        "Connection: close",
        '<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope '
        'xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ns0="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:ns1="urn:smsbridge:1"><SOAP-ENV:Header/><ns0:Body><ns1:send_sms><ns1:token>TOKEN</ns1:token>'
        "<ns1:dest>DEST</ns1:dest><ns1:message>שלום 😀 &lt;&amp;&gt;&quot;\nline</ns1:message><ns1:sender></ns1:sender>"
        "</ns1:send_sms></ns0:Body></SOAP-ENV:Envelope>",
    ),
    "PHP 1.1": Form(f"{PHP_HEAD}{TYPE_11}SOAPAction: {ACTION}", PHP % V11.namespace),
    "PHP 1.2": Form(
        f"{PHP_HEAD}{TYPE_12}; action={ACTION}", PHP.replace("SOAP-ENV", "env") % V12.namespace, version=V12
    ),
    "PHP, gzip": Form(
        f"{PHP_HEAD}Accept-Encoding: gzip, deflate\n{TYPE_11}SOAPAction: {ACTION}\nContent-Encoding: gzip",
        PHP % V11.namespace,
        encoded=lambda text: gzip.compress(text.encode()),
    ),
    "PHP, deflate": Form(
        f"{PHP_HEAD}Accept-Encoding: gzip, deflate\n{TYPE_11}SOAPAction: {ACTION}\nContent-Encoding: deflate",
        PHP % V11.namespace,
        encoded=lambda text: zlib.compress(text.encode()),
    ),
    "node-soap 1.1": Form(f"{NODE_HEAD}{TYPE_11}SOAPAction: {ACTION}", NODE % V11.namespace),
    "node-soap 1.2": Form(f"{NODE_HEAD}{TYPE_12}; action={ACTION}", NODE % V12.namespace, version=V12),
    "strong-soap 1.2, an action nowhere": Form(
        NODE_HEAD.replace("node-soap/1.13.0", "strong-soap/5.0.0") + TYPE_12, STRONG % V12.namespace, version=V12
    ),
    "strong-soap 1.1": Form(f"{NODE_HEAD}{TYPE_11}SOAPAction: {ACTION}", STRONG % V11.namespace),
    "SOAP::Lite, by ns()": Form(LITE_HEAD + TYPE_11, LITE % (ENCODING, V11.namespace, LITE_TEXT)),
    "SOAP::Lite 1.2, SOAPAction alone": Form(
        LITE_HEAD + TYPE_12, LITE % ("http://www.w3.org/2003/05/soap-encoding", V12.namespace, LITE_TEXT), version=V12
    ),
    "SOAP::Lite, untyped": Form(LITE_HEAD + TYPE_11, LITE % (ENCODING, V11.namespace, LITE_BYTES)),
    "SOAP::Lite, encoded": Form(
        LITE_HEAD + TYPE_11, LITE % (ENCODING, V11.namespace, LITE_BYTES.replace("xsd:base64Binary", "soapenc:base64"))
    ),
    "SOAP::Lite, service()": Form(LITE_HEAD + TYPE_11, LITE_STUB, PLAIN),
    "WCF": Form(f"{POST}\n{TYPE_11}SOAPAction: {ACTION}\nAccept-Encoding: gzip, deflate", WCF, PLAIN),
    "Mono's WCF, action is a star": Form(f'{POST}\nContent-Type: text/xml; charset=utf-8\nSOAPAction: "*"', WCF, PLAIN),
    "WCF, WSHttpBinding": Form(f"{POST}\n{TYPE_12}", WS_HTTP, PLAIN, V12, marked),
    "Mono's WCF 1.2, SOAPAction alone": Form(
        f'{POST}\n{TYPE_12}\nSOAPAction: "*"', WCF.replace(V11.namespace, V12.namespace), PLAIN, V12
    ),
    ".NET web reference": Form(
        f"{POST}\n{AGENT}: Mozilla/4.0 (compatible; MSIE 6.0; MS Web Services Client Protocol 4.0.30319.42000)\n"
        f"{TYPE_11}SOAPAction: {ACTION}",
        WEB_REFERENCE,
        PLAIN,
    ),
    "JAX-WS, quoted charset": Form(
        f'{POST}\nAccept: text/xml, multipart/related\nContent-Type: text/xml; charset="utf-8"\nSOAPAction: {ACTION}\n'
        f"{AGENT}: JAX-WS RI 2.3.3-b01\nConnection: keep-alive",
        JAX_WS,
    ),
    "Axis 1.4, HTTP/1.0 and surrogates": Form(
        "POST /soap HTTP/1.0\nContent-Type: text/xml; charset=utf-8\n"
        "Accept: application/soap+xml, application/dime, multipart/related, text/*\n"
        f'{AGENT}: Axis/1.4\nHost: 127.0.0.1:8080\nCache-Control: no-cache\nPragma: no-cache\nSOAPAction: ""',
        AXIS,
    ),
    "NuSOAP, HTTP/1.0": Form(
        f"POST /soap HTTP/1.0\nHost: 127.0.0.1\n{AGENT}: NuSOAP/0.9.5 (1.123)\n"
        'Content-Type: text/xml; charset=UTF-8\nSOAPAction: ""',
        NUSOAP,
    ),
    "gSOAP 1.2": Form(
        f"{POST}\n{AGENT}: gSOAP/2.8\n{TYPE_12}; action={ACTION}\nConnection: close\nSOAPAction: {ACTION}",
        GSOAP,
        version=V12,
    ),
    "KDSoap 1.2, action without quotes": Form(
        f"{POST}\nContent-Type: application/soap+xml;charset=utf-8;action=urn:smsbridge:1/send_sms\n"
        f"{AGENT}: Mozilla/5.0",
        GSOAP,
        version=V12,
    ),
    "gowsdl, SOAPAction without quotes": Form(
        f'{POST}\n{AGENT}: gowsdl/0.1\nContent-Type: text/xml; charset="utf-8"\n'
        "SOAPAction: urn:smsbridge:1/send_sms\nAccept-Encoding: compress",
        GOWSDL,
    ),
    "savon": Form(f"{POST}\nContent-Type: text/xml;charset=UTF-8\nSOAPAction: {ACTION}", SAVON, PLAIN),
    "Delphi, records by reference": Form(f"{POST}\n{TYPE_11}SOAPAction: {ACTION}", DELPHI, "Dear Dana"),
    "MSXML, UTF-16": Form(
        f"{POST}\nContent-Type: text/xml; charset=utf-16\nSOAPAction: {ACTION}", MSXML, TEXT, V11, utf16
    ),
    "by hand: reordered, CDATA, spaces, no action, no type": Form(POST, BY_HAND),
    "1.2 sent as 1.1": Form(f"{POST}\n{TYPE_11}SOAPAction: {ACTION}", GSOAP, version=V12),
    "1.1 sent as 1.2": Form(f"{POST}\n{TYPE_12}; action={ACTION}", JAX_WS),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A bridge with a token, and a login for digests. Whatever was sent to it, neither is in its log."""
    folder = tmp_path_factory.mktemp("forms")
    made = Served(folder, config=f'secret_key = "{SECRET_KEY}"\n{CONFIG}')
    store = Store(f"sqlite:///{folder / 'bridge.db'}")
    with store.write() as connection:
        account = accounts.find_account(connection, "acme").id
        for user, kind, secret in (
            ("token", KeyKind.TOKEN, hashlib.sha256(TOKEN.encode()).hexdigest()),
            ("erp", KeyKind.DIGEST, Vault(SECRET_KEY.encode()).seal(PASSWORD, user="erp")),
        ):
            accounts.add_key(connection, account, user=user, kind=kind, secret=secret, now=to_ms(system_clock()))
    store.close()
    made.start()
    try:
        yield made
    finally:
        assert made.stop() == 0
    log = made.logged()
    assert "Traceback" not in log
    assert TOKEN not in log
    assert PASSWORD not in log


def connect(served: Served) -> Client:
    """Open a connection."""
    return Client(int(served.http.rpartition(":")[2]))


def post(served: Served, sent: bytes) -> Answer:
    """Send bytes, and return what comes back."""
    with connect(served) as client:
        client.send(sent)
        return client.answer()


def arrived(served: Served, far: str) -> str:
    """Return the only text to a number, once it is there."""
    (one,) = until(lambda: [each for each in served.texts() if each["to"] == far], seconds=20)
    return str(one["text"])


def taken(answer: Answer, version: Version) -> None:
    """See that an answer is one of that version, in plain UTF-8, and took the text."""
    assert answer.status == 200, answer.body
    assert answer.root.tag == f"{{{version.namespace}}}Envelope"
    assert answer.headers["content-type"] == version.content_type
    assert "content-encoding" not in answer.headers
    answer.body.decode("utf-8")
    assert answer.value("status") == "0", answer.body


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_the_text_arrives(served: Served, form: Form) -> None:
    """In the form in which a client sends it, and the answer is in the client's version."""
    serial = next(_serial)
    taken(post(served, form.sent(f"050234{serial}")), form.version)
    assert arrived(served, f"+97250234{serial}") == form.text


@pytest.mark.parametrize("name", [".NET web reference", "WCF", "WCF, WSHttpBinding"])
def test_the_word_to_go_on(served: Served, name: str) -> None:
    """All of .NET asks for it by Expect, and sends the body only then, in one piece or several."""
    form, serial = FORMS[name], next(_serial)
    head, end, body = (
        form._replace(head=f"{form.head}\nExpect: 100-continue").sent(f"050234{serial}").partition(b"\r\n\r\n")
    )
    with connect(served) as client:
        client.send(head + end)
        assert client.head()[0] == 100
        client.send(body[:40])
        client.send(body[40:])
        taken(client.answer(), form.version)
    assert arrived(served, f"+97250234{serial}") == form.text


@pytest.mark.parametrize("name", ["Axis 1.4, HTTP/1.0 and surrogates", "NuSOAP, HTTP/1.0"])
def test_http_1_0_ends_with_the_answer(served: Served, name: str) -> None:
    """The client waits for the end of the connection, and understands no chunks."""
    with connect(served) as client:
        client.send(FORMS[name].sent("12"))
        answer = client.answer()
        assert answer.status == 200
        assert "transfer-encoding" not in answer.headers
        assert client.closed()


# --- nothing, in all its forms ---

NIL: Final = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil='
REQUIRED: Final = {
    "WCF, nil": f'<message {NIL}"true"/>',
    "node-soap, nil with an end": f'<message {NIL}"true"></message>',
    "SOAP::Lite, nil with a type": f'<message {NIL}"true" xsi:type="x:string" />',
    "strong-soap, empty": "<message/>",
    "all, empty": "<message></message>",
    "SOAP::Lite, bytes of nothing": (
        '<message xmlns:x="http://www.w3.org/2001/XMLSchema" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="x:base64Binary"> </message>'
    ),
    "left out": "",
}


def enveloped(inner: str, version: Version = V11, header: str = "") -> bytes:
    """Return a request with an envelope around what stands in its Body."""
    body = (
        f'<s:Envelope xmlns:s="{version.namespace}"><s:Header>{header}</s:Header><s:Body>{inner}</s:Body></s:Envelope>'
    )
    return Form(f"{POST}\nContent-Type: {version.content_type}", body).sent("0502345678")


@pytest.mark.parametrize("written", REQUIRED.values(), ids=REQUIRED.keys())
def test_nothing_where_a_value_is_needed(served: Served, written: str) -> None:
    """A Fault of the client's that names the element; nothing is sent."""
    before = served.metric("smsbridge_accepted_total")
    call = f'<send_sms xmlns="urn:smsbridge:1"><token>TOKEN</token><dest>DEST</dest>{written}</send_sms>'
    answer = post(served, enveloped(call))
    assert (answer.status, answer.fault[0]) == (500, "env:Client.InvalidRequest")
    assert answer.fault[1].startswith("message is missing (id ")
    assert served.metric("smsbridge_accepted_total") == before


@pytest.mark.parametrize(
    ("written", "told"),
    [("aGVsbG8", "in base64"), ("aGVs bG8=!", "in base64"), ("/v8=", "in base64"), ("6fD5", "in base64")],
)
def test_bytes_that_are_no_text(served: Served, written: str, told: str) -> None:
    """Neither broken base64, nor bytes of another encoding, are sent to a phone as they stand."""
    body = LITE % (ENCODING, V11.namespace, f'<message xsi:type="xsd:base64Binary">{written}</message>')
    answer = post(served, Form(LITE_HEAD + TYPE_11, body).sent("0502345678"))
    assert answer.fault[0] == "env:Client.InvalidRequest"
    assert "message is not UTF-8" in answer.fault[1]
    assert told in answer.fault[1]


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize(
    "call",
    [
        (
            '<namesp1:ping xmlns:namesp1="urn:smsbridge:1" xsi:nil="true" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" />'
        ),
        '<ns0:ping xmlns:ns0="urn:smsbridge:1"/>',
        '<ping xmlns="urn:smsbridge:1"></ping>',
        '<ping xmlns="urn:smsbridge:1"><username/><password/><token/></ping>',
        "<ping/>",
    ],
    ids=["SOAP::Lite", "suds", "node-soap", "stubs with empty strings", "no namespace"],
)
def test_a_call_without_arguments(served: Served, call: str, version: Version) -> None:
    """However it is written; and an empty Body is none."""
    taken(post(served, enveloped(call, version)), version)
    answer = post(served, enveloped("", version))
    assert answer.status == 500
    assert "Malformed" in answer.fault[0]


# --- logins in the header, with digests of this moment ---

WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
DIGESTS: Final = {
    "zeep": (
        "<wsse:UsernameToken><wsse:Username>erp</wsse:Username>{password}{nonce}{created}</wsse:UsernameToken>",
        "%Y-%m-%dT%H:%M:%S+00:00",
        "",
    ),
    "node-soap, with a Timestamp": (
        (
            '<wsu:Timestamp wsu:Id="_1">{created}<wsu:Expires>2099-01-01T00:00:00Z</wsu:Expires></wsu:Timestamp>'
            '<wsse:UsernameToken wsu:Id="SecurityToken-1"><wsse:Username>erp</wsse:Username>{password}{nonce}{created}'
            "</wsse:UsernameToken>"
        ),
        "%Y-%m-%dT%H:%M:%SZ",
        ' s:mustUnderstand="1"',
    ),
    "strong-soap, Created first": (
        (
            '<wsse:UsernameToken wsu:Id="SecurityToken-1">\n  <wsse:Username>erp</wsse:Username>\n  {created}\n  '
            "{password}\n  {nonce}\n</wsse:UsernameToken>"
        ),
        "%Y-%m-%dT%H:%M:%SZ",
        ' s:mustUnderstand="1"',
    ),
    "suds, a nonce in hexadecimal": (
        "<wsse:UsernameToken><wsse:Username>erp</wsse:Username>{password}{hex}{created}</wsse:UsernameToken>",
        "%Y-%m-%dT%H:%M:%S.%f+00:00",
        ' mustUnderstand="true"',
    ),
}


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize(("token", "time", "must"), DIGESTS.values(), ids=DIGESTS.keys())
def test_digests(served: Served, token: str, time: str, must: str, version: Version) -> None:
    """Each is taken once, and a replay is a failed login."""
    created = system_clock().strftime(time)
    raw = hashlib.sha256(f"{token}{version}".encode()).digest()[:16]
    if "{hex}" in token:
        raw = raw.hex().encode()
    written = raw.decode() if "{hex}" in token else base64.b64encode(raw).decode()
    digest = base64.b64encode(hashlib.sha1(raw + created.encode() + PASSWORD.encode()).digest()).decode()  # noqa: S324
    encoding = f' EncodingType="{WSSE}-soap-message-security-1.0#Base64Binary"'
    nonce = f"<wsse:Nonce{encoding}>{written}</wsse:Nonce>"
    inner = token.format(
        password=f'<wsse:Password Type="{WSSE}-username-token-profile-1.0#PasswordDigest">{digest}</wsse:Password>',
        nonce=nonce,
        hex=nonce,
        created=f"<wsu:Created>{created}</wsu:Created>",
    )
    header = (
        f'<wsse:Security xmlns:wsse="{WSSE}-wssecurity-secext-1.0.xsd" '
        f'xmlns:wsu="{WSSE}-wssecurity-utility-1.0.xsd"{must}>{inner}</wsse:Security>'
    )
    sent = enveloped('<ping xmlns="urn:smsbridge:1"/>', version, header)
    answer = post(served, sent)
    assert (answer.status, answer.value("value")) == (200, "acme"), answer.body
    answer = post(served, sent)
    assert answer.status == 500
    assert "Authentication" in answer.fault[0]


# --- the contract, as clients fetch it ---

FETCHES: Final = {
    "PHP, no agent and no Accept": "GET /soap?wsdl HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "node-soap, wants html": (
        "GET /soap?wsdl HTTP/1.1\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml,text/xml;q=0.9,*/*;q=0.8\r\n"
        "User-Agent: node-soap/1.13.0\r\nAccept-Encoding: none\r\nAccept-Charset: utf-8\r\nHost: 127.0.0.1\r\n"
        "Connection: keep-alive\r\n\r\n"
    ),
    "zeep": (
        "GET /soap?wsdl HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Zeep/4.3.3 (www.python-zeep.org)\r\n"
        "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"
    ),
    "SOAP::Lite": (
        "GET /soap?wsdl HTTP/1.1\r\nTE: deflate,gzip;q=0.3\r\nConnection: TE, close\r\nHost: 127.0.0.1\r\n"
        "User-Agent: libwww-perl/6.68\r\n\r\n"
    ),
    "Axis, HTTP/1.0": "GET /soap?WSDL HTTP/1.0\r\nAccept: text/html, image/gif, */*; q=.2\r\nHost: 127.0.0.1\r\n\r\n",
    "HTTP/1.0 without a host": "GET /soap?wsdl HTTP/1.0\r\n\r\n",
    "svcutil": "GET /soap?singleWsdl HTTP/1.1\r\nHost: evil.example.net\r\nConnection: Keep-Alive\r\n\r\n",
}


@pytest.mark.parametrize("sent", FETCHES.values(), ids=FETCHES.keys())
def test_the_contract_is_fetched(served: Served, sent: str) -> None:
    """As XML, plain, with the address that the connection came in on and no other."""
    answer = post(served, sent.encode())
    assert (answer.status, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert "content-encoding" not in answer.headers
    assert re.findall(r'address location="([^"]*)"', answer.body.decode()) == [f"{served.http}/soap"] * 2


# --- limits that others have lower ---


def test_a_call_of_three_megabytes(served: Served) -> None:
    """Spyne's own limit is two; what is taken up to ours is a call, and one text arrives."""
    serial = next(_serial)
    form = FORMS["PHP 1.1"]
    padded = form._replace(body=form.body.replace("<SOAP-ENV:Body>", f"<!--{'x' * 3_000_000}--><SOAP-ENV:Body>"))
    taken(post(served, padded.sent(f"050234{serial}")), V11)
    assert arrived(served, f"+97250234{serial}") == TEXT


@pytest.mark.parametrize("broken", [b"<", b"\x01", b"&nbsp;", b"\xff\xfe"])
def test_xml_that_is_broken_is_not_logged(served: Served, broken: bytes) -> None:
    """A Fault with an id that the log has, and of the request, password and all, the log has nothing."""
    call = f'<ping xmlns="urn:smsbridge:1"><username>erp</username><password>{PASSWORD}</password>MARK</ping>'
    body = enveloped(call).partition(b"\r\n\r\n")[2].replace(b"MARK", broken)
    sent = Form(POST, "", encoded=lambda _: body).sent("")
    answer = post(served, sent)
    assert answer.status == 500
    found = re.search(r"\(id ([0-9a-f]{16})\)$", answer.fault[1])
    assert found
    assert found[1] in served.logged()
    assert PASSWORD not in served.logged()
    assert PASSWORD.encode() not in answer.body
