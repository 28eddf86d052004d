"""The SOAP service of the SMSC face: zeep on its contract, and the bytes of other clients."""

from __future__ import annotations

import gzip
import itertools
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from soap.faces.smsc_soap import NAMESPACE, OPERATIONS
from tests.soap.faces.shop import POOR, QUIET, RICH, TOKEN, Answer, Shop
from tests.support.served import until

if TYPE_CHECKING:
    from collections.abc import Iterator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import zeep

pytestmark = pytest.mark.e2e

PHONE = "972502345678"
WSDL = Path(__file__).parents[3] / "wsdl" / "smsc.wsdl"
V11 = "http://schemas.xmlsoap.org/soap/envelope/"
V12 = "http://www.w3.org/2003/05/soap-envelope"
XS = "{http://www.w3.org/2001/XMLSchema}"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
LOGIN = f"<login>shop</login><psw>{TOKEN}</psw>"

_places = itertools.count(1)


@pytest.fixture(scope="module")
def service(shop: Shop) -> Iterator[Any]:
    """A client made of the contract that is served."""
    with zeep.Client(f"{shop.served.http}/sys/soap.php?wsdl") as client:
        yield client.service


def post(shop: Shop, body: str | bytes, *, version: str = V11, kind: str = "text/xml", **headers: str) -> Answer:
    """Post a body in an envelope, or an envelope as it is; checks the answer against the contract."""
    if isinstance(body, str):
        body = f'<e:Envelope xmlns:e="{version}"><e:Body>{body}</e:Body></e:Envelope>'.encode()
    place = {"x-forwarded-for": f"198.51.100.{next(_places)}"}
    answer = shop.ask("POST", "/sys/soap.php", body=body, headers={"content-type": kind} | place | headers)
    root = answer.xml
    assert etree.QName(root).localname == "Envelope"
    (content,) = root[-1]
    if etree.QName(content).localname == "Fault":
        assert answer.status == 500
    else:
        assert answer.status == 200
        SCHEMA.assertValid(etree.ElementTree(content))
    return answer


def found(answer: Answer, name: str) -> str | None:
    """Return the text of the first element with a name."""
    return next((one.text or "" for one in answer.xml.iter() if etree.QName(one).localname == name), None)


def element(operation: str, **fields: str) -> str:
    """Return the element of a call."""
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f'<{operation} xmlns="{NAMESPACE}">{LOGIN}{inner}</{operation}>'


def _schema() -> etree.XMLSchema:
    root = etree.parse(WSDL).getroot()
    return etree.XMLSchema(etree.fromstring(etree.tostring(next(root.iter(f"{XS}schema")))))


SCHEMA = _schema()


# --- the contract ---


def test_the_contract_is_served_with_our_address(shop: Shop) -> None:
    """And is the file in all else; the address is not that of a Host header."""
    frozen = WSDL.read_text(encoding="utf-8")
    answer = shop.ask("GET", "/sys/soap.php?wsdl", headers={"host": "evil.example.com"})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert answer.text == frozen.replace("http://127.0.0.1:8080", shop.served.http)
    for asked in ("?WSDL", "?wsdl=", "?singleWsdl"):
        assert shop.ask("GET", f"/sys/soap.php{asked}").body == answer.body
    assert shop.ask("GET", "/sys/soap.php").status == 405


def test_the_contract_says_what_the_service_does() -> None:
    """Its operations, the elements of their requests in order, and those of their answers are those of the code."""
    root: Any = etree.parse(WSDL).getroot()
    named = {one.get("name"): one for one in next(root.iter(f"{XS}schema")).findall(f"{XS}element")}
    wsdl = "{http://schemas.xmlsoap.org/wsdl/}"
    parts = {
        message.get("name"): message[0].get("element").removeprefix("tns:") for message in root.iter(f"{wsdl}message")
    }
    told = {
        operation.get("name"): [parts[one.get("message").removeprefix("tns:")] for one in operation]
        for operation in root.find(f"{wsdl}portType")
    }
    assert told == {one.name: [request, one.response] for request, one in OPERATIONS.items()}
    for request, operation in OPERATIONS.items():
        fields = [one.get("name") for one in named[request].iter(f"{XS}element")][1:]
        assert tuple(fields) == operation.fields
        assert [one.get("name") for one in named[operation.response].iter(f"{XS}element")][1:] == [operation.result]
    actions = {one.get("soapAction") for one in root.iter("{http://schemas.xmlsoap.org/wsdl/soap/}operation")}
    assert actions == {NAMESPACE}


# --- as zeep calls it ---


