"""The rules between a door and the store, at their edges.

Changes of the clock that the tests rely on: Europe/Berlin 2030-03-31 02:00 to 03:00 and 2030-10-27 03:00 to 02:00.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import rules as settings_of
from bridge.model.account import Account, Directory
from bridge.model.errors import (
    AccountDisabled,
    BridgeError,
    CountryRefused,
    InvalidTemplate,
    InvalidTime,
    MissingField,
    NoRoute,
    NoText,
    PastTime,
    QuietHours,
    Refusal,
    SenderName,
    SenderNotApproved,
    TextTooLong,
    TooManyRecipients,
)
from bridge.model.limits import parse_limits
from bridge.model.message import Addressee, Priority, Result, Submission
from bridge.model.price import PriceTable
from bridge.model.sender import SenderKind, SenderRules
from bridge.model.state import State
from bridge.model.text import Encoding
from bridge.model.when import Quiet, country_zone, parse_hours
from bridge.pipeline.accept import Plan, Rules, accept
from bridge.pipeline.routing import Match, Route, Router
from tests.support.clock import START
from tests.support.texts import number

ROUTER = Router([Route(name="main", carriers=("a", "b")), Route(name="other", carriers=("c",))])
RULES = Rules(router=ROUTER, max_parts=3, max_recipients=4, lifetime=timedelta(hours=2))
SENDERS = SenderRules(
    approved={"acme": "Acme", "acme news": "Acme News", "972502345678": "972502345678", "*1234": "*1234"},
    defaults={"": "Acme", "news@example.com": "Acme News", "@phones.example": "972502345678"},
)
SUBMISSION = Submission(
    account_id=1,
    door="test",
    origin="ann@example.com",
    recipients=(Addressee(number=number(1), key="k1"),),
    text="hello",
)
ISRAELI, GERMAN, FRENCH, NOWHERE = "+972502345678", "+4915112345678", "+33612345678", "+888123456789"


def plan(
    *,
    rules: Rules = RULES,
    settings: dict[str, str] | None = None,
    senders: SenderRules | None = None,
    now: datetime = START,
    **changes: Any,
) -> Plan:
    """Ask the rules, with something changed; ``settings`` are the account's, as they are written."""
    account = Account(id=1, name="acme", region="IL", rules=settings_of.read(settings or {}))
    closed = Account(id=2, name="closed", region=None, enabled=False)
    directory = Directory.of(1, [account, closed], [], {1: senders} if senders else None)
    return accept(dataclasses.replace(SUBMISSION, **changes), directory=directory, rules=rules, now=now)


def to(*numbers: str) -> tuple[Addressee, ...]:
    """Address numbers, each with a key of its own."""
    return tuple(Addressee(number=one, key=f"{place}:{one}") for place, one in enumerate(numbers))


def at(written: str) -> datetime:
    """Read a moment of a table, with its offset."""
    moment = datetime.fromisoformat(written)
    assert moment.tzinfo is not None
    return moment


def became(results: Sequence[Result]) -> list[type[BridgeError] | bool]:
    """Return for each addressee the kind of its refusal; else whether it is a duplicate."""
    return [one.duplicate if one.refusal is None else type(one.refusal) for one in results]


def refusal(made: Plan) -> BridgeError:
    """Return why the only recipient was refused."""
    (result,) = made.results
    assert made.recipients == ()
    assert (result.recipient_id, result.state, result.parts, result.price) == (None, None, 0, 0)
    assert result.refusal is not None
    return result.refusal


def test_a_plan_is_all_that_is_committed() -> None:
    """The message keeps what the door said; the recipient is queued in the lane of its route."""
    made = plan(senders=SENDERS, sender="acme", reference="r-1", proof="dkim", priority=Priority.HIGH, text="שלום")
    message, (recipient,), (result,) = made.message, made.recipients, made.results
    assert (message.account_id, message.door, message.origin) == (1, "test", "ann@example.com")
    assert (message.sender, message.reference, message.proof) == ("Acme", "r-1", "dkim")
    assert (message.text, message.encoding, message.parts) == ("שלום", Encoding.UCS2, 1)
    assert (message.priority, message.created_at) == (Priority.HIGH, START)
    assert (recipient.message_id, recipient.position, recipient.number) == (message.id, 1, number(1))
    assert (recipient.key, recipient.state, recipient.lane, recipient.parts) == ("k1", State.QUEUED, "main", 1)
    assert (recipient.due_at, recipient.expires_at) == (START, message.expires_at)
    assert (recipient.text, recipient.encoding, recipient.price) == (None, None, 1_000)
    assert (result.number, result.recipient_id) == (number(1), recipient.id)
    assert (result.state, result.parts, result.price, result.due_at) == (State.QUEUED, 1, 1_000, START)
    assert not result.duplicate
    assert result.refusal is None


