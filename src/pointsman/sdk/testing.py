"""A registry for tests: in memory, without network, threads or waiting.

>>> from pointsman.sdk.testing import FakeRegistry
>>> registry = FakeRegistry()
>>> _ = registry.publish("support/reply", "Hello {{ name }}!", aliases=["production"])
>>> client = registry.client()
>>> client.get("support/reply@production").render(name="Ada")
'Hello Ada!'

What is promoted is what the client reads next, and callbacks have been called by then:

>>> stop = client.on_change(lambda change: print("now version", change.after.version))
>>> _ = registry.publish("support/reply", "Good day, {{ name }}.")
>>> _ = registry.promote("support/reply:2", "production")
now version 2
>>> client.get("support/reply@production").version
2
>>> _ = registry.rollback("support/reply@production")
now version 1

In an outage the client goes on with what it has read, like the real one:

>>> registry.fail()
>>> client.get("support/reply@production").version
1
>>> client.get("support/greeting", fallback="Hi!").render()
'Hi!'
>>> client.get("support/greeting")
Traceback (most recent call last):
    ...
pointsman.errors.Unavailable: The registry is down, as the test asked.
>>> registry.recover()
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pointsman.core.composition import Included as Ingredient
from pointsman.core.composition import compose
from pointsman.core.content import PromptContent
from pointsman.core.contents import Content, parse_content
from pointsman.core.names import check_alias, check_kind, check_list, check_name
from pointsman.core.releases import (
    Order,
    PastMove,
    Point,
    move_to_undo,
    plain_target,
    plan_release,
    single,
)
from pointsman.core.releases import split as split_target
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import (
    Included,
    Move,
    Published,
    Release,
    Resolution,
    Target,
    Version,
    Why,
)
from pointsman.errors import Conflict, Gone, NotFound, PointsmanError, Unavailable
from pointsman.sdk.answers import arm_of
from pointsman.sdk.fakes import FakeAsyncClient, FakeClient
from pointsman.sdk.knowledge import Answer

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""When the journal of every fake registry begins; each entry is a second later."""
AUTHOR = "test"


@dataclass
class _Pointer:
    target: Target | None = None
    revision: int = 0
    release: Release | None = None
    past: list[PastMove] = field(default_factory=list)


@dataclass
class _Artifact:
    kind: str
    name: str
    versions: list[Version] = field(default_factory=list)
    contents: dict[int, Content] = field(default_factory=dict)
    pointers: dict[str, _Pointer] = field(default_factory=dict)


