"""Processes that look at inputs side by side: each writes down what it looks at, so that one that hangs is understood.

One that gets through no input for minutes, or dies, is ended: its input is a find, and another one goes on behind it.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import queue
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.mailfuzz.layers import NAMES, SHARES, opened
from bench.mailfuzz.spoil import LONGEST
from bench.mailfuzz.watch import Found, Tally, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.mailfuzz.layers import Layer

_SILENT: Final = 180.0
"""Seconds in which a worker gets through no input, before it counts as hung."""
_TOLD_EVERY: Final = 500
"""Inputs between two words of a worker."""
_CONTEXT: Final = multiprocessing.get_context("spawn")


class _Desk(ctypes.Structure):
    """What a worker looks at, in memory that the parent sees."""

    _fields_ = (
        ("since", ctypes.c_double),
        ("layer", ctypes.c_int),
        ("number", ctypes.c_long),
        ("way", ctypes.c_int),
        ("size", ctypes.c_int),
        ("octets", ctypes.c_char * LONGEST),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What one worker looks at: of ``counts`` inputs of each layer every ``of``-th, from a place on."""

    seed: int
    counts: dict[str, int]
    index: int
    of: int
    layer: int = 0
    number: int = 0


def counts(count: int) -> dict[str, int]:
    """Return how many inputs each layer is given, by their shares."""
    whole = sum(SHARES.values())
    return {name: max(1, count * share // whole) for name, share in SHARES.items()}


def look(layers: tuple[Layer, ...], share: Share, told: Callable[[str, Tally, Found | None], None], desk: Any) -> None:
    """Look at a share of all inputs; tell of each find, and now and then of the rest."""
    with Watch() as watch:
        for place, layer in enumerate(layers[share.layer :], share.layer):
            tally = Tally()
            begin = share.number if place == share.layer and share.number else share.index
            for number in range(begin, share.counts.get(layer.name, 0), share.of):
                way, octets = layer.draw(share.seed, number)
                if desk is not None:
                    _note(desk, place, number, way, octets)
                found = watch.look(layer, way, octets, tally)
                if found is not None or tally.inputs == _TOLD_EVERY:
                    told(layer.name, tally, found)
                    tally = Tally()
            told(layer.name, tally, None)


def _note(desk: Any, place: int, number: int, way: int, octets: bytes) -> None:
    desk.layer, desk.number, desk.way, desk.size = place, number, way, len(octets)
    ctypes.memmove(ctypes.addressof(desk) + _Desk.octets.offset, octets, len(octets))
    desk.since = time.monotonic()


def _work(share: Share, desk: Any, words: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="smsbridge-fuzz-") as folder, opened(Path(folder)) as layers:
        look(layers, share, lambda *told: words.put((share.index, *told)), desk)
    words.put((share.index, "", None, None))


class _Worker:
    """A process, what it looks at, and where it began."""

    def __init__(self, share: Share, words: Any) -> None:
        self.share = share
        self.desk = _CONTEXT.RawValue(_Desk)
        self.desk.since = time.monotonic() + _SILENT  # it has much to import first
        self.process = _CONTEXT.Process(target=_work, args=(share, self.desk, words), daemon=True)
        self.process.start()

    def lost(self) -> Found | None:
        """Return what it hangs on or died of, None while all is well."""
        hangs = time.monotonic() - self.desk.since > _SILENT
        if self.process.is_alive() and not hangs:
            return None
        self.process.kill()
        self.process.join()
        octets = ctypes.string_at(ctypes.addressof(self.desk) + _Desk.octets.offset, self.desk.size)
        place = "hangs" if hangs else f"died ({self.process.exitcode})"
        return Found(layer=NAMES[self.desk.layer], way=self.desk.way, octets=octets, place=place, told=place)

    def behind(self) -> Share:
        """Return what is left behind the input that it was lost on."""
        share = self.share
        return Share(
            seed=share.seed,
            counts=share.counts,
            index=share.index,
            of=share.of,
            layer=self.desk.layer,
            number=self.desk.number + share.of,
        )


def run(count: int, *, seed: int, workers: int) -> Iterator[tuple[str, Tally, Found | None]]:
    """Look at ``count`` inputs in processes of their own; yield what they tell."""
    words = _CONTEXT.Queue()
    shared = counts(count)
    working = {
        index: _Worker(Share(seed=seed, counts=shared, index=index, of=workers), words) for index in range(workers)
    }
    try:
        while working:
            try:
                index, name, tally, found = words.get(timeout=1.0)
            except queue.Empty:
                for index, worker in tuple(working.items()):
                    lost = worker.lost()
                    if lost is not None:
                        yield lost.layer, Tally(inputs=1, failures=1), lost
                        working[index] = _Worker(worker.behind(), words)
                continue
            if name:
                yield name, tally, found
            else:
                working.pop(index).process.join()
    finally:
        for worker in working.values():
            worker.process.kill()
