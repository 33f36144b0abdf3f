"""`pointsman provider`: where evaluations find models, and the keys for them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.output import Output
from pointsman.cli.times import when
from pointsman.errors import InvalidInput

if TYPE_CHECKING:
    from pointsman.core.provider_settings import Price, Provider, SavedProvider

_APIS = ("openai", "anthropic")
_KEY = {
    "none": "It has no key.",
    "kept": "Its key stays.",
    "set": "Its key is set.",
    "removed": "Its key is removed.",
    "forgotten": "Its key is forgotten.",
}


@click.group("provider", short_help="Where evaluations find models.")
def provider_command() -> None:
    """Providers of models: where evaluations find them, with which keys, at what price."""


@provider_command.command("list")
@with_registry()
def list_providers(*, registry: Registry, out: Output) -> None:
    """List the providers of the project. Whether they have a key is shown, no key ever."""
    found = registry.providers()
    if out.as_json:
        out.data({"providers": found})
        return
    rows = [
        (
            one.name,
            one.api,
            one.base_url or "public",
            "set" if one.has_key else "none",
            str(one.concurrency),
            str(one.per_minute or "no limit"),
            str(len(one.prices)),
        )
        for one in found
    ]
    head = ("NAME", "API", "ADDRESS", "KEY", "CONCURRENCY", "PER MINUTE", "PRICES")
    out.table(head, rows)


@provider_command.command("show")
@click.argument("name")
@with_registry()
def show_provider(*, registry: Registry, out: Output, name: str) -> None:
    """Show a provider with its limits and prices, without its key."""
    found = registry.provider(name)
    if out.as_json:
        out.data(found)
    else:
        _print(out, found)


@provider_command.command("set")
@click.argument("name")
@click.option(
    "--api",
    type=click.Choice(_APIS),
    help="What it speaks; most that are neither of the two speak openai's.",
)
@click.option(
    "--base-url",
    metavar="URL",
    help="Where it is, such as http://127.0.0.1:8000/v1; '' for the public openai or anthropic.",
)
@click.option(
    "--concurrency", type=click.IntRange(1), metavar="N", help="Calls at once (usual: 8)."
)
@click.option(
    "--per-minute",
    type=click.IntRange(0),
    metavar="N",
    help="Calls that begin in a minute; 0: without a limit (usual).",
)
@click.option(
    "--timeout", type=click.IntRange(1), metavar="SECONDS", help="For a call (usual: 60)."
)
@click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="MODEL=IN/OUT",
    help="What a million tokens cost, such as small=0.25/2.00; MODEL= forgets it; repeatable.",
)
@click.option(
    "--key-from-env", "variable", metavar="VARIABLE", help="Take the key from this variable."
)
@click.option("--key-from-stdin", "piped", is_flag=True, help="Read the key from stdin.")
@click.option("--ask-key", "asked", is_flag=True, help="Ask for the key, without showing it.")
@click.option("--no-key", "removed", is_flag=True, help="Remove the key.")
@click.option(
    "--if-revision", type=click.IntRange(min=0), metavar="N",
    help="Only if the provider is at this revision (0: if there is none).",
)  # fmt: skip
@with_registry()
def set_provider(
    *,
    registry: Registry,
    out: Output,
    name: str,
    prices: tuple[str, ...],
    if_revision: int | None,
    variable: str | None,
    piped: bool,
    asked: bool,
    removed: bool,
    **given: Any,
) -> None:
    """Make a provider of models or change it; what no option says stays as it is.

    NAME is what prompts have as their model's provider. A key is never an argument, and is
    kept encrypted. It goes with the address: where that changes without a new key, the old one
    is forgotten.

    \b
    Examples:
      pointsman provider set openai --key-from-env OPENAI_API_KEY --price gpt-5-mini=0.25/2.00
      pointsman provider set local --base-url http://127.0.0.1:8000/v1 --concurrency 32
    """
    key = _key(variable, piped=piped, asked=asked, removed=removed)
    present = next((one for one in registry.providers() if one.name == name), None)
    settings = {field: value for field, value in given.items() if value is not None}
    if settings.get("per_minute") == 0:
        settings["per_minute"] = None
    kept: dict[str, Any] = {}
    if present is not None:
        fields = ("api", "base_url", "concurrency", "per_minute", "timeout")
        kept = {field: getattr(present, field) for field in fields}
        if_revision = present.revision if if_revision is None else if_revision
    done = registry.set_provider(
        name,
        **(kept | settings),
        prices=_prices(dict(present.prices) if present else {}, prices),
        key=key,
        if_revision=if_revision,
    )
    _print_saved(out, done)


@provider_command.command("delete")
@click.argument("name")
@with_registry()
def delete_provider(*, registry: Registry, out: Output, name: str) -> None:
    """Delete a provider with its key."""
    registry.delete_provider(name)
    if out.as_json:
        out.data({})
    else:
        out.line(f"The provider {name} is deleted.")


def _key(variable: str | None, *, piped: bool, asked: bool, removed: bool) -> str | None:
    """The key that the options say: None leaves it as it is, empty removes it."""
    if sum((variable is not None, piped, asked, removed)) > 1:
        raise click.UsageError("Say once where the key comes from.")
    if removed:
        return ""
    if variable is not None:
        key, where = os.environ.get(variable, ""), f"The variable {variable}"
    elif piped:
        key, where = sys.stdin.readline(), "The first line of stdin"
    elif asked:
        key, where = click.prompt("Key", hide_input=True, err=True), "What was typed"
    else:
        return None
    key = key.strip()
    if not key:
        raise InvalidInput(
            f"{where} holds no key.",
            code="empty_key",
            hint="Give one, or remove the provider's with --no-key.",
            field="key",
        )
    return key


def _prices(present: dict[str, Price], given: tuple[str, ...]) -> dict[str, Price]:
    """The prices at hand with those that options say."""
    from pointsman.core.provider_settings import Price

    prices = dict(present)
    for text in given:
        model, equals, amounts = text.rpartition("=")
        before, slash, after = amounts.partition("/")
        if not model or not equals or bool(amounts) != bool(slash):
            raise click.BadParameter(
                f"{text!r} is no price. Write MODEL=IN/OUT, such as gpt-5-mini=0.25/2.00.",
                param_hint="'--price'",
            )
        if amounts:
            prices[model] = Price(before, after)
        else:
            prices.pop(model, None)
    return prices


def _print_saved(out: Output, done: SavedProvider) -> None:
    if out.as_json:
        out.data(done)
        return
    out.line(f"The provider {done.provider.name} is set. {_KEY[done.key_was]}")
    if done.hint:
        out.note(done.hint)


def _print(out: Output, one: Provider) -> None:
    prices = [
        f"{model}: {price.input} in, {price.output} out"
        for model, price in sorted(one.prices.items())
    ]
    out.fields(
        (
            ("name", one.name),
            ("api", one.api),
            ("address", one.base_url or "public"),
            ("key", "set" if one.has_key else "none"),
            ("concurrency", str(one.concurrency)),
            ("per minute", str(one.per_minute or "no limit")),
            ("timeout", f"{one.timeout} s"),
            ("prices", "\n".join(prices)),
            ("revision", f"{one.revision}, {when(one.updated_at, out)} by {one.updated_by}"),
        )
    )
