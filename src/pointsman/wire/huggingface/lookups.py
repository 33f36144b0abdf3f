"""Finding what a request is about: a model by a repository's name, a version by a revision."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from pointsman.app import including
from pointsman.app.application import View
from pointsman.app.blobs import File, file_of, files_of
from pointsman.app.ports import ArtifactRow, VersionRow
from pointsman.core.canonical import quoted
from pointsman.core.names import MAX_VERSION, NEWEST, check_alias
from pointsman.core.selectors import Selector
from pointsman.errors import InvalidName, NotFound
from pointsman.wire.huggingface import shapes

MAIN: Final = "main"
"""The revision that clients ask for when none was named."""

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NUMBER: Final = re.compile(r"[vV]?([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Found:
    """A version of a model."""

    artifact: ArtifactRow
    row: VersionRow

    @property
    def commit(self) -> str:
        """What stands for the version as its commit."""
        return shapes.commit_of(self.row)


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit as we name them, so that it means one thing for ever."""
    return len(revision) == shapes.COMMIT and _COMMIT.fullmatch(revision) is not None


def find(view: View, repository: str, revision: str) -> Found:
    """The version that a revision of a repository means. Raises `NotFound` and `Refused`."""
    view.require("read")
    try:
        artifact = view.artifact("model", repository)
    except InvalidName as error:
        raise NotFound(
            f"{error.message} No model has such a name.",
            code="artifact_not_found",
            hint=error.hint,
            field="repository",
        ) from error
    try:
        return Found(artifact, _version(view, artifact, revision))
    except InvalidName as error:
        raise NotFound(
            f"{artifact.name} has no revision {quoted(revision)}.",
            code="version_not_found",
            hint="Name an alias, a version's number, the commit of one, or main for the newest.",
            field="revision",
        ) from error


def known_files(view: View, found: Found) -> shapes.Files:
    """The files of a version; none if it is kept elsewhere. Raises `Gone`."""
    return files_of(view, found.artifact, found.row)


def files(view: View, found: Found) -> shapes.Files:
    """The files of a version. Raises `Gone`, and `NotFound` if it has none here."""
    known = known_files(view, found)
    if not known:
        raise _no_files(view, found)
    return known


def file(view: View, found: Found, path: str) -> File:
    """The file of a version at a path. Raises `Gone` and `NotFound`."""
    files(view, found)
    return file_of(view, found.artifact, found.row, path)


def content(view: View, found: Found) -> dict[str, Any]:
    """The content of a version; empty where it was removed."""
    body = view.reader.content(found.artifact.id, found.row.number)
    told: dict[str, Any] = {} if body is None else json.loads(body)
    return told


def _version(view: View, artifact: ArtifactRow, revision: str) -> VersionRow:
    if _COMMIT.fullmatch(revision):
        row = view.reader.version_by_digest(artifact.id, revision)
        if row is None:
            raise NotFound(
                f"No version of {artifact.name} has a digest that begins with {revision}.",
                code="version_not_found",
                hint="A commit is the first 40 digits of a version's digest.",
                field="revision",
            )
        return row
    selector = Selector("model", artifact.name)
    if number := _NUMBER.fullmatch(revision):
        wanted = min(int(number[1]), MAX_VERSION)  # beyond it there is none to be found
        selector = Selector("model", artifact.name, version=wanted)
    elif revision == MAIN:
        alias = view.reader.alias(artifact.id, MAIN)
        if alias is not None and alias.target is not None:
            selector = Selector("model", artifact.name, alias=MAIN)
    elif revision.lower() not in NEWEST:
        selector = Selector("model", artifact.name, alias=check_alias(revision))
    return including.find_version(view, artifact, selector, None)[0]


def _no_files(view: View, found: Found) -> NotFound:
    uri = content(view, found).get("uri")
    label = f"{found.artifact.name}:{found.row.number}"
    where = f": it is kept at {quoted(uri)}" if isinstance(uri, str) else ""
    return NotFound(
        f"{label} has no files here{where}.",
        code="file_not_found",
        hint="Load it from where it is kept, or publish its files: `pointsman push`.",
        field="path",
    )
