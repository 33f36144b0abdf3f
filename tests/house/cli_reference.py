"""Makes docs/reference/cli.md from the commands' own help: `make reference` writes it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from pointsman.cli.program import pointsman

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md"
COMMON = {"--help", "--json", "--url", "--key", "--project", "--data", "--database"}
_HEAD = """\
# The command line

Made from the commands' own help (`make reference`).

Every command takes `--json`, for output that programs read, and `--help`. Where the registry
is: `--url` and `--key` for a server, `--data` for a folder on this machine, `--database` for a
PostgreSQL database; without them the environment says (see [settings](settings.md)).
`--project` names the project, where the key is for several.
"""
_WIDTH = 96


def page() -> str:
    """The whole page."""
    context = click.Context(pointsman)
    parts = [_HEAD]
    for name in pointsman.list_commands(context):
        command = pointsman.get_command(context, name)
        assert command is not None
        parts += _sections(f"pointsman {name}", command, 2)
    parts.append("## Exit status and environment\n")
    parts.append(_block(inspect.cleandoc(pointsman.epilog or "").replace("\b\n", "")))
    return "\n".join(parts)


def _sections(words: str, command: click.Command, depth: int) -> Iterator[str]:
    context = click.Context(command, info_name=words, max_content_width=_WIDTH)
    yield f"{'#' * depth} `{words}`\n"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        plain = paragraph.removeprefix("\b\n")
        yield _block(plain) if plain != paragraph else _escaped(plain) + "\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _sections(f"{words} {name}", child, depth + 1)
        return
    yield _block(command.get_usage(context).removeprefix("Usage: "))
    rows = [
        record
        for parameter in command.params
        if isinstance(parameter, click.Option) and not set(parameter.opts) & COMMON
        if (record := parameter.get_help_record(context)) is not None
    ]
    if rows:
        yield "| option | |\n|---|---|"
        for option, text in rows:
            yield f"| {_cell(f'`{option}`')} | {_cell(_escaped(' '.join(text.split())))} |"
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _block(text: str) -> str:
    return f"```text\n{text.strip()}\n```\n"


def _escaped(text: str) -> str:
    return text if "`" in text else text.replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE.name} is written.\n")
