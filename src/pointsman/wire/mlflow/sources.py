"""Where the files of a model are, as a client says it: what is taken, and what is refused.

Nothing at a source is opened here; clients load from it later. So what is refused is what
would lead a client somewhere else than its registration says: to a file of whichever machine
loads the model, to another run, up a path, or to any host at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from pointsman.core.canonical import quoted
from pointsman.errors import InvalidInput

PLACEHOLDERS: Final = frozenset({"dummy-source", "prompt-template"})
"""What MLflow's clients send as the source of a prompt, which has none."""

_MODEL_ID: Final = re.compile(r"m-[0-9a-f]{32}")
_HOSTS: Final = frozenset({"http", "https", "ftp", "sftp", "ws", "wss"})
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def check_source(source: str, *, run_id: str, model_id: str) -> str:
    """The source of a model if a client may be sent there. Raises `InvalidInput`."""
    for decoded in (source, unquote(source), unquote(unquote(source))):
        path = decoded.replace("\\", "/").partition("?")[0].partition("#")[0]
        if ".." in path.split("/"):
            raise _refused(source, "has a part that leads up", "Name the place itself.")
    found = _SCHEME.match(source)
    scheme = found[1].lower() if found else "file"
    if scheme == "file" and not (run_id or model_id):
        raise _refused(
            source,
            "is a file of one machine",
            "Upload the model to an object store, or name the run or the logged model it is of.",
        )
    if scheme == "runs":
        run = urlsplit(source).path.lstrip("/").partition("/")[0]
        if run != run_id:
            raise _refused(source, "is of a run that run_id does not name", "Send its run_id.")
    if scheme == "mlflow-artifacts" and not (run_id or model_id):
        raise _refused(
            source, "is of no run or logged model", "Send the run_id or model_id it belongs to."
        )
    if scheme in _HOSTS:
        raise _refused(
            source, "names a host to connect to", "Copy the model to an object store first."
        )
    if (logged := logged_model(source)) and logged != model_id:
        raise _refused(source, "is not what model_id names", "Send the same model_id.")
    return source


def logged_model(source: str) -> str | None:
    """The id of the logged model that a source such as ``models:/m-…`` is."""
    name = source.removeprefix("models:/")
    return name if name != source and _MODEL_ID.fullmatch(name) else None


def copied(source: str) -> tuple[str, str] | None:
    """Name and version of the registered model that ``models:/name/7`` is, if it is one."""
    if not source.startswith("models:/") or logged_model(source):
        return None
    name, slash, version = source.removeprefix("models:/").rpartition("/")
    if not slash or not name or not (version.isascii() and version.isdecimal()):
        raise _refused(source, "is not models:/<name>/<version>", "Name the version to copy.")
    return name, version


def download_uri(content: Mapping[str, object]) -> str:
    """Where a client finds the files of a model version with this content."""
    found = content.get("download_uri", content.get("uri", ""))
    return found if isinstance(found, str) else ""


def _refused(source: str, why: str, hint: str) -> InvalidInput:
    return InvalidInput(
        f"Invalid model version source {quoted(source)}: it {why}.",
        code="invalid_source",
        hint=hint,
        field="source",
    )