@pytest.mark.parametrize(
    ("length", "own", "parts"),
    [
        (1, None, 1),
        (160, None, 1),
        (161, None, 2),
        (459, None, 3),
        (460, None, None),
        (306, 2, 2),
        (307, 2, None),
        (459, 9, 3),
        (460, 9, None),
        (459, 3, 3),
    ],
)
def test_parts(length: int, own: int | None, parts: int | None) -> None:
    """A text may take as many parts as the operator allows; a door may ask for fewer, never for more."""
    if parts is None:
        with pytest.raises(TextTooLong):
            plan(text="x" * length, max_parts=own)
        return
    made = plan(text="x" * length, max_parts=own)
    assert (made.message.parts, made.recipients[0].parts) == (parts, parts)


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n", "\u200b\u2060", "\0", "\ufeff"])
def test_no_text(text: str) -> None:
    """A text that shows nothing is refused."""
    with pytest.raises(NoText):
        plan(text=text)


def test_the_text_is_cleaned_before_it_is_measured() -> None:
    """What is kept is what is sent: no controls, one kind of line end, and the length is that of the result."""
    made = plan(text="x" * 160 + "\0\r\n \r\n")
    assert (made.message.text, made.message.parts) == ("x" * 160, 1)
    assert plan(text="half \ud83d pair").message.text == "half \ufffd pair"


@pytest.mark.parametrize(("count", "taken"), [(1, True), (4, True), (5, False)])
def test_recipients(count: int, *, taken: bool) -> None:
    """As many as the operator allows; one more is refused for now, so that the rest can come in another one."""
    recipients = to(*(number(place) for place in range(count)))
    if taken:
        assert len(plan(recipients=recipients).recipients) == count
        return
    with pytest.raises(TooManyRecipients, match="at most 4") as told:
        plan(recipients=recipients)
    assert told.value.temporary


def test_no_recipient() -> None:
    """A submission to nobody is refused: there is nothing to answer."""
    with pytest.raises(Refusal):
        plan(recipients=())


def test_a_number_twice_is_one_text() -> None:
    """The second mention stands under the first one's id, and the first one's key is kept."""
    made = plan(recipients=to(number(1), number(2), number(1), number(1)))
    assert [(one.position, one.number, one.key) for one in made.recipients] == [
        (1, number(1), f"0:{number(1)}"),
        (2, number(2), f"1:{number(2)}"),
    ]
    first, second = (one.id for one in made.recipients)
    assert [(one.recipient_id, one.duplicate) for one in made.results] == [
        (first, False),
        (second, False),
        (first, True),
        (first, True),
    ]


@pytest.mark.parametrize("account_id", [2, 404])
def test_an_account_that_may_not_send(account_id: int) -> None:
    """Closed or gone: refused, before anything else is looked at."""
    with pytest.raises(AccountDisabled):
        plan(account_id=account_id, text="", recipients=())


@pytest.mark.parametrize(
    ("asked", "lives"),
    [
        (None, timedelta(hours=2)),
        (timedelta(minutes=5), timedelta(minutes=5)),
        (timedelta(hours=2), timedelta(hours=2)),
        (timedelta(hours=2, seconds=1), timedelta(hours=2)),
        (timedelta.max, timedelta(hours=2)),
    ],
)
def test_lifetime(asked: timedelta | None, lives: timedelta) -> None:
    """A submission may live shorter than the operator's limit, never longer."""
    assert plan(lifetime=asked).message.expires_at == START + lives


@given(st.lists(st.integers(0, 5), min_size=1, max_size=10))
def test_every_addressee_has_a_result(wanted: list[int]) -> None:
    """In the order of the submission; the texts are as many as the different numbers, numbered from 1."""
    numbers = [number(one) for one in wanted]
    made = plan(recipients=to(*numbers), rules=dataclasses.replace(RULES, max_recipients=10))
    assert [one.number for one in made.results] == numbers
    assert [one.number for one in made.recipients] == list(dict.fromkeys(numbers))
    assert [one.position for one in made.recipients] == list(range(1, len(set(numbers)) + 1))
    assert sum(not one.duplicate for one in made.results) == len(set(numbers))


# What is wrong with one recipient is in its result.


def test_a_number_twice_shares_a_refusal() -> None:
    """Each mention of a number that is refused says so, and the others go on."""
    recipients = (
        Addressee(number=GERMAN, fields={}),
        Addressee(number=ISRAELI, fields={"name": "Dana"}),
        Addressee(number=GERMAN, fields={"name": "too late"}),
    )
    made = plan(text="{{name}}", template=True, recipients=recipients)
    assert became(made.results) == [MissingField, False, MissingField]
    assert [one.number for one in made.recipients] == [ISRAELI]


