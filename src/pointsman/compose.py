"""Joining the use cases to a store: the embedded registry.

This is the only module that knows both. `Registry` has the same vocabulary as the clients
that talk to a server; `open_store` chooses where things are kept.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pointsman.app import (
    archiving,
    doctor,
    history,
    keys,
    publishing,
    reading,
    releases,
    searching,
    tagging,
)
from pointsman.app.application import DEFAULT_PROJECT, Application, Caller, Work
from pointsman.app.keys import new_secret
from pointsman.app.ports import ProjectRow, Store
from pointsman.app.releases import Wish
from pointsman.app.requests import (
    alias_place,
    publish_request,
    search_query,
    version_place,
    wish,
)
from pointsman.core.access import Actor
from pointsman.core.canonical import JSON
from pointsman.core.diff import ContentDiff
from pointsman.core.names import check_list
from pointsman.core.people import INSTALLATION
from pointsman.core.prompt import Prompt
from pointsman.core.releases import split
from pointsman.core.selectors import parse_selector
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
    Version,
    micros,
)
from pointsman.embedded.evaluations import EvaluationWords
from pointsman.embedded.files import EmbeddedDepot
from pointsman.embedded.governance import GovernanceWords
from pointsman.embedded.graph import GraphWords
from pointsman.embedded.people import PeopleWords
from pointsman.embedded.providers import ProviderWords
from pointsman.embedded.record import RecordWords
from pointsman.embedded.webhooks import WebhookWords
from pointsman.errors import InvalidInput, NotFound
from pointsman.sdk.answers import prompt_of, prompt_selector
from pointsman.sdk.pulling import pull
from pointsman.sdk.pushing import publish_model, with_flavour
from pointsman.storage.sqlite import SqliteStore

T = TypeVar("T")


def open_store(data: str | os.PathLike[str] | None = None, database: str | None = None) -> Store:
    """The store at a PostgreSQL URL, or else in a folder (by default `./data`).

    Raises `Unavailable` if it can't be opened and `InvalidInput` for a URL of another kind.
    """
    if database:
        if not database.startswith(("postgresql://", "postgres://")):
            raise InvalidInput(
                f"The database {database.split('://')[0]!r} is not supported.",
                code="invalid_database",
                hint="Give a postgresql:// URL, or leave it out to keep everything in a folder.",
                field="database",
            )
        from pointsman.storage.postgres import PostgresStore

        return PostgresStore(database)
    return SqliteStore(Path(data or "data"))


class Registry(
    EvaluationWords,
    GovernanceWords,
    GraphWords,
    PeopleWords,
    ProviderWords,
    RecordWords,
    WebhookWords,
):
    """A registry in this very process, on a folder or a database; the caller is an admin.

    For scripts, notebooks, tests and tools on the machine that holds the data. Everything is
    recorded under the name of the operating system's user.
    """

    def __init__(
        self, store: Store, *, project: str = DEFAULT_PROJECT, via: str = "embedded"
    ) -> None:
        app, user = Application(store), _user()
        actor = Actor(f"local:{user}", user, "admin", via)
        super().__init__(app, Caller(actor, _project(app, project)))

    @classmethod
    def open(
        cls,
        data: str | os.PathLike[str] | None = None,
        *,
        database: str | None = None,
        project: str | None = None,
        via: str = "embedded",
    ) -> Self:
        """Open the registry in a folder, or in the PostgreSQL database at a URL.

        Without either, `POINTSMAN_DATABASE` and then `POINTSMAN_DATA` say where; else it is
        `./data`. Without a project, `POINTSMAN_PROJECT` says which; else it is `default`.
        Raises `Unavailable` if it can't be opened, and `NotFound` for an unknown project.
        """
        if data is None and database is None:
            database = os.environ.get("POINTSMAN_DATABASE")
            data = os.environ.get("POINTSMAN_DATA")
        project = project or os.environ.get("POINTSMAN_PROJECT") or DEFAULT_PROJECT
        store = open_store(data, database)
        try:
            return cls(store, project=project, via=via)
        except BaseException:
            store.close()
            raise

    # Reading

    def get(self, selector: str, *, key: str | None = None, fallback: Any = None) -> Prompt:
        """The prompt that a selector means now. See `Client.get`."""
        del fallback  # the registry is in this process: there is no outage to bridge
        return prompt_of(self.resolve(str(prompt_selector(selector)), key=key))

    def resolve(
        self, selector: str, *, at: datetime | None = None, key: str | None = None
    ) -> Resolution:
        """What a selector means now, or meant at a moment, and why."""
        wanted = parse_selector(selector)
        moment = None if at is None else micros(at)
        return self._read(lambda v: reading.resolve(v, wanted, at=moment, key=key)).resolution

    def artifact(self, name: str, *, kind: str = "prompt") -> Artifact:
        """An artifact with its tags and aliases."""
        return self._read(lambda v: reading.show_artifact(v, kind, name))

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
    ) -> Page[Artifact]:
        """The artifacts that match all conditions given."""
        query = search_query(
            kind=kind,
            folder=folder,
            name=name,
            text=text,
            tags=tags,
            with_aliases=with_aliases,
            without_aliases=without_aliases,
            author=author,
            since=since,
            until=until,
            archived=archived,
            order=order,
        )
        return self._read(lambda v: searching.search(v, query, limit=limit, cursor=cursor))

    def version(self, selector: str) -> Version:
        """The version that a selector means, with its content as it was published."""
        wanted = parse_selector(selector)
        return self._read(lambda v: reading.show_version(v, wanted))

    def versions(
        self, name: str, *, kind: str = "prompt", limit: int = 50, cursor: str | None = None
    ) -> Page[Version]:
        """The versions of an artifact, newest first, without their content."""
        return self._read(
            lambda v: reading.list_versions(v, kind, name, limit=limit, cursor=cursor)
        )

    def alias(self, selector: str) -> Alias:
        """An alias as it stands, with the move that put it there."""
        place = alias_place(selector)
        return self._read(lambda v: reading.show_alias(v, *place))

    def diff(self, before: str, after: str) -> ContentDiff:
        """How the content of one version differs from another's."""
        pair = parse_selector(before), parse_selector(after)
        return self._read(lambda v: reading.compare(v, *pair))

    # Looking back

    def releases(
        self, selector: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Release]:
        """The releases that moved an alias, newest first."""
        place = alias_place(selector)
        return self._read(
            lambda v: history.releases_of_alias(v, *place, limit=limit, cursor=cursor)
        )

    def find_release(self, number: int) -> Release:
        """The release with this number."""
        return self._read(lambda v: releases.find_release(v, number))

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
    ) -> Page[Entry]:
        """Journal entries, newest first: of the project, an artifact or an alias."""
        about = parse_selector(selector) if selector else None
        return self._read(
            lambda v: history.entries(
                v,
                kind=about.kind if about else "",
                name=about.name if about else "",
                alias=(about.alias or "") if about else "",
                types=tuple(types),
                actor=actor or "",
                since=None if since is None else micros(since),
                until=None if until is None else micros(until),
                limit=limit,
                cursor=cursor,
            )
        )

    def entries(self, after: int = 0, *, limit: int = 1_000) -> Page[Entry]:
        """Journal entries above a sequence number, oldest first."""
        return self._read(lambda v: history.entries_after(v, after, limit))

    def differences(self, before: datetime, after: datetime) -> tuple[Difference, ...]:
        """What points elsewhere at one moment than at an earlier one."""
        return self._read(lambda v: history.differences(v, micros(before), micros(after)))

    def doctor(self) -> Diagnosis:
        """Check every invariant over the whole project."""
        return self._read(doctor.examine)

    # Publishing

    def publish(
        self,
        name: str,
        content: JSON,
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
    ) -> Published:
        """Publish a version; see `app.publishing.publish`."""
        wanted = publishing.Publish(
            name=name,
            content=content,
            kind=kind,
            message=message,
            tags=tags or {},
            aliases=check_list(aliases, field="aliases"),
            dependencies=tuple(dependencies),
            reason=reason,
            if_changed=if_changed,
            if_newest=if_newest,
        )
        return self._write(
            lambda w: publishing.publish(w, wanted), Published, idempotency_key, wanted
        )

    def publish_many(
        self, items: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> tuple[Published, ...]:
        """Publish several versions, all or none. Each item has the parameters of `publish`."""
        wanted = [publish_request(item) for item in items]
        return self._write(
            lambda w: publishing.Bulk(publishing.publish_many(w, wanted)),
            publishing.Bulk,
            idempotency_key,
            wanted,
        ).published

    def publish_model(
        self,
        name: str,
        files: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
        *,
        flavour: str = "",
        content: Mapping[str, Any] | None = None,
        message: str = "",
        tags: Mapping[str, str] | None = None,
        aliases: Sequence[str] = (),
        dependencies: Sequence[Dependency] = (),
        reason: str = "",
        if_changed: bool = False,
        if_newest: int | None = None,
        idempotency_key: str | None = None,
        resend: bool = False,
        progress: Callable[[int, int], object] | None = None,
    ) -> Published:
        """Publish a version of a model from its files; see `Client.publish_model`."""
        return publish_model(
            EmbeddedDepot(self._app, self._caller),
            self.publish,
            name,
            files,
            with_flavour(content, flavour),
            progress,
            resend=resend,
            message=message,
            tags=tags,
            aliases=aliases,
            dependencies=dependencies,
            reason=reason,
            if_changed=if_changed,
            if_newest=if_newest,
            idempotency_key=idempotency_key,
        )

    def pull(
        self,
        selector: str,
        to: str | os.PathLike[str],
        *,
        cache: str | os.PathLike[str] | bool = True,
        progress: Callable[[int, int], object] | None = None,
    ) -> Path:
        """Fetch the files of a version of a model; see `Client.pull`."""
        depot = EmbeddedDepot(self._app, self._caller)
        return pull(depot, self.resolve, selector, to, cache, progress)

    def set_tag(self, selector: str, key: str, value: str) -> None:
        """Set a tag of an artifact (`name`) or a version (`name:7`)."""
        place = version_place(selector)
        self._write(lambda w: tagging.set_tag(w, *place, key, value))

    def delete_tag(self, selector: str, key: str) -> None:
        """Delete a tag of an artifact (`name`) or a version (`name:7`)."""
        place = version_place(selector)
        self._write(lambda w: tagging.delete_tag(w, *place, key))

    def archive(self, name: str, *, kind: str = "prompt") -> Artifact:
        """Leave an artifact out of lists; it can still be read."""
        return self._write(lambda w: archiving.archive(w, kind, name))

    def restore(self, name: str, *, kind: str = "prompt") -> Artifact:
        """Undo `archive`."""
        return self._write(lambda w: archiving.restore(w, kind, name))

    def tombstone(self, selector: str, *, reason: str) -> Version:
        """Remove the content of a version (`name:7`); the record stays."""
        kind, name, number = version_place(selector, required=True)
        assert number is not None
        return self._write(lambda w: archiving.tombstone(w, kind, name, number, reason))

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
    ) -> Release | None:
        """Point an alias to the version that a selector means now."""
        wanted = parse_selector(selector)

        def move(work: Work) -> Released:
            version = releases.version_meant(work, wanted)
            order = Wish(wanted.kind, wanted.name, alias, version, if_revision)
            return Released(releases.release(work, [order], reason, break_glass=break_glass))

        request = [str(wanted), alias, if_revision, reason, break_glass]
        return self._write(move, Released, idempotency_key, request).release

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
    ) -> Release | None:
        """Share an alias's readers out over several versions by weight."""
        order = Wish(kind, name, alias, split(weights), if_revision)
        return self._release([order], reason, idempotency_key)

    def release(
        self,
        moves: Sequence[Mapping[str, Any]],
        *,
        reason: str = "",
        break_glass: bool = False,
        idempotency_key: str | None = None,
    ) -> Release | None:
        """Move several aliases at once, or none."""
        return self._release(
            [wish(move) for move in moves], reason, idempotency_key, break_glass=break_glass
        )

    def delete_alias(
        self, selector: str, *, reason: str = "", if_revision: int | None = None
    ) -> Release | None:
        """Delete an alias (`name@alias`); its history stays."""
        order = Wish(*alias_place(selector), None, if_revision)
        return self._release([order], reason, None)

    def rollback(
        self, selector: str, *, reason: str = "", if_revision: int | None = None
    ) -> Release:
        """Put an alias back to what its last release replaced."""
        place = alias_place(selector)
        return self._write(
            lambda w: releases.roll_back_alias(w, *place, reason, if_revision=if_revision)
        )

    def rollback_release(self, number: int, *, reason: str = "") -> Release:
        """Put every alias of a release back to what it was before."""
        return self._write(lambda w: releases.roll_back_release(w, number, reason))

    # Keys

    def keys(self) -> tuple[Key, ...]:
        """The API keys of the project."""
        return self._read(keys.list_keys)

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
    ) -> NewKey:
        """Make an API key; its secret is in the answer and nowhere else."""
        expiry = None if expires_at is None else micros(expires_at)
        return self._write(
            lambda w: keys.create_key(w, name, role, expiry, person, verbs, artifacts, aliases)
        )

    def revoke_key(self, key_id: str) -> Key:
        """Make an API key useless at once."""
        return self._write(lambda w: keys.revoke_key(w, key_id))

    def close(self) -> None:
        """Let go of the database."""
        self._app.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _release(
        self,
        wishes: Sequence[Wish],
        reason: str,
        idempotency_key: str | None,
        *,
        break_glass: bool = False,
    ) -> Release | None:
        return self._write(
            lambda w: Released(releases.release(w, wishes, reason, break_glass=break_glass)),
            Released,
            idempotency_key,
            [wishes, reason, break_glass],
        ).release


def _project(app: Application, name: str) -> ProjectRow:
    if name == INSTALLATION:
        raise NotFound(f"There is no project {name!r}.", code="project_not_found")
    return app.project(name)


def _user() -> str:
    """Who runs this process, by the system's own account: an environment says what it likes."""
    if not hasattr(os, "getuid"):
        with suppress(KeyError, OSError):
            return getpass.getuser()
        return "somebody"
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in many containers
        return f"uid-{os.getuid()}"


__all__ = ["Registry", "new_secret", "open_store"]
