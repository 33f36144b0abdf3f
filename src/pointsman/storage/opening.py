"""What happens when a store is opened: migrations, and the project that always exists."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from pointsman.core.journal import follow, genesis
from pointsman.errors import Unavailable
from pointsman.storage.dialects import Dialect, migrations
from pointsman.storage.records import Records

DEFAULT_PROJECT = "default"
TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, at BIGINT NOT NULL
)
"""


def prepare(dialect: Dialect, execute: Callable[[str], Any], records: Records) -> None:
    """Bring the schema up to date and make the default project.

    The caller holds a lock that keeps other nodes out, in a transaction that it commits.
    Raises `Unavailable` if the database is newer than this program.
    """
    execute(TABLE)
    done = {row[0] for row in execute("SELECT number FROM schema_migration").fetchall()}
    known = migrations(dialect)
    newer = done - {step.number for step in known}
    if newer:
        raise Unavailable(
            f"The database has the migration {max(newer)}, which this program does not know.",
            code="database_newer",
            hint="Run the version of Pointsman that made it, or a later one.",
        )
    now = time.time_ns() // 1000
    for step in known:
        if step.number not in done:
            execute(step.sql)
            execute(
                "INSERT INTO schema_migration (number, name, at) "
                f"VALUES ({step.number}, '{step.name}', {now})"
            )
    records.add_meta("store", secrets.token_hex(16))
    records.add_meta("epoch", "1")
    if records.project(DEFAULT_PROJECT) is None:
        uid = secrets.token_hex(16)
        row = records.add_project(DEFAULT_PROJECT, uid, now)
        records.enter(row.id)
        line, head = follow(
            genesis(uid),
            now,
            type="project.created",
            actor="system",
            by="system",
            via="setup",
            data=f'{{"project":"{DEFAULT_PROJECT}"}}',
        )
        records.append(row.id, line, head)
        records.flush()
