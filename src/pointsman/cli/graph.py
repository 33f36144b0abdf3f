"""`pointsman graph`: what depends on what, as a tree, a list, DOT or JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import place_of
from pointsman.cli.output import Output, visible
from pointsman.cli.pages import page_options
from pointsman.cli.times import MOMENT

if TYPE_CHECKING:
    from pointsman.core.graph_answers import Graph, GraphNode, GraphProblems, Link

_MOST = 1_000
_Below = Callable[[str], Iterable[tuple[str, str | None]]]
"""What is drawn below a node: a text for each, and the node to go on with, if there is one."""


@click.command("graph", short_help="What depends on what, and what a move affects.")
@click.argument("selector", metavar="[NAME]", default="")
@click.option(
    "--alias", default="production", show_default=True, help="The alias whose world is looked at."
)
@click.option("--at", type=MOMENT, help="As of this moment.")
@click.option("--upstream", "way", flag_value="upstream", help="What it depends on: the default.")
@click.option("--downstream", "way", flag_value="downstream", help="What depends on it.")
@click.option("--affected", "way", flag_value="affected", help="What moving the alias affects.")
@click.option("--problems", "way", flag_value="problems", help="Cycles, and what leads nowhere.")
@click.option("--depth", type=click.IntRange(1), help="How many levels up or down; else all.")
@click.option("--dot", is_flag=True, help="As DOT, which Graphviz draws.")
@page_options
@with_registry()
def graph_command(
    *,
    registry: Registry,
    out: Output,
    selector: str,
    alias: str,
    at: datetime | None,
    way: str | None,
    depth: int | None,
    dot: bool,
    limit: int,
    cursor: str | None,
    everything: bool,
) -> None:
    """Show what NAME depends on in the world of an alias; without NAME, the whole graph.

    In the world of an alias, an artifact stands by that alias if it has it, or else by its other
    ones. NAME may name the alias, or the version to begin at.

    \b
    Examples:
      pointsman graph support/reply
      pointsman graph support/classify@staging --affected
      pointsman graph --dot | dot -Tsvg > graph.svg
    """
    _check(selector, way, depth, dot=dot)
    if way == "problems":
        _tell_problems(out, registry.graph_problems(alias=alias, at=at))
        return
    if way == "affected":
        found = registry.affected(_with_alias(selector, alias), at=at)
        nodes = {node.id: node for node in (*found.moved, *found.affected, *found.through)}
        answer: Any = found
        alias, hidden, cursor = found.alias, found.hidden, None
    else:
        if selector:
            ask = registry.downstream if way == "downstream" else registry.upstream
            graph = ask(selector, alias=alias, at=at, depth=depth)
        else:
            graph = _whole(registry, alias, at, limit, cursor, everything=everything or dot)
        nodes = {node.id: node for node in graph.nodes}
        answer = graph
        alias, hidden, cursor = graph.alias, graph.hidden, graph.cursor
    if out.as_json:
        out.data(answer)
        return
    if dot:
        out.raw("".join(f"{line}\n" for line in _dot(alias, nodes)))
    elif not selector:
        _tell_list(out, nodes)
    elif way in ("downstream", "affected"):
        _draw(out, nodes, _above(nodes))
    else:
        _draw(out, nodes, _needed(nodes))
    if way == "affected" and not dot:
        out.note(_counted(len(answer.affected), "node is affected.", "nodes are affected."))
    if hidden:
        out.note(_counted(hidden, "node is", "nodes are") + " left out: you may not read them.")
    if cursor is not None:
        out.note(f"There is more: --cursor {cursor}, or --all.")


def _check(selector: str, way: str | None, depth: int | None, *, dot: bool) -> None:
    if way in ("upstream", "downstream", "affected") and not selector:
        raise click.UsageError(f"--{way} needs the NAME of an artifact.")
    if way == "problems" and (selector or dot):
        raise click.UsageError(
            "--problems is about the whole graph: it goes without NAME and --dot."
        )
    if depth is not None and (way in ("affected", "problems") or not selector):
        raise click.UsageError("--depth goes with a NAME, and with --upstream or --downstream.")


def _with_alias(text: str, alias: str) -> str:
    from pointsman.core.selectors import parse_selector

    selector = parse_selector(text)
    if selector.version is not None:
        raise click.UsageError(f"{text!r} names a version, and only aliases move.")
    return str(selector if selector.alias is not None else replace(selector, alias=alias))


def _whole(
    registry: Registry,
    alias: str,
    at: datetime | None,
    limit: int,
    cursor: str | None,
    *,
    everything: bool,
) -> Graph:
    most = _MOST if everything else limit
    graph = registry.graph(alias=alias, at=at, limit=most, cursor=cursor)
    nodes, hidden = list(graph.nodes), graph.hidden
    while everything and graph.cursor is not None:
        graph = registry.graph(alias=alias, at=at, limit=most, cursor=graph.cursor)
        nodes += graph.nodes
        hidden += graph.hidden
    return replace(graph, nodes=tuple(nodes), hidden=hidden)


# Trees


def _needed(nodes: Mapping[str, GraphNode]) -> _Below:
    """Below a node: what it depends on."""

    def below(name: str) -> Iterator[tuple[str, str | None]]:
        for link in nodes[name].links:
            if not link.to:
                yield f"{_told_link(link)}: {link.trouble or 'hidden'}", None
            for to in link.to:
                there = f" → {_title(nodes[to])}" if to in nodes else ""
                trouble = f", {link.trouble}" if link.trouble else ""
                yield f"{_told_link(link)}{there}{trouble}", to if to in nodes else None

    return below


def _above(nodes: Mapping[str, GraphNode]) -> _Below:
    """Below a node: what depends on it. Who can't be placed comes below the first one."""
    first = next(iter(nodes), "")
    users: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    for name, node in nodes.items():
        placed = False
        for link in node.links:
            for to in link.to:
                if to in nodes:
                    users[to].append((f"{_title(node)} {_told_link(link)}", name))
                    placed = True
        if not placed and name != first and node.links:
            users[first].append((f"{_title(node)} {_told_link(node.links[0])}", name))
    return lambda name: users[name]


