"""What `push` and `pull` share: a bar that shows how far they are, and what is risky in files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pointsman.cli.output import Output, colours, is_terminal

Tell = Callable[[int, int], object]


@contextmanager
def bar(out: Output, what: str) -> Iterator[Tell | None]:
    """A bar on the terminal; None where nobody looks at one."""
    if out.as_json or not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(
        stderr=True, no_color=not colours(sys.stderr), highlight=False, markup=False, emoji=False
    )
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield tell


def note_risks(out: Output, files: Mapping[str, Any]) -> None:
    """Say which of the files can run code when they are loaded."""
    from pointsman.core.models import risk_of

    risky = [path for path in files if risk_of(path) == "code"]
    if risky:
        shown = ", ".join(risky[:3]) + (f" and {len(risky) - 3} more" if len(risky) > 3 else "")
        out.note(f"Note: loading {shown} can run code that is in it; load only what you trust.")


def told_size(size: float) -> str:
    """``1.4 MB``."""
    for unit in ("bytes", "KB", "MB"):
        if size < 1_000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1_000
    return f"{size:,.1f} GB"
