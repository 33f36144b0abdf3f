"""Every way to move or delete an alias: what a caller does, and where the code of it is.

A surface that can reach the one door has to be in `DOORS`: tests/house/test_doors.py finds
those that are not, and tests/wire/test_doors.py tries each of them in every role.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from cli.commands import Cli
from pointsman import Client, Registry
from pointsman.errors import Refused
from serving import Answer, Api, place


@dataclass(frozen=True)
class Attempt:
    """What a door is tried with: an artifact whose alias points to 2, and to 1 before."""

    api: Api
    secret: str
    name: str
    alias: str
    release: int
    """The release that moved the alias to 2."""
    change: int
    """A change that would move the alias to 3."""
    folder: Path

    def ask(self, method: str, path: str, body: object = None, **more: object) -> None:
        """Send a request; refused or not."""
        answer: Answer = self.api.request(method, path, body, key=self.secret, **more)  # type: ignore[arg-type]
        assert answer.status in (200, 201, 403), answer

    def send(self, form: str, **fields: object) -> None:
        """Send the form of a page about the artifact, as a browser does."""
        self.fill(f"prompts/{quote(self.name)}:{form}", alias=self.alias, **fields)

    def fill(self, page: str, **fields: object) -> None:
        """Send the form of any page of the project."""
        body = urlencode({"reason": WHY, **fields}).encode()
        address = f"//projects/default/{page}"
        headers = {
            "Cookie": f"pointsman_session={self.secret}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
        }
        answer = self.api.request("POST", address, body, key=None, headers=headers)
        assert answer.status in (303, 403), answer

    def client(self, deed: Callable[[Client], object]) -> None:
        """Do something with the client library."""
        with Client(self.api.url, self.secret) as client, suppress(Refused):
            deed(client)

    def command(self, *arguments: object) -> None:
        """Run a command."""
        cli = Cli(POINTSMAN_URL=self.api.url, POINTSMAN_API_KEY=self.secret)
        ran = cli.run(*arguments)
        assert ran.code in (0, 3), ran

    @property
    def at(self) -> str:
        return f"{self.name}@{self.alias}"

    @property
    def path(self) -> str:
        return place(self.name, "aliases", self.alias)


def _prompt_file(attempt: Attempt) -> Path:
    path = attempt.folder / f"{attempt.name.replace('/', '-')}-{attempt.alias}.prompt"
    path.write_text("by file\n")
    return path


WHY = "trying the door"
_MOVE = {"version": 3, "reason": WHY}
_MLFLOW = "//api/2.0/mlflow/registered-models"

TRIED: dict[str, Callable[[Attempt], None]] = {
    # The native API
    "PUT alias": lambda t: t.ask("PUT", t.path, _MOVE),
    "PUT alias to a split": lambda t: t.ask(
        "PUT", t.path, {"split": {"2": 1, "3": 1}, "reason": WHY}
    ),
    "PUT alias, breaking the glass": lambda t: t.ask("PUT", t.path, _MOVE | {"break_glass": True}),
    "DELETE alias": lambda t: t.ask("DELETE", t.path, query={"reason": WHY}),
    "POST rollback of an alias": lambda t: t.ask("POST", t.path + "/rollback", {"reason": WHY}),
    "POST release": lambda t: t.ask(
        "POST",
        "/releases",
        {"moves": [{"name": t.name, "alias": t.alias, "version": 3}], "reason": WHY},
    ),
    "POST release that deletes": lambda t: t.ask(
        "POST",
        "/releases",
        {"moves": [{"name": t.name, "alias": t.alias, "delete": True}], "reason": WHY},
    ),
    "POST rollback of a release": lambda t: t.ask(
        "POST", f"/releases/{t.release}/rollback", {"reason": WHY}
    ),
    "POST version with aliases": lambda t: t.ask(
        "POST",
        "/versions",
        {"name": t.name, "content": "new", "aliases": [t.alias], "message": WHY},
    ),
    "POST versions in bulk": lambda t: t.ask(
        "POST",
        "/versions/bulk",
        {"versions": [{"name": t.name, "content": "b", "aliases": [t.alias], "message": WHY}]},
    ),
    "POST apply of a change": lambda t: t.ask(
        "POST", f"/changes/{t.change}/apply", {"reason": WHY}
    ),
    "POST apply, breaking the glass": lambda t: t.ask(
        "POST", f"/changes/{t.change}/apply", {"reason": WHY, "break_glass": True}
    ),
    # MLflow's registry protocol
    "MLflow POST alias": lambda t: t.ask(
        "POST", f"{_MLFLOW}/alias", {"name": t.name, "alias": t.alias, "version": "3"}
    ),
    "MLflow DELETE alias": lambda t: t.ask(
        "DELETE", f"{_MLFLOW}/alias", {"name": t.name, "alias": t.alias}
    ),
    # The pages
    "the form to move": lambda t: t.send("move", version=3, deed="move"),
    "the form to move, breaking the glass": lambda t: t.send("move", version=3, deed="break"),
    "the form to move, for a share": lambda t: t.send("move", version=3, share=50, deed="move"),
    "the form to roll back": lambda t: t.send("rollback"),
    "the form to release together": lambda t: t.fill(
        "changes/new",
        name=t.name,
        alias=t.alias,
        to="3",
        seen=f"prompt:{t.name}@{t.alias}#2>3",
        deed="release",
    ),
    "the form to apply": lambda t: t.fill(f"changes/{t.change}", deed="apply"),
    "the form to apply, breaking the glass": lambda t: t.fill(f"changes/{t.change}:break"),
    "the form to roll back a release": lambda t: t.fill(f"releases/{t.release}:rollback"),
    # The client library
    "client.promote": lambda t: t.client(lambda c: c.promote(f"{t.name}:3", t.alias, reason=WHY)),
    "client.split": lambda t: t.client(
        lambda c: c.split(t.name, t.alias, {2: 1, 3: 1}, reason=WHY)
    ),
    "client.release": lambda t: t.client(
        lambda c: c.release([{"name": t.name, "alias": t.alias, "version": 3}], reason=WHY)
    ),
    "client.delete_alias": lambda t: t.client(lambda c: c.delete_alias(t.at, reason=WHY)),
    "client.rollback": lambda t: t.client(lambda c: c.rollback(t.at, reason=WHY)),
    "client.rollback_release": lambda t: t.client(
        lambda c: c.rollback_release(t.release, reason=WHY)
    ),
    "client.publish": lambda t: t.client(
        lambda c: c.publish(t.name, "x", aliases=[t.alias], message=WHY)
    ),
    "client.publish_many": lambda t: t.client(
        lambda c: c.publish_many(
            [{"name": t.name, "content": "y", "aliases": [t.alias], "message": WHY}]
        )
    ),
    "client.apply": lambda t: t.client(lambda c: c.apply(t.change, reason=WHY)),
    # The command line
    "promote": lambda t: t.command("promote", f"{t.name}:3", t.alias, "-m", WHY),
    "promote, breaking the glass": lambda t: t.command(
        "promote", f"{t.name}:3", t.alias, "-m", WHY, "--break-glass"
    ),
    "change apply": lambda t: t.command("change", "apply", t.change, "-m", WHY),
    "rollback": lambda t: t.command("rollback", t.at, "-m", WHY),
    "alias set": lambda t: t.command("alias", "set", t.at, "3", "-m", WHY),
    "alias delete": lambda t: t.command("alias", "delete", t.at, "-m", WHY),
    "release": lambda t: t.command("release", f"{t.name}:3@{t.alias}", "-m", WHY),
    "publish": lambda t: t.command(
        "publish", _prompt_file(t), "--name", t.name, "--alias", t.alias, "-m", WHY
    ),
}

EMBEDDED: dict[str, Callable[[Registry, str, int, int], object]] = {
    "embedded promote": lambda r, name, release, change: r.promote(
        f"{name}:3", "closed", reason=WHY
    ),
    "embedded release": lambda r, name, release, change: r.release(
        [{"name": name, "alias": "closed", "version": 3}], reason=WHY
    ),
    "embedded delete_alias": lambda r, name, release, change: r.delete_alias(
        f"{name}@closed", reason=WHY
    ),
    "embedded split": lambda r, name, release, change: r.split(
        name, "closed", {2: 1, 3: 1}, reason=WHY
    ),
    "embedded rollback": lambda r, name, release, change: r.rollback(f"{name}@closed", reason=WHY),
    "embedded rollback_release": lambda r, name, release, change: r.rollback_release(
        release, reason=WHY
    ),
    "embedded publish": lambda r, name, release, change: r.publish(
        name, "x", aliases=["closed"], message=WHY
    ),
    "embedded publish_many": lambda r, name, release, change: r.publish_many(
        [{"name": name, "content": "x", "aliases": ["closed"], "message": WHY}]
    ),
    "embedded apply": lambda r, name, release, change: r.apply(change, reason=WHY),
}
"""What a program does that has the registry in its own process. `closed` lets nobody move it."""

DOORS: dict[str, tuple[str, ...]] = {
    "pointsman.wire.native.routes:_release": (
        "PUT alias",
        "PUT alias to a split",
        "PUT alias, breaking the glass",
        "DELETE alias",
        "POST release",
        "POST release that deletes",
    ),
    "pointsman.wire.native.routes:_roll_back_alias": ("POST rollback of an alias",),
    "pointsman.wire.native.routes:_roll_back_release": ("POST rollback of a release",),
    "pointsman.wire.native.routes:_publish": ("POST version with aliases",),
    "pointsman.wire.native.routes:_publish_many": ("POST versions in bulk",),
    "pointsman.wire.native.governing:_apply": (
        "POST apply of a change",
        "POST apply, breaking the glass",
    ),
    "pointsman.wire.mlflow.models:set_alias": ("MLflow POST alias",),
    "pointsman.wire.mlflow.models:delete_alias": ("MLflow DELETE alias",),
    # These ask for more than to move an alias, or are about models, or publish without one:
    # tests/wire/mlflow/test_mlflow_doors.py tries every call where a policy governs the alias.
    "pointsman.wire.mlflow.versions:delete": (),
    "pointsman.wire.mlflow.versions:transition": (),
    "pointsman.wire.mlflow.versions:create": (),
    "pointsman.web.moving:move": (
        "the form to move",
        "the form to move, breaking the glass",
        "the form to move, for a share",
    ),
    "pointsman.web.moving:roll_back": ("the form to roll back",),
    # It publishes without an alias: tests/web/test_web_editing.py asks for one in vain.
    "pointsman.web.editing:_publish": (),
    "pointsman.web.proposing:_release": ("the form to release together",),
    "pointsman.web.changing:_apply": ("the form to apply",),
    "pointsman.web.changing:break_glass": ("the form to apply, breaking the glass",),
    "pointsman.web.releasing:roll_back": ("the form to roll back a release",),
    # In a program's own process the caller is an admin, whom a policy binds like all others.
    "pointsman.compose:promote": ("embedded promote",),
    "pointsman.compose:_release": ("embedded release", "embedded delete_alias", "embedded split"),
    "pointsman.compose:rollback": ("embedded rollback",),
    "pointsman.compose:rollback_release": ("embedded rollback_release",),
    "pointsman.compose:publish": ("embedded publish",),
    "pointsman.compose:publish_many": ("embedded publish_many",),
    "pointsman.embedded.governance:apply": ("embedded apply",),
}
"""Where the one door can be reached from, outside of the use cases → the ways that try it."""
