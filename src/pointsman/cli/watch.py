"""`pointsman watch`: what happens, while it happens.

The entries themselves are read in order from the journal, so that none is missed or told
twice; a server's stream, or a short wait, only says when to look.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from pointsman.cli.connect import Place, Registry, connect, find_place, place_options, with_output
from pointsman.cli.entries import is_about, told_entry, type_option
from pointsman.cli.moving import place_of
from pointsman.cli.output import Output
from pointsman.cli.times import when
from pointsman.errors import NotFound, OutcomeUnknown, Unavailable

if TYPE_CHECKING:
    from pointsman.core.vocabulary import Entry

_POLL = 0.5
_SILENCE = 30.0
_LONGEST_PAUSE = 15.0
_STEP = 1_000


@click.command("watch", short_help="What happens, while it happens.")
@click.argument("selector", default="")
@type_option
@click.option(
    "--after", type=click.IntRange(0), metavar="NO.", help="Begin after this entry; else now."
)
@place_options()
@with_output
def watch_command(
    *,
    out: Output,
    selector: str,
    types: Sequence[str],
    after: int | None,
    url: str | None,
    api_key: str | None,
    data: str | None,
    database: str | None,
) -> None:
    """Print what happens as it happens, one line for each entry, until interrupted.

    With --json, each line is an object.

    \b
    Examples:
      pointsman watch
      pointsman watch support/reply@production --json
    """
    place = find_place(url, api_key, data, database)
    with connect(place) as registry:
        if selector:
            _note_absence(registry, selector, out)
        seen = _head(registry) if after is None else after
        for entry in _entries(registry, place, seen, out):
            if types and entry.type not in types:
                continue
            if selector and not is_about(entry, selector):
                continue
            _print(out, entry)


def _note_absence(registry: Registry, selector: str, out: Output) -> None:
    """Say so if there is nothing of this name yet; it may be a slip, or come later."""
    from pointsman.core.selectors import parse_selector

    wanted = parse_selector(selector)
    try:
        artifact = registry.artifact(wanted.name, kind=wanted.kind)
    except NotFound:
        out.note(f"There is no {wanted.kind} {wanted.name!r} yet; waiting for it.")
        return
    if wanted.alias is not None and wanted.alias not in [one.name for one in artifact.aliases]:
        place = place_of(wanted.kind, wanted.name)
        out.note(f"{place} has no alias {wanted.alias!r} yet; waiting for it.")


def _print(out: Output, entry: Entry) -> None:
    if out.as_json:
        out.data_line(entry)
        return
    out.line(f"{entry.seq}  {when(entry.at, out)}  {told_entry(entry)}  ({entry.by})")
    sys.stdout.flush()


def _head(registry: Registry) -> int:
    page = registry.history(limit=1)
    return page.items[0].seq if page.items else 0


def _entries(registry: Registry, place: Place, seen: int, out: Output) -> Iterator[Entry]:
    """Every entry after `seen`, for ever."""
    pause = _POLL
    told = False
    while True:
        try:
            for _ in _wakings(place, seen):
                pause = _POLL
                page = registry.entries(seen, limit=_STEP)
                while page.items:
                    yield from page.items
                    seen = page.items[-1].seq
                    page = registry.entries(seen, limit=_STEP)
                told = False
        except Unavailable as error:
            if isinstance(error, OutcomeUnknown) or not place.url:
                raise
            if not told:  # once for each time that it is gone, not for each attempt
                out.note(f"{error.message} Trying again.")
                told = True
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _wakings(place: Place, seen: int) -> Iterator[None]:
    """Yields whenever there may be something new; ends when the server hangs up."""
    if not place.url:
        while True:
            yield
            time.sleep(_POLL)
    from pointsman.sdk.calls import Line, Reply, Request, error_of
    from pointsman.sdk.sse import EventParser
    from pointsman.sdk.transport import Transport

    transport = Transport(place.url, place.key, place.project)
    request = Request(
        "GET", "/watch", (("after", str(seen)),), headers={"Accept": "text/event-stream"}
    )
    try:
        stream = transport.stream(request, _SILENCE, Line())
        if isinstance(stream, Reply):
            raise error_of(stream)
        try:
            parser = EventParser()
            while data := stream.read():
                if parser.feed(data):
                    yield
        finally:
            stream.close()
    finally:
        transport.close()
