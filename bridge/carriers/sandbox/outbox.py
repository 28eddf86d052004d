"""The sandbox's outbox: a file of JSON lines that several processes may append to, each id once.

An append holds the file's lock (flock) while it

1. reads what came since its last look, so ids written by others are known, and cuts off a line that a killed
   writer left half-written: nobody was told that it is there;
2. writes the new lines in one go and flushes them to the disk (fsync);
3. cuts off again what it wrote, if the disk would not take all of it.

So outside of the lock the file is whole lines, but for a writer that was just killed. When the path names another
file (it was removed or rotated) that one is opened, and the processes that knew the ids of the old one still do.
Ids are kept as 120-bit digests, about 85 MB for a million. All this blocks, and is for one thread at a time.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import random
import re
import stat
import time
from enum import Enum, auto
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_HEAD: Final = b'{"id": "'
_LINE: Final = re.compile(re.escape(_HEAD) + rb'([^"\\]*)"')
_CHUNK: Final = 1 << 20
_DIGEST: Final = 15
_MODE: Final = 0o600
_LOCK_WAIT: Final = 2.0
_LOCK_POLL: Final = (0.0002, 0.001)


class Fate(Enum):
    """What became of a line."""

    WRITTEN = auto()
    KNOWN = auto()
    """Its id was in the file already."""
    FAILED = auto()
    """Surely not in the file."""
    UNSURE = auto()
    """The disk failed, and again when the line was to be cut off."""


class Mark(NamedTuple):
    """The fate of one line, and why where it is not there."""

    fate: Fate
    reason: str = ""


class _NotUndone(OSError):
    """A write failed and could not be undone."""


class Outbox:
    """One process's hold on the file. ``remember`` says whether an id that is there is written again."""

    def __init__(self, path: Path, *, remember: bool = True) -> None:
        """Touch nothing yet."""
        self.path = path
        self._remember = remember
        self._known: set[int] = set()
        self._file: int | None = None
        self._read = 0
        self._flushed = True

    def open(self) -> None:
        """Make the file if it is missing, and read it. Raises OSError; ValueError when it is something else's."""
        with self._locked() as file:
            self._catch_up(file)
            self._flush(file)

    def append(self, batch: Sequence[tuple[str, bytes]]) -> list[Mark]:
        """Write pairs of id and line (without its end), durably on return; one mark for each, in order.

        An id that is twice in the batch is written once. Raises nothing for what the disk does; what it did not take
        is not there, as far as this process can know.
        """
        keys = [_key(name) for name, _ in batch]
        try:
            with self._locked() as file:
                self._catch_up(file)
                fresh: dict[int, bytes] = {}
                for place, (key, (_, line)) in enumerate(zip(keys, batch, strict=True)):
                    if not self._remember:
                        fresh[place] = line
                    elif key not in self._known:
                        fresh.setdefault(key, line)
                if fresh:
                    self._write(file, b"\n".join((*fresh.values(), b"")))
                elif not self._flushed:
                    self._flush(file)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            lost = Mark(Fate.UNSURE if isinstance(error, _NotUndone) else Fate.FAILED, reason)
            there = Mark(Fate.KNOWN) if self._flushed else Mark(Fate.UNSURE, reason)
            return [there if key in self._known else lost for key in keys]
        if not self._remember:
            return [Mark(Fate.WRITTEN)] * len(batch)
        self._known.update(fresh)
        return [Mark(Fate.WRITTEN if fresh.pop(key, None) is not None else Fate.KNOWN) for key in keys]

    def knows(self, name: str) -> bool:
        """Whether this process has seen the id in the file. Blocks for nothing; any thread may ask."""
        return _key(name) in self._known

    def close(self) -> None:
        """Let go of the file. Safe twice; the next append opens it again."""
        file, self._file, self._read = self._file, None, 0
        if file is not None:
            os.close(file)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold the lock of the file that the path names now."""
        deadline = time.monotonic() + _LOCK_WAIT
        while True:
            file = self._file if self._file is not None else self._new()
            _lock(file, deadline)
            if self._is_current(file):
                break
            self.close()
        try:
            yield file
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    def _new(self) -> int:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
        self._file, self._read = file, 0
        if not stat.S_ISREG(os.fstat(file).st_mode):
            self.close()
            raise OSError(errno.EINVAL, "not a regular file")
        # A new file is safe when its folder is.
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return file

    def _is_current(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self.path.stat())
        except OSError:
            return False

    def _catch_up(self, file: int) -> None:
        """Read what came since the last look; it may not be on the disk yet."""
        size = os.fstat(file).st_size
        if size == self._read:
            return
        self._flushed = False
        if size > self._read > 0:
            try:
                self._read_on(file)
            except ValueError:
                # Somebody emptied the file, and it has grown past our place since: that is amid a line now.
                self._read = 0
            else:
                return
        self._read = 0
        self._read_on(file)

    def _read_on(self, file: int) -> None:
        rest = b""
        while chunk := os.pread(file, _CHUNK, self._read + len(rest)):
            rest += chunk
            end = rest.rfind(b"\n") + 1
            self._learn(rest[:end])
            self._read += end
            rest = rest[end:]
        if rest:
            self._mend(file, rest)

    def _learn(self, lines: bytes) -> None:
        for line in lines.split(b"\n")[:-1]:
            name = _id_of(line)
            if name is None:
                raise ValueError("it has a line that no sandbox wrote")
            if self._remember:
                self._known.add(_key(name))

    def _mend(self, file: int, rest: bytes) -> None:
        """Finish a last line that only lacks its end, and cut off one that a killed writer left."""
        if _is_json(rest) and _id_of(rest) is not None:
            os.write(file, b"\n")
            self._learn(rest + b"\n")
            self._read += len(rest) + 1
        elif rest.startswith(_HEAD) or _HEAD.startswith(rest) or not rest.strip(b"\0"):
            os.ftruncate(file, self._read)
        else:
            raise ValueError("its end is nothing that a sandbox wrote")

    def _write(self, file: int, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(file, rest) :]
            self._flush(file)
        except OSError as error:
            try:
                os.ftruncate(file, self._read)
            except OSError:
                raise _NotUndone(error.errno, error.strerror) from error
            raise
        self._read += len(data)

    def _flush(self, file: int) -> None:
        os.fsync(file)
        self._flushed = True


def _lock(file: int, deadline: float) -> None:
    """Get the lock, or raise OSError: a thread that waits for ever would keep the bridge from stopping."""
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise OSError(error.errno, "another process keeps it locked") from error
            time.sleep(random.uniform(*_LOCK_POLL))  # noqa: S311 - no secret; two that wait alike would starve one
        else:
            return


def _key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest())


def _id_of(line: bytes) -> str | None:
    """Return the id of an outbox line, or None when it is none. Other spellings of the same JSON are read too."""
    if found := _LINE.match(line):
        with contextlib.suppress(UnicodeDecodeError):
            return found[1].decode()
    try:
        name = json.loads(line)["id"]
    except (ValueError, TypeError, KeyError):
        return None
    return name if isinstance(name, str) else None


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
