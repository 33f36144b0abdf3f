"""Our models and versions as a Hugging Face Hub tells of repositories and commits, as JSON.

A version's commit is the beginning of its digest: as long as a commit's id is, so clients take
it for one. Files are told of as files of Git LFS, whose SHA-256 is in the answer: clients
verify it, and name files by it in their cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from pointsman.app.ports import ArtifactRow, VersionRow
from pointsman.core.models import FileEntry
from pointsman.core.vocabulary import moment

COMMIT: Final = 40
"""Hexadecimal digits of a commit's id."""

Files = Mapping[str, FileEntry]


def commit_of(row: VersionRow) -> str:
    """What stands for a version as its commit."""
    return row.digest[:COMMIT]


def model_info(
    artifact: ArtifactRow, row: VersionRow, content: Mapping[str, Any], files: Files, *, sizes: bool
) -> dict[str, Any]:
    """A version of a model, with its files and, if asked for, their sizes."""
    folder, slash, _ = artifact.name.rpartition("/")
    flavour = content.get("flavour")
    return {
        "_id": commit_of(row),
        "id": artifact.name,
        "modelId": artifact.name,
        "author": folder if slash else None,
        "sha": commit_of(row),
        "createdAt": _time(moment(artifact.created_at)),
        "lastModified": _time(moment(row.created_at)),
        "private": True,
        "gated": False,
        "disabled": artifact.archived_at is not None,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        **({"library_name": flavour} if isinstance(flavour, str) else {}),
        "usedStorage": sum(one.size for one in files.values()),
        "siblings": [_sibling(path, files[path], sizes) for path in sorted(files)],
    }


def tree(
    files: Files, row: VersionRow, *, folder: str = "", recursive: bool, expand: bool
) -> list[dict[str, Any]]:
    """What is in a folder of a version, or in it and all folders below; nothing if it is none."""
    inside = f"{folder}/" if folder else ""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(files):
        if not path.startswith(inside):
            continue
        for above in _folders(path[len(inside) :]):
            place = inside + above
            if place not in found and (recursive or "/" not in above):
                found[place] = _folder(files, place)
        if recursive or "/" not in path[len(inside) :]:
            found[path] = _file(path, files[path])
    return [_dated(one, row) if expand else one for one in found.values()]


def entry(files: Files, row: VersionRow, path: str, *, expand: bool) -> dict[str, Any] | None:
    """The file or folder at a path, if there is one."""
    if path in files:
        found = _file(path, files[path])
    elif any(one.startswith(f"{path}/") for one in files):
        found = _folder(files, path)
    else:
        return None
    return _dated(found, row) if expand else found


def _file(path: str, one: FileEntry) -> dict[str, Any]:
    pointer = _pointer(one)
    return {
        "type": "file",
        "oid": _git_id("blob", pointer),
        "size": one.size,
        "path": path,
        "lfs": {"oid": one.sha256, "size": one.size, "pointerSize": len(pointer)},
    }


def _folder(files: Files, place: str) -> dict[str, Any]:
    inside = "".join(f"{p}\n{files[p].sha256}\n" for p in sorted(files) if p.startswith(place))
    return {"type": "directory", "oid": _git_id("tree", inside.encode()), "size": 0, "path": place}


def _sibling(path: str, one: FileEntry, sizes: bool) -> dict[str, Any]:
    if not sizes:
        return {"rfilename": path}
    pointer = _pointer(one)
    return {
        "rfilename": path,
        "size": one.size,
        "blobId": _git_id("blob", pointer),
        "lfs": {"sha256": one.sha256, "size": one.size, "pointerSize": len(pointer)},
    }


def _dated(found: dict[str, Any], row: VersionRow) -> dict[str, Any]:
    """With the commit that it came with: every version is one of its own."""
    title = (row.message.splitlines() or [""])[0]
    commit = {"id": commit_of(row), "title": title, "date": _time(moment(row.created_at))}
    return {**found, "lastCommit": commit}


def _folders(path: str) -> Iterator[str]:
    """The folders that a path leads through, the outermost first."""
    for position, sign in enumerate(path):
        if sign == "/":
            yield path[:position]


def _pointer(one: FileEntry) -> bytes:
    """What Git would hold of the file, as Git LFS has it."""
    spec = "https://git-lfs.github.com/spec/v1"
    return f"version {spec}\noid sha256:{one.sha256}\nsize {one.size}\n".encode()


def _git_id(kind: str, data: bytes) -> str:
    head = f"{kind} {len(data)}\0".encode()
    return hashlib.sha1(head + data, usedforsecurity=False).hexdigest()


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"
