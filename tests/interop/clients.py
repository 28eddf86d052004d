"""SOAP clients of other worlds, each in a process of its own, and what they make of an answer in common terms."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import pytest

_DRIVERS: Final = Path(__file__).parent / "drivers"
_PACKAGE: Final = Path(__file__).parents[1] / "node_modules" / "soap"
_WAIT: Final = 30.0


def _runs(*command: str, saying: str = "") -> bool:
    """Say whether a command is there and succeeds, with that line in what it prints."""
    if shutil.which(command[0]) is None:
        return False
    done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT, check=False)
    return done.returncode == 0 and (not saying or saying in done.stdout.lower().split())


class Kind(NamedTuple):
    """How a client is started, how to see whether it is here, and what has to be installed where it is not."""

    command: list[str]
    here: Callable[[], bool]
    needs: str


KINDS: Final = {
    "zeep": Kind([sys.executable, "-m", "tests.interop.drivers.zeep_client"], lambda: True, ""),
    "suds": Kind([sys.executable, "-m", "tests.interop.drivers.suds_client"], lambda: True, ""),
    "php": Kind(
        ["php", str(_DRIVERS / "php.php")],
        lambda: _runs("php", "-m", saying="soap"),
        "PHP's SoapClient: apt-get install php-cli php-soap",
    ),
    "node": Kind(
        ["node", str(_DRIVERS / "node.js")],
        lambda: _runs("node", "-e", f"require({json.dumps(str(_PACKAGE))})"),
        "node-soap: install node, and then npm ci --prefix tests",
    ),
    "soap-lite": Kind(
        ["perl", str(_DRIVERS / "soap_lite.pl")],
        lambda: _runs("perl", "-MSOAP::Lite", "-MJSON::PP", "-e", "1"),
        "SOAP::Lite: apt-get install libsoap-lite-perl",
    ),
}
"""What is in the pinned test tools has to be here; without it a test fails."""


@cache
def _here(name: str) -> bool:
    return KINDS[name].here()


class Client:
    """A running client. What it answers is as it shows it; see :func:`read`."""

    def __init__(self, name: str, order: dict[str, Any]) -> None:
        """Start it on a contract; skips where it is not installed. ``order`` is what :mod:`~.drivers` tells of."""
        if not _here(name):
            pytest.skip(f"not installed: {KINDS[name].needs}")
        self.name = name
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            KINDS[name].command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            bufsize=0,
            cwd=Path(__file__).parents[2],
            env={key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
        )
        self._read = b""
        self.operations: list[str] = self._ask(order)["operations"]

    def say(self, operation: str, arguments: Any) -> dict[str, Any]:
        """Call an operation, and return how the client says that it ended: ``answer``, ``fault`` or ``error``."""
        said: dict[str, Any] = self._ask({"operation": operation, "arguments": arguments})
        assert len(said) == 1
        return said

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=_WAIT)
        finally:
            self._process.kill()
            self._process.stdout.close()
            self._complaints.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return json.loads(self._line())

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._read:
            ready, _, _ = select.select([self._process.stdout], [], [], _WAIT)
            more = self._process.stdout.read(65_536) if ready else b""
            if not more:
                self._complaints.seek(0)
                told = self._complaints.read().decode(errors="replace")
                message = f"{self.name} {'ended' if ready else 'says nothing'}: {self._read!r}\n{told[-3000:]}"
                raise AssertionError(message)
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return line


LISTS: Final = {
    "contacts": "contact",
    "extra": "item",
    "fields": "item",
    "groups": "group",
    "numbers": "number",
    "recipients": "recipient",
    "results": "result",
    "senders": "sender",
    "texts": "text",
}
_COUNTS: Final = {"status", "position", "parts", "members"}
_AMOUNTS: Final = {"credit", "price"}
_MOMENTS: Final = {"created_at", "due_at", "updated_at", "sent_at", "received_at"}
_SWITCHES: Final = {"is_default"}


def read(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a record in terms of Python, the same whatever the client: empty texts are ``""``, empty lists ``[]``.

    A client leaves out, or has as None, what is not there; so it is not there either.
    """
    found: dict[str, Any] = {}
    for name, value in answer.items():
        if name in LISTS:
            entries = [read(each) if isinstance(each, dict) else each for each in listed(value, LISTS[name])]
            keyed = name in {"extra", "fields"}
            found[name] = {each["key"]: each["value"] for each in entries} if keyed else entries
        elif name in _COUNTS | _AMOUNTS | _MOMENTS | _SWITCHES:
            if value is not None:
                found[name] = _value(name, value)
        else:
            found[name] = "" if value is None else value
            assert isinstance(found[name], str), (name, value)
    return found


def listed(value: Any, name: str) -> list[Any]:
    """Return the entries of a list, in any of the forms that clients give it."""
    entries = value.get(name) if isinstance(value, dict) else None
    if entries is None:
        assert value in (None, "", {}, {name: None}), value
        return []
    return entries if isinstance(entries, list) else [entries]


def _value(name: str, value: Any) -> Any:
    if name in _COUNTS:
        return int(value)
    if name in _AMOUNTS:
        return Decimal(str(value))
    if name in _SWITCHES:
        return value in (True, "true")
    moment = datetime.fromisoformat(value)
    assert moment.tzinfo is not None, value
    return moment
