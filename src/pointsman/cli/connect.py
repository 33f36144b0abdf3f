"""Which registry a command talks to: a server, a folder, or a database.

What is named on the command line counts before what is in the environment. A server speaks
HTTP; a folder or database is opened in this very process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import click

from pointsman.cli.output import Output
from pointsman.errors import InvalidInput, NotFound, PointsmanError, Unavailable

if TYPE_CHECKING:
    from pointsman.compose import Registry as Embedded
    from pointsman.sdk.client import Client

    # What commands ask is spelt alike by both: tests/house/test_vocabulary.py holds the words.
    Registry: TypeAlias = Client | Embedded
else:
    Registry = object  # commands are annotated with it, and import neither until they run

LOCAL = "http://127.0.0.1:8080"
"""Where a server listens unless told otherwise."""
_DATABASE = "registry.db"
_PROJECT = "pointsman.project"
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a registry is. A server if `url` is set, else a database or a folder."""

    url: str = ""
    key: str = ""
    data: str = ""
    database: str = ""
    project: str = ""

    def __str__(self) -> str:
        """What people may read: without key and password."""
        return self.url or (told_database(self.database) if self.database else self.data)


def place_options(*, server: bool = True) -> Callable[[F], F]:
    """The options that say where a registry is."""

    def add(function: F) -> F:
        function = click.option(
            "--database",
            metavar="URL",
            help="A PostgreSQL database. [env: POINTSMAN_DATABASE]",
        )(function)
        function = click.option(
            "--data", metavar="FOLDER", help="A folder on this machine. [env: POINTSMAN_DATA]"
        )(function)
        if server:
            function = click.option(
                "--project",
                metavar="NAME",
                expose_value=False,
                callback=_note_project,
                help="The project, if the key is for several. [env: POINTSMAN_PROJECT]",
            )(function)
            function = click.option(
                "--key",
                "api_key",
                metavar="KEY",
                help="The key for the server; better in the environment. [env: POINTSMAN_API_KEY]",
            )(function)
            function = click.option(
                "--url", metavar="URL", help="The server. [env: POINTSMAN_URL]"
            )(function)
        return function

    return add


def _note_project(context: click.Context, _: click.Parameter, name: str | None) -> None:
    """Keep the option for `find_place`: commands have no other use for it."""
    context.meta[_PROJECT] = name


def _project() -> str:
    context = click.get_current_context(silent=True)
    given: str | None = context.meta.get(_PROJECT) if context is not None else None
    if given is not None and not given.strip():
        raise click.UsageError("--project is empty. Name a project, or leave it out.")
    return given or os.environ.get("POINTSMAN_PROJECT", "")


def with_output(function: F) -> F:
    """Add `--json`, and give the command its `Output` as `out`."""

    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @wraps(function)
    def run(*args: Any, as_json: bool, **rest: Any) -> Any:
        return function(*args, out=Output(as_json), **rest)

    return run  # type: ignore[return-value]


def with_registry(*, makes: bool = False) -> Callable[[F], F]:
    """Give a command its registry, its output, and the options that choose them.

    `makes` tells that the command may start a registry in a folder that has none.
    """

    def wrap(function: F) -> F:
        @place_options()
        @with_output
        @wraps(function)
        def run(
            *,
            url: str | None,
            api_key: str | None,
            data: str | None,
            database: str | None,
            **rest: Any,
        ) -> Any:
            place = find_place(url, api_key, data, database)
            with connect(place, makes=makes and not rest.get("dry_run")) as registry:
                return function(registry=registry, **rest)

        return run  # type: ignore[return-value]

    return wrap


def find_place(url: str | None, key: str | None, data: str | None, database: str | None) -> Place:
    """Where the options and the environment say that the registry is.

    Raises `click.UsageError` if they say nothing, or more than one thing.
    """
    options = {"--url": url, "--key": key, "--data": data, "--database": database}
    for name, value in options.items():
        if value is not None and not value.strip():
            raise click.UsageError(f"{name} is empty. Name a registry, or leave it out.")
    given = [name for name, value in options.items() if value and name != "--key"]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} name different registries. Choose one.")
    environ = os.environ
    key = key or environ.get("POINTSMAN_API_KEY", "")
    if not given:
        url = environ.get("POINTSMAN_URL")
        if not url:
            database = environ.get("POINTSMAN_DATABASE")
        if not url and not database:
            data = environ.get("POINTSMAN_DATA")
        if not (url or database or data) and key:
            url = LOCAL
    if url:
        if not key:
            raise click.UsageError(
                f"{url} wants a key. Set POINTSMAN_API_KEY (or --key) to one; "
                "`pointsman key create` makes them."
            )
        return Place(url=url, key=key, project=_project())
    if database or data:
        return Place(database=database or "", data=data or "", project=_project())
    raise click.UsageError(
        "Which registry? Name one:\n"
        "  a server:   POINTSMAN_URL and POINTSMAN_API_KEY in the environment (or --url, --key)\n"
        "  a folder:   POINTSMAN_DATA (or --data)\n"
        "  a database: POINTSMAN_DATABASE (or --database)\n"
        "`pointsman serve` starts a server on this machine."
    )


