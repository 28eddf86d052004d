"""The rules that need the database's word: storms, opt-outs, limits, credit. Asked in the transaction that commits.

The accounts of a batch are locked first, in the order of their ids; so whatever runs at once, in this process or in
another, no limit is passed and no credit is spent twice. What is read once for the whole batch is then counted in
memory, submission by submission and recipient by recipient, in their order.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bridge.model.errors import BridgeError, NoCredit, OptedOut, RateLimited, SpendLimited
from bridge.model.limits import exceeded
from bridge.model.moment import from_ms
from bridge.model.quota import window
from bridge.model.state import State
from bridge.pipeline.storms import Storms
from bridge.store import conversations, ledger, opt_outs, usage
from bridge.store.usage import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from bridge.model.limits import Limit
    from bridge.model.message import Recipient
    from bridge.pipeline.accept import Plan
    from bridge.store.engine import Connection

_ACCOUNT = "account"
_SPEND = "spend"
_MAILBOX = "from "
"""Before an origin, so that none is called as the other two."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What of a plan is new: the recipients that no key answers."""

    plan: Plan
    recipients: Sequence[Recipient]


@dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """What of an :class:`Asked` may go on, and by position why the others may not.

    ``kept`` are those of the admitted that are not sent, each with the recipient id of the text that stands for it.
    ``credit`` is what the account has left after it, in thousandths; None where its texts are only counted.
    """

    admitted: tuple[Recipient, ...]
    refused: dict[int, BridgeError]
    kept: dict[int, str] = field(default_factory=dict)
    credit: int | None = None


@dataclass(slots=True)
class _Counts:
    """What is used already: as the database says, and as this batch adds to it."""

    purses: dict[int, ledger.Purse]
    windows: dict[Window, int]
    times: dict[tuple[str, int], list[int]]
    opted_out: set[tuple[str, int]]
    storms: Storms | None
    added: defaultdict[Window, int] = field(default_factory=lambda: defaultdict(int))
    texted: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)


def admit(connection: Connection, asked: Sequence[Asked], *, now: int) -> list[Admission]:
    """Ask the rules for each submission in turn, and write down what those that are taken use up.

    A submission that is all or nothing is refused whole when one of its recipients is. One that is only a test is
    asked like any other and uses up nothing.
    """
    if not asked:
        return []
    moment = from_ms(now)
    spans: dict[tuple[timedelta, ZoneInfo], tuple[int, int]] = {}
    quotas = [_windows(each.plan, moment, spans) for each in asked]
    pairs = [(one.number, each.plan.message.account_id) for each in asked for one in each.recipients]
    counts = _Counts(
        purses=ledger.lock(connection, {each.plan.message.account_id for each in asked}),
        windows=usage.read(connection, {known for windows in quotas for known, _ in windows}),
        times=conversations.times(connection, pairs) if any(each.plan.quota.number for each in asked) else {},
        opted_out=opt_outs.among(connection, set(pairs)),
        storms=_storms(connection, asked, now),
    )
    admissions = [_one(each, windows, counts, now) for each, windows in zip(asked, quotas, strict=True)]
    usage.add(connection, counts.added)
    conversations.note(
        connection,
        [
            (number, account, now, message_id, position, counts.times.get((number, account), ()))
            for (number, account), (message_id, position) in counts.texted.items()
        ],
    )
    ledger.reserve(connection, _reserved(asked, admissions), now=now)
    if counts.storms is not None:
        counts.storms.write()
    return admissions


def _one(asked: Asked, windows: Sequence[tuple[Window, Limit | None]], counts: _Counts, now: int) -> Admission:
    plan = asked.plan
    trial = _Trial(plan, windows, counts, now)
    storms = counts.storms
    admitted: list[Recipient] = []
    refused: dict[int, BridgeError] = {}
    kept: dict[int, str] = {}
    for one in asked.recipients:
        if storms is not None and (head := storms.head(plan, one)) is not None:
            kept[one.position] = head
            admitted.append(replace(one, state=State.CANCELLED, price=0))
            continue
        refusal = trial.refusal(one)
        if refusal is None:
            trial.use(one)
            admitted.append(one)
        else:
            refused[one.position] = refusal
    if refused and plan.all_or_nothing:
        first = next(iter(refused.values()))
        refused = {one.position: refused.get(one.position, first) for one in asked.recipients}
        admitted, kept = [], {}
    elif not plan.test:
        trial.keep()
        if storms is not None:
            storms.note(plan, admitted, kept)
    purse = counts.purses[plan.message.account_id]
    credit = None if purse.limit is None else purse.balance
    return Admission(admitted=tuple(admitted), refused=refused, kept=kept, credit=credit)


