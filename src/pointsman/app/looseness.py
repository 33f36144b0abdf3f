"""What others could change without as much being asked: the loose ends of a gate.

A policy that asks for approvals, checks or evaluations is worth what it binds. What a target
includes, and the suites, rows and judges that it is evaluated by, must therefore be pinned, or
go by an alias of which as much is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pointsman.app.application import View
from pointsman.app.closure import closure_of
from pointsman.app.evaluating.plans import Wanted
from pointsman.app.policies import policies_of
from pointsman.app.ports import ArtifactRow
from pointsman.core.making import split_label
from pointsman.core.policy import Policy, asks_as_much, governing
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import Target


def loose_parts(
    view: View, policy: Policy, artifact: ArtifactRow, to: Target | None
) -> Iterator[str]:
    """What the target includes in a way that others may change; with evaluations, what it
    takes the output of as well.
    """
    if not policy.asks_for_evidence:
        return
    closure = closure_of(view, artifact.id, to)
    for row in [*closure.included, *(closure.consumed if policy.evaluate != "none" else [])]:
        child = view.reader.artifact_by_id(row.target_id)
        if row.target_version is None and (
            child is None or _is_loose(view, policy, child.kind, child.name, row.target_alias)
        ):
            yield row.selector


def loose_suites(view: View, policy: Policy, wanted: Sequence[Wanted]) -> Iterator[str]:
    """What decides the evaluations that count, in a way that others may change."""
    met: set[str] = set()
    for one in wanted:
        if one.orders is None or one.orders.suite in met:
            continue
        met.add(one.orders.suite)
        kind, name, number = split_label(one.orders.suite)
        if not policy.suites and _is_loose(view, policy, kind, name, one.requirement.alias):
            yield f"suite:{name}@{one.requirement.alias}"
        artifact = view.reader.artifact(view.project.id, kind, name)
        rows = [] if artifact is None else view.reader.dependencies(artifact.id, number)
        for row in rows:
            if _follows(view, policy, parse_selector(row.selector)):
                yield row.selector
        for judge in one.orders.judges.values():
            kind, name, number = split_label(judge.root)
            prompt = view.reader.artifact(view.project.id, kind, name)
            if prompt is not None:
                yield from loose_parts(view, policy, prompt, Target(version=number))
    for text in policy.suites:
        if _follows(view, policy, parse_selector(text, kind="suite")):
            yield text


def _follows(view: View, policy: Policy, selector: Selector) -> bool:
    if selector.version is not None:
        return False
    return _is_loose(view, policy, selector.kind, selector.name, selector.alias)


def _is_loose(view: View, policy: Policy, kind: str, name: str, alias: str | None) -> bool:
    """Whether less is asked of this alias than of what the policy governs."""
    if alias is None:
        return True
    watched, _ = governing(policies_of(view), kind, name, alias)
    return not asks_as_much(watched, policy, kind)
