"""What a client is told when a call fails: a total table from error class to fault code, and the two forms of a Fault.

Codes are dotted: ``Client.*`` is the caller's to mend, ``Server.*`` is ours and may be tried again. SOAP 1.1 carries a
code as it is (4.4.1); in SOAP 1.2 it is Sender or Receiver with a Subcode in the service's namespace (Part 1, 5.4.1).
A Fault has no detail, no role and no actor, for old clients lose it over any of these; its text ends with the id under
which the log has the rest. Every Fault goes with HTTP 500, also the caller's: with any other status old clients see an
error of the transport, and no Fault. Of what is wrong with us no more is told than that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from bridge.model import errors
from bridge.model.errors import BridgeError, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBCODES: Final = "urn:smsbridge:1"
"""The namespace of the Subcodes of SOAP 1.2; the service's own."""

_MOST = 400
"""Longest text of a Fault, without its id: old programs keep it in a column."""

_UNWRITABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MUST_UNDERSTAND: Final = "MustUnderstand"


class Version(Enum):
    """A version of SOAP: the namespace of its envelope, and how its messages are called in HTTP."""

    V11 = ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml")
    V12 = ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml")

    def __init__(self, namespace: str, media_type: str) -> None:
        """Keep what tells them apart."""
        self.namespace = namespace
        self.media_type = media_type
        self.content_type = f"{media_type}; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A header block that was not understood: its namespace, and its name in it."""

    namespace: str
    name: str


class Fault(Exception):
    """A call that cannot be answered. ``code`` is dotted; ``text`` is one line for a person.

    ``version`` is that of the envelope, once it is known.
    """

    def __init__(self, code: str, text: str, *, blocks: tuple[Block, ...] = ()) -> None:
        """Keep what is to be told; ``blocks`` are the header blocks that were not understood."""
        super().__init__(text)
        self.code = code
        self.text = text
        self.blocks = blocks
        self.version: Version | None = None


MALFORMED: Final = "Client.Malformed"
ENCODING: Final = "Client.Encoding"
TOO_LARGE: Final = "Client.TooLarge"
TOO_SLOW: Final = "Client.TooSlow"
UNKNOWN_OPERATION: Final = "Client.UnknownOperation"
UNKNOWN_ELEMENT: Final = "Client.UnknownElement"
INVALID_REQUEST: Final = "Client.InvalidRequest"
VERSION_MISMATCH: Final = "VersionMismatch"
BUSY: Final = "Server.Busy"
INTERNAL: Final = "Server.Internal"

TABLE: Final[Mapping[type[BridgeError], str]] = MappingProxyType(
    {
        errors.BridgeError: INTERNAL,
        errors.Refusal: "Client.Refused",
        errors.LoginFailed: "Client.Authentication",
        errors.LoginBlocked: "Client.LoginBlocked",
        errors.AccountDisabled: "Client.AccountDisabled",
        errors.InvalidRequest: INVALID_REQUEST,
        errors.RateLimited: "Client.RateLimited",
        errors.Trouble: "Server.Unavailable",
        errors.Stopping: "Server.Stopping",
        errors.InternalError: INTERNAL,
        # An operator's error in front of a client is ours.
        errors.OperatorError: INTERNAL,
    }
)

OF_THE_MESSAGE: Final[Mapping[str, str]] = MappingProxyType(
    {
        MALFORMED: "not well-formed XML, or no SOAP envelope with one call in its Body",
        ENCODING: "the bytes are not in the encoding that they claim to be in",
        TOO_LARGE: "the message is longer, or has more elements, than is taken",
        TOO_SLOW: "the message did not come to its end in time",
        UNKNOWN_OPERATION: "the Body asks for an operation that the contract has not",
        UNKNOWN_ELEMENT: "the call has an element that the contract has not",
        VERSION_MISMATCH: "the envelope is neither of SOAP 1.1 nor of 1.2",
        _MUST_UNDERSTAND: "a header has to be understood, and is not",
        BUSY: "too many large messages at once",
    }
)
"""What may be wrong with a message before it is a call; all these stand in docs/soap.md."""

TROUBLE: Final = "trouble on our side; call again later"
CLOSING: Final = "the bridge is going down; call again later"


def must_understand(blocks: tuple[Block, ...]) -> Fault:
    """Return the Fault for headers that have to be understood and are not (SOAP 1.1, 4.2.3; 1.2 Part 1, 5.4.8)."""
    names = ", ".join(f"{{{block.namespace}}}{block.name}" for block in blocks)
    return Fault(_MUST_UNDERSTAND, f"not understood: {names}", blocks=blocks)


def of(error: BridgeError) -> Fault:
    """Return the Fault of an error: the table's code for its class or the nearest above it, and what may be told."""
    code = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    if isinstance(error, Refusal):
        return Fault(code, error.reason)
    return Fault(code, CLOSING if isinstance(error, errors.Stopping) else TROUBLE)


def render(fault: Fault, version: Version, visit_id: str) -> bytes:
    """Return the envelope with a Fault, in UTF-8; ``visit_id`` stands at the end of its text."""
    text = escape(f"{_line(fault.text)} (id {visit_id})")
    body = _fault_12(fault.code, text) if version is Version.V12 else _fault_11(fault.code, text)
    header = _not_understood(fault.blocks) if version is Version.V12 else ""
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f'<env:Envelope xmlns:env="{version.namespace}">{header}<env:Body>{body}</env:Body></env:Envelope>'
    ).encode()


def _fault_11(code: str, text: str) -> str:
    return f"<env:Fault><faultcode>env:{code}</faultcode><faultstring>{text}</faultstring></env:Fault>"


_ROLES_12: Final = {"Client": "Sender", "Server": "Receiver"}


def _fault_12(code: str, text: str) -> str:
    first, *rest = code.split(".")
    subcodes = ""
    for each in reversed(rest):
        subcodes = f"<env:Subcode><env:Value>sms:{each}</env:Value>{subcodes}</env:Subcode>"
    role = _ROLES_12.get(first, first)
    return (
        f'<env:Fault xmlns:sms="{SUBCODES}"><env:Code><env:Value>env:{role}</env:Value>{subcodes}</env:Code>'
        f'<env:Reason><env:Text xml:lang="en">{text}</env:Text></env:Reason></env:Fault>'
    )


def _not_understood(blocks: tuple[Block, ...]) -> str:
    if not blocks:
        return ""
    told = "".join(
        f'<env:NotUnderstood qname="b:{escape(block.name)}" xmlns:b={quoteattr(block.namespace)}/>' for block in blocks
    )
    return f"<env:Header>{told}</env:Header>"


def _line(text: str) -> str:
    """Return a text as a Fault may hold it: one line, bounded, of characters that XML has."""
    return _UNWRITABLE.sub("?", " ".join(text.split()))[:_MOST]
