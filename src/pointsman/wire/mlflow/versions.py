"""Model versions, and versions of prompts as MLflow has them: `model-versions/…`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pointsman.app import archiving, proposing, publishing, releases, tagging
from pointsman.app.application import View, Work
from pointsman.app.ports import AliasRow, ArtifactRow, VersionRow
from pointsman.app.publishing import Publish
from pointsman.app.releases import Wish
from pointsman.app.tracking.sourcing import find_origin
from pointsman.core.canonical import JSON
from pointsman.core.models import restore_files
from pointsman.core.names import MAX_TEXT
from pointsman.core.releases import single
from pointsman.core.tracking import OURS, version_root
from pointsman.errors import Conflict, InvalidInput
from pointsman.wire.mlflow import lookups, prompts, shapes
from pointsman.wire.mlflow.fields import Call, missing
from pointsman.wire.mlflow.filters import IS_PROMPT
from pointsman.wire.mlflow.models import CLIENT, MOVED, describe, immutable, stage
from pointsman.wire.mlflow.sources import PLACEHOLDERS, check_source, copied, download_uri
from pointsman.wire.running import Read, Write

DELETED = "deleted by MLflow's client"
"""Why a content was removed where the client does not say it."""


def create(call: Call) -> Write:
    """Publish a version of a prompt or a model that was made before."""
    name, source, tags = call.text("name"), call.text("source"), call.tags()
    said = {key: call.optional(key) or "" for key in ("run_id", "run_link", "model_id")}
    message = call.optional("description") or ""
    is_prompt = tags.get(IS_PROMPT, "").lower() == "true"
    if is_prompt and source not in PLACEHOLDERS:
        raise InvalidInput(
            "A prompt has no source of files.",
            code="invalid_source",
            hint=f"Send one of {', '.join(sorted(PLACEHOLDERS))}.",
            field="source",
        )

    # Here, as others' writes wait while a transaction is under way.
    written = prompts.content_of(tags) if is_prompt else None

    def publish(work: Work) -> dict[str, Any]:
        artifact = lookups.find(work, name)
        content: JSON
        if artifact.kind == "prompt":
            content = prompts.content_of(tags) if written is None else written
            own = {key: value for key, value in tags.items() if key not in prompts.RESERVED}
        elif is_prompt:
            raise InvalidInput(
                f"Name `{name}` is registered as a model, not a prompt.",
                code="not_a_prompt",
                hint="Register the prompt under another name.",
                field="name",
            )
        else:
            content, own = _model_content(work, source, said), tags
        if len(message) > MAX_TEXT:  # what no message of ours can hold is a description alone
            own = {**own, shapes.DESCRIPTION: message}
        wanted = Publish(
            artifact.name, content, artifact.kind, message=message[:MAX_TEXT], tags=own
        )
        done = publishing.publish(work, wanted)
        return _version(work, artifact.name, done.version.number)

    return Write(publish)


def get(call: Call) -> Read:
    """Tell of a version."""
    name, number = call.text("name"), call.version()
    return Read(lambda view: _version(view, name, number))


def update(call: Call) -> Write:
    """Set the description; none clears it."""
    name, number, text = call.text("name"), call.version(), call.optional("description")

    def change(work: Work) -> dict[str, Any]:
        artifact, row = lookups.find_version(work, name, number)
        describe(work, artifact.kind, artifact.name, row.number, text)
        return _version(work, name, number)

    return Write(change)


def delete(call: Call) -> Write:
    """Remove the content of a version, and the aliases that point to it alone."""
    name, number = call.text("name"), call.version()

    def remove(work: Work) -> dict[str, Any]:
        artifact, row = lookups.find_version(work, name, number)
        work.require("admin", artifact.kind, artifact.name)
        wishes = [
            Wish(artifact.kind, artifact.name, one.name, None)
            for one in _pointing(work.tx.aliases(artifact.id), row.number)
        ]
        if wishes:
            releases.release(work, wishes, call.reason or MOVED)
        archiving.tombstone(work, artifact.kind, artifact.name, row.number, call.reason or DELETED)
        return {}

    return Write(remove)


def transition(call: Call) -> Write:
    """Put a version of a model into a stage: the alias of that name moves to it."""
    name, number, wanted = call.text("name"), call.version(), stage(call.text("stage"))
    if "archive_existing_versions" not in call.values:
        raise missing("archive_existing_versions")
    archive = call.flag("archive_existing_versions")
    if archive and wanted not in shapes.STAGES:
        raise InvalidInput(
            f"Nothing is archived by a transition to {wanted}.",
            code="invalid_parameter",
            hint="Set archive_existing_versions only for Staging or Production.",
            field="archive_existing_versions",
        )

    def move(work: Work) -> dict[str, Any] | proposing.Withheld:
        artifact, row = lookups.find_version(work, name, number)
        if artifact.kind == "prompt":
            raise InvalidInput(
                "Prompts have no stages.",
                code="no_stages",
                hint="Set an alias with set_prompt_alias.",
                field="stage",
            )
        aliases = work.tx.aliases(artifact.id)
        wishes = [*_leaving(artifact, row, aliases, wanted)]
        if alias := shapes.STAGES.get(wanted):
            wishes.append(Wish(artifact.kind, artifact.name, alias, single(row.number)))
        done = proposing.release_or_propose(work, wishes, call.reason, CLIENT) if wishes else None
        if isinstance(done, proposing.Withheld):
            return done
        _mark(work, artifact, row.number, archived=wanted == shapes.ARCHIVED)
        before = {one.name: one.target for one in aliases}.get(alias or "")
        for former in before.versions if archive and before else ():
            if former != row.number:
                _mark(work, artifact, former, archived=True)
        return _version(work, name, number)

    return Write(move)


def download(call: Call) -> Read:
    """Tell where the files of a version are."""
    name, number = call.text("name"), call.version()

    def read(view: View) -> dict[str, Any]:
        artifact, row = lookups.find_version(view, name, number)
        if artifact.kind == "prompt":
            return {"artifact_uri": "dummy-source"}
        content = lookups.raw_content(view, artifact, row.number)
        if restore_files(content):
            return {"artifact_uri": _read_at(call, version_root(artifact.id, row.number))}
        return {"artifact_uri": download_uri(content)}

    return Read(read)


def set_tag(call: Call) -> Write:
    """Set a tag; those that hold the content of a prompt may only be set to what they are."""
    name, number = call.text("name"), call.version()
    key, value = call.text("key"), call.present("value")

    def change(work: Work) -> dict[str, Any]:
        artifact, row = lookups.find_version(work, name, number)
        if artifact.kind == "prompt" and key in prompts.RESERVED:
            content = lookups.raw_content(work, artifact, row.number)
            if not prompts.same(prompts.tags_of(content).get(key), value):
                raise immutable(key, f"it is a part of {name} version {number}")
            return {}
        tagging.set_tag(work, artifact.kind, artifact.name, row.number, key, value)
        return {}

    return Write(change)


def delete_tag(call: Call) -> Write:
    """Delete a tag, if it is there and holds nothing of a prompt's content."""
    name, number, key = call.text("name"), call.version(), call.text("key")

    def change(work: Work) -> dict[str, Any]:
        artifact, row = lookups.find_version(work, name, number)
        if artifact.kind == "prompt" and key in prompts.RESERVED:
            if key in prompts.tags_of(lookups.raw_content(work, artifact, row.number)):
                raise immutable(key, f"it is a part of {name} version {number}")
            return {}
        tagging.delete_tag(work, artifact.kind, artifact.name, row.number, key)
        return {}

    return Write(change)


