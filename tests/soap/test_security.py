"""The headers of an envelope: logins as clients write them, and what has to be understood."""

from __future__ import annotations

import base64
import hashlib

import pytest
from lxml import etree

from bridge.calls.digests import password_digest
from bridge.calls.logins import Digest, Password
from soap.envelope import Sent, open_envelope
from soap.faults import Fault, Version, render
from tests.soap.echo import PING, envelope

WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
NONCE = b"0123456789abcdef"
CREATED = "2026-11-20T07:00:00+00:00"
DIGEST = hashlib.sha1(NONCE + CREATED.encode() + b"secret").digest()  # noqa: S324 - the profile's own


def read(header: str, version: Version = Version.V11) -> object:
    """Return the login of an envelope with that header."""
    return open_envelope(Sent(body=envelope(PING, version=version, header=header)), limit=1_000_000).header


def refused(header: str, version: Version = Version.V11) -> Fault:
    """Return the Fault of an envelope with that header."""
    with pytest.raises(Fault) as caught:
        read(header, version)
    return caught.value


def security(inner: str, more: str = "") -> str:
    """Return a Security header."""
    return f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}"{more}>{inner}</wsse:Security>'


NAME = "<wsse:Username>acme</wsse:Username>"
DIGESTED = f'<wsse:Password Type="{PROFILE}#PasswordDigest">{base64.b64encode(DIGEST).decode()}</wsse:Password>'
NONCED = f"<wsse:Nonce>{base64.b64encode(NONCE).decode()}</wsse:Nonce>"
TIMED = f"<wsu:Created>{CREATED}</wsu:Created>"
STAMP = f"<wsu:Timestamp><wsu:Created>{CREATED}</wsu:Created><wsu:Expires>{CREATED}</wsu:Expires></wsu:Timestamp>"


def token(inner: str) -> str:
    """Return a UsernameToken in its header."""
    return security(f"<wsse:UsernameToken>{inner}</wsse:UsernameToken>")


TEXTS = {
    "with a type": token(f'{NAME}<wsse:Password Type="{PROFILE}#PasswordText">secret</wsse:Password>'),
    "without a type": token(f"{NAME}<wsse:Password>secret</wsse:Password>"),
    "PHP, mustUnderstand": security(
        f"<wsse:UsernameToken>{NAME}<wsse:Password>secret</wsse:Password></wsse:UsernameToken>",
        ' soap:mustUnderstand="1"',
    ),
    "suds, mustUnderstand without a namespace": security(
        f"<wsse:UsernameToken>{NAME}<wsse:Password>secret</wsse:Password></wsse:UsernameToken>",
        ' mustUnderstand="true"',
    ),
    "node, a Timestamp before it": security(
        f'{STAMP}<wsse:UsernameToken wsu:Id="SecurityToken-1">{NAME}'
        f'<wsse:Password Type="{PROFILE}#PasswordText">secret</wsse:Password>{NONCED}{TIMED}</wsse:UsernameToken>',
        ' soap:mustUnderstand="1"',
    ),
    "strong-soap, another order": token(f"{NAME}{TIMED}<wsse:Password>secret</wsse:Password>"),
    "a draft's namespace": token(f"{NAME}<wsse:Password>secret</wsse:Password>").replace(
        WSSE, "http://schemas.xmlsoap.org/ws/2002/07/secext"
    ),
    "spaces around the name": token("<wsse:Username>\n acme\n</wsse:Username><wsse:Password>secret</wsse:Password>"),
}


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("header", TEXTS.values(), ids=TEXTS.keys())
def test_passwords_in_clear(header: str, version: Version) -> None:
    """Each is understood, in both versions, whether it has to be or not."""
    assert read(header, version) == Password(user="acme", password="secret")


