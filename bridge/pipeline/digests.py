"""The one text that is sent for many when a window is over, and the window that follows it.

The digest and the end of its window are one transaction, under the lock of the account: whatever dies, and however
many processes look, each window has one digest. It is a text like any other of its mailbox, and asked of every rule.
What only bars it for now (a limit, credit, hours, a text before it that has not left itself) holds the window open, and
the digest goes out later with all that came meanwhile; what bars it for good ends the window, and an event says so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from bridge.model.alike import digest
from bridge.model.errors import Refusal
from bridge.model.message import Addressee, Submission, recipient_id
from bridge.model.moment import from_ms, to_ms
from bridge.model.state import State
from bridge.pipeline.accept import accept
from bridge.pipeline.commit import take
from bridge.pipeline.storms import passing
from bridge.store import events, ledger, storms
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bridge.model.account import Directory
    from bridge.model.errors import BridgeError
    from bridge.pipeline.accept import Plan, Rules
    from bridge.pipeline.commit import Writer
    from bridge.pipeline.snapshot import Snapshot
    from bridge.store.engine import Connection, Store
    from bridge.store.storms import Key, Latest, Target, Window
    from bridge.telemetry import Metrics

_log = get_logger(__name__)

DIGEST: Final = "digest"
"""The kind of event that tells of a digest: on itself, or, when it was refused, on the last text it was for."""
SENT, HELD, REFUSED = "sent", "held", "refused"

_AT_ONCE: Final = 500
_AGAIN: Final = 60_000
"""Milliseconds until a digest that was held is tried again; sooner in shorter windows."""
_WAITS: Final = frozenset({State.SCHEDULED, State.QUEUED, State.SENDING})


class Digests:
    """Ends windows of a store."""

    def __init__(self, *, store: Store, writer: Writer, snapshot: Snapshot, rules: Rules, metrics: Metrics) -> None:
        """Put the parts together."""
        self._store = store
        self._writer = writer
        self._snapshot = snapshot
        self._rules = rules
        self._metrics = metrics

    async def end_over(self) -> int:
        """Send the digests of windows that are over. Returns how many. Raises what the writer does."""
        sent = 0
        while True:
            found = await self._writer.run(partial(self._over, directory=self._snapshot.directory))
            if found is None:
                return sent
            looked, ended = found
            self._count(ended)
            sent += ended[SENT]
            if looked < _AT_ONCE:
                return sent

    async def end_before(self, plan: Plan) -> None:
        """Send the digests that a submission's texts end, so that they stand before these. Raises as the writer."""
        if targets := passing(plan):
            work = partial(self._before, targets=targets, directory=self._snapshot.directory)
            self._count(await self._writer.run(work))

    def _over(self, connection: Connection, *, directory: Directory) -> tuple[int, Counter[str]] | None:
        # None where nothing was written: to the writer any other answer is a sign that the database can be.
        now = self._store.now(connection)
        if not (keys := storms.over(connection, now=now, limit=_AT_ONCE)):
            return None
        return len(keys), end(connection, keys, directory=directory, rules=self._rules, now=now)

    def _before(self, connection: Connection, *, targets: Sequence[Target], directory: Directory) -> Counter[str]:
        now = self._store.now(connection)
        keys = storms.pending(connection, targets)
        return end(connection, keys, directory=directory, rules=self._rules, now=now, recovered=True)

    def _count(self, ended: Counter[str]) -> None:
        for outcome, count in ended.items():
            self._metrics.digests.labels(outcome).inc(count)
        if ended:
            _log.info("storms told", sent=ended[SENT], held=ended[HELD], refused=ended[REFUSED])


