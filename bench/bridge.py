"""A real ``smsbridge serve`` for a measurement, in a temporary folder and a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.mails import DOMAIN, SENDER
from bridge.clock import system_clock
from bridge.model.moment import to_ms
from bridge.store import accounts, schema
from bridge.store.engine import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFIG = """\
database = "sqlite:///bridge.db"
default_region = "IL"
[smtp]
listen = ["127.0.0.1:0"]
domains = ["{domain}"]
[http]
listen = "127.0.0.1:0"
[dispatch]
enabled = {dispatch}
{carrier}"""

_SANDBOX = """\
[carriers.sandbox]
kind = "sandbox"
outbox = "outbox.jsonl"
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A served bridge: its folder, its listeners, its process. ``ready`` is the line that it said when they were up."""

    folder: Path
    port: int
    http: str
    process: subprocess.Popen[str]
    ready: dict[str, Any]

    def resident(self) -> int:
        """Return the octets of memory that the process holds now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder with a migrated database in which the bench's mailbox may send."""
    with tempfile.TemporaryDirectory(prefix="smsbridge-bench-") as name:
        path = Path(name)
        store = Store(f"sqlite:///{path / 'bridge.db'}")
        schema.migrate(store)
        now = to_ms(system_clock())
        with store.write() as connection:
            account = accounts.add_account(connection, "bench", region="IL", now=now)
            accounts.allow_mailbox(connection, account.id, SENDER, now=now)
        store.close()
        yield path


def key(path: Path) -> str:
    """Make a login for the folder's account, and return its token."""
    token = secrets.token_urlsafe(32)
    store = Store(f"sqlite:///{path / 'bridge.db'}")
    with store.write() as connection:
        account = accounts.find_account(connection, "bench")
        kept = hashlib.sha256(token.encode()).hexdigest()
        now = to_ms(system_clock())
        accounts.add_key(connection, account.id, user="bench", kind="token", secret=kept, now=now)
    store.close()
    return token


@contextmanager
def serve(path: Path, *, dispatch: bool, carrier: str = _SANDBOX) -> Iterator[Running]:
    """Serve from a folder until the block ends; ``carrier`` is the table of one."""
    config = path / "bridge.toml"
    text = _CONFIG.format(domain=DOMAIN, dispatch=str(dispatch).lower(), carrier=carrier)
    config.write_text(text, encoding="utf-8")
    with (path / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "serve", "--config", str(config)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            ready = json.loads(process.stdout.readline() or "{}")  # type: ignore[union-attr]
            assert ready, (path / "serve.log").read_text(encoding="utf-8")
            port = int(ready["smtp"][0].rpartition(":")[2])
            yield Running(folder=path, port=port, http=ready["http"], process=process, ready=ready)
        finally:
            process.terminate()
            process.wait(timeout=15)
            process.stdout.close()  # type: ignore[union-attr]


def load(port: int, **options: Any) -> dict[str, Any]:
    """Run the load client against a port and return what it saw. Stops the bench when a mail was refused."""
    command = [sys.executable, "-m", "bench.load", str(port)]
    for name, value in options.items():
        if value is True:
            command.append(f"--{name}")
        elif value is not False:
            command += [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen: dict[str, Any] = json.loads(done.stdout)
    assert not seen["problems"], seen["problems"]
    return seen