DIGESTS = {
    "zeep": token(f"{NAME}{DIGESTED}{NONCED}{TIMED}"),
    "another order": token(f"{TIMED}{NONCED}{NAME}{DIGESTED}"),
    "with an encoding": token(f"{NAME}{DIGESTED}{NONCED}{TIMED}").replace(
        "<wsse:Nonce", f'<wsse:Nonce EncodingType="{PROFILE}#Base64Binary"'
    ),
    "broken over lines": token(f"{NAME}\n{DIGESTED}\n{NONCED}{TIMED}").replace("=</", "=&#10;\n</"),
}


@pytest.mark.parametrize("header", DIGESTS.values(), ids=DIGESTS.keys())
def test_digests(header: str) -> None:
    """The digest is that of the nonce's bytes, the time as written, and the password."""
    found = read(header)
    assert found == Digest(user="acme", nonce=NONCE, created=CREATED, digest=DIGEST)
    assert password_digest(NONCE, CREATED, "secret") == DIGEST


def test_a_nonce_in_hexadecimal() -> None:
    """As suds writes it, also where it says base64: the text itself is what was digested."""
    nonce = hashlib.md5(b"acme:secret:now").hexdigest()  # noqa: S324 - as suds makes it
    found = read(token(f"{NAME}{DIGESTED}<wsse:Nonce>{nonce}</wsse:Nonce>{TIMED}"))
    assert isinstance(found, Digest)
    assert found.nonce == nonce.encode()


@pytest.mark.parametrize(
    "inner", ["", NAME, DIGESTED, f"{NAME}{DIGESTED}", f"{NAME}{DIGESTED.replace('=<', '!<')}<wsse:Nonce/>", "<x/>"]
)
def test_half_a_token_is_a_login_that_fails(inner: str) -> None:
    """It is no error of the envelope, and nothing that could be right."""
    found = read(token(inner))
    assert isinstance(found, Password | Digest)
    assert getattr(found, "password", "") == ""
    assert getattr(found, "nonce", b"") == b""


def test_no_login() -> None:
    """An empty header, other headers, a header of WS-Security with none."""
    for header in ("", "<x xmlns='urn:x'/>", "<x/>", security(""), security(STAMP, ' soap:mustUnderstand="1"')):
        assert read(header) is None


def test_secrets_do_not_show() -> None:
    """Neither password nor digest is in a repr."""
    for header in (TEXTS["without a type"], DIGESTS["zeep"]):
        assert "secret" not in repr(read(header))
        assert repr(DIGEST) not in repr(read(header))


# --- what has to be understood ---


def must(version: Version) -> str:
    """Return how the attribute is written in a version."""
    return f'xmlns:e="{version.namespace}" e:mustUnderstand="{"1" if version is Version.V11 else "true"}"'


@pytest.mark.parametrize("version", list(Version))
def test_a_header_that_is_not_understood(version: Version) -> None:
    """The standard Fault, and in 1.2 the names of the headers (SOAP 1.1, 4.4.1; 1.2 Part 1, 5.4.8)."""
    header = f'<t:Tx xmlns:t="urn:t&amp;x" {must(version)}/><ok xmlns="urn:ok"/><s xmlns="urn:s" {must(version)}/>'
    fault = refused(header, version)
    assert (fault.code, fault.version) == ("MustUnderstand", version)
    root = etree.fromstring(render(fault, version, "0" * 16))
    if version is Version.V11:
        assert root.findtext(".//faultcode") == "env:MustUnderstand"
        return
    assert root.findtext(".//{*}Code/{*}Value") == "env:MustUnderstand"
    names = []
    for each in root.iterfind("{*}Header/{*}NotUnderstood"):
        prefix, _, name = each.get("qname", "").partition(":")
        names.append((each.nsmap[prefix], name))
    assert names == [("urn:t&x", "Tx"), ("urn:s", "s")]


