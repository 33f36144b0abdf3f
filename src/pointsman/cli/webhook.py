"""`pointsman webhook`: who outside is told of what happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.output import Output
from pointsman.cli.times import when

if TYPE_CHECKING:
    from pointsman.core.webhooks import Delivery, Webhook

F = TypeVar("F", bound=Callable[..., Any])
_FORMATS = ("cloudevents", "slack", "github", "mlflow")


@click.group("webhook", short_help="Tell others of what happens.")
def webhook_command() -> None:
    """Tell others of what happens: make, change, test and look after webhooks."""


def _terms(*, changing: bool) -> Callable[[F], F]:
    """The options that say what a webhook is to be."""
    kept = " Stays as it is unless given." if changing else ""

    def add(function: F) -> F:
        options = (
            click.option(
                "--event",
                "events",
                multiple=True,
                metavar="PATTERN",
                help="Which entries of the journal, such as 'alias.*'; or checkpoint.signed. "
                f"Repeatable.{kept}",
            ),
            click.option(
                "--artifacts",
                metavar="PATTERN",
                default=None if changing else "*",
                help=f"Which artifacts, such as 'support/*'.{kept}",
            ),
            click.option(
                "--aliases",
                metavar="PATTERN",
                default=None if changing else "*",
                help=f"Which aliases, such as 'prod-*'.{kept}",
            ),
            click.option(
                "--format",
                type=click.Choice(_FORMATS),
                default=None if changing else "cloudevents",
                help=f"What is sent.{kept}",
            ),
            click.option(
                "--token-file",
                type=click.File(),
                help="A file with a token for the Authorization header; - reads it from stdin.",
            ),
        )
        for option in reversed(options):
            function = option(function)
        return function

    return add


@webhook_command.command("create")
@click.argument("name")
@click.argument("address", metavar="URL")
@_terms(changing=False)
@with_registry()
def create_webhook(
    *,
    registry: Registry,
    out: Output,
    name: str,
    address: str,
    events: tuple[str, ...],
    artifacts: str,
    aliases: str,
    format: str,  # noqa: A002 - the option's own name
    token_file: Any,
) -> None:
    """Make a webhook, which is told of what happens from now on.

    NAME says who or what is told, at URL. The secret that signs what is sent is shown this
    once.
    """
    made = registry.create_webhook(
        name,
        address,
        events=events,
        artifacts=artifacts,
        aliases=aliases,
        format=format,
        token=_token(token_file) or "",
    )
    if out.as_json:
        out.data(made)
    elif out.terminal:
        out.line(f"The webhook {made.webhook.name} is {made.webhook.id}.")
        out.line("The secret that signs what it is sent, shown this once:")
        out.line()
        out.line(f"    {made.secret}")
        out.line()
        out.line(f"Try it with: pointsman webhook test {made.webhook.id}")
    else:
        click.echo(made.secret)


@webhook_command.command("list")
@with_registry()
def list_webhooks(*, registry: Registry, out: Output) -> None:
    """List all webhooks."""
    found = registry.webhooks()
    if out.as_json:
        out.data({"webhooks": found})
        return
    rows = [
        (
            one.id,
            one.name,
            one.url,
            one.format,
            ", ".join(one.events),
            f"disabled {when(one.disabled_at, out)}" if one.disabled_at else "enabled",
        )
        for one in found
    ]
    out.table(("ID", "NAME", "URL", "FORMAT", "EVENTS", "STATE"), rows)


@webhook_command.command("show")
@click.argument("webhook_id", metavar="ID")
@with_registry()
def show_webhook(*, registry: Registry, out: Output, webhook_id: str) -> None:
    """Show a webhook."""
    _print(out, registry.webhook(webhook_id))


@webhook_command.command("change")
@click.argument("webhook_id", metavar="ID")
@click.option("--name", help="Who or what is told.")
@click.option("--to", "address", metavar="URL", help="Where it is told.")
@_terms(changing=True)
@with_registry()
def change_webhook(
    *,
    registry: Registry,
    out: Output,
    webhook_id: str,
    name: str | None,
    address: str | None,
    events: tuple[str, ...],
    artifacts: str | None,
    aliases: str | None,
    format: str | None,  # noqa: A002 - the option's own name
    token_file: Any,
) -> None:
    """Change a webhook; what is not given stays as it is.

    Its token goes with its address: give it again where that leads to another place.
    """
    changed = registry.change_webhook(
        webhook_id,
        name=name,
        url=address,
        events=events or None,
        artifacts=artifacts,
        aliases=aliases,
        format=format,
        token=_token(token_file),
    )
    _print(out, changed)


@webhook_command.command("delete")
@click.argument("webhook_id", metavar="ID")
@with_registry()
def delete_webhook(*, registry: Registry, out: Output, webhook_id: str) -> None:
    """Delete a webhook, with what it was still to be told."""
    registry.delete_webhook(webhook_id)
    if out.as_json:
        out.data({})
    else:
        out.line(f"The webhook {webhook_id} is deleted.")


@webhook_command.command("enable")
@click.argument("webhook_id", metavar="ID")
@with_registry()
def enable_webhook(*, registry: Registry, out: Output, webhook_id: str) -> None:
    """Let a webhook go on where it was: it is told of all that happened meanwhile."""
    _print(out, registry.enable_webhook(webhook_id))


@webhook_command.command("disable")
@click.argument("webhook_id", metavar="ID")
@click.option("-m", "--reason", default="", help="Why: kept on the record.")
@with_registry()
def disable_webhook(*, registry: Registry, out: Output, webhook_id: str, reason: str) -> None:
    """Tell a webhook nothing more until it is enabled."""
    _print(out, registry.disable_webhook(webhook_id, reason=reason))


@webhook_command.command("test")
@click.argument("webhook_id", metavar="ID")
@with_registry()
def test_webhook(*, registry: Registry, out: Output, webhook_id: str) -> None:
    """Send a ping to a webhook. A server over the same data does it, within seconds."""
    _print_delivery(out, registry.test_webhook(webhook_id), webhook_id)


@webhook_command.command("deliveries")
@click.argument("webhook_id", metavar="ID")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 1_000),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)
@with_registry()
def list_deliveries(*, registry: Registry, out: Output, webhook_id: str, limit: int) -> None:
    """Show what a webhook was told and is to be told, newest first."""
    page = registry.deliveries(webhook_id, limit=limit)
    if out.as_json:
        out.data(page)
        return
    rows = [
        (
            str(one.number),
            one.type,
            one.subject,
            one.state,
            str(one.attempts),
            _outcome(one),
            when(one.attempted_at or one.created_at, out),
        )
        for one in page.items
    ]
    out.table(("NUMBER", "EVENT", "ABOUT", "STATE", "ATTEMPTS", "OUTCOME", "WHEN"), rows)


@webhook_command.command("redeliver")
@click.argument("webhook_id", metavar="ID")
@click.argument("number", type=click.IntRange(1))
@with_registry()
def redeliver(*, registry: Registry, out: Output, webhook_id: str, number: int) -> None:
    """Deliver an event again; one that waits is tried at once.

    NUMBER is that of a delivery, as `pointsman webhook deliveries` shows it.
    """
    _print_delivery(out, registry.redeliver(webhook_id, number), webhook_id)


def _print(out: Output, webhook: Webhook) -> None:
    if out.as_json:
        out.data(webhook)
        return
    state = "enabled"
    if webhook.disabled_at is not None:
        state = f"disabled {when(webhook.disabled_at, out)}. {webhook.disabled_why}".strip()
    out.fields(
        (
            ("id", webhook.id),
            ("name", webhook.name),
            ("url", webhook.url),
            ("format", webhook.format),
            ("events", ", ".join(webhook.events)),
            ("artifacts", webhook.artifacts),
            ("aliases", webhook.aliases),
            ("description", webhook.description),
            ("token", "set" if webhook.has_token else ""),
            ("state", state),
            ("made", f"{when(webhook.created_at, out)} by {webhook.created_by}"),
        )
    )


def _print_delivery(out: Output, delivery: Delivery, webhook_id: str) -> None:
    if out.as_json:
        out.data(delivery)
    else:
        out.line(f"Delivery {delivery.number} ({delivery.type}) is on its way.")
        out.line(f"See how it went with: pointsman webhook deliveries {webhook_id}")


def _outcome(one: Delivery) -> str:
    if one.status is not None:
        return f"{one.status} in {one.duration_ms} ms"
    return one.error


def _token(file: Any) -> str | None:
    return None if file is None else file.read().strip()
