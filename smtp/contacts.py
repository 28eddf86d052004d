"""Whom a name in an address stands for: the account's contacts, groups and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.model.contacts import Listing
from bridge.model.errors import InvalidRequest, TooManyRecipients

if TYPE_CHECKING:
    from bridge.calls.desk import Desk
    from smtp.address import Destination

_SPACES: Final = str.maketrans("._", "  ")


async def resolve(desk: Desk, account_id: int, meant: Destination, *, room: int, most: int) -> tuple[str, ...]:
    """Return the numbers (E.164) of a destination, each once; one that the mail itself lists has none.

    A dot or an underscore in a name is itself or a space, whichever the account knows. A mail has ``most`` recipients
    at most, and ``room`` for these.

    Raises :exc:`~bridge.model.errors.UnknownRecipient`; :exc:`TooManyRecipients` for a group that another mail has
    room for, :exc:`InvalidRequest` for one that none has; :exc:`~bridge.model.errors.StoreUnavailable`.
    """
    names = [] if meant.number else spellings(meant)
    try:
        numbers = await desk.numbers_of(account_id, names, limit=most) if names else _own(meant)
    except TooManyRecipients as error:
        raise InvalidRequest(f"the group has more than {most} numbers, and one mail no more recipients") from error
    if len(numbers) > room:
        raise TooManyRecipients(f"At most {most} recipients in one mail; send the rest in another")
    return numbers


def _own(meant: Destination) -> tuple[str, ...]:
    return (meant.number,) if meant.number else ()


def spellings(meant: Destination) -> list[str]:
    """Return the ways to look for a name, in the form of :func:`bridge.model.contacts.split_listing`."""
    for name, kind in (
        (meant.name, ""),
        (meant.contact, f"{Listing.CONTACT}:"),
        (meant.group, f"{Listing.GROUP}:"),
        (meant.tag, f"{Listing.TAG}:"),
    ):
        if name:
            return [f"{kind}{spelling}" for spelling in dict.fromkeys((name, name.translate(_SPACES)))]
    return []
