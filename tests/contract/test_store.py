"""What every database must do for the bridge: schema, accounts, credit, events. The queue has a file of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from bridge.model.errors import Conflict, NotFound, SchemaMismatch
from bridge.store import accounts, batch, events, ledger, opt_outs, revision, schema, submissions, tables, usage
from bridge.store.directory import load_directory
from bridge.store.engine import Store
from bridge.store.tables import heartbeat, metadata
from tests.support import texts
from tests.support.clock import HandClock
from tests.support.nodes import run_together
from tests.support.postgres import Server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes URLs of empty databases, of each kind in turn."""
    made: list[str] = []
    if request.param == "sqlite":

        def make() -> str:
            made.append(f"sqlite:///{tmp_path}/{len(made)}.db")
            return made[-1]

        yield make
        return
    server: Server = request.getfixturevalue("postgres")

    def create() -> str:
        made.append(server.create_database())
        return made[-1]

    yield create
    for url in made:
        server.drop_database(url)


def _shape(engine: Engine) -> dict[str, object]:
    """Everything that the database itself says about its schema, but for Alembic's own table.

    Columns go by name: one that a migration adds comes last, wherever it is described.
    """
    seen = inspect(engine)
    tables = [name for name in sorted(seen.get_table_names()) if name != "alembic_version"]
    shape: dict[str, object] = {
        table: {
            "columns": {
                column["name"]: {key: str(value) for key, value in column.items()} for column in seen.get_columns(table)
            },
            "primary key": seen.get_pk_constraint(table),
            "foreign keys": sorted(seen.get_foreign_keys(table), key=str),
            "unique": sorted(seen.get_unique_constraints(table), key=str),
        }
        for table in tables
    }
    written = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
        "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        " AND tablename != 'alembic_version' ORDER BY indexname",
    }
    rowid = (
        "SELECT name, sql LIKE '%WITHOUT ROWID%' FROM sqlite_master WHERE type = 'table' AND name != 'alembic_version'"
    )
    with engine.connect() as connection:
        shape["indexes"] = [tuple(row) for row in connection.execute(text(written[engine.dialect.name]))]
        if engine.dialect.name == "sqlite":
            shape["without rowid"] = {row[0]: row[1] for row in connection.execute(text(rowid))}
    return shape


def test_migrations_make_the_schema(empty_url: Callable[[], str]) -> None:
    """An empty database that is migrated is the one that bridge.store.tables describes, to every index predicate."""
    migrated, described = Store(empty_url()), Store(empty_url())
    assert schema.migrate(migrated) == (None, schema.head())
    with described.write() as connection:
        metadata.create_all(connection)
    with migrated.read() as connection:
        # On SQLite Alembic takes our Identity for a default that is missing; the comparison below sees defaults there.
        options = {"compare_type": True, "compare_server_default": migrated.dialect == "postgresql"}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    found = _shape(migrated.engine)
    assert found == _shape(described.engine)
    assert "recipients" in found
    assert sum("WHERE" in str(row) for row in found["indexes"]) >= 3  # type: ignore[attr-defined]
    migrated.close()
    described.close()


def test_migrating_twice_changes_nothing(any_store: Store) -> None:
    """A second migration is a no-op: same version, same rows."""
    texts.add_account(any_store)
    assert schema.migrate(any_store) == (schema.head(), schema.head())
    schema.check(any_store)
    with any_store.read() as connection:
        assert [account.name for account in accounts.list_accounts(connection)] == ["acme"]


_MIGRATE = """
from bridge.store import schema
from bridge.store.engine import Store
store = Store(sys.argv[1])
ready()
answer(schema.migrate(store))
"""


def test_two_at_once_migrate_once(empty_url: Callable[[], str]) -> None:
    """Two nodes that are started at once on an empty database both come through, and the schema is there once."""
    url = empty_url()
    answers = run_together(_MIGRATE, [[url], [url]])
    assert [after for _, after in answers] == [schema.head()] * 2
    store = Store(url)
    schema.check(store)
    with store.read() as connection:
        assert revision.current(connection) == 0  # one row, or this raises
    store.close()


def test_an_empty_database_is_refused(empty_url: Callable[[], str]) -> None:
    """A start on an empty database says which command makes it."""
    store = Store(empty_url())
    with pytest.raises(SchemaMismatch, match="is empty; run: smsbridge migrate"):
        schema.check(store)
    store.close()


