"""The operations of governance: policies, changes, checks, broken glass."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from pointsman.app import changes, checks, glass, policies, reviewing
from pointsman.app.requests import change_proposal
from pointsman.core.changes import BrokenGlass, Change, CheckResult, PolicyAnswer, PolicyInForce
from pointsman.core.diff import ContentDiff
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Page, Release
from pointsman.wire.native import shapes
from pointsman.wire.native.route import Call, Read, Route, Write, micros_of, whole


class PolicyBody(Struct, forbid_unknown_fields=True):
    """A policy, as `core.policy_fields` reads it, and why it is set."""

    policy: dict[str, Any]
    reason: shapes.Reason = ""
    if_revision: shapes.Revision | None = None


class PoliciesAnswer(Struct):
    """The policies in force, the most specific first."""

    policies: list[PolicyInForce]


class PolicyTestQuery(Struct, forbid_unknown_fields=True):
    """Who would move what, when."""

    selector: Annotated[str, Meta(description="The alias, such as support/reply@production.")]
    who: Annotated[str, Meta(description="An e-mail address or key:<id>; empty: oneself.")] = ""
    at: datetime | None = None
    version: shapes.Number | None = None
    reason: Annotated[str | None, Meta(description="The reason that would be given.")] = None


class ProposedMoveBody(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A proposed move: exactly one of `version`, `split`, `delete` and `from_alias`."""

    name: shapes.Name
    alias: shapes.AliasName
    kind: shapes.KindName = "prompt"
    version: shapes.Number | None = None
    split: shapes.Split | None = None
    delete: bool = False
    from_alias: Annotated[
        shapes.AliasName | None, Meta(description="Take what this alias points to now.")
    ] = None


class ChangeBody(Struct, forbid_unknown_fields=True):
    """A release to propose."""

    title: str
    moves: list[ProposedMoveBody]
    reason: shapes.Reason = ""
    labels: list[str] = []
    when_ready: Annotated[bool, Meta(description="Apply it as soon as nothing is missing.")] = False
    apply_at: Annotated[datetime | None, Meta(description="Apply it by itself, then.")] = None
    expires_at: datetime | None = None
    supersedes: Annotated[int | None, Meta(description="An open change that this replaces.")] = None


class EditBody(ChangeBody, forbid_unknown_fields=True):
    """A change written anew."""

    if_revision: Annotated[int | None, Meta(description="Of the change, as it was read.")] = None


class OpinionBody(Struct, forbid_unknown_fields=True):
    """What one says to a change, and the basis that one has looked at."""

    said: Literal["approved", "objected", "taken back"]
    note: str = ""
    basis: str = ""


class CommentBody(Struct, forbid_unknown_fields=True):
    """A remark."""

    text: str
    answers: int | None = None


class NoteBody(Struct, forbid_unknown_fields=True):
    """A note that may be left out."""

    note: str = ""


class ApplyBody(Struct, forbid_unknown_fields=True):
    """How to apply a change."""

    reason: shapes.Reason = ""
    break_glass: Annotated[
        bool, Meta(description="Pass over what is missing, where the policy lets one do it.")
    ] = False


class CheckBody(Struct, forbid_unknown_fields=True):
    """A report of a check on exactly one of `digest`, `selector` and `change`."""

    name: str
    state: Literal["passed", "failed", "error", "pending"]
    digest: Annotated[str, Meta(description="Of a version, or the basis of a change.")] = ""
    selector: Annotated[str, Meta(description="A version by number, such as reply:7.")] = ""
    change: int | None = None
    summary: str = ""
    link: str = ""
    figures: dict[str, float] = {}


class DigestQuery(Struct, forbid_unknown_fields=True):
    """What the checks are about."""

    digest: str


class ChangesQuery(Struct, forbid_unknown_fields=True):
    """Which changes."""

    state: Literal["open", "any"] = "open"
    limit: shapes.Limit = 50
    cursor: str | None = None


class MoveQuery(Struct, forbid_unknown_fields=True):
    """Which move of a change, counted from 0."""

    move: int = 0


class GlassQuery(Struct, forbid_unknown_fields=True):
    """Whether to list what was reviewed as well."""

    reviewed: Literal["true", "false"] = "false"


class ChecksAnswer(Struct):
    """The last report of each check."""

    checks: list[CheckResult]


class GlassAnswer(Struct):
    """Releases that broke the glass."""

    releases: list[BrokenGlass]


def _list_policies(call: Call) -> Read:
    return Read(lambda v: PoliciesAnswer(list(policies.list_policies(v))))


def _show_policy(call: Call) -> Read:
    return Read(lambda v: policies.show_policy(v, call.path["policy"]))


def _set_policy(call: Call) -> Write:
    body: PolicyBody = call.body
    value = {"name": call.path["policy"], **body.policy}
    return Write(
        lambda w: policies.set_policy(w, value, reason=body.reason, if_revision=body.if_revision),
        PolicyInForce,
    )


def _delete_policy(call: Call) -> Write:
    name, reason = call.path["policy"], call.query.reason

    def delete(work: Any) -> shapes.Empty:
        policies.delete_policy(work, name, reason=reason)
        return shapes.Empty()

    return Write(delete)


