"""Finding what a request is about, in the eyes of MLflow: one space of names for prompts and
models, in which what is archived or removed is not there."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from pointsman.app import reading
from pointsman.app.application import View
from pointsman.app.ports import AliasRow, ArtifactRow, VersionRow
from pointsman.core.access import Verdict, may
from pointsman.core.content import may_include
from pointsman.core.names import check_kind, check_name
from pointsman.core.selectors import Selector
from pointsman.errors import NotFound, PointsmanError
from pointsman.wire.mlflow import shapes

KINDS = ("prompt", "model")


def find(view: View, name: str) -> ArtifactRow:
    """The prompt of this name, or else the model. Raises `NotFound`, `Refused`, `InvalidName`."""
    row = find_any(view, name)
    if row is None:
        raise NotFound(
            f"Registered Model with name={name} not found", code="artifact_not_found", field="name"
        )
    return row


def find_any(view: View, name: str) -> ArtifactRow | None:
    """The prompt of this name, or else the model, or None. Raises `Refused`, `InvalidName`."""
    view.require("read")
    name = check_name(name)
    verdicts = [may(view.actor, "read", kind, name) for kind in KINDS]
    if not any(one.allowed for one in verdicts):
        Verdict(verdicts[0].reasons).enforce()
    for kind, verdict in zip(KINDS, verdicts, strict=True):
        row = view.reader.artifact(view.project.id, kind, name) if verdict.allowed else None
        if row is not None and row.archived_at is None:
            return row
    return None


def find_version(view: View, name: str, number: int) -> tuple[ArtifactRow, VersionRow]:
    """A version that is there with its content. Raises `NotFound`, `Refused`, `InvalidName`."""
    artifact = find_any(view, name)
    row = None if artifact is None else version_of(view, artifact, number)
    if artifact is None or row is None:
        raise NotFound(
            f"Model Version (name={name}, version={number}) not found",
            code="version_not_found",
            field="version",
        )
    return artifact, row


def version_of(view: View, artifact: ArtifactRow, number: int) -> VersionRow | None:
    """The version of this number, unless its content was removed."""
    if view.reader.tombstone(artifact.id, number) is not None:
        return None
    return view.reader.version(artifact.id, number)


def told_model(view: View, artifact: ArtifactRow) -> dict[str, Any]:
    """An artifact as a registered model, with the latest version in each stage."""
    aliases = view.reader.aliases(artifact.id)
    latest = [
        told_version(view, artifact, row, aliases) for row in latest_versions(view, artifact, ())
    ]
    for one in latest:
        one.pop("aliases", None)
    return shapes.registered_model(artifact, view.reader.tags(artifact.id, 0), aliases, latest)


def told_version(
    view: View,
    artifact: ArtifactRow,
    row: VersionRow,
    aliases: Sequence[AliasRow] | None = None,
) -> dict[str, Any]:
    """A version as a model version; a prompt with all that it includes."""
    if aliases is None:
        aliases = view.reader.aliases(artifact.id)
    content = content_of(view, artifact, row)
    tags = view.reader.tags(artifact.id, row.number)
    return shapes.model_version(artifact, row, content, tags, aliases)


def content_of(
    view: View, artifact: ArtifactRow, row: VersionRow, *, composed: bool = True
) -> dict[str, Any]:
    """The content of a version; a prompt's with all that it includes.

    What can't be put together is an error, or, if it needn't be `composed`, stays as written.
    """
    body = view.reader.content(artifact.id, row.number)
    if body is None:
        return {"template": ""} if artifact.kind == "prompt" else {}
    if artifact.kind == "prompt" and may_include(body):
        selector = Selector(check_kind(artifact.kind), artifact.name, version=row.number)
        try:
            return dict(reading.resolve(view, selector).resolution.content)
        except PointsmanError:
            if composed:
                raise
    content: dict[str, Any] = json.loads(body)
    return content


def raw_content(view: View, artifact: ArtifactRow, number: int) -> dict[str, Any]:
    """The content of a version as it was published; empty where it was removed."""
    body = view.reader.content(artifact.id, number)
    return {} if body is None else json.loads(body)


def newest_of(view: View, artifact: ArtifactRow) -> VersionRow | None:
    """The newest version that has its content."""
    return next(
        iter(view.reader.kept_versions(view.project.id, artifact, "", "", 1, tagged=False)), None
    )


def latest_versions(view: View, artifact: ArtifactRow, stages: Collection[str]) -> list[VersionRow]:
    """The newest version in each of these stages, or in any; a prompt has no stages.

    What is read does not grow with the versions that there are.
    """
    wanted = set(stages or shapes.ALL_STAGES)
    if artifact.kind == "prompt":
        newest = newest_of(view, artifact) if shapes.NO_STAGE in wanted else None
        return [] if newest is None else [newest]
    staged: dict[int, str] = {}
    pointing = {row.name: row.target for row in view.reader.aliases(artifact.id)}
    for stage, alias in shapes.STAGES.items():
        if target := pointing.get(alias):
            staged.setdefault(shapes.first_of(target), stage)
    numbers = [number for number, stage in staged.items() if stage in wanted]
    found = [row for number in numbers if (row := version_of(view, artifact, number))]
    for stage, tagged in ((shapes.NO_STAGE, False), (shapes.ARCHIVED, True)):
        if stage in wanted:
            rows = view.reader.kept_versions(
                view.project.id,
                artifact,
                shapes.STAGE,
                shapes.ARCHIVED,
                len(staged) + 1,
                tagged=tagged,
            )
            found += [row for row in rows if row.number not in staged][:1]
    return sorted(found, key=lambda row: row.number, reverse=True)