def _storms(connection: Connection, asked: Sequence[Asked], now: int) -> Storms | None:
    """Return the windows that the submissions are about, None where they are about none: most are."""
    texts = [(each.plan, one) for each in asked if each.plan.collapse is not None for one in each.recipients]
    return Storms(connection, texts, now=now) if texts else None


class _Trial:
    """One submission against the counts: what it uses is its own until :meth:`keep`."""

    def __init__(self, plan: Plan, windows: Sequence[tuple[Window, Limit | None]], counts: _Counts, now: int) -> None:
        self._plan = plan
        self._windows = windows
        self._counts = counts
        self._now = now
        self._account = plan.message.account_id
        # What no recipient of this submission changes is looked up once.
        self._used = [(known, limit, counts.windows.get(known, 0)) for known, limit in windows]
        self._purse = counts.purses[self._account]
        longest = max((limit.span for limit in plan.quota.number), default=timedelta(0))
        self._since = now - longest // timedelta(milliseconds=1)
        self._texts = 0
        self._spent = 0
        self._times: dict[str, list[int]] = {}
        self._texted: dict[str, int] = {}

    def refusal(self, one: Recipient) -> BridgeError | None:
        """Return why a recipient may not have the text, or None."""
        quota = self._plan.quota
        if not quota.transactional and (one.number, self._account) in self._counts.opted_out:
            return OptedOut("the recipient asked for no more texts")
        if quota.number and (over := exceeded(self._recent(one.number), quota.number, self._now)) is not None:
            return RateLimited(f"more than {over.limit} to this number; again in {over.wait_seconds} s")
        for known, limit, used in self._used:
            if limit is None:
                most = quota.spend_per_day
                if most is not None and used + self._spent + one.price > most:
                    return SpendLimited(f"the account's spend for the day is reached; {self._again(known)}")
            elif used + self._texts + 1 > limit.count:
                whose = "this account" if known.subject == _ACCOUNT else "this mailbox"
                return RateLimited(f"more than {limit} from {whose}; {self._again(known)}")
        purse = self._purse
        if purse.limit is not None and purse.balance - self._spent - one.price < purse.limit:
            return NoCredit("the account's credit does not cover the text")
        return None

    def use(self, one: Recipient) -> None:
        """Count a recipient that may have the text."""
        self._texts += 1
        self._spent += one.price
        self._texted[one.number] = one.position
        if self._plan.quota.number:
            self._recent(one.number).append(self._now)

    def keep(self) -> None:
        """Make what was used everybody's."""
        counts = self._counts
        for known, limit in dict(self._windows).items():
            amount = self._spent if limit is None else self._texts
            counts.windows[known] = counts.windows.get(known, 0) + amount
            counts.added[known] += amount
        self._purse.balance -= self._spent
        for number, position in self._texted.items():
            counts.texted[number, self._account] = (self._plan.message.id, position)
        for number, times in self._times.items():
            counts.times[number, self._account] = times

    def _recent(self, number: str) -> list[int]:
        """Return when the number was texted within the longest of the limits' spans."""
        recent = self._times.get(number)
        if recent is None:
            known = self._counts.times.get((number, self._account), ())
            recent = self._times[number] = [at for at in known if at > self._since]
        return recent

    def _again(self, known: Window) -> str:
        return f"again in {max(1, -((self._now - known.ends) // 1000))} s"


def _windows(
    plan: Plan, moment: datetime, spans: dict[tuple[timedelta, ZoneInfo], tuple[int, int]]
) -> list[tuple[Window, Limit | None]]:
    """Return the windows that a submission counts in, each with its limit; spend has none of texts.

    ``spans`` keeps start and end of what was worked out for others of the batch already.
    """
    quota, account, zone = plan.quota, plan.message.account_id, plan.zone

    def within(span: timedelta) -> tuple[int, int]:
        known = spans.get((span, zone))
        if known is None:
            known = spans[span, zone] = window(moment, span, zone)
        return known

    found: list[tuple[Window, Limit | None]] = [
        (Window(account, subject, *within(limit.span)), limit)
        for subject, limits in ((_ACCOUNT, quota.account), (f"{_MAILBOX}{plan.message.origin}", quota.mailbox))
        for limit in limits
    ]
    if quota.spend_per_day is not None:
        found.append((Window(account, _SPEND, *within(_DAY)), None))
    return found


def _reserved(asked: Sequence[Asked], admissions: Iterable[Admission]) -> list[tuple[int, str, int]]:
    """Return what is reserved, as (account, message, amount in thousandths)."""
    return [
        (each.plan.message.account_id, each.plan.message.id, total)
        for each, admission in zip(asked, admissions, strict=True)
        if not each.plan.test and (total := sum(one.price for one in admission.admitted))
    ]
