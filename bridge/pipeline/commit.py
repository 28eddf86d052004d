"""The one writer: a thread that puts all waiting work into one transaction, then answers each.

Submissions and other changes (claims, outcomes, reports) wait in one line. The thread takes all that wait,
runs them in ONE transaction, and answers after its commit; while that commit is on its way to the disk, the
next ones gather. It is woken when the event loop has been through all that came in, not at the first of it. So the
cost of a commit is shared by as many as are there, and nobody waits for a timer.

Each submission succeeds or fails alone: when a shared transaction breaks, it is rolled back and each is tried
in a transaction of its own. A database that cannot be written fails them all at once, and no sender is told
otherwise.
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bridge.model.errors import BridgeError, InternalError, Stopping, StoreUnavailable
from bridge.model.message import Receipt, Result, recipient_id
from bridge.model.state import State
from bridge.pipeline.admit import Asked, admit
from bridge.pipeline.order import in_order
from bridge.pipeline.storms import tell
from bridge.store import events, submissions
from bridge.store.engine import DatabaseError, is_race, name_of
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bridge.pipeline.accept import Plan
    from bridge.pipeline.admit import Admission
    from bridge.store.engine import Connection, Store

T = TypeVar("T")

_log = get_logger(__name__)

_MOST_ROWS = 20_000
"""Recipients in one transaction, at most by one submission more: bounds its time and memory."""


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[T]
    weight: int


@dataclass(slots=True, eq=False)
class _Submit(_Job[Receipt]):
    plan: Plan


@dataclass(slots=True, eq=False)
class _Change(_Job[Any]):
    change: Callable[[Connection], Any]


class Writer:
    """The thread that owns all writing of this process.

    ``on_commit`` is called in the thread after a commit that queued new texts.
    """

    def __init__(self, store: Store, *, on_commit: Callable[[], None] | None = None) -> None:
        """Prepare; :meth:`start` begins."""
        self._store = store
        self._waiting: deque[_Submit | _Change] = deque()
        self._gate = threading.Lock()
        self._bell = threading.Event()
        self._rings_next: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._trouble: StoreUnavailable | None = None
        self.on_commit = on_commit

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def trouble(self) -> StoreUnavailable | None:
        """Why the last transaction failed, or None when it did not."""
        return self._trouble

    def submit(self, plan: Plan) -> asyncio.Future[Receipt]:
        """Commit a plan. The future gives the receipt once it is durable.

        It raises :exc:`StoreUnavailable` or another :exc:`Trouble`; then nothing of the plan is kept, unless
        the database went away in the middle of its commit, in which case the plan's keys find it again.
        """
        loop = asyncio.get_running_loop()
        job = _Submit(loop=loop, future=loop.create_future(), weight=len(plan.recipients), plan=plan)
        self._put(job)
        return job.future

    def run(self, change: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Run a change in the next transaction; the future gives its result once that is durable.

        The change may be run twice, in another transaction, when the first was rolled back for somebody
        else's fault: it must do nothing but use its connection.
        """
        loop = asyncio.get_running_loop()
        job = _Change(loop=loop, future=loop.create_future(), weight=1, change=change)
        self._put(job)
        return job.future

    async def stop(self, *, seconds: float | None = None) -> None:
        """Finish all that waits, then end the thread. What comes later is refused with :exc:`Stopping`.

        A database that does not answer within ``seconds`` is not waited for: who waits for it gets no answer.
        """
        with self._gate:
            self._closing = True
        self._bell.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, seconds)

    def _put(self, job: _Submit | _Change) -> None:
        with self._gate:
            if self._closing:
                reason = "the bridge is stopping"
                raise Stopping(reason)
            self._waiting.append(job)
        if self._rings_next is not job.loop:
            self._rings_next = job.loop
            job.loop.call_soon(self._ring)

    def _ring(self) -> None:
        self._rings_next = None
        self._bell.set()

    def _run(self) -> None:
        while jobs := self._next():
            try:
                answers = self._commit(jobs)
            except Exception as error:  # noqa: BLE001 - a bug must not end the thread that all writing hangs on
                _log.exception("writer failed")
                trouble = InternalError("internal error")
                trouble.__cause__ = error
                answers = [(job, None, trouble) for job in jobs]
            _answer(answers)

    def _next(self) -> list[_Submit | _Change]:
        """Wait for jobs and return all there are, within the bound; none once the writer has nothing more to do."""
        jobs: list[_Submit | _Change] = []
        weight = 0
        closing = False
        while not jobs and not closing:
            self._bell.wait()
            self._bell.clear()
            # Asked before the jobs are: none comes after it.
            closing = self._closing
            while self._waiting and weight <= _MOST_ROWS:
                jobs.append(self._waiting.popleft())
                weight += jobs[-1].weight
            if self._waiting or closing:
                self._bell.set()
        return jobs

    def _commit(self, jobs: list[_Submit | _Change], *, again: bool = False) -> list[_Answer]:
        try:
            answers = self._transaction(jobs)
        except StoreUnavailable as error:
            self._note(error)
            return [(job, None, error) for job in jobs]
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to one of the jobs
            if len(jobs) > 1:
                return [answer for job in jobs for answer in self._commit([job])]
            if not again and isinstance(error, DatabaseError):
                return self._commit(jobs, again=True)  # another process took the key, and has it now
            return [(jobs[0], None, _own_trouble(error))]
        # A change that answers nothing may have written nothing: that much a full disk takes.
        if any(isinstance(job, _Submit) or result for job, result, _ in answers):
            self._note(None)
        if any(isinstance(job, _Submit) for job in jobs):
            self._tell()
        return answers

    def _tell(self) -> None:
        if self.on_commit is None:
            return
        try:
            self.on_commit()
        except Exception:  # noqa: BLE001 - what is durable is answered so, whoever listens
            _log.exception("listener failed")

    def _transaction(self, jobs: list[_Submit | _Change]) -> list[_Answer]:
        submits = [job for job in jobs if isinstance(job, _Submit)]
        with self._store.write() as connection:
            receipts = self._take(connection, [job.plan for job in submits]) if submits else []
            changed: list[_Answer] = [(job, job.change(connection), None) for job in jobs if isinstance(job, _Change)]
        return [*((job, receipt, None) for job, receipt in zip(submits, receipts, strict=True)), *changed]

    def _take(self, connection: Connection, plans: list[Plan]) -> list[Receipt]:
        return take(connection, plans, now=self._store.now(connection))

    def _note(self, trouble: StoreUnavailable | None) -> None:
        if trouble is not None and (self._trouble is None or self._trouble.code != trouble.code):
            _log.error("store failed", code=trouble.code, reason=trouble.reason)
        elif trouble is None and self._trouble is not None:
            _log.info("store recovered")
        self._trouble = trouble


