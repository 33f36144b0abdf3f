"""Datasets from files: what becomes of each form, and how what is wrong is told."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from cli.commands import Cli, write
from pointsman.cli.rows import Columns, RowForm, read_rows
from pointsman.cli.sources import read_file, read_folder
from pointsman.core.datasets import MAX_ROWS, MAX_SIZE
from pointsman.errors import InvalidInput, PointsmanError, TooLarge

LABELLED = Columns(expected="label", tags=("language",), id="nr")


def _read(data: bytes | str, form: RowForm = "csv", columns: Columns = Columns()) -> Any:  # noqa: B008
    data = data.encode() if isinstance(data, str) else data
    return read_rows(BytesIO(data), form, columns).to_json()["rows"]


def _refused(data: bytes | str, form: RowForm = "csv", columns: Columns = Columns()) -> str:  # noqa: B008
    with pytest.raises(PointsmanError) as found:
        _read(data, form, columns)
    told = [found.value.message, *(one.message for one in found.value.reasons)]
    return " ".join(told)


# -- lines of JSON


def test_lines_are_rows_as_datasets_have_them() -> None:
    rows = [
        {"input": {"m": "a"}, "expected": None, "tags": {"x": "y"}, "id": "1"},
        {"input": {"m": {"deep": [1.5, True, None]}}},
    ]
    assert _read("\n\n".join(json.dumps(row) for row in rows) + "\n", "jsonl") == rows


def test_lines_may_be_flat() -> None:
    text = '{"m": "a", "label": "x", "language": "en", "nr": 7}\n{"m": "b", "label": null}\n'
    assert _read(text, "jsonl", LABELLED) == [
        {"input": {"m": "a"}, "expected": "x", "tags": {"language": "en"}, "id": "7"},
        {"input": {"m": "b"}, "expected": None},
    ]
    assert _read('{"input": "text", "m": 1}', "jsonl") == [{"input": {"input": "text", "m": 1}}]
    assert _read('\ufeff{"m": 1}\r\n', "jsonl") == [{"input": {"m": 1}}]
    assert _read('{"m": 1, "t": 0.5}', "jsonl", Columns(tags=("t",))) == [
        {"input": {"m": 1}, "tags": {"t": "0.5"}}
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"m": 1}\n{"m": }', "line 2: "),
        ('{"m": 1}\n[1]', "line 2 is no object"),
        ('{"m": 1}\n\n{"m": NaN}', "line 3: "),
        ('{"m": 1, "m": 2}', "line 1: "),
        ('{"input": {"m": 1}}\n{"m": 2}', "line 2: /m is not a known field"),
        ('{"input": {"m": 1}}\n\n\n{"input": {}}', "line 4: /input must be an object"),
        ('{"m": 1}\n{"m": "\\u0000"}', "line 2"),
        ('{"input": {"m": 1}, "id": "a"}\n{"input": {"m": 1}, "id": "a"}', "line 2: /id is 'a'"),
        ("", "It has no rows"),
        (b"\xff\xfe{\x00}\x00", "Line 1 is not UTF-8"),
        (b'{"m": 1}\n{"m": "\xe9"}', "Line 2 is not UTF-8"),
    ],
)
def test_what_is_wrong_in_lines_is_told_with_the_line(text: str | bytes, said: str) -> None:
    assert said in _refused(text, "jsonl")


def test_a_field_that_no_line_has_is_told() -> None:
    assert "There is no column 'lable'" in _refused('{"m": 1}', "jsonl", Columns(expected="lable"))


# -- tables


def test_tables_are_rows_of_text() -> None:
    text = '\ufeffm,label,language,nr\r\n"a, ""b""\r\nc",x,en,1\r\n\r\nd,,,\r\n'
    assert _read(text, "csv", LABELLED) == [
        {
            "input": {"m": 'a, "b"\r\nc'},
            "expected": "x",
            "tags": {"language": "en"},
            "id": "1",
        },
        {"input": {"m": "d"}},
    ]
    assert _read("a\tb\n1\t\n", "tsv") == [{"input": {"a": "1", "b": ""}}]
    assert _read(f"m\n{'x' * 500_000}\n") == [{"input": {"m": "x" * 500_000}}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n3\n", "line 3 has 1 columns, and the first line has 2"),
        ('a,b\n"1\n2",2\n3,4,5\n', "line 4 has 3 columns"),
        ('a,b\n1,"2\n', "line 2 can't be read"),
        ('a,b\n1,"2"x\n', "line 2 can't be read"),
        ("a,a\n1,2\n", "Two columns are named 'a'"),
        ("a,\n1,2\n", "A column has no name"),
        ("a;b\n1;2\n", "Its one column is named 'a;b'"),
        ("a,b\n", "It has no rows"),
        ("", "It has no rows"),
        ("a\n\0\n", "line 2"),
        (b"a\n\xe9\n", "Line 2 is not UTF-8"),
        ("a\rb\rc", "can't be read"),
    ],
)
def test_what_is_wrong_in_tables_is_told_with_the_line(text: str | bytes, said: str) -> None:
    assert said in _refused(text)


def test_columns_must_be_there_and_one_be_left() -> None:
    assert "There is no column 'lable'" in _refused("m,label\n1,2\n", "csv", Columns("lable"))
    assert "No column is left" in _refused("label\n1\n", "csv", Columns("label"))
    assert "There is no column 'label'" in _refused("m,label\n1,\n", "csv", Columns("label"))


@given(
    st.lists(
        st.tuples(
            *[st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=9)] * 2
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_table_that_is_written_is_read(cells: list[tuple[str, str]]) -> None:
    import csv
    from io import StringIO

    written = StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerows([("one", "two"), *cells])
    found = [(row["input"]["one"], row["input"]["two"]) for row in _read(written.getvalue())]
    assert found == cells


# -- too much


class _Endless(BytesIO):
    """A file that never ends, and knows how much of it was read."""

    def __init__(self, line: bytes) -> None:
        super().__init__()
        self.line, self.lines = line, 0

    def readline(self, size: int | None = -1, /) -> bytes:
        self.lines += 1
        return self.line[:size]


def test_reading_ends_at_the_first_row_too_many() -> None:
    endless = _Endless(b'{"m": 1}\n')
    with pytest.raises(TooLarge, match="more than 100,000 rows"):
        read_rows(endless, "jsonl")
    assert endless.lines == MAX_ROWS + 1


def test_reading_ends_where_it_is_too_long() -> None:
    endless = _Endless(b"x" * 1_000_000 + b"\n")
    with pytest.raises(TooLarge, match=r"Up to line \d+ it is longer"):
        read_rows(endless, "csv")
    assert endless.lines == 4 * MAX_SIZE // len(endless.line) + 1
    with pytest.raises(TooLarge, match="Line 1 is longer"):
        read_rows(_Endless(b"x" * 9_000_000), "jsonl")


# -- Parquet


def _parquet(**columns: Any) -> bytes:
    file = BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()


def test_parquet_values_become_json() -> None:
    data = _parquet(
        m=["a", "b"],
        nr=[1, 2],
        label=["x", None],
        language=["en", None],
        at=[datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None],
        on=[date(2026, 1, 2), None],
        price=[Decimal("1.50"), None],
        deep=[{"list": [1.5, None], "ok": True}, {"list": [], "ok": None}],
        map=pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
    )
    first, second = _read(data, "parquet", LABELLED)
    assert first == {
        "input": {
            "m": "a",
            "at": "2026-01-02T03:04:05+00:00",
            "on": "2026-01-02",
            "price": "1.50",
            "deep": {"list": [1.5, None], "ok": True},
            "map": {"k": 1},
        },
        "expected": "x",
        "tags": {"language": "en"},
        "id": "1",
    }
    assert second["expected"] is None
    assert second["input"]["at"] is None
    assert "tags" not in second


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ([1.0, float("nan")], "row 2: the column 'm' holds a number that is none"),
        ([1.0, float("-inf")], "row 2: the column 'm'"),
        ([b"a", b"b"], "row 1: the column 'm' holds bytes"),
        ([timedelta(1), None], "row 1: the column 'm' holds a duration"),
        ([2**60, 1], "row 1"),
        ([{"a": float("nan")}], "row 1: the column 'm.a'"),
        (pa.array([1], pa.timestamp("ns")), "finer than microseconds"),
        (pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int64())), "can't be read"),
        ([], "It has no rows"),
    ],
)
def test_values_that_json_can_not_say_are_refused(column: Any, said: str) -> None:
    with pytest.raises(PointsmanError) as found:
        _read(_parquet(m=column), "parquet")
    told = " ".join([str(found.value), *(one.message for one in found.value.reasons)])
    assert said in told


def test_files_that_are_no_parquet_are_refused() -> None:
    good = _parquet(m=["a"] * 1_000)
    for data in (b"", b"PAR1", b"m\na\n", good[:-9], good[:40] + b"x" * 60 + good[100:]):
        assert "can't be read as Parquet" in _refused(data, "parquet")


def test_large_parquet_files_are_refused_by_what_they_tell() -> None:
    many = _parquet(m=pa.array([1] * (MAX_ROWS + 1)))
    assert "It has 100,001 rows" in _refused(many, "parquet")
    # A small file that stands for gigabytes: one long text, again and again.
    long = pa.array(["x" * 500_000])
    file = BytesIO()
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 9_000, pa.int32()), long)
    parquet.write_table(pa.table({"m": column}), file, dictionary_pagesize_limit=1 << 24)
    assert len(file.getvalue()) < 1_000_000
    assert "it is longer than" in _refused(file.getvalue(), "parquet")


def test_parquet_says_which_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PointsmanError) as found:
        _read(b"", "parquet")
    assert found.value.code == "missing_extra"
    assert "pointsman[parquet]" in found.value.hint


# -- publishing


def test_files_are_published_as_datasets(tmp_path: Path) -> None:
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    write(tmp_path, {"tickets.csv": "m,label\na,x\n", "t.dataset.jsonl": '{"m": "a"}\n'})
    (tmp_path / "p.parquet").write_bytes(_parquet(m=["a"], label=["x"]))
    one = cli.json("publish", tmp_path / "tickets.csv", "--expected", "label")
    two = cli.json("publish", tmp_path / "p.parquet", "--name", "p/q", "--expected", "label")
    cli("publish", tmp_path / "t.dataset.jsonl")
    piped = cli.json(
        "publish", "-", "--as", "csv", "--name", "piped", "--expected", "label",
        stdin="m,label\na,x\n",
    )  # fmt: skip
    assert one["version"]["kind"] == "dataset"
    assert one["version"]["name"] == "tickets"
    assert {each["version"]["digest"] for each in (one, two, piped)} == {one["version"]["digest"]}
    shown = cli.json("show", "dataset:tickets")
    assert shown["content"]["rows"] == [{"input": {"m": "a"}, "expected": "x"}]
    parquet_piped = (tmp_path / "p.parquet").read_bytes()
    again = cli.json(
        "publish", "-", "--as", "parquet", "--name", "piped", "--expected", "label",
        "--if-changed", stdin=parquet_piped,
    )  # fmt: skip
    assert again["created"] is False


def test_options_of_rows_go_with_rows(tmp_path: Path) -> None:
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    write(tmp_path, {"a.prompt": "hi", "b.csv": "m\na\n"})
    for path in (tmp_path / "a.prompt", tmp_path, "-"):
        ran = cli.run("publish", path, "--row-tag", "x", stdin="hi")
        assert ran.code == 2
        assert "go with one file of rows" in ran.err
    ran = cli.run("publish", tmp_path / "b.csv", "--kind", "suite")
    assert "b.csv: A .csv file holds a dataset, not a suite" in ran.err


def test_errors_name_the_file_and_the_line(tmp_path: Path) -> None:
    write(tmp_path, {"b.csv": "m,n\na\n", "c.jsonl": '{"input": {}}\n{"input": 1}\n'})
    with pytest.raises(InvalidInput, match=r"b\.csv: line 2 has 1 columns"):
        read_file(tmp_path / "b.csv", None, None, None)
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    ran = cli.run("publish", tmp_path / "c.jsonl")
    assert "c.jsonl: 2 things are wrong" in ran.err
    assert "line 1: /input must be" in ran.err
    assert "line 2: /input must be" in ran.err


def test_folders_take_rows_that_say_what_they_are(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {"support/tickets.dataset.csv": "m\na\n", "numbers.csv": "1\n2\n", "a.prompt": "hi"},
    )
    sources, notes = read_folder(folder, None)
    assert [(one.kind, one.name) for one in sources] == [
        ("prompt", "a"),
        ("dataset", "support/tickets"),
    ]
    assert notes == ["numbers.csv is left out; a dataset's rows here are in numbers.dataset.csv."]
    write(folder, {"x.dataset.csv": "m,n\n1\n", "y.dataset.jsonl": "1\n"})
    with pytest.raises(InvalidInput) as found:
        read_folder(folder, None)
    told = [reason.message for reason in found.value.reasons]
    assert told[0].startswith("x.dataset.csv: line 2")
    assert told[1].startswith("y.dataset.jsonl: line 1")


def test_datasets_and_suites_go_out_and_come_back(tmp_path: Path) -> None:
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    suite = {
        "for": ["*"],
        "dataset": "s/tickets:1",
        "scorers": [{"name": "correct", "by": "exact"}],
        "hold": [{"metric": "correct", "at_least": 0.5}],
    }
    write(
        tmp_path / "in" / "s",
        {"tickets.dataset.csv": "m,n\na,\u00fc\n", "q.suite.json": json.dumps(suite)},
    )
    cli("publish", tmp_path / "in")
    cli("promote", "dataset:s/tickets:1", "staging", "-m", "x")
    cli("export", "--folder", tmp_path / "out", "--history")
    cli("export", "--folder", tmp_path / "flat")
    assert (tmp_path / "flat/s/tickets.dataset.json").exists()
    assert (tmp_path / "flat/s/q.suite.json").exists()
    for folder, how in (("out", "import"), ("flat", "publish")):
        other = Cli(POINTSMAN_DATA=str(tmp_path / how))
        other(how, tmp_path / folder)
        for place in ("dataset:s/tickets", "suite:s/q"):
            mine, theirs = (each.json("show", place) for each in (cli, other))
            assert (mine["digest"], mine["content"]) == (theirs["digest"], theirs["content"])
