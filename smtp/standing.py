"""Whether a mail's sender may send, and what says so.

At RCPT the envelope is asked: its mailbox, and what the connection proves (network, login). Where the mailbox takes a
proof that stands in the mail itself, the answer waits for the end of DATA. The mailbox of From has to be of the same
account, and what is enough for the one has to be enough for the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bridge.model.account import normalise_address
from bridge.model.errors import ProofMissing, SenderRefused
from bridge.model.mail_policy import Proof
from smtp.proof.author import author_of
from smtp.proof.case import Envelope
from smtp.wire.client import Service
from smtp.wire.networks import is_within

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Network, IPv6Network

    from bridge.calls.values import Caller
    from bridge.model.account import Account, Directory, Mailbox
    from bridge.pipeline.snapshot import Snapshot
    from smtp.config import SmtpSettings
    from smtp.mime.header import Header
    from smtp.proof.prove import Prover
    from smtp.wire.client import Client

IN_MAIL: Final = frozenset({Proof.DKIM, Proof.SPF, Proof.ARC, Proof.RELAY})
"""Proofs that are looked for only when the mail is there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Who sends, as the envelope says: ``sender`` in normal form, its rule and its account.

    ``proved``: the connection proves that already; else only the mail can.
    """

    sender: str
    mailbox: Mailbox
    account: Account
    proved: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Proven:
    """What the sender is believed for. ``results`` is the value of an Authentication-Results field (RFC 8601).

    ``origin`` is the mailbox that is proved: the envelope's, or that of From where the mail itself proves it.
    ``recipients`` are the addresses that its signature covers; None where it may send to any. ``seal`` tells mails
    apart that a signature alone proves: nothing in it can be changed by who sends such a mail again.
    """

    origin: str
    proof: str
    results: str
    recipients: frozenset[str] | None = None
    seal: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What a connection, or a key in a mail, proves: the host, and who logged in."""

    network: str | None = None
    login: Caller | None = None
    secret: Caller | None = None

    @classmethod
    def of(cls, client: Client, trusted: tuple[IPv4Network | IPv6Network, ...]) -> Held:
        """Return what a client proves that has said nothing yet.

        Where users log in the network says nothing of them: a login sends as its own mailboxes and no others.
        """
        believed = client.service is not Service.SUBMISSION and is_within(client.peer, trusted)
        return _of_a_host(client.peer) if believed else _NOTHING

    def logged_in(self, caller: Caller) -> Held:
        """Return the same with a login."""
        return replace(self, login=caller)

    def vouched(self, caller: Caller) -> Held:
        """Return the same with the owner of a key that stands in the mail."""
        return replace(self, secret=caller)

    def proofs(self, mailbox: Mailbox, address: str, directory: Directory) -> dict[Proof, str]:
        """Return what is proved for one of the mailboxes, with who it is."""
        found = {} if self.network is None else {Proof.NETWORK: self.network}
        for proof, caller in ((Proof.LOGIN, self.login), (Proof.SECRET, self.secret)):
            if caller is None or caller.account_id != mailbox.account_id:
                continue
            login = directory.logins.get(caller.user)  # or revoked since
            if login is not None and login.sends_as(address):
                found[proof] = caller.user
        return found


_NOTHING: Final = Held()


@lru_cache(maxsize=1024)
def _of_a_host(peer: str) -> Held:
    return Held(network=peer)


