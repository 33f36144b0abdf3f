"""Taking things out of sight and out of the store: archive, restore, tombstone."""

from __future__ import annotations

from pointsman.app.application import Work
from pointsman.app.describing import artifacts_of, versions_of
from pointsman.app.evaluating.dropping import erase
from pointsman.app.including import check_not_included
from pointsman.app.policies import policies_of
from pointsman.app.ports import ArtifactRow, TombstoneRow
from pointsman.app.readable import check_readable
from pointsman.core.making import label_of
from pointsman.core.names import check_reason
from pointsman.core.policy import governing
from pointsman.core.vocabulary import Artifact, Version
from pointsman.errors import Conflict, InvalidInput, NotFound


def archive(work: Work, kind: str, name: str) -> Artifact:
    """Leave an artifact out of lists and refuse moves and new versions.

    Reads by selector go on as before: applications must not fail because somebody tidied up.
    """
    return _set_archived(work, kind, name, archived=True)


def restore(work: Work, kind: str, name: str) -> Artifact:
    """Undo `archive`."""
    return _set_archived(work, kind, name, archived=False)


def tombstone(work: Work, kind: str, name: str, number: int, reason: str) -> Version:
    """Remove the content of a version; its number, digest and record remain.

    With it go the rows and outputs of all evaluations in which it took part, not their figures.
    For what must not be kept, such as a secret. Raises `Refused` (admins only), `Conflict`
    (an alias points to it, or a prompt in use includes it), `NotFound`, `InvalidInput`
    (no reason given).
    """
    work.require("admin", kind, name)
    reason = check_reason(reason)
    if not reason.strip():
        raise InvalidInput(
            "Removing content needs a reason.",
            code="reason_required",
            hint="Say why; it stays on record.",
            field="reason",
        )
    artifact = work.artifact(kind, name)
    kind, name = artifact.kind, artifact.name
    row = work.tx.version(artifact.id, number)
    if row is None:
        raise NotFound(
            f"{name} has no version {number}.", code="version_not_found", field="version"
        )
    if work.tx.tombstone(artifact.id, number) is not None:
        raise Conflict(
            f"The content of {name}:{number} is removed already.", code="already_removed"
        )
    pointing = [
        alias.name
        for alias in work.tx.aliases(artifact.id)
        if alias.target is not None and number in alias.target.versions
    ]
    if pointing:
        raise Conflict(
            f"{name}:{number} is what {', '.join(pointing)} points to.",
            code="in_use",
            hint="Move the aliases elsewhere first.",
            details={"aliases": pointing},
        )
    check_not_included(work, artifact, number)
    fact = {"kind": kind, "name": name, "version": number, "digest": row.digest, "reason": reason}
    line = work.record("version.tombstoned", fact, artifact=artifact.id)
    work.tx.add_tombstone(TombstoneRow(artifact.id, number, line.at, work.actor.name, reason))
    erase(work, label_of(kind, name, number), line.at)
    check_readable(work, {artifact.id: ()})
    return versions_of(work, artifact, [row])[0]


def _check_ungoverned(work: Work, artifact: ArtifactRow) -> None:
    """Refuse to archive what a policy watches over: its aliases could not be moved any more."""
    policies = policies_of(work)
    governed = [
        row.name
        for row in work.tx.aliases(artifact.id)
        if row.target is not None
        and governing(policies, artifact.kind, artifact.name, row.name)[0] is not None
    ]
    if governed:
        raise Conflict(
            f"{artifact.name} can't be archived while {', '.join(governed)} points to it: a policy "
            "governs that alias.",
            code="governed_alias",
            hint="Delete the alias first; that goes by its policy.",
            details={"aliases": governed},
        )


def _set_archived(work: Work, kind: str, name: str, *, archived: bool) -> Artifact:
    work.require("move", kind, name)
    artifact = work.artifact(kind, name)
    if archived and artifact.archived_at is None:
        _check_ungoverned(work, artifact)
    if (artifact.archived_at is not None) != archived:
        fact = {"kind": artifact.kind, "name": artifact.name}
        action = "artifact.archived" if archived else "artifact.restored"
        line = work.record(action, fact, artifact=artifact.id)
        work.tx.archive_artifact(artifact.id, line.at, line.at if archived else None)
        artifact = work.artifact(kind, name)
    return artifacts_of(work, [artifact])[0]
