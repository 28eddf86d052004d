"""`send` under the rules: who gets it, when, from whom, what it costs; tests that send nothing; other times."""

from __future__ import annotations

import json
import smtplib
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from bridge.store.tables import conversations, ledger, messages, metadata, usage
from tests.bridge.cli.conftest import Desk, stop

A, B, C = "+972502345678", "+972502345679", "+972502345680"
ABROAD = "+442071838750"
KEYS = {"number", "id", "state", "parts", "price", "due_at", "duplicate", "error"}


def send(desk: Desk, *arguments: str, to: tuple[str, ...] = (A,), text: str = "hello") -> Any:
    """Send with --json; return exit code, and what was printed, on stdout or as an error."""
    done = desk.call("send", "--account", "acme", "--to", *to, text, *arguments, "--json")
    assert not (done.out and done.err)
    return done.code, json.loads(done.out or done.err)


def results(told: dict[str, Any]) -> list[str]:
    """Return of each recipient its state or error code; a duplicate says so."""
    return [
        "duplicate" if one["duplicate"] else one["error"]["code"] if one["error"] else one["state"]
        for one in told["recipients"]
    ]


def refusal(desk: Desk, *arguments: str, **more: Any) -> str:
    """Send what is refused whole, and return the error's code."""
    code, told = send(desk, *arguments, **more)
    assert code == 1
    return str(told["error"]["code"])


def shown(desk: Desk, message_id: str) -> dict[str, Any]:
    """Return a message as `message show` has it."""
    found: dict[str, Any] = desk.call("message", "show", message_id, "--json").json
    return found


def credit_of(desk: Desk) -> Any:
    """Return the balance as JSON has it."""
    return desk.call("credit", "show", "acme", "--json").json["credit"]


def rule(desk: Desk, *settings: str) -> None:
    """Set settings of acme."""
    assert desk.call("account", "set", "acme", *settings).code == 0


def at(written: str) -> datetime:
    """Read a time that a command printed."""
    return datetime.fromisoformat(written)


def hours(first: datetime, last: datetime) -> str:
    """Return a window of hours, as a setting has it."""
    return f"{first:%H:%M}-{last:%H:%M}"


# --- some, all, none ---


def test_each_recipient_has_a_result(acme: Desk) -> None:
    """Good ones are sent, each bad one says why, a number that is named twice is sent once; the exit code is 1."""
    rule(acme, "countries=IL")
    code, told = send(acme, to=(A, ABROAD, "050-234-5678", B))
    assert (code, told["test"]) == (1, False)
    assert results(told) == ["queued", "country_not_allowed", "duplicate", "queued"]
    assert all(one.keys() == KEYS for one in told["recipients"])
    first, bad, twin, other = told["recipients"]
    assert (first["id"], other["id"], twin["id"]) == (f"{told['id']}-1", f"{told['id']}-3", first["id"])
    assert (first["parts"], first["price"], first["error"]) == (1, 1, None)
    assert (bad["id"], bad["state"], bad["price"], bad["due_at"]) == (None, None, 0, None)
    assert bad["error"] == {"code": "country_not_allowed", "reason": "the account does not send to GB"}
    (kept,) = acme.call("message", "list", "--json").json
    assert [one["number"] for one in kept["recipients"]] == [A, B]
    assert credit_of(acme) == 98


def test_a_person_reads_who_is_refused(acme: Desk) -> None:
    """The id, and a line for each that gets nothing."""
    rule(acme, "countries=IL")
    told = acme.call("send", "--account", "acme", "--to", A, ABROAD, "hello")
    message_id, line = told.out.splitlines()
    assert (told.code, told.err) == (1, "")
    assert line == f"{ABROAD} refused: the account does not send to GB (country_not_allowed)"
    assert [one["number"] for one in shown(acme, message_id)["recipients"]] == [A]


