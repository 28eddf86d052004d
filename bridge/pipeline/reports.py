"""News from carriers: reports move a text's state by the table, and texts from phones become events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from bridge.model.errors import InternalError
from bridge.model.message import recipient_id
from bridge.model.state import State, may_move
from bridge.pipeline.inbound import Words, keep
from bridge.pipeline.retry import first_ask
from bridge.store import early, events, reports
from bridge.store.queue import printable
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from bridge.model.message import Inbound, Report
    from bridge.pipeline.commit import Writer
    from bridge.store.engine import Connection, Store
    from bridge.store.queue import Change
    from bridge.store.reports import Reported
    from bridge.telemetry import Metrics

_log = get_logger(__name__)

_MOST_IDLE = 10
"""Reports without effect that are kept of one text. A carrier may repeat itself for ever."""
_LONGEST_RAW = 4_000
_CAUGHT_UP = 1_000
_KEPT_FOR = 72 * 3_600_000
_MOST_KEPT = 200_000
_CROSSED_FOR = 3_600_000
_FORGOTTEN_AT_ONCE = 2_000
"""In one transaction, for which everybody else who writes waits."""

_WENT_OUT = frozenset({State.SENT, State.DELIVERED})

WITHOUT_EFFECT = "without effect"
UNKNOWN_YET = "text not known"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of news: reports that moved a text, that changed nothing, that wait for their text to be known.

    ``inbound`` are texts from phones, ``broken`` reports and texts that could not be kept; the log says why.
    """

    moved: int = 0
    idle: int = 0
    early: int = 0
    inbound: int = 0
    broken: int = 0
    counted: Counter[tuple[str, str]] = field(default_factory=Counter, repr=False)

    def __add__(self, other: Taken) -> Taken:
        """Return both together."""
        return Taken(
            moved=self.moved + other.moved,
            idle=self.idle + other.idle,
            early=self.early + other.early,
            inbound=self.inbound + other.inbound,
            broken=self.broken + other.broken,
            counted=self.counted + other.counted,
        )


class News:
    """The :class:`~bridge.carriers.base.Sink` of this process."""

    def __init__(
        self,
        *,
        store: Store,
        writer: Writer,
        metrics: Metrics,
        words: Words | None = None,
        asked: Collection[str] = (),
    ) -> None:
        """Put the parts together; ``words`` close and open numbers, ``asked`` are carriers that can be asked."""
        self._store = store
        self._writer = writer
        self._metrics = metrics
        self._words = words or Words()
        self._asked = frozenset(asked)

    async def report(self, report: Report) -> None:
        """Apply a report, and return once that is durable. Raises a :exc:`~bridge.model.errors.Trouble`.

        One that names no text we know of may have overtaken the answer of its send: it is kept for that.
        """
        if (await self.take([report])).broken:
            raise InternalError("internal error")

    async def inbound(self, inbound: Inbound) -> None:
        """Keep a text from a phone. Raises a :exc:`~bridge.model.errors.Trouble`."""
        if (await self.take((), [inbound])).broken:
            raise InternalError("internal error")

    async def take(self, brought: Sequence[Report], inbounds: Sequence[Inbound] = ()) -> Taken:
        """Apply many reports and keep many texts from phones, and return once all that is durable.

        One that breaks is counted, and stops no other. Raises a :exc:`~bridge.model.errors.Trouble` where none could
        be kept.
        """
        if not brought and not inbounds:
            return Taken()
        taken = await self._together(brought, inbounds)
        for (carrier, became), count in taken.counted.items():
            self._metrics.reports.labels(carrier, became).inc(count)
        return taken

    async def _together(self, brought: Sequence[Report], inbounds: Sequence[Inbound]) -> Taken:
        try:
            return await self._writer.run(partial(self._write, brought=brought, inbounds=inbounds))
        except InternalError:
            if len(brought) + len(inbounds) > 1:
                taken = Taken()
                for report in brought:
                    taken += await self._together([report], ())
                for inbound in inbounds:
                    taken += await self._together((), [inbound])
                return taken
            one: Report | Inbound = brought[0] if brought else inbounds[0]
            _log.error("news given up", carrier=one.carrier, id=one.carrier_id, reason="it cannot be written")
            return Taken(broken=1)

    def _write(self, connection: Connection, *, brought: Sequence[Report], inbounds: Sequence[Inbound]) -> Taken:
        now = self._store.now(connection)
        became = apply(connection, brought, now=now, asked=self._asked)
        unknown = [report for report, moved in zip(brought, became, strict=True) if moved is None]
        early.keep(connection, unknown, now=now)
        for inbound in inbounds:
            keep(connection, inbound=inbound, words=self._words, now=now)
        names = {True: "", False: WITHOUT_EFFECT, None: UNKNOWN_YET}
        return Taken(
            moved=became.count(True),
            idle=became.count(False),
            early=len(unknown),
            inbound=len(inbounds),
            counted=Counter(
                (report.carrier, names[moved] or report.state) for report, moved in zip(brought, became, strict=True)
            ),
        )


