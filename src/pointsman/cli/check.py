"""`pointsman check`: evidence on versions and changes, reported by whoever made it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.governing import tell_checks
from pointsman.cli.output import Output

F = TypeVar("F", bound=Callable[..., Any])
_STATES = ("passed", "failed", "error", "pending")


@click.group("check", short_help="Report and list checks.")
def check_command() -> None:
    """Report checks on versions and changes, and list them."""


def _subject(function: F) -> F:
    """The options that say what a check is about."""
    options = (
        click.option("--version", "version", metavar="NAME:7", help="A version, by its number."),
        click.option(
            "--change", type=click.IntRange(min=1), metavar="N", help="A change as it is now."
        ),
        click.option("--digest", metavar="DIGEST", help="A version's digest, or a change's basis."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@check_command.command("report")
@click.argument("name")
@click.argument("state", type=click.Choice(_STATES))
@_subject
@click.option("--summary", default="", metavar="TEXT", help="The result in a few words.")
@click.option("--link", default="", metavar="URL", help="Where the whole of it can be read.")
@click.option(
    "--figure", "figures", multiple=True, metavar="KEY=VALUE",
    help="A number that came out, such as accuracy=0.93; repeatable.",
)  # fmt: skip
@with_registry()
def report_check(
    *,
    registry: Registry,
    out: Output,
    name: str,
    state: str,
    version: str | None,
    change: int | None,
    digest: str | None,
    summary: str,
    link: str,
    figures: Sequence[str],
) -> None:
    """Report the STATE of the check NAME on exactly one version, change or digest.

    The last report of a name on a digest counts. For a change, it is about exactly what that
    would do now.

    \b
    Examples:
      pointsman check report evaluation passed --version support/reply:7 --figure accuracy=0.93
      pointsman check report legal failed --change 12 --summary "names a competitor"
    """
    _only_one(version, change, digest)
    reported = registry.report_check(
        name,
        state,
        selector=version or "",
        change=change,
        digest=digest or "",
        summary=summary,
        link=link,
        figures=dict(_figure(text) for text in figures),
    )
    if out.as_json:
        out.data(reported)
    else:
        about = version or (f"change {change}" if change else reported.digest)
        out.line(f"{reported.name} {_TOLD[reported.state]} on {about}; reported by {reported.by}.")


@check_command.command("list")
@_subject
@with_registry()
def list_checks(
    *,
    registry: Registry,
    out: Output,
    version: str | None,
    change: int | None,
    digest: str | None,
) -> None:
    """List the last report of each check on a version, a change or a digest.

    For a change, these are the checks on the whole and on each version that it would move.
    """
    _only_one(version, change, digest)
    if change is not None:
        found = registry.change(change).checks
    else:
        found = registry.checks(digest or registry.version(version or "").digest)
    if out.as_json:
        out.data({"checks": found})
    else:
        tell_checks(out, found)


def _only_one(version: str | None, change: int | None, digest: str | None) -> None:
    if sum(one is not None for one in (version, change, digest)) != 1:
        raise click.UsageError("Say what it is about: one of --version, --change and --digest.")


def _figure(text: str) -> tuple[str, float]:
    key, equals, value = text.partition("=")
    try:
        if key and equals:
            return key, float(value)
    except ValueError:
        pass
    raise click.BadParameter(
        f"{text!r} is not KEY=VALUE with a number, such as accuracy=0.93.",
        param_hint="'--figure'",
    )


_TOLD = {
    "passed": "passed",
    "failed": "failed",
    "error": "could not be carried out",
    "pending": "is running",
}
