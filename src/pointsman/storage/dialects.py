"""SQL as named text: reading it from its files, and the few words that dialects spell apart.

The text in `sql/` and `migrations/` is written once, in the words of PostgreSQL. For SQLite:

============================  ======================================================
`BIGINT PRIMARY KEY`          `INTEGER PRIMARY KEY` (the row's own id, no second index)
`BIGINT`                      `INTEGER`
`COLLATE "C"`                 nothing: SQLite compares text by its bytes anyway
`/* strict */`                `STRICT`
`/* clustered */`             `STRICT, WITHOUT ROWID`
`FOR UPDATE`                  nothing: its one writer holds the database
`strpos(`                     `instr(`
============================  ======================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

Dialect = Literal["sqlite", "postgres"]

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)\b")
_FOR_SQLITE = (
    ("BIGINT", "INTEGER"),
    (' COLLATE "C"', ""),
    ("/* strict */", "STRICT"),
    ("/* clustered */", "STRICT, WITHOUT ROWID"),
    (" FOR UPDATE", ""),
    ("strpos(", "instr("),
)


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered step of the schema, in one dialect."""

    number: int
    name: str
    sql: str


def translate(sql: str, dialect: Dialect) -> str:
    """The portable text in the words and with the parameter style of a dialect."""
    if dialect == "sqlite":
        for ours, theirs in _FOR_SQLITE:
            sql = sql.replace(ours, theirs)
        return sql
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


@cache
def queries(dialect: Dialect) -> dict[str, str]:
    """Every named statement of the files in `sql/`."""
    found: dict[str, str] = {}
    for file in (resources.files(__package__) / "sql").iterdir():
        parts = _NAME.split(file.read_text("utf-8"))[1:]
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            found[name] = translate(body.strip().removesuffix(";"), dialect)
    return found


@cache
def migrations(dialect: Dialect) -> tuple[Migration, ...]:
    """All migrations in order: the portable text, then the dialect's own addition to it."""
    folder = resources.files(__package__) / "migrations"
    texts = {file.name: file.read_text("utf-8") for file in folder.iterdir()}
    steps = []
    for name in sorted(texts):
        stem, _, rest = name.partition(".")
        if rest != "sql":
            continue
        sql = texts[name]
        if dialect == "sqlite":
            sql = translate(sql, dialect)
        own = texts.get(f"{stem}.{dialect}.sql", "")
        number, _, title = stem.partition("_")
        steps.append(Migration(int(number), title, f"{sql}\n{own}"))
    return tuple(steps)
