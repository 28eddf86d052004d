"""Connections: what a URL may be, how SQLite is opened, and how a database's troubles are told."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DataError, IntegrityError

from bridge.model.errors import ConfigError, StoreFull, StoreUnavailable
from bridge.store import accounts, batch, revision, schema, tables
from bridge.store.engine import Store, name_of
from tests.support import texts
from tests.support.clock import HandClock
from tests.support.postgres import Server


def test_a_commit_is_on_the_disk(store: Store) -> None:
    """Every SQLite connection of the pool is opened so that a commit which returned survives a crash."""
    with store.read() as first, store.read() as second:
        for connection in (first, second):
            asked = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert asked == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 4_000}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://", "needs a file"),
        ("sqlite:///", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:///file::memory:?uri=true", "needs a file"),
        ("sqlite:////no/such/folder/bridge.db", "the folder /no/such/folder does not exist"),
        ("bridge.db", "not a URL"),
        ("", "not a URL"),
        ("mysql://root@localhost/sms", "mysql is not supported"),
        ("postgresql+asyncpg://localhost/sms", "asyncpg"),
    ],
)
def test_a_url_that_cannot_work_is_refused_at_once(url: str, why: str) -> None:
    """Before anything is opened, with what to write instead."""
    with pytest.raises(ConfigError, match=why):
        Store(url)


def test_a_refused_url_keeps_its_password() -> None:
    """The reason names the kind of database and never the URL, which may hold a password."""
    with pytest.raises(ConfigError) as refused:
        Store("oracle://bridge:hunter2@db/sms")
    assert "hunter2" not in str(refused.value)


def test_a_relative_file_counts_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``sqlite:///bridge.db`` is in the working directory, ``sqlite:////…`` anywhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for url, file in (("sqlite:///bridge.db", "bridge.db"), (f"sqlite:///{tmp_path}/data/b.db", "data/b.db")):
        store = Store(url)
        schema.migrate(store)
        store.close()
        assert (tmp_path / file).is_file()


def test_a_full_disk_is_told_apart(store: Store, clock: HandClock) -> None:
    """A file that may not grow any more is StoreFull; nothing of the transaction stays, and reading goes on."""
    account = texts.add_account(store)
    with _page_limit(store), pytest.raises(StoreFull, match="no space left"):
        texts.put(store, texts.make_plan(clock, text="x" * 1_000_000))
    assert texts.rows(store) == []
    texts.put(store, texts.make_plan(clock, account_id=account))
    assert len(texts.rows(store)) == 1


@contextmanager
def _page_limit(store: Store) -> Iterator[None]:
    """Allow the SQLite file no page more than it has."""

    def limit(connection: sqlite3.Connection, *_: Any) -> None:
        connection.execute("PRAGMA max_page_count = 1").close()

    def unlimit(connection: sqlite3.Connection, *_: Any) -> None:
        connection.execute("PRAGMA max_page_count = 1073741823").close()

    event.listen(store.engine, "checkout", limit)
    event.listen(store.engine, "checkin", unlimit)
    try:
        yield
    finally:
        event.remove(store.engine, "checkout", limit)
        event.remove(store.engine, "checkin", unlimit)


def test_a_lock_that_stays_is_trouble(store: Store, sqlite_url: str) -> None:
    """Another process that holds the write lock longer than we wait is StoreUnavailable, and later forgotten."""

    @event.listens_for(store.engine, "checkout")
    def _short(connection: sqlite3.Connection, *_: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 20").close()

    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="locked") as told, store.write():
        pytest.fail("the lock was given twice")
    assert not isinstance(told.value, StoreFull)
    with store.read() as connection:
        assert accounts.list_accounts(connection) == []
    other.execute("ROLLBACK")
    other.close()
    with store.write() as connection:
        schema.probe(connection)


def test_a_file_that_is_no_database_is_trouble(tmp_path: Path) -> None:
    """It is told when it is opened, in one line."""
    (tmp_path / "bridge.db").write_text("Dear diary, " * 500)
    store = Store(f"sqlite:///{tmp_path}/bridge.db")
    with pytest.raises(StoreUnavailable, match="not a database") as told, store.read():
        pytest.fail("it was opened")
    assert "\n" not in told.value.reason
    store.close()


def test_a_database_that_takes_no_writes_is_trouble(store: Store) -> None:
    """A database that went read-only is StoreUnavailable for writers, and goes on being read."""

    @event.listens_for(store.engine, "checkout")
    def _readonly(connection: sqlite3.Connection, *_: Any) -> None:
        connection.execute("PRAGMA query_only = ON").close()

    with pytest.raises(StoreUnavailable, match="readonly"), store.write() as connection:
        schema.probe(connection)
    with store.read() as connection:
        assert revision.current(connection) == 0


def test_a_bug_is_not_the_databases_fault(any_store: Store) -> None:
    """Values that no column holds, broken rules and our own mistakes pass as they are, and the next write works."""
    unfit = {"sqlite": "SELECT zeroblob(2000000000)", "postgresql": "SELECT CAST('x' AS int)"}
    errors: list[type[Exception]] = []
    for statement, parameters in (
        (unfit[any_store.dialect], {}),
        ("INSERT INTO heartbeat (id, beats) VALUES (1, 0)", {}),
        ("SELECT CAST(:words AS text)", {"words": "half \ud83d pair"}),
    ):
        with pytest.raises(Exception) as told, any_store.write() as connection:  # noqa: PT011 - which one is asked below
            connection.execute(text(statement), parameters)
        errors.append(told.type)
    assert not any(issubclass(kind, StoreUnavailable) for kind in errors), errors
    assert errors[1] is IntegrityError
    with any_store.write() as connection:
        schema.probe(connection)


def test_an_error_keeps_the_rows_to_itself(any_store: Store) -> None:
    """What was to be written is in no error's words, nor in its name: a text may be private, and logs are read."""
    secret = "private: 4711"
    for statement in (
        "INSERT INTO heartbeat (id, beats) SELECT 1, length(CAST(:words AS text))",
        "SELECT CAST(:words AS text) FROM nowhere",
    ):
        with pytest.raises(Exception) as told, any_store.write() as connection:  # noqa: PT011 - whichever it is
            connection.execute(text(statement), {"words": secret})
        assert secret not in str(told.value)
        assert secret not in name_of(told.value)
    with pytest.raises(IntegrityError) as clash, any_store.write() as connection:
        batch.insert(connection, tables.heartbeat, ("id", "beats"), [(1, 4711)])
    assert "4711" not in str(clash.value)
    assert name_of(clash.value).startswith("IntegrityError ")