@pytest.mark.parametrize(
    ("keys", "duplicates", "stand_for"),
    [
        (["a", "a", "b"], [False, True, False], [0, 0, 2]),
        (["a", None, "a"], [False, False, True], [0, 1, 0]),
        ([None, None, None], [False, False, False], [0, 1, 2]),
        (["", None, None], [False, False, False], [0, 1, 2]),
        (["", None, ""], [False, False, True], [0, 1, 0]),
    ],
)
def test_a_key_twice_is_one_text(keys: list[str | None], duplicates: list[bool], stand_for: list[int]) -> None:
    """Numbers that share a key get one text, the first; no key is never the same, and an empty one is a key."""
    recipients = tuple(Addressee(number=number(place), key=key) for place, key in enumerate(keys))
    made = plan(recipients=recipients)
    assert [one.duplicate for one in made.results] == duplicates
    assert [one.recipient_id for one in made.results] == [made.results[place].recipient_id for place in stand_for]
    assert [one.key for one in made.recipients] == [key for key, twin in zip(keys, duplicates, strict=True) if not twin]


def test_a_draft_keeps_its_places() -> None:
    """A recipient that has a position keeps it, and the message its id."""
    recipients = tuple(Addressee(number=number(place), position=place) for place in (3, 7))
    account = Directory.of(1, [Account(id=1, name="acme", region="IL")], [])
    submission = dataclasses.replace(SUBMISSION, recipients=recipients)
    made = accept(submission, directory=account, rules=RULES, now=START, message_id="f" * 26)
    assert made.message.id == "f" * 26
    assert [one.id for one in made.recipients] == [f"{'f' * 26}-3", f"{'f' * 26}-7"]


@pytest.mark.parametrize("places", [(0,), (2,), (0, 2), (0, 1, 2)])
def test_all_or_nothing(places: tuple[int, ...]) -> None:
    """One refused recipient refuses all: it for its own reason, the others for the first one's."""
    fields = [{} if place in places else {"name": "Dana"} for place in range(3)]
    recipients = tuple(Addressee(number=number(place), fields=own) for place, own in enumerate(fields))
    options: dict[str, Any] = {"text": "{{name}}", "template": True, "recipients": recipients}
    made = plan(**options, all_or_nothing=True)
    assert made.recipients == ()
    assert became(made.results) == [MissingField] * 3
    assert [one.number for one in made.results] == [number(place) for place in range(3)]
    assert all(one.recipient_id is None and one.state is None for one in made.results)
    assert made.all_or_nothing
    by_itself = plan(**options)
    assert len(by_itself.recipients) == 3 - len(places)
    assert not by_itself.all_or_nothing


def test_all_or_nothing_says_who_was_wrong() -> None:
    """Each refused recipient keeps its own reason; those with nothing against them name the first."""
    recipients = (Addressee(number=number(1)), Addressee(number=FRENCH), Addressee(number=number(2), text=" "))
    made = plan(settings={"countries": "IL"}, recipients=recipients, all_or_nothing=True)
    assert became(made.results) == [CountryRefused, CountryRefused, NoText]


def test_each_recipient_takes_the_route_of_its_own() -> None:
    """Chosen by number, account, sender and priority; one that no route takes is refused by itself."""
    routes = [
        Route(name="alarms", carriers=("a",), match=Match(priority=Priority.URGENT)),
        Route(name="named", carriers=("a",), match=Match(senders=frozenset({"acme"}), accounts=frozenset({"acme"}))),
        Route(name="home", carriers=("a",), match=Match(countries=frozenset({"IL"}))),
    ]
    rules = dataclasses.replace(RULES, router=Router(routes))
    recipients = to(ISRAELI, FRENCH)
    made = plan(rules=rules, recipients=recipients)
    assert became(made.results) == [False, NoRoute]
    assert [one.lane for one in made.recipients] == ["home"]
    assert [one.lane for one in plan(rules=rules, recipients=recipients, priority=Priority.URGENT).recipients] == [
        "alarms",
        "alarms",
    ]
    named = plan(rules=rules, recipients=recipients, senders=SENDERS, sender="ACME")
    assert [one.lane for one in named.recipients] == ["named", "named"]


def test_all_or_nothing_of_good_ones() -> None:
    """With nothing to refuse it makes no difference, duplicates within it neither."""
    recipients = to(number(1), number(2), number(1))
    made = plan(recipients=recipients, all_or_nothing=True)
    assert became(made.results) == [False, False, True]
    assert len(made.recipients) == 2


def test_a_test_is_asked_of_every_rule() -> None:
    """It is planned as it would be sent, price and refusals and all, and marked."""
    recipients = (Addressee(number=ISRAELI), Addressee(number=FRENCH))
    options: dict[str, Any] = {"recipients": recipients, "settings": {"countries": "IL"}}
    real, trial = plan(**options), plan(**options, test=True)
    assert (real.test, trial.test) == (False, True)
    assert became(trial.results) == became(real.results) == [False, CountryRefused]
    assert [one.price for one in trial.recipients] == [one.price for one in real.recipients] == [1_000]


# Sender names.


@pytest.mark.parametrize(
    ("wanted", "origin", "name"),
    [
        ("Acme", "ann@example.com", "Acme"),
        ("ACME", "ann@example.com", "Acme"),
        ("aCmE nEwS", "ann@example.com", "Acme News"),
        ("+972502345678", "ann@example.com", "972502345678"),
        ("Acme", "news@example.com", "Acme"),
        (None, "news@example.com", "Acme News"),
        (None, "anybody@phones.example", "972502345678"),
        (None, "ann@example.com", "Acme"),
        (None, "api user", "Acme"),
    ],
)
def test_the_sender(wanted: str | None, origin: str, name: str) -> None:
    """The one asked for, as it was approved; else the mailbox's, its domain's, the account's."""
    assert plan(senders=SENDERS, sender=wanted, origin=origin).message.sender == name


