"""`pointsman serve`: a server in this process."""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from pointsman.cli.connect import Place, check_folder, needing_server, place_options, with_output
from pointsman.cli.output import Output

at_once_option = click.option(
    "--evaluations-at-once",
    "at_once",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="How many evaluations run at the same time.",
)
lease_option = click.option(
    "--lease",
    type=click.FloatRange(1, 3_600),
    default=30.0,
    show_default=True,
    help="Seconds after which others take over what a dead worker had.",
)
commands_option = click.option(
    "--allow-commands",
    is_flag=True,
    envvar="POINTSMAN_ALLOW_COMMANDS",
    help="Run the commands that suites name, with the rights of this process.",
)


def evaluating_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a process that may run evaluations."""
    for option in (
        click.option(
            "--evaluations/--no-evaluations",
            default=None,
            help="Run evaluations in this process (default: if kept in a folder).",
        ),
        at_once_option,
        lease_option,
        commands_option,
    ):
        command = option(command)
    return command


@click.command("serve", short_help="Serve a registry over HTTP.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@place_options(server=False)
@evaluating_options
@with_output
def serve_command(
    *,
    out: Output,
    host: str,
    port: int,
    data: str | None,
    database: str | None,
    evaluations: bool | None,
    at_once: int,
    lease: float,
    allow_commands: bool,
) -> None:
    """Serve a registry over HTTP until stopped.

    Everything is kept in the folder --data (./data unless told otherwise), or in a PostgreSQL
    database, which many servers can share.

    Evaluations run in this process where the registry is kept in a folder. With a database
    they are left to `pointsman worker`, unless --evaluations asks for them here.

    The first start makes an admin key and prints it this once, beside a link by which the first
    person comes in: it is good once, and for a day. For automation, set
    POINTSMAN_BOOTSTRAP_KEY to a key made by `pointsman key generate`: it becomes the first
    key of an empty registry, and neither it nor a link is printed.

    \b
    Examples:
      pointsman serve
      pointsman serve --host 0.0.0.0 --data /var/lib/pointsman
      pointsman serve --database postgresql://pointsman@db.example.org/pointsman
    """
    place = place_of(data, database)
    with needing_server():
        from pointsman.compose import open_store
        from pointsman.server import Server, Service, Terms, _listen

    if place.data:
        check_folder(Path(place.data), makes=True)
    # Nothing is made, not even a folder, for a server that can't start.
    _listen(host, port).close()
    log_to_stderr()
    here = bool(place.data) if evaluations is None else evaluations
    terms = Terms(commands_allowed=allow_commands, at_once=at_once, lease=lease) if here else None
    service = Service(open_store(place.data or None, place.database or None), terms)
    try:
        # Listen first: a key made before a start that fails would never be seen.
        server = Server(service, host, port)
        given = os.environ.get("POINTSMAN_BOOTSTRAP_KEY") or None
        secret = service.bootstrap(given)
        made = None if given else secret
        link = f"{server.url}/welcome?token={service.welcome()}" if made else ""
        if not _is_loopback(host):
            out.note(_UNENCRYPTED.format(host=host))
        if made and not out.as_json:
            # At once: should the start be cut short here, the key has been seen.
            click.echo(_FIRST_START.format(place=place, secret=made, url=server.url, link=link))
        server.run(lambda: _announce(out, server.url, place, made, link))
    finally:
        service.close()


def place_of(data: str | None, database: str | None) -> Place:
    if data and database:
        raise click.UsageError("--data and --database name different registries. Choose one.")
    if not data and not database:
        database = os.environ.get("POINTSMAN_DATABASE")
        data = None if database else os.environ.get("POINTSMAN_DATA") or "data"
    return Place(data=str(Path(data).resolve()) if data else "", database=database or "")


def _announce(out: Output, url: str, place: Place, secret: str | None, link: str) -> None:
    """Say that requests are answered."""
    if out.as_json:
        ready = {"url": url, "place": str(place)}
        first = {"admin_key": secret, "admin_link": link} if secret else {}
        click.echo(json.dumps({**ready, **first}))
    else:
        click.echo(f"Serving {place} at {url} (Ctrl-C stops it)")
    sys.stdout.flush()


_FIRST_START = """\
This is the first start: {place} is new. Open this link in a browser to come in as its first
admin. It is good once, and for a day:

    {link}

For programs, here is an admin key. It is shown this once and kept nowhere, so put it where you
keep secrets:

    {secret}

To use it in a shell:

    export POINTSMAN_URL={url}
    export POINTSMAN_API_KEY={secret}
    pointsman key create my-app --role viewer

Whoever loses them makes others on this machine, with --data or --database: pointsman user
welcome, and pointsman key create.
"""

_UNENCRYPTED = (
    "Warning: {host} can be reached from other machines, and keys travel unencrypted.\n"
    "Put something that speaks TLS in front, or listen on 127.0.0.1."
)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def log_to_stderr() -> None:
    import logging

    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
