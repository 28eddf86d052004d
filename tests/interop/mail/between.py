"""A wire between two mail servers that breaks just when the second has taken a mail and says so."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_MOMENT: Final = b"\r\n250 2.0.0 Accepted "
_WAIT: Final = 120.0


class Between:
    """Listens, and passes on all that is said; of the first ``breaks`` mails the answer gets lost."""

    def __init__(self, server: tuple[str, int], *, breaks: int) -> None:
        """Prepare for a server."""
        self._server = server
        self._listener = socket.create_server((server[0], 0))
        self.port: int = self._listener.getsockname()[1]
        self.left = breaks
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._server, timeout=_WAIT)
                near.settimeout(_WAIT)
                for pump in (self._ask, self._answer):
                    self._begin(pump, near, far)

    def _begin(self, work: object, *ends: socket.socket) -> None:
        thread = threading.Thread(target=work, args=ends, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while said := near.recv(65_536):
                far.sendall(said)
        with suppress(OSError):
            far.shutdown(socket.SHUT_WR)

    def _answer(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, suppress(OSError):
            tail = b""
            while said := far.recv(65_536):
                tail = (tail + said)[-len(_MOMENT) - 65_536 :]
                if _MOMENT in b"\r\n" + tail and self._breaks():
                    return
                near.sendall(said)

    def _breaks(self) -> bool:
        with self._lock:
            self.left -= 1
            return self.left >= 0
