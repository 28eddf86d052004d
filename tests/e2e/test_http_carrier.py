"""A carrier over HTTP in the whole program: texts go out to a provider on loopback, reports and replies come back."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from bridge.carriers.base import Urls
from tests.contract.carriers.case import REPLY_TEXT, Told
from tests.contract.carriers.http import _SECRET, _TOKEN, _Modern
from tests.support.hosted import hosted, toml
from tests.support.served import Served, until
from tests.support.smsc_server import SmscServer

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

DELIVERED, UNDELIVERED, REPLIES = "+972502345678", "+972502345679", "+972502345670"


def states(served: Served) -> dict[str, str]:
    """Return the state of each number's text."""
    with contextlib.closing(sqlite3.connect(served.folder / "bridge.db")) as database:
        return dict(database.execute("SELECT number, state FROM recipients").fetchall())


def test_out_and_back(tmp_path: Path) -> None:
    """Each text arrives once, also when the provider was away; what it tells later is known; no secret is in a log."""
    upstream = _Modern()
    with hosted(upstream) as do:
        served = Served(tmp_path)
        text = served.config.read_text(encoding="utf-8").partition("[carriers.sandbox]")[0]
        served.config.write_text(text + "[carriers.main]\n" + toml(upstream.table()), encoding="utf-8")
        upstream.tell(DELIVERED, Told.DELIVERED)
        upstream.tell(UNDELIVERED, Told.UNDELIVERED)
        upstream.tell(REPLIES, Told.REPLY)
        served.start()
        try:
            upstream.urls = Urls.under(served.http, "main", _SECRET)
            to = ["--to", DELIVERED, "--to", UNDELIVERED, "--to", REPLIES]
            assert served.command("send", "--account", "acme", *to, "the first").returncode == 0
            wanted = {DELIVERED: "delivered", UNDELIVERED: "undelivered", REPLIES: "sent"}
            until(lambda: states(served) == wanted or None, seconds=20)
            until(
                lambda: served.metric("smsbridge_carrier_calls_total", carrier="main", result="taken") >= 3, seconds=20
            )

            wrong = f"{served.http}/carriers/main/callback/{_SECRET}x"
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(wrong, timeout=5)  # noqa: S310 - our own address
            assert served.metric("smsbridge_carrier_calls_total", carrier="none", result="unknown") == 1

            do(upstream.stop)
            assert served.command("send", "--account", "acme", "--to", "+972502345671", "the second").returncode == 0
            until(lambda: "not reached" in served.logged() or None, seconds=20)
            assert states(served)["+972502345671"] == "queued"
            do(upstream.start)
            until(lambda: states(served)["+972502345671"] == "sent" or None, seconds=20)
        finally:
            code = served.stop()
        assert code == 0
        arrived = sorted((arrival.number, arrival.text) for arrival in upstream.arrived())
        assert arrived == [
            (REPLIES, "the first"),
            ("+972502345671", "the second"),
            (DELIVERED, "the first"),
            (UNDELIVERED, "the first"),
        ]
        assert upstream.refusals == []
    for hidden in (_SECRET, _TOKEN, REPLY_TEXT, "the first", DELIVERED[1:]):
        assert hidden not in served.logged()


def test_taken_back(tmp_path: Path) -> None:
    """A text that waits at its provider is taken back by SOAP, by the SMSC call and by the command; none arrives."""
    upstream = SmscServer(apikey=True)
    numbers = ["+972502345670", "+972502345671", "+972502345672", "+972502345673"]
    with hosted(upstream) as _:
        served = Served(tmp_path)
        text = served.config.read_text(encoding="utf-8").partition("[carriers.sandbox]")[0]
        served.config.write_text(text + "[carriers.main]\n" + toml(upstream.table()), encoding="utf-8")
        for number in numbers[:3]:
            upstream.tell(number, Told.WAIT)
        key = json.loads(served.command("key", "create", "acme", "--user", "erp", "--json").stdout)
        served.start()
        try:
            to = [part for number in numbers for part in ("--to", number)]
            sent = served.command("send", "--account", "acme", *to, "not now", "--json")
            message_id = json.loads(sent.stdout)["id"]
            until(lambda: set(states(served).values()) == {"sent"} or None, seconds=20)

            answer = called(served, "/ws.php", service="cancel_sms", token=key["token"], message_id=f"{message_id}-1")
            assert b"<state>undelivered</state><state_before>sent</state_before>" in answer
            asked = {"apikey": key["token"], "id": message_id, "phone": numbers[1], "del": "1", "fmt": "3"}
            assert json.loads(called(served, "/sys/status.php", **asked)) == {"result": "OK"}
            told = json.loads(served.command("message", "cancel", message_id, "--json").stdout)
            assert [one["state"] for one in told] == ["undelivered"] * 3 + ["sent"]
            assert told[3]["said"] == "status 0: given to the operator"
            late = called(served, "/sys/status.php", **asked | {"phone": numbers[3]})
            assert json.loads(late) == {"error": "cannot be deleted", "error_code": 5}
        finally:
            code = served.stop()
        assert code == 0
        assert states(served) == dict(zip(numbers, ["undelivered"] * 3 + ["sent"], strict=True))
        assert [arrival.number for arrival in upstream.arrived()] == numbers[3:]


def called(served: Served, path: str, **fields: str) -> bytes:
    """Make a program's call by a form, and return what is answered."""
    body = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(f"{served.http}{path}", body, timeout=20) as answer:  # noqa: S310 - our own address
        return bytes(answer.read())