@pytest.mark.parametrize(
    ("senders", "wanted", "error"),
    [
        (SENDERS, "Other", SenderNotApproved),
        (SENDERS, "Acme ", SenderName),
        (SENDERS, "Ac", SenderName),
        (SENDERS, "Twelve chars", SenderName),
        (SENDERS, "", SenderName),
        (SENDERS, "*1234", SenderName),
        (SENDERS, "0502345678", SenderNotApproved),
        (None, "Acme", SenderNotApproved),
        (None, "Aç", SenderName),
    ],
)
def test_a_sender_that_may_not_be(senders: SenderRules | None, wanted: str, error: type[Refusal]) -> None:
    """The whole submission is refused: a wrong form, and a name that is not approved for just this account."""
    with pytest.raises(SenderName) as told:
        plan(senders=senders, sender=wanted)
    assert type(told.value) is error


def test_the_kinds_are_the_accounts() -> None:
    """A name approved in a form that the account may use goes; without any name it is the carrier's own."""
    senders = dataclasses.replace(SENDERS, kinds=frozenset(SenderKind))
    assert plan(senders=senders, sender="*1234").message.sender == "*1234"
    assert plan().message.sender is None


# Templates.


@pytest.mark.parametrize(
    ("text", "fields", "rendered"),
    [
        ("Dear {{name}}!", {"name": "Dana"}, "Dear Dana!"),
        ("{{ Name }}{{name}}", {" NAME ": "x"}, "xx"),
        ("{{שם}}, שלום", {"שם": "דנה"}, "דנה, שלום"),
        ("{{name}}", {"name": "{{name}}"}, "{{name}}"),
        (r"\{{name\}} {{name}}", {"name": "x"}, "{{name}} x"),
        (r"plain \{{braces\}}", {}, "plain {{braces}}"),
        ("a{{name}}b", {"name": ""}, "ab"),
        ("{{name}}\0 ", {"name": "x\r\ny\t"}, "x\ny"),
    ],
)
def test_a_template_is_filled_in(text: str, fields: dict[str, str], rendered: str) -> None:
    """From the recipient's own fields; what comes out is cleaned as any text, and is no template again."""
    made = plan(text=text, template=True, recipients=(Addressee(number=ISRAELI, fields=fields),))
    (recipient,) = made.recipients
    assert recipient.text == rendered


@pytest.mark.parametrize("text", ["Dear {{name}}", "{{", "}} {{name", "{{a b}}", r"\{{"])
def test_braces_are_braces(text: str) -> None:
    """In a text that is not said to be a template: a mail may hold any."""
    made = plan(text=text, recipients=(Addressee(number=ISRAELI, fields={"name": "Dana"}),))
    assert made.message.text == text
    assert [one.text for one in made.recipients] == [None]
    own = plan(recipients=(Addressee(number=ISRAELI, text=text, fields={"name": "Dana"}),))
    assert [one.text for one in own.recipients] == [text]


def test_a_template_without_placeholders_is_a_plain_text() -> None:
    """Nothing is kept for each recipient."""
    made = plan(text="hello", template=True, recipients=to(number(1), number(2)))
    assert [(one.text, one.encoding) for one in made.recipients] == [(None, None)] * 2


def test_a_long_field_refuses_its_recipient() -> None:
    """Before its text is cleaned and counted: for ten thousand recipients that would take a minute."""
    long = Addressee(number=number(1), fields={"name": "x" * 90_000})
    made = plan(text="{{name}}", template=True, recipients=(long, Addressee(number=number(2), fields={"name": "Dana"})))
    assert became(made.results) == [TextTooLong, False]


def test_a_missing_field_refuses_its_recipient() -> None:
    """Only that one, by the field's name; the others get their text."""
    recipients = (
        Addressee(number=number(1), fields={"name": "Dana", "at": "9:00"}),
        Addressee(number=number(2), fields={"at": "9:30"}),
        Addressee(number=number(3)),
    )
    made = plan(text="{{name}}, at {{at}}", template=True, recipients=recipients)
    assert became(made.results) == [False, MissingField, MissingField]
    assert [(one.position, one.text) for one in made.recipients] == [(1, "Dana, at 9:00")]
    _, second, third = (one.refusal.reason if one.refusal else "" for one in made.results)
    assert second.endswith("no field for {{name}}")
    assert third.endswith("no field for {{name}}, {{at}}")


