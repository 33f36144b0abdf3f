"""The command line: `pointsman`. One file a noun; `program` says what there is."""

from __future__ import annotations


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
    pointsman.main(prog_name="pointsman")


__all__ = ["main"]