@pytest.mark.postgres
def test_a_value_postgres_cannot_hold_is_no_trouble_of_the_store(postgres_url: str) -> None:
    """NUL in a text is the caller's mistake on PostgreSQL: DataError, not StoreUnavailable."""
    store = Store(postgres_url)
    with pytest.raises(DataError), store.write() as connection:
        accounts.add_account(connection, "nul \0 inside", region=None, now=0)
    with pytest.raises(DataError), store.write() as connection:
        accounts.add_account(connection, "acme", region="too long", now=0)
    store.close()


@pytest.mark.postgres
def test_a_cut_connection_is_trouble_once(postgres: Server, postgres_url: str) -> None:
    """A connection cut in a transaction is StoreUnavailable; those that lay idle are replaced unnoticed."""
    store = Store(postgres_url)
    with store.write() as connection:
        schema.probe(connection)
    assert postgres.disconnect_all(postgres_url) == 1
    with store.write() as connection:
        schema.probe(connection)

    def cut() -> None:
        with store.write() as connection:
            schema.probe(connection)
            assert postgres.disconnect_all(postgres_url) == 1
            schema.probe(connection)

    with pytest.raises(StoreUnavailable):
        cut()
    with store.write() as connection:
        schema.probe(connection)
    store.close()


@pytest.mark.postgres
def test_a_database_that_is_not_there_is_trouble(postgres_url: str) -> None:
    """Neither a server that is down nor a database that is missing is a fault of the configuration's form."""
    for url in (postgres_url.replace("/test_", "/gone_"), "postgresql://nobody@127.0.0.1:1/sms"):
        store = Store(url)
        with pytest.raises(StoreUnavailable, match="database: "), store.read():
            pytest.fail("it was reached")
        store.close()


def test_reads_do_not_wait_for_a_writer(any_store: Store) -> None:
    """While a write transaction is open, others read the state before it."""
    with any_store.write() as connection:
        accounts.add_account(connection, "acme", region=None, now=0)
        with any_store.read() as reader:
            assert accounts.list_accounts(reader) == []


@pytest.mark.skipif(os.name == "nt", reason="files are removed while open")
def test_closing_lets_go_of_the_file(store: Store, sqlite_url: str) -> None:
    """After close nothing is left beside the database: its log is written into it."""
    texts.add_account(store)
    store.close()
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(path.name)] == [path.name]


def test_the_databases_clock_shows_the_millisecond_that_it_is(any_url: str) -> None:
    """Read between two looks at this machine's clock, it lies between them: no millisecond is lost to a float."""
    store = Store(any_url)
    with store.read() as connection:
        for _ in range(300):
            before = time.time_ns() // 1_000_000
            now = store.now(connection)
            assert before <= now <= time.time_ns() // 1_000_000
    store.close()
