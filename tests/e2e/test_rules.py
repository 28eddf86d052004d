"""The rules as senders of mail and phones meet them: one bridge in a process of its own."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from itertools import count
from typing import Any

import pytest

from tests.support.served import CONFIG, DOMAIN, MAILBOX, Served, serving, until

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

_CONFIG = (
    CONFIG
    + """
[carriers.sandbox.numbers]
"+972502347*" = 'reply "stop!" after 0s'
"+972502346*" = 'reply "stop by at six" after 0s'
"""
)
_SERIAL = count()
_REFUSED = "smsbridge_refused_total"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One bridge for the tests of this module."""
    with serving(tmp_path_factory.mktemp("rules"), config=_CONFIG) as running:
        yield running


def mail(served: Served, *numbers: str, sender: str = MAILBOX, text: str = "hello") -> tuple[int, str]:
    """Send a mail of its own to numbers that are all taken at RCPT; return the reply to it."""
    message = EmailMessage()
    message["From"] = sender
    message["Message-ID"] = f"<{next(_SERIAL)}@example.com>"
    message.set_content(text)
    with smtplib.SMTP("127.0.0.1", served.port, timeout=30) as smtp:
        smtp.ehlo()
        assert smtp.mail(sender)[0] == 250
        for number in numbers:
            assert smtp.rcpt(f"{number}@{DOMAIN}")[0] == 250
        code, said = smtp.data(message.as_bytes(policy=policy.SMTP))
    return code, said.decode()


