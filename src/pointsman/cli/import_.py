"""`pointsman import`: what `pointsman export --folder` wrote; or tests of promptfoo."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.failing import FAILED, REFUSED
from pointsman.cli.moving import place_of
from pointsman.cli.output import Output
from pointsman.errors import IntegrityError, InvalidInput, NotFound, PointsmanError, Unavailable

if TYPE_CHECKING:
    from pointsman.cli.sources import Source

_PAGE = 1_000
_Place = tuple[str, str]
"""Kind and name of an artifact."""


@click.command("import", short_help="Bring an exported project in, or tests of promptfoo.")
@click.argument("folder", metavar="FOLDER|FILE")
@click.option("-m", "--reason", default="", metavar="WHY", help="Why aliases move; goes before "
              "the reason that the export tells.")  # fmt: skip
@click.option("--name", help="Of tests: the name of the dataset and the suite.")
@click.option(
    "--for", "patterns", multiple=True, metavar="PATTERN",
    help="Of tests: what the suite is for, such as support/reply or support/*.",
)  # fmt: skip
@click.option(
    "--grader", default="", metavar="PROVIDER:MODEL",
    help="Of tests: the model that judges, where they name none.",
)  # fmt: skip
@click.option(
    "--embeddings", default="", metavar="PROVIDER:MODEL",
    help="Of tests: the model of embeddings, where they name none.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Of tests: only show what they would become.")
@click.option(
    "--strict", is_flag=True, help="Of tests: publish nothing if anything has no equivalent."
)
@with_registry(makes=True)
@click.pass_context
def import_command(
    ctx: click.Context,
    /,
    *,
    registry: Registry,
    out: Output,
    folder: str,
    reason: str,
    name: str | None,
    patterns: Sequence[str],
    dry_run: bool,
    strict: bool,
    **models: str,
) -> None:
    """Publish the versions that an export has, and move the aliases to where they pointed.

    FOLDER is what `pointsman export --folder` wrote, best with --history. Versions that are
    there already are not published again, and aliases that point there already don't move, so
    an import can be run twice. Every move goes by this registry's policies: what they refuse is
    listed, and everything else is done. Authors and dates become the version's tags
    origin.author and origin.date: here, whoever imports is the author.

    Exits with 3 if anything was refused.

    FILE is a configuration of promptfoo. Its tests become a dataset and its assertions a suite,
    both called --name; whatever has no equivalent here, or differs, is listed. With --strict
    that is all that happens then, and it ends with 1. Code is never run, and files outside of
    its folder are never read.

    \b
    Examples:
      pointsman import project/ --reason "moving to the new registry"
      pointsman import promptfooconfig.yaml --name support/quality --for support/reply
    """
    if Path(folder).is_file():
        how = {"dry_run": dry_run, "strict": strict}
        if not _import_tests(registry, out, Path(folder), name, patterns, models, **how):
            ctx.exit(FAILED)
        return
    if name or patterns or dry_run or strict or any(models.values()):
        raise click.UsageError(
            "--name, --for, --grader, --embeddings, --dry-run and --strict go with a file of "
            f"tests, and {folder} is none."
        )
    plan = _read_manifest(Path(folder))
    done = _Import(registry, Path(folder), reason or f"imported from {Path(folder).name}")
    done.run(plan)
    if out.as_json:
        out.data(
            {
                "published": done.published,
                "moved": done.moved,
                "already": done.already,
                "refused": done.refused,
            }
        )
    else:
        for one in done.refused:
            out.line(f"Refused: {one['what']}: {one['why']}", fg="red")
        out.line(
            f"{len(done.published)} versions published, {len(done.moved)} aliases moved, "
            f"{done.already} were there already, {len(done.refused)} refused."
        )
    if done.refused:
        ctx.exit(REFUSED)


def _import_tests(
    registry: Registry,
    out: Output,
    path: Path,
    name: str | None,
    patterns: Sequence[str],
    models: Mapping[str, str],
    *,
    dry_run: bool,
    strict: bool,
) -> bool:
    """Whether they could be taken over as was wanted."""
    from pointsman.cli.promptfoo import Wanted, import_config
    from pointsman.core.names import check_name

    if not name or not patterns:
        raise click.UsageError(
            "What are they called, and what are they for? Add --name and --for: "
            f"pointsman import {path} --name support/quality --for support/reply"
        )
    for option, model in models.items():
        if model and ":" not in model:
            raise click.UsageError(f"--{option} is a provider and a model: openai:gpt-4o.")
    wanted = Wanted(check_name(name), tuple(patterns), **models)
    return import_config(registry, out, path, wanted, dry_run=dry_run, strict=strict)


@dataclass
class _Import:
    """One run, and what has come of it."""

    registry: Registry
    folder: Path
    reason: str
    published: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    already: int = 0
    numbers: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """The number here of each version of the export."""
    _free: dict[_Place, dict[str, list[int]]] = field(default_factory=dict)
    """The versions here that stand for none of the export's yet, by digest, lowest first."""

    def run(self, plan: Mapping[str, Any]) -> None:
        """Publish and move, again and again while that makes more possible.

        A prompt that includes another by its alias can't be published before that alias is
        there, nor an alias be moved before its version is.
        """
        versions, aliases = list(plan["files"]), list(plan.get("aliases") or _alias_of(plan))
        while True:
            why: dict[str, str] = {}
            left = self._publish(versions, why)
            waiting = self._move(aliases, why)
            if (len(left), len(waiting)) == (len(versions), len(aliases)) or not (left or waiting):
                break
            versions, aliases = left, waiting
        self.refused += [{"what": what, "why": text} for what, text in why.items()]
        for tag in plan.get("tags", ()):
            self._tag(tag)

    def _publish(self, versions: list[dict[str, Any]], why: dict[str, str]) -> list[dict[str, Any]]:
        """Publish in order; those that could not be, and all after them of the same artifact."""
        left: list[dict[str, Any]] = []
        stuck: set[_Place] = set()
        for one in versions:
            place = one["kind"], one["name"]
            what = f"{place_of(*place)}:{one['version']}"
            if place in stuck:
                why[what] = "a version before it was refused."
                left.append(one)
                continue
            try:
                self.numbers[*place, one["version"]] = self._version(one, what)
            except (Unavailable, IntegrityError):
                raise
            except PointsmanError as error:
                stuck.add(place)
                left.append(one)
                why[what] = str(error)
        return left

    def _version(self, one: Mapping[str, Any], what: str) -> int:
        from pointsman.core.vocabulary import Dependency

        # A file may have been edited since: what it says now is what counts.
        source = self._source(one)
        digest = source.checked.digest if source.checked else one["digest"]
        if numbers := self._here((one["kind"], one["name"])).get(digest):
            self.already += 1
            return numbers.pop(0)
        tags = dict(one.get("tags", {}))
        if "author" in one:
            tags |= {"origin.author": one["author"], "origin.date": one["date"]}
        done = self.registry.publish(
            one["name"],
            source.content,
            kind=one["kind"],
            message=one.get("message", ""),
            tags=tags,
            dependencies=[Dependency(**each) for each in one.get("dependencies", ())],
        )
        self.published.append(what)
        return done.version.number

    def _source(self, one: Mapping[str, Any]) -> Source:
        from pointsman.cli.sources import read_file

        path = (self.folder / one["file"]).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise InvalidInput(
                f"{one['file']!r} is not below the folder.",
                code="invalid_export",
                hint="Export again; don't import what others have edited.",
            )
        return read_file(path, one["name"], one["kind"], None)

    def _here(self, place: _Place) -> dict[str, list[int]]:
        """The versions of an artifact that are here, by digest."""
        if place in self._free:
            return self._free[place]
        found: dict[str, list[int]] = defaultdict(list)
        kind, name = place
        cursor = None
        try:
            while True:
                page = self.registry.versions(name, kind=kind, limit=_PAGE, cursor=cursor)
                for version in page.items:
                    if version.tombstone is None:
                        found[version.digest].insert(0, version.number)
                cursor = page.cursor
                if cursor is None:
                    break
        except NotFound:
            pass
        self._free[place] = found
        return found

    def _move(self, aliases: list[dict[str, Any]], why: dict[str, str]) -> list[dict[str, Any]]:
        """Move each by itself; those that could not be."""
        left: list[dict[str, Any]] = []
        for one in aliases:
            what = f"{place_of(one['kind'], one['name'])}@{one['alias']}"
            try:
                move = {"kind": one["kind"], "name": one["name"], "alias": one["alias"]}
                reason = ": ".join(part for part in (self.reason, one.get("reason")) if part)
                release = self.registry.release([move | self._target(one)], reason=reason)
            except Unavailable:
                raise
            except PointsmanError as error:
                left.append(one)
                why[what] = str(error)
            else:
                if release is None:
                    self.already += 1
                else:
                    self.moved.append(what)
        return left

    def _target(self, one: Mapping[str, Any]) -> dict[str, Any]:
        """Where the alias is to point here."""
        target = one["target"]
        arms = target.get("split") or [{"version": target["version"], "weight": 1}]
        numbers = {}
        for arm in arms:
            number = self.numbers.get((one["kind"], one["name"], arm["version"]))
            if number is None:
                raise NotFound(
                    f"Version {arm['version']} is not in the export, or was refused.",
                    code="version_not_found",
                    hint="Export with --history.",
                )
            numbers[number] = arm["weight"]
        if target.get("split"):
            return {"split": numbers}
        return {"version": next(iter(numbers))}

    def _tag(self, tag: Mapping[str, Any]) -> None:
        selector = place_of(tag["kind"], tag["name"])
        try:
            self.registry.set_tag(selector, tag["key"], tag["value"])
        except Unavailable:
            raise
        except PointsmanError as error:
            what = f"{selector} tagged {tag['key']}"
            self.refused.append({"what": what, "why": str(error)})


