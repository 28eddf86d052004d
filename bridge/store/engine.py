"""One connection policy per database, and one translation of their errors.

SQLite is opened in WAL mode with ``synchronous=FULL``: a commit that returned is on the disk. A write
transaction takes the write lock at once (``BEGIN IMMEDIATE``), so it never fails half-way for a lock that
somebody else holds.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.pool import QueuePool

from bridge.clock import system_clock
from bridge.model.errors import ConfigError, StoreFull, StoreUnavailable
from bridge.model.moment import to_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.clock import Clock

__all__ = ["Connection", "DatabaseError", "Store", "is_race", "name_of"]

_BUSY_TIMEOUT_MS = 4_000
_SHORT_WAIT = 0.01
"""Well below the ten seconds in which a stop has to end."""
_CACHE_KIB = 65_536
_WAL_PAGES = 8_000
"""32 MiB. Keys fall anywhere in their index: the rarer a checkpoint, the more of them share the pages it writes."""
_POSTGRESQL = {
    # A host that went away without a word must not hold the writer for the minutes that TCP would wait.
    "connect_timeout": 5,
    "tcp_user_timeout": 8_000,
    "keepalives_idle": 10,
    "options": (
        f"-c synchronous_commit=on -c lock_timeout={_BUSY_TIMEOUT_MS} -c idle_in_transaction_session_timeout=60000"
    ),
}
_READ: dict[str, dict[str, Any]] = {
    "sqlite": {"bridge_read": True},
    # The default would let each statement of a transaction see another state.
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}

# PostgreSQL, appendix A.
_DISK_FULL = "53100"
_RACES = frozenset({"40001", "40P01", "55P03"})  # serialization_failure, deadlock_detected, lock_not_available

_NOW = text("SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)")


class Store:
    """A handle on the database: hands out connections inside a transaction, and the time they all agree on.

    ``clock`` replaces the database's clock; tests move it by hand.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        """Prepare connections to ``url`` (``sqlite:///path`` or ``postgresql://…``). Opens none yet.

        Raises :exc:`ConfigError` for a URL of neither database, or a folder that does not exist.
        """
        self.url = url
        self.engine = _make_engine(url)
        # SQLite has no clock but that of the machine, which all its processes share.
        self._clock = clock or (system_clock if self.dialect == "sqlite" else None)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in a write transaction.

        Committed (durably) when the block ends, else rolled back.

        Raises :exc:`StoreFull`, :exc:`StoreUnavailable`.
        """
        with _translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection in a transaction that sees one state of the database.

        Raises :exc:`StoreUnavailable`.
        """
        with (
            _translated(),
            self.engine.connect().execution_options(**_READ[self.dialect]) as connection,
            connection.begin(),
        ):
            yield connection

    def now(self, connection: Connection) -> int:
        """Return the database's time in milliseconds since 1970: the one clock that all nodes share."""
        if self._clock is not None:
            return to_ms(self._clock())
        return int(connection.execute(_NOW).scalar_one())

    def room(self) -> int | None:
        """Return how many bytes the disk of a database file still takes, or None where a server has the database."""
        file = self.engine.url.database
        return shutil.disk_usage(Path(file).parent).free if self.dialect == "sqlite" and file else None

    def close(self) -> None:
        """Close the idle connections."""
        self.engine.dispose()


def _make_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        reason = "database: not a URL; write sqlite:///bridge.db or postgresql://user@host/name"
        raise ConfigError(reason) from error
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in _READ:
        reason = (
            f"database: {parsed.drivername} is not supported; write sqlite:///bridge.db or postgresql://user@host/name"
        )
        raise ConfigError(reason)
    try:
        if parsed.get_backend_name() == "sqlite":
            return _sqlite_engine(parsed.database, parsed)
        return create_engine(parsed, pool_size=5, pool_pre_ping=True, hide_parameters=True, connect_args=_POSTGRESQL)
    except (NoSuchModuleError, ImportError) as error:
        reason = f"database: the driver for {parsed.drivername} is not installed"
        raise ConfigError(reason) from error


def _sqlite_engine(path: str | None, url: URL) -> Engine:
    if not path or path == ":memory:" or path.startswith("file:"):
        reason = "database: SQLite needs a file, for what is accepted must outlive the process"
        raise ConfigError(reason)
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        reason = f"database: the folder {folder} does not exist; create it, or name another file"
        raise ConfigError(reason)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        hide_parameters=True,
        connect_args={
            "check_same_thread": False,
            "isolation_level": None,
            "timeout": _BUSY_TIMEOUT_MS / 1000,
        },
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        _log_ahead(connection)
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            f"busy_timeout = {_BUSY_TIMEOUT_MS}",
            f"cache_size = -{_CACHE_KIB}",
            f"wal_autocheckpoint = {_WAL_PAGES}",
            # Where a statement notes what it has to undo, should it break: a file for each, but for this.
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("bridge_read", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch a file to write-ahead logging, which lasts. Two processes that do it at once hear "locked" unwaited."""
    until = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_SHORT_WAIT)
        else:
            return


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the driver says into our tree, where the database cannot be used at all.

    What one caller's statement brought on itself passes as it is: a broken rule of the schema, a value that no
    column can hold, a lost race.
    """
    try:
        yield
    except (IntegrityError, DataError):
        raise
    except DBAPIError as error:
        if is_race(error):
            raise
        raise _translate(error) from error
    except NoConnectionLeft as error:
        reason = "database: all connections are in use"
        raise StoreUnavailable(reason) from error


def is_race(error: BaseException) -> bool:
    """Whether a transaction lost against another one, and may win the next time."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in _RACES


def name_of(error: BaseException) -> str:
    """Return what kind of error it is, without its words: a driver's hold the values of the rows it was given."""
    origin = getattr(error, "orig", None)
    code = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None)
    return " ".join(filter(None, [type(error).__name__, type(origin).__name__ if origin else "", code or ""]))


def _translate(error: DBAPIError) -> StoreUnavailable:
    origin = error.orig
    code = getattr(origin, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL or getattr(origin, "sqlstate", None) == _DISK_FULL:
        return StoreFull("database: no space left")
    lines = str(origin).splitlines()
    return StoreUnavailable(f"database: {lines[0] if lines else type(origin).__name__}")
