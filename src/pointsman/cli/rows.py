"""The rows of a dataset from files: lines of JSON, tables of text, and Parquet.

A line of JSON is a row as datasets have them (``{"input": {…}, "expected": …}``), or a flat
object. Of a flat object, and of a table, every column is an input, but for those that are
picked as what is expected, as tags and as the id (see `Columns`).

Files are read as they come, and reading ends at the first row too many. All that is wrong is
told with the line, or the row where a file has no lines.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Literal, cast, get_args

from pointsman.core.canonical import JSON, MAX_BYTES, canonical_json, parse_json, quoted
from pointsman.core.datasets import MAX_ROWS, MAX_SIZE, DatasetContent, parse_dataset
from pointsman.errors import InvalidContent, InvalidInput, PointsmanError, Reason, TooLarge

RowForm = Literal["jsonl", "csv", "tsv", "parquet"]
ROW_FORMS: Final[tuple[RowForm, ...]] = get_args(RowForm)
_DELIMITERS: Final = {"csv": ",", "tsv": "\t"}
_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a flat row are no inputs."""

    expected: str | None = None
    tags: tuple[str, ...] = ()
    id: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """All that are picked."""
        return tuple(one for one in (self.expected, self.id, *self.tags) if one is not None)


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a file: where it is (``line 7``), and its fields."""

    place: str
    fields: Mapping[str, Any]


NO_COLUMNS: Final = Columns()


def read_rows(file: BinaryIO, form: RowForm, columns: Columns = NO_COLUMNS) -> DatasetContent:
    """The dataset that a file holds.

    Raises:
        InvalidInput: the file is not what it should be; the first such place is told.
        InvalidContent: rows break a rule of datasets; each reason names its line.
        TooLarge: there are more rows, or longer ones, than a dataset may have.
        PointsmanError: ``missing_extra``: Parquet needs a package that is not installed.
    """
    records = _records(file, form, columns)
    rows: list[JSON] = []
    places: list[str] = []
    whole = False
    for record in records:
        if len(rows) == MAX_ROWS:
            raise too_many(f"more than {MAX_ROWS:,}")
        if not rows:
            whole = _is_whole(record, form, columns)
        rows.append(dict(record.fields) if whole else _row(record, form, columns))
        places.append(record.place)
    if not rows:
        raise InvalidInput(
            "It has no rows.", code="empty_input", hint="A dataset has at least one."
        )
    _check_picked(rows, columns)
    try:
        return parse_dataset(rows)
    except PointsmanError as error:
        raise _at_their_places(error, places) from None


def too_many(told: str) -> TooLarge:
    """The refusal of a file with too many rows."""
    return TooLarge(
        f"It has {told} rows; a dataset has at most {MAX_ROWS:,}.",
        code="too_many_rows",
        hint="Take a sample, or split it: each row costs a call whenever it is evaluated.",
    )


def too_long(place: str) -> TooLarge:
    """The refusal of a file that is too long altogether."""
    return TooLarge(
        f"Up to {place} it is longer than the {MAX_SIZE:,} bytes that a dataset may have.",
        code="dataset_too_large",
        hint="Take a sample, split it, or keep long texts elsewhere and name them in the rows.",
    )


def _records(file: BinaryIO, form: RowForm, columns: Columns) -> Iterator[Record]:
    if form == "jsonl":
        return json_lines(file)
    if form == "parquet":
        from pointsman.cli.parquet import parquet_records

        return parquet_records(file, columns)
    return table(file, form, columns)


# -- lines


def _lines(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers, line ends and all."""
    number = size = 0
    while data := file.readline(MAX_BYTES + 1):
        number += 1
        size += len(data)
        if len(data) > MAX_BYTES:
            raise TooLarge(
                f"Line {number} is longer than {MAX_BYTES:,} bytes.",
                code="too_large",
                hint="Keep long texts elsewhere, and name them in the rows.",
            )
        if size > 4 * MAX_SIZE:  # escapes and quotes take room as well
            raise too_long(f"line {number}")
        try:
            yield number, (data.removeprefix(_MARK) if number == 1 else data).decode()
        except UnicodeDecodeError:
            raise InvalidInput(
                f"Line {number} is not UTF-8 text.", code="invalid_utf8", hint="Save it as UTF-8."
            ) from None


def json_lines(file: BinaryIO) -> Iterator[Record]:
    """The objects of a file with one a line. Raises `InvalidInput` and `TooLarge`."""
    for number, text in _lines(file):
        if not text.strip():
            continue
        place = f"line {number}"
        try:
            value = parse_json(text)
        except PointsmanError as error:
            error.message = f"{place}: {error.message}"
            raise
        if not isinstance(value, dict):
            raise InvalidInput(
                f"{place} is no object.",
                code="wrong_type",
                hint='Write one row a line: {"input": {…}, "expected": …}.',
            )
        yield Record(place, value)