@pytest.mark.parametrize("text", ["{{name", "}} {{a}}", "{{}}", "{{a{{b}}", "{{a b}}"])
def test_a_broken_template(text: str) -> None:
    """The submission's refuses all of it; a recipient's own text refuses that one."""
    with pytest.raises(InvalidTemplate):
        plan(text=text, template=True)
    recipients = (Addressee(number=number(1), text=text), Addressee(number=number(2)))
    made = plan(template=True, recipients=recipients)
    assert became(made.results) == [InvalidTemplate, False]


@pytest.mark.parametrize(
    ("value", "parts", "encoding"),
    [
        ("x" * 155, 1, Encoding.GSM7),
        ("x" * 156, 2, Encoding.GSM7),
        ("ש" * 65, 1, Encoding.UCS2),
        ("ש" * 66, 2, Encoding.UCS2),
        ("x" * 454, 3, Encoding.GSM7),
        ("x" * 455, None, None),
        ("ש" * 196, 3, Encoding.UCS2),
        ("ש" * 197, None, None),
    ],
)
def test_size_and_price_are_those_of_the_filled_text(value: str, parts: int | None, encoding: Encoding | None) -> None:
    """Not of the template: at the limit of parts it goes, and one past it that recipient is refused."""
    made = plan(text="Dear {{n}}", template=True, recipients=(Addressee(number=ISRAELI, fields={"n": value}),))
    if parts is None:
        assert isinstance(refusal(made), TextTooLong)
        return
    (recipient,), (result,) = made.recipients, made.results
    assert (recipient.parts, recipient.encoding, recipient.price) == (parts, encoding, parts * 1_000)
    assert (result.parts, result.price) == (parts, parts * 1_000)


def test_a_template_longer_than_a_text_may_be() -> None:
    """Its own length says nothing, where the fields make it short."""
    made = plan(text="{{n}}" * 400, template=True, recipients=(Addressee(number=ISRAELI, fields={"n": "x"}),))
    assert (made.recipients[0].text, made.recipients[0].parts) == ("x" * 400, 3)


def test_a_template_that_fills_to_nothing() -> None:
    """A recipient for whom no text is left is refused."""
    assert isinstance(
        refusal(plan(text="{{n}}", template=True, recipients=(Addressee(number=ISRAELI, fields={"n": " \0"}),))), NoText
    )


def test_own_texts() -> None:
    """A recipient's own text, cleaned and of its own size, stands for the submission's; a bad one is its own fault."""
    recipients = (
        Addressee(number=number(1)),
        Addressee(number=number(2), text="שלום\0 "),
        Addressee(number=number(3), text="x" * 460),
        Addressee(number=number(4), text=" "),
    )
    made = plan(recipients=recipients)
    assert became(made.results) == [False, False, TextTooLong, NoText]
    assert [(one.text, one.encoding, one.parts) for one in made.recipients] == [
        (None, None, 1),
        ("שלום", Encoding.UCS2, 1),
    ]


@pytest.mark.parametrize(("text", "error"), [("", NoText), ("x" * 460, TextTooLong)])
def test_a_text_that_some_have_not_to_read(text: str, error: type[Refusal]) -> None:
    """Where recipients have texts of their own, a bad one of the submission refuses only those that would get it."""
    recipients = (Addressee(number=number(1), text="hello"), Addressee(number=number(2)))
    assert became(plan(text=text, recipients=recipients).results) == [False, error]
    assert became(plan(text=text, recipients=recipients[:1]).results) == [False]


# Parts and recipients: the strictest of all who may say.


@pytest.mark.parametrize(
    ("operators", "accounts", "doors", "limit"),
    [
        (3, None, None, 3),
        (3, "2", None, 2),
        (3, "20", None, 3),
        (3, None, 1, 1),
        (3, None, 9, 3),
        (3, "20", 9, 3),
        (20, "5", 10, 5),
        (20, "10", 5, 5),
        (20, None, 10, 10),
        (20, "20", 255, 20),
    ],
)
def test_whose_limit_of_parts(operators: int, accounts: str | None, doors: int | None, limit: int) -> None:
    """The operator's, the account's and the submission's: the lowest; at it a text goes, and one past it does not."""
    settings = {} if accounts is None else {"max_parts": accounts}
    rules = dataclasses.replace(RULES, max_parts=operators)
    longest = 160 if limit == 1 else limit * 153
    made = plan(rules=rules, settings=settings, max_parts=doors, text="x" * longest)
    assert made.recipients[0].parts == limit
    with pytest.raises(TextTooLong, match=f"takes {limit + 1} parts, and {limit} may be sent"):
        plan(rules=rules, settings=settings, max_parts=doors, text="x" * (longest + 1))


@pytest.mark.parametrize(("accounts", "limit"), [(None, 4), ("1", 1), ("3", 3), ("4", 4), ("100", 4)])
def test_whose_limit_of_recipients(accounts: str | None, limit: int) -> None:
    """The account's may be lower than the operator's, never higher; addressees count, duplicates too."""
    settings = {} if accounts is None else {"max_recipients": accounts}
    assert len(plan(settings=settings, recipients=to(*map(number, range(limit)))).recipients) == limit
    for too_many in (map(number, range(limit + 1)), [number(1)] * (limit + 1)):
        with pytest.raises(TooManyRecipients, match=f"at most {limit} recipients"):
            plan(settings=settings, recipients=to(*too_many))


