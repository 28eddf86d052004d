"""Inputs made by grammar: addresses, commands, logins, PROXY headers, texts and whole mails, right and odd ones."""

from __future__ import annotations

import base64
import quopri
import re
import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from bench.mailfuzz.pieces import MAILS, PIECES
from bench.mailfuzz.spoil import one, some

if TYPE_CHECKING:
    from random import Random

DOMAIN: Final = "sms.example.com"
ANN: Final = "ann@example.com"
OPEN: Final = "open@example.com"
"""A mailbox with all old places for keys, all options, and the subject before the text."""
SIGNED: Final = "signed@example.com"
"""A mailbox that only what stands in the mail can prove."""
USER: Final = "fuzz"
PASSWORD: Final = "canary-41d07e93"  # noqa: S105 - made up


def address(chance: Random) -> bytes:
    """Return the address of a recipient."""
    local = one(chance, PIECES["number"][: None if chance.random() < 0.5 else 9])
    for _ in range((0, 0, 1, 1, 2, 3)[some(chance, 6)]):
        local += one(chance, PIECES["option"])
    if chance.random() < 0.15:
        local = b'"' + local.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    if chance.random() < 0.03:
        local = b"@relay.example,@b.example:" + local
    return local + (b"@sms.example.com" if chance.random() < 0.7 else one(chance, PIECES["domain"]))


def path(chance: Random, *, to: bool | None = None) -> bytes:
    """Return what follows MAIL or RCPT."""
    to = chance.random() < 0.6 if to is None else to
    who = address(chance) if to else one(chance, PIECES["sender"])
    line = (b"TO:" if to else b"FROM:") + (b"<" + who + b">" if chance.random() < 0.93 else who)
    for _ in range((0, 0, 0, 1, 2)[some(chance, 5)]):
        line += one(chance, PIECES["recipient parameter" if to else "mail parameter"])
    return line


def _encoded(*parts: str) -> bytes:
    return base64.b64encode("\0".join(parts).encode("utf-8", "surrogateescape"))


_LOGINS: Final = (
    b"PLAIN " + _encoded("", USER, PASSWORD),
    b"PLAIN " + _encoded(USER, USER, PASSWORD),
    b"PLAIN\r\n" + _encoded("", USER, PASSWORD),
    b"LOGIN\r\n" + _encoded(USER) + b"\r\n" + _encoded(PASSWORD),
    b"LOGIN " + _encoded(USER) + b"\r\n" + _encoded(PASSWORD),
    b"PLAIN " + _encoded("", USER, "wrong"),
    b"PLAIN " + _encoded("other", USER, "wrong"),
    b"PLAIN =\r\n",
    b"LOGIN\r\n*",
    b"CRAM-MD5",
    b"PLAIN " + _encoded("", "e\u0301", "a\u0308"),
    b"login\r\n\r\n",
    b"PLAIN " + _encoded("", "\udcff", "\udcfe"),
    b"PLAIN " + _encoded("a", "b", "c", "d"),
)


def login(chance: Random) -> bytes:
    """Return what follows AUTH, and the lines after it."""
    return one(chance, _LOGINS)


_V1: Final = (
    b"TCP4 203.0.113.7 192.0.2.1 56324 25",
    b"TCP6 2001:db8::7 2001:db8::1 4124 465",
    b"UNKNOWN",
    b"UNKNOWN ffff:f:f:f:f:f:f:f ::1 65535 65535",
    b"TCP4 192.0.2.1 ::1 1 2",
    b"TCP6 fe80::1%eth0 ::1 1 2",
    b"TCP4 01.2.3.4 192.0.2.1 1 2",
    b"TCP4 192.0.2.1 192.0.2.2 1 70000",
)
_FAMILIES: Final = ((0x11, 12), (0x21, 36), (0x31, 216), (0x00, 0), (0x12, 12))
_ADDRESSES: Final = ip_address("203.0.113.7").packed * 3


def proxied(chance: Random) -> bytes:
    """Return a PROXY header and what follows it."""
    rest = (b"", b"EHLO a\r\n", b"\r\n", b"PROXY UNKNOWN\r\n")[some(chance, 4)]
    if chance.random() < 0.5:
        return b"PROXY " + one(chance, _V1) + b"\r\n" + rest
    family, width = _FAMILIES[some(chance, len(_FAMILIES))]
    size = max(0, width + (0, 0, 0, 7, -1, 4000, 60_000)[some(chance, 7)])
    command = (0x21, 0x21, 0x20, 0x22, 0x11)[some(chance, 5)]
    held = _ADDRESSES.ljust(size, b"\x04") if size < 5000 else _ADDRESSES
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", command, family, size) + held[:size] + rest


def text(chance: Random) -> bytes:
    """Return the text of a mail, in UTF-8, lines ending in a line feed."""
    return b"\n".join(one(chance, PIECES["text"]) for _ in range(1 + some(chance, 5)))


def subject(chance: Random) -> bytes:
    """Return a subject, as it stands in the header."""
    return b" ".join(one(chance, PIECES["subject"]) for _ in range(1 + some(chance, 2)))


def author(chance: Random) -> bytes:
    """Return a header that says who wrote the mail."""
    head = b"From: " + one(chance, PIECES["author"]) + b"\r\n"
    if chance.random() < 0.1:
        name = (b"FROM: ", b"Sender: ", b"From : ", b"Resent-From: ")[some(chance, 4)]
        head += name + one(chance, PIECES["author"]) + b"\r\n"
    return head + b"Subject: x\r\n"