def end(
    connection: Connection,
    keys: Collection[Key],
    *,
    directory: Directory,
    rules: Rules,
    now: int,
    recovered: bool = False,
) -> Counter[str]:
    """End those of the windows that are over, in the caller's write transaction; ``now`` is the database's time.

    A window with something in it sends its digest, and the next begins with that. Once ``recovered``, windows end
    whatever their time is, and none follows. Returns how many digests were sent, held and refused.
    """
    if not keys:
        return Counter()
    ledger.lock(connection, {key.account_id for key in keys})
    # Another process may have been here while we waited for the lock.
    found = {key: one for key, one in storms.read(connection, keys).items() if recovered or one.ends_at <= now}
    ends = _Ends(now, recovered=recovered)
    due = ends.due(found)
    latest = storms.latest(connection, due)
    plans: dict[Key, Plan] = {}
    for key, window in due.items():
        if key not in latest:
            ends.gone.add(key)  # the texts themselves are gone
            continue
        try:
            submission = _submission(key, window, latest[key], directory)
            plan = accept(submission, directory=directory, rules=rules, now=from_ms(now))
        except Refusal as refusal:
            ends.refuse(key, window, refusal)
            continue
        if any(to_ms(one.due_at) > now for one in plan.recipients):
            ends.hold(key, window)  # hours forbid it
        else:
            plans[key] = plan
    for key, receipt in zip(plans, take(connection, list(plans.values()), now=now), strict=True):
        if receipt.refusal is not None:
            ends.refuse(key, found[key], receipt.refusal)
        else:
            ends.send(key, found[key], receipt.message_id or "")
    storms.write(connection, ends.open)
    storms.forget(connection, ends.gone)
    events.add(connection, ends.told, now=now)
    return ends.outcomes


class _Ends:
    """What becomes of windows: those that go on or follow, those that are gone, and what is told of them."""

    def __init__(self, now: int, *, recovered: bool) -> None:
        self._now = now
        self._recovered = recovered
        self.open: dict[Key, Window] = {}
        self.gone: set[Key] = set()
        self.told: list[events.NewEvent] = []
        self.outcomes: Counter[str] = Counter()

    def due(self, found: Mapping[Key, Window]) -> dict[Key, Window]:
        """Return the windows whose digest may go out; of the others, say what becomes of them."""
        due = {}
        for key, window in found.items():
            if not window.count:
                self.gone.add(key)
            elif window.state in _WAITS and not self._recovered:
                self.hold(key, window)  # the digests of a night without a carrier would all leave in the morning
            else:
                due[key] = window
        return due

    def send(self, key: Key, window: Window, message_id: str) -> None:
        """Note that a digest is on its way."""
        self.outcomes[SENT] += 1
        self._tell(key, message_id, 1, _data(window))
        if self._recovered:
            self.gone.add(key)
        else:
            ends_at = self._now + window.span
            self.open[key] = storms.Window(message_id=message_id, position=1, span=window.span, ends_at=ends_at)

    def hold(self, key: Key, window: Window) -> None:
        """Keep a window open for a while more."""
        self.outcomes[HELD] += 1
        self.open[key] = replace(window, ends_at=self._now + min(window.span, _AGAIN))

    def refuse(self, key: Key, window: Window, refusal: BridgeError) -> None:
        """End a window whose digest may not go out, unless it may later."""
        if refusal.temporary:
            self.hold(key, window)
            return
        self.outcomes[REFUSED] += 1
        self.gone.add(key)
        data = {**_data(window), "code": refusal.code, "refused": refusal.reason}
        self._tell(key, window.last_id, window.last_position, data)

    def _tell(self, key: Key, message_id: str | None, position: int | None, data: Mapping[str, object]) -> None:
        self.told.append((key.account_id, DIGEST, message_id, position, data))


def _submission(key: Key, window: Window, latest: Latest, directory: Directory) -> Submission:
    zone = directory.account(key.account_id).rules.zone
    since, until = window.first_at or 0, window.last_at or 0
    return Submission(
        account_id=key.account_id,
        door=latest.door,
        origin=key.origin,
        recipients=(Addressee(number=key.number),),
        text=digest(latest.text, window.count, since=since, until=until, zone=zone),
        sender=latest.sender,
        proof=latest.proof,
        reference=window.head,
        callback_url=latest.callback_url,
        flash=latest.flash,
        priority=latest.priority,
    )


def _data(window: Window) -> dict[str, object]:
    last = None if window.last_id is None else recipient_id(window.last_id, window.last_position or 1)
    return {"count": window.count, "after": window.head, "last": last}
