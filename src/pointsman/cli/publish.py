"""`pointsman publish`: new versions from files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import place_of, told_move
from pointsman.cli.output import Output
from pointsman.errors import NotFound

if TYPE_CHECKING:
    from pointsman.cli.sources import Source
    from pointsman.core.vocabulary import Dependency, Published

_MOST = 1_000
_LARGEST = 32 << 20
"""How many versions, and how many bytes of content, one request carries."""


@click.command("publish", short_help="New versions from a file, a folder or a pipe.")
@click.argument("path")
@click.option("--name", help="The artifact's name; by default the file's.")
@click.option("--kind", metavar="KIND", help="prompt (the default), model, suite or dataset.")
@click.option(
    "--as", "form", type=click.Choice(["prompt", "text", "json", "jsonl", "csv", "tsv", "parquet"]),
    help="What the file holds, whatever its ending is.",
)  # fmt: skip
@click.option("-m", "--message", default="", help="Why this version was made.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the version.")
@click.option("--alias", "aliases", multiple=True, help="An alias to move to the new version.")
@click.option(
    "--consumes",
    multiple=True,
    metavar="[VARIABLE=]SELECTOR",
    help="What it takes the output of, and the variable that takes it.",
)
@click.option("--uses", multiple=True, metavar="SELECTOR", help="What else it needs: a model.")
@click.option(
    "--expected", metavar="FIELD", help="Of rows: the field or column that holds what is expected."
)
@click.option(
    "--row-tag", "row_tags", multiple=True, metavar="FIELD",
    help="Of rows: a field or column that is a tag, which cuts them into slices.",
)  # fmt: skip
@click.option("--row-id", metavar="FIELD", help="Of rows: the field or column that is their id.")
@click.option("--reason", default="", metavar="WHY", help="Why aliases move; else the message.")
@click.option(
    "--if-changed/--always",
    default=None,
    help="Only if the newest version says something else. The default for folders.",
)
@click.option(
    "--if-newest", type=int, metavar="N", help="Only if N is the newest version (0: none yet)."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be published.")
@with_registry(makes=True)
def publish_command(
    *,
    registry: Registry,
    out: Output,
    path: str,
    name: str | None,
    kind: str | None,
    form: str | None,
    message: str,
    tags: Sequence[str],
    aliases: Sequence[str],
    consumes: Sequence[str],
    uses: Sequence[str],
    expected: str | None,
    row_tags: Sequence[str],
    row_id: str | None,
    reason: str,
    if_changed: bool | None,
    if_newest: int | None,
    dry_run: bool,
) -> None:
    """Publish a file, a folder, or standard input (-).

    A .prompt file is a template with YAML above it, as dotprompt has it; .txt and .md hold
    the template alone; .json holds the content as the API takes it. Other kinds than prompts
    are .json; name.model.json says its kind by itself.

    .jsonl, .csv, .tsv and .parquet hold the rows of a dataset. A line of JSON is a row
    ({"input": {…}, "expected": …}), or an object whose fields are all inputs, as the columns
    of a table are; but for those that --expected, --row-tag and --row-id pick.

    A folder is published as a whole: names are the paths in it, and what has not changed is
    left alone; rows count as name.dataset.csv. Up to 1,000 versions are published together, or
    none of them.

    \b
    Examples:
      pointsman publish reply.prompt --name support/reply -m "shorter"
      pointsman publish prompts/ --alias staging
      pointsman publish tickets.csv --expected label --row-tag language
      pointsman publish reply.prompt --consumes label=support/classify@production
      echo 'Hello {{ name }}' | pointsman publish - --name greeting
    """
    dependencies = [*map(_consumed, consumes), *map(_used, uses)]
    sources = _read(path, name, kind, form, if_newest, (expected, tuple(row_tags), row_id), out)
    folder = path != "-" and Path(path).is_dir()
    if folder and dependencies:
        raise click.UsageError(f"--consumes and --uses go with one file, and {path} is a folder.")
    common: dict[str, Any] = {
        "tags": dict(_tag(text) for text in tags),
        "aliases": list(aliases),
        "dependencies": dependencies,
        "reason": reason,
        "if_changed": folder if if_changed is None else if_changed,
    }
    if dry_run:
        _show_plan(registry, out, sources, if_changed=common["if_changed"])
        return
    items: list[dict[str, Any]] = [
        {
            "name": source.name,
            "kind": source.kind,
            "content": source.content,
            "message": message or source.message,
            **common,
        }
        for source in sources
    ]
    if folder:
        done = [one for part in _parts(items) for one in registry.publish_many(part)]
    else:
        done = [registry.publish(**items[0], if_newest=if_newest)]
    _tell(out, done, folder=folder)


def _read(
    path: str, name: str | None, kind: str | None, form: str | None, if_newest: int | None,
    columns: tuple[str | None, tuple[str, ...], str | None], out: Output,
) -> list[Source]:  # fmt: skip
    from pointsman.cli import sources
    from pointsman.cli.rows import ROW_FORMS, Columns
    from pointsman.core.names import check_kind, check_name

    if kind is not None:
        check_kind(kind)
    if name is not None:
        check_name(name)
    picked = Columns(*columns)
    if picked.named and sources.form_of(path, form) not in ROW_FORMS:
        told = ", ".join(ROW_FORMS)
        raise click.UsageError(
            f"--expected, --row-tag and --row-id go with one file of rows ({told})."
        )
    if path == "-":
        read = [sources.read_stdin(name, kind, form, picked)]
    elif Path(path).is_dir():
        for option, value in (("--name", name), ("--as", form), ("--if-newest", if_newest)):
            if value is not None:
                raise click.UsageError(f"{option} goes with one file, and {path} is a folder.")
        read, left_out = sources.read_folder(Path(path), kind)
        for note in left_out:
            out.note(f"Note: {note}")
        if not read:
            raise NotFound(
                f"There is nothing to publish in {path!r}.",
                code="nothing_to_publish",
                hint="Files that count end in .prompt, .txt, .md or .json; rows in .dataset.csv.",
            )
    else:
        read = [sources.read_file(Path(path), name, kind, form, picked)]
    for source in read:
        for note in source.notes:
            out.note(f"Note: {source.origin}: {note}")
    return read


def _parts(items: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The items in as few requests as can be."""
    part: list[dict[str, Any]] = []
    size = 0
    for item in items:
        weight = len(json.dumps(item, ensure_ascii=False).encode())
        if part and (len(part) == _MOST or size + weight > _LARGEST):
            yield part
            part, size = [], 0
        part.append(item)
        size += weight
    yield part


