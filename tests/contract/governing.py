"""A project with people in it, for tests of policies and changes on each database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pointsman.app import changes, people, policies, publishing, releases, reviewing
from pointsman.app.application import Application, Caller, View, Work
from pointsman.app.changes import Proposal, Wanted
from pointsman.app.ports import Store
from pointsman.app.ports.people import GrantRow
from pointsman.app.publishing import Publish
from pointsman.core.access import Actor
from pointsman.core.changes import Change
from pointsman.core.vocabulary import Release, Role, Target

T = TypeVar("T")

HOUR = 3600 * 1_000_000


class Team:
    """People of a project by their first names, a clock that is set by hand, and their deeds.

    Ana and Ben are reviewers, Eva is an editor, Rui a releaser, Ada an admin.
    """

    def __init__(self, store: Store) -> None:
        self.now = 1_900_000_000_000_000
        self.app = Application(store, clock=self._clock)
        self.project = self.app.project("default")
        for name, role in (
            ("eva", "editor"),
            ("ana", "reviewer"),
            ("ben", "reviewer"),
            ("rui", "releaser"),
            ("ada", "admin"),
        ):
            self.join(name, role)  # type: ignore[arg-type]

    def _clock(self) -> int:
        self.now += 1
        return self.now

    def join(self, name: str, role: Role) -> None:
        """Add a person with a role."""

        def add(work: Work) -> None:
            row = work.tx.add_person(f"{name}@example.com", name, None, work.now)
            work.tx.put_grant(
                GrantRow(self.project.id, f"person:{row.id}", role, "", "*", work.now, "test")
            )

        self.app.write(self._root(), add)

    def caller(self, name: str) -> Caller:
        """Somebody, with what they may do as of now."""
        with self.app.store.read() as reader:
            row = reader.person_by_email(f"{name}@example.com")
            assert row is not None
            actor = people.actor_of(reader, self.project.id, f"person:{row.id}", "test")
        assert actor is not None
        return Caller(actor, self.project)

    def does(self, name: str, use_case: Callable[[Work], T]) -> T:
        """Have somebody do something."""
        return self.app.write(self.caller(name), use_case)

    def sees(self, name: str, use_case: Callable[[View], T]) -> T:
        """Have somebody look at something."""
        return self.app.read(self.caller(name), use_case)

    def publish(self, name: str, content: Any = "text", *, by: str = "eva", **more: Any) -> int:
        """Publish a version; its number."""
        wanted = Publish(name, content, **more)
        return self.does(by, lambda w: publishing.publish(w, wanted)).version.number

    def policy(self, **fields: Any) -> None:
        """Set the policy of production, or another."""
        value = {"name": "production", "aliases": "production", "reason": 1, **fields}
        self.does("ada", lambda w: policies.set_policy(w, value))

    def move(
        self,
        by: str,
        name: str,
        version: int | None,
        *,
        alias: str = "production",
        reason: str = "because",
        glass: bool = False,
    ) -> Release | None:
        """Move an alias directly."""
        to = None if version is None else Target(version=version)
        wish = releases.Wish("prompt", name, alias, to)
        return self.does(by, lambda w: releases.release(w, [wish], reason, break_glass=glass))

    def propose(self, by: str, name: str, version: int, **more: Any) -> Change:
        """Propose to move production."""
        alias = more.pop("alias", "production")
        wanted = Wanted("prompt", name, alias, Target(version=version))
        proposal = Proposal("ship it", [wanted], **{"reason": "better answers", **more})
        return self.does(by, lambda w: changes.propose(w, proposal))

    def edit(self, by: str, number: int, name: str, version: int) -> Change:
        """Write a change anew."""
        proposal = Proposal(
            "ship it", [Wanted("prompt", name, "production", Target(version=version))], "better"
        )
        return self.does(by, lambda w: changes.edit(w, number, proposal))

    def approve(self, by: str, number: int, basis: str = "") -> Change:
        """Approve a change."""
        return self.does(by, lambda w: changes.say(w, number, "approved", "fine", basis=basis))

    def apply(self, by: str, number: int, *, glass: bool = False, reason: str = "") -> Release:
        """Apply a change."""
        return self.does(by, lambda w: changes.apply(w, number, reason, break_glass=glass))

    def change(self, number: int, by: str = "rui") -> Change:
        """A change as somebody sees it."""
        return self.sees(by, lambda v: reviewing.show(v, number))

    def target(self, name: str, alias: str = "production") -> int | None:
        """The version that an alias points to."""
        with self.app.store.read() as reader:
            artifact = reader.artifact(self.project.id, "prompt", name)
            assert artifact is not None
            row = reader.alias(artifact.id, alias)
        return row.target.version if row and row.target else None

    def _root(self) -> Caller:
        return Caller(Actor("local:root", "root", "admin", "test"), self.project)