def _alias_of(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The aliases of an export without history: the one that was asked for, if any."""
    alias = plan.get("alias")
    if not alias:
        return []
    return [
        {
            "kind": one["kind"],
            "name": one["name"],
            "alias": alias,
            "target": {"version": one["version"]},
        }
        for one in plan["files"]
    ]


def _read_manifest(folder: Path) -> dict[str, Any]:
    from pointsman.cli.sources import MANIFEST

    path = folder / MANIFEST
    try:
        plan = json.loads(path.read_text("utf-8"))
        for one in plan["files"]:
            if not (one["kind"] and one["name"] and one["file"] and one["digest"]):
                raise ValueError(one)  # noqa: TRY301 - one way out of what is no export
            if type(one["version"]) is not int:
                raise TypeError(one)  # noqa: TRY301
    except FileNotFoundError:
        raise NotFound(
            f"There is no export in {str(folder)!r}.",
            code="no_export",
            hint="Make one with `pointsman export --folder FOLDER --history`; or publish a folder "
            "of prompts with `pointsman publish FOLDER`.",
            field="folder",
        ) from None
    except OSError as error:
        raise InvalidInput(
            f"{path} can't be read: {error.strerror or error}.", code="unreadable_file"
        ) from error
    except (LookupError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"{path} is not the list of an export.",
            code="invalid_export",
            hint="Export again with `pointsman export --folder FOLDER --history`.",
        ) from error
    if plan.get("format") != "pointsman export" or plan.get("version") != 1:
        raise InvalidInput(
            f"{path} is of a form that is not understood.",
            code="invalid_export",
            hint="Import it with the version of Pointsman that wrote it, or a later one.",
        )
    found: dict[str, Any] = plan
    return found
