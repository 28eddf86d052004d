"""Texts from phones: whose they are, which words close a number and open it again, and for whom."""

from __future__ import annotations

import json
import time
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select

from bridge.config import OptOutSettings
from bridge.model.message import Inbound
from bridge.pipeline.inbound import INBOUND, OPTED_IN, OPTED_OUT, Words, fold, keep
from bridge.store import opt_outs
from bridge.store.engine import Store
from bridge.store.tables import events
from tests.support.clock import HandClock
from tests.support.desk import Desk, said
from tests.support.texts import number

A, B = number(1), number(2)
WORDS = Words.of(OptOutSettings().stop, OptOutSettings().start)


class Phones(Desk):
    """A desk that phones text to."""

    def __init__(self, store: Store, clock: HandClock) -> None:
        super().__init__(store, clock)
        self.carrier_ids = count(7)

    def hear(self, text: str, *, sender: str = A, words: Words = WORDS, carrier_id: str | None = None) -> None:
        own = carrier_id or str(next(self.carrier_ids))
        inbound = Inbound(carrier="a", carrier_id=own, sender=sender, to="1234", text=text, at=self.clock())
        self.change(lambda connection: keep(connection, inbound=inbound, words=words, now=self.clock.ms))

    def closed(self, account: int) -> list[str]:
        """Return the numbers closed to an account by its own list."""
        found = self.read(lambda connection: opt_outs.listed(connection, account, limit=10))
        return [one.number for one in found]

    def events(self) -> list[Any]:
        """Return what came of texts from phones, in order."""
        kinds = events.c.kind.in_([INBOUND, OPTED_OUT, OPTED_IN])
        with self.store.read() as connection:
            return list(connection.execute(select(events).where(kinds).order_by(events.c.id)))

    def kinds(self) -> list[tuple[str, int | None]]:
        """Return what happened, and to which account."""
        return [(one.kind, one.account_id) for one in self.events()]


@pytest.fixture
def desk(any_store: Store, clock: HandClock) -> Phones:
    """A desk with two accounts, the first of which texted A."""
    made = Phones(any_store, clock)
    made.account()
    made.account("other")
    made.submit(A)
    clock.advance(seconds=1)
    return made


STOPS = [
    *(
        "STOP",
        "stop",
        "Stop.",
        " stop ",
        "STOP!",
        "«Stop»",
        "s t o p",
        "stop\n",
        "ＳＴＯＰ",
        "\u200eSTOP\u200f",
        "Stop 🙏",
    ),
    *("stopall", "Unsubscribe", "END", "quit", "Cancel", "הסר", "הסר.", "הָסֵר", "стоп", "СТОП!", "Стоп"),
    *("ΣΤΟΠ", "στοπ", "Στόπ", "توقف", "توقّف", "ARRET", "arrêt", "Arre\u0302t !"),
]
NO_STOPS = [
    *("please stop", "stop by at six", "don't stop", "stopp", "nonstop", "stop stop", "1 stop", "the end", "I quit!"),
    *("להסר", "הסר אותי", "не стоп", "توقف الآن", "", " ", "!", "🙂", "\u0301"),
]


@pytest.mark.parametrize("text", STOPS)
def test_a_stop_word_alone_closes_the_number(text: str) -> None:
    """In any case and script, with marks on, around and between its letters."""
    assert fold(text) in WORDS.stop


@pytest.mark.parametrize("text", NO_STOPS)
def test_a_word_among_others_is_talk(text: str) -> None:
    """A sentence with the word in it asks for nothing, and neither do marks alone."""
    assert fold(text) not in WORDS.stop | WORDS.start


def test_marks_are_no_words() -> None:
    """A word list with nothing to compare in it does not take every emoji for a word."""
    assert Words.of(["", "!", "stop"], ["..."]) == Words(stop=frozenset({"stop"}))


@pytest.mark.parametrize("text", ["STOP", "הסר!", "Arre\u0302t"])
def test_stop_closes_the_account_that_texted(desk: Phones, text: str) -> None:
    """That account sends no more to it, others still do; the answer and the closing are events of it."""
    desk.hear(text)
    assert (desk.closed(1), desk.closed(2), desk.closed(opt_outs.EVERYBODY)) == ([A], [], [])
    assert said(desk.submit(A, B)) == ["opted_out", "queued"]
    assert said(desk.submit(A, account=2)) == ["queued"]
    assert desk.kinds() == [("inbound", 1), ("opted_out", 1)]
    heard, closed = desk.events()
    assert json.loads(closed.data) == {"number": A, "word": text}
    assert json.loads(heard.data) == {
        "carrier": "a",
        "carrier_id": "7",
        "from": A,
        "to": "1234",
        "text": text,
        "at": (desk.clock()).isoformat(),
    }


