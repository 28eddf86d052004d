"""The program as an operator meets it: processes of its own, exit codes, one line for what went wrong."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from bridge.cli import root
from tests.bridge.cli.conftest import Desk, stop

pytestmark = pytest.mark.e2e

_BAD = """
default_region = "Israel"
databas = "x"
[smtp]
lisen = ["127.0.0.1:0"]
max_parts = 0
[http]
listen = "127.0.0.1"
[carriers.one]
kind = "pigeon"
[[routes]]
carriers = ["two"]
"""
_PLACES = (
    "default_region",
    "databas",
    "smtp.lisen",
    "smtp.max_parts",
    "http.listen",
    "carriers.one.kind",
    "routes.0.carriers",
)
_TEXT = "שלום, מחר ב-10:30"


def test_the_first_steps(bare_desk: Desk) -> None:
    """From an empty folder to a mailbox that may send, with the commands that `init` names."""
    made = bare_desk.run("init")
    assert made.code == 0
    assert [line.split()[0] for line in made.out.splitlines()[1:]] == ["smsbridge"] * 3
    assert "account demo made" in bare_desk.run("account", "add", "demo", "--credit", "100").out
    assert bare_desk.run("mailbox", "allow", "demo", "you@example.com").code == 0
    key = bare_desk.run("key", "create", "demo", "--user", "till", "--json").json
    assert len(key["token"]) == 43
    assert bare_desk.run("credit", "add", "demo", "2.5", "--json").json["credit"] == 102.5
    assert bare_desk.run("message", "list", "--json").json == []


def test_a_text_sent_by_hand_is_sent_by_a_running_bridge(acme: Desk) -> None:
    """`serve` says when it is up, finds what another process committed, and stops within the contract's time."""
    environment = {"SMSBRIDGE_SMTP__LISTEN": "127.0.0.1:0", "SMSBRIDGE_HTTP__LISTEN": "127.0.0.1:0"}
    with acme.running("serve", **environment) as bridge:
        assert bridge.stdout is not None
        ready = json.loads(bridge.stdout.readline())
        assert ready["event"] == "ready"
        sent = acme.run("send", "--account", "acme", "--to", "0502345678", _TEXT)
        assert sent.code == 0
        (message_id,) = sent.out.split()
        lines = _lines(acme.folder / "outbox.jsonl", 1)
        (listed,) = acme.run("message", "list", "--json").json
        began = time.monotonic()
        stopped = stop(bridge)
    assert (stopped.code, stopped.out) == (0, "")
    assert time.monotonic() - began < 10
    assert [(line["message_id"], line["to"], line["text"]) for line in lines] == [(message_id, "+972502345678", _TEXT)]
    assert listed["id"] == message_id
    assert (listed["account"], listed["door"], listed["state"]) == ("acme", "cli", "sent")
    assert listed["recipients"] == [
        {
            "number": "+972502345678",
            "state": "sent",
            "parts": 1,
            "carrier": "sandbox",
            "carrier_id": f"sandbox-{message_id}-1",
        }
    ]


@pytest.mark.parametrize("command", [("serve",), ("check",), ("account", "list"), ("migrate",)])
def test_a_bad_configuration_is_refused_with_all_that_is_wrong(desk: Desk, command: tuple[str, ...]) -> None:
    """Every problem has a line with its place; nothing is printed on stdout."""
    desk.file.write_text(_BAD)
    refused = desk.run(*command)
    assert (refused.code, refused.out) == (1, "")
    first, *problems = refused.err.splitlines()
    assert first == f"smsbridge: bridge.toml: {len(_PLACES)} problems in the configuration"
    assert {problem.split(":")[0] for problem in problems} == {f"  {place}" for place in _PLACES}


