"""Kills of a bridge while it sends, many of them: ``python -m bench.kill_carriers``. Prints what was lost or doubled.

The long form of tests/e2e/test_carrier_kill.py. Exit 1 when anything was.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from bench import table
from tests.support import killing
from tests.support.hosted import hosted

_PROVIDERS = {
    "smsgate, takes our ids": killing.Gate,
    "http, takes our ids": killing.Knowing,
    "http, does not": killing.Forgetful,
}
_SETTLED = 10
"""Texts in doubt that are settled by hand: a command each."""


def main() -> int:
    """Run; exit 1 when a text was lost or doubled."""
    parser = argparse.ArgumentParser(prog="bench.kill_carriers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="kills of each")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="for the times of the kills")
    options = parser.parse_args()
    rows = []
    for name, makes in _PROVIDERS.items():
        rows.append((name, *kills(makes, rounds=options.rounds, seed=options.seed)))
        print(f"{rows[-1]}", file=sys.stderr, flush=True)
    head = ("carrier", "kills", "accepted", "sending at kills", "sent again", "lost", "doubled", "in doubt", "seconds")
    table.show(f"Kill -9 while texts are sent (seed {options.seed})", head, rows)
    return 1 if any(row[5:7] != ("0", "0") for row in rows) else 0


def kills(makes: type[killing.Slow], *, rounds: int, seed: int) -> tuple[str, ...]:
    """Return a row: what came of that many kills. Settles some of what is in doubt, as a person would."""
    upstream = makes()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="smsbridge-kill-") as folder, hosted(upstream):
        served = killing.bridge(Path(folder), upstream.table())
        try:
            tally = killing.kill_often(served, upstream, rounds=rounds, chance=random.Random(seed))
            listed = killing.in_doubt(served)
            assert listed.keys() == tally.of("unknown"), "what is in doubt is not what is listed"
            assert tally.of("sent") | listed.keys() == set(tally.accepted), "a text is in no state that counts"
            assert tally.of("sent") <= set(tally.arrived), "a text that did not arrive is said to be sent"
            known = list(listed)[:_SETTLED]
            for number in known:
                killing.settle(served, listed[number], "delivered" if tally.arrived[number] else "refused")
            assert killing.in_doubt(served).keys() == listed.keys() - set(known), "what was settled is still in doubt"
        finally:
            served.kill()
    return (
        str(rounds),
        str(len(tally.accepted)),
        str(tally.in_doubt),
        str(tally.again),
        str(len(tally.lost)),
        str(len(tally.doubled)),
        str(len(listed)),
        f"{time.perf_counter() - began:.0f}",
    )


if __name__ == "__main__":
    sys.exit(main())
