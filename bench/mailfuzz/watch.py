"""Looks at one input after another, and at what each takes: time, memory, and whether it fails.

Time is the processor's own, for a machine that is busy with something else makes nothing slow. It is that of the one
thread: the clock of a process with a timer goes by ticks on Linux. What is over the bound is looked at again: only what
is slow each time is.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from bench.mailfuzz.weighing import Wrong

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from bench.mailfuzz.layers import Layer

SLOW: Final = 1.0
"""Seconds of the processor's time for one input."""
STUCK: Final = 30.0
"""Seconds by the clock for one input: it waits for something that does not come."""
GROWN: Final = 256 << 20
"""Octets that a single input may add to the most memory that the process has held."""

_OURS: Final = ("/bridge/", "/smtp/")
_TRIES: Final = 2
_SHORTENING: Final = 20.0
"""Seconds for making an input that fails shorter."""


class _Alarm(BaseException):
    """Time is over. No ``except Exception`` of the code that is looked at takes it for its own."""


class Slow(Exception):
    """An input took more than its time."""


class Fat(Exception):
    """An input took more than its memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """An input that fails. ``place`` is the same for what is likely the same fault."""

    layer: str
    way: int
    octets: bytes = field(repr=False)
    place: str
    told: str

    def write(self) -> bytes:
        """Return it as a file that can be looked at again."""
        return b"%s %d\n%s" % (self.layer.encode(), self.way, self.octets)


@dataclass(kw_only=True, slots=True)
class Tally:
    """What a layer was given."""

    inputs: int = 0
    taken: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    failures: int = 0

    def add(self, other: Tally) -> None:
        """Count another worker's share, too."""
        self.inputs += other.inputs
        self.taken += other.taken
        self.seconds += other.seconds
        self.slowest = max(self.slowest, other.slowest)
        self.failures += other.failures


def read(octets: bytes) -> tuple[str, int, bytes]:
    """Return layer, way and octets of a file that :meth:`Found.write` made."""
    first, _, rest = octets.partition(b"\n")
    name, _, way = first.decode().partition(" ")
    return name, int(way), rest


class Watch:
    """Looks at inputs. A block, for it sets timers of the process: in the main thread only."""

    def __init__(self, *, slow: float = SLOW, grown: int = GROWN) -> None:
        """Nothing is looked at yet."""
        self._slow = slow
        self._grown = grown
        self._known: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        """Take the timers."""
        self._handlers = [(number, signal.signal(number, _ring)) for number in (signal.SIGPROF, signal.SIGALRM)]
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._handlers:
            signal.signal(number, handler)

    def look(self, layer: Layer, way: int, octets: bytes, tally: Tally) -> Found | None:
        """Give a layer an input. Returns what failed, shortened; None for what holds or is known to fail."""
        tally.inputs += 1
        try:
            taken, seconds = self._run(layer, way, octets)
        except Exception as error:  # noqa: BLE001 - whatever it is, it should not be
            tally.failures += 1
            return self._found(layer, way, octets, error)
        tally.taken += taken
        tally.seconds += seconds
        tally.slowest = max(tally.slowest, seconds)
        return None

    def why(self, layer: Layer, way: int, octets: bytes) -> Exception | None:
        """Return why an input fails, None for one that does not."""
        try:
            self._run(layer, way, octets)
        except Exception as error:  # noqa: BLE001 - it is returned
            return error
        return None

    def _run(self, layer: Layer, way: int, octets: bytes) -> tuple[bool, float]:
        """Return whether an input was taken, and in how many seconds. Raises what is wrong with it."""
        took = []
        for _ in range(1 + _TRIES):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            began = time.thread_time()
            try:
                taken = self._timed(layer.look, way, octets)
            except _Alarm:
                taken = None
            took.append(time.thread_time() - began)
            if taken is not None and took[-1] <= self._slow:
                grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
                if grown > self._grown:
                    raise Fat(f"{grown / 2**20:,.0f} MiB for {len(octets):,} octets")
                return taken, took[-1]
        raise Slow(f"{min(took):.2f} s for {len(octets):,} octets, or stuck")

    def _timed(self, look: Callable[[int, bytes], bool], way: int, octets: bytes) -> bool:
        # Both ring on: something on the way may have taken the first one for its own.
        signal.setitimer(signal.ITIMER_PROF, 1.5 * self._slow, self._slow)
        signal.setitimer(signal.ITIMER_REAL, STUCK, 1.0)
        try:
            return look(way, octets)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _found(self, layer: Layer, way: int, octets: bytes, error: Exception) -> Found | None:
        place = place_of(error)
        if (layer.name, place) in self._known:
            return None
        self._known.add((layer.name, place))

        def fails(shorter: bytes) -> bool:
            other = self.why(layer, way, shorter)
            return other is not None and place_of(other) == place

        octets = shortened(octets, fails, until=time.monotonic() + _SHORTENING)
        told = "".join(traceback.format_exception(error, limit=-6))
        return Found(layer=layer.name, way=way, octets=octets, place=place, told=told)


def _ring(_number: int, _frame: FrameType | None) -> None:
    raise _Alarm


def place_of(error: Exception) -> str:
    """Return what tells a failure from others: its kind, and where in our code it was raised."""
    if isinstance(error, (Slow, Fat)):
        return type(error).__name__
    if isinstance(error, Wrong):
        return f"{type(error).__name__} {_line_of(error.__traceback__, ('/mailfuzz/',))}"
    return f"{type(error).__name__} {_line_of(error.__traceback__, _OURS)}"


def _line_of(trace: TracebackType | None, folders: tuple[str, ...]) -> str:
    found = ""
    for frame, line in traceback.walk_tb(trace):
        name = frame.f_code.co_filename
        if any(folder in name for folder in folders) and not name.endswith("weighing.py"):
            found = f"{name.rpartition('/')[2]}:{line}"
    return found


def shortened(octets: bytes, fails: Callable[[bytes], bool], *, until: float) -> bytes:
    """Return octets with all taken out of them that they fail without, as far as time allows."""
    size = max(1, len(octets) // 2)
    while size:
        at = 0
        while at < len(octets):
            if time.monotonic() > until:
                return octets
            shorter = octets[:at] + octets[at + size :]
            with contextlib.suppress(RecursionError):
                if fails(shorter):
                    octets = shorter
                    continue
            at += size
        size //= 2
    return octets
