"""Journal entries as sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pointsman.cli.entries_governance import told_governance
from pointsman.cli.moving import place_of, short_label, short_target

if TYPE_CHECKING:
    from pointsman.core.vocabulary import Entry, Target

F = TypeVar("F", bound=Callable[..., Any])


class _EntryType(click.ParamType[str]):
    """A type of entry. The list is loaded when one is given: help needs none of it."""

    name = "type"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The type itself, or a mistake that tells all there are."""
        from pointsman.core.events import TYPES

        if value not in TYPES:
            self.fail(f"{value!r} is none of {', '.join(TYPES)}.", param, ctx)
        return value


type_option: Callable[[F], F] = click.option(
    "--type",
    "types",
    multiple=True,
    type=_EntryType(),
    metavar="TYPE",
    help="Only entries of this type: alias.moved …; a wrong one is answered with all there are.",
)


def told_entry(entry: Entry) -> str:
    """What happened, in one line and without who and when."""
    data = entry.data
    place = place_of(data.get("kind", "prompt"), data["name"]) if "name" in data else ""
    version = f"{place}:{data['version']}" if "version" in data else place
    match entry.type:
        case "alias.moved":
            arrow = f"{_target(data.get('before'))} → {_target(data.get('to'))}"
            undone = f", undoing release {data['undoes']}" if "undoes" in data else ""
            return f"{place}@{data['alias']}: {arrow}{undone}{_because(data.get('reason'))}"
        case "version.published":
            return f"{version} published{_because(data.get('message'))}"
        case "version.tombstoned":
            return f"{version} removed{_because(data.get('reason'))}"
        case "artifact.created" | "artifact.archived" | "artifact.restored":
            return f"{place} {entry.type.partition('.')[2]}"
        case "tag.set":
            return f"{version} tagged {data['key']}={data.get('value', '')}"
        case "tag.deleted":
            return f"{version} no longer tagged {data['key']}"
        case "evaluation.requested":
            return f"{version} to be evaluated with {short_label(data['suite'])}"
        case "evaluation.finished":
            what = f"evaluation {data['evaluation']} of {version}"
            return f"{what} {data['outcome']}{_because(data['summary'])}"
        case "evaluation.cancelled":
            return f"evaluation {data['evaluation']} of {version} {data['state']}"
        case "evidence.stale":
            return f"{place}@{data['alias']}: evidence stale, as {', '.join(data['because'])} moved"
        case "key.created":
            return f"key {data['key']} made for {data.get('key_name')} ({data.get('role')})"
        case "key.revoked":
            return f"key {data['key']} of {data.get('key_name')} revoked"
        case "project.created":
            return f"project {data.get('project', '')} created"
        case "provider.set" | "provider.deleted":
            return f"provider {data['provider_name']} {entry.type.partition('.')[2]}"
    # A newer registry tells of things that this program has no sentence for.
    return told_governance(entry) or " ".join([entry.type, version]).rstrip()


def is_about(entry: Entry, selector: str) -> bool:
    """Whether an entry concerns an artifact (`name`) or an alias of it (`name@alias`)."""
    from pointsman.core.selectors import parse_selector

    wanted = parse_selector(selector)
    data = entry.data
    if (data.get("kind"), data.get("name")) != (wanted.kind, wanted.name):
        return False
    return wanted.alias is None or data.get("alias") == wanted.alias


def _target(plain: Any) -> str:
    from pointsman.core.plain import from_plain
    from pointsman.core.vocabulary import Target

    target: Target | None = None if plain is None else from_plain(Target, plain)
    return short_target(target)


def _because(text: str | None) -> str:
    return f": {text}" if text else ""