def _draw(out: Output, nodes: Mapping[str, GraphNode], below: _Below) -> None:
    roots = [name for name, node in nodes.items() if node.level == 0]
    lines = list(_lines([(_title(nodes[name]), name) for name in roots], below))
    if not out.terminal:
        for depth, text in lines:
            out.line("  " * depth + text)
        return
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    console = Console(no_color=not out.colours, highlight=False, markup=False, emoji=False)
    open_trees: list[Tree] = []
    trees: list[Tree] = []
    for depth, text in lines:
        shown = Text(visible(text))
        if depth == 0:
            open_trees = [Tree(shown, guide_style="dim")]
            trees += open_trees
        else:
            del open_trees[depth:]
            open_trees.append(open_trees[-1].add(shown))
    for tree in trees:
        console.print(tree)


def _lines(roots: list[tuple[str, str]], below: _Below) -> Iterator[tuple[int, str]]:
    """The lines of the trees with their depths; what was drawn before is not drawn again."""
    drawn: set[str] = set()
    stack: list[tuple[int, str, str | None]] = [(0, *root) for root in reversed(roots)]
    while stack:
        depth, text, name = stack.pop()
        if name is None or name not in drawn:
            yield depth, text
        else:
            known = any(True for _ in below(name))
            yield depth, f"{text} (see above)" if known else text
            continue
        if name is not None:
            drawn.add(name)
            stack += [(depth + 1, *one) for one in reversed(list(below(name)))]


def _title(node: GraphNode) -> str:
    """``support/reply@production (version 3)``."""
    place = place_of(node.kind, node.name)
    if node.alias is None:
        return ", ".join(f"{place}:{number}" for number in node.versions)
    return f"{place}@{node.alias} ({_versions(node)})"


def _versions(node: GraphNode) -> str:
    if not node.versions:
        return "no version yet"
    word = "version" if len(node.versions) == 1 else "versions"
    return f"{word} {', '.join(map(str, node.versions))}"


def _told_link(link: Link) -> str:
    return f"{link.relation} {link.selector}" + (f" as {link.variable}" if link.variable else "")


# Lists


def _tell_list(out: Output, nodes: Mapping[str, GraphNode]) -> None:
    rows = []
    for node in nodes.values():
        needs = (
            _told_link(link) + (f" ({link.trouble})" if link.trouble else "") for link in node.links
        )
        place = place_of(node.kind, node.name)
        where = place if node.alias is None else f"{place}@{node.alias}"
        rows.append((where, ", ".join(map(str, node.versions)), ", ".join(dict.fromkeys(needs))))
    out.table(("NODE", "VERSION", "DEPENDS ON"), rows)


def _tell_problems(out: Output, found: GraphProblems) -> None:
    if out.as_json:
        out.data(found)
        return
    for ring in found.cycles:
        out.line(f"In a circle: {', '.join(name.removeprefix('prompt:') for name in ring)}.")
    for end in found.dead_ends:
        who = end.id.removeprefix("prompt:")
        out.line(f"{who} (version {end.link.version}) {_told_link(end.link)}: {end.link.trouble}.")
    if found.count > len(found.dead_ends):
        out.note(f"{found.count - len(found.dead_ends)} more lead nowhere.")
    if found.hidden:
        out.note(
            _counted(found.hidden, "more concerns", "more concern") + " what you may not read."
        )
    if not (found.cycles or found.dead_ends or found.hidden):
        out.line("Nothing goes round in a circle, and nothing leads nowhere.")


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


# DOT


def _dot(alias: str, nodes: Mapping[str, GraphNode]) -> Iterator[str]:
    """The graph in the language of Graphviz. Edges lead from what depends to what it needs."""
    yield f"digraph {_quoted(alias)} {{"
    yield "  rankdir=LR;"
    yield "  node [shape=box];"
    for node in nodes.values():
        place = place_of(node.kind, node.name)
        head = place if node.alias is None else f"{place}@{node.alias}"
        label = _quoted(f"{head}\n{_versions(node)}")
        yield f"  {_quoted(node.id)} [label={label}];"
    edges: dict[str, None] = {}
    for node in nodes.values():
        for link in node.links:
            label = f"{link.relation} as {link.variable}" if link.variable else link.relation
            style = ", style=dashed" if link.trouble else ""
            for to in link.to or (f"{link.selector} ({link.trouble or 'hidden'})",):
                arrow = f"  {_quoted(node.id)} -> {_quoted(to)}"
                edges[f"{arrow} [label={_quoted(label)}{style}];"] = None
    yield from edges
    yield "}"


def _quoted(text: str) -> str:
    """A text as DOT has it between quotes: nothing in it ends the quotes or is a code."""
    safe = visible(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{safe}"'
