"""What proves a sender: signed mails and the records of DNS, both spoilt; what is proved still says what was signed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bench.mailfuzz import signed
from bench.mailfuzz.making import ANN
from bench.mailfuzz.pieces import PIECES
from bench.mailfuzz.setting import SETTINGS
from bench.mailfuzz.spoil import one
from bench.mailfuzz.weighing import check, weigh_error
from bridge.model.errors import BridgeError, DnsUnavailable, SenderRefused
from bridge.model.mail_policy import Proof
from smtp.mime.content import read_content
from smtp.mime.entity import Entity
from smtp.mime.header import Header
from smtp.proof.author import author_of
from smtp.proof.case import Envelope
from smtp.proof.dns import Kind, Records
from smtp.proof.prove import Proved, Prover
from tests.support.clock import HandClock

if TYPE_CHECKING:
    from random import Random

_WANTED: Final = (
    frozenset({Proof.DKIM}),
    frozenset({Proof.ARC}),
    frozenset({Proof.SPF, Proof.RELAY}),
    frozenset({Proof.DKIM, Proof.SPF, Proof.ARC, Proof.RELAY}),
)
_PEERS: Final = (signed.HOST, "198.51.100.7", "2001:db8::1", "")
_SIGNED: Final = frozenset({Proof.DKIM, Proof.ARC})
_NAMES: Final = ("example.com", "s1._domainkey.example.com", "ed._domainkey.example.com", "_dmarc.example.com")


class _Answers(signed.Names):
    """Gives one record for whatever is asked, where there is such a one: so records lead to themselves."""

    everywhere: Records | None = None

    async def ask(self, name: str, kind: Kind, *, patience: float | None = None) -> Records:
        """Return the record for all names but those of keys."""
        if self.everywhere is None or kind is not Kind.TXT or "_" in name:
            return await super().ask(name, kind, patience=patience)
        return self.everywhere


def fresh_record(chance: Random) -> bytes:
    """Return a TXT record."""
    keys = (signed.rsa_of_a_number().record.encode(), signed.ed25519_of_a_number().record.encode())
    return one(chance, (*PIECES["record"], *keys, *keys))


def fresh_mail(chance: Random) -> bytes:
    """Return a mail with a signature that holds."""
    return one(chance, signed.mails())


class Proofs:
    """Looks at proofs. Its loop is its own."""

    def __init__(self, runner: asyncio.Runner) -> None:
        """Have a prover whose DNS is a table."""
        self._runner = runner
        self._names = _Answers()
        self._prover = Prover(SETTINGS, hostname="sms.example.com", resolver=self._names, clock=HandClock())
        self._said = {_said(mail) for mail in signed.mails()}

    def look_mail(self, way: int, octets: bytes) -> bool:
        """A signature that holds is one over what the mail says."""
        proved = self._proved(octets, _WANTED[way % 4], peer=_PEERS[way // 4 % 4])
        if proved is None:
            return False
        if proved.found.keys() & _SIGNED:
            check(_said(octets) in self._said, f"proved, and not what was signed: {_said(octets)!r}")
        return bool(proved.found)

    def look_record(self, way: int, octets: bytes) -> bool:
        """Whatever DNS says, a mail is proved or not."""
        name = _NAMES[way % len(_NAMES)]
        kept = dict(self._names.records)
        record = octets.replace(b"\r", b"").replace(b"\n", b"")[:65_535]
        self._names.records[name, Kind.TXT] = (record,) * (1 + way // 64 % 2)
        for kind, answer in ((Kind.A, signed.HOST), (Kind.AAAA, "2001:db8::1"), (Kind.PTR, "mail.example.com")):
            self._names.records["example.com", kind] = (answer,)
        self._names.records["example.com", Kind.MX] = ((10, "example.com"),)
        self._names.everywhere = (record,) if way // 4 % 4 == 0 else None
        try:
            mails = signed.mails()
            proved = self._proved(mails[way % len(mails)], _WANTED[way // 16 % 4], peer=_PEERS[way // 256 % 3])
        finally:
            self._names.records = kept
            self._names.everywhere = None
        return proved is not None and bool(proved.found)

    def _proved(self, raw: bytes, wanted: frozenset[Proof], *, peer: str) -> Proved | None:
        header = Header.of(Entity.of(raw, "text/plain"))
        try:
            author = author_of(header)
            if author is None:
                return None
            envelope = Envelope(peer=peer, helo="mail.example.com", sender=ANN)
            proved = self._runner.run(self._prover.prove(raw, header, author, envelope, wanted))
        except (SenderRefused, DnsUnavailable) as error:
            weigh_error(error)
            return None
        check(proved.results.isprintable() and "\n" not in proved.results, f"{proved.results!r}")
        check(all("\n" not in reason for reason in proved.reasons), f"{proved.reasons!r}")
        return proved


def _said(raw: bytes) -> tuple[str, str, str]:
    """Return what is believed of a mail: author, subject and text."""
    header = Header.of(Entity.of(raw, "text/plain"))
    try:
        return header.text("from"), header.text("subject"), "\n".join(read_content(raw).text.split())
    except BridgeError as error:
        return header.text("from"), header.text("subject"), error.code
