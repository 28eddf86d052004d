"""A process that sends texts into an outbox: ``python -m tests.bridge.carriers.writer FILE FIRST COUNT [LIMIT]``.

It writes ``VERDICT ID`` to stdout for each answer, unbuffered, eight sends at once. With LIMIT, no file of this
process grows beyond that many bytes: the kernel takes half a line and refuses the rest, as a full disk does.

With FILE alone it reads ``FIRST COUNT`` from stdin and has a child of its own do that, line by line; it says
``started PID`` and ``ended SIGNAL`` around the child's answers. (A child starts at once; an interpreter does not.)
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

from bridge.carriers.sandbox.carrier import Sandbox, SandboxSettings
from bridge.clock import system_clock
from bridge.model.message import Inbound, Outgoing, Report
from bridge.model.text import Encoding

AT_ONCE = 8


class Nobody:
    async def report(self, report: Report) -> None: ...

    async def inbound(self, inbound: Inbound) -> None: ...


def outgoing(place: int) -> Outgoing:
    """Return the text that every such process sends under this number."""
    return Outgoing(
        id=f"{place:026x}-0",
        message_id=f"{place:026x}",
        number="+972502345678",
        text=f"text {place} שלום\n😀",
        sender=None,
        encoding=Encoding.UCS2,
        parts=1,
        attempt=1,
        expires_at=datetime(2030, 1, 1, tzinfo=UTC),
    )


async def main(file: Path, first: int, amount: int) -> None:
    """Send them all, and say what was answered."""
    sandbox = Sandbox("child", SandboxSettings(kind="sandbox", outbox=file), clock=system_clock)
    await sandbox.open(Nobody())
    places = iter(range(first, first + amount))

    async def send() -> None:
        for place in places:
            outcome = await sandbox.send(outgoing(place))
            say(f"{outcome.verdict} {place:026x}-0")

    await asyncio.gather(*(send() for _ in range(AT_ONCE)))
    await sandbox.close()


def say(words: str) -> None:
    """Write a line in one piece: a kill leaves all of it or nothing."""
    os.write(sys.stdout.fileno(), f"{words}\n".encode())


def lead(file: Path) -> None:
    """Have children do what stdin says, one after the other."""
    for command in sys.stdin:
        first, amount = map(int, command.split())
        child = os.fork()
        if child == 0:
            asyncio.run(main(file, first, amount))
            os._exit(0)
        say(f"started {child}")
        say(f"ended {os.WTERMSIG(os.waitpid(child, 0)[1])}")


if __name__ == "__main__":
    numbers = [int(value) for value in sys.argv[2:]]
    if not numbers:
        lead(Path(sys.argv[1]))
        sys.exit()
    if len(numbers) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (numbers[2], resource.RLIM_INFINITY))
    asyncio.run(main(Path(sys.argv[1]), numbers[0], numbers[1]))
