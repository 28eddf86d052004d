"""Mails that are not from Ann, or not from her for this number, and look as if they were: one table for all tests.

Ann's mailbox is allowed, and may prove itself by what the row says. DNS holds what the row adds to Ann's records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.model.mail_policy import Proof
from tests.smtp.proof.signing import NAMES, NOW, ed25519_pair, rsa_pair, sealed, short_pair, signed
from tests.smtp.proof.world import ANN, DATE, MAIL, NUMBER, PEER

EVE = "eve@evil.test"
EVES_HOST = "203.0.113.66"
RELAY = "mx.relay.test"
RELAYS_HOST = "198.51.100.7"
FORWARDER = "forwarder.test"
SETTINGS: Mapping[str, Any] = {
    "domains": ("sms.example.net",),
    "relays": {RELAY: (f"{RELAYS_HOST}/32",)},
    "forwarders": (FORWARDER,),
}
_EVES = rsa_pair(1024, 1)
_DNS = {
    "s1._domainkey.evil.test": [_EVES.record],
    "a1._domainkey.evil.test": [_EVES.record],
    "evil.test": [f"v=spf1 ip4:{EVES_HOST} -all"],
}


@dataclass(frozen=True, kw_only=True)
class Forgery:
    """``why``: what the refusal says. ``dns``: TXT records, over the common ones. ``author``: the mailbox allowed."""

    name: str
    why: str
    raw: bytes
    wanted: Proof = Proof.DKIM
    dns: Mapping[str, list[str]] = field(default_factory=dict)
    author: str = ANN
    sender: str = ANN
    peer: str = EVES_HOST
    recipient: str = NUMBER

    @property
    def records(self) -> dict[str, list[str]]:
        """All TXT records of the row."""
        return {**_DNS, **self.dns}


def _from(value: bytes | str, *, by: str = "evil.test") -> bytes:
    """Return the mail with another From, signed by Eve's domain, which is easily had."""
    octets = value.encode() if isinstance(value, str) else value
    pair = _EVES if by == "evil.test" else rsa_pair()
    return signed(MAIL.replace(b"Ann <ann@example.com>", octets, 1), domain=by, pair=pair)


def _added(line: bytes, raw: bytes | None = None) -> bytes:
    return line + b"\r\n" + (raw or signed(MAIL))


def _changed(old: bytes, new: bytes, raw: bytes | None = None) -> bytes:
    raw = raw or signed(MAIL)
    assert old in raw
    return raw.replace(old, new, 1)


