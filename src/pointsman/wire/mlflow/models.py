"""Registered models, and prompts as MLflow has them: `registered-models/…`."""

from __future__ import annotations

from typing import Any

from pointsman.app import archiving, proposing, publishing, tagging
from pointsman.app.application import View, Work
from pointsman.app.releases import Wish
from pointsman.core.canonical import quoted
from pointsman.core.names import NEWEST, check_alias, check_name
from pointsman.core.releases import single
from pointsman.errors import Conflict, InvalidInput, NotFound
from pointsman.wire.mlflow import lookups, shapes
from pointsman.wire.mlflow.fields import Call
from pointsman.wire.mlflow.filters import IS_PROMPT
from pointsman.wire.running import Read, Write

CLIENT = "MLflow's client"
MOVED = f"moved by {CLIENT}"
"""Why an alias moved where the client does not say it."""


def create(call: Call) -> Write:
    """Make a prompt or a model without versions; one that was deleted comes back."""
    name, tags, description = call.text("name"), call.tags(), call.optional("description")
    kind = "prompt" if tags.pop(IS_PROMPT, "").lower() == "true" else "model"
    if description:
        tags[shapes.DESCRIPTION] = description

    def make(work: Work) -> dict[str, Any]:
        there = lookups.find_any(work, name)
        if there is not None:
            raise _taken(there.kind, kind, name)
        if work.tx.artifact(work.project.id, kind, check_name(name)) is None:
            publishing.create(work, kind, name, tags)
        else:
            archiving.restore(work, kind, name)
            for key, value in tags.items():
                tagging.set_tag(work, kind, name, None, key, value)
        return _model(work, name)

    return Write(make)


def get(call: Call) -> Read:
    """Tell of a prompt or a model."""
    name = call.text("name")
    return Read(lambda view: _model(view, name))


def update(call: Call) -> Write:
    """Set the description; none clears it."""
    name, description = call.text("name"), call.optional("description")

    def change(work: Work) -> dict[str, Any]:
        describe(work, lookups.find(work, name).kind, name, None, description)
        return _model(work, name)

    return Write(change)


def rename(call: Call) -> Write:
    """Refuse: the record speaks of things by their names."""
    name, new_name = call.text("name"), call.text("new_name")

    def refuse(work: Work) -> dict[str, Any]:
        lookups.find(work, name)
        raise InvalidInput(
            f"{quoted(name)} can't be renamed to {quoted(new_name)}: names stay for good, so that "
            "the record and the applications that read by them stay right.",
            code="rename_not_possible",
            hint="Register under the new name (copy_model_version copies a version), move "
            "readers over, then delete the old one.",
            field="new_name",
        )

    return Write(refuse)


def delete(call: Call) -> Write:
    """Archive: it can't be found any more, its versions stay on record and their numbers used."""
    name = call.text("name")

    def archive(work: Work) -> dict[str, Any]:
        artifact = lookups.find(work, name)
        archiving.archive(work, artifact.kind, artifact.name)
        return {}

    return Write(archive)


def latest_versions(call: Call) -> Read:
    """Tell of the newest version in each stage."""
    name, stages = call.text("name"), [stage(one) for one in call.texts("stages")]

    def read(view: View) -> dict[str, Any]:
        artifact = lookups.find(view, name)
        rows = lookups.latest_versions(view, artifact, stages)
        return {"model_versions": [lookups.told_version(view, artifact, row) for row in rows]}

    return Read(read)


def set_tag(call: Call) -> Write:
    """Set a tag; that it is a prompt, or none, can't be set."""
    name, key, value = call.text("name"), call.text("key"), call.present("value")

    def change(work: Work) -> dict[str, Any]:
        artifact = lookups.find(work, name)
        if key == IS_PROMPT:
            if (value.lower() == "true") != (artifact.kind == "prompt"):
                raise immutable(key, f"{name} is a {artifact.kind} for good")
            return {}
        tagging.set_tag(work, artifact.kind, artifact.name, None, key, value)
        return {}

    return Write(change)


