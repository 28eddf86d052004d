"""A real ``smsbridge serve``: a process of its own, in a folder of its own, that can be killed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bridge.clock import system_clock
from bridge.model.moment import to_ms
from bridge.store import accounts, schema
from bridge.store.engine import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

DOMAIN = "sms.example.com"
MAILBOX = "ann@example.com"

CONFIG = """\
database = "sqlite:///{folder}/bridge.db"
default_region = "IL"

[smtp]
listen = ["127.0.0.1:0"]
domains = ["sms.example.com"]

[http]
listen = "127.0.0.1:0"

[dispatch]
lease = "1s"
first_retry = "200ms"

[log]
form = "json"

[carriers.sandbox]
kind = "sandbox"
outbox = "outbox.jsonl"
"""

_START = 30.0
_STOP = 15.0


class Served:
    """A bridge on disk, and its process while it runs."""

    def __init__(self, folder: Path, *, config: str = CONFIG, allow: Sequence[str] = ("@example.com",)) -> None:
        """Write the configuration and make the database, with one account that the mailboxes may send for."""
        self.folder = folder
        self.config = folder / "bridge.toml"
        self.config.write_text(config.format(folder=folder), encoding="utf-8")
        self.outbox = folder / "outbox.jsonl"
        self.log = folder / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.http = ""
        self.ready: dict[str, Any] = {}
        """The line that said ready."""
        self.printed = b""
        """What stdout brought after the line that says ready; known once the process is gone."""
        store = Store(f"sqlite:///{folder / 'bridge.db'}")
        schema.migrate(store)
        now = to_ms(system_clock())
        with store.write() as connection:
            account = accounts.add_account(connection, "acme", region="IL", now=now)
            for pattern in allow:
                accounts.allow_mailbox(connection, account.id, pattern, now=now)
        store.close()

    def start(self, *, through: Sequence[str] = ()) -> None:
        """Start and wait for the line that says ready; ``through`` is a command to run it under."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*through, sys.executable, "-m", "bridge", "serve", "--config", str(self.config)],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(),
            )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], _START)
        line = self.process.stdout.readline() if readable else b""
        if not line:
            self.kill()
            message = f"serve did not start:\n{self.logged()[-2000:]}"
            raise AssertionError(message)
        self.ready = json.loads(line)
        self.port = int(self.ready["smtp"][0].rpartition(":")[2])
        self.http = self.ready["http"]

    def kill(self) -> None:
        """Kill -9: no handler runs, nothing is flushed."""
        if self.process is not None:
            self.process.kill()
            self._gone()

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._gone()

    def _gone(self) -> int:
        assert self.process is not None
        code = self.process.wait(timeout=_STOP)
        if self.process.stdout is not None:
            self.printed = self.process.stdout.read()
            self.process.stdout.close()
        self.process = None
        return code

    def texts(self) -> list[dict[str, Any]]:
        """Return what the phones received, in order. A line that is still being written is not there yet."""
        if not self.outbox.exists():
            return []
        whole = self.outbox.read_text(encoding="utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def await_texts(self, count: int, *, seconds: float = 20.0) -> list[dict[str, Any]]:
        """Return the texts once there are ``count`` of them."""
        return until(lambda: texts if len(texts := self.texts()) >= count else None, seconds=seconds)

    def logged(self) -> str:
        """Return all that was logged so far."""
        return self.log.read_text(encoding="utf-8")

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of a GET on the HTTP port."""
        try:
            with urllib.request.urlopen(self.http + path, timeout=5) as answer:  # noqa: S310 - our own address
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value on the HTTP port, 0 while there is none with these labels."""
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        for line in self.get("/metrics")[1].splitlines():
            head, _, value = line.rpartition(" ")
            found, _, written = head.partition("{")
            if found == name and wanted <= set(written.rstrip("}").split(",")):
                return float(value)
        return 0.0

    def command(self, *words: str, through: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run another ``smsbridge`` command on the same configuration; ``through`` is one to run it under."""
        return subprocess.run(
            [*through, sys.executable, "-m", "bridge", *words, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment(),
        )


def environment() -> dict[str, str]:
    """Return the environment for a process of ours: with bytecode kept, or every start compiles everything."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def until(probe: Callable[[], T | None], *, seconds: float) -> T:
    """Return the first true value of ``probe``; fail when none comes within ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(0.02)
    message = f"nothing within {seconds} s"
    raise AssertionError(message)


@contextmanager
def serving(folder: Path, *, config: str = CONFIG) -> Iterator[Served]:
    """Give a bridge that runs until the block ends."""
    served = Served(folder, config=config)
    served.start()
    try:
        yield served
    finally:
        if served.process is not None:
            served.kill()