_Answer = tuple["_Submit | _Change", Any, "BaseException | None"]


def take(connection: Connection, plans: Sequence[Plan], *, now: int) -> list[Receipt]:
    """Insert what of the plans is new and has nothing against it, in the caller's transaction.

    Returns a receipt for each plan; ``now`` is the database's time. A plan with a key that an earlier one of the
    batch has is looked at after that one, for its answer hangs on whether the earlier was taken.
    """
    receipts: dict[int, Receipt] = {}
    waiting = list(enumerate(plans))
    while waiting:
        taken = submissions.taken(connection, [key for _, plan in waiting for key in _keys(plan)])
        wave: list[tuple[int, Plan]] = []
        later: list[tuple[int, Plan]] = []
        seen: set[tuple[int, str]] = set()
        for place, plan in waiting:
            new = {key for key in _keys(plan) if key not in taken}
            (wave if seen.isdisjoint(new) else later).append((place, plan))
            seen |= new
        answers = _wave(connection, [plan for _, plan in wave], taken, now)
        receipts.update(zip((place for place, _ in wave), answers, strict=True))
        waiting = later
    return [receipts[place] for place in range(len(plans))]


def _wave(
    connection: Connection, plans: Sequence[Plan], taken: dict[tuple[int, str], tuple[str, int]], now: int
) -> list[Receipt]:
    plans = in_order(connection, plans)
    known = [_known(plan, taken) for plan in plans]
    asked = [
        Asked(plan=plan, recipients=[one for one in plan.recipients if one.id not in before])
        for plan, before in zip(plans, known, strict=True)
    ]
    admissions = admit(connection, asked, now=now)
    receipts = [_receipt(*each) for each in zip(plans, known, admissions, strict=True)]
    kept = [
        (plan, admission.admitted, receipt)
        for plan, admission, receipt in zip(plans, admissions, receipts, strict=True)
        if admission.admitted and not plan.test
    ]
    submissions.insert(connection, [(plan.message, admitted) for plan, admitted, _ in kept], now=now)
    collapsed = [
        (plan.message, each.kept) for plan, each in zip(plans, admissions, strict=True) if each.kept and not plan.test
    ]
    tell(connection, collapsed, now=now)
    events.add(connection, [event for plan, _, receipt in kept for event in _refusals(plan, receipt)], now=now)
    return receipts


