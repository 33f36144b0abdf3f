"""Manifests of models: paths that lead nowhere else, sizes, digests, and what else is checked."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.core.canonical import JSON
from pointsman.core.models import (
    MAX_FILE,
    MAX_FILES,
    FileEntry,
    check_path,
    fold_path,
    parse_model,
    path_flaws,
    risk_of,
)
from pointsman.errors import InvalidContent, InvalidInput

SHA = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
ENTRY: JSON = {"size": 3, "sha256": SHA}


@pytest.mark.parametrize(
    "path",
    [
        "model.pkl",
        "weights/part-00001-of-00002.safetensors",
        ".gitattributes",
        "a/.hidden/b",
        "100%.csv",
        "a b/c d.txt",
        "größe/模型.onnx",
        "a...b",
        "tf_model@v1+x=y,z;(1)[2]{3}~#!$&'",
    ],
)
def test_good_paths(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", "empty_path"),
        ("/etc/passwd", "absolute_path"),
        ("//server/share", "absolute_path"),
        ("../up", "dot_part"),
        ("a/../../b", "dot_part"),
        ("a/./b", "dot_part"),
        ("..", "dot_part"),
        ("a/...", "dot_part"),
        ("a/.. /b", "dot_part"),
        ("a//b", "empty_part"),
        ("a/", "empty_part"),
        ("..\\up", "backslash"),
        ("C:\\x", "backslash"),
        ("C:x", "drive_path"),
        ("file.txt:stream", "drive_path"),
        ("%2e%2e/up", "percent_encoded"),
        ("%2E%2E%2Fup", "percent_encoded"),
        ("%252e%252e%252fup", "percent_encoded"),
        ("..%c0%af", "percent_encoded"),
        ("a%u002fb", "percent_encoded"),
        ("\uff0e\uff0e/up", "dot_part"),
        ("\u2024\u2024/up", "dot_part"),
        ("a\uff0fb", "look_alike_slash"),
        ("\uff0fa", "absolute_path"),
        ("a\uff3cb", "backslash"),
        ("\uff0e\uff0e\uff0fup", "look_alike_slash"),
        ("a\0b", "control_character"),
        ("a\nb", "control_character"),
        ("a\u202egpj.exe", "control_character"),
        ("a\u200bb", "control_character"),
        ("a\ud800b", "control_character"),
        ("e\u0301", "not_normalised"),
        (" a", "edge_space"),
        ("a /b", "edge_space"),
        ("a.", "edge_space"),
        ("x" * 256, "part_too_long"),
        ("x/" * 600 + "x", "path_too_long"),
    ],
)
def test_bad_paths(path: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_path(path)
    assert code in {reason.code for reason in caught.value.reasons}
    with pytest.raises(InvalidInput):
        parse_model({"files": {path: ENTRY}})


parts = st.sampled_from(
    ["..", ".", "", "a", "%2e", "%2E%2e", "%252e", "\uff0e\uff0e", "C:", "\\", "b c", "\u2215", "~"]
)
nasty = st.lists(parts | st.text(max_size=4), min_size=1, max_size=6).map("/".join)


@given(nasty | st.text(max_size=30))
@example("..%2f..%2fetc")
@example("a/\uff0e\uff0e/\uff0e\uff0e/b")
def test_a_path_leads_below_its_folder_however_it_is_read(path: str) -> None:
    """Whatever passes stays below, decoded once or twice, normalised, on POSIX and Windows."""
    if any(True for _ in path_flaws(path)):
        return
    once = unquote(path)
    for read in {path, once, unquote(once), *(unicodedata.normalize("NFKC", p) for p in (path,))}:
        below = PurePosixPath("/base/x") / read
        assert below.is_relative_to("/base/x")
        assert ".." not in below.parts
        windows = PureWindowsPath("D:\\base") / read
        assert windows.is_relative_to("D:\\base")
        assert ".." not in windows.parts
        assert not windows.drive or windows.drive == "D:"
    assert Path(path).as_posix() == path, "it is spelt as it is"


@given(nasty, nasty)
def test_paths_that_are_one_somewhere_fold_alike(one: str, other: str) -> None:
    assert fold_path(fold_path(one)) == fold_path(one)
    if one.lower() == other.lower() and one.isascii():
        assert fold_path(one) == fold_path(other)


def test_a_manifest() -> None:
    value: dict[str, JSON] = {
        "files": {"model.pkl": ENTRY, "a/b": {"size": 0, "sha256": SHA}},
        "flavour": "sklearn",
        "signature": {"inputs": []},
        "input_example": [[1, 2]],
        "run": "r-17",
        "source": "git:abc",
        "metrics": {"auc": 0.9, "n": 3},
        "parameters": {"depth": 3, "kind": "gini", "bootstrap": True},
        "config": {"any": [1]},
        "mine": {"kept": True},
    }
    content = parse_model(value)
    assert content.files == {"model.pkl": FileEntry(3, SHA), "a/b": FileEntry(0, SHA)}
    assert content.to_json() == value
    assert parse_model(content.to_json()) == content
    changed = parse_model({**value, "files": {"model.pkl": {"size": 3, "sha256": "0" * 64}}})
    assert changed.digest != content.digest


@pytest.mark.parametrize(
    "value", [{}, {"any": 1}, {"uri": "x"}, {"rows": [1]}, {"digest": 7}, {"x": None}]
)
def test_any_object_is_a_model(value: Any) -> None:
    assert parse_model(value).to_json() == value
    assert parse_model(value).files == {}


@pytest.mark.parametrize(
    ("value", "code", "field"),
    [
        ({"files": []}, "wrong_type", "/files"),
        ({"files": {}}, "wrong_type", "/files"),
        ({"files": {"a": 1}}, "wrong_type", "/files/a"),
        ({"files": {"a": {"size": 3, "sha256": SHA, "x": 1}}}, "unknown_field", "/files/a/x"),
        ({"files": {"a": {"sha256": SHA}}}, "invalid_size", "/files/a/size"),
        ({"files": {"a": {"size": True, "sha256": SHA}}}, "invalid_size", "/files/a/size"),
        ({"files": {"a": {"size": -1, "sha256": SHA}}}, "invalid_size", "/files/a/size"),
        ({"files": {"a": {"size": 1.5, "sha256": SHA}}}, "invalid_size", "/files/a/size"),
        (
            {"files": {"a": {"size": MAX_FILE + 1, "sha256": SHA}}},
            "invalid_size",
            "/files/a/size",
        ),
        ({"files": {"a": {"size": 1, "sha256": SHA.upper()}}}, "invalid_sha256", "/files/a/sha256"),
        ({"files": {"a": {"size": 1}}}, "invalid_sha256", "/files/a/sha256"),
        ({"files": {"a": ENTRY, "A": ENTRY}}, "duplicate_path", "/files/A"),
        ({"files": {"straße": ENTRY, "STRASSE": ENTRY}}, "duplicate_path", "/files/STRASSE"),
        ({"files": {"a": ENTRY, "A/b": ENTRY}}, "file_and_folder", "/files/A~1b"),
        ({"files": {"a": ENTRY}, "uri": "s3://x"}, "files_and_uri", "/uri"),
        ({"uri": ""}, "wrong_type", "/uri"),
        ({"uri": "s3://x", "digest": "abc"}, "invalid_digest", "/digest"),
        ({"flavour": 1}, "wrong_type", "/flavour"),
        ({"signature": "x"}, "wrong_type", "/signature"),
        ({"metrics": {"auc": "high"}}, "wrong_type", "/metrics/auc"),
        ({"metrics": {"auc": True}}, "wrong_type", "/metrics/auc"),
        ({"parameters": {"p": [1]}}, "wrong_type", "/parameters/p"),
    ],
)
def test_what_is_wrong_is_named(value: Any, code: str, field: str) -> None:
    with pytest.raises(InvalidContent) as caught:
        parse_model(value)
    assert (code, field) in {(one.code, one.field) for one in caught.value.reasons}


def test_too_many_files() -> None:
    many: Any = {"files": {f"f{number}": ENTRY for number in range(MAX_FILES)}}
    assert len(parse_model(many).files) == MAX_FILES
    many["files"]["one-more"] = ENTRY
    with pytest.raises(InvalidContent) as caught:
        parse_model(many)
    assert caught.value.code == "too_many_files"


@pytest.mark.parametrize(
    ("path", "risk"),
    [
        ("model.pkl", "code"),
        ("A/B.JOBLIB", "code"),
        ("w.pt", "code"),
        ("code.tar.gz", "archive"),
        ("model.safetensors", None),
        ("MLmodel", None),
        ("pkl", None),
    ],
)
def test_risks(path: str, risk: str | None) -> None:
    assert risk_of(path) == risk
