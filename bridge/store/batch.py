"""Many rows in one statement, on both databases.

The rows travel as one JSON parameter and are unpacked inside the database; what is found comes back as one JSON value.
A driver steps once a row, in ``executemany`` and in reading, and takes and gives back the interpreter's lock each time;
against a busy event loop each of these is a wait. One statement is one step, and the database works while the loop
goes on.

These statements run in every commit and are complete as they stand, so they go to the driver as they are: SQLAlchemy
would take longer over each than the database.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Boolean, Integer, SmallInteger, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Column, Connection, CursorResult

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_SOURCE = {"sqlite": "json_each(:rows)", "postgresql": "jsonb_array_elements(CAST(:rows AS jsonb))"}
_GATHERED = {
    "sqlite": "json_group_array(json_array({}))",
    "postgresql": "CAST(coalesce(json_agg(json_build_array({})), '[]') AS text)",
}


def source(dialect: str, columns: Sequence[Column[Any]]) -> str:
    """Return a sub-select named ``batch`` with the columns given, in the order of each row's array."""
    unpacked = ", ".join(f"{_value(dialect, index, column)} AS {column.name}" for index, column in enumerate(columns))
    return f"(SELECT {unpacked} FROM {_SOURCE[dialect]}) AS batch"  # noqa: S608 - names of our own columns


def insert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, then: str = ""
) -> None:
    """Insert all the rows with one statement; each holds the columns' values in their order.

    ``then`` is a clause ``ON CONFLICT …``; without one a row that is there already breaks the statement.
    """
    packed = pack(rows)
    if packed != "[]":
        execute(connection, _insert(connection.dialect.name, table, tuple(columns), then), packed)


def matching(
    connection: Connection, table: Table, on: Sequence[str], wanted: Iterable[Sequence[Any]], give: Sequence[str]
) -> list[list[Any]]:
    """Return the columns ``give`` of the table's rows that are wanted, each by its values in the columns ``on``.

    What is wanted twice may come twice. Nothing is asked where nothing is wanted.
    """
    packed = pack(wanted)
    if packed == "[]":
        return []
    found = execute(connection, _matching(connection.dialect.name, table, tuple(on), tuple(give)), packed)
    rows: list[list[Any]] = json.loads(found.scalar_one())
    return rows


def execute(connection: Connection, statement: str, packed: str) -> CursorResult[*tuple[Any, ...]]:
    """Run a statement with a :func:`source` and what :func:`pack` made."""
    return connection.exec_driver_sql(_of_driver(connection.dialect.name, statement), {"rows": packed})


def pack(rows: Iterable[Sequence[Any]]) -> str:
    """Return the rows as the JSON that :func:`source` unpacks."""
    return _ENCODER.encode(list(rows))


@lru_cache(maxsize=64)
def _insert(dialect: str, table: Table, columns: tuple[str, ...], then: str) -> str:
    names = ", ".join(columns)
    unpacked = source(dialect, [table.c[name] for name in columns])
    # SQLite reads "FROM … ON CONFLICT" as a join without the WHERE; it costs nothing.
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {unpacked} WHERE true {then}"  # noqa: S608


@lru_cache(maxsize=64)
def _matching(dialect: str, table: Table, on: tuple[str, ...], give: tuple[str, ...]) -> str:
    gathered = _GATHERED[dialect].format(", ".join(f"found.{name}" for name in give))
    unpacked = source(dialect, [table.c[name] for name in on])
    matches = " AND ".join(f"found.{name} = batch.{name}" for name in on)
    # CROSS JOIN keeps SQLite from walking the whole table and looking for each of its rows in the batch.
    return f"SELECT {gathered} FROM {unpacked} CROSS JOIN {table.name} AS found WHERE {matches}"  # noqa: S608


@lru_cache(maxsize=256)
def _of_driver(dialect: str, statement: str) -> str:
    """Write the parameter as the driver does."""
    if dialect == "postgresql":
        return statement.replace("%", "%%").replace(":rows", "%(rows)s")
    return statement


def _value(dialect: str, index: int, column: Column[Any]) -> str:
    if dialect == "sqlite":
        return f"json_extract(value, '$[{index}]')"
    return f"CAST(value ->> {index} AS {_postgresql_type(column)})"


def _postgresql_type(column: Column[Any]) -> str:
    kind = column.type
    if isinstance(kind, SmallInteger | Integer | BigInteger):
        return "bigint"
    return "boolean" if isinstance(kind, Boolean) else "text"
