"""`pointsman verify`: is the journal whole, and still the one that was signed?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from pointsman.cli.connect import (
    Registry,
    connect,
    find_place,
    needing_server,
    place_options,
    with_output,
)
from pointsman.cli.failing import FAILED
from pointsman.cli.findings import counted, told_finding
from pointsman.cli.journal import fetched, header_of
from pointsman.cli.output import Output
from pointsman.errors import IntegrityError, InvalidInput, NotFound, Refused

if TYPE_CHECKING:
    from pointsman.core.checkpoints import Checkpoint
    from pointsman.core.verification import Header, Report, Trouble
    from pointsman.core.vocabulary import Diagnosis


@click.command("verify", short_help="Is the journal whole, and still the one that was signed?")
@click.argument("file", required=False)
@click.option(
    "--checkpoint",
    "notes",
    multiple=True,
    metavar="NOTE",
    help="A kept checkpoint, or a folder of them: the journal must continue each.",
)
@click.option(
    "--public-key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Checkpoints must be signed by this key (or one of these): name+id+key.",
)
@click.option(
    "--state",
    metavar="BACKUP",
    help="A backup (see `pointsman backup`): its state must be as its journal says, and the "
    "journal must continue the backup's.",
)
@click.option(
    "--installation",
    is_flag=True,
    help="The journal of the whole installation (people, groups, projects), for its admins.",
)
@place_options()
@with_output
@click.pass_context
def verify_command(
    ctx: click.Context,
    *,
    out: Output,
    file: str | None,
    notes: Sequence[str],
    keys: Sequence[str],
    state: str | None,
    installation: bool,
    url: str | None,
    api_key: str | None,
    data: str | None,
    database: str | None,
) -> None:
    """Check a journal: an export of it (FILE, see `pointsman journal`), or a registry's own.

    Checked are the chain of hashes, that no entry is missing, put in or elsewhere, times, that
    what the entries tell fits together, and that the journal continues each checkpoint given.
    With a FILE nothing else is needed: no registry, no rights. Without one, a registry's
    journal is read; the checkpoints that it kept itself count as well, and for an admin, its
    state is checked against the journal as `pointsman doctor` does.

    A chain alone does not show that the whole was not made anew, or its end cut off: keep
    checkpoints in another place. Exits with 1 if anything is wrong.

    \b
    Examples:
      pointsman verify journal.jsonl --checkpoint kept/ --public-key "$KEY"
      pointsman verify --url https://pointsman.example.org
      pointsman verify --state backups/2026-11-21
    """
    checkpoints = []
    for path, own in _notes(notes):
        if own or not keys or _is_of(path, keys):
            checkpoints.append(_checkpoint(path, keys))
        else:
            out.note(f"Note: {path.name} is of another journal, and was left out.")
    if file is not None:
        installation = _is_of_installation(Path(file))
    diagnosis: Diagnosis | None = None
    kept = list(checkpoints)
    with ExitStack() as opened:
        dump = opened.enter_context(_restored(state, file)) if state is not None else None
        registry = dump
        if file is None and dump is None:
            registry = connect(find_place(url, api_key, data, database))
            opened.callback(registry.close)
        if file is not None:
            if dump is not None:
                kept.append(_head(dump, installation))
            report = _verify_file(Path(file), kept)
        else:
            assert registry is not None, "there is a file, a backup, or a registry"
            report = _verify_registry(registry, kept, installation)
        if registry is not None:
            try:
                diagnosis = registry.doctor()
            except Refused:
                out.note("Note: the state was not checked against the journal: admins may.")
    if checkpoints and not keys:
        out.note("Note: without --public-key, nobody checked who signed the checkpoints.")
    _tell(out, report, diagnosis)
    if not report.sound or (diagnosis is not None and not diagnosis.healthy):
        ctx.exit(FAILED)


def _verify_file(path: Path, checkpoints: Sequence[Checkpoint]) -> Report:
    from pointsman.core.verification import verify

    header = _header(path)
    with path.open("rb") as lines:
        lines.readline()
        return verify(header, lines, checkpoints)


def _header(path: Path) -> Header:
    from pointsman.core.verification import MAX_HEADER, read_header

    try:
        with path.open("rb") as lines:
            return read_header(lines.readline(MAX_HEADER))
    except FileNotFoundError:
        raise _no_file(path) from None
    except OSError as error:
        raise _unreadable(path, error) from error


def _is_of_installation(path: Path) -> bool:
    from pointsman.core.people import INSTALLATION

    return _header(path).project == INSTALLATION


def _verify_registry(
    registry: Registry, checkpoints: Sequence[Checkpoint], installation: bool
) -> Report:
    from pointsman.core.verification import read_header, verify

    # Before the head: a journal that grows meanwhile is none cut off.
    own = list(_own(registry, installation))
    head = registry.journal_head(installation=installation)
    header = read_header(f"{header_of(head)}\n".encode())
    lines = fetched(registry, head, installation=installation)
    return verify(header, lines, [*checkpoints, *own])


@contextmanager
def _restored(backup: str, file: str | None) -> Iterator[Registry]:
    """The project of a file, or the usual one, of a backup restored to where nobody looks."""
    with needing_server():
        from pointsman.compose import Registry as Embedded
        from pointsman.embedded.record import restore_backup
    project = None
    if file is not None and not _is_of_installation(Path(file)):
        project = _header(Path(file)).project
    with TemporaryDirectory(prefix="pointsman-verify-") as folder:
        restore_backup(backup, folder, "", live=True, blobs=False)  # as it was: nobody serves it
        with Embedded.open(folder, project=project, via="cli") as registry:
            yield registry


def _head(registry: Registry, installation: bool) -> Checkpoint:
    from pointsman.core.checkpoints import Checkpoint

    head = registry.journal_head(installation=installation)
    return Checkpoint(head.origin, head.seq, head.hash)


def _own(registry: Registry, installation: bool) -> Iterator[Checkpoint]:
    """The checkpoints that the registry kept of itself."""
    from pointsman.core.checkpoints import parse_note

    cursor = None
    while True:
        page = registry.checkpoints(limit=1_000, cursor=cursor, installation=installation)
        for one in page.items:
            yield parse_note(one.note).checkpoint
        cursor = page.cursor
        if cursor is None:
            return


def _is_of(path: Path, keys: Sequence[str]) -> bool:
    """Whether a checkpoint found in a folder is of a journal that one of the keys is for."""
    from pointsman.core.checkpoints import parse_verifier_key

    with path.open("rb") as file:
        origin = file.readline(1_000).strip().decode("utf-8", "replace")
    return origin in {parse_verifier_key(key).name for key in keys}


def _notes(given: Sequence[str]) -> Iterator[tuple[Path, bool]]:
    """The files given, each with whether it was named itself or found in a folder."""
    for one in given:
        path = Path(one)
        if path.is_dir():
            found = sorted(path.glob("*.note"))
            if not found:
                raise NotFound(
                    f"There are no checkpoints in {one!r}.",
                    code="no_checkpoints",
                    hint="Their files end with .note.",
                    field="checkpoint",
                )
            yield from ((path, False) for path in found)
        else:
            yield path, True


def _checkpoint(path: Path, keys: Sequence[str]) -> Checkpoint:
    from pointsman.core.checkpoints import MAX_NOTE, parse_note

    try:
        with path.open("rb") as file:
            text = file.read(MAX_NOTE + 1).decode()
    except FileNotFoundError:
        raise _no_file(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    if not keys:
        return parse_note(text).checkpoint
    with needing_server():
        from pointsman.embedded.record import read_checkpoint
    problem: IntegrityError | None = None
    for key in keys:
        try:
            return read_checkpoint(text, key)
        except IntegrityError as error:
            problem = error
    assert problem is not None, "there is a key"
    raise problem


def _tell(out: Output, report: Report, diagnosis: Diagnosis | None) -> None:
    findings = len(report.findings) + (len(diagnosis.findings) if diagnosis else 0)
    if out.as_json:
        state = None if diagnosis is None else {"findings": diagnosis.findings}
        out.data(
            {
                "sound": findings == 0,
                "project": report.header.project,
                "origin": report.header.origin,
                "complete": not report.header.filters and report.header.after == 0,
                "checked": report.checked,
                "last": report.seq,
                "hash": report.hash,
                "findings": report.findings,
                "state": state,
            }
        )
        return
    for trouble in report.findings:
        out.line(_told(trouble), fg="red")
    for finding in diagnosis.findings if diagnosis else ():
        out.line(told_finding(finding), fg="red")
    if report.header.filters:
        out.note("Note: this export leaves entries out: it can't be verified to be complete.")
    elif report.header.after:
        out.note(f"Note: this export begins after entry {report.header.after}: not replayed.")
    looked_at = ", ".join(counted(count, what) for what, count in report.checked.items())
    verdict = f"{counted(findings, 'findings')}." if findings else "Nothing is wrong."
    state_too = ", and the state against the journal" if diagnosis else ""
    out.line(f"Checked {looked_at}{state_too}. {verdict}")
    out.line(f"The journal of {report.header.project} ends at {report.seq}: {report.hash}")


def _told(trouble: Trouble) -> str:
    where = "The journal" if trouble.seq is None else f"Entry {trouble.seq}"
    return f"{where}: {trouble.message}. {trouble.hint}"


def _no_file(path: Path) -> NotFound:
    return NotFound(f"There is no file {str(path)!r}.", code="no_file", field="file")


def _unreadable(path: Path, error: Exception) -> InvalidInput:
    why = getattr(error, "strerror", None) or error
    return InvalidInput(f"{path} can't be read: {why}.", code="unreadable_file")
