"""The headers of an envelope: which are for us, which have to be understood, and the login among them.

A block is ours when it names no actor (1.1) or role (1.2), or one of those that every receiver has. One of ours that
says mustUnderstand and is not known is a Fault (SOAP 1.1, 4.2.3; SOAP 1.2 Part 1, 2.6); all others are passed over.
Known are WS-Security's UsernameToken, beside which a Timestamp may stand, and WS-Addressing, which asks nothing of a
service that answers where it was asked.

Clients differ from the UsernameToken profile 1.0 in small ways, and all are taken: elements in any order, a password
without a type, a nonce that suds writes as hexadecimal text where base64 belongs (its digest can only be of that text).
suds also writes mustUnderstand without a namespace, which is no attribute of SOAP.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from bridge.calls.logins import Digest, Password
from soap.faults import Block, Version, must_understand

if TYPE_CHECKING:
    from lxml.etree import _Element

    from bridge.calls.logins import Credentials

_WSS: Final = (
    "http://docs.oasis-open.org/wss/",
    # The drafts before it, which old toolkits still send.
    "http://schemas.xmlsoap.org/ws/2002/",
    "http://schemas.xmlsoap.org/ws/2003/",
)
_KNOWN_IN_SECURITY: Final = {"UsernameToken", "Timestamp"}

_ADDRESSING: Final = {
    "http://www.w3.org/2005/08/addressing",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "http://schemas.xmlsoap.org/ws/2004/03/addressing",
}
_KNOWN_IN_ADDRESSING: Final = {"Action", "To", "MessageID", "From", "RelatesTo"}
_ANSWERS_TO: Final = {"ReplyTo", "FaultTo"}
_HERE: Final = re.compile(r".*/(anonymous|none)")

_TRUE: Final = {"1", "true"}
_EVERYBODY: Final = {
    Version.V11: ("actor", {"", "http://schemas.xmlsoap.org/soap/actor/next"}),
    Version.V12: (
        "role",
        {"", *(f"{Version.V12.namespace}/role/{role}" for role in ("next", "ultimateReceiver"))},
    ),
}

_MOST_TOLD: Final = 8
"""Blocks that are named in a Fault: a namespace that was declared once is told with each of them."""

_HEX_NONCE: Final = re.compile(r"[0-9a-f]{32,128}")


def read_header(header: _Element, version: Version) -> Credentials | None:
    """Return the login that a header holds, or None.

    Raises :exc:`~soap.faults.Fault` for blocks that have to be understood and are not.
    """
    found: Credentials | None = None
    strange = []
    for block in header.iterchildren("*"):
        if not _for_us(block, version):
            continue
        namespace, name = split_name(block)
        security = name == "Security" and namespace.startswith(_WSS)
        if security and found is None:
            found = _login(block)
        if not (_security_known(block) if security else _known(block, namespace, name)) and _must(block, version):
            strange.append(Block(namespace=namespace, name=name))
            if len(strange) == _MOST_TOLD:
                break
    if strange:
        raise must_understand(tuple(strange))
    return found


def split_name(element: _Element) -> tuple[str, str]:
    """Return an element's namespace and its name in it; the namespace is empty where it has none."""
    tag = str(element.tag)
    if tag[:1] != "{":
        return "", tag
    namespace, _, name = tag[1:].rpartition("}")
    return namespace, name


def _for_us(block: _Element, version: Version) -> bool:
    attribute, everybody = _EVERYBODY[version]
    return block.get(f"{{{version.namespace}}}{attribute}", "").strip() in everybody


def _must(block: _Element, version: Version) -> bool:
    return block.get(f"{{{version.namespace}}}mustUnderstand", "").strip() in _TRUE


def _known(block: _Element, namespace: str, name: str) -> bool:
    if namespace not in _ADDRESSING:
        return False
    if name in _ANSWERS_TO:
        address = next((child for child in block.iterchildren("*") if split_name(child)[1] == "Address"), None)
        return address is None or _HERE.fullmatch(_text(address).strip()) is not None
    return name in _KNOWN_IN_ADDRESSING


def _security_known(block: _Element) -> bool:
    """Say whether nothing is in it that would protect or prove the message and is not looked at, as signatures."""
    return all(split_name(child)[1] in _KNOWN_IN_SECURITY for child in block.iterchildren("*"))


def _login(security: _Element) -> Credentials | None:
    token = next((child for child in security.iterchildren("*") if split_name(child)[1] == "UsernameToken"), None)
    if token is None:
        return None
    parts = {split_name(child)[1]: child for child in token.iterchildren("*")}
    user = _text(parts.get("Username")).strip()
    password = parts.get("Password")
    if password is None or not (password.get("Type") or "").endswith("#PasswordDigest"):
        return Password(user=user, password=_text(password))
    return Digest(
        user=user,
        nonce=_nonce(_text(parts.get("Nonce")).strip()),
        created=_text(parts.get("Created")).strip(),
        digest=_base64(_text(password)) or b"",
    )


def _nonce(written: str) -> bytes:
    if _HEX_NONCE.fullmatch(written):
        return written.encode()
    found = _base64(written)
    return written.encode() if found is None else found


def _base64(written: str) -> bytes | None:
    try:
        return base64.b64decode("".join(written.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _text(element: _Element | None) -> str:
    return "" if element is None else element.text or ""