def local_place(data: str | None, database: str | None) -> Place:
    """The folder or database that the options or the environment name, and no server.

    Raises `click.UsageError` if they name none, or two.
    """
    if data and database:
        raise click.UsageError("--data and --database name different registries. Choose one.")
    if not data and not database:
        database = os.environ.get("POINTSMAN_DATABASE")
        data = None if database else os.environ.get("POINTSMAN_DATA")
    if not data and not database:
        raise click.UsageError("Which registry? Name its folder (--data) or --database.")
    return Place(data=data or "", database=database or "")


def connect(place: Place, *, makes: bool = False) -> Registry:
    """The registry at a place. Close it when done.

    Raises `NotFound` if there is none in the folder, and it is not to be made; and as
    `check_folder` does.
    """
    if place.url:
        from pointsman.sdk import client

        # One command asks a few times and ends: nothing is worth following or keeping.
        return client.Client(
            place.url, place.key, project=place.project, snapshot=False, follow=False
        )
    if place.data:
        check_folder(Path(place.data), makes=makes)
    with needing_server():
        from pointsman.compose import Registry as Embedded
    return Embedded.open(
        place.data or None,
        database=place.database or None,
        project=place.project or None,
        via="cli",
    )


def connect_to(url: str, key: str = "", project: str = "") -> Registry:
    """The server at a URL, perhaps without a key: for signing in."""
    from pointsman.sdk import client

    return client.Client(url, key, project=project, snapshot=False, follow=False)


@contextmanager
def needing_server() -> Iterator[None]:
    """Where imports may lack packages that only the extra `server` brings: say so."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise PointsmanError(
            f"This needs the package {error.name}, which is not installed.",
            code="missing_extra",
            hint='Install it with: pip install "pointsman[server]"; or ask a server, with --url.',
        ) from error


def told_database(url: str) -> str:
    """A database's URL as people may read it: host and name, nothing secret."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
    except ValueError:
        return "the database"


def check_folder(folder: Path, *, makes: bool) -> None:
    """See that a registry can be opened in a folder; if `makes`, it may have to be made.

    Raises:
        InvalidInput: it is a file.
        NotFound: there is no registry in it, or no folder, and none is to be made.
        Unavailable: this user may not use it.
    """
    try:
        nearest = next(path for path in (folder, *folder.absolute().parents) if _is_there(path))
        if not nearest.is_dir():
            raise InvalidInput(
                f"{str(nearest)!r} is a file, not a folder.",
                code="not_a_folder",
                hint="Name the folder that the registry is in.",
                field="data",
            )
        database = folder / _DATABASE
        if not makes and not _is_there(database):
            raise _no_registry(folder)
        _check_allowed(database if _is_there(database) else nearest)
    except PermissionError:
        raise _not_allowed(folder) from None


def _is_there(path: Path) -> bool:
    """Whether there is such a file or folder. Raises `PermissionError` if that can't be seen."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _check_allowed(path: Path) -> None:
    """SQLite writes beside its file even to read, so both must be open to this user."""
    folder = path if path.is_dir() else path.parent
    for one, needed in ((folder, os.R_OK | os.W_OK | os.X_OK), (path, os.R_OK | os.W_OK)):
        if not os.access(one, needed, effective_ids=os.access in os.supports_effective_ids):
            raise _not_allowed(one)


def _no_registry(folder: Path) -> NotFound:
    if folder.is_dir():
        empty = "is empty" if not any(folder.iterdir()) else f"has no {_DATABASE}"
        message = f"There is no registry in {str(folder)!r}: the folder {empty}."
    else:
        message = f"There is no registry in {str(folder)!r}: there is no such folder."
    return NotFound(
        message,
        code="no_registry",
        hint="Check the folder's name. `pointsman serve --data` and `pointsman publish` "
        "start a new one.",
        field="data",
    )


def _not_allowed(path: Path) -> Unavailable:
    return Unavailable(
        f"You may not read and write {str(path)!r}.",
        code="not_permitted",
        hint="Run this as its owner, or let its owner give you access.",
        field="data",
    )
