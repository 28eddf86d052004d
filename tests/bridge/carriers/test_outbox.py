"""The outbox keeps its promises: whole lines, each id once, on the disk before anybody is told."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import pytest

from bridge.carriers.sandbox import outbox as module
from bridge.carriers.sandbox.outbox import Fate, Outbox
from tests.bridge.carriers.writer import outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = 12
WHOLE = b'{"id": "a", "text": "one"}\n{"id": "b", "text": "two"}\n'


def line(name: str, text: str = "x") -> tuple[str, bytes]:
    """Return an entry of a batch."""
    return name, json.dumps({"id": name, "text": text}).encode()


def fates(box: Outbox, *entries: tuple[str, bytes]) -> list[Fate]:
    """Append, and return what became of each line."""
    return [mark.fate for mark in box.append(entries)]


def ids(path: Path) -> list[str]:
    """Read the file as JSON lines, all of it, and return the ids."""
    data = path.read_bytes()
    assert not data or data.endswith(b"\n")
    return [json.loads(one)["id"] for one in data.split(b"\n")[:-1]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the outbox is."""
    return tmp_path / "outbox.jsonl"


@pytest.fixture
def box(path: Path) -> Iterator[Outbox]:
    """An outbox that is open."""
    box = Outbox(path)
    box.open()
    yield box
    box.close()


