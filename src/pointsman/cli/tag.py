"""`pointsman tag`: tags of artifacts and versions."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.output import Output


@click.group("tag", short_help="Tags of artifacts and versions.")
def tag_command() -> None:
    """List, set and delete tags of an artifact (support/reply) or a version (support/reply:7)."""


@tag_command.command("list")
@click.argument("selector")
@with_registry()
def list_tags(*, registry: Registry, out: Output, selector: str) -> None:
    """List the tags of an artifact or a version."""
    from pointsman.core.selectors import parse_selector

    wanted = parse_selector(selector)
    if wanted.version is None and wanted.alias is None:
        tags = registry.artifact(wanted.name, kind=wanted.kind).tags
    else:
        tags = registry.version(selector).tags
    if out.as_json:
        out.data({"tags": tags})
    else:
        out.table(("KEY", "VALUE"), list(tags.items()))


@tag_command.command("set")
@click.argument("selector")
@click.argument("tags", nargs=-1, required=True, metavar="KEY=VALUE...")
@with_registry()
def set_tags(*, registry: Registry, out: Output, selector: str, tags: Sequence[str]) -> None:
    """Set tags of an artifact or a version."""
    pairs = [text.partition("=") for text in tags]
    for text, (_, equals, _) in zip(tags, pairs, strict=True):
        if not equals:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE.", param_hint="'TAGS'")
    for key, _, value in pairs:
        registry.set_tag(selector, key, value)
    if out.as_json:
        out.data({"set": {key: value for key, _, value in pairs}})


@tag_command.command("delete")
@click.argument("selector")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@with_registry()
def delete_tags(*, registry: Registry, out: Output, selector: str, keys: Sequence[str]) -> None:
    """Delete tags of an artifact or a version. Those that it does not have are no error."""
    for key in keys:
        registry.delete_tag(selector, key)
    if out.as_json:
        out.data({"deleted": list(keys)})
