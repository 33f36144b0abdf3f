"""What scenarios for MLflow's client share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from wire.behaving import KEYS, behaviour, native, place, publish, run

__all__ = [
    "KEYS",
    "acting",
    "behaviour",
    "client",
    "entries",
    "native",
    "place",
    "publish",
    "refused",
    "run",
]


def client() -> MlflowClient:
    """A client for the server."""
    return MlflowClient()


@contextmanager
def acting(role: str) -> Iterator[None]:
    """Act with the key of another role."""
    before = os.environ["MLFLOW_TRACKING_TOKEN"]
    os.environ["MLFLOW_TRACKING_TOKEN"] = KEYS[role]
    try:
        yield
    finally:
        os.environ["MLFLOW_TRACKING_TOKEN"] = before


@contextmanager
def refused(code: str, *words: str) -> Iterator[None]:
    """Expect an error with this code, whose message has these words in it."""
    caught: MlflowException | None = None
    try:
        yield
    except MlflowException as error:
        caught = error
    assert caught is not None, f"not refused with {code}"
    assert caught.error_code == code, (caught.error_code, str(caught))
    missing = [word for word in words if word not in str(caught)]
    assert not missing, (missing, str(caught))


def entries(name: str, kind: str = "prompt") -> list[dict[str, Any]]:
    """What the journal has of an artifact, newest first."""
    items = native("GET", f"/journal?kind={kind}&name={quote(name)}&limit=200")["items"]
    return list(items)
