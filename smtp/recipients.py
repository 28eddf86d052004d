"""The recipients of one mail: taken one by one at RCPT, and answered together, or one by one, at its end."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bridge.model.errors import (
    BridgeError,
    InvalidRequest,
    ProofMissing,
    Refusal,
    TooManyRecipients,
    UnknownRecipient,
)
from smtp import options, replies
from smtp.address import domain_of, parse_phone, parse_recipient, redact_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.message import Receipt
    from smtp.address import Destination
    from smtp.house import House
    from smtp.standing import Standing
    from smtp.wire.parameters import MailParameters, RecipientParameters

_NO_PHONES: Final = "the mail lists no phones"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A recipient that was taken at RCPT: its address as it was written, and the numbers that it stands for.

    Of one that is ``listed`` the mail itself says the numbers. With a ``refusal`` it stands for none, which its sender
    is told only once it is proved.
    """

    address: str
    numbers: tuple[str, ...]
    listed: bool
    parameters: RecipientParameters
    refusal: Refusal | None = None


class Recipients:
    """Those of one mail. All of them ask for the same ``options``."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._taken: list[Taken] = []
        self._count = 0
        self.options = options.NONE

    def __len__(self) -> int:
        return len(self._taken)

    async def take(
        self,
        address: str,
        destination: Destination,
        standing: Standing,
        parameters: RecipientParameters,
        *,
        proved: bool,
    ) -> None:
        """Take one more. Raises a :exc:`Refusal`.

        Who is in the account's book is for its own people: to one who is not ``proved`` yet all names are good.
        """
        if self._taken and destination.options != self.options:
            raise TooManyRecipients("Its options differ from those of the one before; send it in another mail")
        hidden = destination.number is None and not destination.listed and not proved
        numbers: tuple[str, ...] = ()
        refusal = None
        try:
            numbers = await self._numbers(destination, standing, hidden=hidden)
        except Refusal as error:
            if not hidden or isinstance(error, TooManyRecipients):
                raise
            refusal = error
        self.options = destination.options
        self._count += 1 if hidden else len(numbers)
        self._taken.append(
            Taken(address=address, numbers=numbers, listed=destination.listed, parameters=parameters, refusal=refusal)
        )

    async def list_phones(self, phones: Sequence[str], standing: Standing) -> None:
        """Put the phones that the mail itself lists in the place of the address that says so."""
        address = next((taken.address for taken in self._taken if taken.listed), self._taken[0].address)
        place = domain_of(address, self._house.places)
        region = self._house.region_of(place, standing)
        numbers: dict[str, None] = {}
        for phone in phones:
            found = await self._numbers(parse_phone(phone, place=place, region=region), standing)
            self._count += len(found)
            numbers |= dict.fromkeys(found)
        self._taken = [replace(taken, numbers=tuple(numbers)) if taken.listed else taken for taken in self._taken]

    def numbers(self) -> list[str]:
        """Return the numbers of all. Raises :exc:`UnknownRecipient` when there is none."""
        found = [number for taken in self._taken for number in taken.numbers]
        if not found:
            raise UnknownRecipient(_NO_PHONES)
        return found

    def check_signed(self, covered: frozenset[str] | None, standing: Standing) -> None:
        """Refuse a mail that its signature alone proves, where To and Cc that it covers do not name all recipients.

        The options of an address belong to it. None is a mail that may go to anybody. Raises :exc:`ProofMissing`.
        """
        if covered is None:
            return
        signed = {address.lower() for address in covered}
        named = {self._named(address, standing) for address in signed}
        for taken in self._taken:
            if taken.address.lower() not in signed and not named.issuperset(
                (number, self.options) for number in taken.numbers
            ):
                raise ProofMissing(
                    "its signature is the only proof, and no To or Cc that it covers names this recipient"
                )

    def check_names(self, standing: Standing, *, each: bool) -> list[Refusal]:
        """Refuse a mail with a name that stands for nobody.

        Where ``each`` recipient is answered by itself the others may go on; returns why those do not that stay behind.
        """
        refusals = [taken.refusal for taken in self._taken if taken.refusal is not None]
        if refusals and (not each or len(refusals) == len(self._taken)):
            raise refusals[0]
        most = self._house.most(standing)
        if sum(len(taken.numbers) for taken in self._taken) > most:
            raise InvalidRequest(f"its names stand for more than {most} numbers, and one mail has no more recipients")
        return refusals

    def envelope(self, parameters: MailParameters | None) -> str | None:
        """Return what the envelope says of receipts, as JSON; None when it says nothing."""
        told: dict[str, Any] = {}
        if parameters is not None:
            told = {name: value for name in ("ret", "envid") if (value := getattr(parameters, name)) is not None}
        recipients = {
            number: {"notify": list(taken.parameters.notify), "orcpt": _shown(taken.parameters.orcpt)}
            for taken in self._taken
            if taken.parameters.notify or taken.parameters.orcpt is not None
            for number in taken.numbers
        }
        if recipients:
            told["recipients"] = recipients
        return json.dumps(told) if told else None

    def answers(self, receipt: Receipt, accepted: str) -> tuple[str, ...]:
        """Return a reply for each, by what became of its numbers."""
        refusals = {result.number: result.refusal for result in reversed(receipt.results)}
        told = []
        for taken in self._taken:
            own = [taken.refusal] if taken.refusal is not None else [refusals.get(number) for number in taken.numbers]
            # Who stands for many is answered as a mail to many is: good when it goes to any. One for whom the mail
            # should have listed phones, and lists none, stands for nobody.
            refusal = next(filter(None, own), UnknownRecipient(_NO_PHONES))
            told.append(accepted if None in own else replies.reply(refusal))
        return tuple(told)

    async def _numbers(self, destination: Destination, standing: Standing, *, hidden: bool = False) -> tuple[str, ...]:
        """Return the numbers of a destination. Raises TooManyRecipients when there is no room for them.

        How many are behind a name that is ``hidden`` is not looked at.
        """
        most = self._house.most(standing)
        room = most - self._count
        if hidden and room > 0:
            return await self._house.resolve(standing.account.id, destination, room=most, most=most)
        if destination.number is None and not destination.listed:
            return await self._house.resolve(standing.account.id, destination, room=room, most=most)
        if room < 1:
            raise TooManyRecipients(f"At most {most} recipients in one mail; send the rest in another")
        return () if destination.number is None else (destination.number,)

    def _named(self, address: str, standing: Standing) -> tuple[str | None, options.Options]:
        """Return the number that an address is of, and its options; no number for any other address."""
        try:
            place = domain_of(address, self._house.places)
            region = self._house.region_of(place, standing)
            meant = parse_recipient(address, places=self._house.places, region=region, policy=standing.mailbox.policy)
        except BridgeError:
            return None, options.NONE
        return meant.number, meant.options


def _shown(orcpt: str | None) -> str | None:
    """Return an original recipient as it may be kept: a key in the address is hidden."""
    return None if orcpt is None else redact_address(orcpt)