# Countries.


@pytest.mark.parametrize(
    ("countries", "refused"),
    [
        ("", []),
        ("IL", [GERMAN, FRENCH, NOWHERE]),
        ("de,FR", [ISRAELI, NOWHERE]),
        ("US", [ISRAELI, GERMAN, FRENCH, NOWHERE]),
    ],
)
def test_countries(countries: str, refused: list[str]) -> None:
    """Where an account names countries, numbers of others and of none are refused; without, none is."""
    made = plan(settings={"countries": countries}, recipients=to(ISRAELI, GERMAN, FRENCH, NOWHERE))
    assert [one.number for one in made.results if isinstance(one.refusal, CountryRefused)] == refused
    assert [one.number for one in made.recipients] == [
        one for one in (ISRAELI, GERMAN, FRENCH, NOWHERE) if one not in refused
    ]


def test_the_country_is_named() -> None:
    """The reason says where the account does not send to."""
    made = plan(settings={"countries": "IL"}, recipients=to(GERMAN, NOWHERE))
    assert [one.refusal.reason for one in made.results if one.refusal] == [
        "the account does not send to DE",
        "the account does not send to that country",
    ]


# Prices.

PRICES = PriceTable.of(
    {"default": 1, "972": "0.5", "9725": "0.25", "49": "0.333", "33": 0}, {"bulk": "0.5", "high": 2, "urgent": "1.5"}
)


@pytest.mark.parametrize(
    ("to_number", "length", "priority", "price"),
    [
        (ISRAELI, 160, Priority.NORMAL, 250),
        (ISRAELI, 161, Priority.NORMAL, 500),
        (ISRAELI, 459, Priority.NORMAL, 750),
        (ISRAELI, 459, Priority.HIGH, 1_500),
        (ISRAELI, 160, Priority.BULK, 125),
        ("+97236123456", 160, Priority.NORMAL, 500),
        (GERMAN, 160, Priority.NORMAL, 333),
        (GERMAN, 160, Priority.BULK, 167),  # 166.5, rounded up
        (GERMAN, 459, Priority.URGENT, 1_499),  # 1498.5, rounded up once
        (FRENCH, 459, Priority.URGENT, 0),
        (NOWHERE, 306, Priority.HIGH, 4_000),
    ],
)
def test_price(to_number: str, length: int, priority: Priority, price: int) -> None:
    """The longest prefix that has a price, times parts, times the priority's factor."""
    rules = dataclasses.replace(RULES, prices=PRICES)
    made = plan(rules=rules, recipients=to(to_number), text="x" * length, priority=priority)
    assert (made.recipients[0].price, made.results[0].price) == (price, price)


# When.

BERLIN, UTC_ZONE = "Europe/Berlin", "UTC"


@pytest.mark.parametrize(
    ("zone", "written", "due"),
    [
        (UTC_ZONE, "2030-01-01 15:00", "2030-01-01T15:00+00:00"),
        (BERLIN, "2030-01-01 15:00", "2030-01-01T15:00+01:00"),
        (BERLIN, "2030-01-01T15:00:00Z", "2030-01-01T15:00+00:00"),
        (BERLIN, "2030-01-01T15:00:00-05:00", "2030-01-01T15:00-05:00"),
        (BERLIN, "2030-07-01 15:00", "2030-07-01T15:00+02:00"),
        (BERLIN, "2030-03-31 02:30", "2030-03-31T03:30+02:00"),
        (BERLIN, "2030-10-27 02:30", "2030-10-27T02:30+02:00"),
        (BERLIN, "+90", "2030-01-01T13:30+00:00"),
        (BERLIN, at("2030-01-01T15:00+01:00"), "2030-01-01T15:00+01:00"),
        (BERLIN, at("2030-01-01T15:00+01:00").replace(tzinfo=None), "2030-01-01T15:00+01:00"),
    ],
)
def test_send_at(zone: str, written: str | datetime, due: str) -> None:
    """A time without an offset is in the account's zone; the text is scheduled, and lives from then."""
    made = plan(settings={"zone": zone}, send_at=written)
    (recipient,), (result,) = made.recipients, made.results
    assert (recipient.state, recipient.due_at) == (State.SCHEDULED, at(due))
    assert (result.state, result.due_at) == (State.SCHEDULED, at(due))
    assert recipient.expires_at == made.message.expires_at == at(due) + timedelta(hours=2)
    assert made.message.created_at == START