def _authors() -> Iterator[Forgery]:
    """Who is the author: Eve where she says so, and nobody where readers could differ."""
    not_allowed = {
        "lookalike domain": ("Ann <ann@exarnple.com>", "ann@exarnple.com"),
        "lookalike subdomain": ("Ann <ann@example.com.evil.test>", "ann@example.com.evil.test"),
        "Cyrillic lookalike as A-label": ("Ann <ann@xn--exmple-4nf.com>", "ann@xn--exmple-4nf.com"),
        "Cyrillic lookalike as U-label": ("Ann <ann@ex\u0430mple.com>", "ann@xn--exmple-4nf.com"),
        "quoted name shows the address": ('"ann@example.com" <eve@evil.test>', EVE),
        "quoted name shows name and address": ('"Ann <ann@example.com>" <eve@evil.test>', EVE),
        "encoded name shows the address": ("=?utf-8?q?ann=40example.com?= <eve@evil.test>", EVE),
        "encoded name hides brackets": ("=?utf-8?B?PGFubkBleGFtcGxlLmNvbT4=?= <eve@evil.test>", EVE),
        "direction marks in the name": ("\u202emoc.elpmaxe@nna\u202c <eve@evil.test>".replace("@", "\uff20", 1), EVE),
        "very long name": ("Ann " * 300 + "<eve@evil.test>", EVE),
    }
    for name, (value, author) in not_allowed.items():
        yield Forgery(name=name, why=f"mailbox {author} is not allowed", raw=_from(value))
    yield Forgery(
        name="Sender is Ann, From is Eve",
        why=f"mailbox {EVE} is not allowed",
        raw=_added(b"Sender: ann@example.com", _from(EVE)),
        sender=ANN,
    )
    yield Forgery(
        name="Resent-From is Ann",
        why=f"mailbox {EVE} is not allowed",
        raw=_added(b"Resent-From: ann@example.com", _from(EVE)),
    )
    yield Forgery(
        name="envelope is Ann, From is Eve",
        why=f"mailbox {EVE} is not allowed",
        raw=_from(EVE),
        wanted=Proof.SPF,
        peer=PEER,
    )
    unread: dict[str, tuple[str | bytes, str]] = {
        "two addresses": ("ann@example.com, eve@evil.test", "several addresses"),
        "two addresses, one in quotes": (
            '"Ann, <ann@example.com>", eve@evil.test',
            "several addresses",
        ),
        "comment with another address": ("eve@evil.test (ann@example.com)", "a comment holds another address"),
        "comment within the address": ("ann(@evil.test)@example.com", "another form than local@domain"),
        "comment that is not closed": ("ann@example.com (eve@evil.test", "a comment is not closed"),
        "group": ("Staff: ann@example.com;", "it is a group"),
        "empty group": ("undisclosed-recipients:;", "it is a group"),
        "bare name shows another address": ("ann@example.com <eve@evil.test>", "its name shows another address"),
        "two in brackets": ("<ann@example.com> <eve@evil.test>", "angle brackets do not pair"),
        "brackets in brackets": ("<<ann@example.com>eve@evil.test>", "angle brackets do not pair"),
        "address behind the address": ("<eve@evil.test> ann@example.com", "something stands behind the address"),
        "address as encoded word": ("=?utf-8?q?ann?=@example.com", "an encoded word"),
        "all as one encoded word": ("=?utf-8?q?Ann_=3Cann=40example=2Ecom=3E?=", "it holds no address"),
        "address in a quoted local part": ('"ann@example.com"@evil.test', "quoted local part"),
        "two at signs": ("ann@example.com@evil.test", "another form than local@domain"),
        "source route": ("<@evil.test:ann@example.com>", "a colon outside quotes"),
        "letters that stand for others": ("\uff41nn@example.com", "letters that stand for others"),
        "dot that stands for another": ("ann@example\u3002com", "letters that stand for others"),
        "letter of no width": ("a\u200bnn@example.com", "letters that stand for others"),
        "NUL": (b"ann@example.com\0@evil.test", "control characters"),
        "bare CR": (b"eve@evil.test\rFrom: ann@example.com", "control characters"),
        "backslash": (b"ann\\@example.com <eve@evil.test>", "a backslash outside quotes"),
        "open quote": (b'"ann@example.com <eve@evil.test>', "a quote is not closed"),
        "folded within the address": (b"Ann <ann@\r\n example.com>", "another form than local@domain"),
        "folded over a blank line": (b"Ann\r\n \r\n <ann@example.com>", "a line of it is blank"),
        "no address": ("Ann", "it holds no address"),
        "too long": ("Ann" + " x" * 4000 + "(Ann) <ann@example.com>", "it is too long"),
        "domain of one label too long": ("ann@" + "a" * 70 + ".com", "not an email address"),
    }
    for name, (written, why) in unread.items():
        yield Forgery(name=f"From: {name}", why=why, raw=_from(written, by="example.com"))
    yield Forgery(name="two From fields", why="several From fields", raw=_added(b"From: eve@evil.test"))
    yield Forgery(
        name="From twice, another case", why="several From fields", raw=_added(b"FROM: Ann <ann@example.com>")
    )
    yield Forgery(
        name="From with a space before the colon", why="several From fields", raw=_added(b"From : eve@evil.test")
    )