def test_all_operations(service: Any, shop: Shop) -> None:
    """Balance, price, a text, and how it stands."""
    login = {"login": "rich", "psw": RICH}
    before = float(service.get_balance(**login).balance)
    cost = service.get_sms_cost(**login, phones=PHONE, mes="x" * 161)
    assert (cost.cost, cost.cnt, cost.error) == ("2.00", "2", None)
    cost = service.get_sms_cost2(**login, phones=PHONE, mes="Цена", query="translit=1")
    assert (cost.cost, cost.cnt) == ("1.00", "1")
    sent = service.send_sms(**login, phones=PHONE, mes="из SOAP", id="soap-1")
    assert (sent.id, sent.cost, sent.cnt, sent.error) == ("soap-1", "1.00", "1", None)
    assert float(sent.balance) == before - 1
    assert shop.arrived("из SOAP") == [f"+{PHONE}"]
    sent = service.send_sms2(**login, phones=f"{PHONE},12", mes="Второй", query="translit=1&valid=2&time=%2B60")
    assert (sent.cnt, [(one.phone, one.status) for one in sent.errors]) == ("1", [("12", "7")])
    status = service.get_status(**login, phone=PHONE, id=sent.id)
    assert (status.status, status.err, status.error) == ("-1", "0", None)
    status = service.get_status2(**login, phone=PHONE, id=sent.id, all="2")
    assert (status.phone, status.cost, status.status_name) == (PHONE, "1.00", "Waiting to be sent")
    assert (status.operator, status.region, status.message) == (None, None, None)
    gone = service.get_status2(**login, phone=PHONE, id=sent.id, query="del=1")
    assert (gone.status, gone.error) == ("20", None)
    assert service.get_status2(**login, phone=PHONE, id=sent.id, query="del=1").error == "5"


def test_errors_are_numbers(service: Any, shop: Shop) -> None:
    """In the answer, where the contract has room for them."""
    assert service.send_sms(login="rich", psw=RICH, phones="12", mes="x").error == "7"
    assert service.send_sms(login="rich", psw=RICH, phones=PHONE, mes="x", sender="NOBODY").error == "6"
    assert service.send_sms(login="rich", psw=RICH, phones=PHONE, mes="x", time="3102261000").error == "5"
    assert service.send_sms2(login="rich", psw=RICH, phones=PHONE, mes="x", query="viber=1").error == "1"
    assert service.send_sms(login="poor", psw=POOR, phones=PHONE, mes="x").error == "3"
    assert service.get_sms_cost(login="shop", psw=TOKEN, phones=QUIET, mes="x").error == "8"
    assert service.get_status(login="rich", psw=RICH, phone=PHONE, id="none").error == "3"
    assert service.get_status(login="rich", psw=RICH, phone=PHONE, id="1,2").error == "1"
    for wrong in (element("balance").replace(TOKEN, "wrong"), f'<balance xmlns="{NAMESPACE}"/>'):
        assert found(post(shop, wrong), "error") == "2"


# --- as other clients write it ---


@pytest.mark.parametrize("version", [V11, V12])
@pytest.mark.parametrize("kind", ["text/xml", "text/xml; charset=utf-8", "application/soap+xml", ""])
def test_versions_and_types_of_content(shop: Shop, version: str, kind: str) -> None:
    """The answer is in the version of the envelope, whatever the header says."""
    answer = post(shop, element("balance"), version=version, kind=kind)
    assert found(answer, "balance") == "1000000.00"
    assert answer.xml.tag == f"{{{version}}}Envelope"
    told = {V11: "text/xml; charset=utf-8", V12: "application/soap+xml; charset=utf-8"}
    assert answer.headers["content-type"] == told[version]


@pytest.mark.parametrize("action", ['""', f'"{NAMESPACE}"', NAMESPACE, "anything", '"urn:x#send"'])
def test_the_soapaction_says_nothing(shop: Shop, action: str) -> None:
    """All operations have the same one; the element tells."""
    assert found(post(shop, element("balance"), soapaction=action), "balance") == "1000000.00"


@pytest.mark.parametrize(
    "call",
    [
        f'<s:balance xmlns:s="{NAMESPACE}"><s:login>shop</s:login><s:psw>{TOKEN}</s:psw></s:balance>',
        f'<s:balance xmlns:s="{NAMESPACE}"><login>shop</login><psw>{TOKEN}</psw></s:balance>',
        f"<balance>{LOGIN}</balance>",
        f"<balance><psw>{TOKEN}</psw><other/>\n <login>shop</login></balance>",
        f'<balance xmlns:i="{XSI}"><login i:type="s">shop</login><psw i:nil="0">{TOKEN}</psw></balance>',
        f"<balance><login><![CDATA[shop]]></login><psw>{TOKEN}</psw></balance>",
        f"<!-- c --><balance>{LOGIN}</balance><!-- d -->",
    ],
)
def test_elements_qualified_or_not_in_any_order(shop: Shop, call: str) -> None:
    """Whether the original wants prefixes is not known, so both are taken."""
    assert found(post(shop, call), "balance") == "1000000.00"


