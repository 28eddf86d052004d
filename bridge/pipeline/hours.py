"""The hours in which a text may leave: those of its account, and those of its country."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.errors import QuietHours
from bridge.model.numbers import country_of
from bridge.model.when import release

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bridge.model.account import Account
    from bridge.model.message import Priority
    from bridge.pipeline.accept import Rules


def may_leave(wanted: datetime, country: str | None, priority: Priority, *, account: Account, rules: Rules) -> datetime:
    """Return when a text to a country may leave that is to leave at a time: then, or after the hours that forbid it."""
    own = account.rules
    quiet = [rule for rule in (own.quiet, rules.quiet.get(country or "")) if rule is not None]
    if not quiet and own.open is None:
        return wanted
    passes = own.quiet_passes is not None and priority >= own.quiet_passes
    return release(wanted, quiet=quiet, windows=() if own.open is None else (own.open,), passes=passes)


def check_leave(
    wanted: datetime, numbers: Iterable[str], priority: Priority, *, account: Account, rules: Rules
) -> None:
    """Raise :exc:`QuietHours` where a text may not leave at a time; it is not held, for somebody named that time."""
    if not rules.quiet and account.rules.quiet is None and account.rules.open is None:
        return
    for country in {country_of(number) for number in numbers}:
        free = may_leave(wanted, country, priority, account=account, rules=rules)
        if free > wanted:
            raise QuietHours(f"nothing is sent then; from {local_time(free, account)}")


def local_time(moment: datetime, account: Account) -> str:
    """Write a time to the minute, in an account's zone."""
    return moment.astimezone(account.rules.zone).isoformat(timespec="minutes")