def test_a_failure_is_json_for_programs(desk: Desk) -> None:
    """With --json the error is one object on stderr, and stdout is empty."""
    desk.file.write_text(_BAD)
    refused = desk.run("account", "list", "--json")
    assert (refused.code, refused.out) == (1, "")
    error = json.loads(refused.err)["error"]
    assert error["code"] == "config_invalid"
    assert len(error["problems"]) == len(_PLACES)


def test_a_missing_configuration_says_how_to_make_one(bare_desk: Desk) -> None:
    """Both where it was named and where it was not."""
    assert bare_desk.run("serve").error == "bridge.toml: no such file; make one with: smsbridge init"
    assert bare_desk.run("serve", "--config", "x.toml").error.startswith("x.toml: no such file")


def test_a_missing_folder_for_the_database_is_named(desk: Desk) -> None:
    """The folder is named, with what to do."""
    refused = desk.run("serve", SMSBRIDGE_DATABASE="sqlite:///away/bridge.db")
    assert (
        refused.error == f"database: the folder {desk.folder / 'away'} does not exist; create it, or name another file"
    )


@pytest.mark.parametrize("command", [("serve",), ("migrate",), ("account", "list")])
def test_a_database_of_a_newer_version_is_left_alone(desk: Desk, command: tuple[str, ...]) -> None:
    """Nothing works on a schema that this version does not know."""
    with sqlite3.connect(desk.folder / "bridge.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    refused = desk.run(*command)
    assert refused.error == "the database has schema 9999, made by a newer smsbridge; upgrade smsbridge"


@pytest.mark.parametrize("door", ["smtp", "http"])
def test_a_port_in_use_is_named(desk: Desk, door: str) -> None:
    """`serve` ends with the setting and the address; the other listener is not left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        environment = {"SMSBRIDGE_SMTP__LISTEN": "127.0.0.1:0", "SMSBRIDGE_HTTP__LISTEN": "127.0.0.1:0"}
        environment[f"SMSBRIDGE_{door.upper()}__LISTEN"] = address
        refused = desk.run("serve", **environment)
    assert refused.error.startswith(f"{door}.listen: {address} is in use")


def test_an_unknown_account_is_one_line(desk: Desk) -> None:
    """A name that is not there is said, and no more."""
    assert desk.run("account", "show", "nobody").error == "no account is named nobody"


@pytest.mark.parametrize("arguments", [(), ("flie",), ("account",), ("account", "add"), ("serve", "--porcesses", "2")])
def test_wrong_usage_exits_with_2(desk: Desk, arguments: tuple[str, ...]) -> None:
    """What is not on the line as it should be is told apart from what failed."""
    assert desk.run(*arguments).code == 2


def test_help_loads_nothing_heavy(desk: Desk) -> None:
    """--help names every command, and needs neither the database nor a server's library."""
    code = (
        "import sys; from bridge.cli import root; code = root.run(['--help']);"
        "print(code, sorted({'sqlalchemy', 'pydantic', 'aiosmtpd', 'uvicorn', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    for name in root.COMMANDS:
        assert f"\n  {name} " in done.stdout


def test_a_reader_that_goes_away_is_no_error_to_tell(acme: Desk) -> None:
    """`smsbridge … | head -1` ends without a word on stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "account", "list", "--json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_what_a_narrow_encoding_cannot_say_is_escaped(acme: Desk) -> None:
    """On a terminal that speaks Latin-1 nothing fails: JSON has its escapes, text gets some."""
    acme.call("credit", "add", "acme", "1", "--note", "שלום")
    latin = acme.run("credit", "show", "acme", "--json", PYTHONIOENCODING="latin-1")
    assert latin.json["entries"][0]["note"] == "שלום"
    assert "\\u05e9" in acme.run("credit", "show", "acme", PYTHONIOENCODING="latin-1").out


@pytest.mark.parametrize(("typed", "code"), [("pass\npass\n", 0), ("pass\npast\n", 2), ("\x03", 130)])
def test_a_password_is_asked_for_on_a_terminal(acme: Desk, typed: str, code: int) -> None:
    """It is typed twice without an echo, and Ctrl-C ends it with 130 and no traceback."""
    terminal, other = pty.openpty()
    program = (  # a suite that runs in the background may ignore SIGINT, and its children with it
        "import fcntl, signal, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "signal.signal(signal.SIGINT, signal.default_int_handler); from bridge.__main__ import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "key", "create", "acme", "--user", "till", "--password", "-"],
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    )
    os.close(other)
    shown = b""
    try:
        for line in typed.splitlines(keepends=True):
            shown += _until(terminal, b": ")
            os.write(terminal, line.encode())
        shown += _until(terminal, None)
        assert process.wait(timeout=60) == code
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(terminal)
    assert b"Traceback" not in shown
    assert b"pass\r" not in shown
    assert len(acme.call("key", "list", "acme", "--json").json) == (code == 0)


def test_the_demo_shows_the_text_arriving(bare_desk: Desk) -> None:
    """`demo --once` sends a real mail, shows what the phone got, leaves nothing behind, and exits with 0."""
    began = time.monotonic()
    shown = bare_desk.run("demo", "--once", TMPDIR=str(bare_desk.folder), SMSBRIDGE_DEFAULT_REGION="nowhere")
    assert (shown.code, shown.err) == (0, "")
    assert time.monotonic() - began < 30
    for part in ("250 2.0.0 Accepted ", "+972502345678", "התור שלך מחר בשעה 10:30", "1 part", "ucs2"):
        assert part in shown.out
    assert list(bare_desk.folder.iterdir()) == []


def test_the_demo_tells_programs_too(bare_desk: Desk) -> None:
    """With --json it prints both answers and both lines of the outbox: the ids in the ones name the others."""
    shown = bare_desk.run("demo", "--once", "--json", TMPDIR=str(bare_desk.folder)).json
    mail, soap = shown["mail"], shown["soap"]
    assert mail["answer"] == f"250 2.0.0 Accepted {mail['received']['message_id']}"
    assert (mail["received"]["parts"], mail["encoding"]) == (1, "ucs2")
    assert soap["answer"] == f"status 0, status_text OK, message_id {soap['received']['message_id']}"
    assert (soap["received"]["to"], soap["encoding"]) == ("+972502345679", "gsm7")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_goes_on_until_it_is_stopped(bare_desk: Desk, number: signal.Signals) -> None:
    """Without --once the page is there until Ctrl-C; then the folder goes, and the exit code is 0."""
    with bare_desk.running("demo", TMPDIR=str(bare_desk.folder)) as process:
        assert process.stdout is not None
        shown: list[str] = []
        while not shown or not shown[-1].startswith("Ctrl-C"):
            shown.append(process.stdout.readline())
            assert shown[-1] != "", process.communicate()
        (page,) = [word for line in shown for word in line.split() if word.endswith("/console")]
        with urllib.request.urlopen(page, timeout=10) as answer:  # noqa: S310 - our own page
            assert answer.status == 200
        stopped = stop(process, number)
    assert (stopped.code, stopped.err) == (0, "")
    assert list(bare_desk.folder.iterdir()) == []


def _lines(outbox: Path, count: int) -> list[dict[str, str]]:
    """Wait until an outbox has that many lines, and return them."""
    deadline = time.monotonic() + 20
    while not outbox.exists() or outbox.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline, "the text did not arrive"
        time.sleep(0.02)
    return [json.loads(line) for line in outbox.read_text(encoding="utf-8").splitlines()]


def _until(terminal: int, end: bytes | None) -> bytes:
    """Read what a terminal shows until it ends so, or until the other side has closed it."""
    shown = b""
    while end is None or not shown.endswith(end):
        try:
            read = os.read(terminal, 1024)
        except OSError:  # Linux: nobody has the other side open
            break
        if not read:
            break
        shown += read
    return shown
