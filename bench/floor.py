"""The floor: bare aiosmtpd that takes every mail and throws it away. Prints its port when it listens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP

from bridge.app import loop_factory

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope, Session


class Discard:
    """A handler that does nothing."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        """Take the mail and forget it."""
        return "250 OK"


async def main() -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Discard(), hostname="floor.example.com", loop=loop), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.Runner(loop_factory=loop_factory()).run(main())