@pytest.mark.parametrize(
    "written", ["2030-01-01T12:00:00Z", "2030-01-01T11:59:00Z", START, START - timedelta(minutes=1)]
)
def test_a_time_that_is_just_over_means_now(written: str | datetime) -> None:
    """Clocks differ, by a minute at most: such a text is queued, not scheduled."""
    (recipient,) = plan(send_at=written).recipients
    assert (recipient.state, recipient.due_at) == (State.QUEUED, START)


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("2030-01-01T11:58:59Z", PastTime),
        (START - timedelta(seconds=61), PastTime),
        ("2031-01-02T12:00:00Z", None),
        ("2031-01-02T12:00:01Z", InvalidTime),
        (START + timedelta(days=366, seconds=1), InvalidTime),
        ("2030-02-29 12:00", InvalidTime),
        ("tomorrow", InvalidTime),
        ("", InvalidTime),
    ],
)
def test_a_time_that_cannot_be(written: str | datetime, error: type[Refusal] | None) -> None:
    """Over for more than a minute, more than 366 days ahead, or none at all: the whole submission is refused."""
    if error is None:
        assert plan(send_at=written).recipients[0].due_at == START + timedelta(days=366)
        return
    with pytest.raises(InvalidTime) as told:
        plan(send_at=written)
    assert type(told.value) is error


QUIET = {"zone": BERLIN, "quiet": "22:00-07:00"}
LONG = dataclasses.replace(RULES, lifetime=timedelta(hours=24))

# Now, and when a text may leave; None for at once.
NIGHTS = [
    ("2030-01-10T21:59:59.999999+01:00", None),
    ("2030-01-10T22:00:00+01:00", "2030-01-11T07:00+01:00"),
    ("2030-01-11T03:00:00+01:00", "2030-01-11T07:00+01:00"),
    ("2030-01-11T06:59:59.999999+01:00", "2030-01-11T07:00+01:00"),
    ("2030-01-11T07:00:00+01:00", None),
    # An hour less in the night of spring, an hour more in that of autumn: it ends at seven on the clock.
    ("2030-03-30T22:00:00+01:00", "2030-03-31T07:00+02:00"),
    ("2030-03-31T06:59:59+02:00", "2030-03-31T07:00+02:00"),
    ("2030-03-31T07:00:00+02:00", None),
    ("2030-03-31T06:00:00+01:00", None),
    ("2030-10-26T22:00:00+02:00", "2030-10-27T07:00+01:00"),
    ("2030-10-27T07:00:00+02:00", "2030-10-27T07:00+01:00"),
    ("2030-10-27T07:00:00+01:00", None),
]


def waits(made: Plan, now: datetime) -> datetime | None:
    """Return until when the only text is held, None when it may leave at once."""
    (recipient,) = made.recipients
    assert recipient.state is (State.QUEUED if recipient.due_at == now else State.SCHEDULED)
    return None if recipient.due_at == now else recipient.due_at


@pytest.mark.parametrize(("now", "due"), NIGHTS)
def test_quiet_hours_hold(now: str, due: str | None) -> None:
    """From the first moment of them until they are over, on the account's clock; the lifetime is not longer by that."""
    made = plan(rules=LONG, settings=QUIET, now=at(now))
    assert waits(made, at(now)) == (at(due) if due else None)
    assert made.recipients[0].expires_at == at(now) + timedelta(hours=24)


@pytest.mark.parametrize(("now", "due"), NIGHTS)
def test_quiet_hours_refuse(now: str, due: str | None) -> None:
    """Where the account says so; with the time from which it would go."""
    made = plan(rules=LONG, settings=QUIET | {"quiet_holds": "no"}, now=at(now))
    if due is None:
        assert waits(made, at(now)) is None
        return
    refused = refusal(made)
    assert isinstance(refused, QuietHours)
    assert (
        refused.reason
        == f"nothing is sent now; from {at(due).astimezone(ZoneInfo(BERLIN)).isoformat(timespec='minutes')}"
    )


@pytest.mark.parametrize(("now", "due"), NIGHTS)
def test_quiet_hours_of_a_country(now: str, due: str | None) -> None:
    """Those of the recipient's country, on that country's clock, whatever the account's zone; other countries go on."""
    berlin = country_zone("DE")
    assert berlin is not None
    rules = dataclasses.replace(LONG, quiet={"DE": Quiet(windows=parse_hours("22:00-07:00"), zone=berlin)})
    settings = {"zone": "Pacific/Auckland"}
    assert waits(plan(rules=rules, settings=settings, now=at(now), recipients=to(GERMAN)), at(now)) == (
        at(due) if due else None
    )
    for elsewhere in (ISRAELI, FRENCH, NOWHERE):
        assert waits(plan(rules=rules, settings=settings, now=at(now), recipients=to(elsewhere)), at(now)) is None


def test_quiet_hours_of_both() -> None:
    """A text waits until neither the account nor the country of its recipient is quiet."""
    berlin = country_zone("DE")
    assert berlin is not None
    rules = dataclasses.replace(LONG, quiet={"DE": Quiet(windows=parse_hours("06:00-09:00"), zone=berlin)})
    now = at("2030-01-11T05:00+01:00")
    made = plan(rules=rules, settings=QUIET, now=now, recipients=to(GERMAN, FRENCH))
    assert [one.due_at for one in made.recipients] == [at("2030-01-11T09:00+01:00"), at("2030-01-11T07:00+01:00")]
    assert [one.due_at for one in made.results] == [one.due_at for one in made.recipients]


