"""What an operator sets for one account: a frozen value, and the table of how each setting is written. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bridge.model.limits import Limit, parse_limits
from bridge.model.message import Priority
from bridge.model.numbers import known_region
from bridge.model.price import parse_credit, show_credit
from bridge.model.when import Open, Quiet, parse_hours, parse_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MOST_PARTS = 20
_MOST_RECIPIENTS = 100_000
_YES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountRules:
    """The settings of an account; each says in its own words what it is when nothing was set."""

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    """Where its days begin, its quiet hours count, and times without an offset are read."""
    countries: frozenset[str] | None = None
    """The countries that it sends to; None for all."""
    limits: tuple[Limit, ...] = ()
    """Texts of the account in a time."""
    mailbox_limits: tuple[Limit, ...] = ()
    """Texts of each of its mailboxes in a time."""
    spend_per_day: int | None = None
    """Thousandths of a credit from midnight to midnight."""
    max_recipients: int | None = None
    """Recipients in one submission; None leaves it to the operator's bound."""
    max_parts: int | None = None
    """Parts of one text; None leaves it to the operator's bound."""
    quiet: Quiet | None = None
    """Hours in which nothing leaves."""
    quiet_holds: bool = True
    """Whether a text waits for the end of quiet hours, or is refused."""
    quiet_passes: Priority | None = Priority.URGENT
    """The priority from which quiet hours do not hold; None when they hold for all."""
    open: Open | None = None
    """Hours outside which nothing leaves."""
    transactional: bool = False
    """Whether its texts go also to who asked for no more: codes, receipts, alarms."""
    refund_cancelled: bool = True
    """Whether cancelling a text that has not left gives its price back."""


def written(rules: AccountRules) -> dict[str, str]:
    """Return the settings that differ from the default, as they are written."""
    standard = AccountRules()
    return {
        name: _FORMS[name][1](value) for name in _FORMS if (value := getattr(rules, name)) != getattr(standard, name)
    }


def read(settings: Mapping[str, str]) -> AccountRules:
    """Return the rules that settings say; raises ValueError for the first that is wrong.

    The zone is read first, for quiet hours count in it.
    """
    rules = AccountRules()
    for name in sorted(settings, key=lambda name: name != "zone"):
        rules = change(rules, name, settings[name])
    return rules


def change(rules: AccountRules, name: str, value: str) -> AccountRules:
    """Return the rules with one setting changed; an empty value sets the default.

    Raises ValueError that says what is allowed.
    """
    if name not in _FORMS:
        message = f"no setting is named {name}; there is {', '.join(_FORMS)}"
        raise ValueError(message)
    if not value.strip():
        found = getattr(AccountRules(), name)
    else:
        try:
            found = _FORMS[name][0](value.strip(), rules.zone)
        except Exception as error:
            message = f"{name}: {getattr(error, 'reason', None) or error}"
            raise ValueError(message) from error
    changed = replace(rules, **{name: found})
    if name == "zone":
        # Hours are kept as they are written, and count in the new zone.
        for hours in ("quiet", "open"):
            if (kept := getattr(changed, hours)) is not None:
                changed = change(changed, hours, _FORMS[hours][1](kept))
    return changed


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _yes(value: str, _zone: ZoneInfo) -> bool:
    if value.lower() not in _YES:
        raise ValueError("write true or false")
    return _YES[value.lower()]


def _countries(value: str, _zone: ZoneInfo) -> frozenset[str]:
    codes = [code.upper() for code in _listed(value)]
    if not codes:
        raise ValueError("country codes with commas between them: IL,US; an empty value allows all")
    for code in codes:
        if not known_region(code):
            message = f"{code} is no ISO 3166 country code"
            raise ValueError(message)
    return frozenset(codes)


def _quiet(value: str, zone: ZoneInfo) -> Quiet | None:
    windows = parse_hours(value)
    return Quiet(windows=windows, zone=zone) if windows else None


def _hours(value: Quiet | Open) -> str:
    return "; ".join(map(str, value.windows))


def _limits(value: str, _zone: ZoneInfo) -> tuple[Limit, ...]:
    return parse_limits(_listed(value))


def _number(least: int, most: int) -> Callable[[str, ZoneInfo], int]:
    def read_number(value: str, _zone: ZoneInfo) -> int:
        if not (value.isascii() and value.isdigit()) or not least <= int(value) <= most:
            message = f"a number from {least} to {most}"
            raise ValueError(message)
        return int(value)

    return read_number


def _priority(value: str, _zone: ZoneInfo) -> Priority | None:
    if value.lower() == "none":
        return None
    try:
        return Priority[value.upper()]
    except KeyError:
        message = f"one of none, {', '.join(each.name.lower() for each in Priority)}"
        raise ValueError(message) from None


def _credit(value: str, _zone: ZoneInfo) -> int:
    amount = parse_credit(value)
    if amount < 0:
        raise ValueError("not below zero")
    return amount


def _joined(value: Any) -> str:
    return ",".join(str(each) for each in value)


def _flag(value: bool) -> str:  # noqa: FBT001 - it is the value
    return "true" if value else "false"


_FORMS: dict[str, tuple[Callable[[str, ZoneInfo], Any], Callable[[Any], str]]] = {
    "zone": (lambda value, _: parse_zone(value), str),
    "countries": (_countries, lambda value: _joined(sorted(value))),
    "limits": (_limits, _joined),
    "mailbox_limits": (_limits, _joined),
    "spend_per_day": (_credit, show_credit),
    "max_recipients": (_number(1, _MOST_RECIPIENTS), str),
    "max_parts": (_number(1, _MOST_PARTS), str),
    "quiet": (_quiet, _hours),
    "quiet_holds": (_yes, _flag),
    "quiet_passes": (_priority, lambda value: "none" if value is None else value.name.lower()),
    "open": (lambda value, zone: Open(windows=parse_hours(value), zone=zone), _hours),
    "transactional": (_yes, _flag),
    "refund_cancelled": (_yes, _flag),
}
NAMES = tuple(_FORMS)
"""The names of all settings."""
assert set(NAMES) == {each.name for each in fields(AccountRules)}  # noqa: S101 - every setting can be written
