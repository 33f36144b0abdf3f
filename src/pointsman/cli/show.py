"""`pointsman show`: one version, with all that is known of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import place_of
from pointsman.cli.output import Output
from pointsman.cli.times import exactly, said
from pointsman.errors import Gone, PointsmanError

if TYPE_CHECKING:
    from pointsman.core.vocabulary import Alias, Dependency, Version


@click.command("show", short_help="One version, with all that is known of it.")
@click.argument("selector")
@click.option("--raw", is_flag=True, help="The template alone (its JSON, if it is a chat).")
@click.option("--prompt", "as_file", is_flag=True, help="As a .prompt file.")
@click.option("--composed", is_flag=True, help="With everything that is included put in.")
@with_registry()
def show_command(
    *, registry: Registry, out: Output, selector: str, raw: bool, as_file: bool, composed: bool
) -> None:
    """Show the version that SELECTOR means.

    \b
    Selectors:
      support/reply               the newest version
      support/reply@production    what an alias points to
      support/reply:7             version 7
      model:churn@champion        another kind than a prompt
    """
    if sum((raw, as_file, out.as_json)) > 1:
        raise click.UsageError("--raw, --prompt and --json exclude each other.")
    version = registry.version(selector)
    content = version.content
    if composed:
        content = registry.resolve(
            f"{place_of(version.kind, version.name)}:{version.number}"
        ).content
    if out.as_json:
        from pointsman.core.plain import to_plain

        out.data({**to_plain(version), "content": content})
        return
    if raw or as_file:
        _show_content(out, version, content, as_file=as_file)
        return
    out.line(f"{place_of(version.kind, version.name)}:{version.number}", bold=True)
    facts = _facts(version, _alias(registry, version, selector))
    settings = _settings(content) if version.kind == "prompt" and content is not None else []
    out.fields([*facts, *settings])
    if content is not None:
        out.line()
        _show_text(out, version.kind, content)


def _show_content(out: Output, version: Version, content: Any, *, as_file: bool) -> None:
    if content is None:
        raise _gone(version)
    if as_file:
        if version.kind != "prompt":
            raise click.UsageError(f"{version.name} is a {version.kind}: use --json.")
        from pointsman.cli.promptfile import write_prompt_file

        out.raw(write_prompt_file(content))
        return
    template = content.get("template", content) if version.kind == "prompt" else content
    if isinstance(template, str):
        out.raw(template)
    else:
        out.raw(json.dumps(template, ensure_ascii=False, indent=2) + "\n")


def _facts(version: Version, alias: Alias | None) -> list[tuple[str, str]]:
    removed = ""
    if stone := version.tombstone:
        removed = f"{exactly(stone.at)} by {stone.by}: {stone.reason}"
    return [
        ("message", version.message),
        ("author", f"{version.author}, {exactly(version.created_at)}"),
        ("digest", version.digest),
        ("aliases", ", ".join(version.aliases)),
        ("tags", ", ".join(f"{key}={value}" for key, value in version.tags.items())),
        ("depends on", ", ".join(_told_dependency(one) for one in version.dependencies)),
        ("moved here", _told_alias(alias) if alias else ""),
        ("removed", removed),
    ]


def _told_dependency(one: Dependency) -> str:
    return f"{one.relation} {one.selector}" + (f" as {one.variable}" if one.variable else "")


def _told_alias(alias: Alias) -> str:
    why = f": {alias.reason}" if alias.reason else ""
    split = f", a {alias.target}" if alias.target.split else ""
    return (
        f"{alias.name}{split}, {said(alias.moved_at)} by {alias.moved_by}{why} "
        f"(revision {alias.revision}, release {alias.release})"
    )


def _settings(content: Any) -> list[tuple[str, str]]:
    return [
        ("format", content.get("format", "")),
        ("variables", _variables(content)),
        ("model", _compact(content.get("model"))),
        ("tools", _tools(content.get("tools", []))),
        ("response", _compact(content.get("response_format"))),
        ("config", _compact(content.get("config"))),
    ]


def _show_text(out: Output, kind: str, content: Any) -> None:
    template = content["template"] if kind == "prompt" else content
    if isinstance(template, str):
        out.line(template)
    elif kind == "prompt":
        for entry in template:
            _show_entry(out, entry)
    else:
        out.line(json.dumps(content, ensure_ascii=False, indent=2))


def _show_entry(out: Output, entry: dict[str, Any]) -> None:
    if "placeholder" in entry:
        optional = " (optional)" if entry.get("optional") else ""
        out.line(f"[messages: {entry['placeholder']}{optional}]", bold=True)
        return
    if "include" in entry:
        out.line(f"[include: {entry['include']}]", bold=True)
        return
    out.line(f"[{entry['role']}]", bold=True)
    content = entry.get("content")
    if isinstance(content, str):
        out.line(content)
    elif content is not None:
        out.line(json.dumps(content, ensure_ascii=False, indent=2))
    rest = {key: value for key, value in entry.items() if key not in ("role", "content")}
    if rest:
        out.line(json.dumps(rest, ensure_ascii=False, indent=2))


def _variables(content: Any) -> str:
    """The variables with their types, optional ones with a question mark."""
    from pointsman.core.content import restore_prompt

    declared = content.get("variables", {})
    try:
        compiled = restore_prompt(content).compiled
        used = {variable.name: variable.required for variable in compiled.variables}
    except PointsmanError:  # what renders this format is not installed here
        used = {}
    told = []
    for name in dict.fromkeys((*used, *declared)):
        declaration = declared.get(name, {})
        required = (
            declaration.get("required", used.get(name, True)) and "default" not in declaration
        )
        schema = declaration.get("schema")
        kind = schema.get("type") if isinstance(schema, dict) else None
        text = name if required else f"{name}?"
        text += f": {kind}" if isinstance(kind, str) else ""
        text += f" = {_compact(declaration['default'])}" if "default" in declaration else ""
        told.append(text)
    return ", ".join(told)


def _tools(tools: list[dict[str, Any]]) -> str:
    return ", ".join(
        str(tool.get("function", {}).get("name") or tool.get("name") or tool.get("type"))
        for tool in tools
    )


def _compact(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _alias(registry: Registry, version: Version, selector: str) -> Alias | None:
    """The alias that led here, if one did."""
    from pointsman.core.selectors import parse_selector

    named = parse_selector(selector).alias
    if named is None:
        return None
    return registry.alias(f"{place_of(version.kind, version.name)}@{named}")


def _gone(version: Version) -> Gone:
    stone = version.tombstone
    by = f" by {stone.by}: {stone.reason}" if stone else ""
    return Gone(
        f"The content of {version.name}:{version.number} was removed{by}.",
        code="tombstoned",
        hint="Its number, digest and record remain; ask for another version.",
    )