def _tell(out: Output, done: Sequence[Published], *, folder: bool) -> None:
    if out.as_json:
        out.data({"published": done} if folder else done[0])
        return
    for one in done:
        version = one.version
        place = f"{place_of(version.kind, version.name)}:{version.number}"
        if one.created:
            out.line(f"{place} is published. Digest {version.digest[:8]}.")
        elif not folder:
            out.line(f"{place} says the same already; nothing is published.")
        for move in one.release.moves if one.release else ():
            out.line(f"  {told_move(move)}")
    if folder:
        new = sum(one.created for one in done)
        out.line(f"{new} published, {len(done) - new} unchanged.")


def _show_plan(
    registry: Registry, out: Output, sources: Sequence[Source], *, if_changed: bool
) -> None:
    """What would be published, and what each file stands against."""
    plan = []
    for source in sources:
        place = place_of(source.kind, source.name)
        try:
            newest = registry.version(place)
        except NotFound:
            newest = None
        digest = source.checked.digest if source.checked else None
        unchanged = if_changed and newest is not None and newest.digest == digest
        number = newest.number if newest else 0
        plan.append(
            {
                "file": source.origin,
                "kind": source.kind,
                "name": source.name,
                "newest": number,
                "publishes": None if unchanged else number + 1,
                "digest": digest,
            }
        )
    if out.as_json:
        out.data({"plan": plan})
        return
    rows = [
        (
            place_of(str(one["kind"]), str(one["name"])),
            f"version {one['publishes']}" if one["publishes"] else "unchanged",
            str(one["file"]),
        )
        for one in plan
    ]
    out.table(("NAME", "WOULD BE", "FROM"), rows)
    new = sum(one["publishes"] is not None for one in plan)
    out.line(f"{new} would be published, {len(plan) - new} are unchanged. Nothing was done.")


def _consumed(text: str) -> Dependency:
    from pointsman.core.vocabulary import Dependency

    variable, equals, selector = text.partition("=")
    return Dependency("consumes", selector, variable) if equals else Dependency("consumes", text)


def _used(text: str) -> Dependency:
    from pointsman.core.vocabulary import Dependency

    return Dependency("uses", text)


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE.", param_hint="'--tag'")
    return key, value