def _signatures() -> Iterator[Forgery]:
    """What was signed, by whom, when, and with which key."""
    key = rsa_pair().record
    public = key.partition("p=")[2]
    old = b"Thu, 27 Dec 2029 11:00:00 +0000"
    mails: dict[str, tuple[str, bytes]] = {
        "no signature": ("no DKIM signature of example.com", MAIL),
        "another domain's": ("no DKIM signature of example.com", signed(MAIL, domain="evil.test", pair=_EVES)),
        "top-level domain's": ("no DKIM signature of example.com", signed(MAIL, domain="com")),
        "domain with an escape": ("no DKIM signature", signed(MAIL, domain="example.com\\.evil.test")),
        "made with another key": ("a field is another one, or the key", signed(MAIL, pair=_EVES)),
        "body goes on past l=": ("covers a part of the body only", signed(MAIL, tags={"l": "24"}) + b"Call 050!\r\n"),
        "l= of the whole": ("covers a part of the body only", signed(MAIL, tags={"l": "24"})),
        "body changed": ("the body is another one", _changed(b"stopped", b"started")),
        "body appended": ("the body is another one", signed(MAIL) + b"Pay at evil.test\r\n"),
        "subject changed": ("a field is another one", _changed(b"water", b"wine")),
        "recipient changed": ("a field is another one", _changed(NUMBER.encode(), b"972502345679@sms.example.net")),
        "author changed": ("a field is another one", _changed(b"Ann <", b"Bob <")),
        "Subject added": ("Subject stands there more often", _added(b"Subject: fire")),
        "To added": ("To stands there more often", _added(b"To: 972502345679@sms.example.net")),
        "Date added": ("Date stands there more often", _added(b"Date: " + DATE)),
        "Content-Type added": ("Content-Type stands there more often", _added(b"Content-Type: text/html")),
        "Content-Type added where none is signed": (
            "Content-Type stands there more often",
            _added(b"Content-Type: text/html", signed(MAIL, names=NAMES[:-1])),
        ),
        "transfer encoding added twice": (
            "Content-Transfer-Encoding stands there more often",
            _added(b"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 8bit"),
        ),
        "From not covered": (
            "does not cover From", signed(MAIL, names=[name for name in NAMES if name != b"from"])),
        "Subject not covered": (
            "does not cover Subject", signed(MAIL, names=[name for name in NAMES if name != b"subject"])),
        "no list of fields": ("does not cover From", signed(MAIL, names=[], tags={"h": None})),
        "field that two readers split otherwise": ("can be read in two ways", _added(b"Subject : fire")),
        "line that is no field": ("can be read in two ways", _added(b"From ann@example.com")),
        "NUL in the header": ("can be read in two ways", _added(b"X: \0")),
        "bare CR in the header": ("can be read in two ways", _added(b"X: y\rSubject: fire")),
        "over a thousand fields": ("too many fields", signed(MAIL.replace(b"MIME", b"X: y\r\n" * 1000 + b"MIME"))),
        "older than three days": ("is too old", signed(MAIL, tags={"t": str(NOW - 3 * 86400 - 1)})),
        "Date older than three days": ("is too old", signed(MAIL.replace(DATE, old), tags={"t": None})),
        "Date not covered, no time": (
            "does not say when", signed(MAIL, names=[name for name in NAMES if name != b"date"], tags={"t": None})),
        "Date that is none": ("does not say when", signed(MAIL.replace(DATE, b"today"), tags={"t": None})),
        "expired": ("has expired", signed(MAIL, tags={"x": str(NOW)})),
        "expires before it was made": ("has expired", signed(MAIL, tags={"t": str(NOW + 60), "x": str(NOW + 59)})),
        "made tomorrow": ("is of the future", signed(MAIL, tags={"t": str(NOW + 86400)})),
        "time that is none": ("no DKIM signature", signed(MAIL, tags={"t": "99999999999999"})),
        "SHA-1": ("is made with SHA-1", signed(MAIL, algorithm="rsa-sha1")),
        "unknown algorithm": ("an unknown algorithm", _changed(b"a=rsa-sha256", b"a=rsa-md5")),
        "unknown form": ("an unknown form", _changed(b"c=relaxed/relaxed", b"c=relaxed/nowsp")),
        "unknown version": ("is of another version", signed(MAIL, tags={"v": "2"})),
        "key by another way than DNS": ("has its key elsewhere", signed(MAIL, tags={"q": "http/txt"})),
        "speaks for another domain": ("speaks for another domain", signed(MAIL, tags={"i": "@other.com"})),
        "tag twice": ("no DKIM signature", _changed(b"d=example.com;", b"d=evil.test; d=example.com;")),
        "signature is no base64": ("has no base64 in b=", _changed(b"b=", b"b=!", signed(MAIL, tags={"bh": "ab"}))),
        "body hash is no base64": ("has no base64 in bh=", signed(MAIL, tags={"bh": "ab"})),
    }  # fmt: skip
    for name, (why, raw) in mails.items():
        yield Forgery(name=f"DKIM: {name}", why=why, raw=raw)
    ed25519 = ed25519_pair().record
    keys: dict[str, tuple[str, list[str]]] = {
        "not there": ("has no key in DNS", []),
        "no key but a policy": ("has no key in DNS", ["v=spf1 -all"]),
        "revoked": ("was revoked", ["v=DKIM1; k=rsa; p="]),
        "for tests": ("for tests only", [f"v=DKIM1; t=y:s; p={public}"]),
        "for another service": ("is not for mail", [f"v=DKIM1; s=tlsrpt; p={public}"]),
        "for another hash": ("is not for SHA-256", [f"v=DKIM1; h=sha1; p={public}"]),
        "of another version": ("of another version", [f"v=DKIM2; p={public}"]),
        "of an unknown kind": ("of an unknown kind", [f"v=DKIM1; k=dsa; p={public}"]),
        "of another kind": ("another algorithm than its key is for", [ed25519]),
        "twice": ("several keys", [key, key + ";"]),
        "no base64": ("has no base64 in p=", ["v=DKIM1; p=???"]),
        "no key at all": ("cannot be read", ["v=DKIM1; p=AAAA"]),
        "no list of tags": ("cannot be read", ["hello p=AAAA"]),
        "too large": ("cannot be read", [f"v=DKIM1; n={'x' * 4096}; p={public}"]),
    }
    for name, (why, records) in keys.items():
        dns = {"s1._domainkey.example.com": records or ["nothing here"]}
        yield Forgery(name=f"key: {name}", why=why, raw=signed(MAIL), dns=dns)
    for bits, pair in {512: short_pair(), 768: short_pair(768)}.items():
        yield Forgery(
            name=f"key of {bits} bits",
            why=f"has a key of {bits} bits",
            raw=signed(MAIL, pair=pair),
            dns={"s1._domainkey.example.com": [pair.record]},
        )
    yield Forgery(
        name="subdomain, where the domain asks for itself",
        why="is not of example.com itself",
        raw=signed(MAIL, domain="lists.example.com"),
        dns={"s1._domainkey.lists.example.com": [key], "_dmarc.example.com": ["v=DMARC1; p=none; adkim=s"]},
    )
    yield Forgery(
        name="key of the domain alone, used by a subdomain",
        why="a key for the domain alone",
        raw=signed(MAIL, tags={"i": "@lists.example.com"}),
        dns={"s1._domainkey.example.com": [f"v=DKIM1; t=s; p={public}"]},
    )
    for name, author, by in (
        ("public suffix signs", "ann@example.co.uk", "co.uk"),
        ("neighbour under a public suffix", "ann@example.co.uk", "evil.co.uk"),
        ("neighbour under a provider's suffix", "ann@ann.github.io", "eve.github.io"),
        ("provider of a suffix", "ann@ann.github.io", "github.io"),
        ("single label", "ann@localhost", "evil.localhost"),
    ):
        yield Forgery(
            name=name,
            why="no DKIM signature of",
            raw=signed(MAIL.replace(b"ann@example.com", author.encode()), domain=by),
            dns={f"s1._domainkey.{by}": [key]},
            author=author,
            sender=author,
        )
    yield Forgery(
        name="replayed to another number",
        why="To or Cc",
        raw=signed(MAIL),
        recipient="972502345679@sms.example.net",
    )
    yield Forgery(
        name="replayed, To not covered",
        why="To or Cc",
        raw=signed(MAIL, names=[name for name in NAMES if name != b"to"]),
    )


