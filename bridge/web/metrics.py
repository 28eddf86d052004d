"""``/metrics``: the counters of this process, and what waits in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.routing import Route

from bridge.model.errors import StoreUnavailable
from bridge.store import gauges
from bridge.web.answers import PLAIN
from bridge.web.cached import Cached

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import CollectorRegistry, Metric
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from bridge.doors import Services
    from bridge.store.engine import Store

_MAX_AGE = 5.0
"""Seconds for which the numbers from the database are good. Below any usual scrape interval."""


class MetricsPage:
    """Serves the registry. Between :meth:`open` and :meth:`close` the registry has process metrics, too."""

    def __init__(self, services: Services, *, max_age: float = _MAX_AGE) -> None:
        """Prepare."""
        self._registry: CollectorRegistry = services.metrics.registry
        self._waiting = Waiting(services.store, max_age=max_age)
        self._collectors: list[Collector] = []

    def open(self) -> None:
        """Add what is read at each scrape to the registry."""
        registry = self._registry
        # The first three put themselves into the registry.
        self._collectors = [
            ProcessCollector(registry=registry),
            PlatformCollector(registry=registry),
            GCCollector(registry=registry),
            self._waiting,
        ]
        registry.register(self._waiting)

    def close(self) -> None:
        """Take it out again."""
        for collector in self._collectors:
            self._registry.unregister(collector)
        self._collectors.clear()

    def routes(self) -> Sequence[BaseRoute]:
        """Return ``/metrics``, in the format that the scraper asks for."""
        return (Route("/metrics", self._scrape),)

    async def _scrape(self, request: Request) -> Response:
        await self._waiting.refresh()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={**PLAIN, "content-type": content_type})


class Waiting(Collector):
    """The gauges that come from the database. Without it there is ``smsbridge_store_up 0`` in their place."""

    def __init__(self, store: Store, *, max_age: float) -> None:
        """Prepare; nothing is known yet."""
        self._store = store
        self._cached = Cached(self._read, max_age=max_age)
        self._known: tuple[gauges.Waiting, int] | None = None

    async def refresh(self) -> None:
        """Ask the database, unless it was asked a moment ago."""
        try:
            self._known = await self._cached.get()
        except (StoreUnavailable, TimeoutError):
            self._known = None

    def describe(self) -> Iterable[Metric]:
        """Name nothing: the registry would have to ask for values before there are any."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield the values of the last :meth:`refresh`."""
        yield GaugeMetricFamily(
            "smsbridge_store_up", "Whether the database answers.", value=float(self._known is not None)
        )
        if self._known is None:
            return
        waiting, now = self._known
        age = 0.0 if waiting.oldest is None else max(0.0, (now - waiting.oldest) / 1000)
        yield GaugeMetricFamily("smsbridge_queued", "Texts that wait to be sent.", value=waiting.queued)
        yield GaugeMetricFamily("smsbridge_sending", "Texts that a carrier is being given.", value=waiting.sending)
        yield GaugeMetricFamily(
            "smsbridge_oldest_queued_seconds", "How long the oldest waiting text has waited.", value=age
        )

    def _read(self) -> tuple[gauges.Waiting, int]:
        with self._store.read() as connection:
            return gauges.waiting(connection), self._store.now(connection)