def test_all_or_none(acme: Desk) -> None:
    """With --all one that is refused refuses the others for its reason: nothing is kept, and nothing is paid."""
    rule(acme, "countries=IL")
    code, told = send(acme, "--all", to=(A, ABROAD, B))
    assert (code, told["id"]) == (1, None)
    assert results(told) == ["country_not_allowed"] * 3
    acme.call("optout", "add", B)
    code, told = send(acme, "--all", to=(A, B))
    assert (code, results(told)) == (1, ["opted_out", "opted_out"])
    assert acme.call("message", "list", "--json").json == []
    assert credit_of(acme) == 100
    code, told = send(acme, "--all", to=(A, C))
    assert (code, results(told)) == (0, ["queued", "queued"])


def test_nobody_is_left(acme: Desk) -> None:
    """Every recipient refused: no id, and one alone is an error like any."""
    rule(acme, "countries=US")
    code, told = send(acme, to=(A, B))
    assert (code, told["id"], results(told)) == (1, None, ["country_not_allowed"] * 2)
    assert acme.call("send", "--account", "acme", "--to", A, "hello").error == "the account does not send to IL"
    assert acme.call("message", "list", "--json").json == []


# --- whom ---


def test_contacts_and_groups_are_recipients(acme: Desk) -> None:
    """By name, by group, by tag, and by number, each number once; their fields fill a template."""
    acme.call("contact", "add", "acme", A, "--name", "Dana", "--tag", "vip", "--field", "hour=10:30")
    acme.call("contact", "add", "acme", B, "--name", "Noa", "--group", "team", "--field", "hour=11:00")
    code, told = send(acme, "--template", to=("Dana", "group:team", "tag:vip", A), text="{{name}}, at {{hour}}")
    assert code == 0
    assert sorted(one["number"] for one in told["recipients"] if not one["duplicate"]) == [A, B]
    with acme.store() as store, store.read() as connection:
        rows = connection.exec_driver_sql("SELECT number, text FROM recipients ORDER BY number").all()
    assert [tuple(row) for row in rows] == [(A, "Dana, at 10:30"), (B, "Noa, at 11:00")]


def test_a_missing_field_refuses_that_recipient(acme: Desk) -> None:
    """By the field's name; the others get theirs. What is not asked to be a template keeps its braces."""
    acme.call("contact", "add", "acme", A, "--name", "Dana")
    code, told = send(acme, "--template", to=(A, B), text="Dear {{name}}")
    assert (code, results(told)) == (1, ["queued", "field_missing"])
    assert told["recipients"][1]["error"]["reason"] == "the recipient has no field for {{name}}"
    assert refusal(acme, "--template", text="Dear {{name}") == "template_invalid"
    code, told = send(acme, to=(B,), text="Dear {{name}}")
    assert (code, shown(acme, told["id"])["text"]) == (0, "Dear {{name}}")


def test_length_and_price_are_those_of_the_filled_text(acme: Desk) -> None:
    """The same template is one part for one recipient and two for another, and costs so."""
    acme.call("contact", "add", "acme", A, "--field", "what=x")
    acme.call("contact", "add", "acme", B, "--field", f"what={'x' * 161}")
    _, told = send(acme, "--template", to=(A, B), text="{{what}}")
    assert [(one["parts"], one["price"]) for one in told["recipients"]] == [(1, 1), (2, 2)]
    assert credit_of(acme) == 97


def test_a_name_of_nobody_sends_nothing(acme: Desk) -> None:
    """It is named, and whoever stands beside it gets nothing either."""
    told = acme.call("send", "--account", "acme", "--to", A, "Nobody", "hello").error
    assert told == "no contact, group or tag is named Nobody"
    assert refusal(acme, to=(A, "group:none")) == "recipient_unknown"
    assert acme.call("message", "list", "--json").json == []


# --- from whom ---


def test_only_an_approved_name_is_sent_as(acme: Desk) -> None:
    """In the spelling that was approved; one that is not, and one that no network shows, are refused."""
    assert refusal(acme, "--sender", "ACME") == "sender_name_not_approved"
    assert refusal(acme, "--sender", "x") == "sender_name_invalid"
    acme.call("sender", "approve", "acme", "Acme Ltd")
    _, told = send(acme, "--sender", "ACME LTD")
    assert shown(acme, told["id"])["sender"] == "Acme Ltd"
    assert shown(acme, send(acme)[1]["id"])["sender"] is None
    acme.call("sender", "default", "acme", "Acme Ltd")
    assert shown(acme, send(acme)[1]["id"])["sender"] == "Acme Ltd"


