"""Our artifacts and versions as MLflow's registered models and model versions, as JSON.

A prompt is a registered model with a tag that says so. Descriptions that change later, and
that a version is archived (as a stage), are tags of ours that clients don't see as tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pointsman.app.ports import AliasRow, ArtifactRow, VersionRow
from pointsman.core.mlflow_events import DESCRIPTION as DESCRIPTION
from pointsman.core.mlflow_events import HIDDEN as HIDDEN
from pointsman.core.mlflow_events import STAGE as STAGE
from pointsman.core.vocabulary import Target
from pointsman.wire.mlflow.filters import IS_PROMPT
from pointsman.wire.mlflow.prompts import tags_of

STAGES: Final[Mapping[str, str]] = {"Production": "production", "Staging": "staging"}
"""The stages that an alias stands for. A version without one is in none, or archived."""
NO_STAGE: Final = "None"
ARCHIVED: Final = "Archived"
ALL_STAGES: Final = (NO_STAGE, "Staging", "Production", ARCHIVED)


def registered_model(
    artifact: ArtifactRow,
    tags: Mapping[str, str],
    aliases: Sequence[AliasRow],
    latest: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """An artifact as a registered model."""
    told: dict[str, Any] = {
        "name": artifact.name,
        "creation_timestamp": artifact.created_at // 1000,
        "last_updated_timestamp": artifact.updated_at // 1000,
    }
    if description := tags.get(DESCRIPTION):
        told["description"] = description
    if latest:
        told["latest_versions"] = list(latest)
    if seen := model_tags(artifact.kind, tags):
        told["tags"] = _pairs(seen)
    pointing = [
        {"alias": row.name, "version": str(first_of(row.target))} for row in aliases if row.target
    ]
    if pointing:
        told["aliases"] = pointing
    return told


def model_version(
    artifact: ArtifactRow,
    row: VersionRow,
    content: Mapping[str, Any],
    tags: Mapping[str, str],
    aliases: Sequence[AliasRow] = (),
) -> dict[str, Any]:
    """A version as a model version; `content` is a prompt's with all that it includes."""
    prompt = artifact.kind == "prompt"
    seen = version_tags(artifact.kind, content, tags)
    told: dict[str, Any] = {
        "name": artifact.name,
        "version": str(row.number),
        "creation_timestamp": row.created_at // 1000,
        "last_updated_timestamp": row.created_at // 1000,
        "user_id": row.author,
        "current_stage": NO_STAGE if prompt else stage_of(row.number, aliases, tags),
        "description": tags.get(DESCRIPTION, row.message),
        "source": "dummy-source" if prompt else source_of(content),
        "run_id": "" if prompt else run_of(content),
        "run_link": "" if prompt else _text(content, "run_link"),
        "status": "READY",
    }
    if seen:
        told["tags"] = _pairs(seen)
    if names := [one.name for one in aliases if one.target and first_of(one.target) == row.number]:
        told["aliases"] = names
    return told


def model_tags(kind: str, tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of an artifact as clients see them, with the one that makes it a prompt."""
    seen = {key: value for key, value in tags.items() if key not in HIDDEN}
    return {IS_PROMPT: "true", **seen} if kind == "prompt" else seen


def version_tags(kind: str, content: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a version as clients see them, with those that hold a prompt's content."""
    seen = {key: value for key, value in tags.items() if key not in HIDDEN}
    return {**seen, **tags_of(content)} if kind == "prompt" else seen


def stage_of(number: int, aliases: Sequence[AliasRow], tags: Mapping[str, str]) -> str:
    """The stage of a model's version: that of the alias which points to it."""
    pointing = {one.name for one in aliases if one.target and first_of(one.target) == number}
    for stage, alias in STAGES.items():
        if alias in pointing:
            return stage
    return ARCHIVED if tags.get(STAGE) == ARCHIVED else NO_STAGE


def first_of(target: Target) -> int:
    """The one version that MLflow is told of: of a split, the one for those without a key."""
    return target.versions[0]


def source_of(content: Mapping[str, Any]) -> str:
    """Where a model comes from: it is there still, or its files are kept here by now."""
    return _text(content, "uri") or _text(content, "source")


def run_of(content: Mapping[str, Any]) -> str:
    """The run that a model is of: as MLflow's clients write it, or as ours do."""
    return _text(content, "run_id") or _text(content, "run")


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key, "")
    return value if isinstance(value, str) else ""
