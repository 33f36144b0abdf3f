"""`pointsman bundle`: a file of prompts to ship with an application."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import place_of
from pointsman.cli.output import Output


@click.command("bundle", short_help="Prompts to ship with an application.")
@click.argument("selectors", nargs=-1, required=True, metavar="SELECTOR...")
@click.option("-o", "--output", "path", required=True, metavar="FILE", help="Where to write it.")
@with_registry()
def bundle_command(*, registry: Registry, out: Output, selectors: Sequence[str], path: str) -> None:
    """Write what selectors mean now into a file to ship with an application.

    A client that is made with Client(bundle=FILE) falls back on it while the registry can't be
    reached and nothing newer is known.

    \b
    Example:
      pointsman bundle support/reply@production support/tone@production -o prompts.bundle
    """
    from pointsman.sdk.snapshot import write_bundle

    resolutions = {}
    for selector in selectors:
        resolution = registry.resolve(selector)
        resolutions[resolution.selector] = resolution
        for arm in resolution.why.split:
            pinned = registry.resolve(f"{place_of(resolution.kind, resolution.name)}:{arm.version}")
            resolutions[pinned.selector] = pinned
    write_bundle(path, resolutions.values())
    if out.as_json:
        out.data({"file": path, "selectors": list(resolutions)})
    else:
        out.line(f"{path} holds {', '.join(resolutions)}.")
