"""Which carriers a text may take, and in which order. Pure: rules on values.

A route says for which texts it is (:class:`Match`) and which carriers it has. The first one that fits takes the text.
Its carriers are asked in order; where some have weights, each text draws its own order among these. The draw hangs on
the text's id alone, so every try of a text sees the same order, on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from bridge.model.errors import ConfigError, NoRoute
from bridge.model.message import Priority
from bridge.model.numbers import country_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_DIGEST = 8
_SPAN = 1 << 8 * _DIGEST


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """What a route is chosen by. ``number`` is E.164, ``account`` a name, ``sender`` what the phone will show."""

    number: str
    account: str = ""
    sender: str | None = None
    priority: Priority = Priority.NORMAL


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """For which texts a route is. What is empty asks for nothing; of each list one has to fit.

    ``prefixes`` are digits without ``+``, ``countries`` ISO 3166, ``senders`` in lower case.
    """

    prefixes: tuple[str, ...] = ()
    countries: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    senders: frozenset[str] = frozenset()
    priority: Priority = Priority.BULK

    def everything(self) -> bool:
        """Whether it asks for nothing at all."""
        return self == _EVERYTHING

    def fits(self, traits: Traits) -> bool:
        """Whether a text of such traits is one of these."""
        return next(self.against(traits), None) is None

    def against(self, traits: Traits) -> Iterator[str]:
        """Yield each reason why a text does not fit, a few words each."""
        if self.prefixes and not traits.number[1:].startswith(self.prefixes):
            yield f"the number begins with none of {', '.join(self.prefixes)}"
        if self.countries and (country := country_of(traits.number)) not in self.countries:
            yield f"the number is of {country or 'no single country'}, not of {', '.join(sorted(self.countries))}"
        if self.accounts and traits.account not in self.accounts:
            yield f"the account is not {' or '.join(sorted(self.accounts))}"
        if self.senders and (traits.sender or "").casefold() not in self.senders:
            yield f"the sender is not {' or '.join(sorted(self.senders))}"
        if traits.priority < self.priority:
            yield f"the priority is below {self.priority.name.lower()}"


_EVERYTHING = Match()


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A named way out. Its name is the lane its texts queue in.

    ``carriers`` stand in the order in which they are tried. Those with ``weights`` come first for a share of the texts
    that is as large as their weight; the others take over in their order when all of these had their turn.
    """

    name: str
    carriers: tuple[str, ...]
    weights: Mapping[str, int] = field(default_factory=dict)
    match: Match = _EVERYTHING

    def order(self, name: str, share: Mapping[str, float] | None = None) -> tuple[str, ...]:
        """Return the carriers in the order in which the text of that id asks them.

        ``share`` cuts weights, 1 leaves them: a carrier that falls loses texts, and no text moves between the others.
        """
        if not self.weights:
            return self.carriers
        drawn = sorted(
            self.weights,
            key=lambda carrier: _draw(name, carrier) / (self.weights[carrier] * (share or {}).get(carrier, 1.0)),
        )
        return (*drawn, *(carrier for carrier in self.carriers if carrier not in self.weights))

    def after(self, carrier: str, name: str, resting: Collection[str] = ()) -> str | None:
        """Return the carrier to ask after one that surely did not send, or None when all had their turn.

        Those that rest have none. A carrier that the route has no more counts as the last one.
        """
        order = self.order(name)
        place = order.index(carrier) if carrier in order else len(order)
        return next((one for one in order[place + 1 :] if one not in resting), None)

    def rounds(self, attempt: int) -> int:
        """Return how many times all the carriers were tried, this try included; the first round counts at once."""
        return max(1, attempt // len(self.carriers))


def _draw(name: str, carrier: str) -> float:
    """Return an exponentially distributed number: the least of several, each divided by a weight, falls by weight."""
    digest = blake2b(f"{carrier}\0{name}".encode(), digest_size=_DIGEST).digest()
    return -math.log((int.from_bytes(digest) + 1) / (_SPAN + 1))


class Router:
    """Chooses a route for a text."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Keep the routes, in order. Raises :exc:`ConfigError` when there is none."""
        if not routes:
            reason = "no carrier is configured; add a [carriers.NAME] table"
            raise ConfigError(reason)
        self.routes = tuple(routes)
        self._by_name = {route.name: route for route in routes}
        self._only = routes[0] if routes[0].match.everything() else None

    @property
    def lanes(self) -> tuple[str, ...]:
        """The names of all routes."""
        return tuple(self._by_name)

    def choose(
        self, number: str, *, account: str = "", sender: str | None = None, priority: Priority = Priority.NORMAL
    ) -> Route:
        """Return the first route that fits a text to a number in E.164. Raises :exc:`NoRoute` when none does."""
        if self._only is not None:
            return self._only
        traits = Traits(number=number, account=account, sender=sender, priority=priority)
        for route in self.routes:
            if route.match.fits(traits):
                return route
        raise NoRoute("no carrier takes texts to that number")

    def named(self, lane: str) -> Route:
        """Return the route of a lane."""
        return self._by_name[lane]