@pytest.mark.parametrize("version", list(Version))
def test_few_of_many_headers_are_named(version: Version) -> None:
    """A namespace is declared once and told with each of them: a short request must not make an answer of gigabytes."""
    namespace = "u" * 900
    header = f'<n:h xmlns:n="{namespace}" {must(version)}/>' * 300
    fault = refused(header, version)
    assert 1 <= len(fault.blocks) <= 8
    assert len(render(fault, version, "0" * 16)) < 20_000


@pytest.mark.parametrize("value", ["0", "false", "", "no"])
def test_a_header_that_need_not_be_understood(value: str) -> None:
    """It is passed over."""
    assert read(f'<t xmlns="urn:t" soap:mustUnderstand="{value}"/>') is None


def test_the_attribute_of_the_other_version_says_nothing() -> None:
    """It is in another namespace."""
    assert read(f'<t xmlns="urn:t" {must(Version.V12)}/>', Version.V11) is None
    assert read(f'<t xmlns="urn:t" {must(Version.V11)}/>', Version.V12) is None


@pytest.mark.parametrize("namespace", [ADDRESSING, "http://schemas.xmlsoap.org/ws/2004/08/addressing"])
def test_addressing_is_understood_and_ignored(namespace: str) -> None:
    """What WCF's WSHttpBinding sends."""
    header = (
        f'<a:Action xmlns:a="{namespace}" soap:mustUnderstand="1">urn:smsbridge:1/ping</a:Action>'
        f'<a:MessageID xmlns:a="{namespace}">urn:uuid:1</a:MessageID>'
        f'<a:ReplyTo xmlns:a="{namespace}" soap:mustUnderstand="1"><a:Address>{namespace}/anonymous</a:Address>'
        f"</a:ReplyTo>"
        f'<a:To xmlns:a="{namespace}" soap:mustUnderstand="1">http://127.0.0.1/soap</a:To>'
    )
    assert read(header) is None


def test_an_answer_to_somewhere_else_is_not_understood() -> None:
    """We answer where we were asked."""
    header = (
        f'<a:ReplyTo xmlns:a="{ADDRESSING}" soap:mustUnderstand="1">'
        "<a:Address>http://127.0.0.1/other</a:Address></a:ReplyTo>"
    )
    assert refused(header).code == "MustUnderstand"
    assert read(header.replace('"1"', '"0"')) is None


def test_signed_and_encrypted_messages_are_not_understood() -> None:
    """Who insists on them would think that we had looked."""
    signed = '<d:Signature xmlns:d="http://www.w3.org/2000/09/xmldsig#"/>'
    whole = f"<wsse:UsernameToken>{NAME}<wsse:Password>secret</wsse:Password></wsse:UsernameToken>{signed}"
    assert refused(security(whole, ' soap:mustUnderstand="1"')).code == "MustUnderstand"
    assert read(security(whole)) == Password(user="acme", password="secret")


ACTORS = {
    Version.V11: ("actor", "http://schemas.xmlsoap.org/soap/actor/next"),
    Version.V12: ("role", "http://www.w3.org/2003/05/soap-envelope/role/next"),
}


@pytest.mark.parametrize("version", list(Version))
def test_headers_for_others(version: Version) -> None:
    """They are theirs, logins too; those for the next are ours, as those for nobody in particular."""
    attribute, everybody = ACTORS[version]
    login = TEXTS["without a type"]
    for actor, ours in {"urn:other": False, everybody: True, "": True, " ": True}.items():
        named = f'soap:{attribute}="{actor}"'
        assert (read(login.replace("<wsse:Security ", f"<wsse:Security {named} "), version) is not None) == ours
        strange = f'<t xmlns="urn:t" {named} {must(version)}/>'
        if ours:
            assert refused(strange, version).code == "MustUnderstand"
        else:
            assert read(strange, version) is None


def test_the_first_of_two_logins_counts() -> None:
    """A later one cannot replace it."""
    other = TEXTS["without a type"].replace("acme", "other")
    assert read(TEXTS["without a type"] + other) == Password(user="acme", password="secret")
