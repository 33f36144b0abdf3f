"""Settings about policies: a form for every field, JSON for those who like it, and a tester."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from pointsman.app import policies, reviewing, searching
from pointsman.app.application import View
from pointsman.core.access import ROLES
from pointsman.core.changes import PolicyAnswer, PolicyInForce
from pointsman.core.patterns import ANY
from pointsman.core.policy import DAYS, EVALUATES, Policy, Who, governing
from pointsman.core.policy_fields import read_policy, write_policy
from pointsman.core.search import Query
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import micros
from pointsman.errors import InvalidInput, PointsmanError, StaleRevision
from pointsman.web.settings import at, local_time, shown
from pointsman.web.visit import Answer, Page, Visit, told
from pointsman.web.words import KINDS, lasting, listed

UNITS: Final = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
_FREEZE: Final = ("zone", "days", "start", "end", "note")
_LOOKED_AT, _SHOWN = 200, 12


def policies_page(visit: Visit) -> Answer:
    """The policies in force, the most specific first, and what they would say of a move."""
    answer, error = _tested(visit)

    def look(view: View) -> dict[str, Any]:
        found = policies.list_policies(view)
        return {"policies": [(one, list(_rules(read_policy(one.policy)))) for one in found]}

    asked = {name: visit.ask(name) for name in ("who", "selector", "version", "at")}
    asked["at"] = asked["at"] or local_time(visit.now, visit)
    return shown(
        visit, "settings_policies.html", "policies", look, answer=answer, asked=asked, refused=error
    )


def policy_page(visit: Visit) -> Answer:
    """One policy: what it asks, of which aliases, in a form that changes it; or a new one."""
    return _policy(visit)


def change_policy(visit: Visit) -> Answer:
    """Set the policy as the form says, or delete it."""
    name, reason = visit.path.get("policy", ""), visit.given("reason").strip()
    try:
        if visit.given("deed") == "delete":
            visit.do(lambda work: policies.delete_policy(work, name, reason=reason))
            return visit.go(at(visit, "policies"), f"The policy {name} is deleted.")
        value = _from_json(visit) if visit.given("deed") == "json" else _from_form(visit)
        revision = visit.number("revision")
        done = visit.do(
            lambda work: policies.set_policy(work, value, reason=reason, if_revision=revision)
        )
    except PointsmanError as error:
        return _policy(visit, error)
    return visit.go(at(visit, "policies"), f"The policy {done.policy['name']} is in force.")


def _policy(visit: Visit, error: PointsmanError | None = None) -> Answer:
    name = visit.path.get("policy", "")

    def look(view: View) -> dict[str, Any]:
        found = policies.show_policy(view, name) if name else None
        written = dict(found.policy) if found else {}
        policy = read_policy(written) if found else Policy("")
        return {
            "policy": found,
            "fields": _fields(visit) if error and visit.form else _shown_fields(policy),
            "text": visit.given("text") or json.dumps(written, indent=2, ensure_ascii=False),
            "governs": _governed(view, policy) if found else (),
            "revision": _revision(view, found, error),
        }

    return shown(
        visit,
        "settings_policy.html",
        "policies",
        look,
        error=error,
        stale=isinstance(error, StaleRevision),
        roles=ROLES,
        kinds=tuple(KINDS.items()),
        units=tuple(UNITS),
        evaluates=EVALUATES,
        days=DAYS,
        reason=visit.given("reason"),
    )


def _revision(view: View, found: PolicyInForce | None, error: PointsmanError | None) -> int:
    """The revision that the form is about: of a new policy's name only once it proved taken."""
    if found is not None:
        return found.revision
    current = error.details.get("current") if isinstance(error, StaleRevision) else None
    return int(current["revision"]) if current else 0


def _tested(visit: Visit) -> tuple[PolicyAnswer | None, dict[str, Any] | None]:
    """What the policies say of the move that is asked about."""
    text = visit.ask("selector").strip()
    if not text:
        return None, None
    try:
        selector, version, when = parse_selector(text), visit.number("version"), _moment(visit)
        who = visit.ask("who").strip()
        return (
            visit.see(
                lambda view: reviewing.ask_policy(view, selector, who=who, at=when, version=version)
            ),
            None,
        )
    except PointsmanError as error:
        return None, told(error)


def _moment(visit: Visit) -> int | None:
    text = visit.ask("at")
    if not text:
        return None
    try:
        return micros(datetime.fromisoformat(text).replace(tzinfo=visit.zone))
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            "This is no time.", hint="Write it like 2026-11-21T14:00.", field="at"
        ) from error


def _governed(view: View, policy: Policy) -> tuple[str, ...]:
    """Some aliases that it decides about: of those that are there, and not more specific ones."""
    exact = () if ANY in policy.aliases else (policy.aliases,)
    query = Query(kind=policy.kind or None, with_aliases=exact)
    every = policies.policies_of(view)
    found = [
        f"{one.name}@{alias.name}"
        for one in searching.search(view, query, limit=_LOOKED_AT).items
        for alias in one.aliases
        if policy.means(one.kind, one.name, alias.name)
        and governing(every, one.kind, one.name, alias.name)[0] == policy
    ]
    return tuple(found[:_SHOWN])