@pytest.mark.parametrize("mark", ["none", "bulk", "normal", "high", "urgent", ""])
@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("whose", ["account", "country"])
def test_what_is_urgent_passes(mark: str, priority: Priority, whose: str) -> None:
    """From the account's mark upwards quiet hours of no kind hold; unset it is urgent, and with none all wait."""
    night = at("2030-01-11T03:00:00+01:00")
    least = {"none": 99, "": Priority.URGENT}.get(mark) or Priority[mark.upper()]
    settings, rules = {"quiet_passes": mark}, LONG
    if whose == "account":
        settings |= QUIET
    else:
        quiet = Quiet(windows=parse_hours("22:00-07:00"), zone=ZoneInfo(BERLIN))
        rules = dataclasses.replace(LONG, quiet={"DE": quiet})
    made = plan(rules=rules, settings=settings, now=night, recipients=to(GERMAN), priority=priority)
    assert (waits(made, night) is None) is (priority >= least)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2030-01-11T07:59:59+01:00", "2030-01-11T08:00+01:00"),  # a Friday
        ("2030-01-11T08:00:00+01:00", None),
        ("2030-01-11T12:59:59.999999+01:00", None),
        ("2030-01-11T13:00:00+01:00", "2030-01-14T08:00+01:00"),
        ("2030-01-14T08:00:00+01:00", None),
        ("2030-03-29T13:00:00+01:00", "2030-04-01T08:00+02:00"),
        ("2030-10-25T13:00:00+02:00", "2030-10-28T08:00+01:00"),
    ],
)
@pytest.mark.parametrize("priority", [Priority.NORMAL, Priority.URGENT])
def test_send_windows(now: str, due: str | None, priority: Priority) -> None:
    """Texts leave only in them, urgent ones too: they were asked for."""
    rules = dataclasses.replace(RULES, lifetime=timedelta(days=7))
    settings = {"zone": BERLIN, "open": "mon-thu 08:00-20:00; fri 08:00-13:00"}
    made = plan(rules=rules, settings=settings, now=at(now), priority=priority)
    assert waits(made, at(now)) == (at(due) if due else None)


@pytest.mark.parametrize(("lifetime", "taken"), [(7_200, False), (7_201, True), (None, True)])
def test_a_text_that_would_be_stale(lifetime: int | None, *, taken: bool) -> None:
    """One whose lifetime ends before the quiet hours, or with them, is refused at once: it would only expire."""
    now = at("2030-01-11T05:00:00+01:00")
    span = None if lifetime is None else timedelta(seconds=lifetime)
    made = plan(rules=LONG, settings=QUIET, now=now, lifetime=span)
    if taken:
        assert waits(made, now) == at("2030-01-11T07:00+01:00")
        return
    refused = refusal(made)
    assert isinstance(refused, QuietHours)
    assert refused.reason == "nothing is sent before 2030-01-11T07:00+01:00, and by then the text is stale"


@pytest.mark.parametrize(("send_at", "due"), [("21:59", None), ("22:00", "07:00"), ("23:30", "07:00")])
def test_a_time_within_quiet_hours(send_at: str, due: str | None) -> None:
    """What was asked for a quiet hour leaves after it, and lives from the time that was asked for."""
    made = plan(rules=LONG, settings=QUIET, send_at=f"2030-01-10 {send_at}")
    asked = at(f"2030-01-10T{send_at}+01:00")
    (recipient,) = made.recipients
    assert recipient.due_at == (asked if due is None else at(f"2030-01-11T{due}+01:00"))
    assert recipient.state is State.SCHEDULED
    assert recipient.expires_at == asked + timedelta(hours=24)


def test_rules_that_leave_no_hour() -> None:
    """Quiet hours over all of a send window: refused, for the text would never leave."""
    refused = refusal(plan(settings={"quiet": "08:00-20:00", "open": "09:00-17:00"}))
    assert isinstance(refused, QuietHours)
    assert "no common hour" in refused.reason


# What the database is asked.


def test_the_quota() -> None:
    """What the account's settings say, with the door's own limits per number and the zone in which days count."""
    per_number = parse_limits(["10/1m"])
    rules = dataclasses.replace(RULES, per_number={"smtp": per_number})
    settings = {
        "zone": BERLIN,
        "limits": "500/1d",
        "mailbox_limits": "60/1h",
        "spend_per_day": "12.5",
        "transactional": "yes",
    }
    made = plan(rules=rules, settings=settings, door="smtp")
    quota = made.quota
    assert (quota.account, quota.mailbox) == (parse_limits(["500/1d"]), parse_limits(["60/1h"]))
    assert (quota.number, quota.spend_per_day, quota.transactional) == (per_number, 12_500, True)
    assert made.zone == ZoneInfo(BERLIN)
    assert plan(rules=rules, door="soap").quota.number == ()
    plain = plan()
    assert (plain.quota.account, plain.quota.spend_per_day, plain.quota.transactional) == ((), None, False)
