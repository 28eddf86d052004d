"""Which carriers a text may take. Pure: rules on values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.model.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A named way out: carriers in the order in which they are tried.

    Its name is the lane its texts queue in.
    """

    name: str
    carriers: tuple[str, ...]

    def next_after(self, carrier: str) -> str:
        """Return the carrier to ask after one that surely did not send; after the last, the first again."""
        return self.carriers[(self._place(carrier) + 1) % len(self.carriers)]

    def is_last(self, carrier: str) -> bool:
        """Whether every carrier has had its turn with this one, so that waiting comes before the next try."""
        return self._place(carrier) == len(self.carriers) - 1

    def rounds(self, attempt: int) -> int:
        """Return how many times all the carriers were tried, this try included; the first round counts at once."""
        return max(1, attempt // len(self.carriers))

    def _place(self, carrier: str) -> int:
        # One that the route has no more counts as the last: the next try begins at the front.
        return self.carriers.index(carrier) if carrier in self.carriers else len(self.carriers) - 1


class Router:
    """Chooses a route for a number."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Keep the routes, in order. Raises :exc:`ConfigError` when there is none."""
        if not routes:
            reason = "no carrier is configured; add a [carriers.NAME] table"
            raise ConfigError(reason)
        self._routes = {route.name: route for route in routes}
        self._default = routes[0]

    @property
    def lanes(self) -> tuple[str, ...]:
        """The names of all routes."""
        return tuple(self._routes)

    def choose(self, number: str) -> Route:  # noqa: ARG002 - prefixes and weights come with the real carriers
        """Return the route for a number in E.164."""
        return self._default

    def named(self, lane: str) -> Route:
        """Return the route of a lane."""
        return self._routes[lane]
