"""Policies: setting them, finding the one that governs, asking what it would say."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from pointsman.app import people
from pointsman.app.application import View, Work
from pointsman.app.ports.governance import PolicyRow
from pointsman.core.access import Actor
from pointsman.core.canonical import canonical_json
from pointsman.core.changes import PolicyInForce
from pointsman.core.policy import Policy, Who
from pointsman.core.policy_fields import read_policy, write_policy
from pointsman.errors import InvalidInput, NotFound, StaleRevision

PRODUCTION = Policy("production", aliases="production", reason=1)
"""What a project has until it sets a policy of this name, or for the very same aliases: moving
production needs a reason."""
MAX_POLICIES = 200


def policies_of(view: View) -> list[Policy]:
    """The policies in force, the built-in one included unless it was replaced."""
    if view.policies is None:
        rows = view.reader.policies(view.project.id)
        found = [_read(row.body) for row in rows if row.body is not None]
        if not any(map(_replaces_built_in, found)):
            found.append(PRODUCTION)
        view.policies = found
    return view.policies


def list_policies(view: View) -> tuple[PolicyInForce, ...]:
    """The policies in force as people write them, each with its revision and last author."""
    view.require("read")
    rows = {row.name: row for row in view.reader.policies(view.project.id)}
    return tuple(
        _told(one, rows.get(one.name))
        for one in sorted(policies_of(view), key=lambda one: one.rank, reverse=True)
    )


def show_policy(view: View, name: str) -> PolicyInForce:
    """One policy. Raises `NotFound`."""
    for one in list_policies(view):
        if one.policy["name"] == name:
            return one
    raise _no_policy(name)


def set_policy(
    work: Work, value: Any, *, reason: str = "", if_revision: int | None = None
) -> PolicyInForce:
    """Make a policy, or replace the one of its name. Open changes are judged by it from now on.

    Raises `Refused` (admins only), `InvalidInput` (a field is wrong, or nobody could satisfy
    it), `StaleRevision`.
    """
    work.require_all("admin")
    policy = read_policy(value)
    row = work.tx.policy(work.project.id, policy.name)
    _check_revision(policy.name, row, if_revision)
    if row is None and len(work.tx.policies(work.project.id)) >= MAX_POLICIES:
        raise InvalidInput(
            f"There are {MAX_POLICIES} policies already.",
            code="too_many_policies",
            hint="Delete some, or use patterns that mean more than one alias.",
        )
    _check_satisfiable(work, policy)
    body = canonical_json(write_policy(policy))
    if row is not None and row.body == body:
        return _told(policy, row)
    fact: dict[str, Any] = {"policy": policy.name, "body": json.loads(body), "reason": reason}
    if row is not None and row.body is not None:
        fact["before"] = json.loads(row.body)
    line = work.record("policy.set", fact)
    made = PolicyRow(policy.name, body, (row.revision if row else 0) + 1, line.at, work.actor.name)
    work.tx.put_policy(work.project.id, made)
    work.policies = None
    return _told(policy, made)


def delete_policy(work: Work, name: str, *, reason: str = "") -> None:
    """Delete a policy; the built-in one of `production` comes back if it was replaced.

    Raises `NotFound` or `Refused`.
    """
    work.require_all("admin")
    row = work.tx.policy(work.project.id, name)
    if row is None or row.body is None:
        raise _no_policy(name)
    fact = {"policy": name, "before": json.loads(row.body), "reason": reason}
    line = work.record("policy.deleted", fact)
    work.tx.put_policy(
        work.project.id, PolicyRow(name, None, row.revision + 1, line.at, work.actor.name)
    )
    work.policies = None


def asks_for_owners(policy: Policy) -> bool:
    """Whether the owners of an artifact matter to it."""
    return policy.movers.owners or policy.approvers.owners or policy.bypass.owners


def _replaces_built_in(policy: Policy) -> bool:
    """Whether it has the built-in policy's name, or is for the same: its author's word counts."""
    same = policy.aliases, policy.artifacts, policy.kind
    return policy.name == PRODUCTION.name or same == (
        PRODUCTION.aliases,
        PRODUCTION.artifacts,
        PRODUCTION.kind,
    )


@lru_cache(1_024)
def _read(body: str) -> Policy:
    return read_policy(json.loads(body))


def _told(policy: Policy, row: PolicyRow | None) -> PolicyInForce:
    return PolicyInForce(
        policy=write_policy(policy),
        revision=row.revision if row else 0,
        updated_by=row.updated_by if row else "built in",
        hint=_advice(policy),
    )


def _advice(policy: Policy) -> str:
    if policy.approvals or policy.name != PRODUCTION.name:
        return ""
    return (
        "Moves need a reason and no approval. Once there are two people: set approvals to 1, "
        "and somebody else has to agree before production moves."
    )


def _check_revision(name: str, row: PolicyRow | None, if_revision: int | None) -> None:
    now = row.revision if row else 0
    if if_revision is not None and if_revision != now:
        raise StaleRevision(
            f"The policy {name!r} is at revision {now}, not {if_revision}.",
            hint="Look at it as it is now, then try again.",
            field="if_revision",
            details={"current": {"revision": now}},
        )


def _check_satisfiable(work: Work, policy: Policy) -> None:
    """Refuse a policy under which nothing could ever move."""
    everybody = people.people_of(work.reader, work.project.id)
    able = [one for one in everybody if _meant(policy.approvers, one, policy)]
    if policy.approvals and not policy.approvers.owners:
        # Whoever proposes can't approve: somebody else, or a service, has to be there for it.
        others = len(everybody) - policy.approvals + _services(work)
        if len(able) < policy.approvals or (not policy.self_approval and others < 1):
            raise InvalidInput(
                f"Nobody could satisfy this policy: it asks for {policy.approvals} approvals "
                f"from {policy.approvers}, and {len(able)} of {len(everybody)} people are that.",
                code="unsatisfiable_policy",
                hint="Invite more people, give them the role, or ask for fewer approvals.",
                field="approvals",
            )
    if policy.movers == Who():
        raise InvalidInput(
            "Nobody could satisfy this policy: it lets nobody move the alias.",
            code="unsatisfiable_policy",
            hint="Name at least one role, person or group in movers.",
            field="movers",
        )


def _services(work: Work) -> int:
    """How many keys of services could propose a change."""
    return sum(
        row.owner is None and row.revoked_at is None and row.role != "viewer"
        for row in work.tx.keys(work.project.id)
    )


def _meant(who: Who, actor: Actor, policy: Policy) -> bool:
    exact = policy.artifacts if "*" not in policy.artifacts else ""
    return who.includes(actor, policy.kind or "prompt", exact, frozenset())


def _no_policy(name: str) -> NotFound:
    return NotFound(
        f"There is no policy {name!r}.", code="policy_not_found", hint="List them.", field="name"
    )
