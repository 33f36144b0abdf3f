"""Sources of models: what may be registered, and what would lead a client astray."""

from __future__ import annotations

import pytest

from pointsman.errors import InvalidInput
from pointsman.wire.mlflow.sources import check_source, copied

LOGGED = "m-" + "0" * 32


@pytest.mark.parametrize(
    ("source", "run_id", "model_id"),
    [
        ("s3://bucket/model", "", ""),
        ("gs://bucket/a..b/model", "any", ""),
        ("dbfs:/models/1", "", ""),
        ("hf://org/model", "", ""),
        ("runs:/r1/model", "r1", ""),
        ("mlflow-artifacts:/1/r1/artifacts/model", "r1", ""),
        (f"models:/{LOGGED}", "", LOGGED),
        ("file:///mnt/models/1", "r1", ""),
        ("/mnt/models/1", "r1", ""),
    ],
)
def test_a_source_is_taken(source: str, run_id: str, model_id: str) -> None:
    assert check_source(source, run_id=run_id, model_id=model_id) == source


@pytest.mark.parametrize(
    ("source", "run_id", "model_id"),
    [
        ("s3://bucket/../other", "", ""),
        ("s3://bucket/%2e%2E/other", "", ""),
        ("s3://bucket/%252e%252e/other", "", ""),
        ("s3://bucket\\..\\other", "", ""),
        ("file:///etc/passwd", "", ""),
        ("FILE:///etc/passwd", "", ""),
        ("/etc/passwd", "", ""),
        ("relative/path", "", ""),
        ("c:\\models", "", ""),
        ("runs:/r2/model", "r1", ""),
        ("runs:/r1/model", "", ""),
        ("mlflow-artifacts:/1/r1/artifacts", "", ""),
        ("https://example.com/model", "r1", ""),
        ("HTTP://example.com/model", "r1", ""),
        (f"models:/{LOGGED}", "", ""),
        (f"models:/{LOGGED}", "", "m-" + "1" * 32),
    ],
)
def test_a_source_is_refused(source: str, run_id: str, model_id: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_source(source, run_id=run_id, model_id=model_id)
    assert caught.value.code == "invalid_source"


def test_a_copy_names_its_original() -> None:
    assert copied("models:/a name/7") == ("a name", "7")
    assert copied("models:/folder/name/7") == ("folder/name", "7")
    assert copied("s3://b/7") is None
    assert copied(f"models:/{LOGGED}") is None
    for wrong in ("models:/name", "models:/name/latest", "models://7", "models:/name@alias"):
        with pytest.raises(InvalidInput):
            copied(wrong)
