"""The rows of a Parquet file, with values that JSON can say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, BinaryIO, Final

from pointsman.cli.rows import Columns, Record, check_columns, too_long, too_many
from pointsman.core.canonical import quoted
from pointsman.core.datasets import MAX_ROWS, MAX_SIZE
from pointsman.errors import InvalidInput, PointsmanError

_BATCH: Final = 256
"""Rows that are decoded at once."""


def parquet_records(file: BinaryIO, columns: Columns) -> Iterator[Record]:
    """The rows of a Parquet file, counted from 1.

    Times become ISO 8601 text, decimals text. Bytes, durations and numbers that are none (NaN,
    infinity) are refused: what they should be, only who made the file can say.

    Raises:
        PointsmanError: ``missing_extra``: the package pyarrow is not installed.
        InvalidInput, TooLarge: see `read_rows`.
    """
    arrow, parquet = _package()
    try:
        opened = parquet.ParquetFile(file)
        if opened.metadata.num_rows > MAX_ROWS:
            raise too_many(f"{opened.metadata.num_rows:,}")
        check_columns(list(opened.schema_arrow.names), columns)
        number = size = 0
        for batch in opened.iter_batches(batch_size=_BATCH):
            for index in range(batch.num_rows):
                number += 1
                place = f"row {number}"
                fields = {
                    name: _json(column[index].as_py(maps_as_pydicts="strict"), place, name)
                    for name, column in zip(batch.schema.names, batch.columns, strict=True)
                }
                # Row by row: a dictionary of one long text may stand for any number of them.
                size += len(json.dumps(fields, ensure_ascii=False))
                if size > 2 * MAX_SIZE:
                    raise too_long(place)
                yield Record(place, fields)
    except (arrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        told = str(error).strip().split("\n")[0][:300].removesuffix(".")
        raise InvalidInput(
            f"It can't be read as Parquet: {told}.",
            code="malformed_table",
            hint="Write it again; times finer than microseconds can't be read, for one.",
        ) from None


def _package() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError:
        raise PointsmanError(
            "Parquet files need the package pyarrow, which is not installed.",
            code="missing_extra",
            hint='Install it with: pip install "pointsman[parquet]"; or write lines of JSON.',
        ) from None
    return pa, parquet


def _json(value: Any, place: str, name: str) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    if isinstance(value, Mapping):
        return {str(key): _json(one, place, f"{name}.{key}") for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json(one, place, name) for one in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    what = {bytes: "bytes", timedelta: "a duration", float: "a number that is none"}
    told = what.get(type(value), f"of the type {type(value).__name__}")
    raise InvalidInput(
        f"{place}: the column {quoted(name)} holds {told}, which JSON can't say.",
        code="not_json",
        hint="Write it as text, as a number or as null.",
    )
