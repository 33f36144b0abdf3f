"""Everything that can be asked of a registry but `get`: written once, for both clients.

Each method of `Tasks` says what to send and reads the replies (see `calls.Steps`); `methods`
makes of it the method that carries it out, with the same parameters and documentation. Every
task raises `Unauthenticated`, `Refused` and `Unavailable` where that is the registry's answer
or there is none; what else it raises is said with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from pointsman.core.diff import ContentDiff
from pointsman.core.names import check_list
from pointsman.core.plain import from_plain, to_plain
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import (
    Alias,
    Artifact,
    Dependency,
    Diagnosis,
    Difference,
    Entry,
    Key,
    NewKey,
    Page,
    Published,
    Release,
    Released,
    Resolution,
    Role,
    Target,
    Version,
)
from pointsman.errors import NotFound
from pointsman.sdk.answers import read_resolution, resolve_path
from pointsman.sdk.asking import get, listed, nothing, send
from pointsman.sdk.calls import Steps, Subjects
from pointsman.sdk.diffs import read_diff
from pointsman.sdk.evaluations import EvaluationTasks
from pointsman.sdk.governance import GovernanceTasks
from pointsman.sdk.graph import GraphTasks
from pointsman.sdk.people import PeopleTasks
from pointsman.sdk.providers import ProviderTasks
from pointsman.sdk.record import RecordTasks
from pointsman.sdk.spelling import (
    alias_path,
    alias_place,
    artifact_path,
    move_fields,
    parameters,
    target_fields,
    time_text,
    version_fields,
    version_place,
)
from pointsman.sdk.webhooks import WebhookTasks

T = TypeVar("T")


class Tasks(
    EvaluationTasks,
    GovernanceTasks,
    GraphTasks,
    PeopleTasks,
    ProviderTasks,
    RecordTasks,
    WebhookTasks,
):
    """What can be asked. `self` is not used: the methods are made for `sync` to take."""

    # Reading

    def resolve(
        self, selector: str, *, at: datetime | None = None, key: str | None = None
    ) -> Steps[Resolution]:
        """What a selector means now, or meant at a moment, and why. Always asks the registry.

        Where the alias is a split, `key` decides which version. Raises `NotFound`, or `Gone`
        if the content was removed.
        """
        query = parameters(at=at, key=key)
        reply = yield from get(resolve_path(parse_selector(selector)), query)
        return read_resolution(reply.body)

    def artifact(self, name: str, *, kind: str = "prompt") -> Steps[Artifact]:
        """An artifact with its tags and aliases. Raises `NotFound`."""
        reply = yield from get(artifact_path(kind, name))
        return from_plain(Artifact, reply.body)

    def search(
        self,
        *,
        kind: str | None = None,
        folder: str = "",
        name: str = "",
        text: str = "",
        tags: str = "",
        with_aliases: Sequence[str] = (),
        without_aliases: Sequence[str] = (),
        author: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        archived: bool | None = False,
        order: str = "name",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Steps[Page[Artifact]]:
        """The artifacts that match all conditions given.

        `name` and `text` are parts of the name and of the newest version's texts; `tags` is
        an expression such as ``team = support and not status = "on hold"``; `archived` None
        finds both. Raises `InvalidInput`.
        """
        query = parameters(
            kind=kind,
            folder=folder or None,
            name=name or None,
            text=text or None,
            tags=tags or None,
            alias=with_aliases,
            without_alias=without_aliases,
            author=author or None,
            since=since,
            until=until,
            archived="any" if archived is None else archived,
            order=order,
            limit=limit,
            cursor=cursor,
        )
        reply = yield from get("/artifacts", query)
        return from_plain(Page[Artifact], reply.body)

    def version(self, selector: str) -> Steps[Version]:
        """The version that a selector means, with its content as it was published.

        The content is None where it was removed. Raises `NotFound`.
        """
        wanted = parse_selector(selector)
        target = yield from _target(wanted)
        salt = f"{wanted.kind}:{wanted.name}@{wanted.alias}"
        number = target.pick("", salt)
        reply = yield from get(artifact_path(wanted.kind, wanted.name, "versions", number))
        return from_plain(Version, reply.body)

    def versions(
        self, name: str, *, kind: str = "prompt", limit: int = 50, cursor: str | None = None
    ) -> Steps[Page[Version]]:
        """The versions of an artifact, newest first, without their content."""
        path = artifact_path(kind, name, "versions")
        reply = yield from get(path, parameters(limit=limit, cursor=cursor))
        return from_plain(Page[Version], reply.body)

    def alias(self, selector: str) -> Steps[Alias]:
        """An alias (``name@alias``) as it stands, with the move that put it there."""
        reply = yield from get(alias_path(selector))
        return from_plain(Alias, reply.body)

    def diff(self, before: str, after: str) -> Steps[ContentDiff]:
        """How the content of one version differs from another's."""
        reply = yield from get("/diff", parameters(before=before, after=after))
        return read_diff(reply.body)

    # Looking back

    def releases(
        self, selector: str, *, limit: int = 50, cursor: str | None = None
    ) -> Steps[Page[Release]]:
        """The releases that moved an alias (``name@alias``), newest first."""
        path = alias_path(selector) + "/releases"
        reply = yield from get(path, parameters(limit=limit, cursor=cursor))
        return from_plain(Page[Release], reply.body)

    def find_release(self, number: int) -> Steps[Release]:
        """The release with this number. Raises `NotFound`."""
        reply = yield from get(f"/releases/{number:d}")
        return from_plain(Release, reply.body)

    def history(
        self,
        selector: str = "",
        *,
        types: Sequence[str] = (),
        actor: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Steps[Page[Entry]]:
        """Journal entries, newest first: of the project, an artifact or an alias."""
        about = parse_selector(selector) if selector else None
        query = parameters(
            kind=about.kind if about else None,
            name=about.name if about else None,
            alias=about.alias if about else None,
            type=types,
            actor=actor,
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
        )
        reply = yield from get("/journal", query)
        return from_plain(Page[Entry], reply.body)

    def entries(self, after: int = 0, *, limit: int = 1_000) -> Steps[Page[Entry]]:
        """Journal entries above a sequence number, oldest first: for export."""
        reply = yield from get("/journal", parameters(after=after, limit=limit))
        return from_plain(Page[Entry], reply.body)

    def differences(self, before: datetime, after: datetime) -> Steps[tuple[Difference, ...]]:
        """What points elsewhere at one moment than at an earlier one."""
        reply = yield from get("/differences", parameters(before=before, after=after))
        return listed(Difference, reply, "differences")

    def doctor(self) -> Steps[Diagnosis]:
        """Have every invariant checked over the whole project."""
        reply = yield from get("/doctor")
        return from_plain(Diagnosis, reply.body)

    # Publishing

    def publish(
        self,
        name: str,
        content: Any,
        *,
        kind: str = "prompt",
        message: str = "",
        tags: Mapping[str, str] | None = None,
        aliases: Sequence[str] = (),
        dependencies: Sequence[Dependency] = (),
        reason: str = "",
        if_changed: bool = False,
        if_newest: int | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[Published]:
        """Add a version to an artifact, which is made if there is none of that name.

        `content` of a prompt is a text, a list of messages, or an object with a `template`.
        `aliases` are moved to the new version, for `reason`. With `if_changed`, the newest
        version is given back if it has the same content; with `if_newest`, there is a
        `Conflict` unless that is the newest version's number. Raises `InvalidContent`,
        `InvalidName`, `NotFound` (a dependency) or `Conflict`.
        """
        body = {
            "name": name,
            "content": content,
            "kind": kind,
            "message": message,
            "tags": dict(tags or {}),
            "aliases": list(check_list(aliases, field="aliases")),
            "dependencies": to_plain(tuple(dependencies)),
            "reason": reason,
            "if_changed": if_changed,
            "if_newest": if_newest,
        }
        changes = _about(kind, name)
        reply = yield from send("POST", "/versions", body, changes, key=idempotency_key)
        return from_plain(Published, reply.body)

    def publish_many(
        self, items: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> Steps[tuple[Published, ...]]:
        """Publish several versions, all or none. Each item has the parameters of `publish`."""
        body = {"versions": [version_fields(one) for one in items]}
        named = [(one.get("kind", "prompt"), one.get("name", "")) for one in items]
        reply = yield from send(
            "POST", "/versions/bulk", body, lambda _: named, key=idempotency_key
        )
        return listed(Published, reply, "published")

    def set_tag(self, selector: str, key: str, value: str) -> Steps[None]:
        """Set a tag of an artifact (``name``) or a version (``name:7``)."""
        path, changes = _tag_path(selector, key)
        yield from send("PUT", path, {"value": value}, changes, repeatable=True)

    def delete_tag(self, selector: str, key: str) -> Steps[None]:
        """Delete a tag of an artifact (``name``) or a version (``name:7``)."""
        path, changes = _tag_path(selector, key)
        yield from send("DELETE", path, None, changes, repeatable=True)

    def archive(self, name: str, *, kind: str = "prompt") -> Steps[Artifact]:
        """Leave an artifact out of lists; it can still be read."""
        path, changes = artifact_path(kind, name, "archive"), _about(kind, name)
        reply = yield from send("POST", path, {}, changes, key=None)
        return from_plain(Artifact, reply.body)

    def restore(self, name: str, *, kind: str = "prompt") -> Steps[Artifact]:
        """Undo `archive`."""
        path, changes = artifact_path(kind, name, "restore"), _about(kind, name)
        reply = yield from send("POST", path, {}, changes, key=None)
        return from_plain(Artifact, reply.body)

    def tombstone(self, selector: str, *, reason: str) -> Steps[Version]:
        """Remove the content of a version (``name:7``) for good; the record stays."""
        place = version_place(selector, required=True)
        path = artifact_path(place.kind, place.name, "versions", place.version, "tombstone")
        changes = _about(place.kind, place.name)
        reply = yield from send("PUT", path, {"reason": reason}, changes, key=None)
        return from_plain(Version, reply.body)

    # Moving aliases

    def promote(
        self,
        selector: str,
        alias: str,
        *,
        reason: str = "",
        if_revision: int | None = None,
        break_glass: bool = False,
        idempotency_key: str | None = None,
    ) -> Steps[Release | None]:
        """Point an alias to what a selector means now: ``("support/reply:7", "production")``.

        None if it points there already. With `if_revision` (0: there is no such alias yet),
        raises `StaleRevision` if the alias has moved since. Raises `NotFound` or `Gone` for
        the version, and `Refused` with every reason against the move; `break_glass` passes over
        approvals, checks and freezes, where the policy lets one.
        """
        wanted = parse_selector(selector)
        target = yield from _target(wanted)
        move = {"name": wanted.name, "alias": alias, "kind": wanted.kind, **target_fields(target)}
        return (
            yield from _release(
                [move], reason, if_revision, idempotency_key, break_glass=break_glass
            )
        )

    def split(
        self,
        name: str,
        alias: str,
        weights: Mapping[int, int],
        *,
        kind: str = "prompt",
        reason: str = "",
        if_revision: int | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[Release | None]:
        """Share an alias's readers out over several versions: ``{7: 90, 8: 10}``."""
        split = {str(number): weight for number, weight in weights.items()}
        move = {"name": name, "alias": alias, "kind": kind, "split": split}
        return (yield from _release([move], reason, if_revision, idempotency_key))

    def release(
        self,
        moves: Sequence[Mapping[str, Any]],
        *,
        reason: str = "",
        break_glass: bool = False,
        idempotency_key: str | None = None,
    ) -> Steps[Release | None]:
        """Move several aliases at once, or none; None if all of them point there already.

        Each move has `name`, `alias`, one of `version`, `split` and ``delete=True``, and
        perhaps `kind` and `if_revision`.
        """
        spelled = [move_fields(one) for one in moves]
        return (
            yield from _release(spelled, reason, None, idempotency_key, break_glass=break_glass)
        )

    def delete_alias(
        self, selector: str, *, reason: str = "", if_revision: int | None = None
    ) -> Steps[Release | None]:
        """Delete an alias (``name@alias``); its history stays."""
        place = alias_place(selector)
        move = {"name": place.name, "alias": place.alias, "kind": place.kind, "delete": True}
        return (yield from _release([move], reason, if_revision, None))

    def rollback(
        self, selector: str, *, reason: str = "", if_revision: int | None = None
    ) -> Steps[Release]:
        """Put an alias (``name@alias``) back to what its last release replaced.

        Raises `Conflict` if there is nothing to go back to.
        """
        path = alias_path(selector) + "/rollback"
        headers = {} if if_revision is None else {"If-Match": f'"{if_revision:d}"'}
        reply = yield from send("POST", path, {"reason": reason}, _moved, key=None, headers=headers)
        return from_plain(Release, reply.body)

    def rollback_release(self, number: int, *, reason: str = "") -> Steps[Release]:
        """Put every alias of a release back to what it was before."""
        path = f"/releases/{number:d}/rollback"
        reply = yield from send("POST", path, {"reason": reason}, _moved, key=None)
        return from_plain(Release, reply.body)

    # Keys

    def keys(self) -> Steps[tuple[Key, ...]]:
        """The API keys of the project."""
        reply = yield from get("/keys")
        return listed(Key, reply, "keys")

    def create_key(
        self,
        name: str,
        role: Role,
        *,
        expires_at: datetime | None = None,
        person: str | None = None,
        verbs: Sequence[str] | None = None,
        artifacts: str = "*",
        aliases: str = "*",
    ) -> Steps[NewKey]:
        """Make an API key; its secret is in the answer and nowhere else.

        With a `person` (an e-mail address) it acts as that person, else it is a service's.
        `verbs` and the patterns `artifacts` and `aliases` narrow what it is for.
        """
        body: dict[str, Any] = {"name": name, "role": role, "expires_at": time_text(expires_at)}
        if person is not None:
            body["person"] = person
        if verbs is not None:
            body["verbs"] = list(check_list(verbs, field="verbs"))
        if artifacts != "*" or aliases != "*":
            body |= {"artifacts": artifacts, "aliases": aliases}
        reply = yield from send("POST", "/keys", body, nothing)
        return from_plain(NewKey, reply.body)

    def revoke_key(self, key_id: str) -> Steps[Key]:
        """Make an API key useless at once."""
        path = f"/keys/{quote(key_id, safe='')}"
        reply = yield from send("DELETE", path, None, nothing, key=None)
        return from_plain(Key, reply.body)


def _release(
    moves: Sequence[dict[str, Any]],
    reason: str,
    if_revision: int | None,
    key: str | None,
    *,
    break_glass: bool = False,
) -> Steps[Release | None]:
    if if_revision is not None:
        moves = [{**move, "if_revision": if_revision} for move in moves]
    named = [(move.get("kind", "prompt"), move.get("name", "")) for move in moves]
    body: dict[str, Any] = {"moves": moves, "reason": reason}
    if break_glass:
        body["break_glass"] = True
    reply = yield from send("POST", "/releases", body, lambda _: named, key=key)
    return from_plain(Released, reply.body).release


def _target(wanted: Selector) -> Steps[Target]:
    """What a selector points to now."""
    if wanted.version is not None:
        return Target(version=wanted.version)
    if wanted.alias is None:
        reply = yield from get(artifact_path(wanted.kind, wanted.name))
        newest = from_plain(Artifact, reply.body).newest
        if not newest:
            raise NotFound(
                f"{wanted.name} has no version yet.", code="version_not_found", field="selector"
            )
        return Target(version=newest)
    reply = yield from get(artifact_path(wanted.kind, wanted.name, "aliases", wanted.alias))
    return from_plain(Alias, reply.body).target


def _tag_path(selector: str, key: str) -> tuple[str, Subjects]:
    place = version_place(selector)
    parts = [place.kind, place.name]
    if place.version is not None:
        parts += ["versions", str(place.version)]
    return artifact_path(*parts, "tags", key), _about(place.kind, place.name)


def _about(kind: str, name: str) -> Subjects:
    return lambda _: [(kind, name)]


def _moved(body: Any) -> list[tuple[str, str]]:
    return [(move.kind, move.name) for move in from_plain(Release, body).moves]