class Writer:
    """The process of ``writer.py``."""

    def __init__(self, path: Path, *numbers: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bridge.carriers.writer", str(path), *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
        assert self.process.returncode == 0

    def command(self, first: int, amount: int) -> None:
        """Begin a round."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{first} {amount}\n")

    def lines(self) -> Iterator[tuple[str, str]]:
        """Read what it says, as it comes."""
        assert self.process.stdout is not None
        for said in self.process.stdout:
            word, _, rest = said.rstrip("\n").partition(" ")
            yield word, rest


def test_killed_at_any_moment(path: Path) -> None:
    """After kill -9 every answered text is there once, and whole; those in doubt can be sent again, and then are."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when this fails
    chance = random.Random(seed)
    answered: set[str] = set()
    with Writer(path) as writer:
        said = writer.lines()
        for first in range(0, ROUNDS * 3000, 3000):
            writer.command(first, 100_000)
            word, child = next(said)
            assert word == "started"
            kill_after = chance.randrange(1000)
            count = 0
            while (got := next(said))[0] != "ended":
                assert got[0] == "accepted"
                answered.add(got[1])
                count += 1
                if count == kill_after + 1:
                    os.kill(int(child), signal.SIGKILL)
            assert got[1] == str(int(signal.SIGKILL))
            again = Outbox(path)
            again.open()
            there = Counter(ids(path))
            assert set(there.values()) == {1}
            assert answered <= there.keys()
            in_doubt = [f"{place:026x}-0" for place in range(first, first + count + 50)]
            assert Fate.WRITTEN in fates(again, *map(line, in_doubt))
            again.close()
            there = Counter(ids(path))
            assert set(there.values()) == {1}
            assert set(in_doubt) <= there.keys()


def side_by_side(path: Path, *firsts: int) -> None:
    """Have processes that are all up send a thousand texts each, at once; all are told *accepted*."""
    with ExitStack() as stack:
        writers = [stack.enter_context(Writer(path)) for _ in firsts]
        for writer in writers:
            writer.command(0, 0)
            assert [next(writer.lines())[0] for _ in range(2)] == ["started", "ended"]
        for writer, first in zip(writers, firsts, strict=True):
            writer.command(first, 1000)
        for writer in writers:
            said = [word for word, _ in islice(writer.lines(), 1002)]
            assert (said.pop(0), said.pop()) == ("started", "ended")
            assert said == ["accepted"] * 1000


def test_two_processes_with_the_same_ids(path: Path) -> None:
    """Two processes that send the same texts at once are both told *accepted*, and each text is there once."""
    side_by_side(path, 0, 0)
    assert sorted(ids(path)) == [outgoing(place).id for place in range(1000)]


def test_two_processes_with_ids_of_their_own(path: Path) -> None:
    """Neither keeps the other from writing, and no line is lost between them."""
    side_by_side(path, 0, 1000)
    assert sorted(ids(path)) == [outgoing(place).id for place in range(2000)]


def test_full_disk(path: Path) -> None:
    """What the disk takes is accepted, the rest deferred, and the file is whole lines of what was accepted."""
    with Writer(path, 0, 200, 10_000) as writer:
        answers = {name: verdict for verdict, name in writer.lines()}
    assert len(answers) == 200
    assert set(answers.values()) == {"accepted", "deferred"}
    there = ids(path)
    assert sorted(there) == sorted(name for name, verdict in answers.items() if verdict == "accepted")


@pytest.mark.parametrize("end", range(WHOLE.index(b"\n") + 1, len(WHOLE)))
def test_torn_line_is_cut_off(path: Path, end: int) -> None:
    """Wherever in its last line a writer was killed, lines before stay and its id can be written again, once."""
    path.write_bytes(WHOLE[:end])
    box = Outbox(path)
    box.open()
    assert ids(path) == (["a", "b"] if end == len(WHOLE) - 1 else ["a"])
    box.append([line("b"), line("a")])
    box.close()
    assert ids(path) == ["a", "b"]


def test_torn_line_of_a_living_file_is_cut_off(path: Path, box: Outbox) -> None:
    """A neighbour that dies in mid-line does not spoil the file for those who go on; zeros of a crash go too."""
    for torn in (b'{"id": "zz", "te', b"\0\0\0", b'{"i'):
        with path.open("ab") as file:
            file.write(torn)
        assert fates(box, line(torn.hex())) == [Fate.WRITTEN]
    assert len(ids(path)) == 3


def test_each_id_once(path: Path, box: Outbox) -> None:
    """In one batch, in two, after a restart, and when another hold on the file wrote it: one line."""
    other = Outbox(path)
    assert fates(box, line("a"), line("a"), line("b")) == [Fate.WRITTEN, Fate.KNOWN, Fate.WRITTEN]
    assert fates(box, line("b"), line("c")) == [Fate.KNOWN, Fate.WRITTEN]
    assert fates(other, line("c"), line("d")) == [Fate.KNOWN, Fate.WRITTEN]
    assert fates(box, line("d")) == [Fate.KNOWN]
    other.close()
    assert ids(path) == ["a", "b", "c", "d"]


def test_reads_ids_in_other_spellings(path: Path) -> None:
    """A file that a person or a tool rewrote, with other spacing, order or escapes, is understood."""
    path.write_bytes(b'{"text":"x","id":"a"}\n{"id": "\\u0062"}\n{"id": "\xd7\xa9", "text": "\xd7\xa9"}')
    box = Outbox(path)
    box.open()
    assert fates(box, line("a"), line("b"), line("ש"), line("c")) == [*[Fate.KNOWN] * 3, Fate.WRITTEN]
    box.close()
    assert ids(path) == ["a", "b", "ש", "c"]


def test_long_file_is_read_in_pieces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that lie across the borders of what is read at once are read like others."""
    names = [f"{place:05}" for place in range(300)]
    path.write_bytes(b"".join(line(name, "é" * place)[1] + b"\n" for place, name in enumerate(names)))
    monkeypatch.setattr(module, "_CHUNK", 64)
    box = Outbox(path)
    box.open()
    assert set(fates(box, *map(line, names))) == {Fate.KNOWN}
    box.close()


def test_forgets_when_told(path: Path) -> None:
    """Without memory every send is a line; a torn line is still cut off."""
    box = Outbox(path, remember=False)
    assert fates(box, line("a"), line("a")) == [Fate.WRITTEN] * 2
    with path.open("ab") as file:
        file.write(b'{"id": "')
    assert fates(box, line("a")) == [Fate.WRITTEN]
    box.close()
    assert ids(path) == ["a"] * 3


@pytest.mark.parametrize(
    "content",
    [
        b"[smtp]\nlisten = []\n",
        b"no line end",
        b'{"id": "a"}\nhello\n',
        b'{"id": 5}\n',
        b"[1]\n",
        b'{"no": 1}\n',
        b"\n",
        b"\xff\xfe\n",
    ],
)
def test_file_of_something_else_is_left_alone(path: Path, content: bytes) -> None:
    """A file that no sandbox wrote is refused and not changed by a byte."""
    path.write_bytes(content)
    box = Outbox(path)
    with pytest.raises(ValueError, match="sandbox wrote"):
        box.open()
    assert fates(box, line("new")) == [Fate.FAILED]
    box.close()
    assert path.read_bytes() == content


def test_moved_away(path: Path, box: Outbox) -> None:
    """After rotation lines go to a new file, and ids of the old one are still known."""
    assert fates(box, line("a")) == [Fate.WRITTEN]
    old = path.rename(path.with_suffix(".1"))
    assert fates(box, line("a"), line("b")) == [Fate.KNOWN, Fate.WRITTEN]
    path.unlink()
    assert fates(box, line("c")) == [Fate.WRITTEN]
    assert (ids(old), ids(path)) == (["a"], ["c"])


@pytest.mark.parametrize("refilled", [0, 3, 100])
def test_emptied(path: Path, box: Outbox, refilled: int) -> None:
    """A file that was cut to nothing in place, and refilled by another process to any length, is read anew."""
    fates(box, *(line(f"old {place}", "x" * place) for place in range(10)))
    other = Outbox(path)
    os.truncate(path, 0)
    names = [f"new {place}" for place in range(refilled)]
    other.append([*map(line, names)])
    other.close()
    assert fates(box, line("last"), *map(line, names)) == [Fate.WRITTEN, *[Fate.KNOWN] * refilled]
    assert ids(path) == [*names, "last"]


def test_locked_by_another(path: Path, box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process keeps the lock nothing is written, and nobody waits for ever."""
    monkeypatch.setattr(module, "_LOCK_WAIT", 0.02)
    box.append([line("a")])
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        marks = box.append([line("a"), line("b")])
        assert [mark.fate for mark in marks] == [Fate.KNOWN, Fate.FAILED]
        assert "locked" in marks[1].reason
    assert fates(box, line("b")) == [Fate.WRITTEN]


class Disk:
    """Calls of the disk that fail on order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.failing: set[str] = set()
        for name in ("write", "fsync", "ftruncate"):
            monkeypatch.setattr(os, name, self._call(name, getattr(os, name)))

    def _call(self, name: str, real: Any) -> Any:
        def call(*arguments: Any) -> Any:
            if name in self.failing:
                raise OSError(errno.EIO, "Input/output error")
            self.calls.append(name)
            return real(*arguments)

        return call


def test_flushed_before_told(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is one write and one flush; one of known ids alone is neither."""
    disk = Disk(monkeypatch)
    box.append([line("a"), line("b"), line("c")])
    assert disk.calls == ["write", "fsync"]
    box.append([line("a"), line("b")])
    assert disk.calls == ["write", "fsync"]


def test_line_of_another_is_flushed_before_told(path: Path, box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line found in the file may not be on the disk yet: who is told of it waits for that, too."""
    path.write_bytes(WHOLE)
    disk = Disk(monkeypatch)
    disk.failing = {"fsync"}
    assert fates(box, line("a")) == [Fate.UNSURE]
    assert fates(box, line("a"), line("c")) == [Fate.UNSURE, Fate.FAILED]
    disk.failing = set()
    assert fates(box, line("a")) == [Fate.KNOWN]
    assert "fsync" in disk.calls


def test_failed_flush_is_undone(path: Path, box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be flushed is cut off and may be sent again; what is there since long is known all the while."""
    box.append([line("a")])
    disk = Disk(monkeypatch)
    disk.failing = {"fsync"}
    assert fates(box, line("b"), line("a"), line("b")) == [Fate.FAILED, Fate.KNOWN, Fate.FAILED]
    assert ids(path) == ["a"]
    disk.failing = set()
    assert fates(box, line("b")) == [Fate.WRITTEN]
    assert ids(path) == ["a", "b"]


def test_what_cannot_be_undone_is_in_doubt(path: Path, box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that may stay in the file is called neither written nor failed; the next look settles it."""
    box.append([line("a")])
    disk = Disk(monkeypatch)
    disk.failing = {"fsync", "ftruncate"}
    marks = box.append([line("b")])
    assert [mark.fate for mark in marks] == [Fate.UNSURE]
    assert marks[0].reason == "Input/output error"
    disk.failing = set()
    assert fates(box, line("b"), line("c")) == [Fate.KNOWN, Fate.WRITTEN]
    assert ids(path) == ["a", "b", "c"]


def test_texts_are_private(path: Path, box: Outbox) -> None:
    """Only the bridge's own user reads the file."""
    assert path.stat().st_mode & 0o777 == 0o600
