"""Logs and metrics: what the operator sees. Message ids and masked numbers only; never a text, never a secret."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable

_DEPENDENCIES_QUIET = (
    "mail.log",
    "aiosmtpd",
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "alembic",
    "httpx",
    "asyncio",
)


class _Sink:
    """A stream that may fail: what a full disk or a closed pipe does not take is lost, and nothing else with it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._at_once = any(getattr(stream, how, False) for how in ("line_buffering", "write_through"))

    def write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line)
            if not self._at_once:
                self._stream.flush()

    def flush(self) -> None:
        """Do nothing: each line went out when it was written."""


def get_logger(name: str) -> Any:
    """Return the logger of a module: ``log.info("what happened", key=value)``."""
    return structlog.get_logger(name, logger_name=name)


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=repr)


def _encoded(event: Any, **_options: Any) -> str:
    # One encoder for all lines: json.dumps makes a new one whenever it is given an option.
    return _ENCODER.encode(event)


def _as_json(logger: Any, method: str, event: Any) -> str:
    """Return the line of an event: what was said, the level, the time. One step, for there is a line for every text."""
    event["level"] = method
    event["timestamp"] = datetime.now(tz=UTC).isoformat().replace("+00:00", "Z")
    return _ENCODER.encode(
        structlog.processors.format_exc_info(logger, method, event) if "exc_info" in event else event
    )


def configure_logging(level: str = "info", form: str = "auto") -> None:
    """Send all logs to stderr, one line each: as JSON, or as coloured text on a terminal (``auto`` decides)."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    # The console renderer formats tracebacks by itself; the plain form shows no values of variables.
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    render: list[Callable[..., Any]] = (
        [console] if as_text else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_encoded)]
    )
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, console] if as_text else [_as_json],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=_Sink(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in _DEPENDENCIES_QUIET:
        # Their debug and info lines hold bodies, addresses and passwords; a warning of aiosmtpd's any client's words.
        logging.getLogger(name).setLevel(logging.ERROR if name == "mail.log" else logging.WARNING)


class Metrics:
    """The bridge's own counters. One object per process, so that a test has its own."""

    def __init__(self) -> None:
        """Register everything in a registry of its own."""
        self.registry = CollectorRegistry()
        self.accepted = Counter(
            "smsbridge_accepted",
            "Texts (one per recipient) taken and durable.",
            ["door"],
            registry=self.registry,
        )
        self.duplicates = Counter(
            "smsbridge_duplicates",
            "Recipients answered from an earlier submission with the same key.",
            ["door"],
            registry=self.registry,
        )
        self.collapsed = Counter(
            "smsbridge_collapsed",
            "Texts taken and not sent, for one alike went out.",
            ["door"],
            registry=self.registry,
        )
        self.digests = Counter(
            "smsbridge_digests",
            "Digests of alike texts, by what became of them.",
            ["outcome"],
            registry=self.registry,
        )
        self.refused = Counter(
            "smsbridge_refused",
            "Recipients or submissions refused.",
            ["door", "reason"],
            registry=self.registry,
        )
        self.logins = Counter(
            "smsbridge_logins",
            "Logins of programs, by result.",
            ["result"],
            registry=self.registry,
        )
        self.outcomes = Counter(
            "smsbridge_sends",
            "Calls of a carrier, by outcome.",
            ["carrier", "outcome"],
            registry=self.registry,
        )
        self.carrier_up = Gauge(
            "smsbridge_carrier_up",
            "Whether a carrier takes texts, as its last sends tell.",
            ["carrier"],
            registry=self.registry,
        )
        self.reports = Counter(
            "smsbridge_reports",
            "Reports of carriers, by state.",
            ["carrier", "state"],
            registry=self.registry,
        )
        self.carrier_calls = Counter(
            "smsbridge_carrier_calls",
            "Calls of upstreams, by what came of them.",
            ["carrier", "result"],
            registry=self.registry,
        )
        self.callbacks = Counter(
            "smsbridge_callbacks",
            "Calls of customers' programs, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self.accept_seconds = Histogram(
            "smsbridge_accept_seconds",
            "From the end of a submission to its durable answer.",
            ["door"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self.registry,
        )
        self.latency_seconds = Histogram(
            "smsbridge_latency_seconds",
            "From acceptance to the carrier's first acceptance.",
            ["carrier"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600),
            registry=self.registry,
        )
