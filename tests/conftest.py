"""What holds for the whole suite. Sockets reach this machine only; each test has a database of its own.

Everybody may ask for ``store``, a migrated SQLite file with the hand-moved ``clock``; a test that holds for all
databases asks for ``any_store``. ``postgres`` is the server behind it, one for each process that runs tests.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import settings

from bridge.store import schema
from bridge.store.engine import Store
from tests.support.clock import HandClock

if TYPE_CHECKING:
    from tests.support.postgres import Server

LOOPBACK = ["127.0.0.0/8", "::1", "localhost"]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Shut every socket but loopback and Unix ones; a test may narrow it by pytest-socket's own markers."""
    config.option.allow_hosts = LOOPBACK
    config.option.allow_unix_socket = True
    # The same examples in every run, and no clock: a suite that fails today and not tomorrow tells nothing. New ones
    # are looked for by: make test ARGS=--hypothesis-profile=explore
    settings.register_profile("suite", derandomize=True, deadline=None)
    settings.register_profile("explore", deadline=None, print_blob=True)
    settings.load_profile("suite")
    # Left alone, structlog draws every traceback with colours and locals, and takes seconds for it.
    plain: list[Any] = [structlog.processors.add_log_level, structlog.processors.format_exc_info]
    structlog.configure(processors=[*plain, structlog.processors.KeyValueRenderer()])


@pytest.fixture
def clock() -> HandClock:
    """Time that a test moves by hand."""
    return HandClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running PostgreSQL server. Where the machine can start none, its tests are skipped and say why."""
    # Not above: a machine that runs no PostgreSQL test needs none. The wheel is pinned, so without it a test fails.
    from tests.support.postgres import serve  # noqa: PLC0415

    with serve() as server:
        if server is None:
            pytest.skip("no PostgreSQL server starts on this machine")
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "bridge.db"
    _migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Server) -> str:
    """The URL of a migrated PostgreSQL database, to be copied."""
    url = postgres.create_database()
    _migrated(url)
    return url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite file."""
    path = tmp_path / "bridge.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres: Server, postgres_template: str) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database."""
    url = postgres.create_database(like=postgres_template)
    yield url
    postgres.drop_database(url)


@pytest.fixture
def store(sqlite_url: str, clock: HandClock) -> Iterator[Store]:
    """A migrated SQLite store on the hand-moved clock."""
    opened = Store(sqlite_url, clock=clock)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _stores_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves connections open: SQLite's would be told of in another one, where they are collected."""
    opened: list[Store] = []
    made = Store.__init__

    def remembered(self: Store, *arguments: Any, **options: Any) -> None:
        made(self, *arguments, **options)
        opened.append(self)

    monkeypatch.setattr(Store, "__init__", remembered)
    yield
    pools: list[Any] = [one.engine.pool for one in opened]
    assert not any(pool.checkedin() or pool.checkedout() for pool in pools)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def any_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database, of each kind in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def any_store(any_url: str, clock: HandClock) -> Iterator[Store]:
    """A migrated store of each kind in turn, on the hand-moved clock."""
    opened = Store(any_url, clock=clock)
    yield opened
    opened.close()


def _migrated(url: str) -> None:
    store = Store(url)
    schema.migrate(store)
    store.close()