def results(chance: Random) -> bytes:
    """Return the value of an Authentication-Results field."""
    return one(chance, PIECES["results"])


_TYPES: Final = (
    *(b"text/plain", b"text/plain", b"text/plain", b"text/html", b"text/html"),
    *(b"text/calendar", b"application/pdf", b"image/png"),
)
_MULTIPART: Final = (b"mixed", b"alternative", b"related", b"signed", b"report", b"digest", b"encrypted", b"x-odd")
_BOUNDARIES: Final = (b"x", b"=_b1", b"0000a1b2", b"Apple-Mail=_1", b"a b", b"--")
_DISPOSITIONS: Final = (b"attachment; filename=a.txt", b"inline", b"attachment")


def _leaf(chance: Random) -> bytes:
    kind = one(chance, _TYPES)
    said = text(chance).decode("utf-8", "replace")
    if kind == b"text/html":
        said = one(chance, PIECES["page"]).decode().replace("%s", said)
    charset = one(chance, PIECES["kin charset"]) if chance.random() < 0.3 else b"utf-8"
    octets = _in_charset(said.replace("\n", "\r\n"), charset)
    head = b"Content-Type: " + kind
    if chance.random() < 0.9:
        head += b'; charset="' + charset + b'"'
    if chance.random() < 0.15:
        head += b"; format=flowed" + (b"; delsp=yes" if chance.random() < 0.5 else b"")
    if chance.random() < 0.1:
        head += b"\r\nContent-Disposition: " + one(chance, _DISPOSITIONS)
    match some(chance, 8):
        case 0 | 1:
            octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
            head += b"\r\nContent-Transfer-Encoding: base64"
        case 2 | 3:
            octets = quopri.encodestring(octets)
            head += b"\r\nContent-Transfer-Encoding: quoted-printable"
        case 4:
            head += b"\r\nContent-Transfer-Encoding: " + one(chance, PIECES["kin encoding"])
    return head + b"\r\n\r\n" + octets


def _in_charset(said: str, charset: bytes) -> bytes:
    try:
        return said.encode(charset.decode("ascii"), "replace")
    except (LookupError, UnicodeError):
        return said.encode()


def _entity(chance: Random, depth: int) -> bytes:
    if depth <= 0 or chance.random() < 0.5:
        return _leaf(chance)
    if chance.random() < 0.1:
        return b"Content-Type: message/rfc822\r\n\r\nFrom: a@b.c\r\nSubject: inner\r\n" + _entity(chance, depth - 1)
    boundary = one(chance, _BOUNDARIES)
    parts = [_entity(chance, depth - 1) for _ in range(1 + some(chance, 3))]
    body = b"".join(b"\r\n--" + boundary + b"\r\n" + part for part in parts) + b"\r\n--" + boundary + b"--\r\n"
    return (
        b"Content-Type: multipart/" + one(chance, _MULTIPART) + b'; boundary="' + boundary + b'"\r\n\r\nbefore' + body
    )


def mail(chance: Random) -> bytes:
    """Return a mail: one of the suite, or one put together."""
    if chance.random() < 0.5:
        return one(chance, MAILS)
    head = [b"From: " + one(chance, PIECES["author"]), b"Subject: " + subject(chance)]
    head += [one(chance, PIECES["field"]) for _ in range(some(chance, 5))]
    return b"\r\n".join(head) + b"\r\n" + _entity(chance, 3)


def mail_of(chance: Random, sender: bytes = ANN.encode()) -> bytes:
    """Return a mail that is mostly from a mailbox that may send."""
    whole = mail(chance)
    return _FROM.sub(b"From: " + sender, whole, count=1) if chance.random() < 0.8 else whole


_FROM: Final = re.compile(rb"(?im)^From:[^\r\n]*+(?:\r?\n[ \t][^\r\n]*+)*+")


def session(chance: Random) -> bytes:
    """Return what a client says in a connection."""
    lines = [one(chance, PIECES["greeting"])]
    if chance.random() < 0.25:
        lines.append(b"AUTH " + login(chance))
    for _ in range(1 + some(chance, 2)):
        sender = (ANN, OPEN, SIGNED)[some(chance, 3)].encode()
        lines.append(b"MAIL FROM:<" + sender + b">" if chance.random() < 0.85 else b"MAIL " + path(chance, to=False))
        for _ in range(1 + some(chance, 3)):
            usual = b"RCPT TO:<97250234%04d@sms.example.com>" % (5000 + some(chance, 999))
            lines.append(usual if chance.random() < 0.75 else b"RCPT " + path(chance, to=True))
        if chance.random() < 0.1:
            lines.append(one(chance, PIECES["command"]))
        lines += [b"DATA", _wired(chance, mail_of(chance, sender)) + b"\r\n."]
    lines.append(one(chance, PIECES["command"]) if chance.random() < 0.3 else b"QUIT")
    return b"\r\n".join(lines) + b"\r\n"


def _wired(chance: Random, octets: bytes) -> bytes:
    """Return a mail as it goes over the wire, mostly by the rules."""
    if chance.random() < 0.05:
        return octets
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")


def stream(chance: Random) -> bytes:
    """Return what follows DATA: a mail, its end, and more."""
    octets = _wired(chance, one(chance, MAILS) if chance.random() < 0.3 else text(chance))
    more = (b"", b"QUIT\r\n", b"MAIL FROM:<a@b.c>\r\n", b".\r\n", b"\r\n", b"\n.\r\n", b"a\nb")
    return octets + b"\r\n.\r\n" + one(chance, more)
