"""The `pointsman` command: what it can do, and how it ends.

Commands are loaded when they are asked for, so that each starts fast and `pointsman show`
never imports a server.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click

from pointsman.cli.failing import INTERRUPTED, PIPE_CLOSED, exit_code, tell
from pointsman.errors import PointsmanError

_SECTIONS = {
    "Serve": ("serve", "webhook", "provider"),
    "Let in": ("login", "key", "user", "group", "project"),
    "Write": ("publish", "push", "tag", "archive", "restore", "tombstone"),
    "Read": ("list", "show", "versions", "diff", "graph", "pull"),
    "Move": ("promote", "rollback", "alias", "release"),
    "Evaluate": ("eval", "worker"),
    "Govern": ("policy", "change", "approve", "check", "glass"),
    "Look back": ("history", "at", "changed", "watch"),
    "Take along": ("export", "import", "bundle", "doctor"),
    "Keep the record": ("journal", "verify", "checkpoint", "backup", "blobs"),
}
_MODULES = {
    "approve": "change",
    "changed": "at",
    "import": "import_",
    "restore": "archive",
    "tombstone": "archive",
}
"""Commands that live in another one's file."""

_EPILOG = """\b
Exit status:
  0    done
  1    it failed; doctor, verify: something is wrong; eval: something that must hold does not
  2    the command line is wrong: an option, a selector, a name, a moment…;
       eval: inconclusive, or cancelled
  3    refused: not allowed, or the state is not what was assumed
  4    there is no such thing
  5    the registry can't be reached; trying again can help
  130  interrupted

\b
Environment:
  POINTSMAN_URL, POINTSMAN_API_KEY   the server, and the key for it
  POINTSMAN_PROJECT                  the project, if the key is for several
  POINTSMAN_DATA                     or a folder on this machine
  POINTSMAN_DATABASE                 or a PostgreSQL database
  NO_COLOR                           no colours on a terminal
"""


class Program(click.Group):
    """A group whose commands are modules of this package, loaded late."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, section by section."""
        return [name for names in _SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"pointsman.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One list for each section."""
        width = max(map(len, self.list_commands(ctx)))
        for section, names in _SECTIONS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                assert command is not None, "every listed command exists"
                rows.append((name.ljust(width), command.get_short_help_str()))
            with formatter.section(section):
                formatter.write_dl(rows, col_spacing=4)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; that whoever reads its output stops reading is no error."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _let_go_of_stdout()
            ctx.exit(PIPE_CLOSED)
        return result

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **_: Any,
    ) -> NoReturn:
        """Run, tell what went wrong if something did, and exit."""
        given = list(sys.argv[1:] if args is None else args)
        try:
            status = super().main(given, prog_name, standalone_mode=False)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except PointsmanError as error:
            tell(error, as_json="--json" in given)
            sys.exit(exit_code(error))
        except (click.Abort, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        sys.exit(status if isinstance(status, int) else 0)


def _let_go_of_stdout() -> None:
    """The reader of our output has left: the interpreter must not notice when it flushes."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from pointsman._version import __version__

        click.echo(f"pointsman {__version__}")
        ctx.exit()


@click.group(cls=Program, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def pointsman() -> None:
    """A registry for prompts and models: immutable versions, movable aliases, a record of
    every move.

    Each command has its own help, for example `pointsman promote --help`.
    """