class Senders:
    """Knows who may send. One for the door."""

    def __init__(self, *, snapshot: Snapshot, settings: SmtpSettings, prover: Prover, hostname: str) -> None:
        """Put the parts together; ``hostname`` is who vouches in Authentication-Results."""
        self._snapshot = snapshot
        self._settings = settings
        self._prover = prover
        self._hostname = hostname

    async def standing(self, address: str, client: Client, held: Held) -> Standing:
        """Return who sends, by what the envelope says and the connection proves.

        Raises :exc:`SenderRefused` for a mailbox that may not send or cannot be proved any more,
        :exc:`~bridge.model.errors.AccountDisabled`, :exc:`~bridge.model.errors.StoreUnavailable`.
        """
        if not address:
            raise SenderRefused("The null sender sends no texts")
        sender = normalise_address(address)
        mailbox = await self._snapshot.mailbox_for(sender)
        proofs = held.proofs(mailbox, sender, self._snapshot.directory)
        proved = not mailbox.policy.proof.isdisjoint(proofs)
        if not proved and not mailbox.policy.proof & self._possible(mailbox, client):
            raise ProofMissing(_why_not(sender, mailbox, client, held))
        account = self._snapshot.directory.account(mailbox.account_id)
        return Standing(sender=sender, mailbox=mailbox, account=account, proved=proved)

    async def prove(self, standing: Standing, raw: bytes, header: Header, client: Client, held: Held) -> Proven:
        """Return what a mail is believed for. Raises :exc:`SenderRefused`, :exc:`DnsUnavailable`."""
        author = author_of(header)
        mailbox = await self._snapshot.mailbox_for(standing.sender)  # as it is now: RCPT may be long ago
        if mailbox.account_id != standing.account.id:
            raise SenderRefused(f"mailbox {standing.sender} sends for another account now")
        claims = {standing.sender: mailbox}
        if author is not None and author != standing.sender:
            await self._known(author)
            claims[author] = author_rule(self._snapshot.directory, author, mailbox)
        directory = self._snapshot.directory
        proofs = {address: held.proofs(claim, address, directory) for address, claim in claims.items()}
        still = {address: claim for address, claim in claims.items() if claim.policy.proof.isdisjoint(proofs[address])}
        if not still:
            own = proofs[standing.sender]
            proof = next(proof for proof in Proof if proof in own and proof in mailbox.policy.proof)
            return _proven(self._hostname, standing.sender, proof, own[proof])
        if author is None:
            raise ProofMissing(f"{_why_not(standing.sender, mailbox, client, held)}; the mail has no From")
        envelope = Envelope(peer=client.peer, helo=client.helo, sender=standing.sender)
        return await self._by_mail(still, raw, header, author, envelope)

    async def _by_mail(
        self, still: Mapping[str, Mailbox], raw: bytes, header: Header, author: str, envelope: Envelope
    ) -> Proven:
        """Look for a proof in the mail itself that is enough for all mailboxes that have none yet."""
        policies = [mailbox.policy for mailbox in still.values()]
        enough = frozenset.intersection(*(policy.proof for policy in policies)) & IN_MAIL
        proved = await self._prover.prove(raw, header, author, envelope, enough)
        # What is said of this one connection goes before a signature, which who has the mail can use again.
        proof = min(enough & proved.found.keys(), key=lambda proof: proof in proved.recipients, default=None)
        if proof is None:
            reasons = "; ".join(proved.reasons) or f"it needs one of {_listed(policies[0].proof)}"
            raise ProofMissing(f"nothing proves that the mail is from {author}: {reasons}")
        signed = proved.recipients.get(proof) if any(policy.signed_recipients for policy in policies) else None
        told = f"{proof} {proved.found[proof]}"
        return Proven(
            origin=author, proof=told, results=proved.results, recipients=signed, seal=proved.seals.get(proof)
        )

    async def _known(self, author: str) -> None:
        """Look again at who may send, before a mailbox is refused."""
        try:
            await self._snapshot.mailbox_for(author)
        except SenderRefused as error:
            raise SenderRefused(f"From: {error.reason}") from error

    def _possible(self, mailbox: Mailbox, client: Client) -> frozenset[Proof]:
        """Return the proofs that may still come with the mail."""
        possible = set(IN_MAIL)
        if not self._settings.forwarders:
            possible.discard(Proof.ARC)
        if not any(is_within(client.peer, networks) for networks in self._settings.relays.values()):
            possible.discard(Proof.RELAY)
        if mailbox.policy.secrets:
            possible.add(Proof.SECRET)
        return frozenset(possible)


def author_rule(directory: Directory, author: str, sender: Mailbox) -> Mailbox:
    """Return the rule for the mailbox of From; it is of the envelope's account. Raises :exc:`SenderRefused`."""
    rule = directory.mailbox_for(author)
    if rule.account_id != sender.account_id:
        raise SenderRefused(f"From: {author} sends for another account than the envelope's {sender.pattern}")
    return rule


@lru_cache(maxsize=1024)
def _proven(hostname: str, sender: str, proof: Proof, who: str) -> Proven:
    """Return what a connection proves: the same for all its mails."""
    if proof is Proof.LOGIN:
        results = f"{hostname}; auth=pass smtp.auth={who}"
    else:
        results = f"{hostname}; auth=none; x-{proof}=pass ({who})"
    return Proven(origin=sender, proof=f"{proof} {who}", results=results)


def _listed(proofs: frozenset[Proof]) -> str:
    return ", ".join(proof for proof in Proof if proof in proofs)


def _why_not(sender: str, mailbox: Mailbox, client: Client, held: Held) -> str:
    if held.login is not None:
        who = f"the login {held.login.user} may not send as {sender}"
    elif held.network is not None:
        who = f"{held.network} is in a trusted network, which is not enough for {sender}"
    else:
        who = f"{client.peer or 'the client'} is in no trusted network, and nobody has logged in"
    return f"{who}; {sender} needs one of: {_listed(mailbox.policy.proof)}"