def run(served: Served, *words: str) -> Any:
    """Run a command, which must succeed, and return what it printed as JSON."""
    done = served.command(*words, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def texts_to(served: Served, *numbers: str) -> list[dict[str, Any]]:
    """Return the texts that came to these numbers so far."""
    return [text for text in served.texts() if text["to"].lstrip("+") in numbers]


def arrived(served: Served, number: str, texts: int = 1) -> list[dict[str, Any]]:
    """Return the texts to a number once there are so many."""
    return until(lambda: found if len(found := texts_to(served, number)) >= texts else None, seconds=20)


def test_the_eleventh_mail_to_a_number_in_a_minute(served: Served) -> None:
    """By default ten are taken, the next is told to come again and when; other numbers and other senders go on."""
    before = served.metric(_REFUSED, door="smtp", reason="rate_limited")
    for _ in range(10):
        assert mail(served, "972502340001")[0] == 250
    code, said = mail(served, "972502340001")
    assert (code, said[:5]) == (450, "4.7.1")
    assert "more than 10/1m to this number; again in " in said
    assert 0 < int(said.rpartition("again in ")[2].split()[0]) <= 60
    assert mail(served, "972502340002")[0] == 250
    code, said = mail(served, "972502340001", "972502340003")
    assert (code, said[:5]) == (250, "2.0.0")
    arrived(served, "972502340003")
    arrived(served, "972502340002")
    assert len(arrived(served, "972502340001", 10)) == 10
    assert served.metric(_REFUSED, door="smtp", reason="rate_limited") == before + 2


def test_other_doors_are_not_limited_by_mail(served: Served) -> None:
    """The command sends to a number that mail has used up, and its texts leave mail its own ten."""
    for _ in range(10):
        assert mail(served, "972502340005")[0] == 250
    assert mail(served, "972502340005")[0] == 450
    told = run(served, "send", "--account", "acme", "--to", "+972502340005", "by hand")
    assert told["recipients"][0]["state"] == "queued"
    assert {text["text"] for text in arrived(served, "972502340005", 11)} == {"hello", "by hand"}


def test_the_last_credit(served: Served) -> None:
    """It buys one text; the next mail is told to come again, and is taken once there is credit."""
    run(served, "account", "add", "small", "--credit", "1")
    run(served, "mailbox", "allow", "small", "sam@example.org")
    assert mail(served, "972502340011", sender="sam@example.org")[0] == 250
    code, said = mail(served, "972502340011", sender="sam@example.org")
    assert (code, said) == (452, "4.2.2 the account's credit does not cover the text")
    assert run(served, "credit", "show", "small")["credit"] == 0
    run(served, "credit", "add", "small", "0.999")
    assert mail(served, "972502340011", sender="sam@example.org")[0] == 452
    run(served, "credit", "add", "small", "0.001")
    assert mail(served, "972502340011", sender="sam@example.org")[0] == 250
    assert len(arrived(served, "972502340011", 2)) == 2
    assert run(served, "credit", "show", "small")["credit"] == 0


def test_a_closed_number(served: Served) -> None:
    """A mail to it alone is refused for good; of two numbers the other gets its text, and the mail is taken."""
    run(served, "optout", "add", "+972502340021", "--account", "acme")
    assert mail(served, "972502340021") == (550, "5.7.1 the recipient asked for no more texts")
    code, said = mail(served, "972502340021", "972502340022")
    assert (code, said[:15]) == (250, "2.0.0 Accepted ")
    (text,) = arrived(served, "972502340022")
    assert said == f"2.0.0 Accepted {text['message_id']}"
    (kept,) = (one for one in run(served, "message", "list") if one["id"] == text["message_id"])
    assert [one["number"] for one in kept["recipients"]] == ["+972502340022"]
    assert texts_to(served, "972502340021") == []


def test_a_phone_that_answers_stop(served: Served) -> None:
    """The word alone closes the number to the account that texted it; a sentence that begins with it does not."""
    assert mail(served, "972502347001", "972502346001")[0] == 250
    arrived(served, "972502347001")

    def closed() -> list[dict[str, Any]] | None:
        listed = run(served, "optout", "list", "--account", "acme")
        return [one for one in listed if one["number"] == "+972502347001"] or None

    (one,) = until(closed, seconds=20)
    assert one["word"] == "stop!"
    assert mail(served, "972502347001") == (550, "5.7.1 the recipient asked for no more texts")
    (taken,) = {text["message_id"] for text in arrived(served, "972502346001")}
    until(lambda: "stop by at six" in _answers(served, taken) or None, seconds=20)
    assert mail(served, "972502346001")[0] == 250
    assert len(arrived(served, "972502346001", 2)) == 2
    run(served, "account", "add", "others", "--region", "IL")
    told = run(served, "send", "--account", "others", "--to", "+972502347001", "from another account")
    assert told["recipients"][0]["state"] == "queued"


def _answers(served: Served, message_id: str) -> set[str]:
    """Return what phones answered to a message."""
    events = run(served, "message", "show", message_id)["events"]
    return {event["data"]["text"] for event in events if event["kind"] == "inbound"}


def test_a_scheduled_text_leaves_at_its_time(served: Served) -> None:
    """Not before it; until then it is scheduled, and then it leaves by itself."""
    due = (datetime.now(UTC) + timedelta(seconds=10)).replace(microsecond=0)
    told = run(served, "send", "--account", "acme", "--to", "+972502340031", "--at", due.isoformat(), "later")
    assert told["recipients"][0]["state"] == "scheduled"
    state = run(served, "message", "show", told["id"])["state"]
    assert state == "scheduled" or datetime.now(UTC) >= due
    (text,) = arrived(served, "972502340031")
    assert datetime.fromisoformat(text["at"]) >= due


def test_a_text_with_another_time(served: Served) -> None:
    """One that would leave in an hour leaves at once when it is told to."""
    told = run(served, "send", "--account", "acme", "--to", "+972502340041", "--at", "+60", "sooner")
    assert told["recipients"][0]["state"] == "scheduled"
    (moved,) = run(served, "message", "reschedule", told["id"], "--at", "+0")
    assert (moved["before"], moved["state"]) == ("scheduled", "queued")
    assert arrived(served, "972502340041")[0]["text"] == "sooner"


def test_a_draft_leaves_when_it_is_closed(served: Served) -> None:
    """A running bridge sends what another process opened and closed."""
    draft = run(served, "draft", "open", "--account", "acme", "Dear {{name}}", "--template")["id"]
    run(served, "contact", "add", "acme", "+972502340051", "--name", "Dana")
    run(served, "draft", "add", draft, "Dana")
    assert texts_to(served, "972502340051") == []
    run(served, "draft", "close", draft)
    (text,) = arrived(served, "972502340051")
    assert (text["text"], text["message_id"]) == ("Dear Dana", draft)
