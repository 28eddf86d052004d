"""What docs/soap.md tells the users of clients about lists, numbers and texts, shown by the clients themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.interop.clients import Client, read
from tests.interop.conftest import PASSWORD, VARIANTS, Bridge, Variant
from tests.support.served import until

NOTES: Final = (
    (Path(__file__).parents[2] / "docs" / "soap.md").read_text(encoding="utf-8").partition("## Client notes")[2]
)

PAGE: Final = Path(__file__).parents[2] / "docs" / "soap.md"

HEBREW: Final = "שלום 😀"


@contextmanager
def client_of(bridge: Bridge, variant: Variant, **more: Any) -> Iterator[tuple[Client, dict[str, str]]]:
    """Give a running client, and the login it has to bring."""
    with bridge.connect(variant, **more) as client:
        yield client, {"username": variant.name, "password": PASSWORD}


def number(variant: Variant, ending: int) -> str:
    """Return a number that no other client sends to."""
    return f"+97250234{VARIANTS.index(variant)}{ending:03}"


def text_to(bridge: Bridge, far: str) -> str:
    """Return the last text to a number, once there is one."""
    found = until(lambda: [each for each in bridge.served.texts() if each["to"] == far], seconds=20)
    return str(found[-1]["text"])


ONE: Final = {
    "zeep": ("list", "list"),
    "suds": ("list", "list"),
    "php": ("dict", "list"),
    "node": ("list", "list"),
    "soap-lite": ("dict", "list"),
}
"""What holds the recipients of a list of one, and of two; PHP without SOAP_SINGLE_ELEMENT_ARRAYS."""

NONE: Final[dict[str, Any]] = {"zeep": None, "suds": "", "php": {}, "node": None, "soap-lite": ""}
"""An empty list."""

PRICE: Final[dict[str, Any]] = {
    "zeep": "1.000",
    "suds": "1.000",
    "php": "1.000",
    "node": 1,
    "soap-lite": "1.000",
}
"""One credit; what is no number in JSON is a decimal or a text."""


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_lists_of_one_and_none_and_decimals(bridge: Bridge, variant: Variant) -> None:
    """As each client gives them by itself."""
    name = variant.client
    with client_of(bridge, variant, plain=True) as (client, login):
        held = []
        for ending in (201, 202):
            dest = ",".join(number(variant, each) for each in range(201, ending + 1))
            answer = client.say("send_sms", login | {"dest": dest, "message": "Hello"})["answer"]
            recipients = answer["recipients"]["recipient"]
            held.append(type(recipients).__name__)
            one = recipients[0] if isinstance(recipients, list) else recipients
            assert one["price"] == PRICE[name]
        assert tuple(held) == ONE[name]
        refused = {"dest": number(variant, 201), "message": "Hello", "sender": "Nobody"}
        assert client.say("send_sms", login | refused)["answer"]["recipients"] == NONE[name]


def test_the_notes_say_so() -> None:
    """For each of these clients there is one."""
    notes = PAGE.read_text(encoding="utf-8").partition("## Client notes")[2]
    for name in ("zeep", "suds", "PHP SoapClient", "node-soap", "SOAP::Lite"):
        assert f"\n| {name} |" in notes


SOAP_LITE: Final = [variant for variant in VARIANTS if variant.client == "soap-lite"]


@pytest.mark.parametrize("variant", SOAP_LITE, ids=lambda variant: variant.name)
def test_soap_lite_by_its_stub(bridge: Bridge, variant: Variant) -> None:
    """Arguments by position, in the order of the contract; a wrong login is shown as a Fault."""
    with client_of(bridge, variant) as (client, _):
        assert client.say("ping", [])["answer"]["status"] == "0"
        arguments = [variant.name, PASSWORD, None, number(variant, 211), HEBREW, "ACME", None, "", "by position"]
        answer = read(client.say("send_sms", arguments)["answer"])
        assert (answer["status"], answer["recipients"][0]["status"]) == (0, 0)
        assert text_to(bridge, number(variant, 211)) == HEBREW
        found = read(client.say("get_sms_status", [*arguments[:3], None, "by position"])["answer"])
        assert [one["dest"] for one in found["recipients"]] == [number(variant, 211)]
        assert "fault" in client.say("get_credit", [variant.name, "change-me-5"])


@pytest.mark.parametrize("variant", SOAP_LITE, ids=lambda variant: variant.name)
@pytest.mark.parametrize("text", [HEBREW, "plain", "0123"])
def test_soap_lite_without_types(bridge: Bridge, variant: Variant, text: str) -> None:
    """It takes what is not ASCII for bytes, and sends them in base64: the phone sees the text nevertheless."""
    far = number(variant, 220 + len(text))
    with client_of(bridge, variant, untyped=True) as (client, login):
        answer = read(client.say("send_sms", login | {"dest": far, "message": text})["answer"])
    assert answer["status"] == 0
    assert text_to(bridge, far) == text


@pytest.mark.parametrize("coding", ["SOAP_COMPRESSION_GZIP", "SOAP_COMPRESSION_DEFLATE"])
@pytest.mark.parametrize("variant", [one for one in VARIANTS if one.client == "php"], ids=lambda variant: variant.name)
def test_php_compresses(bridge: Bridge, variant: Variant, coding: str) -> None:
    """What it calls gzip and deflate is understood."""
    far = number(variant, 231 + (coding[-1] == "E"))
    text = HEBREW * 20
    with client_of(bridge, variant, compression=coding) as (client, login):
        answer = read(client.say("send_sms", login | {"dest": far, "message": text})["answer"])
    assert answer["status"] == 0
    assert text_to(bridge, far) == text


def test_suds_unescapes_what_is_escaped(bridge: Bridge) -> None:
    """A text that looks like an entity is sent as it is, not escaped again: so the phone sees what it stands for."""
    (variant,) = (one for one in VARIANTS if one.client == "suds")
    with client_of(bridge, variant) as (client, login):
        client.say("send_sms", login | {"dest": number(variant, 241), "message": "Fish &amp; chips"})
    assert text_to(bridge, number(variant, 241)) == "Fish & chips"