def _envelopes() -> Iterator[Forgery]:
    """What SPF says of the host, and of whom."""
    records = {
        "fail": f"v=spf1 ip4:{PEER} -all",
        "softfail": "v=spf1 ~all",
        "neutral": "v=spf1 ?all",
        "neutral for want of a word": f"v=spf1 ip4:{PEER}",
        "permerror: unknown mechanism": "v=spf1 ipv4:0.0.0.0/0 all",
        "permerror: loop": "v=spf1 include:example.com all",
        "permerror: redirect to nowhere": "v=spf1 redirect=nowhere.test",
        "permerror: macro": "v=spf1 exists:%{x}.example.com all",
        "permerror: eleven lookups": "v=spf1 " + " ".join(f"include:i{n}.test" for n in range(11)) + " all",
        "permerror: void lookups": "v=spf1 a:v1.test a:v2.test a:v3.test all",
        "permerror: no ASCII": "v=spf1 a:\u00e4.example.com all",
        "permerror: too long": "v=spf1 " + "ip4:10.0.0.1 " * 400 + "all",
        "permerror: long term": "v=spf1 a:" + "a." * 200 + "test all",
        "none": "spf1 all",
    }
    includes = {f"i{n}.test": ["v=spf1 ?all"] for n in range(11)}
    for name, record in records.items():
        yield Forgery(
            name=f"SPF {name}",
            why=f"SPF of example.com: {name.partition(':')[0].partition(' ')[0]}",
            raw=MAIL,
            wanted=Proof.SPF,
            dns={"example.com": [record], **includes},
        )
    yield Forgery(
        name="SPF with two records",
        why="SPF of example.com: permerror",
        raw=MAIL,
        wanted=Proof.SPF,
        dns={"example.com": ["v=spf1 +all", "v=spf1 -all"]},
    )
    yield Forgery(
        name="SPF of another domain",
        why="the envelope sender is not of example.com",
        raw=MAIL,
        wanted=Proof.SPF,
        sender="bounce@evil.test",
    )
    yield Forgery(
        name="SPF of the greeting only",
        why="SPF of example.com: fail",
        raw=MAIL,
        wanted=Proof.SPF,
    )
    yield Forgery(
        name="SPF of a subdomain, where the domain asks for itself",
        why="is not of example.com itself",
        raw=MAIL,
        wanted=Proof.SPF,
        sender="bounce@lists.example.com",
        dns={"lists.example.com": ["v=spf1 +all"], "_dmarc.example.com": ["v=DMARC1; aspf=s"]},
    )
    yield Forgery(
        name="SPF of a quoted envelope",
        why="the envelope sender is not of example.com",
        raw=MAIL,
        wanted=Proof.SPF,
        sender='"ann smith"@evil.test',
    )