def _version(view: View, name: str, number: int) -> dict[str, Any]:
    artifact, row = lookups.find_version(view, name, number)
    return {"model_version": lookups.told_version(view, artifact, row)}


def _model_content(work: Work, source: str, said: dict[str, str]) -> dict[str, JSON]:
    """The content of a model version; of a copy, with where the files of the original are."""
    content: dict[str, JSON] = {"uri": source}
    if found := copied(source):
        name, version = found
        artifact, row = lookups.find_version(work, name, int(version[:10]))
        if artifact.kind == "prompt":
            raise InvalidInput(
                f"{name} is a prompt, which can't be copied as a model.",
                code="invalid_source",
                hint="Register the prompt under the other name.",
                field="source",
            )
        original = lookups.raw_content(work, artifact, row.number)
        known = {"run_id": shapes.run_of(original), "model_id": str(original.get("model_id", ""))}
        for key, value in known.items():
            if said[key] not in ("", value):
                raise InvalidInput(
                    f"{key} is not that of {name} version {version}, which is copied.",
                    code="invalid_source",
                    hint="Leave it out, or send that of the original.",
                    field=key,
                )
        if "files" in original:  # the very same files: where they came from is gone some day
            return {**original, "source": source}
        said |= known
        content["download_uri"] = download_uri(original)
    else:
        check_source(source, run_id=said["run_id"], model_id=said["model_id"])
        origin = find_origin(work, source, said["run_id"], said["model_id"])
        if origin is not None and origin.files:
            link = said["run_link"]
            return {**origin.content(source), **({"run_link": link} if link else {})}
        if origin is not None:  # its files are elsewhere, but it is known here where
            said |= {"run_id": origin.run_id}
            content["download_uri"] = origin.location
    return {**content, **{key: value for key, value in said.items() if value}}


def _read_at(call: Call, path: str) -> str:
    """Where a client reads files that are kept here.

    With the address that it came by, so that it needn't have us as its tracking server.
    """
    return (
        f"{call.origin}/api/2.0/mlflow-artifacts/artifacts/{path}" if call.origin else OURS + path
    )


def _pointing(aliases: Sequence[AliasRow], number: int) -> list[AliasRow]:
    """The aliases that point to a version alone. Raises `Conflict` if one shares it out."""
    found = [one for one in aliases if one.target and number in one.target.versions]
    for one in found:
        if one.target and one.target.version is None:
            raise Conflict(
                f"The alias {one.name} shares its readers out over version {number} and others.",
                code="in_use",
                hint="Point it at one version first.",
            )
    return found


def _leaving(
    artifact: ArtifactRow, row: VersionRow, aliases: Sequence[AliasRow], wanted: str
) -> list[Wish]:
    """What is to be wished so that a version leaves the stages that it is in but is not to be."""
    left = {alias for other, alias in shapes.STAGES.items() if other != wanted}
    return [
        Wish(artifact.kind, artifact.name, one.name, None)
        for one in _pointing([one for one in aliases if one.name in left], row.number)
    ]


def _mark(work: Work, artifact: ArtifactRow, number: int, *, archived: bool) -> None:
    """Note that a version is archived, or is not any more."""
    if archived:
        tagging.set_tag(work, artifact.kind, artifact.name, number, shapes.STAGE, shapes.ARCHIVED)
    else:
        tagging.delete_tag(work, artifact.kind, artifact.name, number, shapes.STAGE)
