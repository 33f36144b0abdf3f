"""The command line: `pointsman`. One file a noun; `program` says what there is."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run `pointsman` with the arguments of this process and exit."""
    try:
        from pointsman.cli.program import pointsman
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich", "yaml"):
            raise
        raise SystemExit(
            f"The command line needs the package {error.name}, which is not installed.\n"
            'Install it with: pip install "pointsman[cli]"'
        ) from None
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Prompts are written in every script, whatever this machine's locale is.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    pointsman.main(prog_name="pointsman")


__all__ = ["main"]