def _relays() -> Iterator[Forgery]:
    """What a relay wrote, and what others wrote in its name."""
    good = f"Authentication-Results: {RELAY}; dkim=pass header.d=example.com".encode()
    says_not = f"{RELAY} does not say that a proof of example.com held"
    none = f"no Authentication-Results of {RELAY}"
    passed = "dkim=pass header.d=example.com"

    def by(*lines: str) -> bytes:
        return "".join(f"Authentication-Results: {line}\r\n" for line in lines).encode() + MAIL

    yield Forgery(
        name="word of the relay, from a stranger", why="came from no relay", raw=_added(good, MAIL), wanted=Proof.RELAY
    )
    rows: dict[str, tuple[str, bytes]] = {
        "nothing": (none, MAIL),
        "our own name": (none, by(f"sms.example.net; {passed}")),
        "another server's name": (none, by(f"mx.evil.test; {passed}")),
        "name that begins alike": (none, by(f"{RELAY}.evil.test; {passed}")),
        "forged one below": (says_not, by(f"{RELAY}; dkim=none", f"{RELAY}; {passed}")),
        "another domain": (says_not, by(f"{RELAY}; dkim=pass header.d=evil.test; dmarc=pass header.from=evil.test")),
        "failed": (says_not, by(f"{RELAY}; dkim=fail header.d=example.com; spf=softfail smtp.mailfrom=example.com")),
        "DMARC failed": (says_not, by(f"{RELAY}; {passed}; dmarc=fail header.from=example.com")),
        "in a comment": (says_not, by(f"{RELAY}; dkim=none (x; {passed})")),
        "in nested comments": (says_not, by(f"{RELAY}; dkim=none (a (b) ; {passed})")),
        "in a quoted value": (says_not, by(f'{RELAY}; spf=fail smtp.mailfrom="; {passed} ;"@evil.test')),
        "in a reason": (says_not, by(f'{RELAY}; dkim=fail reason="bad; {passed}" header.d=evil.test')),
        "greeting only": (says_not, by(f"{RELAY}; spf=pass smtp.helo=example.com")),
        "login of another": (says_not, by(f"{RELAY}; auth=pass smtp.auth=eve@evil.test smtp.mailfrom={ANN}")),
        "unknown method": (says_not, by(f"{RELAY}; iprev=pass policy.iprev=192.0.2.1; x=pass header.d=example.com")),
        "property twice": (none, by(f"{RELAY}; dkim=pass header.d=evil.test header.d=example.com")),
        "quoted method": (none, by(f'{RELAY}; "dkim=pass" header.d=example.com')),
        "open comment": (none, by(f"{RELAY}; {passed} (")),
        "another version": (none, by(f"{RELAY} 2; {passed}")),
        "too long": (none, by(f"{RELAY}; x=y ({'z' * 8200}); {passed}")),
    }
    for name, (why, raw) in rows.items():
        yield Forgery(name=f"relay: {name}", why=why, raw=raw, wanted=Proof.RELAY, peer=RELAYS_HOST)