def _refusals(plan: Plan, receipt: Receipt) -> Iterator[events.NewEvent]:
    """Yield an event for each recipient of a taken message who gets nothing: its sender has still to be told."""
    for one in receipt.results:
        if one.refusal is not None:
            data = {"number": one.number, "code": one.refusal.code, "reason": one.refusal.reason}
            yield plan.message.account_id, State.REFUSED, plan.message.id, None, data


def _keys(plan: Plan) -> list[tuple[int, str]]:
    return [(plan.message.account_id, one.key) for one in plan.recipients if one.key is not None]


def _known(plan: Plan, taken: dict[tuple[int, str], tuple[str, int]]) -> dict[str, str]:
    """Return by the ids of recipients that were taken before the ids under which they were."""
    if not taken:
        return {}
    account = plan.message.account_id
    return {
        one.id: recipient_id(*earlier)
        for one in plan.recipients
        if one.key is not None and (earlier := taken.get((account, one.key))) is not None
    }


def receipt_of(plan: Plan, admission: Admission) -> Receipt:
    """Return the receipt of a plan of which nothing was taken before."""
    return _receipt(plan, {}, admission)


def _receipt(plan: Plan, known: dict[str, str], admission: Admission) -> Receipt:
    results = plan.results
    if known or admission.refused or admission.kept:
        refused = {recipient_id(plan.message.id, position): error for position, error in admission.refused.items()}
        kept = {recipient_id(plan.message.id, position): head for position, head in admission.kept.items()}
        results = tuple(_result(one, known, refused, kept) for one in plan.results)
    if admission.admitted:
        message_id: str | None = plan.message.id
    else:
        message_id = next((first.rpartition("-")[0] for first in known.values()), None)
    return Receipt(message_id=message_id, results=results, credit=admission.credit)


def _result(result: Result, known: dict[str, str], refused: dict[str, BridgeError], kept: dict[str, str]) -> Result:
    own = result.recipient_id
    if own is None:
        return result
    if own in known:
        return replace(result, recipient_id=known[own], duplicate=True, state=None, parts=0, price=0, due_at=None)
    if own in refused:
        return Result(number=result.number, refusal=refused[own], duplicate=result.duplicate)
    if own in kept and not result.duplicate:
        return replace(result, state=State.CANCELLED, price=0, due_at=None, collapsed_into=kept[own])
    return result


def _own_trouble(error: Exception) -> Exception:
    if isinstance(error, BridgeError):
        return error
    if is_race(error):
        return StoreUnavailable("database: busy with the same rows")
    # What the driver says may repeat the rows it was given: texts and numbers stay out of the log.
    _log.error("transaction failed", error=name_of(error), stack="".join(traceback.format_tb(error.__traceback__)))
    trouble = InternalError("internal error")
    trouble.__cause__ = error
    return trouble


def _answer(answers: list[_Answer]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer[0].loop, []).append(answer)
    for loop, own in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, own)
        except RuntimeError:  # that loop is closed: nobody waits there any more
            _log.warning("answers without a listener", count=len(own))


def _settle(answers: list[_Answer]) -> None:
    for job, result, error in answers:
        if job.future.done():  # its waiter was cancelled: a client hung up before its answer
            continue
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)
