"""What a sender may ask for besides the text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import BridgeError, InvalidRequest, InvalidTime
from bridge.model.mail_policy import STANDARD, Option
from bridge.model.message import Priority
from bridge.model.when import SENDTIME_FORMS, SendtimeForm, parse_sendtime
from smtp.options import LONGEST_VALUE, NONE, Options, check_allowed, join, read_options

ALL = STANDARD.options

TAKEN: dict[str, tuple[list[tuple[str, str | None]], Options]] = {
    "nothing": ([], Options()),
    "a name": ([("from", "ACME")], Options(sender="ACME")),
    "a name with spaces": ([("from", " ACME Ltd ")], Options(sender="ACME Ltd")),
    "a number as name": ([("from", "+972502345678")], Options(sender="+972502345678")),
    "a time": ([("at", "20261224T0930")], Options(send_at="20261224T0930")),
    "minutes from now": ([("at", "+90")], Options(send_at="+90")),
    "flash": ([("flash", None)], Options(flash=True)),
    "test": ([("test", None)], Options(test=True)),
    "a level": ([("priority", "high")], Options(priority=Priority.HIGH)),
    "the lowest level": ([("priority", "bulk")], Options(priority=Priority.BULK)),
    "in capitals": ([("FROM", "ACME"), ("Priority", "URGENT")], Options(sender="ACME", priority=Priority.URGENT)),
    "all": (
        [("from", "ACME"), ("flash", None), ("at", "2026-12-24 09:30"), ("test", None), ("priority", "normal")],
        Options(sender="ACME", flash=True, send_at="2026-12-24 09:30", test=True, priority=Priority.NORMAL),
    ),
}


@pytest.mark.parametrize(("written", "options"), TAKEN.values(), ids=TAKEN)
def test_taken(written: list[tuple[str, str | None]], options: Options) -> None:
    """Each option in each of its forms, and several in any order."""
    assert read_options(written, allowed=ALL) == options
    assert read_options(reversed(written), allowed=ALL) == options
    assert options.asked() == {Option(name.lower()) for name, _ in written}


REFUSED: dict[str, tuple[list[tuple[str, str | None]], type[BridgeError], str]] = {
    "no option": ([("colour", "red")], InvalidRequest, "no such option; there are from, at, flash, test, priority"),
    "no name at all": ([("", None)], InvalidRequest, "no such option"),
    "letters that fold to an option's": ([("flaſh", None)], InvalidRequest, "no such option"),
    "twice": ([("flash", None), ("flash", None)], InvalidRequest, "the option flash stands twice"),
    "twice, in capitals": ([("from", "ACME"), ("From", "Shop")], InvalidRequest, "the option from stands twice"),
    "no value": ([("from", None)], InvalidRequest, "the option from needs a value, as in from=ACME"),
    "an empty value": ([("at", " ")], InvalidRequest, "the option at needs a value"),
    "a value too many": ([("flash", "yes")], InvalidRequest, "the option flash has no value"),
    "an empty value too many": ([("test", "")], InvalidRequest, "the option test has no value"),
    "a value too long": ([("from", "x" * (LONGEST_VALUE + 1))], InvalidRequest, "the option from has up to 64"),
    "a line end": ([("from", "AC\r\nME")], InvalidRequest, "none of them a control"),
    "half a surrogate pair": ([("from", "AC\udcffME")], InvalidRequest, "none of them a control"),
    "no level": ([("priority", "highest")], InvalidRequest, "the option priority is one of bulk, normal, high, urgent"),
    "a number for a level": ([("priority", "3")], InvalidRequest, "the option priority is one of"),
    "no time": ([("at", "tomorrow")], InvalidTime, "cannot be read as a time: write 2026-12-24T09:30:00+02:00"),
    "a time with more behind it": ([("at", "20261224T0930x")], InvalidTime, "cannot be read as a time"),
}


@pytest.mark.parametrize(("written", "error", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(written: list[tuple[str, str | None]], error: type[BridgeError], reason: str) -> None:
    """What is wrong is refused with what is allowed; no name that is none and no value comes back."""
    with pytest.raises(error) as caught:
        read_options(written, allowed=ALL)
    assert type(caught.value) is error
    assert reason in caught.value.reason
    assert not any(word in caught.value.reason for word in ("colour", "red", "tomorrow", "highest", "Shop"))


@pytest.mark.parametrize("option", Option)
def test_not_allowed(option: Option) -> None:
    """An option that the mailbox may not use refuses the mail, wherever it was read; the others go on."""
    asked: list[tuple[str, str | None]] = [
        ("from", "ACME"),
        ("at", "+90"),
        ("flash", None),
        ("test", None),
        ("priority", "high"),
    ]
    with pytest.raises(InvalidRequest, match=f"the option {option} is not allowed for this mailbox"):
        read_options(asked, allowed=ALL - {option})
    whole = read_options(asked, allowed=ALL)
    with pytest.raises(InvalidRequest, match=f"the option {option} is not allowed"):
        check_allowed(whole, ALL - {option})
    rest = read_options([each for each in asked if each[0] != option], allowed=ALL - {option})
    assert rest.asked() == ALL - {option}
    check_allowed(NONE, frozenset())


@pytest.mark.parametrize("form", SENDTIME_FORMS, ids=lambda form: form.meaning)
def test_every_form_of_a_time_is_taken(form: SendtimeForm) -> None:
    """What an option takes for a time is what the rules read as one."""
    assert read_options([("at", form.example)], allowed=ALL).send_at == form.example
    parse_sendtime(form.example, zone=UTC, now=datetime(2026, 12, 1, tzinfo=UTC))


def test_joined() -> None:
    """Two places of one mail may ask for different things, or for the same; not for two things at once."""
    one = Options(sender="ACME", flash=True)
    other = Options(send_at="+90", test=True, priority=Priority.BULK)
    both = Options(sender="ACME", flash=True, send_at="+90", test=True, priority=Priority.BULK)
    assert join(one, other) == both == join(other, one)
    assert join(one, one) == one
    assert join(NONE, one) is one
    assert join(one, NONE) is one
    for first, second, name in (
        (one, Options(sender="Shop"), "from"),
        (other, Options(send_at="+91"), "at"),
        (other, Options(priority=Priority.NORMAL), "priority"),
    ):
        with pytest.raises(InvalidRequest, match=f"the option {name} stands twice, and not with the same value"):
            join(first, second)


@given(
    st.lists(
        st.tuples(st.sampled_from([*Option, "FROM", "x"]) | st.text(max_size=8), st.none() | st.text(max_size=70)),
        max_size=7,
    )
)
def test_any_options(written: list[tuple[str, str | None]]) -> None:
    """Whatever is asked for, there are options or a refusal."""
    try:
        options = read_options(written, allowed=ALL)
    except (InvalidRequest, InvalidTime):
        return
    assert len(options.asked()) == len(written)
