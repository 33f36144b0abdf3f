"""`pointsman export`: the journal as lines, or the artifacts as files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import place_of
from pointsman.cli.output import Output
from pointsman.errors import IntegrityError, TooLarge, Unavailable

if TYPE_CHECKING:
    from pointsman.core.vocabulary import Artifact, Entry, Version

_STEP = 1_000


@click.command("export", short_help="The journal as lines, or artifacts as files.")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to; else to the output.")
@click.option(
    "--after", type=click.IntRange(0), default=0, metavar="NO.", help="Begin after this entry."
)
@click.option("--folder", metavar="FOLDER", help="Write the artifacts there, each as a file.")
@click.option("--alias", help="With --folder: what this alias points to, not the newest version.")
@click.option("--kind", help="With --folder: only this kind.")
@click.option(
    "--history", "with_history", is_flag=True,
    help="With --folder: every version, and the aliases, for `pointsman import`.",
)  # fmt: skip
@with_registry()
def export_command(
    *,
    registry: Registry,
    out: Output,
    output: str,
    after: int,
    folder: str | None,
    alias: str | None,
    kind: str | None,
    with_history: bool,
) -> None:
    """Write the journal as lines of JSON, oldest first; or the artifacts into a folder.

    The folder gets a .prompt file for each prompt and a .json file for everything else, and a
    list of them in pointsman-export.json. `pointsman publish FOLDER` reads it back. Files of
    the same name are replaced, others are left alone. Archived artifacts are left out.

    With --history, the folder gets every version as NAME/NUMBER.prompt (or .json), and the list
    tells messages, authors, times, tags and where aliases point: `pointsman import FOLDER`
    brings all of it into another project.

    \b
    Examples:
      pointsman export -o journal.jsonl
      pointsman export --folder prompts/ --alias production
      pointsman export --folder project/ --history
    """
    if folder is None:
        if alias or kind or with_history:
            raise click.UsageError("--alias, --kind and --history go with --folder.")
        _export_journal(registry, out, output, after)
        return
    if output != "-" or after:
        raise click.UsageError("--output and --after don't go with --folder.")
    if with_history:
        if alias:
            raise click.UsageError("--history takes all aliases along; leave out --alias.")
        _export_history(registry, out, Path(folder), kind)
        return
    _export_folder(registry, out, Path(folder), alias, kind)


def _export_journal(registry: Registry, out: Output, output: str, after: int) -> None:
    from pointsman.core.plain import to_plain

    count = 0
    with _opened(output) as file:
        for entry in _entries(registry, after):
            file.write(json.dumps(to_plain(entry), ensure_ascii=False) + "\n")
            count += 1
    if output != "-":
        if out.as_json:
            out.data({"file": output, "entries": count})
        else:
            out.line(f"{output} holds {count} entries.")


_NO_VERSION = "it has no version yet"


def _entries(registry: Registry, after: int) -> Iterator[Entry]:
    """The journal, each entry checked to follow the one before."""
    last: Entry | None = None
    while (page := registry.entries(after, limit=_STEP)).items:
        for entry in page.items:
            if last is not None and (entry.seq, entry.previous) != (last.seq + 1, last.hash):
                raise IntegrityError(
                    f"Entry {entry.seq} does not follow entry {last.seq}.",
                    hint="Run `pointsman doctor`; don't rely on this export.",
                )
            yield entry
            last, after = entry, entry.seq


def _opened(output: str) -> Any:
    if output == "-":
        return nullcontext(sys.stdout)
    try:
        return Path(output).open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise _unwritable(Path(output), error) from error


def _export_folder(
    registry: Registry, out: Output, folder: Path, alias: str | None, kind: str | None
) -> None:
    from pointsman.cli.sources import MANIFEST

    files: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    with_files: set[str] = set()
    for artifact in _artifacts(registry, kind):
        place = place_of(artifact.kind, artifact.name)
        selector, why_not = _wanted(artifact, alias)
        version = registry.version(selector) if selector else None
        if version is not None and version.content is None:
            why_not = f"the content of version {version.number} was removed"
        if version is None or version.content is None:
            if why_not:
                skipped.append({"name": place, "why": why_not})
            continue
        ending, text = _written(version)
        path = _path(folder, version.name, ending)
        _write(path, text)
        with_files |= _with_files(version)
        files.append(
            {
                "file": path.relative_to(folder).as_posix(),
                "kind": version.kind,
                "name": version.name,
                "version": version.number,
                "digest": version.digest,
            }
        )
    told = {"format": "pointsman export", "version": 1, "alias": alias, "files": files}
    manifest = {**told, "skipped": skipped}
    _write(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
    _note_files(out, with_files)
    if out.as_json:
        out.data({"folder": str(folder), **manifest})
        return
    for one in skipped:
        out.note(f"Note: {one['name']} is left out: {one['why']}.")
    out.line(f"{len(files)} files are in {folder}.")


def _export_history(registry: Registry, out: Output, folder: Path, kind: str | None) -> None:
    from pointsman.cli.sources import MANIFEST
    from pointsman.core.plain import to_plain

    files: list[dict[str, Any]] = []
    aliases: list[dict[str, Any]] = []
    tags: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    with_files: set[str] = set()
    for artifact in _artifacts(registry, kind):
        place = place_of(artifact.kind, artifact.name)
        named = {"kind": artifact.kind, "name": artifact.name}
        if not artifact.newest:
            skipped.append({"name": place, "why": _NO_VERSION})
            continue
        tags += [{**named, "key": key, "value": value} for key, value in artifact.tags.items()]
        aliases += [
            {**named, "alias": one.name, "target": to_plain(one.target), "reason": one.reason}
            for one in artifact.aliases
        ]
        for number in range(1, artifact.newest + 1):
            version = registry.version(f"{place}:{number}")
            if version.content is None:
                why = f"the content of version {number} was removed"
                skipped.append({"name": place, "why": why})
                continue
            ending, text = _written(version)
            path = _path(folder, f"{version.name}/{number}", ending)
            _write(path, text)
            with_files |= _with_files(version)
            files.append(
                {
                    "file": path.relative_to(folder).as_posix(),
                    **named,
                    "version": number,
                    "digest": version.digest,
                    "message": version.message,
                    "author": version.author,
                    "date": to_plain(version.created_at),
                    "tags": dict(version.tags),
                    "dependencies": [
                        to_plain(one) for one in version.dependencies if one.relation != "includes"
                    ],
                }
            )
    # As they were made: what a version includes was there before it.
    files.sort(key=lambda one: (one["date"], one["version"]))
    manifest = {
        "format": "pointsman export", "version": 1, "alias": None, "history": True,
        "files": files, "aliases": aliases, "tags": tags, "skipped": skipped,
    }  # fmt: skip
    _write(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
    _note_files(out, with_files)
    if out.as_json:
        out.data({"folder": str(folder), **manifest})
        return
    for one in skipped:
        out.note(f"Note: {one['name']} is left out: {one['why']}.")
    out.line(f"{len(files)} versions and {len(aliases)} aliases are in {folder}.")


def _with_files(version: Version) -> set[str]:
    """The model's name, if this version of it has files."""
    from pointsman.core.models import restore_files

    is_model = version.kind == "model" and version.content is not None
    return {version.name} if is_model and restore_files(version.content or {}) else set()


