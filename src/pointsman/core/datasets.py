"""The content of a dataset: rows to evaluate on.

::

    {"rows": [{"input": {"message": "Where is my order?"},
               "expected": "delivery",
               "tags": {"language": "en"},
               "id": "t-17"}]}

``input`` names the values that an output is made from; the other fields may be left out. A
list by itself is short for ``{"rows": …}``. Tags cut the rows into slices. A row keeps its
``id`` for people; the registry tells rows apart by their place, which never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from pointsman.core.canonical import JSON, check_json
from pointsman.core.content_fields import Faults
from pointsman.core.names import MAX_TAG_KEY
from pointsman.core.standalone import Standalone
from pointsman.errors import InvalidContent, TooLarge

MAX_ROWS: Final = 100_000
MAX_SIZE: Final = 12_000_000  # bytes of text
_FIELDS: Final = ("rows", "description")
_ROW_FIELDS: Final = ("input", "expected", "tags", "id")
_NOTED: Final = 20
"""Faults after which reading stops: who sees twenty knows what is wrong with the others."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case. `has_expected` tells an expected null from none."""

    input: Mapping[str, Any]
    expected: Any = None
    has_expected: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    id: str = ""

    def lies_in(self, part: Mapping[str, str]) -> bool:
        """Whether the row has all of these tags."""
        return all(self.tags.get(key) == value for key, value in part.items())


@dataclass(frozen=True)
class DatasetContent(Standalone):
    """The content of a dataset, in normal form. Made by `parse_dataset`."""

    rows: tuple[Row, ...]
    description: str = ""

    def to_json(self) -> dict[str, JSON]:
        """The normal form: ``parse_dataset(x.to_json()) == x``."""
        value: dict[str, JSON] = {"rows": [_written(row) for row in self.rows]}
        if self.description:
            value["description"] = self.description
        return value


def parse_dataset(value: JSON) -> DatasetContent:
    """The content of a dataset.

    Raises:
        InvalidContent: ``reasons`` has the first twenty things that are wrong.
        TooLarge: there are more than 100,000 rows, or 12 MB of them.
        InvalidInput: it is not JSON (see `check_json`).
    """
    if isinstance(value, list):
        value = {"rows": value}
    if not isinstance(value, dict):
        raise InvalidContent(
            "The content of a dataset must be an object or a list of rows.",
            code="wrong_type",
            hint='Write {"rows": [{"input": {…}}]}.',
        )
    rows = value.get("rows")
    if isinstance(rows, list) and len(rows) > MAX_ROWS:
        raise TooLarge(
            f"The dataset has {len(rows):,} rows; {MAX_ROWS:,} are allowed.",
            code="too_many_rows",
            hint="Take a sample, or split it: each row costs a call whenever it is evaluated.",
            field="/rows",
        )
    try:
        check_json(value, max_bytes=MAX_SIZE)
    except TooLarge as error:
        error.hint = "Take a sample, split it, or keep long texts elsewhere and name them."
        raise
    return _parse(value)


def restore_dataset(value: Mapping[str, Any]) -> DatasetContent:
    """The content whose `to_json` gave `value`, without checking it again."""
    return DatasetContent(
        tuple(
            Row(
                one["input"],
                one.get("expected"),
                "expected" in one,
                one.get("tags", {}),
                one.get("id", ""),
            )
            for one in value["rows"]
        ),
        value.get("description", ""),
    )


def _parse(value: dict[str, JSON]) -> DatasetContent:
    faults = Faults()
    faults.unknown(value, _FIELDS, "")
    description = value.get("description", "")
    if not isinstance(description, str):
        faults.add("wrong_type", "/description", "must be text")
    rows = value.get("rows")
    if not isinstance(rows, list) or not rows:
        faults.add("wrong_type", "/rows", "must be a list of at least one row")
        rows = []
    read = []
    for place, row in enumerate(rows):
        read.append(_row(row, f"/rows/{place}", faults))
        if len(faults.reasons) >= _NOTED:
            break
    _tell_doubles(read, faults)
    faults.check()
    return DatasetContent(tuple(read), cast("str", description))


def _row(value: JSON, field: str, faults: Faults) -> Row:
    if not faults.is_object(value, field):
        return Row({})
    assert isinstance(value, dict)
    faults.unknown(value, _ROW_FIELDS, field)
    given = value.get("input")
    if not isinstance(given, dict) or not given:
        faults.add(
            "wrong_type",
            f"{field}/input",
            "must be an object with a value for each variable",
            'Write {"input": {"message": "…"}, "expected": "…"}.',
        )
        given = {}
    name = value.get("id", "")
    if not isinstance(name, str):
        faults.add("wrong_type", f"{field}/id", "must be text")
        name = ""
    tags = _tags(value.get("tags"), f"{field}/tags", faults)
    return Row(given, value.get("expected"), "expected" in value, tags, name)


def _tags(value: JSON, field: str, faults: Faults) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, list):
        value = {str(one): "yes" for one in value}  # names alone: the row has them or not
    if not faults.is_object(value, field):
        return {}
    assert isinstance(value, dict)
    tags = {}
    for key, one in value.items():
        if not key or len(key) > MAX_TAG_KEY or not isinstance(one, (str, int, bool)):
            faults.add("wrong_type", field, "must be texts by their names", 'Write {"a": "b"}.')
            break
        tags[key] = one if isinstance(one, str) else str(one).lower()
    return tags


def _tell_doubles(rows: Sequence[Row], faults: Faults) -> None:
    seen: set[str] = set()
    for place, row in enumerate(rows):
        if row.id and row.id in seen:
            faults.add("duplicate_id", f"/rows/{place}/id", f"is {row.id!r}, as another row's is")
            return
        seen.add(row.id)


def _written(row: Row) -> dict[str, JSON]:
    value: dict[str, JSON] = {"input": dict(row.input)}
    if row.has_expected:
        value["expected"] = row.expected
    if row.tags:
        value["tags"] = dict(row.tags)
    if row.id:
        value["id"] = row.id
    return value
