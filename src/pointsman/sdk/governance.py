"""What can be asked about governance: policies, changes, approvals, checks, broken glass."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from pointsman.core.changes import BrokenGlass, Change, CheckResult, PolicyAnswer, PolicyInForce
from pointsman.core.diff import ContentDiff
from pointsman.core.names import check_list
from pointsman.core.plain import from_plain
from pointsman.core.vocabulary import Page, Release
from pointsman.sdk.asking import get, listed, send
from pointsman.sdk.calls import Request, Steps, checked
from pointsman.sdk.diffs import read_diff
from pointsman.sdk.spelling import move_fields, parameters, time_text

T = TypeVar("T")


class GovernanceTasks:
    """The tasks; see `manage.Tasks`."""

    def policies(self) -> Steps[tuple[PolicyInForce, ...]]:
        """The policies in force, the most specific first."""
        reply = yield from get("/policies")
        return listed(PolicyInForce, reply, "policies")

    def policy(self, name: str) -> Steps[PolicyInForce]:
        """One policy. Raises `NotFound`."""
        reply = yield from get(f"/policies/{quote(name, safe='')}")
        return from_plain(PolicyInForce, reply.body)

    def set_policy(
        self, policy: Mapping[str, Any], *, reason: str = "", if_revision: int | None = None
    ) -> Steps[PolicyInForce]:
        """Make a policy, or replace the one of its name.

        Raises `InvalidInput` naming the field that is wrong, or if nobody could satisfy it.
        """
        name = str(policy.get("name", ""))
        body = {"policy": dict(policy), "reason": reason, "if_revision": if_revision}
        path = f"/policies/{quote(name, safe='')}"
        reply = yield Request("PUT", path, body=body, repeatable=if_revision is None)
        return from_plain(PolicyInForce, checked(reply).body)

    def delete_policy(self, name: str, *, reason: str = "") -> Steps[None]:
        """Delete a policy. Raises `NotFound`."""
        path = f"/policies/{quote(name, safe='')}"
        checked((yield Request("DELETE", path, parameters(reason=reason or None))))

    def test_policy(
        self,
        selector: str,
        *,
        who: str = "",
        at: datetime | None = None,
        version: int | None = None,
        reason: str | None = None,
    ) -> Steps[PolicyAnswer]:
        """What the policies would say of somebody moving an alias (``name@alias``) directly.

        `who` is an e-mail address, or ``key:<id>``; empty means oneself.
        """
        query = parameters(
            selector=selector, who=who or None, at=at, version=version, reason=reason
        )
        reply = yield from get("/policy-test", query)
        return from_plain(PolicyAnswer, reply.body)

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
    ) -> Steps[Change]:
        """Propose a release that others approve.

        Each move has `name`, `alias`, one of `version`, `split`, ``delete=True`` and
        `from_alias`, and perhaps `kind`. With `when_ready` or `apply_at` it is applied by
        itself. Raises `NotFound`, `Gone`, `Conflict` or `InvalidInput`.
        """
        body = _change(title, moves, reason, labels, when_ready, apply_at, expires_at)
        body["supersedes"] = supersedes
        reply = yield from send("POST", "/changes", body, key=idempotency_key)
        return from_plain(Change, reply.body)

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
    ) -> Steps[Change]:
        """Write a change anew; what was approved before does not count for it."""
        body = _change(title, moves, reason, labels, when_ready, apply_at, expires_at)
        body["if_revision"] = if_revision
        reply = yield from send("PUT", f"/changes/{number:d}", body, key=None)
        return from_plain(Change, reply.body)

    def change(self, number: int) -> Steps[Change]:
        """A change as it stands, with everything that is missing to apply it."""
        reply = yield from get(f"/changes/{number:d}")
        return from_plain(Change, reply.body)

    def changes(
        self, *, state: str = "open", limit: int = 50, cursor: str | None = None
    ) -> Steps[Page[Change]]:
        """The open changes, or all of them (`state` ``"any"``), newest first."""
        query = parameters(state=state, limit=limit, cursor=cursor)
        reply = yield from get("/changes", query)
        return from_plain(Page[Change], reply.body)

    def diff_change(self, number: int, *, move: int = 0) -> Steps[ContentDiff]:
        """How what a move of a change brings differs from what it replaces."""
        reply = yield from get(f"/changes/{number:d}/diff", parameters(move=move))
        return read_diff(reply.body)

    def rebase_change(self, number: int) -> Steps[Change]:
        """Have a change replace what its aliases point to now."""
        reply = yield from send("POST", f"/changes/{number:d}/rebase", {}, key=None)
        return from_plain(Change, reply.body)

    def approve(self, number: int, *, note: str = "", basis: str = "") -> Steps[Change]:
        """Approve a change: exactly what it would do now, or what `basis` stands for.

        Raises `Refused` for one's own change, `Conflict` if it is another by now.
        """
        return (yield from _say(number, "approved", note, basis))

    def object_to(self, number: int, *, note: str = "", basis: str = "") -> Steps[Change]:
        """Object to a change: it can't be applied until that is taken back."""
        return (yield from _say(number, "objected", note, basis))

    def take_back(self, number: int, *, note: str = "") -> Steps[Change]:
        """Take back one's approval of a change, or the objection to it."""
        return (yield from _say(number, "taken back", note, ""))

    def comment(self, number: int, text: str, *, answers: int | None = None) -> Steps[Change]:
        """Add a remark to a change."""
        body = {"text": text, "answers": answers}
        reply = yield from send("POST", f"/changes/{number:d}/comments", body, key=None)
        return from_plain(Change, reply.body)

    def withdraw(self, number: int, *, note: str = "") -> Steps[Change]:
        """End a change without applying it."""
        reply = yield from send("POST", f"/changes/{number:d}/withdraw", {"note": note}, key=None)
        return from_plain(Change, reply.body)

    def apply(self, number: int, *, reason: str = "", break_glass: bool = False) -> Steps[Release]:
        """Make the moves of a change. Raises `Refused` with everything that is missing."""
        body = {"reason": reason, "break_glass": break_glass}
        reply = yield Request(
            "POST",
            f"/changes/{number:d}/apply",
            body=body,
            headers={"Idempotency-Key": os.urandom(16).hex()},
            repeatable=True,
            changes=lambda made: [
                (move.kind, move.name) for move in from_plain(Release, made).moves
            ],
        )
        return from_plain(Release, checked(reply).body)

    def checks(self, digest: str) -> Steps[tuple[CheckResult, ...]]:
        """The last report of each check on a digest."""
        reply = yield from get("/checks", parameters(digest=digest))
        return listed(CheckResult, reply, "checks")

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
    ) -> Steps[CheckResult]:
        """Report a check on a version (``name:7``), a change, or a digest.

        `state` is ``passed``, ``failed``, ``error`` or ``pending``. Raises `Refused` without
        the verb.
        """
        body = {
            "name": name,
            "state": state,
            "selector": selector,
            "change": change,
            "digest": digest,
            "summary": summary,
            "link": link,
            "figures": dict(figures or {}),
        }
        reply = yield from send("POST", "/checks", body, key=None)
        return from_plain(CheckResult, reply.body)

    def broken_glass(self, *, reviewed: bool = False) -> Steps[tuple[BrokenGlass, ...]]:
        """Releases that passed over a policy and wait for a review, or all of them."""
        reply = yield from get("/glass", parameters(reviewed=reviewed))
        return listed(BrokenGlass, reply, "releases")

    def review_glass(self, release: int, *, note: str = "") -> Steps[BrokenGlass]:
        """Say that one has looked at a release that broke the glass, and what came of it."""
        reply = yield from send("POST", f"/glass/{release:d}/review", {"note": note}, key=None)
        return from_plain(BrokenGlass, reply.body)


def _change(
    title: str,
    moves: Sequence[Mapping[str, Any]],
    reason: str,
    labels: Sequence[str],
    when_ready: bool,
    apply_at: datetime | None,
    expires_at: datetime | None,
) -> dict[str, Any]:
    return {
        "title": title,
        "moves": [move_fields(one) for one in moves],
        "reason": reason,
        "labels": list(check_list(labels, field="labels")),
        "when_ready": when_ready,
        "apply_at": time_text(apply_at),
        "expires_at": time_text(expires_at),
    }


def _say(number: int, said: str, note: str, basis: str) -> Steps[Change]:
    body = {"said": said, "note": note, "basis": basis}
    reply = yield from send("PUT", f"/changes/{number:d}/opinion", body, key=None)
    return from_plain(Change, reply.body)