def _rules(policy: Policy) -> Iterator[str]:
    """What a policy asks, in sentences."""
    yield f"Moved by {policy.movers}."
    if policy.approvals:
        more = "approvals" if policy.approvals > 1 else "approval"
        own = ", their own included" if policy.self_approval else ""
        ends = (
            f", which count for {lasting(policy.approvals_expire)}"
            if policy.approvals_expire
            else ""
        )
        yield f"Needs {policy.approvals} {more} from {policy.approvers}{own}{ends}."
    if policy.checks:
        yield f"Needs the checks {listed(policy.checks)}."
    if policy.evaluate != "none":
        what = (
            "what moves" if policy.evaluate == "self" else "what moves and all that depends on it"
        )
        yield f"Evaluates {what}."
    if policy.reason:
        yield "Needs a reason" + (f" of {policy.reason} characters." if policy.reason > 1 else ".")
    if policy.cool_down:
        yield f"Rests {lasting(policy.cool_down)} between moves."
    if policy.freezes:
        yield f"Frozen in {len(policy.freezes)} window{'s' if len(policy.freezes) > 1 else ''}."
    if policy.rollback == "governed" and policy.demanding:
        yield "Rolling back waits for the same."


# Between a policy and the fields of its form


def _shown_fields(policy: Policy) -> dict[str, Any]:
    """A policy as the form's fields have it."""
    fields: dict[str, Any] = {
        "name": policy.name,
        "aliases": policy.aliases,
        "artifacts": policy.artifacts,
        "kind": policy.kind,
        "approvals": policy.approvals,
        "self_approval": "yes" if policy.self_approval else "",
        "checks": "\n".join(policy.checks),
        "evaluate": policy.evaluate,
        "suites": "\n".join(policy.suites),
        "without_suite": policy.without_suite,
        "reason_length": policy.reason,
        "rollback": policy.rollback,
        "freezes": [
            {**{part: getattr(one, part) for part in _FREEZE}, "days": " ".join(one.days)}
            for one in policy.freezes
        ],
    }
    for name in ("movers", "approvers", "reporters", "bypass"):
        fields |= _shown_who(name, getattr(policy, name))
    for name in ("cool_down", "approvals_expire"):
        seconds = getattr(policy, name)
        unit = next((one for one in reversed(UNITS) if seconds % UNITS[one] == 0), "seconds")
        fields |= {name: seconds // UNITS[unit], f"{name}_unit": unit}
    return fields


def _shown_who(name: str, who: Who) -> dict[str, Any]:
    return {
        f"{name}_role": min(who.roles, key=ROLES.index) if who.roles else "",
        f"{name}_people": "\n".join(who.people),
        f"{name}_groups": "\n".join(who.groups),
        f"{name}_owners": "yes" if who.owners else "",
    }


def _fields(visit: Visit) -> dict[str, Any]:
    """What was typed into the form."""
    fields: dict[str, Any] = {name: visit.given(name) for name in _shown_fields(Policy(""))}
    fields["name"] = visit.given("name") or visit.path.get("policy", "")
    fields["freezes"] = _freezes(visit)
    return fields


def _from_form(visit: Visit) -> dict[str, Any]:
    """The policy that the form spells, as people write it."""
    value: dict[str, Any] = {
        "name": visit.path.get("policy") or visit.given("name").strip(),
        "aliases": visit.given("aliases").strip(),
        "artifacts": visit.given("artifacts").strip(),
        "kind": visit.given("kind"),
        "approvals": _number(visit, "approvals"),
        "self_approval": visit.given("self_approval") == "yes",
        "checks": _lines(visit.given("checks")),
        "evaluate": visit.given("evaluate", "none"),
        "suites": _lines(visit.given("suites")),
        "without_suite": visit.given("without_suite", "block"),
        "reason": _number(visit, "reason_length", "reason"),
        "rollback": visit.given("rollback", "free"),
        "freezes": [{**one, "days": one["days"].split()} for one in _freezes(visit)],
    }
    for name in ("movers", "approvers", "reporters", "bypass"):
        role = visit.given(f"{name}_role")
        value[name] = {
            "roles": [role] if role else [],
            "people": _lines(visit.given(f"{name}_people")),
            "groups": _lines(visit.given(f"{name}_groups")),
            "owners": visit.given(f"{name}_owners") == "yes",
        }
    for name in ("cool_down", "approvals_expire"):
        value[name] = _number(visit, name) * UNITS.get(visit.given(f"{name}_unit"), 1)
    return write_policy(read_policy(value))


def _from_json(visit: Visit) -> Any:
    try:
        return json.loads(visit.given("text"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"This is no JSON: {error}.", field="text") from error


def _freezes(visit: Visit) -> list[dict[str, str]]:
    columns = [visit.form.get(f"freeze_{part}", ()) for part in _FREEZE]
    rows = [
        dict(zip(_FREEZE, (one.strip() for one in row), strict=True))
        for row in zip(*columns, strict=False)
    ]
    return [row for row in rows if any(row.values())]


def _lines(text: str) -> Sequence[str]:
    return [one.strip() for one in text.split("\n") if one.strip()]


def _number(visit: Visit, field: str, called: str = "") -> int:
    text = visit.given(field).strip() or "0"
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InvalidInput(
            "This is no whole number.", hint="Write 0 for none.", field=called or field
        )
    return int(text)


PAGES = (
    Page("GET", "/projects/{project}/settings/policies", policies_page),
    Page("GET", "/projects/{project}/settings/policy", policy_page),
    Page("POST", "/projects/{project}/settings/policy", change_policy),
    Page("GET", "/projects/{project}/settings/policies/{policy}", policy_page),
    Page("POST", "/projects/{project}/settings/policies/{policy}", change_policy),
)
