"""Other nodes: real processes that do the same thing at the same moment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

_TIMEOUT = 60
_START = """
import json, sys
def ready():
    print("ready", flush=True)
    sys.stdin.readline()
def answer(value):
    print(json.dumps(value), flush=True)
"""


def run_together(code: str, arguments: Sequence[Sequence[str]]) -> list[Any]:
    """Run ``code`` in a process for each list of arguments and return what each one answered.

    The code calls ``ready()`` when it is prepared, which returns when all are, and ``answer(value)`` once at its end.
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _START + code, *own],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for own in arguments
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise AssertionError(process.communicate(timeout=_TIMEOUT)[1])
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = []
        for process in processes:
            written, complaint = process.communicate(timeout=_TIMEOUT)
            assert process.returncode == 0, complaint
            answers.append(json.loads(written))
        return answers
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
