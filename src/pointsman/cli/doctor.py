"""`pointsman doctor`: is everything as the journal says?"""

from __future__ import annotations

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.failing import FAILED
from pointsman.cli.findings import counted, told_finding
from pointsman.cli.output import Output


@click.command("doctor", short_help="Is everything as the journal says?")
@with_registry()
@click.pass_context
def doctor_command(ctx: click.Context, *, registry: Registry, out: Output) -> None:
    """Check every invariant: the journal's chain, the state against it, content and digests.

    Exits with 1 if anything is wrong.
    """
    diagnosis = registry.doctor()
    if out.as_json:
        out.data({"healthy": diagnosis.healthy, "diagnosis": diagnosis})
    else:
        for finding in diagnosis.findings:
            out.line(told_finding(finding), fg="red")
        looked_at = ", ".join(counted(count, what) for what, count in diagnosis.checked.items())
        count = len(diagnosis.findings)
        verdict = f"{counted(count, 'findings')}." if count else "Nothing is wrong."
        out.line(f"Checked {looked_at}. {verdict}")
    if not diagnosis.healthy:
        ctx.exit(FAILED)
