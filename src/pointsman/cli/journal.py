"""`pointsman journal`: the journal as a file that can be verified without the registry."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.output import Output
from pointsman.cli.times import MOMENT
from pointsman.errors import InvalidInput, Refused, Unavailable

if TYPE_CHECKING:
    from pointsman.core.record import JournalHead

_STEP = 5_000


@click.command("journal", short_help="The journal as a file that can be verified.")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to; else to the output.")
@click.option(
    "--after", type=click.IntRange(0), default=0, metavar="NO.", help="Begin after this entry."
)
@click.option(
    "--person", help="Only what this one did: a name, an e-mail address, or an id such as key:abc."
)
@click.option("--artifact", metavar="NAME", help="Only about this artifact: name or kind:name.")
@click.option("--alias", help="Only about this alias.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only entries of this type.")
@click.option("--since", type=MOMENT, help="At or after this moment.")
@click.option("--until", type=MOMENT, help="Before this moment.")
@click.option(
    "--installation",
    is_flag=True,
    help="The journal of the whole installation (people, groups, projects), for its admins.",
)
@with_registry()
def journal_command(
    *,
    registry: Registry,
    out: Output,
    output: str,
    after: int,
    person: str | None,
    artifact: str | None,
    alias: str | None,
    types: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    installation: bool,
) -> None:
    """Write the journal as lines of JSON, oldest first, after a line that says whose it is.

    Each line is exactly what the entry's hash is made of: the hash of the entry before, number,
    time in microseconds, type, who (id and name), through what, and the fact. The SHA-256 of a
    line stands in the next one, so `pointsman verify FILE` needs no registry. A part that
    conditions leave can be read, but not be verified to be complete.

    \b
    Examples:
      pointsman journal -o journal.jsonl
      pointsman journal --person ana@example.org --type alias.moved --since 2026-01-01
      pointsman journal --installation -o people.jsonl
    """
    conditions = {
        "person": person,
        "artifact": artifact,
        "alias": alias,
        "type": ",".join(types) or None,
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
    }
    filters = {name: text for name, text in conditions.items() if text is not None}
    who = () if person is None else _subjects(registry, person)
    wanted = _wanted(who, artifact, alias, types, since, until) if filters else None
    head = registry.journal_head(installation=installation)
    after = min(after, head.seq)
    count = 0
    with opened(output) as file:
        file.write(f"{header_of(head, after, filters)}\n".encode())
        for line in fetched(registry, head, after, installation=installation):
            if wanted is None or wanted(line):
                file.write(line)
                count += 1
    if output != "-":
        if out.as_json:
            out.data({"file": output, "entries": count, "last": head.seq, "hash": head.hash})
        else:
            out.line(f"{output} holds {count} entries; the journal has {head.seq}.")


def header_of(head: JournalHead, after: int = 0, filters: dict[str, str] | None = None) -> str:
    """The first line of an export."""
    from pointsman.core.verification import Header

    return Header(
        project=head.project,
        uid=head.uid,
        store=head.store,
        epoch=head.epoch,
        entries=head.seq,
        head=head.hash,
        after=after,
        filters=filters or {},
    ).text


def fetched(
    registry: Registry, head: JournalHead, after: int = 0, *, installation: bool = False
) -> Iterator[bytes]:
    """The entries after a number up to the head, as lines."""
    while after < head.seq:
        limit = min(_STEP, head.seq - after)
        page = registry.journal_lines(after, limit=limit, installation=installation)
        if page.last is None:
            return
        for line in page.lines:
            yield f"{line}\n".encode()
        after = page.last


@contextmanager
def opened(output: str) -> Iterator[BinaryIO]:
    """A file that is there once it is whole; or the standard output."""
    if output == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise Unavailable(
            f"{path} can't be written: {error.strerror or error}.", code="unwritable_file"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


def _subjects(registry: Registry, person: str) -> Sequence[str]:
    """What entries may say of somebody: a name, an id; for an e-mail address the person's id.

    Raises `NotFound` for an address of nobody, and `Refused` for another's unless an admin asks.
    """
    if "@" not in person:
        return (person,)
    try:
        return person, f"person:{registry.person(person).id}"
    except InvalidInput:
        return (person,)  # a name with an @ in it
    except Refused as error:
        mine = registry.me()
        if mine.email == person.strip().lower():
            return person, mine.actor
        raise Refused(
            error.message,
            code=error.code,
            hint="Admins may look addresses up; give the name or the id of who it was.",
        ) from error


def _wanted(
    who: Sequence[str],
    artifact: str | None,
    alias: str | None,
    types: Sequence[str],
    since: datetime | None,
    until: datetime | None,
) -> Callable[[bytes], bool]:
    """Whether an entry meets all the conditions."""
    about: tuple[str, str] | None = None
    if artifact is not None:
        from pointsman.core.selectors import parse_selector

        place = parse_selector(artifact)
        about = place.kind, place.name
    first, last = _micros(since), _micros(until)

    def meets(line: bytes) -> bool:
        _, _, at, kind, actor, by, _, fact = json.loads(line)
        return (
            (not who or actor in who or by in who)
            and (about is None or about == (fact.get("kind"), fact.get("name")))
            and (alias is None or fact.get("alias") == alias)
            and (not types or kind in types)
            and (first is None or at >= first)
            and (last is None or at < last)
        )

    return meets


def _micros(at: datetime | None) -> Any:
    if at is None:
        return None
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds
