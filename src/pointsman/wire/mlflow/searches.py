"""MLflow's two searches: registered models (or prompts), and versions of them.

What a search looks at is found by our own (by kind, by tags that must be equal), held against
the conditions one by one, and put in order. Pages are counted: a token says where the next one
begins, and belongs to its question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from pointsman.app import searching
from pointsman.app.application import View
from pointsman.app.paging import Cursor
from pointsman.app.ports import AliasRow, ArtifactRow, VersionRow
from pointsman.core.search import Both, Query, TagExpression, TagIs
from pointsman.core.vocabulary import Artifact
from pointsman.errors import InvalidName, TooLarge
from pointsman.wire.mlflow import lookups, shapes
from pointsman.wire.mlflow.fields import Call
from pointsman.wire.mlflow.filters import (
    IS_PROMPT,
    MODELS,
    VERSIONS,
    Condition,
    Sorting,
    kind_wanted,
    parse_filter,
    parse_orders,
)
from pointsman.wire.mlflow.prompts import RESERVED
from pointsman.wire.running import Read

MAX_MODELS: Final = 1_000
MAX_VERSIONS: Final = 200_000
LOOKED_AT: Final = 200_000
"""How many versions a search looks at before it asks for a narrower question."""
MAX_ANSWER: Final = 16 << 20
"""Characters in the tags of the versions on a page, after which it ends."""
_STEP: Final = 1_000
_PAGE: Final = 200
"""How many artifacts are read at once. Tokens count within such pages."""


class _Found(NamedTuple):
    """A version that a search came upon, with its tags but without its content."""

    artifact: ArtifactRow
    row: VersionRow
    tags: dict[str, str]


def models(call: Call) -> Read:
    """Find registered models, or prompts if the filter asks for them."""
    text, orders = call.optional("filter") or "", call.texts("order_by")
    conditions = parse_filter(text, MODELS)
    sorting = parse_orders(orders, MODELS)
    most = call.count("max_results", 100, 0, MAX_MODELS)
    cursor = Cursor("mlflow models", [text, orders])
    token = call.optional("page_token") or None
    by_name = not sorting or sorting[0] == Sorting("name", True)
    page = _page_by_name if by_name else _page_in_order

    def read(view: View) -> dict[str, Any]:
        view.require("read")
        found, more = page(view, conditions, sorting, most, cursor, token)
        told: dict[str, Any] = {}
        if found:
            told["registered_models"] = [_model(view, one) for one in found]
            if more is not None:
                told["next_page_token"] = more
        return told

    return Read(read)


def versions(call: Call) -> Read:
    """Find versions of models, or of prompts if the filter asks for them."""
    text, orders = call.optional("filter") or "", call.texts("order_by")
    conditions = parse_filter(text, VERSIONS)
    sorting = parse_orders(orders, VERSIONS) or (Sorting("updated", False),)
    most = call.count("max_results", 10_000, 1, MAX_VERSIONS)
    cursor = Cursor("mlflow versions", [text, orders])
    start = cursor.number(call.optional("page_token") or None) or 0

    def read(view: View) -> dict[str, Any]:
        view.require("read")
        found = list(_versions(view, conditions))
        _sort(found, sorting, _VERSION_KEYS, (Sorting("name", True), Sorting("number", False)))
        told = _told(view, found[start : start + most])
        end = start + len(told)
        answer: dict[str, Any] = {"model_versions": told} if told else {}
        if end < len(found):
            answer["next_page_token"] = cursor.write(end)
        return answer

    return Read(read)


# -- registered models


def _page_by_name(
    view: View,
    conditions: Sequence[Condition],
    sorting: Sequence[Sorting],
    most: int,
    cursor: Cursor,
    token: str | None,
) -> tuple[list[Artifact], str | None]:
    """A page in the order of names, as nearly always: from where the one before ended."""
    place = cursor.read(token, str, int) or ("", 0)
    inner, skip = str(place[0]) or None, int(place[1])
    found: list[Artifact] = []
    for here, index, one in _artifacts(view, conditions, inner):
        if here == inner and index < skip:
            continue
        if len(found) == most:
            return found, cursor.write(here or "", index)
        found.append(one)
    return found, None


def _page_in_order(
    view: View,
    conditions: Sequence[Condition],
    sorting: Sequence[Sorting],
    most: int,
    cursor: Cursor,
    token: str | None,
) -> tuple[list[Artifact], str | None]:
    """A page in another order, for which all that match have to be found first."""
    start = cursor.number(token) or 0
    found = [one for _, _, one in _artifacts(view, conditions)]
    _sort(found, sorting, _MODEL_KEYS, (Sorting("name", True),))
    end = start + most
    return found[start:end], cursor.write(end) if end < len(found) else None


def _artifacts(
    view: View, conditions: Sequence[Condition], inner: str | None = None
) -> Iterator[tuple[str | None, int, Artifact]]:
    """The artifacts of the kind that is wanted, for which the conditions hold, by name.

    Each comes with its place: the cursor of our own search's page that it is on, and where.
    """
    kind = kind_wanted(conditions)
    if kind is None:
        return
    asked = [one for one in conditions if one.key != IS_PROMPT or one.of != "tag"]
    query = Query(kind=kind, tags=_equal_tags(asked))
    while True:
        page = searching.search(view, query, limit=_PAGE, cursor=inner)
        for index, one in enumerate(page.items):
            if all(_holds_for_model(condition, one) for condition in asked):
                yield inner, index, one
        inner = page.cursor
        if inner is None:
            return


def _holds_for_model(condition: Condition, artifact: Artifact) -> bool:
    if condition.of == "tag":
        hidden = condition.key in shapes.HIDDEN
        return not hidden and condition.holds(artifact.tags.get(condition.key))
    return condition.holds(artifact.name)


def _equal_tags(conditions: Sequence[Condition]) -> TagExpression | None:
    """What our own search can find by an index: the tags that must be equal."""
    wanted: TagExpression | None = None
    for one in conditions:
        if one.of == "tag" and one.operator == "=" and isinstance(one.value, str):
            here = TagIs(one.key, (one.value,))
            wanted = here if wanted is None else Both(wanted, here)
    return wanted


def _model(view: View, found: Artifact) -> dict[str, Any]:
    row = view.reader.artifact(view.project.id, found.kind, found.name)
    assert row is not None, "it was just found in the same view"
    if row.kind == "model":
        return lookups.told_model(view, row)
    # Clients show the versions of a prompt by another search.
    return shapes.registered_model(row, found.tags, view.reader.aliases(row.id), ())


# -- versions


def _versions(view: View, conditions: Sequence[Condition]) -> Iterator[_Found]:
    kind = kind_wanted(conditions)
    asked = [one for one in conditions if one.key != IS_PROMPT or one.of != "tag"]
    if kind is None:
        return
    looked_at = 0
    for artifact in _with_versions(view, kind, asked):
        tags: dict[int, dict[str, str]] = {}
        for number, key, value in view.reader.tags_of(artifact.id):
            tags.setdefault(number, {})[key] = value
        gone = {one.number for one in view.reader.tombstones(artifact.id)}
        before: int | None = None
        while rows := view.reader.versions(artifact.id, before, _STEP):
            looked_at += len(rows)
            if looked_at > LOOKED_AT:
                raise TooLarge(
                    f"The search came upon over {LOOKED_AT:,} versions.",
                    code="search_too_wide",
                    hint="Name the model in the filter: name = 'churn'.",
                    field="filter",
                )
            for row in rows:
                found = _Found(artifact, row, tags.get(row.number, {}))
                if row.number not in gone and _holds_for_version(view, asked, found):
                    yield found
            before = rows[-1].number


def _told(view: View, found: Sequence[_Found]) -> list[dict[str, Any]]:
    """The versions as model versions; fewer, but one at least, where they would be very long."""
    aliases: dict[int, list[AliasRow]] = {}
    told: list[dict[str, Any]] = []
    size = 0
    for artifact, row, tags in found:
        if artifact.id not in aliases:
            aliases[artifact.id] = view.reader.aliases(artifact.id)
        content = lookups.content_of(view, artifact, row, composed=False)
        told.append(shapes.model_version(artifact, row, content, tags, aliases[artifact.id]))
        size += sum(len(one["value"]) for one in told[-1].get("tags", ()))
        if size > MAX_ANSWER:
            break
    return told


def _with_versions(view: View, kind: str, conditions: Sequence[Condition]) -> Iterator[ArtifactRow]:
    """The artifacts whose names the conditions allow; a name that must be equal is looked up."""
    names = [one for one in conditions if one.of == "attribute" and one.key == "name"]
    for one in names:
        if one.operator == "=" and isinstance(one.value, str):
            try:
                row = lookups.find_any(view, one.value)
            except InvalidName:  # there is none of such a name
                row = None
            if row is not None and row.kind == kind:
                yield row
            return
    for _, _, found in _artifacts(view, [*_SAID[kind], *names]):
        row = view.reader.artifact(view.project.id, found.kind, found.name)
        if row is not None:
            yield row


_SAID: Final = {"prompt": [Condition("tag", IS_PROMPT, "=", "true")], "model": []}


def _holds_for_version(view: View, conditions: Sequence[Condition], found: _Found) -> bool:
    """Whether all conditions hold; the content is read only if one is about it."""
    content: dict[str, Any] | None = None
    for one in conditions:
        in_content = one.key in RESERVED if one.of == "tag" else one.key in _IN_CONTENT
        if in_content and content is None:
            content = lookups.raw_content(view, found.artifact, found.row.number)
        if not one.holds(_value(one, found, content or {})):
            return False
    return True


def _value(condition: Condition, found: _Found, content: dict[str, Any]) -> str | int | None:
    artifact, row, tags = found
    if condition.of == "tag":
        if condition.key in RESERVED and artifact.kind == "prompt":
            return shapes.version_tags(artifact.kind, content, {}).get(condition.key)
        return None if condition.key in shapes.HIDDEN else tags.get(condition.key)
    if condition.key == "version_number":
        return row.number
    if condition.key == "name":
        return artifact.name
    if artifact.kind == "prompt":
        return "dummy-source" if condition.key == "source_path" else ""
    if condition.key == "run_id":
        return shapes.run_of(content)
    return shapes.source_of(content)


_IN_CONTENT: Final = frozenset({"run_id", "source_path"})


# -- order


_MODEL_KEYS: Final[dict[str, Callable[[Artifact], Any]]] = {
    "name": lambda one: one.name,
    "updated": lambda one: one.updated_at,
}
_VERSION_KEYS: Final[dict[str, Callable[[_Found], Any]]] = {
    "name": lambda one: one.artifact.name,
    "number": lambda one: one.row.number,
    "created": lambda one: one.row.created_at,
    "updated": lambda one: one.row.created_at,
}


def _sort(
    found: list[Any],
    sorting: Sequence[Sorting],
    keys: dict[str, Callable[[Any], Any]],
    ties: Sequence[Sorting],
) -> None:
    """Put in order: by the last key first, as sorting again keeps what is equal in place."""
    for one in reversed((*sorting, *ties)):
        found.sort(key=keys[one.key], reverse=not one.ascending)
