"""`pointsman push`: a new version of a model from its files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pointsman.cli.carrying import bar, note_risks, told_size
from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.findings import counted
from pointsman.cli.moving import told_move
from pointsman.cli.output import Output


@click.command("push", short_help="A new version of a model from its files.")
@click.argument("path", type=click.Path(exists=True))
@click.argument("name")
@click.option("--flavour", default="", help="What it is made with: sklearn, onnx, transformers…")
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME=NUMBER", help="A figure of its quality."
)
@click.option(
    "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="How it was made."
)
@click.option("--run", "run_", default="", help="The run of training that made it.")
@click.option("--source", default="", help="Where it comes from: a commit, a job, a URL.")
@click.option(
    "--content",
    type=click.Path(exists=True, dir_okay=False),
    help="A JSON file with further fields of the content: signature, config…",
)
@click.option("-m", "--message", default="", help="Why this version was made.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the version.")
@click.option("--alias", "aliases", multiple=True, help="An alias to move to the new version.")
@click.option("--reason", default="", metavar="WHY", help="Why aliases move; else the message.")
@click.option("--if-changed", is_flag=True, help="Only if the newest version says something else.")
@click.option("--resend", is_flag=True, help="Send what is there as well: mends damaged files.")
@with_registry(makes=True)
def push_command(
    *,
    registry: Registry,
    out: Output,
    path: str,
    name: str,
    flavour: str,
    metrics: Sequence[str],
    parameters: Sequence[str],
    run_: str,
    source: str,
    content: str | None,
    message: str,
    tags: Sequence[str],
    aliases: Sequence[str],
    reason: str,
    if_changed: bool,
    resend: bool,
) -> None:
    """Upload the folder or file PATH, and publish it as a version of the model NAME.

    Files that the registry has already are not sent again. The version's content names every
    file with its size and SHA-256. Nothing opens or loads them.

    \b
    Examples:
      pointsman push ./model churn -m "trained on October" --alias staging
      pointsman push model.onnx churn --flavour onnx --metric auc=0.91 --run r-17
    """
    fields: dict[str, Any] = _fields_of(content) if content else {}
    given = {
        "metrics": dict(map(_metric, metrics)),
        "parameters": dict(_pair(one, "--parameter") for one in parameters),
        "run": run_,
        "source": source,
    }
    fields |= {key: value for key, value in given.items() if value}
    with bar(out, f"Uploading {name}") as progress:
        done = registry.publish_model(
            name,
            path,
            flavour=flavour,
            content=fields,
            message=message,
            tags=dict(_pair(one, "--tag") for one in tags),
            aliases=list(aliases),
            reason=reason,
            if_changed=if_changed,
            resend=resend,
            progress=progress,
        )
    if out.as_json:
        out.data(done)
        return
    version = done.version
    place = f"model:{version.name}:{version.number}"
    if not done.created:
        out.line(f"{place} says the same already; nothing is published.")
    else:
        files = (registry.version(place).content or {}).get("files", {})
        size = told_size(sum(one["size"] for one in files.values()))
        out.line(f"{place} is published: {counted(len(files), 'files')}, {size}.")
        note_risks(out, files)
    for move in done.release.moves if done.release else ():
        out.line(f"  {told_move(move)}")


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint=f"'{option}'")
    return key, value


def _metric(text: str) -> tuple[str, float]:
    name, value = _pair(text, "--metric")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise click.BadParameter(f"{value!r} is not a number.", param_hint="'--metric'")
    return name, number


def _fields_of(path: str) -> dict[str, Any]:
    from pointsman.core.canonical import parse_json

    fields = parse_json(Path(path).read_bytes())
    if not isinstance(fields, dict):
        raise click.BadParameter(f"{path} holds no JSON object.", param_hint="'--content'")
    return fields