def _chains() -> Iterator[Forgery]:
    """What a forwarder sealed, and what others sealed."""
    passed = "dkim=pass header.d=example.com"
    good = sealed(MAIL, passed)
    twice = sealed(good, f"arc=pass; {passed}")
    failed = sealed(MAIL, "dkim=fail header.d=example.com")
    spoilt = (b"mx.forwarder.test;\r\n dkim=fail", b"mx.forwarder.test;\r\n dkim=pass")
    broken = b"ARC-Seal: hello\r\nARC-Authentication-Results: i=1; a; none\r\n"
    by_eve = sealed(MAIL, passed, domain="evil.test", pair=_EVES)
    rows: dict[str, tuple[str, bytes]] = {
        "no seal": ("no ARC seal", MAIL),
        "stranger's seal": ("seal of evil.test is not believed", by_eve),
        "stranger's seal over the forwarder's": (
            "seal of evil.test is not believed", sealed(good, f"arc=pass; {passed}", domain="evil.test", pair=_EVES)),
        "stranger before the forwarder": (
            "does not say that a proof", sealed(by_eve, "arc=pass; dkim=fail header.d=example.com")),
        "seal with another key": ("does not hold", sealed(MAIL, passed, pair=_EVES)),
        "chain that was broken": ("was broken when it was sealed", sealed(good, f"arc=fail; {passed}")),
        "body changed": ("the body is another one", good.replace(b"stopped", b"started")),
        "subject changed": ("a field is another one", good.replace(b"Subject: water", b"Subject: wine")),
        "Subject added": ("Subject stands there more often", _added(b"Subject: fire", good)),
        "results changed": ("a field is another one", failed.replace(*spoilt)),
        "older results changed": ("a field is another one", sealed(failed, "arc=pass; dkim=none").replace(*spoilt)),
        "nothing found": ("does not say that a proof", sealed(MAIL, "dkim=none; spf=fail smtp.mailfrom=example.com")),
        "another domain found": ("does not say that a proof", sealed(MAIL, "dkim=pass header.d=evil.test")),
        "set without its seal": ("is not whole", b"".join(
            line for line in _fields(good) if not line.startswith(b"ARC-Seal"))),
        "set twice": ("is not whole", b"".join(
            line for line in _fields(good) if line.startswith(b"ARC-Seal")) + good),
        "set left out": ("is not whole", b"".join(
            line for line in _fields(twice) if not (line.startswith(b"ARC") and b"i=1;" in line))),
        "set of another number": ("is not whole", good.replace(b"i=1;", b"i=2;")),
        "too many sets": ("is too long", b"".join(
            b"ARC-Authentication-Results: i=%d; a; none\r\n" % n for n in range(1, 12)) + MAIL),
        "Subject not covered": (
            "does not cover Subject", sealed(MAIL, passed, names=(b"from", b"to", b"date"))),
        "older than three days": ("is too old", sealed(MAIL, passed, at=NOW - 4 * 86400)),
        "made tomorrow": ("is of the future", sealed(MAIL, passed, at=NOW + 86400)),
        "seal over fields": ("has a seal over something else", good.replace(b"cv=none;", b"cv=none; h=from;")),
        "no list of tags": ("is no list of tags", broken + MAIL),
    }  # fmt: skip
    for name, (why, raw) in rows.items():
        yield Forgery(name=f"ARC: {name}", why=why, raw=raw, wanted=Proof.ARC)
    yield Forgery(
        name="ARC: signature and seal of two domains",
        why="another domain than its seal",
        raw=_last(good, b"d=forwarder.test", b"d=evil.test"),
        wanted=Proof.ARC,
    )
    yield Forgery(
        name="ARC: replayed to another number",
        why="To or Cc",
        raw=good,
        wanted=Proof.ARC,
        recipient="972502345679@sms.example.net",
    )


def _fields(raw: bytes) -> list[bytes]:
    """Return the fields of a mail, folded as they are, and the rest as the last."""
    header, _, body = raw.partition(b"\r\n\r\n")
    fields: list[bytes] = []
    for line in header.split(b"\r\n"):
        if line.startswith((b" ", b"\t")):
            fields[-1] += line + b"\r\n"
        else:
            fields.append(line + b"\r\n")
    return [*fields, b"\r\n" + body]


def _last(raw: bytes, old: bytes, new: bytes) -> bytes:
    before, _, after = raw.rpartition(old)
    return before + new + after


def forgeries() -> list[Forgery]:
    """All rows."""
    return [*_authors(), *_signatures(), *_envelopes(), *_relays(), *_chains()]
