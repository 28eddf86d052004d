"""What a sender may ask for besides the text: in the address, behind the number, or in the subject.

Each option is a name and, for some, a value::

    from=ACME        the name that the text comes from
    at=TIME          when it leaves, in any form of bridge.model.when.SENDTIME_FORMS
    priority=LEVEL   bulk, normal, high or urgent
    flash            shown at once, kept by no phone
    test             asked of every rule, and not sent

Names and levels may be in capitals. No reason repeats a value or a name that is none: a secret may have gone astray.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.model.errors import InvalidRequest, InvalidTime
from bridge.model.mail_policy import Option
from bridge.model.message import Priority
from bridge.model.when import SENDTIME_FORMS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

LONGEST_VALUE: Final = 64
"""Characters of a value: more than any name or time has."""

_LEVELS: Final = {level.name.lower(): level for level in Priority}
_BARE: Final = frozenset({Option.FLASH, Option.TEST})
_KNOWN: Final = frozenset(Option)


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The same for all recipients of a mail.

    ``sender`` is the name that the text comes from, ``send_at`` in any form of
    :func:`bridge.model.when.parse_sendtime`.
    """

    sender: str | None = None
    send_at: str | None = None
    flash: bool = False
    test: bool = False
    priority: Priority | None = None

    def asked(self) -> frozenset[Option]:
        """Return which options were given."""
        given = {
            Option.FROM: self.sender is not None,
            Option.AT: self.send_at is not None,
            Option.FLASH: self.flash,
            Option.TEST: self.test,
            Option.PRIORITY: self.priority is not None,
        }
        return frozenset(option for option, is_given in given.items() if is_given)


NONE = Options()


def read_options(written: Iterable[tuple[str, str | None]], *, allowed: Collection[Option]) -> Options:
    """Return what names with their values ask for; None is an option without any value.

    Raises :exc:`InvalidRequest` for a name that is none, that stands twice or is not ``allowed``, and for a bad value;
    :exc:`InvalidTime` for a time in no known form. Whether the time is over, and the name approved, is asked later.
    """
    found: dict[Option, str] = {}
    for name, value in written:
        option = _option(name)
        if option in found:
            raise InvalidRequest(f"the option {option} stands twice")
        found[option] = _value(option, value)
    options = Options(
        sender=found.get(Option.FROM),
        send_at=found.get(Option.AT),
        flash=Option.FLASH in found,
        test=Option.TEST in found,
        priority=_LEVELS[found[Option.PRIORITY]] if Option.PRIORITY in found else None,
    )
    check_allowed(options, allowed)
    return options


def check_allowed(options: Options, allowed: Collection[Option]) -> None:
    """Refuse an option that the mailbox may not use. Raises :exc:`InvalidRequest`."""
    if options is NONE:
        return
    for option in sorted(options.asked()):
        if option not in allowed:
            raise InvalidRequest(f"the option {option} is not allowed for this mailbox")


def join(first: Options, second: Options) -> Options:
    """Return what two places of one mail ask for together.

    Raises :exc:`InvalidRequest` where both ask for one thing, and not for the same.
    """
    if first is NONE or second is NONE:
        return second if first is NONE else first
    for option, one, other in (
        (Option.FROM, first.sender, second.sender),
        (Option.AT, first.send_at, second.send_at),
        (Option.PRIORITY, first.priority, second.priority),
    ):
        if one is not None and other is not None and one != other:
            raise InvalidRequest(f"the option {option} stands twice, and not with the same value")
    return Options(
        sender=second.sender if first.sender is None else first.sender,
        send_at=second.send_at if first.send_at is None else first.send_at,
        flash=first.flash or second.flash,
        test=first.test or second.test,
        priority=second.priority if first.priority is None else first.priority,
    )


def _option(name: str) -> Option:
    lower = name.lower()
    if lower not in _KNOWN:
        raise InvalidRequest(f"no such option; there are {', '.join(Option)}")
    return Option(lower)


def _value(option: Option, value: str | None) -> str:
    """Return a value in the form it is read in."""
    if option in _BARE:
        if value is not None:
            raise InvalidRequest(f"the option {option} has no value")
        return ""
    text = (value or "").strip()
    if not text:
        raise InvalidRequest(f"the option {option} needs a value, as in {_EXAMPLES[option]}")
    if len(text) > LONGEST_VALUE or not text.isprintable():
        raise InvalidRequest(f"the option {option} has up to {LONGEST_VALUE} characters, none of them a control")
    if option is Option.PRIORITY and text.lower() not in _LEVELS:
        raise InvalidRequest(f"the option {option} is one of {', '.join(_LEVELS)}")
    if option is Option.AT and not any(form.pattern.fullmatch(text) for form in SENDTIME_FORMS):
        *most, last = (form.example for form in SENDTIME_FORMS)
        raise InvalidTime(f"the option {option} cannot be read as a time: write {', '.join(most)} or {last}")
    return text.lower() if option is Option.PRIORITY else text


_EXAMPLES: Final = {Option.FROM: "from=ACME", Option.AT: "at=20261224T0930", Option.PRIORITY: "priority=high"}
