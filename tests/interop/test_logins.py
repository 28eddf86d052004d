"""Real clients log in as their users do it without the contract's elements: by headers of SOAP and of HTTP."""

from __future__ import annotations

from typing import Final

import pytest

from tests.interop.clients import read
from tests.interop.conftest import PASSWORD, PLAIN, VARIANTS, Bridge, Variant

KINDS: Final = {
    "zeep": ("text", "digest", "basic"),
    "suds": ("text", "digest", "basic"),
    "php": ("text", "basic"),
    "node": ("text", "digest", "basic"),
    "soap-lite": ("text",),
}
"""What each client can do by itself; PHP and SOAP::Lite leave digests to their users."""

LOGINS: Final = {"text": ("", PASSWORD), "digest": ("-digest", PASSWORD), "basic": ("-plain", PLAIN)}

CASES: Final = [
    pytest.param(variant, kind, id=f"{variant.name}-{kind}") for variant in VARIANTS for kind in KINDS[variant.client]
]


@pytest.mark.parametrize(("variant", "kind"), CASES)
def test_a_login_in_a_header(bridge: Bridge, variant: Variant, kind: str) -> None:
    """The account is known by it, call after call, also where the arguments have an empty login."""
    suffix, password = LOGINS[kind]
    login = {"kind": kind, "user": f"{variant.name}{suffix}", "password": password}
    with bridge.connect(variant, login=login) as client:
        for arguments in ({}, {"username": "", "password": ""}):
            said = client.say("ping", arguments)
            assert "answer" in said, said
            assert read(said["answer"])["extra"] == {"account": variant.name}


@pytest.mark.parametrize("variant", [one for one in VARIANTS if one.version == "1.1"], ids=lambda one: one.name)
def test_a_wrong_login_in_a_header(bridge: Bridge, variant: Variant) -> None:
    """The same Fault as for one in the arguments."""
    login = {"kind": "text", "user": variant.name, "password": "change-me-4"}
    with bridge.connect(variant, login=login) as client:
        said = client.say("get_credit", {})
    assert said["fault"]["text"].startswith("the login is not right, or not allowed from here (id ")
