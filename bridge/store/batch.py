"""Many rows in one statement, on both databases.

The rows travel as one JSON parameter and are unpacked inside the database. A driver's ``executemany`` steps
once a row, and takes and gives back the interpreter's lock each time; against a busy event loop each of these
is a wait. One statement is one step, and the database works while the loop goes on.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Boolean, Integer, SmallInteger, Table, TextClause, bindparam, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Column, Connection

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_SOURCE = {"sqlite": "json_each(:rows)", "postgresql": "jsonb_array_elements(CAST(:rows AS jsonb))"}


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
        connection.execute(_insert(connection.dialect.name, table, tuple(columns), then), {"rows": packed})


def pack(rows: Iterable[Sequence[Any]]) -> str:
    """Return the rows as the JSON that :func:`source` unpacks."""
    return _ENCODER.encode(list(rows))


@lru_cache(maxsize=64)
def _insert(dialect: str, table: Table, columns: tuple[str, ...], then: str) -> TextClause:
    names = ", ".join(columns)
    unpacked = source(dialect, [table.c[name] for name in columns])
    # SQLite reads "FROM … ON CONFLICT" as a join without the WHERE; it costs nothing.
    statement = f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {unpacked} WHERE true {then}"  # noqa: S608
    return text(statement).bindparams(bindparam("rows"))


def _value(dialect: str, index: int, column: Column[Any]) -> str:
    if dialect == "sqlite":
        return f"json_extract(value, '$[{index}]')"
    return f"CAST(value ->> {index} AS {_postgresql_type(column)})"


def _postgresql_type(column: Column[Any]) -> str:
    kind = column.type
    if isinstance(kind, SmallInteger | Integer | BigInteger):
        return "bigint"
    return "boolean" if isinstance(kind, Boolean) else "text"
