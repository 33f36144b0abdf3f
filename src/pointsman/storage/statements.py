"""Running named statements over one connection, for all the groups of rows.

`Statements` knows SQL by its name and nothing of what the rows mean; `records` and its
neighbours (`people`, `governance`…) are made of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pointsman.storage.dialects import Dialect, queries, translate

Row = tuple[Any, ...]
Parameters = Mapping[str, object]

T = TypeVar("T")

_TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)")


@dataclass(frozen=True, slots=True)
class Connected:
    """How statements are run on one connection: once, or for many rows."""

    dialect: Dialect
    execute: Callable[[str, Parameters], list[Row]]
    execute_many: Callable[[str, Sequence[Parameters]], None]


class Statements:
    """Runs statements by name.

    Rows of tables that only grow are kept here, until a statement may look at such a table
    or `write_out` is called: many at once cost half as much.
    """

    def __init__(self, connected: Connected) -> None:
        self._execute = connected.execute
        self._execute_many = connected.execute_many
        self._dialect: Dialect = connected.dialect
        self._queries = queries(connected.dialect)
        self._seen = _seen(connected.dialect)
        self._rows: dict[str, list[Parameters]] = {}

    def write_out(self) -> None:
        """Write the rows that were kept: before the savepoint that they belong to ends."""
        rows, self._rows = self._rows, {}
        for query, kept in rows.items():
            if len(kept) == 1:
                self._execute(self._queries[query], kept[0])
            else:
                self._execute_many(self._queries[query], kept)

    def _forget_rows(self) -> None:
        self._rows.clear()

    def _run(self, query: str, **parameters: object) -> list[Row]:
        if self._rows and any(kept in self._rows for kept in self._seen[query]):
            self.write_out()
        return self._execute(self._queries[query], parameters)

    def _keep(self, query: str, **parameters: object) -> None:
        kept = self._rows.get(query)
        if kept is None:
            self._rows[query] = [parameters]
        else:
            kept.append(parameters)

    def _value(self, query: str, **parameters: object) -> Any:
        rows = self._run(query, **parameters)
        return rows[0][0] if rows else None

    def _built(self, statement: tuple[str, dict[str, object]]) -> list[Row]:
        self.write_out()
        sql, parameters = statement
        return self._execute(translate(sql, self._dialect), parameters)


def first_of(row: Callable[..., T], rows: list[Row]) -> T | None:
    """The first row as what it is, or None."""
    return row(*rows[0]) if rows else None


@cache
def _seen(dialect: Dialect) -> dict[str, tuple[str, ...]]:
    """Statement → those that add to a table which it touches, and whose rows may be kept."""
    adding = (
        "append",
        "add_version",
        "add_content",
        "add_dependency",
        "put_tag",
        "put_evaluation_case",
        "keep_made",
        "add_metric_point",
    )
    tables = {name: set(_TABLE.findall(sql)) for name, sql in queries(dialect).items()}
    return {
        name: tuple(one for one in adding if tables[one] & touched)
        for name, touched in tables.items()
    }