def table(file: BinaryIO, form: RowForm, columns: Columns = NO_COLUMNS) -> Iterator[Record]:
    """The rows of a table of text. Raises `InvalidInput` and `TooLarge`."""
    csv.field_size_limit(MAX_BYTES)  # the whole process's; nothing else here reads tables
    reader = csv.reader(
        (text for _, text in _lines(file)), delimiter=_DELIMITERS[form], strict=True
    )
    records = _cells(reader)
    place, head = next(records, ("", []))
    if not head:
        return
    _check_head(head, form, columns)
    for place, cells in records:
        if len(cells) != len(head):
            raise InvalidInput(
                f"{place} has {len(cells)} columns, and the first line has {len(head)}.",
                code="ragged_row",
                hint="Put cells that hold the delimiter or line ends in double quotes.",
            )
        yield Record(place, dict(zip(head, cells, strict=True)))


def _cells(reader: Any) -> Iterator[tuple[str, list[str]]]:
    """The rows of a table with the line that each begins at; empty lines are left out."""
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InvalidInput(
                f"line {begins} can't be read: {error}.",
                code="malformed_table",
                hint='Within a quoted cell, write a double quote twice: "".',
            ) from None
        if cells is None:
            return
        if cells:
            yield f"line {begins}", cells


def _check_head(head: list[str], form: RowForm, columns: Columns) -> None:
    twice = next((name for place, name in enumerate(head) if name in head[:place]), None)
    if twice is not None or "" in head:
        what = "A column has no name" if twice is None else f"Two columns are named {quoted(twice)}"
        raise InvalidInput(
            f"{what}.", code="malformed_table", hint="The first line names each column once."
        )
    if form == "csv" and len(head) == 1 and ";" in head[0]:
        raise InvalidInput(
            f"Its one column is named {quoted(head[0])}.",
            code="malformed_table",
            hint="Separate columns by commas, not semicolons; or by tabs, in a .tsv file.",
        )
    check_columns(head, columns)


def check_columns(head: list[str], columns: Columns) -> None:
    """See that the picked columns are there, and that one is left.

    Raises `InvalidInput`.
    """
    for name in columns.named:
        if name not in head:
            shown = ", ".join(quoted(one) for one in head[:20])
            raise _unknown_column(name, f"There are {shown}.")
    if set(head) <= set(columns.named):
        raise InvalidInput(
            "No column is left for the input.",
            code="missing_field",
            hint="Leave at least one column that an output is made from.",
        )


# -- rows


def _is_whole(record: Record, form: RowForm, columns: Columns) -> bool:
    """Whether rows are written as datasets have them, going by the first."""
    return form == "jsonl" and not columns.named and isinstance(record.fields.get("input"), dict)


def _row(record: Record, form: RowForm, columns: Columns) -> JSON:
    """A row of a flat one. In tables of text an empty cell that is picked stands for nothing."""
    fields = dict(record.fields)
    picked = {name: fields.pop(name) for name in columns.named if name in fields}
    if form in _DELIMITERS:
        picked = {name: value for name, value in picked.items() if value != ""}
    row: dict[str, JSON] = {"input": fields}
    if columns.expected in picked:
        row["expected"] = picked[columns.expected]
    tags = {name: _plain_tag(picked[name]) for name in columns.tags if _says(picked, name)}
    if tags:
        row["tags"] = tags
    if columns.id is not None and _says(picked, columns.id):
        value = picked[columns.id]
        row["id"] = value if isinstance(value, str) else canonical_json(value)
    return row


def _says(picked: Mapping[str, JSON], name: str) -> bool:
    return picked.get(name) is not None


def _plain_tag(value: JSON) -> JSON:
    return canonical_json(value) if isinstance(value, float) else value


def _check_picked(rows: list[JSON], columns: Columns) -> None:
    """See that each picked field is in some row: lines of JSON have no head that tells."""
    found: set[str | None] = set()
    for row in rows if columns.named else ():
        assert isinstance(row, dict)
        found |= {columns.expected} if "expected" in row else set()
        found |= {columns.id} if "id" in row else set()
        found.update(cast("dict[str, JSON]", row.get("tags", {})))
    for name in columns.named:
        if name not in found:
            raise _unknown_column(name, "It is in no row, or empty in all of them.")


def _unknown_column(name: str, hint: str) -> InvalidInput:
    return InvalidInput(f"There is no column {quoted(name)}.", code="unknown_field", hint=hint)


def _at_their_places(error: PointsmanError, places: list[str]) -> PointsmanError:
    """The error, with the lines of the rows that it is about."""
    if isinstance(error, TooLarge):
        return error
    found = error.reasons or (Reason(error.code, error.message, error.hint, error.field),)
    reasons = []
    for one in found:
        _, _, index, *rest = (*one.field.split("/"), "", "")
        if index.isdecimal():
            pointer = "/".join(("", *(step for step in rest if step)))
            told = one.message.replace(f"/rows/{index}", "", 1).removeprefix(pointer).strip()
            about = f"{places[int(index)]}{': ' + pointer if pointer else ''}"
            reasons.append(Reason(one.code, f"{about} {told}", one.hint, one.field))
        else:
            reasons.append(one)
    return InvalidContent(
        reasons[0].message, hint=reasons[0].hint, field=reasons[0].field, reasons=reasons
    )