def _note_files(out: Output, names: set[str]) -> None:
    """Say whose files are not in the folder: only their lists are."""
    if names:
        told = ", ".join(f"model:{name}" for name in sorted(names)[:5])
        more = "…" if len(names) > 5 else ""
        out.note(
            f"Note: of {told}{more} the lists of files are here, not the files. They have to be in "
            "a registry before it takes these versions: pull them here, push them there."
        )


def _artifacts(registry: Registry, kind: str | None) -> Iterator[Artifact]:
    cursor = None
    while True:
        page = registry.search(kind=kind, limit=_STEP, cursor=cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def _wanted(artifact: Artifact, alias: str | None) -> tuple[str, str]:
    """The selector of the version to write; or none, and why if that is worth telling."""
    place = place_of(artifact.kind, artifact.name)
    if not artifact.newest:
        return "", _NO_VERSION
    if alias is None:
        return place, ""
    target = next((one.target for one in artifact.aliases if one.name == alias), None)
    if target is None:
        return "", ""
    if target.version is None:
        return "", f"{alias} is a {target}, and a file holds one version"
    return f"{place}:{target.version}", ""


def _path(folder: Path, name: str, ending: str) -> Path:
    """Where a file goes: always below the folder, whatever the registry answers."""
    from pointsman.core.names import check_name

    return folder.joinpath(*f"{check_name(name)}{ending}".split("/"))


def _written(version: Version) -> tuple[str, str]:
    """The ending of a version's file, and what is in it."""
    from pointsman.cli.promptfile import write_prompt_file
    from pointsman.core.names import check_kind

    assert version.content is not None, "versions without content are left out"
    if version.kind == "prompt":
        with suppress(TooLarge):
            return ".prompt", write_prompt_file(version.content)
    text = json.dumps(version.content, ensure_ascii=False, indent=2)
    return f".{check_kind(version.kind)}.json", f"{text}\n"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{path} can't be written: {error.strerror or error}.", code="unwritable_file"
    )
