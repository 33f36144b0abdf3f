"""Dependencies of versions: recording them at publish, and composing what includes what.

Includes must never stop a read, whatever is moved later. So the graph of which artifact
(any version of it) includes which is kept free of cycles and shallow at publish, and moves
that would change the shape of what is included are refused at the door.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import get_args

from pointsman.app.application import View, Work
from pointsman.app.ports import AliasRow, ArtifactRow, DependencyRow, VersionRow
from pointsman.core.composition import Composition, check_includes, compose
from pointsman.core.composition import Included as Ingredient
from pointsman.core.content import PromptContent, restore_prompt
from pointsman.core.contents import Content
from pointsman.core.releases import target_from_plain
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.variables import suggestion
from pointsman.core.vocabulary import Dependency, Included, Relation
from pointsman.errors import Conflict, Gone, InvalidContent, InvalidInput, NotFound, TooLarge

MAX_DEPENDENCIES = 200
_Wanted = dict[tuple[Relation, str, str], Selector]
"""What each relation, selector and variable means."""


def dependency_rows(
    work: Work,
    artifact: ArtifactRow,
    number: int,
    content: Content,
    declared: Sequence[Dependency],
) -> list[DependencyRow]:
    """The dependencies of a version about to be published: found in its content, and declared.

    Raises `NotFound` if one does not exist, `InvalidContent` for a cycle or too deep a chain,
    and `InvalidInput` for a variable that the template does not have.
    """
    wanted = _wanted(content, declared)
    if len(wanted) > MAX_DEPENDENCIES:
        raise TooLarge(
            f"The version has {len(wanted)} dependencies.",
            hint=f"At most {MAX_DEPENDENCIES} are kept.",
            field="dependencies",
        )
    rows = []
    for position, ((relation, text, variable), selector) in enumerate(wanted.items()):
        target = _existing(work, selector)
        rows.append(
            DependencyRow(
                artifact.id,
                number,
                position,
                relation,
                text,
                target.id,
                selector.alias,
                selector.version,
                variable or None,
            )
        )
    included = {row.target_id for row in rows if row.relation == "includes"}
    if included:
        _check_graph(work, artifact, included)
        assert isinstance(content, PromptContent)
        # This raises if it can't be put together as things stand.
        composition, _ = compose_content(work, content, f"{artifact.name}:{number}")
        content = composition.content
    _check_variables(artifact.kind, content, [row.variable for row in rows if row.variable])
    return rows


def plain_dependency(row: DependencyRow) -> list[str]:
    """A dependency as the journal tells it: relation, selector, and the variable if there is one.

    Two elements where there is none, as before there were variables: old entries keep their hash.
    """
    told = [row.relation, row.selector]
    return [*told, row.variable] if row.variable else told


def check_shape_kept(work: Work, artifact: ArtifactRow, shape: str | None) -> None:
    """Raise `InvalidContent` if prompts include the newest version and this one would not fit."""
    if shape is None or not artifact.newest:
        return
    before = work.tx.version(artifact.id, artifact.newest)
    if before is None or before.shape == shape:
        return
    users = [
        f"{row.name}:{row.number}"
        for row in work.tx.includers(artifact.id)
        if row.live and row.target_alias is None and row.target_version is None
    ]
    if users:
        raise InvalidContent(
            f"{artifact.name} can't change from {before.shape} to {shape}: "
            f"{', '.join(users[:5])} include its newest version.",
            code="shape_changed",
            hint="Keep the format and its being text or chat, or publish under another name.",
            field="content",
        )


def check_not_included(work: Work, artifact: ArtifactRow, number: int) -> None:
    """Raise `Conflict` if a prompt in use includes this very version."""
    aliases = {
        row.name
        for row in work.tx.aliases(artifact.id)
        if row.target is not None and number in row.target.versions
    }
    users = [
        f"{row.name}:{row.number}"
        for row in work.tx.includers(artifact.id)
        if row.live
        and (
            row.target_version == number
            or row.target_alias in aliases
            or (
                row.target_alias is None
                and row.target_version is None
                and artifact.newest == number
            )
        )
    ]
    if users:
        raise Conflict(
            f"{artifact.name}:{number} is included by {', '.join(users[:5])}.",
            code="included_elsewhere",
            hint="Publish versions that do without it, and move their aliases there first.",
        )


def compose_content(
    view: View, content: PromptContent, label: str, at: int | None = None
) -> tuple[Composition[Included], set[int]]:
    """The content with its includes put in, and the artifacts that it is made of.

    `label` names the version whose content it is, for the path in an error's message.
    """
    touched: set[int] = set()

    def fetch(selector: Selector) -> Ingredient[Included]:
        artifact = view.artifact(selector.kind, selector.name)
        touched.add(artifact.id)
        version, alias = find_version(view, artifact, selector, at)
        body = view.reader.content(artifact.id, version.number)
        if body is None:
            raise Gone(
                f"The content of {artifact.name}:{version.number} was removed.",
                code="tombstoned",
            )
        origin = Included(
            selector=str(selector),
            name=artifact.name,
            version=version.number,
            digest=version.digest,
            alias=selector.alias,
            revision=alias.revision if alias else None,
        )
        child = restore_prompt(json.loads(body))
        return Ingredient(f"{artifact.name}:{version.number}", child, origin)

    return compose(content, fetch, label=label), touched


def find_version(
    view: View, artifact: ArtifactRow, selector: Selector, at: int | None, key: str = ""
) -> tuple[VersionRow, AliasRow | None]:
    """The version that a selector means now, or meant at a moment, and the alias it went by.

    Raises `NotFound`. A tombstoned version is found; its content is not.
    """
    reader = view.reader
    alias: AliasRow | None = None
    number = selector.version
    if selector.alias is not None:
        alias = _alias(view, artifact, selector.alias, at)
        assert alias.target is not None
        number = alias.target.pick(key, f"{artifact.kind}:{artifact.name}@{alias.name}")
    if number is None:
        number = artifact.newest
        if at is not None:
            newest = reader.version_at(artifact.id, at)
            number = newest.number if newest else 0
    row = reader.version(artifact.id, number)
    if row is None or (at is not None and row.created_at > at):
        if number == 0:
            raise NotFound(
                f"{artifact.name} has no version{' yet' if at is None else ' at that time'}.",
                code="version_not_found",
                field="selector",
            )
        raise NotFound(
            f"{artifact.name} has no version {number}{'' if at is None else ' at that time'}.",
            code="version_not_found",
            hint=f"Its newest version is {artifact.newest}.",
            field="selector",
        )
    return row, alias


def _moved_by(view: View, artifact: ArtifactRow, alias: str, at: int) -> AliasRow | None:
    """The alias as its last move at or before a moment left it; None if it never was by then."""
    line = view.reader.alias_line_at(artifact.id, alias, at)
    if line is None:
        return None
    fact = json.loads(line.data)
    return AliasRow(
        artifact_id=artifact.id,
        name=alias,
        target=target_from_plain(fact["to"]),
        revision=fact["revision"],
        release=fact["release"],
        moved_at=line.at,
        moved_by=line.by,
        reason=fact["reason"],
    )


def _alias(view: View, artifact: ArtifactRow, name: str, at: int | None) -> AliasRow:
    row = (
        view.reader.alias(artifact.id, name) if at is None else _moved_by(view, artifact, name, at)
    )
    if row is None or row.target is None:
        existing = [one.name for one in view.reader.aliases(artifact.id) if one.target]
        known = f"It has {', '.join(existing[:10])}." if existing else "It has none yet."
        raise NotFound(
            f"{artifact.name} has no alias {name!r}{'' if at is None else ' at that time'}.",
            code="alias_not_found",
            hint=known if at is None else "",
            field="selector",
        )
    return row


def _wanted(content: Content, declared: Sequence[Dependency]) -> _Wanted:
    """The dependencies in the content and those declared, each once."""
    wanted: _Wanted = {}
    for selector in content.includes:
        wanted["includes", str(selector), ""] = selector
    for selector in content.uses:
        wanted["uses", str(selector), ""] = selector
    taken: dict[str, str] = {}
    for one in declared:
        if one.relation not in get_args(Relation):
            raise InvalidInput(
                f"{one.relation!r} is not a relation.",
                code="invalid_relation",
                hint="Use consumes or uses; includes are found in the template.",
                field="dependencies",
            )
        selector = parse_selector(one.selector)
        text = str(selector)
        if one.relation == "includes" and ("includes", text, "") not in wanted:
            raise InvalidInput(
                f"The template does not include {one.selector}.",
                code="invalid_relation",
                hint="Includes are found in the template; leave them out here.",
                field="dependencies",
            )
        if one.variable:
            _check_taken(one, text, taken)
        wanted[one.relation, text, one.variable] = selector
    for relation, text, variable in list(wanted):
        # Said without a variable as well, it says nothing more.
        if variable:
            wanted.pop((relation, text, ""), None)
    return wanted


def _check_taken(one: Dependency, text: str, taken: dict[str, str]) -> None:
    """Raise `InvalidInput` unless this may fill its variable, and nothing else does."""
    if one.relation != "consumes":
        raise InvalidInput(
            f"{one.relation} {one.selector} names the variable {one.variable!r}.",
            code="invalid_variable",
            hint="Only what is consumed fills a variable; leave it out, or write consumes.",
            field="dependencies",
        )
    other = taken.setdefault(one.variable, text)
    if other != text:
        raise InvalidInput(
            f"The variable {one.variable!r} would take the output of both {other} and {text}.",
            code="invalid_variable",
            hint="Give each of them a variable of its own.",
            field="dependencies",
        )


def _check_variables(kind: str, content: Content, variables: Sequence[str]) -> None:
    """Raise `InvalidInput` unless the template, with what it includes, has these variables."""
    if not variables:
        return
    if not isinstance(content, PromptContent):
        raise InvalidInput(
            f"A {kind} has no template, so nothing fills the variable {variables[0]!r}.",
            code="invalid_variable",
            hint="Leave the variable out.",
            field="dependencies",
        )
    known = [one.name for one in content.compiled.variables]
    for name in variables:
        if name not in known:
            has = f"It has {', '.join(known)}." if known else "It has none."
            raise InvalidInput(
                f"The template has no variable {name!r} to take the output.",
                code="invalid_variable",
                hint=suggestion(name, known) or has,
                field="dependencies",
            )


def _existing(work: Work, selector: Selector) -> ArtifactRow:
    try:
        artifact = work.artifact(selector.kind, selector.name)
        find_version(work, artifact, selector, None)
    except NotFound as error:
        error.hint = f"The version depends on {selector}: publish that first."
        error.field = "content"
        raise
    return artifact


def _check_graph(work: Work, artifact: ArtifactRow, included: set[int]) -> None:
    """Raise `InvalidContent` if including these closes a cycle or makes too deep a chain."""
    graph: dict[int, set[int]] = {}
    names: dict[int, str] = {artifact.id: artifact.name}
    for step in (work.tx.included_artifacts, work.tx.including_artifacts):
        down = step == work.tx.included_artifacts
        waiting = [*included, artifact.id]
        seen: set[int] = set()
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            for other in step(node):
                parent, child = (node, other) if down else (other, node)
                graph.setdefault(parent, set()).add(child)
                waiting.append(other)

    def name(node: int) -> str:
        if node not in names:
            row = work.tx.artifact_by_id(node)
            names[node] = row.name if row else str(node)
        return names[node]

    for node in {artifact.id, *included, *graph, *(c for cs in graph.values() for c in cs)}:
        name(node)
    check_includes(
        {names[parent]: {names[child] for child in children} for parent, children in graph.items()},
        artifact.name,
        {names[one] for one in included},
    )