def test_talk_closes_nothing(desk: Phones) -> None:
    """It is kept as an answer to the text before, and that is all."""
    receipt = desk.submit(B, A, account=1)
    desk.hear("stop by at six")
    assert desk.closed(1) == []
    (heard,) = desk.events()
    assert (heard.kind, heard.account_id, heard.message_id, heard.position) == ("inbound", 1, receipt.message_id, 2)


def test_what_a_carrier_brings_twice_counts_once(desk: Phones) -> None:
    """A carrier that got no answer comes again: an old STOP undoes no later START."""
    desk.hear("stop", carrier_id="x")
    desk.hear("start", carrier_id="y")
    desk.hear("stop", carrier_id="x")
    assert desk.closed(1) == []
    assert [kind for kind, _ in desk.kinds()] == ["inbound", "opted_out", "inbound", "opted_in"]


def test_start_opens_again(desk: Phones) -> None:
    """After it the account sends again; START of a number that is open says nothing but itself."""
    desk.hear("START")
    desk.hear("stop")
    desk.hear("stop")
    assert desk.closed(1) == [A]
    desk.hear("Unstop!")
    assert desk.closed(1) == []
    assert said(desk.submit(A)) == ["queued"]
    assert [kind for kind, _ in desk.kinds()] == [
        "inbound",
        *("inbound", "opted_out"),
        *("inbound", "opted_out"),
        *("inbound", "opted_in"),
    ]


def test_start_opens_only_what_it_closed(desk: Phones) -> None:
    """The other account's list, and everybody's, are not touched by an answer to the first."""
    for account in (2, opt_outs.EVERYBODY):
        desk.change(
            lambda connection, account=account: opt_outs.add(connection, A, account, word="", now=0)  # type: ignore[misc]
        )
    desk.hear("stop")
    desk.hear("start")
    assert (desk.closed(1), desk.closed(2), desk.closed(opt_outs.EVERYBODY)) == ([], [A], [A])


def test_a_number_that_nobody_texted_closes_itself_to_all(desk: Phones) -> None:
    """Nobody knows whom it means: no account texts it until it says START, or an operator opens it."""
    desk.hear("stop", sender=B)
    assert desk.closed(opt_outs.EVERYBODY) == [B]
    assert desk.kinds() == [("inbound", None), ("opted_out", None)]
    assert said(desk.submit(B)) == said(desk.submit(B, account=2)) == ["opted_out"]
    desk.hear("start", sender=B)
    assert desk.closed(opt_outs.EVERYBODY) == []
    assert said(desk.submit(B)) == ["queued"]


def test_the_answer_is_to_the_last_who_texted(desk: Phones) -> None:
    """Of two accounts that text a number the later one is meant, by the time of the text and not of the account."""
    desk.submit(A, account=2)
    desk.hear("stop")
    assert (desk.closed(1), desk.closed(2)) == ([], [A])
    desk.clock.advance(seconds=1)
    desk.submit(A, account=1)
    desk.hear("stop")
    assert (desk.closed(1), desk.closed(2)) == ([A], [A])


def test_what_was_not_taken_is_no_conversation(desk: Phones) -> None:
    """A refused or test submission of another account does not make it the one that is answered."""
    desk.change(lambda connection: opt_outs.add(connection, A, 2, word="", now=0))
    desk.submit(A, account=2)
    desk.submit(A, account=2, test=True)
    desk.hear("hello")
    assert desk.kinds() == [("inbound", 1)]


@pytest.mark.parametrize("written", ["972502340001", "+972 50-234-0001", "00972502340001", A])
def test_a_phone_is_known_in_any_form(desk: Phones, written: str) -> None:
    """However the carrier writes it, it is the number that was texted."""
    desk.hear("stop", sender=written)
    assert desk.closed(1) == [A]


@pytest.mark.parametrize("sender", ["BANK", "1234", "no\0number", "half \ud83d", ""])
def test_a_sender_that_is_no_number(desk: Phones, sender: str) -> None:
    """What a carrier says of who it was is kept as far as a database can, and breaks nothing."""
    desk.hear("st\0op", sender=sender)
    desk.hear("\ud83d", sender=sender)
    (closed,) = desk.closed(opt_outs.EVERYBODY)
    assert "\0" not in closed
    assert [kind for kind, _ in desk.kinds()] == ["inbound", "opted_out", "inbound"]


def test_words_are_a_setting(desk: Phones) -> None:
    """An operator's own words count, and without any nothing is closed."""
    desk.hear("stop", words=Words())
    desk.hear("stop", words=Words.of(["Genug"], []))
    assert desk.closed(1) == []
    desk.hear("genug!!!", words=Words.of(["Genug"], []))
    assert desk.closed(1) == [A]


def test_an_answer_of_marks_alone_is_compared_at_once() -> None:
    """Putting marks in their order takes the square of how many stand in a row: a carrier's text may have many."""
    began = time.process_time()
    assert fold("stop" + "\u0315\u0300" * 200_000) == "stop"
    assert time.process_time() - began < 5
