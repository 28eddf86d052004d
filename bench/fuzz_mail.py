"""Fuzzes the mail door in process: ``python -m bench.fuzz_mail --count N --seed S --workers W``.

Hostile and odd inputs go through all layers, from an address to a whole connection with its database. None may raise
an error that is not of the tree, take more than a second or much memory, show a secret, or be answered by a reply that
is none. What fails is shortened, written to a file and told; ``--replay FILE`` looks at it again. Exits with 1 then.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Final

from bench import table
from bench.mailfuzz import watch, workers
from bench.mailfuzz.layers import NAMES, opened
from bench.mailfuzz.watch import Found, Tally, Watch

COUNT: Final = 200_000
_TOLD: Final = 3000
_EVERY: Final = 30.0
"""Seconds between two lines about how far it is."""


def main() -> int:
    """Fuzz, and print what came."""
    parser = argparse.ArgumentParser(prog="bench.fuzz_mail", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--replay", type=Path, metavar="FILE", help="look at what failed once more")
    options = parser.parse_args()
    if options.replay:
        return replay(options.replay)
    began = time.monotonic()
    tallies = {name: Tally() for name in NAMES}
    founds: list[Found] = []
    said = began
    for name, tally, found in workers.run(options.count, seed=options.seed, workers=options.workers):
        tallies[name].add(tally)
        if found is not None:
            founds.append(found)
            _tell(found)
        if time.monotonic() - said > _EVERY:
            said = time.monotonic()
            done = sum(each.inputs for each in tallies.values())
            print(f"{done:,} of {options.count:,} after {said - began:,.0f} s: {name}", file=sys.stderr, flush=True)
    _show(tallies, seconds=time.monotonic() - began, seed=options.seed)
    return 1 if founds or any(tally.failures for tally in tallies.values()) else 0


def replay(file: Path) -> int:
    """Look at an input of an earlier run."""
    name, way, octets = watch.read(file.read_bytes())
    with (
        tempfile.TemporaryDirectory(prefix="smsbridge-fuzz-") as folder,
        opened(Path(folder)) as layers,
        Watch() as look,
    ):
        layer = next(layer for layer in layers if layer.name == name)
        began = time.process_time()
        error = look.why(layer, way, octets)
        took = time.process_time() - began
    print(f"{name}, {len(octets):,} octets, {took * 1000:,.1f} ms: {'fails' if error else 'holds'}")
    if error is None:
        return 0
    traceback.print_exception(error)
    return 1


def _tell(found: Found) -> None:
    with tempfile.NamedTemporaryFile(prefix=f"smsbridge-fuzz-{found.layer}-", delete=False) as file:
        file.write(found.write())
    print(
        f"\n{found.layer}: {found.place}\n{found.octets[:_TOLD]!r}\n{found.told}\nwritten to {file.name}\n", flush=True
    )


def _show(tallies: dict[str, Tally], *, seconds: float, seed: int) -> None:
    whole = Tally()
    rows = []
    for name, tally in (*tallies.items(), ("all", whole)):
        if tally is not whole:
            whole.add(tally)
        taken = tally.taken / max(1, tally.inputs)
        rows.append(
            (
                name,
                f"{tally.inputs:,}",
                f"{taken:.0%}",
                f"{tally.seconds:,.1f}",
                f"{tally.slowest * 1000:,.0f}",
                f"{tally.failures:,}",
            )
        )
    head = ("layer", "inputs", "taken", "processor, s", "slowest, ms", "failures")
    table.show(f"Hostile mail (seed {seed}, {seconds:,.0f} s)", head, rows)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"most memory of a process: {most:,.0f} MiB")


if __name__ == "__main__":
    sys.exit(main())
