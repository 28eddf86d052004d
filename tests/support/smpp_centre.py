"""A message centre in a process of its own: the npm package smpp, driven by tests/support/smpp_centre.js."""

from __future__ import annotations

import itertools
import json
import queue
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = Path(__file__).with_suffix(".js")
_PACKAGE = _SCRIPT.parents[1] / "node_modules" / "smpp"
_WAIT = 20.0


def needed() -> str:
    """Return the path of node; skips where it or the package is missing, and says what to do."""
    node = shutil.which("node")
    if node is None or not _PACKAGE.is_dir():
        pytest.skip("no SMPP centre: it needs node, and npm ci --prefix tests")
    return node


class Centre:
    """The process, and all that it said so far."""

    def __init__(self, *, password: str, certificate: tuple[Path, Path] | None = None) -> None:
        """Start it on a free port."""
        self._arguments = [password, *map(str, certificate or ())]
        self.port = 0
        self.said: list[dict[str, Any]] = []
        self._serial = itertools.count(1)
        self._told: list[dict[str, Any]] = []
        self.start()

    def start(self) -> None:
        """Start it, on the same port after the first time, with all that it was told."""
        self._new: queue.Queue[dict[str, Any]] = queue.Queue()
        self._process = subprocess.Popen(
            [needed(), str(_SCRIPT), str(self.port), *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process, self._new), daemon=True)
        self._reader.start()
        self.port = self.wait("listening")["port"]
        for command in self._told:
            self._write(command)

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()
        self._end()

    def stop(self) -> None:
        """End it. Safe twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        self._end()

    def freeze(self) -> None:
        """Let it do nothing, with its connections open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def tell(self, number: str, how: str) -> None:
        """Treat texts to a number so from now on."""
        command = {"tell": number.removeprefix("+"), "as": how}
        self._told.append(command)
        self._write(command)

    def delay(self, before: int, after: int) -> None:
        """Take up to so many milliseconds before a text is taken, and before it is answered, from now on."""
        command = {"delay": [before, after]}
        self._told.append(command)
        self._write(command)

    def deliver(self, **fields: Any) -> dict[str, Any]:
        """Send a deliver_sm; octets are given as such. Returns what was answered."""
        self.send_delivery(**fields)
        return self.wait("answered")

    def send_delivery(self, **fields: Any) -> None:
        """Send a deliver_sm, and do not wait."""
        self._write({"deliver": {name: one.hex() if isinstance(one, bytes) else one for name, one in fields.items()}})

    def drop(self) -> None:
        """Break all connections."""
        self._write({"drop": True})

    def wait(self, event: str) -> dict[str, Any]:
        """Return the next thing of a kind that it says."""
        while True:
            try:
                said = self._new.get(timeout=_WAIT)
            except queue.Empty:
                message = f"the centre did not say {event!r}; it said {self.said[-5:]}"
                raise AssertionError(message) from None
            self.said.append(said)
            if said["event"] == event:
                return said

    def submitted(self) -> list[dict[str, Any]]:
        """Return the pieces that it took, after all that it has to say by now was said."""
        if self._process.poll() is None:
            mark = next(self._serial)
            self._write({"echo": mark})
            while self.wait("echo")["echo"] != mark:
                continue
        return [said for said in self.said if said["event"] == "submitted"]

    def _write(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def _end(self) -> None:
        self._process.wait(timeout=_WAIT)
        self._reader.join(_WAIT)
        while not self._new.empty():
            self.said.append(self._new.get())
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()

    @staticmethod
    def _read(process: subprocess.Popen[str], into: queue.Queue[dict[str, Any]]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            into.put(json.loads(line))


def joined(pieces: list[dict[str, Any]]) -> list[tuple[str, str | None, str]]:
    """Return (number, sender, text) of texts whose pieces came one after the other."""
    found: list[tuple[str, str | None, str]] = []
    parts: dict[tuple[Any, ...], dict[int, str]] = {}
    for piece in pieces:
        header = bytes.fromhex(piece["header"][0]) if piece["header"] else b""
        if header:
            reference, total, place = header[-3:]
        else:
            reference, total, place = piece["sar"] if piece["sar"][1] else (0, 1, 1)
        whole = parts.setdefault((piece["number"], reference, total), {})
        whole[place] = piece["text"]
        if len(whole) == total:
            text = "".join(whole[each] for each in sorted(whole))
            found.append((f"+{piece['number']}", piece["sender"] or None, text))
            del parts[piece["number"], reference, total]
    return found
