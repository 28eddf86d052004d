"""The disk is full, or takes no writes: mail is put off and not lost, and all goes on by itself afterwards.

The database lies on a small disk of its own (tmpfs), which only the bridge under test has: it runs in a mount
namespace. Phones are on another disk, so what was sent is seen whatever happens here.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import shutil
import smtplib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.support.served import CONFIG, DOMAIN, MAILBOX, Served, serving, until

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

_NAMESPACES = (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount"))
_MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && cp "$3" "$2/bridge.db" && shift 3 && exec "$@"'
_SMALL = CONFIG.replace("{folder}/bridge.db", "{folder}/small/bridge.db")
_TROUBLE = "451 4.3.0 Trouble on our side; come again later"


@functools.cache
def namespace() -> tuple[str, ...]:
    """Return the command that gives a mount namespace here. Skips where there is none; on CI that is a failure."""
    said = []
    for words in _NAMESPACES:
        if shutil.which(words[0]) is None:
            said.append(f"{words[0]} is not installed")
            break
        tried = subprocess.run(
            [*words, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, timeout=10, check=False
        )
        if tried.returncode == 0:
            return words
        said.append(f"{' '.join(words)}: {tried.stderr.strip()}")
    reason = f"no mount namespace on this machine: {'; '.join(said)}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Boxed(Served):
    """A bridge whose database has a disk of its own, of a few megabytes."""

    def __init__(self, folder: Path, *, config: str = _SMALL, disk: str = "6m") -> None:
        super().__init__(folder, config=config)
        self.disk = disk
        (folder / "small").mkdir()

    def box(self) -> list[str]:
        """Return the command under which the disk is there, and on it a copy of the database."""
        small, database = self.folder / "small", self.folder / "bridge.db"
        return [*namespace(), "sh", "-c", _MOUNT, "sh", self.disk, str(small), str(database)]

    @property
    def small(self) -> Path:
        """The disk, as seen from here."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{self.folder}/small")

    def fill(self, *, leave: int = 0) -> None:
        """Fill the disk, but for ``leave`` bytes."""
        block = bytes(4096)
        with (self.small / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while shutil.disk_usage(self.small).free > leave:
                filler.write(block)
        assert shutil.disk_usage(self.small).free <= leave

    def free(self) -> None:
        """Make space again."""
        (self.small / "filler").unlink()

    def is_ready(self) -> bool:
        """Whether it says that it can take mail; that it lives must hold anyway."""
        assert self.get("/health/live")[0] == 200
        code, _ = self.get("/health/ready")
        assert code in {200, 503}
        return code == 200

    def rows(self) -> list[dict[str, Any]]:
        """Return the recipients in the database on the disk, as another program there lists them."""
        assert self.process is not None
        enter = ["nsenter", "--target", str(self.process.pid), "--mount"]
        if "--user" in namespace():
            enter += ["--user", "--preserve-credentials"]
        listed = self.command("message", "list", "--limit", "1000", "--json", through=enter)
        assert listed.returncode == 0, listed.stderr
        return [recipient for message in json.loads(listed.stdout) for recipient in message["recipients"]]


def send(served: Served, serial: str, number: str = "972502345678") -> str:
    """Send a mail; return the reply to it."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = MAILBOX
    mail["Message-ID"] = f"<{serial}@example.com>"
    mail.set_content(serial)
    with smtplib.SMTP("127.0.0.1", served.port, timeout=10) as smtp:
        smtp.ehlo()
        smtp.mail(MAILBOX)
        assert smtp.rcpt(f"{number}@{DOMAIN}")[0] == 250
        code, told = smtp.data(mail.as_bytes())
    return f"{code} {told.decode()}"


def logs(served: Served, event: str) -> list[dict[str, Any]]:
    """Return the lines of the log about an event. A line that is still being written is not there yet."""
    whole = served.logged().rpartition("\n")[0]
    return [line for line in map(json.loads, whole.splitlines()) if line["event"] == event]


@contextmanager
def boxed(folder: Path, *, config: str = _SMALL, through: Sequence[str] = ()) -> Iterator[Boxed]:
    """Give a bridge in its box."""
    served = Boxed(folder, config=config)
    served.start(through=[*served.box(), *through])
    try:
        yield served
    finally:
        if served.process is not None:
            served.kill()


def settled(served: Boxed) -> bool:
    """Whether every text is sent and recorded."""
    return all(row["state"] == "sent" for row in served.rows())


def test_a_full_disk(tmp_path: Path) -> None:
    """Mails are answered 451 and ready is 503; with space again mails are 250 and ready 200, by themselves.

    All that was answered 250 arrives once; what was answered 451 does not, unless it is sent again.
    """
    with boxed(tmp_path, config=_SMALL + 'numbers = {{ "*99" = "delay 3s" }}\n') as served:
        answered = [f"before {index}" for index in range(5)]
        assert {send(served, serial)[:3] for serial in answered} == {"250"}
        answered.append("slow")
        assert send(served, "slow", "972502340099")[:3] == "250"
        assert served.is_ready()
        served.await_texts(6)
        served.fill()
        refused = []
        for index in range(40):
            reply = send(served, f"full {index}")
            if reply[:3] == "250":  # there was a little left in the files that the database has
                answered.append(f"full {index}")
                continue
            assert reply == _TROUBLE
            refused.append(f"full {index}")
            assert not served.is_ready()
        assert len(refused) > 20
        assert served.get("/health/ready")[1] == '{"status":"fail","problems":["database: no space left"]}'
        assert served.metric("smsbridge_refused_total", door="smtp", reason="store_unavailable") == len(refused)
        # To look for work needs no space. That it can be done is no recovery.
        until(lambda: len(logs(served, "leases not renewed")) > 6, seconds=10)
        (line,) = logs(served, "store failed")
        assert (line["level"], line["code"], line["reason"]) == ("error", "store_full", "database: no space left")
        assert logs(served, "store recovered") == []

        served.free()
        until(served.is_ready, seconds=5)
        (line,) = logs(served, "store recovered")
        for serial in ("after", refused[0]):
            assert send(served, serial).startswith("250 2.0.0 ")
            answered.append(serial)
        served.await_texts(len(answered))
        until(lambda: settled(served), seconds=5)
        assert Counter(text["text"] for text in served.texts()) == dict.fromkeys(answered, 1)
        assert len(served.rows()) == len(answered)
        assert served.stop() == 0


def test_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    """While a mail does not fit, ready is 503, although the row that health writes still would."""
    with boxed(tmp_path) as served:
        send(served, "before")
        served.await_texts(1)
        served.fill(leave=48 << 10)
        replies = []
        for index in range(30):
            replies.append(send(served, f"full {index}")[:3])
            assert not served.is_ready()
        assert "451" in replies
        served.free()
        until(served.is_ready, seconds=5)
        served.await_texts(1 + replies.count("250"))
        until(lambda: settled(served), seconds=5)
        assert len(served.texts()) == 1 + replies.count("250")


@pytest.mark.parametrize("carrier", ["", "forgetful = true\n"], ids=["takes our id", "forgetful"])
def test_an_outcome_that_cannot_be_written(tmp_path: Path, carrier: str) -> None:
    """A carrier that answers while the disk is full is heard: afterwards the text is sent, and went out once.

    Meanwhile its lease runs out, for that cannot be renewed either.
    """
    with boxed(tmp_path, config=f'{_SMALL}behaviour = "delay 500ms"\n{carrier}') as served:
        for index in range(3):
            assert send(served, f"text {index}")[:3] == "250"
        served.await_texts(3)
        served.fill()
        until(lambda: logs(served, "outcomes wait for the store"), seconds=10)
        until(lambda: len(logs(served, "leases not renewed")) > 6, seconds=10)  # a lease is four of these
        assert {row["state"] for row in served.rows()} == {"sending"}
        served.free()
        until(lambda: settled(served), seconds=10)
        assert {row["carrier_id"] is not None for row in served.rows()} == {True}
        assert send(served, "after")[:3] == "250"
        served.await_texts(4)
        until(lambda: settled(served), seconds=5)
        assert sorted(text["text"] for text in served.texts()) == ["after", "text 0", "text 1", "text 2"]
        assert served.stop() == 0


def test_the_log_is_on_the_full_disk_too(tmp_path: Path) -> None:
    """What the log does not take is lost, and nothing else: no part ends, no mail is refused for good."""
    with boxed(tmp_path, through=("sh", "-c", 'exec "$@" 2>>"$0"', f"{tmp_path}/small/log")) as served:
        assert send(served, "before")[:3] == "250"
        served.fill()
        replies = [send(served, f"full {index}") for index in range(80)]
        assert set(replies[40:]) == {_TROUBLE}
        assert not served.is_ready()
        served.free()
        until(served.is_ready, seconds=5)
        assert send(served, "after")[:3] == "250"
        served.await_texts(2)
        assert served.stop() == 0


def test_a_disk_that_fails(tmp_path: Path) -> None:
    """Any other error of the disk: the same, but that the database is called unavailable.

    A mount cannot be made read-only under a file that is open for writing, so the process is given a limit instead
    (RLIMIT_FSIZE): the database's files may not grow by one byte. That needs no namespace.
    """
    with serving(tmp_path) as served:
        assert served.process is not None
        for index in range(8):
            assert send(served, f"before {index}")[:3] == "250"
        served.await_texts(8)
        until(lambda: served.metric("smsbridge_sends_total", outcome="accepted") == 8, seconds=5)
        _, hard = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
        limit = (tmp_path / "bridge.db-wal").stat().st_size
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (limit, hard))
        for index in range(3):
            assert send(served, f"failing {index}") == _TROUBLE
        assert served.get("/health/ready") == (503, '{"status":"fail","problems":["database: disk I/O error"]}')
        assert served.get("/health/live")[0] == 200
        (line,) = logs(served, "store failed")
        assert (line["code"], line["reason"]) == ("store_unavailable", "database: disk I/O error")
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        until(lambda: served.get("/health/ready")[0] == 200, seconds=5)
        assert send(served, "after")[:3] == "250"
        served.await_texts(9)
        assert served.stop() == 0
        assert sorted(text["text"] for text in served.texts()) == ["after", *(f"before {index}" for index in range(8))]


def test_a_disk_that_is_read_only(tmp_path: Path) -> None:
    """Nothing is started on it: one line says why."""
    served = Boxed(tmp_path)
    remount = ["sh", "-c", 'mount -o remount,ro "$0" && exec "$@"', str(tmp_path / "small")]
    done = subprocess.run(
        [*served.box(), *remount, sys.executable, "-m", "bridge", "serve", "--config", str(served.config)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("smsbridge: database: ")