def delete_tag(call: Call) -> Write:
    """Delete a tag, if it is there."""
    name, key = call.text("name"), call.text("key")

    def change(work: Work) -> dict[str, Any]:
        artifact = lookups.find(work, name)
        if key == IS_PROMPT and artifact.kind == "prompt":
            raise immutable(key, f"{name} is a prompt for good")
        tagging.delete_tag(work, artifact.kind, artifact.name, None, key)
        return {}

    return Write(change)


def set_alias(call: Call) -> Write:
    """Point an alias at a version, or propose it where a policy wants that instead."""
    name, alias, number = call.text("name"), call.text("alias"), call.version()

    def move(work: Work) -> dict[str, Any] | proposing.Withheld:
        checked = check_alias(alias)
        artifact, row = lookups.find_version(work, name, number)
        wish = Wish(artifact.kind, artifact.name, checked, single(row.number))
        done = proposing.release_or_propose(work, [wish], call.reason, CLIENT)
        return done if isinstance(done, proposing.Withheld) else {}

    return Write(move)


def delete_alias(call: Call) -> Write:
    """Delete an alias, if it is there, or propose it where a policy wants that instead."""
    name, alias = call.text("name"), call.text("alias")

    def move(work: Work) -> dict[str, Any] | proposing.Withheld:
        artifact = lookups.find(work, name)
        row = work.tx.alias(artifact.id, check_alias(alias))
        if row is None or row.target is None:
            return {}
        wish = Wish(artifact.kind, artifact.name, row.name, None)
        done = proposing.release_or_propose(work, [wish], call.reason, CLIENT)
        return done if isinstance(done, proposing.Withheld) else {}

    return Write(move)


def get_alias(call: Call) -> Read:
    """Tell of the version that an alias points to; ``latest`` is the newest."""
    name, alias = call.text("name"), call.text("alias")

    def read(view: View) -> dict[str, Any]:
        artifact = lookups.find(view, name)
        if alias.lower() in NEWEST:
            row = lookups.newest_of(view, artifact)
            if row is None:
                raise NotFound(
                    f"Latest version not found for model {name}.",
                    code="version_not_found",
                    field="alias",
                )
        else:
            pointing = view.reader.alias(artifact.id, alias)
            if pointing is None or pointing.target is None:
                # Not as a thing that is missing: MLflow's client tells the two apart.
                raise InvalidInput(
                    f"Registered model alias {alias} not found.",
                    code="unknown_alias",
                    field="alias",
                )
            number = shapes.first_of(pointing.target)
            artifact, row = lookups.find_version(view, name, number)
        return {"model_version": lookups.told_version(view, artifact, row)}

    return Read(read)


def describe(work: Work, kind: str, name: str, number: int | None, text: str | None) -> None:
    """Set the description of an artifact or a version, or clear it.

    Of a version, that it was cleared has to be said: it goes before the message.
    """
    if text or number is not None:
        tagging.set_tag(work, kind, name, number, shapes.DESCRIPTION, text or "")
    else:
        tagging.delete_tag(work, kind, name, number, shapes.DESCRIPTION)


def stage(text: str) -> str:
    """The stage that is meant, whatever the case. Raises `InvalidInput`."""
    for known in shapes.ALL_STAGES:
        if text.lower() == known.lower():
            return known
    raise InvalidInput(
        f"Invalid Model Version stage: {quoted(text)}.",
        code="invalid_stage",
        hint=f"Value must be one of {', '.join(shapes.ALL_STAGES)}.",
        field="stage",
    )


def immutable(key: str, why: str) -> InvalidInput:
    """The error for writing a tag that is what never changes."""
    return InvalidInput(
        f"The tag {key} can't be changed: {why}.",
        code="immutable",
        hint="Register a new version, and move the alias to it.",
        field="key",
    )


def _model(view: View, name: str) -> dict[str, Any]:
    return {"registered_model": lookups.told_model(view, lookups.find(view, name))}


def _taken(there: str, wanted: str, name: str) -> Conflict:
    called = {"prompt": "Prompt", "model": "Registered Model"}
    if there == wanted:
        told = f"{called[wanted]} (name={name}) already exists."
    else:
        told = (
            f"Tried to create a {wanted} with name {quoted(name)}, but the name is already taken "
            f"by a {there}. MLflow has one name for both."
        )
    return Conflict(told, code="artifact_exists", hint="Choose another name.", field="name")