def _test_policy(call: Call) -> Read:
    q: PolicyTestQuery = call.query
    selector, at = parse_selector(q.selector), micros_of(q.at)
    return Read(
        lambda v: reviewing.ask_policy(
            v, selector, who=q.who, at=at, version=q.version, reason=q.reason
        )
    )


def _list_changes(call: Call) -> Read:
    q: ChangesQuery = call.query
    return Read(
        lambda v: reviewing.listed(v, only_open=q.state == "open", limit=q.limit, cursor=q.cursor)
    )


def _propose(call: Call) -> Write:
    proposal = change_proposal(asdict(call.body) | _moves(call.body))
    return Write(lambda w: changes.propose(w, proposal), Change)


def _edit(call: Call) -> Write:
    given = asdict(call.body) | _moves(call.body)
    if_revision = given.pop("if_revision")
    proposal, number = change_proposal(given), _number(call)
    return Write(lambda w: changes.edit(w, number, proposal, if_revision=if_revision), Change)


def _moves(body: ChangeBody) -> dict[str, Any]:
    return {"moves": [asdict(one) for one in body.moves]}


def _show_change(call: Call) -> Read:
    number = _number(call)
    return Read(lambda v: reviewing.show(v, number))


def _diff_change(call: Call) -> Read:
    number, move = _number(call), call.query.move
    return Read(lambda v: reviewing.diff(v, number, move))


def _rebase(call: Call) -> Write:
    number = _number(call)
    return Write(lambda w: changes.rebase(w, number), Change)


def _say(call: Call) -> Write:
    number, body = _number(call), call.body
    return Write(lambda w: changes.say(w, number, body.said, body.note, basis=body.basis), Change)


def _comment(call: Call) -> Write:
    number, body = _number(call), call.body
    return Write(lambda w: changes.comment(w, number, body.text, body.answers), Change)


def _withdraw(call: Call) -> Write:
    number, note = _number(call), call.body.note
    return Write(lambda w: changes.withdraw(w, number, note), Change)


def _apply(call: Call) -> Write:
    number, body = _number(call), call.body
    return Write(
        lambda w: changes.apply(w, number, body.reason, break_glass=body.break_glass), Release
    )


def _number(call: Call) -> int:
    return whole(call.path["change"], "change")


def _report_check(call: Call) -> Write:
    given: CheckBody = call.body
    values = asdict(given)
    about = {name: values.pop(name) for name in ("digest", "selector", "change")}
    return Write(lambda w: checks.report_about(w, about, **values), CheckResult)


def _list_checks(call: Call) -> Read:
    digest = call.query.digest
    return Read(lambda v: ChecksAnswer(list(checks.checks_on(v, digest))))


def _list_glass(call: Call) -> Read:
    reviewed = call.query.reviewed == "true"
    return Read(lambda v: GlassAnswer(list(glass.list_broken_glass(v, reviewed=reviewed))))


def _review_glass(call: Call) -> Write:
    number, note = whole(call.path["release"], "release"), call.body.note
    return Write(lambda w: glass.review_broken_glass(w, number, note), BrokenGlass)


_C = "/changes/{change}"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/policies", "read", "List policies", _list_policies, PoliciesAnswer),
    Route("GET", "/policies/{policy}", "read", "Show a policy", _show_policy, PolicyInForce),
    Route("PUT", "/policies/{policy}", "admin", "Set a policy", _set_policy, PolicyInForce,
          body=PolicyBody),
    Route("DELETE", "/policies/{policy}", "admin", "Delete a policy", _delete_policy,
          shapes.Empty, query=shapes.WhyQuery),
    Route("GET", "/policy-test", "read", "Ask what a policy would say", _test_policy,
          PolicyAnswer, query=PolicyTestQuery),
    Route("GET", "/changes", "read", "List changes", _list_changes, Page[Change],
          query=ChangesQuery),
    Route("POST", "/changes", "propose", "Propose a change", _propose, Change, body=ChangeBody,
          status=lambda answer: 201),
    Route("GET", _C, "read", "Show a change", _show_change, Change),
    Route("PUT", _C, "propose", "Write a change anew", _edit, Change, body=EditBody),
    Route("GET", _C + "/diff", "read", "What a move of a change changes", _diff_change,
          ContentDiff, query=MoveQuery),
    Route("POST", _C + "/rebase", "propose", "Take the aliases as they are now", _rebase, Change,
          body=shapes.Nothing),
    Route("PUT", _C + "/opinion", "propose", "Approve a change, or object", _say, Change,
          body=OpinionBody),
    Route("POST", _C + "/comments", "propose", "Comment on a change", _comment, Change,
          body=CommentBody),
    Route("POST", _C + "/withdraw", "propose", "Withdraw a change", _withdraw, Change,
          body=NoteBody),
    Route("POST", _C + "/apply", "propose", "Apply a change", _apply, Release, body=ApplyBody),
    Route("GET", "/checks", "read", "List the checks on a digest", _list_checks, ChecksAnswer,
          query=DigestQuery),
    Route("POST", "/checks", "report", "Report a check", _report_check, CheckResult,
          body=CheckBody, status=lambda answer: 201),
    Route("GET", "/glass", "read", "List broken glass", _list_glass, GlassAnswer,
          query=GlassQuery),
    Route("POST", "/glass/{release}/review", "approve", "Review broken glass", _review_glass,
          BrokenGlass, body=NoteBody),
)  # fmt: skip