def test_encodings_and_compression(shop: Shop) -> None:
    """UTF-16, windows-1251, a byte order mark, gzip."""
    envelope = (
        f'<e:Envelope xmlns:e="{V11}"><e:Body>{element("cost", phones=PHONE, mes="Привет")}</e:Body></e:Envelope>'
    )
    declared = "<?xml version='1.0' encoding='{}'?>" + envelope
    for body, kind, more in (
        (declared.format("UTF-16").encode("utf-16"), "text/xml", {}),
        (declared.format("windows-1251").encode("cp1251"), "text/xml", {}),
        (envelope.encode("cp1251"), "text/xml; charset=windows-1251", {}),
        (b"\xef\xbb\xbf" + envelope.encode(), "text/xml", {}),
        (gzip.compress(envelope.encode()), "text/xml", {"content-encoding": "gzip"}),
    ):
        assert found(post(shop, body, kind=kind, **more), "cnt") == "1"


def test_a_login_in_the_header(shop: Shop) -> None:
    """HTTP's own, or an apikey in ``query``."""
    call = f'<send2 xmlns="{NAMESPACE}"><login/><psw/><phones>12</phones><mes>x</mes></send2>'
    assert found(post(shop, call, authorization=f"Bearer {TOKEN}"), "error") == "7"
    call = f'<cost2 xmlns="{NAMESPACE}"><phones>{PHONE}</phones><mes>x</mes><query>apikey={TOKEN}</query></cost2>'
    assert found(post(shop, call), "cnt") == "1"


def test_a_query_never_replaces_an_element(shop: Shop) -> None:
    """It adds; and what it has of money is the operation's to say."""
    call = element("cost2", phones=PHONE, mes="x", query="phones=12&amp;mes=yy&amp;cost=0&amp;fmt=3&amp;maxsms=1")
    assert found(post(shop, call), "cnt") == "1"
    call = element("send2", phones=PHONE, mes="through the query", query="cost=1")
    assert found(post(shop, call), "id")
    assert shop.arrived("through the query") == [f"+{PHONE}"]


def test_the_same_call_again_is_one_text(shop: Shop) -> None:
    """Over HTTP and SOAP alike, within a minute."""
    call = element("send", phones=PHONE, mes="soap twice")
    first, second = (found(post(shop, call), "id") for _ in range(2))
    assert first == second
    again = shop.post(
        "/sys/send.php", {"login": "shop", "psw": TOKEN, "phones": PHONE, "mes": "soap twice", "fmt": "1"}
    )
    assert again.text == f"{first},1"
    assert shop.sent("soap twice") == 1


# --- faults ---


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<unknown/>", "Client.UnknownOperation"),
        (f'<send_sms xmlns="{NAMESPACE}"/>', "Client.UnknownOperation"),
        ("", "Client.Malformed"),
        (f"<balance><login><b>shop</b></login><psw>{TOKEN}</psw></balance>", "Client.Malformed"),
        (b"", "Client.Malformed"),
        (b"<a/>", "Client.Malformed"),
        (b"not xml", "Client.Malformed"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "Client.Malformed"),
        (b"<a>" * 1000, "Client.TooLarge"),
        (b"\xff\xfe\xfd", "Client."),
        (b" " * ((2 << 20) + 1), "Client.TooLarge"),
    ],
)
def test_faults(shop: Shop, body: str | bytes, code: str) -> None:
    """For what is no call: with a code, an id, and nothing of ours."""
    answer = post(shop, body)
    assert (found(answer, "faultcode") or "").removeprefix("env:").startswith(code)
    assert re.search(r"\(id [0-9a-f]{16}\)$", found(answer, "faultstring") or "")
    assert "Traceback" not in answer.text


def test_a_text_as_xml_writes_it(shop: Shop) -> None:
    """Markup, an emoji, one as two surrogates, lines."""
    call = element("send", phones=PHONE, mes="&lt;b&gt; &amp; &#xD83D;&#xDE00; ☃\nend")
    assert found(post(shop, call), "id")
    assert shop.arrived("<b> & 😀 ☃\nend") == [f"+{PHONE}"]
    assert until(lambda: shop.sent("<b> & 😀 ☃\nend"), seconds=5) == 1