class FakeRegistry:
    """See the head of this file. Methods are named and behave as those of `Client`.

    `journal` has what a client's stream would tell, as plain dicts, oldest first.
    """

    def __init__(self) -> None:
        self.journal: list[dict[str, Any]] = []
        self._artifacts: dict[tuple[str, str], _Artifact] = {}
        self._clients: list[FakeClient] = []
        self._outage: PointsmanError | None = None

    def client(self) -> FakeClient:
        """A client of this registry."""
        client = FakeClient(self)
        self._clients.append(client)
        return client

    def async_client(self) -> FakeAsyncClient:
        """A client of this registry whose reads are awaited."""
        return FakeAsyncClient(self.client())

    def fail(self, error: PointsmanError | None = None) -> None:
        """Begin an outage: until `recover`, no read reaches the registry."""
        self._outage = error or Unavailable("The registry is down, as the test asked.")

    def recover(self) -> None:
        """End the outage."""
        self._outage = None
        self._tell()

    def publish(
        self,
        name: str,
        content: Any,
        *,
        kind: str = "prompt",
        message: str = "",
        tags: Mapping[str, str] | None = None,
        aliases: Sequence[str] = (),
        reason: str = "",
    ) -> Published:
        """Add a version. Raises `InvalidName` or `InvalidContent`."""
        kind, name = check_kind(kind), check_name(name)
        parsed = parse_content(kind, content)
        artifact = self._artifacts.get((kind, name))
        if artifact is None:
            artifact = self._artifacts[kind, name] = _Artifact(kind, name)
            self._record("artifact.created", artifact)
        number = len(artifact.versions) + 1
        at = self._record("version.published", artifact, version=number, digest=parsed.digest)
        version = Version(
            kind, name, number, parsed.digest, message, AUTHOR, at, tags=dict(tags or {})
        )
        artifact.versions.append(version)
        artifact.contents[number] = parsed
        moves = [
            (artifact, check_alias(alias), single(number))
            for alias in check_list(aliases, field="aliases")
        ]
        release = self._move(moves, reason or message) if moves else None
        self._tell()
        return Published(version, created=True, release=release)

    def promote(self, selector: str, alias: str, *, reason: str = "") -> Release | None:
        """Point an alias to what a selector means now; None if it points there already."""
        wanted = parse_selector(selector)
        artifact = self._artifact(wanted)
        if wanted.alias is not None:
            target = self._pointer(artifact, wanted).target
        else:
            target = single(wanted.version or len(artifact.versions))
        return self._release([(artifact, check_alias(alias), target)], reason)

    def split(
        self, name: str, alias: str, weights: Mapping[int, int], *, reason: str = ""
    ) -> Release | None:
        """Share an alias's readers out over several versions."""
        artifact = self._artifact(parse_selector(name))
        return self._release([(artifact, check_alias(alias), split_target(weights))], reason)

    def delete_alias(self, selector: str, *, reason: str = "") -> Release | None:
        """Delete an alias (``name@alias``)."""
        wanted = parse_selector(selector)
        artifact = self._artifact(wanted)
        return self._release([(artifact, check_alias(wanted.alias or ""), None)], reason)

    def rollback(self, selector: str, *, reason: str = "") -> Release:
        """Put an alias (``name@alias``) back to what its last release replaced."""
        wanted = parse_selector(selector)
        artifact = self._artifact(wanted)
        undo = move_to_undo(reversed(self._pointer(artifact, wanted).past))
        if undo is None or undo.before is None or wanted.alias is None:
            raise Conflict(f"There is nothing to roll {wanted} back to.", code="nothing_before")
        move = (artifact, wanted.alias, undo.before)
        release = self._release([move], reason, undoes=undo.release)
        if release is None:
            raise Conflict(f"{wanted} already points to {undo.before}.", code="already_there")
        return release

    def tombstone(self, selector: str, *, reason: str = "") -> None:
        """Remove the content of a version (``name:7``)."""
        wanted = parse_selector(selector)
        artifact = self._artifact(wanted)
        version = self._version(artifact, wanted, "")
        del artifact.contents[version.number]
        self._record("version.tombstoned", artifact, version=version.number, reason=reason)
        self._tell()

    def resolve(self, selector: str, *, key: str | None = None) -> Resolution:
        """What a selector means now, and why. Raises `NotFound` or `Gone`, outage or not."""
        wanted = parse_selector(selector)
        artifact = self._artifact(wanted)
        version = self._version(artifact, wanted, key or "")
        content = self._content(artifact, version.number)
        why = self._why(artifact, wanted)
        parts: tuple[Included, ...] = ()
        if isinstance(content, PromptContent) and content.includes:
            composition = compose(
                content, self._ingredient, label=f"{version.name}:{version.number}"
            )
            content = composition.content
            parts = tuple(made.origin for made in composition.made_of)
        body = content.to_json()
        assert isinstance(body, dict), "every kind of content is an object"
        return Resolution(
            selector=str(wanted),
            kind=artifact.kind,
            name=artifact.name,
            version=version.number,
            digest=version.digest,
            content=body,
            content_digest=content.digest,
            message=version.message,
            author=version.author,
            created_at=version.created_at,
            tags=version.tags,
            why=Why(**{**why, "includes": parts}),
        )

    def answer(self, selector: Selector) -> Answer:
        """What a client holds of a selector. Raises what `resolve` does, and the outage."""
        if self._outage is not None:
            raise self._outage
        resolution = self.resolve(str(selector))
        pins = [Selector("prompt", selector.name, arm.version) for arm in resolution.why.split]
        arms = [arm_of(resolution, self.resolve(str(pinned))) for pinned in pins]
        seq, now = len(self.journal), time.monotonic()
        return Answer(
            resolution, {arm.version: arm for arm in arms}, {}, seq, "fake", now, "network"
        )

    @property
    def is_down(self) -> bool:
        """Whether there is an outage."""
        return self._outage is not None

    def _artifact(self, wanted: Selector) -> _Artifact:
        artifact = self._artifacts.get((wanted.kind, wanted.name))
        if artifact is None:
            raise NotFound(f"There is no {wanted.kind} {wanted.name!r}.", code="artifact_not_found")
        return artifact

    def _pointer(self, artifact: _Artifact, wanted: Selector) -> _Pointer:
        pointer = artifact.pointers.get(wanted.alias or "")
        if pointer is None or pointer.target is None:
            raise NotFound(
                f"{artifact.name} has no alias {wanted.alias!r}.", code="alias_not_found"
            )
        return pointer

    def _version(self, artifact: _Artifact, wanted: Selector, key: str) -> Version:
        number = wanted.version or len(artifact.versions)
        if wanted.alias is not None:
            target = self._pointer(artifact, wanted).target
            assert target is not None, "_pointer has seen to it"
            number = target.pick(key, f"{artifact.kind}:{artifact.name}@{wanted.alias}")
        if not 1 <= number <= len(artifact.versions):
            raise NotFound(f"{artifact.name} has no version {number}.", code="version_not_found")
        return artifact.versions[number - 1]

    def _content(self, artifact: _Artifact, number: int) -> Content:
        content = artifact.contents.get(number)
        if content is None:
            raise Gone(f"The content of {artifact.name}:{number} was removed.", code="tombstoned")
        return content

    def _ingredient(self, selector: Selector) -> Ingredient[Included]:
        artifact = self._artifact(selector)
        version = self._version(artifact, selector, "")
        pointer = artifact.pointers.get(selector.alias or "")
        content = self._content(artifact, version.number)
        assert isinstance(content, PromptContent), "only prompts are included"
        included = Included(
            selector=str(selector),
            name=artifact.name,
            version=version.number,
            digest=version.digest,
            alias=selector.alias,
            revision=pointer.revision if pointer else None,
        )
        return Ingredient(f"{artifact.name}:{version.number}", content, included)

    def _why(self, artifact: _Artifact, wanted: Selector) -> dict[str, Any]:
        if wanted.alias is None:
            return {}
        pointer = self._pointer(artifact, wanted)
        release, target = pointer.release, pointer.target
        assert release is not None, "what points somewhere was moved there"
        return {
            "alias": wanted.alias,
            "revision": pointer.revision,
            "release": release.number,
            "moved_at": release.at,
            "moved_by": release.by,
            "reason": release.reason,
            "split": target.split if target else (),
        }

    def _release(
        self,
        wishes: Iterable[tuple[_Artifact, str, Target | None]],
        reason: str,
        undoes: int | None = None,
    ) -> Release | None:
        release = self._move(wishes, reason, undoes)
        self._tell()
        return release

    def _move(
        self,
        wishes: Iterable[tuple[_Artifact, str, Target | None]],
        reason: str,
        undoes: int | None = None,
    ) -> Release | None:
        orders = []
        for artifact, alias, target in wishes:
            pointer = artifact.pointers.get(alias, _Pointer())
            readable = {one.number: one.number in artifact.contents for one in artifact.versions}
            place = (artifact.kind, artifact.name, alias)
            point = Point(*place, pointer.target, pointer.revision, readable=readable)
            orders.append((point, Order(target)))
        moves = plan_release(orders)
        if not moves:
            return None
        number = len(self.journal) + 1
        at = BEGINNING + timedelta(seconds=number)
        release = Release(number, at, AUTHOR, reason, moves, undoes)
        for move in moves:
            self._carry_out(move, release)
        return release

    def _carry_out(self, move: Move, release: Release) -> None:
        artifact = self._artifacts[move.kind, move.name]
        pointer = artifact.pointers.setdefault(move.alias, _Pointer())
        pointer.target, pointer.revision, pointer.release = move.to, move.revision, release
        pointer.past.append(
            PastMove(release.number, move.revision, move.before, move.to, release.undoes)
        )
        to = plain_target(move.to)
        self._record("alias.moved", artifact, alias=move.alias, to=to, revision=move.revision)

    def _record(self, fact: str, artifact: _Artifact, **more: Any) -> datetime:
        seq = len(self.journal) + 1
        at = BEGINNING + timedelta(seconds=seq)
        entry = {"seq": seq, "at": at.isoformat(), "type": fact, "kind": artifact.kind}
        self.journal.append({**entry, "name": artifact.name, **more})
        return at

    def _tell(self) -> None:
        for client in self._clients:
            client.look()
