"""Searches as SQL: put together from the fixed fragments below, never from what users wrote.

Everything a user wrote travels as a parameter. The order of a search decides the index that
is walked, so that a page costs about as much as the rows it looks at, not the whole table.
"""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.app.ports import EntryFilter
from pointsman.core import search as ask

MANY = 2_000
"""So many artifacts with a tag are not worth sorting: their order is walked instead."""

VALUE_START = 64
"""How many characters of a tag's value the search index holds."""

ARTIFACT_BITS = 32
"""How many low bits of an artifact's id hold its number in the project."""

SEQ_BITS = 40
"""How many low bits of a journal entry's id hold its sequence number."""

_ARTIFACT = (
    "SELECT artifact.id, artifact.kind, artifact.name, artifact.newest, artifact.created_at, "
    "artifact.created_by, artifact.updated_at, artifact.archived_at FROM "
)
_LINE = (
    "SELECT id & 1099511627775, at, type, actor, by_name, via, artifact_id, alias, data, hash "
    "FROM journal WHERE "
)
_HAS_ALIAS = (
    "EXISTS (SELECT 1 FROM alias WHERE alias.artifact_id = artifact.id AND alias.name = {} "
    "AND (alias.version IS NOT NULL OR alias.split IS NOT NULL))"
)
_HAS_TAG = (
    "EXISTS (SELECT 1 FROM tag WHERE tag.artifact_id = artifact.id AND tag.number = 0 "
    "AND tag.key = {}{})"
)
_HIGHEST = "\U0010ffff"