# --- when ---


@pytest.mark.parametrize("zone", ["UTC", "Asia/Jerusalem", "America/New_York"])
def test_a_time_is_read_in_the_accounts_zone(acme: Desk, zone: str) -> None:
    """A wall time is meant there, one with an offset where it says; the text is scheduled."""
    rule(acme, f"zone={zone}")
    day = (datetime.now(UTC) + timedelta(days=3)).date()
    _, told = send(acme, "--at", f"{day}T09:30")
    (one,) = told["recipients"]
    assert one["state"] == "scheduled"
    assert at(one["due_at"]) == datetime(day.year, day.month, day.day, 9, 30, tzinfo=ZoneInfo(zone))
    assert at(shown(acme, told["id"])["recipients"][0]["due_at"]) == at(one["due_at"])
    _, told = send(acme, "--at", f"{day}T09:30+05:00")
    assert at(told["recipients"][0]["due_at"]) == datetime(day.year, day.month, day.day, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "code"),
    [("2020-01-01T00:00", "sendtime_past"), ("soon", "sendtime_invalid"), ("2099-01-01T00:00", "sendtime_invalid")],
)
def test_a_time_that_cannot_be(acme: Desk, written: str, code: str) -> None:
    """Over, unreadable, or too far ahead; the same for another time of a text that waits."""
    assert refusal(acme, "--at", written) == code
    assert acme.call("message", "list", "--json").json == []
    _, told = send(acme, "--at", "+30")
    moved = acme.call("message", "reschedule", told["id"], "--at", written, "--json")
    assert (moved.code, json.loads(moved.err)["error"]["code"]) == (1, code)


def test_a_lifetime_counts_from_the_time_to_send_at(acme: Desk) -> None:
    """So a scheduled text is not stale before it may leave; what is written wrong is wrong usage."""
    _, told = send(acme, "--at", "+60", "--lifetime", "10m")
    (one,) = shown(acme, told["id"])["recipients"]
    assert at(one["expires_at"]) - at(one["due_at"]) == timedelta(minutes=10)
    refused = acme.call("send", "--account", "acme", "--to", A, "--lifetime", "soon", "hello")
    assert (refused.code, refused.out) == (2, "")
    assert "write a time span" in refused.err


def test_quiet_hours_hold_or_refuse(acme: Desk) -> None:
    """Held until they end, refused by the account's setting, passed by an urgent text unless none may."""
    now = datetime.now(UTC)
    end = (now + timedelta(hours=2)).replace(second=0, microsecond=0)
    rule(acme, f"quiet={hours(now - timedelta(hours=1), end)}")
    (one,) = send(acme)[1]["recipients"]
    assert (one["state"], at(one["due_at"])) == ("scheduled", end)
    assert results(send(acme, "--priority", "high")[1]) == ["scheduled"]
    assert results(send(acme, "--priority", "urgent")[1]) == ["queued"]
    assert refusal(acme, "--lifetime", "30m") == "quiet_hours"
    rule(acme, "quiet_holds=false")
    assert refusal(acme) == "quiet_hours"
    assert results(send(acme, "--priority", "urgent")[1]) == ["queued"]
    rule(acme, "quiet_passes=none")
    assert refusal(acme, "--priority", "urgent") == "quiet_hours"
    rule(acme, "quiet=")
    assert results(send(acme)[1]) == ["queued"]


def test_hours_of_sending_hold_whatever_the_priority(acme: Desk) -> None:
    """Outside of them a text waits until they begin."""
    now = datetime.now(UTC)
    begin = (now + timedelta(hours=2)).replace(second=0, microsecond=0)
    rule(acme, f"open={hours(begin, begin + timedelta(hours=3))}")
    for priority in ("normal", "urgent"):
        (one,) = send(acme, "--priority", priority)[1]["recipients"]
        assert (one["state"], at(one["due_at"])) == ("scheduled", begin)