def test_a_newer_schema_is_refused(any_store: Store) -> None:
    """A schema that this code does not know is never touched: neither used nor migrated."""
    with any_store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaMismatch, match="newer smsbridge"):
        schema.check(any_store)
    with pytest.raises(SchemaMismatch, match="newer smsbridge"):
        schema.migrate(any_store)
    assert schema.version(any_store) == "9999"


def test_an_interrupted_write_leaves_nothing(any_store: Store) -> None:
    """A write transaction that is left by an exception is rolled back whole, and the exception comes through."""

    def stumble() -> None:
        with any_store.write() as connection:
            schema.probe(connection)
            accounts.add_account(connection, "acme", region=None, now=0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stumble()
    with any_store.read() as connection:
        assert accounts.list_accounts(connection) == []
        assert connection.scalar(select(heartbeat.c.beats)) == 0


def test_the_probe_writes(any_store: Store) -> None:
    """The probe of health is a write that commits."""
    for _ in range(2):
        with any_store.write() as connection:
            schema.probe(connection)
    with any_store.read() as connection:
        assert connection.scalar(select(heartbeat.c.beats)) == 2


def test_a_read_sees_one_state(any_store: Store) -> None:
    """Everything read in one read transaction is of one moment, whatever others commit meanwhile."""
    with any_store.read() as connection:
        before = revision.current(connection)
        texts.add_account(any_store)
        assert accounts.list_accounts(connection) == []
        assert revision.current(connection) == before
    with any_store.read() as connection:
        assert len(accounts.list_accounts(connection)) == 1


def test_a_read_cannot_spoil_the_next_write(any_store: Store) -> None:
    """A connection that was used for reading writes again: nothing of the read's mode stays on it."""
    for _ in range(10):
        with any_store.read() as connection:
            revision.current(connection)
        with any_store.write() as connection:
            schema.probe(connection)


def test_the_database_clock(any_url: str) -> None:
    """Without a clock of its own a store tells the database's time: whole milliseconds, moving, near the machine's."""
    import time  # noqa: PLC0415 - the one test about the real time

    store = Store(any_url)
    with store.read() as connection:
        first, second = store.now(connection), store.now(connection)
    store.close()
    assert abs(first - time.time() * 1000) < 5_000
    assert 0 <= second - first < 5_000


def test_a_clock_is_used_when_given(any_store: Store, clock: HandClock) -> None:
    """A store with a clock asks it, to the millisecond."""
    clock.advance(ms=7)
    with any_store.read() as connection:
        assert any_store.now(connection) == clock.ms


# Accounts, mailboxes, keys.


def test_accounts(any_store: Store) -> None:
    """An account has a name of its own; it is found and listed by it; a second one of the name is refused."""
    with any_store.write() as connection:
        made = accounts.add_account(connection, "zeta", region="IL", now=5)
        accounts.add_account(connection, "acme", region=None, now=5)
    with any_store.read() as connection:
        assert accounts.find_account(connection, "zeta") == made
        assert [account.name for account in accounts.list_accounts(connection)] == ["acme", "zeta"]
        with pytest.raises(NotFound, match="nobody"):
            accounts.find_account(connection, "nobody")
    with pytest.raises(Conflict, match="zeta"), any_store.write() as connection:
        accounts.add_account(connection, "zeta", region="IL", now=6)
    with any_store.write() as connection:
        accounts.set_enabled(connection, made.id, enabled=False)
    with any_store.read() as connection:
        assert not accounts.find_account(connection, "zeta").enabled


def test_mailboxes(any_store: Store) -> None:
    """A mailbox sends for one account: again is harmless, another account is a conflict until it is revoked."""
    first, second = texts.add_account(any_store, "first"), texts.add_account(any_store, "second")
    with any_store.write() as connection:
        assert accounts.allow_mailbox(connection, first, "ann@example.com", now=1)
        assert not accounts.allow_mailbox(connection, first, "ann@example.com", now=2)
        assert accounts.allow_mailbox(connection, second, "@example.org", now=1)
    with any_store.write() as connection, pytest.raises(Conflict, match="first"):
        accounts.allow_mailbox(connection, second, "ann@example.com", now=3)
    with any_store.write() as connection, pytest.raises(NotFound, match=r"ann@example\.com"):
        accounts.revoke_mailbox(connection, second, "ann@example.com")
    with any_store.read() as connection:
        listed = accounts.list_mailboxes(connection)
        assert [(one.pattern, one.account_id) for one in listed] == [
            ("@example.org", second),
            ("ann@example.com", first),
        ]
        assert [one.pattern for one in accounts.list_mailboxes(connection, first)] == ["ann@example.com"]
    with any_store.write() as connection:
        accounts.revoke_mailbox(connection, first, "ann@example.com")
        assert accounts.allow_mailbox(connection, second, "ann@example.com", now=4)


def test_keys(any_store: Store) -> None:
    """A user name is used once for ever; a revoked key stays visible, and cannot be revoked again."""
    account = texts.add_account(any_store)
    with any_store.write() as connection:
        made = accounts.add_key(connection, account, user="till", kind="password", secret="hash", now=1)
    for again in ("till", "till2"):
        with any_store.write() as connection, pytest.raises(Conflict):
            accounts.add_key(connection, account, user=again, kind="token", secret="hash", now=2)
    with any_store.write() as connection:
        accounts.revoke_key(connection, account, "till", now=3)
    with any_store.write() as connection, pytest.raises(NotFound, match="till"):
        accounts.revoke_key(connection, account, "till", now=4)
    with any_store.write() as connection, pytest.raises(Conflict):
        accounts.add_key(connection, account, user="till", kind="password", secret="other", now=5)
    with any_store.read() as connection:
        (kept,) = accounts.list_keys(connection, account)
    assert (kept.id, kept.user, kept.kind, kept.created_at, kept.revoked_at) == (made.id, "till", "password", 1, 3)
    assert "hash" not in repr(kept)


def test_the_revision_grows_with_each_change(any_store: Store) -> None:
    """Every change of who may send counts up by one, and what changes nothing does not."""
    seen: list[int] = []

    def look() -> None:
        with any_store.read() as connection:
            seen.append(revision.current(connection))

    look()
    account = texts.add_account(any_store)
    look()
    with any_store.write() as connection:
        accounts.allow_mailbox(connection, account, "ann@example.com", now=1)
    look()
    with any_store.write() as connection:
        accounts.allow_mailbox(connection, account, "ann@example.com", now=1)
    look()
    with any_store.write() as connection:
        accounts.set_enabled(connection, account, enabled=False)
    look()
    with any_store.write() as connection:
        accounts.revoke_mailbox(connection, account, "ann@example.com")
    look()
    with any_store.write() as connection:
        accounts.add_key(connection, account, user="till", kind="token", secret="hash", now=1)
    look()
    with any_store.write() as connection:
        accounts.revoke_key(connection, account, "till", now=1)
    look()
    assert seen == [0, 1, 2, 2, 3, 4, 5, 6]


def test_the_directory(any_store: Store) -> None:
    """The snapshot holds every account and mailbox with the revision they belong to."""
    account = texts.add_account(any_store)
    with any_store.write() as connection:
        accounts.allow_mailbox(connection, account, "@example.com", now=1)
    with any_store.read() as connection:
        directory = load_directory(connection)
    assert directory.revision == 2
    assert directory.account_for("ann@example.com").name == "acme"


# Credit and events.


def test_the_ledger(any_store: Store) -> None:
    """A balance is the sum of an account's own entries, large and negative ones too; entries come newest first."""
    mine, other = texts.add_account(any_store, "mine"), texts.add_account(any_store, "other")
    with any_store.write() as connection:
        assert ledger.credit(connection, mine, 9_000_000_000_000, note="first", now=1) == 9_000_000_000_000
        assert ledger.credit(connection, mine, -500, now=2) == 8_999_999_999_500
        assert ledger.credit(connection, other, 77, now=3) == 77
    with any_store.read() as connection:
        assert ledger.balance(connection, mine) == 8_999_999_999_500
        assert ledger.balance(connection, other) == 77
        newest = ledger.entries(connection, mine, limit=1)
        assert [(entry.amount, entry.kind, entry.note) for entry in newest] == [(-500, "credit", "")]
        assert len(ledger.entries(connection, mine, limit=10)) == 2
    new = texts.add_account(any_store, "new")
    with any_store.read() as connection:
        assert ledger.balance(connection, new) == 0


@pytest.mark.parametrize("words", ["שלום ✓ 👋", 'quote " and \\ and \\u0000', "nul \0 inside", "half \ud83d pair", ""])
def test_events_keep_what_they_are_given(any_store: Store, words: str) -> None:
    """The outbox gives back, in order, exactly what was put in, whatever a carrier or a phone wrote."""
    account = texts.add_account(any_store)
    message = f"{1:026x}"
    with any_store.write() as connection:
        events.add(
            connection,
            [(account, "sent", message, 1, {"raw": words}), (account, "delivered", message, 1, {"n": 1})],
            now=9,
        )
        events.add(connection, [], now=10)
    with any_store.read() as connection:
        assert events.of_message(connection, message) == [
            {"kind": "sent", "position": 1, "data": {"raw": words}, "created_at": 9},
            {"kind": "delivered", "position": 1, "data": {"n": 1}, "created_at": 9},
        ]


@pytest.mark.parametrize(
    "words", ["שלום ✓ 👋", 'quote " and \\ and \\u0000', "[1, null]", "tab\tline\nend", "0012", "true"]
)
def test_texts_are_kept_to_the_letter(any_store: Store, clock: HandClock, words: str) -> None:
    """What is written in one statement for many rows comes back as it was: no number, no escape is made of it."""
    texts.add_account(any_store)
    plan = texts.make_plan(clock, [("+972502345678", words)], text=words, sender=words)
    texts.put(any_store, plan)
    with any_store.read() as connection:
        kept = connection.execute(text("SELECT text, sender FROM messages")).one()
        key = connection.execute(text("SELECT key FROM idempotency_keys")).scalar_one()
    assert (kept.text, kept.sender, key) == (words, words, words)


@pytest.mark.parametrize("words", ["שלום ✓ 👋", 'quote " and \\ and \\u0000', "[1, null]", "50% :rows %(rows)s", ""])
def test_what_is_wanted_is_found_to_the_letter(any_store: Store, words: str) -> None:
    """Of many rows those come back that all the named columns fit, each as often as it is wanted, as they were."""
    account = texts.add_account(any_store)
    windows = [usage.Window(account, subject, start, 2_000_000_000_000) for subject in (words, "x") for start in (1, 2)]
    with any_store.write() as connection:
        usage.add(connection, {window: 10**15 + place for place, window in enumerate(windows)})
    on, give = usage.Window._fields, ("amount", "subject")
    wanted = [windows[0], windows[3], windows[0], windows[0]._replace(ends=1), windows[1]._replace(account_id=99)]
    with any_store.read() as connection:
        found = batch.matching(connection, tables.usage, on, wanted, give)
        assert sorted(found) == sorted([[10**15, words], [10**15, words], [10**15 + 3, "x"]])
        assert batch.matching(connection, tables.usage, on, [], give) == []
        assert batch.matching(connection, tables.usage, on, wanted[3:], give) == []
        assert usage.read(connection, windows[1:]) == {
            window: 10**15 + place for place, window in enumerate(windows) if place
        }


def test_who_is_closed_to_whom(any_store: Store) -> None:
    """A number is closed to the account that it asked, or to everybody; to others it is open."""
    mine, other = texts.add_account(any_store), texts.add_account(any_store, "other")
    one, two, three = (texts.number(place) for place in range(3))
    with any_store.write() as connection:
        opt_outs.add(connection, one, mine, word="stop", now=1)
        opt_outs.add(connection, two, opt_outs.EVERYBODY, word="stop", now=1)
    with any_store.read() as connection:
        pairs = [(number, account) for number in (one, two, three) for account in (mine, other)]
        assert opt_outs.among(connection, pairs) == {(one, mine), (two, mine), (two, other)}
        assert opt_outs.among(connection, [(one, other), (three, mine)]) == set()
        assert opt_outs.among(connection, []) == set()


def test_rows_need_their_account(any_store: Store, clock: HandClock) -> None:
    """Foreign keys hold: a text of an account that does not exist cannot be written."""
    plan = texts.make_plan(clock, account_id=404)
    with pytest.raises(IntegrityError), any_store.write() as connection:
        submissions.insert(connection, [(plan.message, plan.recipients)])
    assert texts.rows(any_store) == []


def test_a_wrong_value_is_the_callers_fault(any_store: Store) -> None:
    """A value that breaks the schema passes as the driver's own error: the database itself is well."""
    account = texts.add_account(any_store)
    with pytest.raises(IntegrityError), any_store.write() as connection:
        connection.execute(update(tables.accounts).where(tables.accounts.c.id == account).values(name=None))


def test_event_data_is_json(any_store: Store) -> None:
    """What is kept can be read by others: JSON in ASCII."""
    with any_store.write() as connection:
        events.add(connection, [(None, "inbound", None, None, {"text": "שלום"})], now=1)
        kept: str = connection.execute(select(tables.events.c.data)).scalar_one()
    assert json.loads(kept) == {"text": "שלום"}
    assert kept.isascii()
