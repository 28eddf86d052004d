"""The examples beside the contract are true: played against the service, each request gets the answer in its file."""

from __future__ import annotations

import http.client
import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from lxml import etree

from soap import schema
from tests.soap.house import House
from tests.support.served import serving

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "wsdl" / "examples"
HERE = Path(__file__).parent

ORDER = (
    "ping",
    "get_credit",
    "get_senders",
    "add_sender_text",
    "add_contact",
    "get_contacts",
    "add_group",
    "get_groups",
    "set_callback",
    "preview_sms",
    "send_sms",
    "send_sms_bulk",
    "get_sms_status",
    "get_sms_report",
    "update_sms",
    "cancel_sms",
    "get_incoming_sms",
    "delete_group",
    "delete_contact",
    "fault",
    "fault12",
)
"""The order in which the examples were made: each finds what those before it left."""

_ID = re.compile(r"\b[0-9a-f]{26}\b")
_VISIT = re.compile(r"\(id [0-9a-f]{16}\)")


def example(name: str) -> bytes:
    """Return a file."""
    return (FOLDER / f"{name}.xml").read_bytes()


def lines(element: Any) -> list[tuple[str, str]]:
    """Return each element's path and text, without what only indents it."""
    tree = element.getroottree()
    found = [(tree.getelementpath(one), one) for one in element.iter()]
    return [(path, (one.text or "") if len(one) == 0 else (one.text or "").strip()) for path, one in found]


def test_every_operation_has_its_examples() -> None:
    """A request and an answer of each, a Fault in both versions, and nothing else."""
    assert set(ORDER) == {*schema.REQUESTS, "fault", "fault12"}
    wanted = {f"{name}.{way}.xml" for name in ORDER for way in ("request", "answer")}
    assert {path.name for path in FOLDER.iterdir()} == wanted


def _translated(text: str, ids: dict[str, str]) -> str:
    return _ID.sub(lambda found: ids[found[0]], text)


def play(house: House) -> dict[str, tuple[int, Any]]:
    """Send all requests in their order, and return the answers, with the ids of the files in place of the real ones."""
    real: dict[str, str] = {}
    answers = {}

    async def work(house: House) -> None:
        for name in ORDER:
            request = _translated(example(f"{name}.request").decode(), real)
            if name == "get_incoming_sms":
                house.heard("Thank you!", answers=(next(iter(real.values())), 1))
            status, root = await house.post(request.encode(), soap12=name == "fault12")
            shown = _ID.findall(example(f"{name}.answer").decode())
            given = _ID.findall(etree.tostring(root).decode())
            assert len(shown) == len(given), name
            real.update(zip(shown, given, strict=True))
            back = {id_: file for file, id_ in real.items()}
            assert len(back) == len(real)
            answers[name] = status, etree.fromstring(_translated(etree.tostring(root, encoding="unicode"), back))

    house.through(work)
    return answers


def test_the_examples_are_true(house: House) -> None:
    """Element by element and text by text; only ids differ, and those in the same way everywhere."""
    answers = play(house)
    for name, (status, root) in answers.items():
        assert status == (500 if name.startswith("fault") else 200)
        told = [(path, _VISIT.sub("(id)", text)) for path, text in lines(root)]
        shown = [(path, _VISIT.sub("(id)", text)) for path, text in lines(etree.fromstring(example(f"{name}.answer")))]
        assert told == shown, name


@pytest.mark.parametrize("name", [f"{name}.{way}" for name in ORDER for way in ("request", "answer")])
def test_the_examples_are_valid(name: str) -> None:
    """By the schema of the envelope, and what is in it by the contract's; with the message that belongs there."""
    root = etree.fromstring(example(name))
    version = "12" if name.startswith("fault12") else "11"
    etree.XMLSchema(etree.parse(HERE / f"envelope{version}.xsd")).assertValid(root)
    (content,) = root.findall("{*}Body/*")
    operation, _, way = name.partition(".")
    if operation.startswith("fault") and way == "answer":
        assert etree.QName(content).localname == "Fault"
        return
    contract = etree.parse(ROOT / "wsdl" / "smsbridge.wsdl").find(".//{http://www.w3.org/2001/XMLSchema}schema")
    assert contract is not None
    etree.XMLSchema(etree.fromstring(etree.tostring(contract))).assertValid(etree.fromstring(etree.tostring(content)))
    wanted = "get_credit" if operation.startswith("fault") else operation
    assert content.tag == f"{{{schema.NAMESPACE}}}{wanted}{'Response' if way == 'answer' else ''}"


def test_the_schemas_of_the_envelopes_refuse_what_is_none() -> None:
    """They could fail: two bodies, a second call, a Fault with a detail, a Subcode without a value."""
    for version, namespace in (
        ("11", "http://schemas.xmlsoap.org/soap/envelope/"),
        ("12", "http://www.w3.org/2003/05/soap-envelope"),
    ):
        validator = etree.XMLSchema(etree.parse(HERE / f"envelope{version}.xsd"))
        good = f'<e:Envelope xmlns:e="{namespace}" xmlns="urn:x"><e:Header/><e:Body><a/></e:Body></e:Envelope>'
        assert validator.validate(etree.fromstring(good))
        for before, after in (
            ("<e:Body><a/></e:Body>", ""),
            ("<e:Body><a/></e:Body>", "<e:Body><a/></e:Body><e:Body><a/></e:Body>"),
            ("<a/>", "<a/><a/>"),
            ("<a/>", "<e:Fault/>"),
            ("<a/>", "<e:Fault><e:Code><e:Subcode/></e:Code></e:Fault>"),
            ("<e:Header/>", "<Header/>"),
        ):
            assert not validator.validate(etree.fromstring(good.replace(before, after))), after


def test_the_lines_of_the_page_work_when_they_are_pasted(tmp_path: Path) -> None:
    """What docs/soap.md has curl send is answered by a running bridge, and the text of the second line arrives."""
    page = (ROOT / "docs" / "soap.md").read_text(encoding="utf-8")
    (block,) = (each for each in re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) if "curl" in each)
    change, *calls = block.splitlines()
    assert change == "cd wsdl/examples"
    assert len(calls) == 2
    with serving(tmp_path) as served:
        for command in ("key create acme --user acme --password change-me-1", "sender approve acme ACME"):
            ran = served.command(*command.split())
            assert ran.returncode == 0, ran.stderr
        for call, wanted in zip(calls, ("pingResult", "send_smsResult"), strict=True):
            program, option, header, data, stdin, url, less, file = shlex.split(call)
            assert (program, option, data, stdin, less) == ("curl", "-H", "--data-binary", "@-", "<")
            assert url == "http://127.0.0.1:8080/soap"
            connection = http.client.HTTPConnection(urlsplit(served.http).netloc, timeout=30)
            name, _, value = header.partition(": ")
            connection.request("POST", urlsplit(url).path, (FOLDER / file).read_bytes(), {name: value})
            answer = etree.fromstring(connection.getresponse().read())
            connection.close()
            (result,) = answer.iter(f"{{*}}{wanted}")
            assert result.findtext("{*}status") == "0", result.findtext("{*}status_text")
        texts = served.await_texts(2)
        assert sorted(one["to"] for one in texts) == ["+972502345678", "+972502345679"]
        assert {(one["from"], one["text"]) for one in texts} == {("ACME", "Your order 1001 is ready.")}