def apply(
    connection: Connection, brought: Sequence[Report], *, now: int, asked: Collection[str] = ()
) -> list[bool | None]:
    """Move the texts that reports name, in their order. Says of each whether it moved its text, None for no text.

    Moves that the table does not allow are those of late, double and out-of-order reports; they change nothing. A
    text that waits for another try because its answer was lost counts as unknown: the report says what became of it.
    So does one that waits because its carrier said "not now", if that carrier reports that it went out all the same:
    another try would be a second text.
    ``asked`` are the carriers that are asked about texts which have no end yet.
    """
    if not brought:
        return []
    became: list[bool | None] = []
    standing: dict[tuple[str, int], State] = {}
    moves: dict[tuple[str, int], tuple[Reported, Report, int | None]] = {}
    idle: list[tuple[Reported, Report]] = []
    news: list[events.NewEvent] = []
    for report, found in zip(brought, reports.find(connection, brought), strict=True):
        if found is None:
            became.append(None)
            continue
        before = standing.get(found.key) or _before(found, report)
        moved = may_move(before, report.state)
        became.append(moved)
        if not moved:
            idle.append((found, report))
            continue
        standing[found.key] = report.state
        moves[found.key] = found, report, first_ask(now) if report.carrier in asked else None
        data = {"carrier": report.carrier, "at": report.at.isoformat(), "raw": report.raw}
        news.append((found.account_id, report.state, found.message_id, found.position, data))
    reports.move(connection, moves.values(), now=now)
    if idle:
        news += _kept(connection, idle, {key: report for key, (_, report, _) in moves.items()})
    events.add(connection, news, now=now)
    return became


def catch_up(connection: Connection, changes: Iterable[Change], *, now: int) -> None:
    """Apply the reports that overtook the answers of their sends; costs one look where none did."""
    if not early.kept(connection):
        return
    texts = [
        (change.carrier, change.carrier_id, recipient_id(change.message_id, change.position))
        for change in changes
        if change.carrier is not None and change.state in {State.SENT, State.UNKNOWN}
    ]
    _settle(connection, early.on(connection, texts), now=now)


def look_again(connection: Connection, *, now: int) -> int:
    """Apply reports of the last hour whose texts are known by now. Returns how many.

    Two processes on one database may write a report and the answer of its send at the same time, and not see each
    other's. What is older has been looked at often enough, and may be very much.
    """
    if not early.kept(connection):
        return 0
    found = early.known(connection, since=now - _CROSSED_FOR, limit=_CAUGHT_UP)
    _settle(connection, found, now=now)
    return len(found)


def forget_early(connection: Connection, *, now: int) -> bool:
    """Forget reports that waited too long for their texts, and the oldest of too many: a batch. Says if it was full."""
    limit = _FORGOTTEN_AT_ONCE
    return early.forget(connection, before=now - _KEPT_FOR, most=_MOST_KEPT, limit=limit) == limit


def _settle(connection: Connection, found: Sequence[early.Early], *, now: int) -> None:
    became = apply(connection, [one.report for one in found], now=now)
    done = [one.id for one, moved in zip(found, became, strict=True) if moved is not None]
    if done:
        early.drop(connection, done)


def _before(found: Reported, report: Report) -> State:
    went_out = found.attempts > 0 and report.state in _WENT_OUT
    return State.UNKNOWN if found.state is State.QUEUED and (found.in_doubt or went_out) else found.state


def _kept(
    connection: Connection, idle: Sequence[tuple[Reported, Report]], moved: dict[tuple[str, int], Report]
) -> list[events.NewEvent]:
    """Return the events that keep reports without effect: none for a mere double, and few for each text."""
    seen = {(key, report.state, report.raw) for key, report in moved.items()}
    fresh = []
    for found, report in idle:
        said = (found.key, report.state, report.raw)
        if said not in seen and (report.state, printable(report.raw) or "") != (found.state, found.raw or ""):
            seen.add(said)
            fresh.append((found, report))
    if not fresh:
        return []
    room = Counter({found.key: _MOST_IDLE for found, _ in fresh})
    room.subtract(reports.idle(connection, {found.message_id for found, _ in fresh}))
    kept: list[events.NewEvent] = []
    for found, report in fresh:
        room[found.key] -= 1
        if room[found.key] >= 0:
            data = {
                "carrier": report.carrier,
                "state": report.state,
                "at": report.at.isoformat(),
                "raw": report.raw[:_LONGEST_RAW],
            }
            kept.append((found.account_id, reports.REPORT, found.message_id, found.position, data))
    return kept
