"""A bridge that is told to stop while its database does not answer."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path

import pytest

from tests.support.served import DOMAIN, MAILBOX, serving

pytestmark = pytest.mark.enable_socket

_MAIL = (
    "EHLO client.example.com\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<{number}@{domain}>\r\nDATA\r\n"
    "Message-ID: <locked@example.com>\r\n\r\nhello\r\n.\r\n"
)


def _told(made: socket.socket) -> bytes:
    """Return all that comes until the other side closes, or cuts, the connection."""
    told = b""
    try:
        while piece := made.recv(4096):
            told += piece
    except ConnectionError:
        pass
    return told


def test_a_locked_database_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    """Another program holds the file: SIGTERM ends the bridge all the same, and the mail was not answered 250.

    Sent again after that, it arrives once.
    """
    mail = _MAIL.format(sender=MAILBOX, number="972502345678", domain=DOMAIN).encode()
    with serving(tmp_path) as served:
        other = sqlite3.connect(tmp_path / "bridge.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
            client.sendall(mail)
            assert served.process is not None
            served.process.terminate()
            assert served.stop() == 0
            assert b"250 2.0.0" not in _told(client)
        other.execute("ROLLBACK")
        other.close()
        served.start()
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
            client.sendall(mail + b"QUIT\r\n")
            assert b"250 2.0.0 Accepted " in _told(client)
        assert [text["text"] for text in served.await_texts(1)] == ["hello"]