def test_quiet_hours_of_a_country(acme: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold texts to that country alone, by its own clock."""
    now = datetime.now(ZoneInfo("Asia/Jerusalem"))
    end = (now + timedelta(hours=2)).replace(second=0, microsecond=0)
    quiet = {"IL": hours(now - timedelta(hours=1), end)}
    monkeypatch.setenv("SMSBRIDGE_QUIET_HOURS", f'{{ IL = "{quiet["IL"]}" }}')
    _, told = send(acme, to=(A, ABROAD))
    assert results(told) == ["scheduled", "queued"]
    assert at(told["recipients"][0]["due_at"]) == end


def test_another_time_is_read_in_the_accounts_zone(acme: Desk) -> None:
    """`message reschedule` moves what waits, one recipient by its own id or all; the lifetime moves along."""
    rule(acme, "zone=Asia/Jerusalem")
    _, told = send(acme, to=(A, B))
    day = (datetime.now(UTC) + timedelta(days=5)).date()
    moved = acme.call("message", "reschedule", f"{told['id']}-2", "--at", f"{day:%d/%m/%Y} 09:30", "--json").json
    assert moved == [{"id": f"{told['id']}-2", "number": B, "before": "queued", "state": "scheduled"}]
    first, second = shown(acme, told["id"])["recipients"]
    assert (first["state"], second["state"]) == ("queued", "scheduled")
    assert at(second["due_at"]) == datetime(day.year, day.month, day.day, 9, 30, tzinfo=ZoneInfo("Asia/Jerusalem"))
    assert at(second["expires_at"]) - at(second["due_at"]) == timedelta(hours=24)
    moved = acme.call("message", "reschedule", told["id"], "--at", "+90", "--json").json
    assert [(one["before"], one["state"]) for one in moved] == [("queued", "scheduled"), ("scheduled", "scheduled")]
    assert [event["kind"] for event in shown(acme, told["id"])["events"]] == ["rescheduled"] * 3
    told_twice = acme.call("message", "reschedule", told["id"], "--at", "+0").out.splitlines()
    assert [line.split()[-1] for line in told_twice[1:]] == ["queued", "queued"]


def test_what_is_over_takes_no_other_time(acme: Desk) -> None:
    """A cancelled text, and an id of nothing."""
    _, told = send(acme)
    acme.call("message", "cancel", told["id"])
    assert "is cancelled; this needs" in acme.call("message", "reschedule", told["id"], "--at", "+5").error
    assert acme.call("message", "reschedule", "0" * 26, "--at", "+5").error == f"no message has the id {'0' * 26}"
    assert acme.call("message", "reschedule", f"{told['id']}-2", "--at", "+5").error.endswith("has no recipient 2")
    assert acme.call("message", "reschedule", told["id"]).code == 2


# --- what it costs ---


def test_the_last_credit(acme: Desk) -> None:
    """It buys one text more, and the next is refused; of several recipients those are sent for whom it lasts."""
    acme.call("credit", "add", "acme", "--", "-97")
    code, told = send(acme, to=(A, B))
    assert (code, credit_of(acme)) == (0, 1)
    code, told = send(acme, to=(A, B))
    assert (code, results(told), credit_of(acme)) == (1, ["queued", "credit_exhausted"], 0)
    assert refusal(acme) == "credit_exhausted"
    assert credit_of(acme) == 0


@pytest.mark.parametrize(("limit", "more"), [("-2", 2), ("-0.5", 0), ("-1.999", 1), ("1", 0)])
def test_the_limit_of_credit_is_reached_and_not_passed(acme: Desk, limit: str, more: int) -> None:
    """An overdraft, one that is no whole text, and a reserve that is not spent; all texts of one submission count."""
    acme.call("credit", "add", "acme", "--", "-100")
    rule(acme, f"credit_limit={limit}")
    _, told = send(acme, to=(A, B, C))
    assert results(told).count("queued") == more
    assert credit_of(acme) == -more


def test_an_account_that_is_only_counted(acme: Desk) -> None:
    """Without a limit its balance falls as far as it is used."""
    acme.call("credit", "add", "acme", "--", "-100")
    rule(acme, "credit_limit=none")
    assert send(acme, to=(A, B, C))[0] == 0
    assert credit_of(acme) == -3


def test_prices_of_the_configuration(acme: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the longest prefix, else the default; for each part; times the priority's factor."""
    monkeypatch.setenv("SMSBRIDGE_PRICES", "{default = 0.5, 972 = 0.75, 97250 = 0.25, priority = {urgent = 2}}")
    _, told = send(acme, to=(A, "+97235551234", ABROAD), text="x" * 161)
    assert [(one["parts"], one["price"]) for one in told["recipients"]] == [(2, 0.5), (2, 1.5), (2, 1)]
    _, told = send(acme, "--priority", "urgent")
    assert told["recipients"][0]["price"] == 0.5
    assert shown(acme, told["id"])["priority"] == 3
    assert credit_of(acme) == 96.5


def test_a_priority_that_is_none(acme: Desk) -> None:
    """Wrong usage, with the names."""
    refused = acme.call("send", "--account", "acme", "--to", A, "--priority", "first", "hello")
    assert refused.code == 2
    assert "write one of bulk, normal, high, urgent" in refused.err


# --- limits ---


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("limits=2/31d", "rate_limited"),
        ("mailbox_limits=2/31d", "rate_limited"),
        ("spend_per_day=2", "spend_limited"),
        ("spend_per_day=2.999", "spend_limited"),
    ],
)
def test_a_limit_is_reached_and_not_passed(acme: Desk, setting: str, code: str) -> None:
    """Two of three pass; a test of it uses up nothing."""
    rule(acme, setting)
    for _ in range(2):
        assert results(send(acme, "--test", to=(A, B, C))[1]) == ["queued", "queued", code]
    assert results(send(acme, to=(A, B, C))[1]) == ["queued", "queued", code]
    if code == "rate_limited":
        assert refusal(acme) == code


