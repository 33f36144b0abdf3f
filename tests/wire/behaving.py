"""What scenarios for others' published clients share: run in their environment, they tell what
held.

A scenario is a module of functions marked with `behaviour`, each of which raises if the client
does not behave so against this server. Run as a program it tells of each as JSON. Nothing but
the client and the standard library is at hand there.
"""

from __future__ import annotations

import hashlib
import json
import os
import traceback
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

URL = os.environ["POINTSMAN_TEST_URL"]
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


def native(method: str, path: str, body: object = None) -> Any:
    """Ask the server's own API, as an admin. A body of bytes is sent as it is."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
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


def publish_files(name: str, files: dict[str, bytes], **more: object) -> str:
    """Publish a version of a model with these files; its digest."""
    entries = {}
    for path, data in files.items():
        sha256 = hashlib.sha256(data).hexdigest()
        native("PUT", f"/blobs/{sha256}", data)
        entries[path] = {"size": len(data), "sha256": sha256}
    content = {"files": entries, "flavour": "transformers"}
    body = {"name": name, "kind": "model", "content": content, **more}
    return str(native("POST", "/versions", body)["version"]["digest"])


def move(name: str, alias: str, target: object) -> None:
    """Point an alias of a model at a version, or at a split."""
    what = {"split": target} if isinstance(target, dict) else {"version": target}
    native("PUT", place(name, "aliases", alias, kind="model"), {**what, "reason": "a test"})
