"""``make bench``: runs the measurements named (all, when none is) and prints one table each.

Every rate stands beside its floor, measured in the same run by turns, so that a slow or busy machine slows both.
"""

from __future__ import annotations

import argparse
import sys

from bench import accept, backlog, carriers, commit, drain, proofs, rules, soak, soap

SUITES = {
    "accept": accept.run,
    "commit": commit.run,
    "rules": rules.run,
    "backlog": backlog.run,
    "drain": drain.run,
    "carriers": carriers.run,
    "proofs": proofs.run,
    "soap": soap.run,
    "soak": soak.run,
}


def main() -> int:
    """Run; exit 1 when a figure misses its bar."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="times that each is repeated, by turns")
    parser.add_argument("--minutes", type=float, default=0.5, help="length of soak")
    options = parser.parse_args()
    unknown = set(options.suites) - SUITES.keys()
    if unknown:
        parser.error(f"no suite is named {', '.join(sorted(unknown))}; there is {', '.join(SUITES)}")
    met = [SUITES[name](options) for name in options.suites or SUITES]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