def test_bounds_of_one_submission(acme: Desk) -> None:
    """Recipients and parts: at the bound it is taken, above it nothing is."""
    rule(acme, "max_recipients=2", "max_parts=2")
    assert send(acme, to=(A, B), text="x" * 306)[0] == 0
    assert refusal(acme, to=(A, B, C)) == "recipients_too_many"
    assert refusal(acme, text="x" * 307) == "text_too_long"


# --- tests ---


def test_a_test_writes_nothing_and_costs_nothing(acme: Desk) -> None:
    """It says what would happen, for each recipient, and leaves every table as it was."""
    rule(acme, "countries=IL", "limits=9/1d")
    acme.call("optout", "add", B)
    before = _counts(acme)
    code, told = send(acme, "--test", "--at", "+30", to=(A, ABROAD, B, A))
    assert (code, told["id"], told["test"]) == (1, None, True)
    assert results(told) == ["scheduled", "country_not_allowed", "opted_out", "duplicate"]
    assert (told["recipients"][0]["parts"], told["recipients"][0]["price"]) == (1, 1)
    assert _counts(acme) == before
    assert credit_of(acme) == 100
    assert acme.call("message", "list", "--json").json == []


def _counts(desk: Desk) -> dict[str, int]:
    with desk.store() as store, store.read() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }


def test_a_send_writes_what_a_test_does_not(acme: Desk) -> None:
    """The tables that the test above looks at are those that a text is kept in."""
    rule(acme, "limits=9/1d")
    before = _counts(acme)
    send(acme)
    after = _counts(acme)
    for table in (messages, ledger, usage, conversations):
        assert after[table.name] == before[table.name] + 1, table.name


