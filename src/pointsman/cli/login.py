"""`pointsman login`: a key of one's own, for a password or by single sign-on."""

from __future__ import annotations

import os
from typing import IO

import click

from pointsman.cli.connect import LOCAL, Registry, connect_to, with_output
from pointsman.cli.managing import ROLES, ask_password, expiry
from pointsman.cli.output import Output


@click.command("login", short_help="Get a key of your own.")
@click.argument("email", required=False)
@click.option("--sso", is_flag=True, help="Sign in with a browser, at your company's provider.")
@click.option("--no-browser", is_flag=True, help="With --sso: only print the address to open.")
@click.option("--name", default="login", show_default=True, help="What to call the key.")
@click.option("--role", type=click.Choice(ROLES), help="No more than this; else all that you may.")
@click.option(
    "--expires", metavar="WHEN", default="30d", show_default=True, help="When the key ends."
)
@click.option(
    "--password-file", type=click.File(), help="A file with the password; - reads it from stdin."
)
@click.option("--url", metavar="URL", help="The server. [env: POINTSMAN_URL]")
@click.option("--project", metavar="NAME", help="The project. [env: POINTSMAN_PROJECT]")
@with_output
def login_command(
    *,
    out: Output,
    email: str | None,
    sso: bool,
    no_browser: bool,
    name: str,
    role: str | None,
    expires: str,
    password_file: IO[str] | None,
    url: str | None,
    project: str | None,
) -> None:
    """Ask for your password and print a key of your own, which acts as you.

    With --sso, a browser on this machine signs you in instead, if the server is set up for
    that. No file is written: put the key into POINTSMAN_API_KEY.

    \b
    Examples:
      export POINTSMAN_API_KEY=$(pointsman login ana@example.org)
      export POINTSMAN_API_KEY=$(pointsman login --sso)
    """
    if sso == bool(email):
        raise click.UsageError("Give your e-mail address, or --sso.")
    ends = expiry(expires)
    url = url or os.environ.get("POINTSMAN_URL") or LOCAL
    project = project or os.environ.get("POINTSMAN_PROJECT", "")
    if email:
        password = ask_password(password_file)
        with connect_to(url) as anybody:
            token = anybody.sign_in(email, password).token
    else:
        from pointsman.cli.sso import token_by_browser

        token = token_by_browser(url, opens=not no_browser)
    with connect_to(url, token, project) as registry:
        try:
            chosen = role or _highest(registry)
            made = registry.create_my_key(name, chosen, expires_at=ends)  # type: ignore[arg-type]
        finally:
            registry.sign_out()
    if out.as_json:
        out.data(made)
    else:
        click.echo(made.secret)


def _highest(registry: Registry) -> str:
    """The highest role that one has, for all of the project or a part of it."""
    me = registry.me()
    held = [one.role for one in me.grants] + ([me.role] if me.role else [])
    return max(held, key=ROLES.index, default="viewer")
