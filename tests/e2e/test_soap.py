"""SOAP calls to a real ``smsbridge serve``: texts arrive, contracts are fetched, and no secret is in the log."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
import zeep
from lxml import etree
from suds.client import Client as Suds
from zeep.exceptions import Fault as ZeepFault
from zeep.wsse.username import UsernameToken

from tests.support.served import Served, serving

pytestmark = pytest.mark.e2e

PASSWORD = "correct-horse-7"
ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><send_sms xmlns="urn:smsbridge:1">'
    f"<username>erp</username><password>{PASSWORD}</password>%s</send_sms></s:Body></s:Envelope>"
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A bridge with a login; whatever was sent to it, its log has no password."""
    folder: Path = tmp_path_factory.mktemp("soap")
    with serving(folder) as running:
        made = running.command("key", "create", "acme", "--user", "erp", "--password", PASSWORD)
        assert made.returncode == 0, made.stderr
        yield running
        log = running.logged()
        assert "Traceback" not in log
        assert PASSWORD not in log
        assert "wrong-horse" not in log


def post(served: Served, body: bytes, **headers: str) -> tuple[int, bytes]:
    """Return status and body of a POST."""
    connection = http.client.HTTPConnection(served.http.removeprefix("http://"), timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/soap", body, {"Content-Type": "text/xml; charset=utf-8", **named})
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def test_zeep_sends_a_text(served: Served) -> None:
    """By the contract that the bridge serves, with the login in the arguments and in the header of WS-Security."""
    url = f"{served.http}/soap?wsdl"
    before = len(served.texts())
    answer = zeep.Client(url).service.send_sms(
        username="erp", password=PASSWORD, dest="0502345678", message="שלום 😀 <&>", reference="z1"
    )
    assert (answer.status, answer.recipients.recipient[0].number) == (0, "+972502345678")
    signed = zeep.Client(url, wsse=UsernameToken("erp", PASSWORD), port_name="SmsBridgeSoap12")
    assert signed.service.send_sms(dest="0502345679", message="by 1.2").status == 0
    texts = served.await_texts(before + 2)[before:]
    assert {(text["to"], text["text"]) for text in texts} == {
        ("+972502345678", "שלום 😀 <&>"),
        ("+972502345679", "by 1.2"),
    }


def test_suds_asks(served: Served) -> None:
    """The other Python client, by the same contract."""
    client = Suds(f"{served.http}/soap?wsdl", cache=None)
    assert client.service.ping().status == 0
    assert client.service.get_credit(username="erp", password=PASSWORD).status == 0


def test_a_wrong_login_is_a_fault_that_says_nothing(served: Served) -> None:
    """The same for a wrong password and an unknown user; nothing is sent."""
    service = zeep.Client(f"{served.http}/soap?wsdl").service
    told = []
    for user in ("erp", "nobody"):
        with pytest.raises(ZeepFault) as caught:
            service.send_sms(username=user, password="wrong-horse", dest="0502345678", message="x")
        assert caught.value.code.endswith(":Client.Authentication")
        told.append(caught.value.message.partition(" (id ")[0])
    assert told[0] == told[1]


def test_http_basic_and_bearer(served: Served) -> None:
    """A login in HTTP's own header; in none it is missing."""
    body = ENVELOPE.replace(f"<username>erp</username><password>{PASSWORD}</password>", "") % ""
    body = body.replace("send_sms", "get_credit")
    basic = "Basic ZXJwOmNvcnJlY3QtaG9yc2UtNw=="
    assert post(served, body.encode(), Authorization=basic)[0] == 200
    for headers in ({}, {"Authorization": "Bearer nothing"}):
        status, answer = post(served, body.encode(), **headers)
        assert (status, etree.fromstring(answer).findtext(".//faultcode")) == (500, "env:Client.Authentication")


@pytest.mark.parametrize(
    "inner",
    [
        "<dest>0502345678</dest>",
        "<dest>0502345678</dest><message/>",
        "<dest>0502345678</dest><message>x</message><sendtiem>+5</sendtiem>",
        "<dest>0502345678</dest><message>a <b>bold</b> word</message>",
        "<dest>0502345678</dest><message>\x01</message>",
        "<dest>0502345678</dest><message>&nope;</message>",
        "<dest>0502345678</dest><message>x</message>" + "<a>" * 1000,
    ],
)
def test_bad_calls_send_nothing(served: Served, inner: str) -> None:
    """Each is a Fault with a text and an id."""
    before = served.texts()
    status, answer = post(served, (ENVELOPE % inner).encode())
    root = etree.fromstring(answer)
    assert status == 500
    assert (root.findtext(".//faultcode") or "").startswith("env:Client.")
    assert " (id " in (root.findtext(".//faultstring") or "")
    assert PASSWORD.encode() not in answer
    assert served.texts() == before


def test_fifty_megabytes(served: Served) -> None:
    """They are a Fault, and the bridge goes on."""
    status, answer = post(served, b"<a>" + b"x" * 50_000_000)
    assert (status, etree.fromstring(answer).findtext(".//faultcode")) == (500, "env:Client.TooLarge")
    assert served.get("/health/live")[0] == 200
