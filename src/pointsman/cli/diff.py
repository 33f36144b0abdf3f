"""`pointsman diff`: what changed between two versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import place_of
from pointsman.cli.output import Output

if TYPE_CHECKING:
    from pointsman.core.diff import ContentDiff, Line, MessageDiff, Setting, TextDiff


@click.command("diff", short_help="What changed between two versions.")
@click.argument("before")
@click.argument("after", required=False)
@with_registry()
def diff_command(*, registry: Registry, out: Output, before: str, after: str | None) -> None:
    """Show what changed from BEFORE to AFTER (the newest version, if it is left out).

    \b
    Examples:
      pointsman diff support/reply:6 support/reply:7
      pointsman diff support/reply@production support/reply@staging
      pointsman diff support/reply@production
    """
    if after is None:
        from pointsman.core.selectors import parse_selector

        selector = parse_selector(before)
        after = place_of(selector.kind, selector.name)
    diff = registry.diff(before, after)
    if out.as_json:
        out.data(diff)
        return
    print_diff(out, diff)
    out.line(f"{before} → {after}: {diff.summary}.", dim=True)


def print_diff(out: Output, diff: ContentDiff) -> None:
    """A diff as text; on a terminal with its changed words set off."""
    if out.colours:
        for line in _coloured(diff, out):
            click.echo(line, color=True)
    elif text := diff.unified():
        out.line(text)


def _coloured(diff: ContentDiff, out: Output) -> Iterator[str]:
    """The diff with its changed words set off, for a terminal."""
    if diff.template is not None:
        yield out.styled("template", bold=True)
        yield from _text(diff.template, out)
    for message in diff.messages:
        if message.kind != "same":
            yield out.styled(_headline(message), bold=True)
            yield from _text(message.text, out)
    settings = [one for one in diff.settings if not (diff.template and one.path == "/template")]
    if settings:
        yield out.styled("settings", bold=True)
    for setting in settings:
        yield from _setting(setting, out)


def _text(diff: TextDiff, out: Output) -> Iterator[str]:
    for hunk in diff.hunks:
        yield out.styled(f"@@ line {hunk.old_start} → line {hunk.new_start} @@", fg="cyan")
        for line in hunk.lines:
            yield from _line(line, out)


def _line(line: Line, out: Output) -> Iterator[str]:
    if line.kind == "same":
        yield out.styled(f"  {line.before}")
        return
    for sign, kind, colour, number in (
        ("-", "removed", "red", line.old),
        ("+", "added", "green", line.new),
    ):
        if number is None:
            continue
        spans = [span for span in line.spans if span.kind in ("same", kind)]
        whole = line.kind != "changed"
        yield out.styled(f"{sign} ", fg=colour) + "".join(
            out.styled(span.text, fg=colour, reverse=not whole and span.kind == kind)
            for span in spans
        )


def _headline(message: MessageDiff) -> str:
    label = message.new_label or message.old_label
    if message.kind == "changed" and message.old_label != message.new_label:
        label = f"{message.old_label} → {message.new_label}"
    where = f" from {message.old}" if message.kind == "moved" else ""
    return f"message {message.new or message.old}, {label}: {message.kind}{where}"


def _setting(setting: Setting, out: Output) -> Iterator[str]:
    from pointsman.core.canonical import canonical_json

    yield out.styled(f"  {setting.path}")
    if setting.kind != "added":
        yield out.styled(f"- {canonical_json(setting.before)}", fg="red")
    if setting.kind != "removed":
        yield out.styled(f"+ {canonical_json(setting.after)}", fg="green")
