"""The governance of an embedded registry: policies, changes, checks, broken glass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pointsman.app import changes, checks, glass, policies, reviewing
from pointsman.app.requests import change_proposal
from pointsman.core.changes import BrokenGlass, Change, CheckResult, PolicyAnswer, PolicyInForce
from pointsman.core.diff import ContentDiff
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Page, Release, micros
from pointsman.embedded.asking import Asking


class GovernanceWords(Asking):
    """What `compose.Registry` answers about policies and changes; see `sdk.governance`."""

    def policies(self) -> tuple[PolicyInForce, ...]:
        """The policies in force, the most specific first."""
        return self._read(policies.list_policies)

    def policy(self, name: str) -> PolicyInForce:
        """One policy."""
        return self._read(lambda v: policies.show_policy(v, name))

    def set_policy(
        self, policy: Mapping[str, Any], *, reason: str = "", if_revision: int | None = None
    ) -> PolicyInForce:
        """Make a policy, or replace the one of its name."""
        return self._write(
            lambda w: policies.set_policy(w, policy, reason=reason, if_revision=if_revision)
        )

    def delete_policy(self, name: str, *, reason: str = "") -> None:
        """Delete a policy."""
        self._write(lambda w: policies.delete_policy(w, name, reason=reason))

    def test_policy(
        self,
        selector: str,
        *,
        who: str = "",
        at: datetime | None = None,
        version: int | None = None,
        reason: str | None = None,
    ) -> PolicyAnswer:
        """What the policies would say of somebody moving an alias directly."""
        wanted, when = parse_selector(selector), None if at is None else micros(at)
        return self._read(
            lambda v: reviewing.ask_policy(
                v, wanted, who=who, at=when, version=version, reason=reason
            )
        )

    def propose(
        self,
        title: str,
        moves: Sequence[Mapping[str, Any]],
        *,
        reason: str = "",
        labels: Sequence[str] = (),
        when_ready: bool = False,
        apply_at: datetime | None = None,
        expires_at: datetime | None = None,
        supersedes: int | None = None,
        idempotency_key: str | None = None,
    ) -> Change:
        """Propose a release that others approve."""
        proposal = change_proposal(
            {
                "title": title,
                "moves": moves,
                "reason": reason,
                "labels": labels,
                "when_ready": when_ready,
                "apply_at": apply_at,
                "expires_at": expires_at,
                "supersedes": supersedes,
            }
        )
        return self._write(
            lambda w: changes.propose(w, proposal), Change, idempotency_key, proposal
        )

    def edit_change(
        self,
        number: int,
        title: str,
        moves: Sequence[Mapping[str, Any]],
        *,
        reason: str = "",
        labels: Sequence[str] = (),
        when_ready: bool = False,
        apply_at: datetime | None = None,
        expires_at: datetime | None = None,
        if_revision: int | None = None,
    ) -> Change:
        """Write a change anew."""
        proposal = change_proposal(
            {
                "title": title,
                "moves": moves,
                "reason": reason,
                "labels": labels,
                "when_ready": when_ready,
                "apply_at": apply_at,
                "expires_at": expires_at,
            }
        )
        return self._write(lambda w: changes.edit(w, number, proposal, if_revision=if_revision))

    def change(self, number: int) -> Change:
        """A change as it stands."""
        return self._read(lambda v: reviewing.show(v, number))

    def changes(
        self, *, state: str = "open", limit: int = 50, cursor: str | None = None
    ) -> Page[Change]:
        """The open changes, or all of them (`state` ``"any"``), newest first."""
        return self._read(
            lambda v: reviewing.listed(v, only_open=state == "open", limit=limit, cursor=cursor)
        )

    def diff_change(self, number: int, *, move: int = 0) -> ContentDiff:
        """How what a move of a change brings differs from what it replaces."""
        return self._read(lambda v: reviewing.diff(v, number, move))

    def rebase_change(self, number: int) -> Change:
        """Have a change replace what its aliases point to now."""
        return self._write(lambda w: changes.rebase(w, number))

    def approve(self, number: int, *, note: str = "", basis: str = "") -> Change:
        """Approve a change."""
        return self._write(lambda w: changes.say(w, number, "approved", note, basis=basis))

    def object_to(self, number: int, *, note: str = "", basis: str = "") -> Change:
        """Object to a change."""
        return self._write(lambda w: changes.say(w, number, "objected", note, basis=basis))

    def take_back(self, number: int, *, note: str = "") -> Change:
        """Take back one's approval of a change, or the objection to it."""
        return self._write(lambda w: changes.say(w, number, "taken back", note))

    def comment(self, number: int, text: str, *, answers: int | None = None) -> Change:
        """Add a remark to a change."""
        return self._write(lambda w: changes.comment(w, number, text, answers))

    def withdraw(self, number: int, *, note: str = "") -> Change:
        """End a change without applying it."""
        return self._write(lambda w: changes.withdraw(w, number, note))

    def apply(self, number: int, *, reason: str = "", break_glass: bool = False) -> Release:
        """Make the moves of a change."""
        return self._write(lambda w: changes.apply(w, number, reason, break_glass=break_glass))

    def checks(self, digest: str) -> tuple[CheckResult, ...]:
        """The last report of each check on a digest."""
        return self._read(lambda v: checks.checks_on(v, digest))

    def report_check(
        self,
        name: str,
        state: str,
        *,
        selector: str = "",
        change: int | None = None,
        digest: str = "",
        summary: str = "",
        link: str = "",
        figures: Mapping[str, float] | None = None,
    ) -> CheckResult:
        """Report a check on a version, a change, or a digest."""
        about = {"selector": selector, "change": change, "digest": digest}
        return self._write(
            lambda w: checks.report_about(
                w,
                about,
                name=name,
                state=state,
                summary=summary,
                link=link,
                figures=figures or {},
            )
        )

    def broken_glass(self, *, reviewed: bool = False) -> tuple[BrokenGlass, ...]:
        """Releases that passed over a policy and wait for a review, or all of them."""
        return self._read(lambda v: glass.list_broken_glass(v, reviewed=reviewed))

    def review_glass(self, release: int, *, note: str = "") -> BrokenGlass:
        """Say that one has looked at a release that broke the glass."""
        return self._write(lambda w: glass.review_broken_glass(w, release, note))
