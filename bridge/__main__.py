"""The command ``smsbridge``, also ``python -m bridge``."""

from __future__ import annotations

import sys

from bridge.cli.root import run


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run())


if __name__ == "__main__":
    main()
