"""Where files of runs may lie, and what numbers and keys are taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.tracking import (
    RunPlace,
    VersionPlace,
    check_double,
    check_label,
    check_whole,
    model_root,
    ours,
    parse_place,
    run_root,
    trace_root,
    version_root,
)
from pointsman.errors import InvalidInput, PointsmanError

RUN = "0123456789abcdef" * 2
ROOT = run_root(7, RUN)

WAYS_OUT = (
    "..",
    "../x",
    "a/../../x",
    "a/..",
    "./a",
    "a/./b",
    "/etc/passwd",
    "a//b",
    "%2e%2e/x",
    "%2E%2E%2Fx",
    "%252e%252e/x",
    "..%2fx",
    "..%5cx",
    "..\\x",
    "a\\..\\..\\x",
    "C:/x",
    "C:\\x",
    "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}/x",
    "..\N{FULLWIDTH SOLIDUS}x",
    "..\N{DIVISION SLASH}x\N{FULLWIDTH SOLIDUS}y",
    "\N{TWO DOT LEADER}/x",
    "%c0%ae%c0%ae/x",
    "%u002e%u002e/x",
    ".../x",
    "a/ ../x",
    "a\0b",
    "a\nb",
    "a\u202eb",
    "x" * 300,
    "x/" * 600 + "x",
)


@pytest.mark.parametrize(
    ("root", "owner"),
    [
        (run_root(7, RUN), RUN),
        (model_root(7, f"m-{RUN}"), f"m-{RUN}"),
        (trace_root(7, f"tr-{RUN}"), f"tr-{RUN}"),
    ],
)
def test_a_place_is_read_as_it_is_written(root: str, owner: str) -> None:
    for path in ("", "model.pkl", "a/b c/ü.txt"):
        whole = f"{root}/{path}" if path else root
        place = parse_place(whole)
        assert place == RunPlace(root, owner, path)
        assert isinstance(place, RunPlace)
        assert place.whole == whole
    assert ours(f"mlflow-artifacts:/{root}/a") == f"{root}/a"


def test_a_place_of_a_version_is_read() -> None:
    assert parse_place(version_root(12, 3)) == VersionPlace(12, 3, "")
    assert parse_place(f"{version_root(12, 3)}/a/b") == VersionPlace(12, 3, "a/b")


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("root", [ROOT, version_root(1, 1)])
def test_no_way_leads_out(root: str, way: str) -> None:
    with pytest.raises(InvalidInput):
        parse_place(f"{root}/{way}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        f"7/{RUN}",
        f"7/{RUN}/other/x",
        f"7/{RUN.upper()}/artifacts/x",
        f"7/{RUN[1:]}/artifacts/x",
        f"-7/{RUN}/artifacts/x",
        f"7/{RUN}x/artifacts/x",
        f"7/models/{RUN}/artifacts/x",
        f"7/traces/{RUN}/artifacts/x",
        f"7/models/m-{RUN}/x",
        f"x/{ROOT}/x",
        "versions/1",
        "versions/1/x",
        "versions/x/1/a",
        "versions/1/1/",
        f"{ROOT}/",
        f"{'9' * 19}/{RUN}/artifacts/x",
    ],
)
def test_other_places_are_none(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_place(text)


@given(st.text(max_size=60))
def test_any_path_is_refused_or_lies_below_its_root(path: str) -> None:
    try:
        place = parse_place(f"{ROOT}/{path}")
    except InvalidInput:
        return
    assert isinstance(place, RunPlace)
    assert (place.root, place.path) == (ROOT, path)
    assert not {"", ".", ".."} & set(path.split("/"))


@pytest.mark.parametrize(
    "location",
    ["mlflow-artifacts://host/1/x", "mlflow-artifacts:x", "s3://b/1", "/1/x", "file:///1", ""],
)
def test_a_location_elsewhere_is_not_ours(location: str) -> None:
    assert ours(location) is None


@given(st.floats())
def test_a_double_comes_back_as_it_was(number: float) -> None:
    text = check_double(number)
    assert repr(float(text)) == repr(number) or number != number
    assert check_double(text) == text


@pytest.mark.parametrize("value", [None, True, "x", "", [], {}, 10**400])
def test_what_is_no_double_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        check_double(value)


@pytest.mark.parametrize("value", [None, True, "x", "", 1.5, 2**60, "9" * 40, float("nan"), []])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        check_whole(value, "step")


def test_whole_numbers_are_read_in_each_spelling() -> None:
    assert [check_whole(one, "step") for one in (-3, "-3", -3.0)] == [-3, -3, -3]


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "a\0b", "\x7f", "x" * 251, "\ud800"])
def test_bad_keys_are_refused(text: str) -> None:
    with pytest.raises(PointsmanError):
        check_label(text, "key")