class Statement:
    """SQL under construction: conditions on one side, parameters by name on the other."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.parameters: dict[str, object] = {}

    def bind(self, value: object) -> str:
        """The placeholder under which `value` travels."""
        name = f"p_{_letters(len(self.parameters))}"
        self.parameters[name] = value
        return f":{name}"

    def where(self, condition: str) -> None:
        """Add a condition that must hold as well."""
        self.conditions.append(condition)


def artifacts(
    project_id: int,
    query: ask.Query,
    after: tuple[str | int, ...] | None,
    limit: int,
    leading: ask.TagIs | None = None,
) -> tuple[str, dict[str, object]]:
    """The statement for one page of a search (all conditions but the text of the content).

    `leading` is one of `leading_tags`: its index is walked, instead of all artifacts.
    """
    made = Statement()
    if leading is None:
        source = "artifact"
        if query.order == "created":
            # By id alone, and nothing that could tempt the planner into another index.
            made.where(f"artifact.id > {made.bind(project_id << ARTIFACT_BITS)}")
            made.where(f"artifact.id < {made.bind(project_id + 1 << ARTIFACT_BITS)}")
        else:
            made.where(f"artifact.project_id = {made.bind(project_id)}")
        name, identity = "artifact.name", "artifact.id"
    else:
        # The tag's index is in the order of names too. A cross join, because SQLite takes the
        # tables of one in the order in which they are written.
        source = "tag CROSS JOIN artifact"
        made.where("artifact.id = tag.artifact_id")
        _where_tag(made, project_id, leading)
        name, identity = "tag.name", "tag.artifact_id"
    if query.kind is not None:
        made.where(f"artifact.kind = {made.bind(query.kind)}")
    if query.folder:
        start = query.folder.rstrip("/") + "/"
        made.where(f"{name} >= {made.bind(start)}")
        made.where(f"{name} < {made.bind(start + _HIGHEST)}")
    if query.direct:
        rest = made.bind(len(query.folder.rstrip("/")) + 2 if query.folder else 1)
        made.where(f"strpos(substr({name}, {rest}), '/') = 0")
    if query.name:
        made.where(f"strpos(artifact.skeleton, {made.bind(query.name)}) > 0")
    if query.tags is not None:
        made.where(_tags(made, query.tags))
    for alias in query.with_aliases:
        made.where(_HAS_ALIAS.format(made.bind(alias)))
    for alias in query.without_aliases:
        made.where("NOT " + _HAS_ALIAS.format(made.bind(alias)))
    if query.author:
        made.where(
            "EXISTS (SELECT 1 FROM version WHERE version.artifact_id = artifact.id "
            f"AND version.number = artifact.newest AND version.author = {made.bind(query.author)})"
        )
    if query.since is not None:
        made.where(f"artifact.updated_at >= {made.bind(query.since)}")
    if query.until is not None:
        made.where(f"artifact.updated_at <= {made.bind(query.until)}")
    if query.archived is not None:
        made.where(f"artifact.archived_at IS {'NOT ' if query.archived else ''}NULL")
    if query.order == "name":
        if after is not None:
            last_name, last_id = made.bind(after[0]), made.bind(after[1])
            made.where(f"({name}, {identity}) > ({last_name}, {last_id})")
        order = f"{name}, {identity}"
    elif query.order == "created":
        if after is not None:
            made.where(f"artifact.id < {made.bind(after[0])}")
        order = "artifact.id DESC"
    else:
        if after is not None:
            last_at, last_id = made.bind(after[0]), made.bind(after[1])
            made.where(f"(artifact.updated_at, artifact.id) < ({last_at}, {last_id})")
        order = "artifact.updated_at DESC, artifact.id DESC"
    conditions = " AND ".join(made.conditions)
    sql = f"{_ARTIFACT}{source} WHERE {conditions} ORDER BY {order} LIMIT {made.bind(limit)}"
    return sql, made.parameters


def folders(
    project_id: int, folder: str, kind: str | None, limit: int
) -> tuple[str, dict[str, object]]:
    """The statement for the folders directly in a folder, and how many artifacts are in each.

    It steps through the index of names from folder to folder and counts what lies in each,
    archived artifacts as well: of these the index knows nothing. See `archived_in`.
    """
    made = Statement()
    start = f"{folder.rstrip('/')}/" if folder else ""
    project, rest = made.bind(project_id), made.bind(len(start) + 1)
    highest = made.bind(_HIGHEST)
    mine = f"project_id = {project}" + (f" AND kind = {made.bind(kind)}" if kind else "")
    path = f"substr(part.name, 1, {made.bind(len(start))} + strpos(substr(part.name, {rest}), '/'))"
    end = f"AND name < {made.bind(start + _HIGHEST)} " if start else ""
    step = (
        f"SELECT name FROM artifact WHERE {mine} AND name > {{}} {end}"
        f"AND strpos(substr(name, {rest}), '/') > 0 ORDER BY name LIMIT 1"
    )
    count = (
        f"SELECT COUNT(*) FROM artifact WHERE {mine} AND name > {path} "
        f"AND name < {path} || {highest}"
    )
    sql = (
        f"WITH RECURSIVE part (name) AS (SELECT ({step.format(made.bind(start))}) UNION ALL "
        f"SELECT ({step.format(f'{path} || {highest}')}) FROM part WHERE part.name IS NOT NULL) "
        f"SELECT {path}, ({count}) FROM part WHERE part.name IS NOT NULL LIMIT {made.bind(limit)}"
    )
    return sql, made.parameters


def archived_in(project_id: int, folder: str, kind: str | None) -> tuple[str, dict[str, object]]:
    """The statement for the names of what is archived in a folder.

    It walks the table itself in its order, which is quicker than to look up each name's row.
    """
    made = Statement()
    made.where(f"id > {made.bind(project_id << ARTIFACT_BITS)}")
    made.where(f"id < {made.bind(project_id + 1 << ARTIFACT_BITS)}")
    made.where("archived_at IS NOT NULL")
    if folder:
        start = f"{folder.rstrip('/')}/"
        made.where(f"name >= {made.bind(start)}")
        made.where(f"name < {made.bind(start + _HIGHEST)}")
    if kind is not None:
        made.where(f"kind = {made.bind(kind)}")
    return f"SELECT name FROM artifact WHERE {' AND '.join(made.conditions)}", made.parameters


def leading_tags(query: ask.Query) -> list[ask.TagIs]:
    """The tags that every match must equal: the index of any of them can be walked."""
    found: list[ask.TagIs] = []
    waiting = [query.tags]
    while waiting:
        match waiting.pop():
            case ask.TagIs(_, (_,), False) as condition:
                found.append(condition)
            case ask.Both(left, right):
                waiting += [right, left]
            case _:
                pass
    return found


def count_tagged(project_id: int, tag: ask.TagIs) -> tuple[str, dict[str, object]]:
    """The statement that counts what has this tag, up to `MANY`."""
    made = Statement()
    _where_tag(made, project_id, tag)
    conditions = " AND ".join(made.conditions)
    sql = f"SELECT 1 FROM tag WHERE {conditions} LIMIT {made.bind(MANY)}"
    return f"SELECT COUNT(*) FROM ({sql}) AS tagged", made.parameters


def entries(
    project_id: int, where: EntryFilter, after: int, before: int | None, limit: int
) -> tuple[str, dict[str, object]]:
    """The statement for journal entries that match, newest first, numbered above `after`.

    Of an artifact without an alias it gives the entries that are not moves.
    """
    made = Statement()
    first = project_id << SEQ_BITS
    last = first + (1 << SEQ_BITS) - 1 if before is None else first + before - 1
    made.where(f"id > {made.bind(first + after)}")
    made.where(f"id <= {made.bind(last)}")
    if where.artifact_id is not None:
        made.where(f"artifact_id = {made.bind(where.artifact_id)}")
        if where.alias is None:
            made.where("alias IS NULL")
    if where.alias is not None:
        made.where(f"alias = {made.bind(where.alias)}")
    if where.types:
        made.where(f"type IN ({', '.join(made.bind(one) for one in where.types)})")
    if where.actor is not None:
        actor = made.bind(where.actor)
        made.where(f"(actor = {actor} OR by_name = {actor})")
    if where.since is not None:
        made.where(f"at >= {made.bind(where.since)}")
    if where.until is not None:
        made.where(f"at <= {made.bind(where.until)}")
    conditions = " AND ".join(made.conditions)
    # Time and sequence number are the same order; each index has one of them.
    order = "id" if where.artifact_id is None else "at"
    return f"{_LINE}{conditions} ORDER BY {order} DESC LIMIT {made.bind(limit)}", made.parameters


def moves_at(
    project_id: int,
    at: int,
    needle: str,
    artifact_id: int | None,
    after: tuple[str, str, str] | None,
    limit: int,
) -> tuple[str, dict[str, object]]:
    """The statement for the last move of each alias at or before a moment.

    In the order of names, kinds and aliases, those after a position, each move behind its
    artifact's kind, name and newest version of then.
    """
    made = Statement()
    then = made.bind(at)
    newest = (
        "SELECT MAX(version.number) FROM version WHERE version.artifact_id = artifact.id "
        f"AND version.created_at <= {then}"
    )
    last = (
        "SELECT MAX(earlier.at) FROM journal AS earlier "
        "WHERE earlier.artifact_id = alias.artifact_id AND earlier.alias = alias.name "
        f"AND earlier.at <= {then}"
    )
    made.where(f"artifact.project_id = {made.bind(project_id)}")
    if artifact_id is not None:
        made.where(f"artifact.id = {made.bind(artifact_id)}")
    if needle:
        made.where(f"strpos(artifact.skeleton, {made.bind(needle)}) > 0")
    if after is not None:
        name, kind, alias = map(made.bind, after)
        made.where(f"artifact.name >= {name}")
        place = "(artifact.name, artifact.kind, alias.name)"
        made.where(f"{place} > ({name}, {kind}, {alias})")
    made.where("alias.artifact_id = artifact.id")
    made.where("journal.artifact_id = alias.artifact_id")
    made.where("journal.alias = alias.name")
    made.where(f"journal.at = ({last})")
    sql = (
        f"SELECT artifact.kind, artifact.name, ({newest}), journal.id & 1099511627775, journal.at, "
        "journal.type, journal.actor, journal.by_name, journal.via, journal.artifact_id, "
        "journal.alias, journal.data, journal.hash "
        # A cross join is made in the order written: by names, then each with its aliases.
        "FROM artifact CROSS JOIN alias CROSS JOIN journal "
        f"WHERE {' AND '.join(made.conditions)} "
        f"ORDER BY artifact.name, artifact.kind, alias.name LIMIT {made.bind(limit)}"
    )
    return sql, made.parameters


def in_list(values: Sequence[object]) -> tuple[str, dict[str, object]]:
    """A parenthesised list of placeholders for `values`, and its parameters."""
    made = Statement()
    return f"({', '.join(made.bind(value) for value in values)})", made.parameters


def _tags(made: Statement, expression: ask.TagExpression) -> str:
    match expression:
        case ask.TagExists(key):
            return _HAS_TAG.format(made.bind(key), "")
        case ask.TagIs(key, values, negated):
            listed = ", ".join(made.bind(value) for value in values)
            test = f" AND tag.value {'NOT IN' if negated else 'IN'} ({listed})"
            return _HAS_TAG.format(made.bind(key), test)
        case ask.TagContains(key, text):
            test = f" AND strpos(tag.value, {made.bind(text)}) > 0" if text else ""
            return _HAS_TAG.format(made.bind(key), test)
        case ask.Not(operand):
            return f"NOT {_tags(made, operand)}"
        case ask.Both(left, right):
            return f"({_tags(made, left)} AND {_tags(made, right)})"
        case ask.Either(left, right):
            return f"({_tags(made, left)} OR {_tags(made, right)})"


def _where_tag(made: Statement, project_id: int, tag: ask.TagIs) -> None:
    value = tag.values[0]
    made.where(f"tag.project_id = {made.bind(project_id)}")
    made.where(f"tag.key = {made.bind(tag.key)}")
    made.where(f"tag.value_start = {made.bind(value[:VALUE_START])}")
    made.where("tag.number = 0")
    if len(value) > VALUE_START:
        made.where(f"tag.value = {made.bind(value)}")


def _letters(number: int) -> str:
    """0 → a, 25 → z, 26 → ba…: parameter names are letters only."""
    text = chr(97 + number % 26)
    while number := number // 26:
        text = chr(97 + number % 26) + text
    return text
