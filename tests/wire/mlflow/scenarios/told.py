"""What scenarios for MLflow's client share: run in its environment, they tell what held.

A scenario is a module of functions marked with `behaviour`, each of which raises if MLflow's
client does not behave so against this server. Run as a program it tells of each as JSON.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

URL = os.environ["MLFLOW_REGISTRY_URI"]
KEYS: dict[str, str] = json.loads(os.environ["POINTSMAN_TEST_KEYS"])
"""Role → a key with that role."""
_BEHAVIOURS: list[Callable[[], None]] = []


def behaviour(function: Callable[[], None]) -> Callable[[], None]:
    """Mark a function as one of the scenario's behaviours."""
    _BEHAVIOURS.append(function)
    return function


def run() -> None:
    """Try all behaviours and print what became of each: null, or the trouble."""
    found: dict[str, str | None] = {}
    for function in _BEHAVIOURS:
        try:
            function()
            found[function.__name__] = None
        except Exception:
            found[function.__name__] = traceback.format_exc()
    print(json.dumps(found))


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


def native(method: str, path: str, body: object = None) -> Any:
    """Ask the server's own API, as an admin."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEYS['admin']}", "Content-Type": "application/json"}
    asked = Request(f"{URL}/api/v1{path}", data, headers, method=method)
    try:
        with urlopen(asked, timeout=60) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise AssertionError(error.read().decode()) from error


def place(name: str, *rest: object, kind: str = "prompt") -> str:
    """The path of an artifact in the server's own API."""
    return "/artifacts/" + "/".join(quote(str(one), safe="") for one in (kind, name, *rest))


def publish(name: str, content: object, **more: object) -> int:
    """Publish a version by the server's own API."""
    body = {"name": name, "content": content, **more}
    return int(native("POST", "/versions", body)["version"]["number"])


def entries(name: str, kind: str = "prompt") -> list[dict[str, Any]]:
    """What the journal has of an artifact, newest first."""
    items = native("GET", f"/journal?kind={kind}&name={quote(name)}&limit=200")["items"]
    return list(items)
