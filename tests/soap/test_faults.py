"""Faults: one total table, and their two forms on the wire."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree

from bridge.model import errors
from soap import faults
from soap.faults import Block, Fault, Version, of, render

VISIT = "0123456789abcdef"
ENV_11, ENV_12 = (version.namespace for version in Version)


@pytest.mark.parametrize("kind", errors.tree(), ids=lambda kind: kind.code)
def test_every_error_has_a_code(kind: type[errors.BridgeError]) -> None:
    """The caller's begin with Client, ours with Server; the reason of ours is not told."""
    fault = of(kind("the reason"))
    ours = not issubclass(kind, errors.Refusal)
    assert fault.code.startswith("Server." if ours else "Client.")
    assert (fault.text == "the reason") != ours
    assert fault.code in faults.TABLE.values()


def test_codes_that_clients_ask_for() -> None:
    """These are in the contract."""
    told = {kind: of(kind("x")).code for kind in errors.tree()}
    assert told[errors.LoginFailed] == "Client.Authentication"
    assert told[errors.LoginBlocked] == "Client.LoginBlocked"
    assert told[errors.InvalidRequest] == "Client.InvalidRequest"
    assert told[errors.StoreFull] == told[errors.StoreUnavailable] == "Server.Unavailable"
    assert told[errors.Stopping] == "Server.Stopping"
    assert told[errors.ConfigError] == told[errors.InternalError] == "Server.Internal"


def test_a_fault_in_1_1() -> None:
    """Code, text and id, and nothing else; the elements inside a Fault have no namespace (SOAP 1.1, 4.4)."""
    root = etree.fromstring(render(Fault("Client.Authentication", "the login <is> wrong"), Version.V11, VISIT))
    (fault,) = root.iterfind(f"{{{ENV_11}}}Body/{{{ENV_11}}}Fault")
    assert [(each.tag, each.text) for each in fault] == [
        ("faultcode", "env:Client.Authentication"),
        ("faultstring", f"the login <is> wrong (id {VISIT})"),
    ]
    assert fault.nsmap["env"] == ENV_11


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("Client.Authentication", ["env:Sender", "sms:Authentication"]),
        ("Server.Internal", ["env:Receiver", "sms:Internal"]),
        ("Client.One.Two", ["env:Sender", "sms:One", "sms:Two"]),
        ("Client", ["env:Sender"]),
        ("VersionMismatch", ["env:VersionMismatch"]),
    ],
)
def test_a_fault_in_1_2(code: str, values: list[str]) -> None:
    """Subcodes are qualified and nested, the reason has a language; no role, no node, no detail."""
    root = etree.fromstring(render(Fault(code, "so"), Version.V12, VISIT))
    (fault,) = root.iterfind(f"{{{ENV_12}}}Body/{{{ENV_12}}}Fault")
    assert [etree.QName(each).localname for each in fault] == ["Code", "Reason"]
    assert [each.text for each in fault.iter(f"{{{ENV_12}}}Value")] == values
    (text,) = fault.iter(f"{{{ENV_12}}}Text")
    assert text.text == f"so (id {VISIT})"
    assert text.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    spaces = {**fault.nsmap}
    assert (spaces["env"], spaces["sms"]) == (ENV_12, faults.SUBCODES)


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("text", ["\x00\x0b\ud800 &<>\"' \uffff", "line\nbreak\t tab", "x" * 5000, ""])
def test_any_text_makes_a_fault(version: Version, text: str) -> None:
    """One line, bounded, of characters that XML has."""
    root = etree.fromstring(render(Fault("Client.Malformed", text), version, VISIT))
    told = root.findtext(".//faultstring") or root.findtext(".//{*}Text")
    assert told is not None
    assert told.endswith(f" (id {VISIT})")
    assert "\n" not in told
    assert len(told) < 500


def test_headers_that_were_not_understood_stand_in_1_2_only() -> None:
    """1.1 has no place for them."""
    fault = faults.must_understand((Block(namespace="urn:a'&b", name="x"),))
    assert b"NotUnderstood" not in render(fault, Version.V11, VISIT)
    root = etree.fromstring(render(fault, Version.V12, VISIT))
    (header,) = root.iter(f"{{{ENV_12}}}NotUnderstood")
    assert header.nsmap[header.get("qname", "").partition(":")[0]] == "urn:a'&b"


def test_every_code_is_documented() -> None:
    """The page has those of errors and those of messages, and no other."""
    page = (Path(__file__).parent.parent.parent / "docs" / "soap.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `((?:Client|Server)\.\w+|VersionMismatch|MustUnderstand)` \|", page, re.MULTILINE))
    assert told == {*faults.TABLE.values(), *faults.OF_THE_MESSAGE}
