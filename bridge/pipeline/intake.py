"""The one way in: what a door does with a submission."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bridge.clock import system_clock
from bridge.model.errors import AccountDisabled, BridgeError, StoreUnavailable
from bridge.pipeline.accept import accept
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

    from bridge.clock import Clock
    from bridge.model.errors import Refusal
    from bridge.model.message import Receipt, Submission
    from bridge.pipeline.accept import Plan, Rules
    from bridge.pipeline.commit import Writer
    from bridge.pipeline.digests import Digests
    from bridge.pipeline.snapshot import Snapshot
    from bridge.telemetry import Metrics

_log = get_logger(__name__)

_MANY: Final = 1000
"""Recipients from which on the rules are asked in a thread: ten thousand long texts take seconds."""


class Intake:
    """Takes submissions from the doors: asks the rules, commits, answers. ``snapshot`` is who may send."""

    def __init__(
        self,
        *,
        writer: Writer,
        snapshot: Snapshot,
        rules: Rules,
        metrics: Metrics,
        digests: Digests | None = None,
        clock: Clock = system_clock,
    ) -> None:
        """Put the parts together."""
        self._writer = writer
        self.snapshot = snapshot
        self.rules = rules
        self._metrics = metrics
        self._digests = digests
        self._clock = clock
        self._doors: dict[str, tuple[Counter, Histogram]] = {}

    def plan(self, submission: Submission) -> Plan:
        """Return what would be committed. Raises a :exc:`~bridge.model.errors.Refusal`."""
        return accept(submission, directory=self.snapshot.directory, rules=self.rules, now=self._clock())

    async def submit(self, submission: Submission, *, authentication_results: str | None = None) -> Receipt:
        """Take a submission; when this returns, it survives any crash.

        ``authentication_results`` are for the log: how its sender was believed, in the words of RFC 8601.

        What is wrong with a recipient is in its result; all may be refused. Raises a
        :exc:`~bridge.model.errors.Refusal` for what is wrong with the whole of it, a
        :exc:`~bridge.model.errors.Trouble` when we cannot take it now.
        """
        began = self._clock()
        door = submission.door
        try:
            plan = await self._plan(submission)
            if self._digests is not None and plan.collapse is not None and not plan.test:
                await self._digests.end_before(plan)
            receipt = await self._writer.submit(plan)
        except StoreUnavailable:
            self._metrics.refused.labels(door, StoreUnavailable.code).inc()
            raise
        except BridgeError as error:
            self.refused(door, error)
            raise
        told = {} if authentication_results is None else {"authentication_results": authentication_results}
        self._tell(submission, receipt, told, seconds=(self._clock() - began).total_seconds())
        return receipt

    def _tell(self, submission: Submission, receipt: Receipt, more: dict[str, str], *, seconds: float) -> None:
        """Count and log what became of a submission."""
        door = submission.door
        codes = [result.refusal.code for result in receipt.results if result.refusal is not None]
        taken = [result for result in receipt.results if result.refusal is None]
        duplicates = sum(result.duplicate for result in taken)
        collapsed = sum(result.collapsed_into is not None for result in taken)
        for code in codes:
            self._metrics.refused.labels(door, code).inc()
        accepted, accept_seconds = self._of_door(door)
        if not submission.test:
            accepted.inc(len(taken) - duplicates - collapsed)
            if collapsed:
                self._metrics.collapsed.labels(door).inc(collapsed)
        if duplicates:
            self._metrics.duplicates.labels(door).inc(duplicates)
        accept_seconds.observe(seconds)
        told: dict[str, object] = {
            "id": receipt.message_id,
            "account": submission.account_id,
            "door": door,
            "recipients": len(receipt.results),
            "duplicates": duplicates,
        }
        if collapsed:
            told["collapsed"] = collapsed
        if codes:
            told |= {"refused": len(codes), "codes": sorted(set(codes))}
        told |= more
        if submission.test:
            told["test"] = True
        _log.info("accepted" if receipt.message_id is not None else "refused", **told)

    def _of_door(self, door: str) -> tuple[Counter, Histogram]:
        """Return a door's own metrics, looked up once: prometheus_client takes longer to find them than to count."""
        known = self._doors.get(door)
        if known is None:
            known = self._metrics.accepted.labels(door), self._metrics.accept_seconds.labels(door)
            self._doors[door] = known
        return known

    async def _plan(self, submission: Submission) -> Plan:
        try:
            return await self._planned(submission)
        except AccountDisabled:  # or made, or switched on, after the snapshot was taken
            await self.snapshot.renew()
            return await self._planned(submission)

    async def _planned(self, submission: Submission) -> Plan:
        if len(submission.recipients) < _MANY:
            return self.plan(submission)
        return await asyncio.to_thread(self.plan, submission)

    def refused(self, door: str, error: Refusal | BridgeError) -> None:
        """Count what a door refused by itself, before there was a submission."""
        self._metrics.refused.labels(door, error.code).inc()
