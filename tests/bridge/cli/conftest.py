"""A desk: a folder with a configuration and its database, and the command, in this process or in its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from bridge import telemetry
from bridge.cli import init, root
from bridge.store.engine import Store

_TIMEOUT = 60
_COLOUR = re.compile(r"\x1b\[")


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON; it must have succeeded."""
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line of a failure, without the program's name. All that must hold for every failure is checked."""
        assert self.code == 1
        assert self.out == ""
        assert "Traceback" not in self.err
        (line,) = self.err.splitlines()
        assert line.startswith("smsbridge: ")
        return line.removeprefix("smsbridge: ")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where commands are called: ``folder`` is their working directory."""

    folder: Path

    @property
    def file(self) -> Path:
        """The configuration."""
        return self.folder / "bridge.toml"

    def call(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run a command in this process."""
        done = CliRunner().invoke(root.build(arguments), arguments, input=stdin, prog_name="smsbridge")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Result(code=done.exit_code, out=done.stdout, err=done.stderr)

    def run(self, *arguments: str, stdin: str | None = None, **environment: str) -> Result:
        """Run a command in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "bridge", *arguments],
            cwd=self.folder,
            env=os.environ | environment,
            input=stdin or "",
            capture_output=True,
            encoding="utf-8",
            timeout=_TIMEOUT,
            check=False,
        )
        assert not _COLOUR.search(done.stdout + done.stderr)
        return Result(code=done.returncode, out=done.stdout, err=done.stderr)

    @contextlib.contextmanager
    def running(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command that goes on by itself; it is stopped at the end of the block, if it still runs."""
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "bridge", *arguments],
            cwd=self.folder,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """Give the desk's SQLite store, on the database's clock."""
        opened = Store(f"sqlite:///{self.folder / 'bridge.db'}")
        yield opened
        opened.close()


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> Result:
    """Send a signal, and wait for the end."""
    process.send_signal(number)
    out, err = process.communicate(timeout=_TIMEOUT)
    return Result(code=process.returncode, out=out, err=err)


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where processes keep what they compiled: without it, most of a start is compiling where none may be kept."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def bare_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytecode: Path) -> Iterator[Desk]:
    """A desk with nothing on it."""
    for name in [name for name in os.environ if name.startswith("SMSBRIDGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(Path(root.__file__).parents[2]))
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(bytecode))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    # Commands in this process must not bind the logs of all later tests to the stream of one call.
    monkeypatch.setattr(telemetry, "configure_logging", lambda *_: None)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield Desk(folder=folder)
    structlog.reset_defaults()


@pytest.fixture
def desk(bare_desk: Desk, sqlite_template: Path) -> Desk:
    """A desk as ``init`` leaves it."""
    bare_desk.file.write_text(init.TEMPLATE, encoding="utf-8")
    (bare_desk.folder / "bridge.db").write_bytes(sqlite_template.read_bytes())
    return bare_desk


@pytest.fixture
def acme(desk: Desk) -> Desk:
    """A desk with the account acme, which has 100 credits and may send from ann@example.com."""
    assert desk.call("account", "add", "acme", "--region", "IL", "--credit", "100").code == 0
    assert desk.call("mailbox", "allow", "acme", "ann@example.com").code == 0
    return desk
