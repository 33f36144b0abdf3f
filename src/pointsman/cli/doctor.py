"""`pointsman doctor`: is everything as the journal says?"""

from __future__ import annotations

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.failing import FAILED
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
        looked_at = ", ".join(f"{count} {what}" for what, count in diagnosis.checked.items())
        for finding in diagnosis.findings:
            out.line(f"{finding.subject}: {finding.message} ({finding.check})", fg="red")
        count = len(diagnosis.findings)
        verdict = "Nothing is wrong." if not count else f"{count} findings."
        out.line(f"Checked {looked_at}. {verdict}")
    if not diagnosis.healthy:
        ctx.exit(FAILED)