def test_a_person_reads_what_would_happen(acme: Desk) -> None:
    """A line for each recipient: when, how long, at what price; or why not."""
    rule(acme, "countries=IL")
    told = acme.call("send", "--account", "acme", "--to", A, ABROAD, A, "--test", "--at", "+30", "x" * 161)
    first, bad, twin = told.out.splitlines()
    assert first.startswith(f"{A} would be scheduled at ")
    assert first.endswith(": 2 parts, 2.000")
    assert bad == f"{ABROAD} refused: the account does not send to GB (country_not_allowed)"
    assert twin == f"{A} is named twice"
    assert told.code == 1


def test_a_test_in_a_process_of_its_own(acme: Desk) -> None:
    """Exit code 0 and the shape, and nothing is left to be sent."""
    told = acme.run("send", "--account", "acme", "--to", A, "--test", "hello", "--json").json
    assert (told["id"], told["test"], results(told)) == (None, True, ["queued"])
    assert acme.run("message", "list", "--json").json == []


# --- preview ---

_MAIL = f"From: ann@example.com\nTo: {A[1:]}@sms.example.com, {B[1:]}@sms.example.com\nMessage-ID: <1@x>\n\nhello\n"


def test_a_preview_asks_every_rule(acme: Desk) -> None:
    """State, price and time of what would be sent; of what would not, the rule's own code. Nothing is written."""
    acme.call("optout", "add", B)
    before = _counts(acme)
    for _ in range(2):
        previewed = acme.call("preview", "-", "--json", stdin=_MAIL)
        good, bad = json.loads(previewed.out)
        assert previewed.code == 1
        assert (good["state"], good["price"], good["parts"]) == ("queued", 1, 1)
        assert at(good["due_at"]).tzinfo is not None
        assert bad == {
            "to": f"{B[1:]}@sms.example.com",
            "error": {"code": "opted_out", "reason": "the recipient asked for no more texts"},
        }
    assert _counts(acme) == before
    told = acme.call("preview", "-", stdin=_MAIL).out
    assert "state    queued for " in told
    assert ", price 1\n" in told


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("credit_limit=100", "credit_exhausted"),
        ("countries=US", "country_not_allowed"),
        ("spend_per_day=0", "spend_limited"),
        ("max_parts=1", "text_too_long"),
    ],
)
def test_a_preview_tells_which_rule(acme: Desk, setting: str, code: str) -> None:
    """The code is the one that the mail would be refused with."""
    rule(acme, setting)
    text = "x" * 161 if code == "text_too_long" else "hello"
    entries = json.loads(acme.call("preview", "-", "--json", stdin=_MAIL.replace("hello", text)).out)
    assert [entry["error"]["code"] for entry in entries] == [code, code]


def test_a_preview_of_braces(acme: Desk) -> None:
    """A mail is no template: what looks like one is its text."""
    entry, _ = acme.call("preview", "-", "--json", stdin=_MAIL.replace("hello", "{{name}}")).json
    assert entry["text"] == "{{name}}"


@pytest.mark.e2e
@pytest.mark.enable_socket
def test_a_preview_of_a_mail_that_was_taken(acme: Desk) -> None:
    """It says under which id, and that the mail would send nothing; and the mail again is answered with that id."""
    environment = {"SMSBRIDGE_SMTP__LISTEN": "127.0.0.1:0", "SMSBRIDGE_HTTP__LISTEN": "127.0.0.1:0"}
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Message-ID"] = "ann@example.com", f"{A[1:]}@sms.example.com", "<1@example.com>"
    mail.set_content("hello")
    with acme.running("serve", **environment) as bridge:
        assert bridge.stdout is not None
        port = int(json.loads(bridge.stdout.readline())["smtp"][0].rpartition(":")[2])
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
            assert smtp.send_message(mail) == {}
        assert stop(bridge).code == 0
    (kept,) = acme.call("message", "list", "--json").json
    (entry,) = acme.call("preview", "-", "--json", stdin=mail.as_string()).json
    assert entry["duplicate_of"] == f"{kept['id']}-1"
    assert "state" not in entry
    told = acme.call("preview", "-", stdin=mail.as_string()).out
    assert f"state    answered from {kept['id']}-1: the same mail was taken before\n" in told
    assert credit_of(acme) == 99
