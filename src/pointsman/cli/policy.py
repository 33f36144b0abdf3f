"""`pointsman policy`: the rules of aliases."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.failing import REFUSED
from pointsman.cli.governing import tell_missing
from pointsman.cli.moving import read_alias
from pointsman.cli.output import Output
from pointsman.cli.times import MOMENT
from pointsman.errors import InvalidInput

if TYPE_CHECKING:
    from pointsman.core.changes import PolicyInForce

F = TypeVar("F", bound=Callable[..., Any])
_DURATION = re.compile(r"(\d{1,9})\s*([smhdw]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
_EVERYTHING = "*"


class _Duration(click.ParamType[int]):
    """A span of time, in seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the span, or tell what can be read."""
        if isinstance(value, int):
            return value
        found = _DURATION.fullmatch(value.strip().lower())
        if found is None:
            self.fail(f"{value!r} is not a span of time. Write it like 30m, 12h or 7d.", param, ctx)
        return int(found[1]) * _SECONDS[found[2]]


_SPAN = _Duration()


@click.group("policy", short_help="The rules of aliases.")
def policy_command() -> None:
    """The rules of aliases: who moves them, who approves, what else it takes."""


@policy_command.command("list")
@with_registry()
def list_policies(*, registry: Registry, out: Output) -> None:
    """List the policies, the most specific first: of those that mean an alias, it decides."""
    found = registry.policies()
    if out.as_json:
        out.data({"policies": found})
        return
    out.table(
        ("NAME", "ALIASES", "ARTIFACTS", "APPROVALS", "CHECKS", "REASON", "ELSE", "REVISION"),
        [_row(one) for one in found],
    )
    for one in found:
        if one.hint:
            name = one.policy["name"]
            out.line()
            out.line(f"{name}: {one.hint}")
            out.line(f"  pointsman policy set --name {name} --approvals 1", dim=True)


@policy_command.command("show")
@click.argument("name")
@with_registry()
def show_policy(*, registry: Registry, out: Output, name: str) -> None:
    """Show a policy as YAML, as `pointsman policy set` reads it.

    What it leaves out is as usual: all artifacts, no approvals, no checks, no evaluations,
    releasers move, reviewers approve, admins may break the glass, and rollbacks are free.
    """
    found = registry.policy(name)
    if out.as_json:
        out.data(found)
        return
    from pointsman.cli.yamltext import write_yaml

    out.line(f"# {_told_by(found)}", dim=True)
    out.raw(write_yaml(dict(found.policy)))
    if found.hint:
        out.note(found.hint)


def _who_option(name: str, field: str, does: str) -> Callable[[F], F]:
    return click.option(
        f"--{name}", field, multiple=True, metavar="WHO",
        help=f"Who {does}: a role (and higher ones), group:NAME, owners, an e-mail address or a "
        "service's name; repeatable.",
    )  # fmt: skip


def _rules(function: F) -> F:
    """The options for the fields of a policy."""
    options = (
        click.option("--aliases", metavar="PATTERN", help="Which aliases, such as 'prod-*'."),
        click.option("--artifacts", metavar="PATTERN", help="Which artifacts, such as 'bot/*'."),
        click.option("--kind", help="Only artifacts of this kind."),
        _who_option("mover", "movers", "moves the aliases"),
        click.option(
            "--approvals", type=click.IntRange(min=0), metavar="N", help="How many approvals."
        ),
        _who_option("approver", "approvers", "approves"),
        click.option(
            "--self-approval/--no-self-approval", default=None,
            help="Whether who made, proposed or edited it may approve it.",
        ),
        click.option(
            "--check", "checks", multiple=True, metavar="NAME",
            help="A check that must have passed; repeatable.",
        ),
        click.option(
            "--evaluate", type=click.Choice(("none", "self", "affected")),
            help="What must have been evaluated and have passed: nothing, what moves, or all "
            "that depends on it as well.",
        ),
        click.option(
            "--suite", "suites", multiple=True, metavar="SUITE",
            help="A suite to evaluate with (name, name:3, name@alias); repeatable. Without, "
            "those that have the alias.",
        ),
        click.option(
            "--without-suite", type=click.Choice(("block", "warn")),
            help="What it means that no suite is for something that would be evaluated.",
        ),
        click.option(
            "--reason", type=click.IntRange(min=0), metavar="N",
            help="How many characters a reason has at least; 0: none is needed.",
        ),
        click.option(
            "--cool-down", type=_SPAN, metavar="SPAN", help="How long an alias rests after a move."
        ),
        click.option(
            "--approvals-expire", type=_SPAN, metavar="SPAN",
            help="How long an approval counts; 0: for ever.",
        ),
        click.option(
            "--rollback", type=click.Choice(("free", "governed")),
            help="Whether going back to what was live before needs approvals.",
        ),
        _who_option("bypass", "bypass", "may break the glass"),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@policy_command.command("set")
@click.argument("file", required=False, type=click.File(encoding="utf-8"))
@click.option("--name", metavar="NAME", help="The policy to make or change, if there is no FILE.")
@_rules
@click.option("-m", "--message", "why", default="", metavar="WHY", help="Why; kept on record.")
@click.option(
    "--if-revision", type=click.IntRange(min=0), metavar="N",
    help="Only if the policy is at this revision (0: if there is none).",
)  # fmt: skip
@with_registry()
def set_policy(
    *,
    registry: Registry,
    out: Output,
    file: TextIO | None,
    name: str | None,
    why: str,
    if_revision: int | None,
    **given: Any,
) -> None:
    """Make a policy or change it, from a FILE (YAML or JSON, - for stdin) or by options.

    With --name, what no option says stays as it is. A FILE is the whole policy; options
    change what it says. Freezes are written in a FILE only. Open changes are judged by the
    new policy at once, and one that nobody could satisfy is refused.

    \b
    Examples:
      pointsman policy set --name production --approvals 1 --check evaluation
      pointsman policy set --name models --aliases champion --kind model --approver group:ml
      pointsman policy set --name production --evaluate affected --suite support/quality@stable
      pointsman policy show production > production.yaml; pointsman policy set production.yaml
    """
    if (file is None) == (name is None):
        raise click.UsageError("Name the policy with --name, or give a FILE.")
    if file is not None:
        policy = _read_file(file)
    else:
        policy, revision = _present(registry, name or "")
        if_revision = revision if if_revision is None else if_revision
    policy |= {field: value for field, value in _fields(given).items() if value is not None}
    done = registry.set_policy(policy, reason=why, if_revision=if_revision)
    if out.as_json:
        out.data(done)
        return
    out.line(f"The policy {done.policy['name']} is in force: {_told_by(done)}.")
    if done.hint:
        out.note(done.hint)


@policy_command.command("delete")
@click.argument("name")
@click.option("-m", "--message", "why", default="", metavar="WHY", help="Why; kept on record.")
@with_registry()
def delete_policy(*, registry: Registry, out: Output, name: str, why: str) -> None:
    """Delete a policy. The built-in one for production comes back if it was replaced."""
    registry.delete_policy(name, reason=why)
    if out.as_json:
        out.data({})
    else:
        out.line(f"The policy {name} is deleted.")


@policy_command.command("test")
@click.argument("alias", metavar="NAME@ALIAS")
@click.option("--who", default="", metavar="WHO", help="An e-mail address, or key:ID; else you.")
@click.option("--at", type=MOMENT, metavar="TIME", help="At this moment; else now.")
@click.option(
    "--to", "version", type=click.IntRange(min=1), metavar="N",
    help="The version to move there; else the newest one.",
)  # fmt: skip
@click.option("--why", metavar="WHY", help="The reason that is given; else one long enough.")
@with_registry()
@click.pass_context
def test_policy(
    ctx: click.Context,
    *,
    registry: Registry,
    out: Output,
    alias: str,
    who: str,
    at: datetime | None,
    version: int | None,
    why: str | None,
) -> None:
    """Say whether somebody could move an alias directly, by which policy, and why not.

    Nothing is moved. Exits with 3 if the answer is no.

    \b
    Example:
      pointsman policy test support/reply@production --who ana@example.org --at '2026-12-24 20:00'
    """
    read_alias(alias)
    answer = registry.test_policy(alias, who=who, at=at, version=version, reason=why)
    if out.as_json:
        out.data(answer)
    else:
        out.line("Yes." if answer.allowed else "No.", bold=True)
        out.line(answer.why)
        tell_missing(out, answer.reasons)
    if not answer.allowed:
        ctx.exit(REFUSED)


def _row(one: PolicyInForce) -> tuple[str, ...]:
    policy = one.policy
    rest = [name for name in _REST if name in policy]
    kind = f"{policy['kind']}:" if policy.get("kind") else ""
    approvers = f" from {_told_who(policy['approvers'])}" if "approvers" in policy else ""
    approvals = policy.get("approvals", 0)
    return (
        policy["name"],
        policy.get("aliases", _EVERYTHING),
        kind + policy.get("artifacts", _EVERYTHING),
        f"{approvals}{approvers}" if approvals else "none",
        ", ".join(policy.get("checks", ())),
        str(policy.get("reason", "")),
        ", ".join(name.replace("_", " ") for name in rest),
        _told_by(one),
    )


def _told_by(one: PolicyInForce) -> str:
    return f"revision {one.revision}, by {one.updated_by}" if one.revision else one.updated_by


def _told_who(who: Mapping[str, Any]) -> str:
    groups = [f"group:{name}" for name in who.get("groups", ())]
    owners = ["owners"] if who.get("owners") else []
    return ", ".join([*who.get("roles", ()), *who.get("people", ()), *groups, *owners]) or "nobody"


def _present(registry: Registry, name: str) -> tuple[dict[str, Any], int | None]:
    """A policy as it is, and its revision; a new one where there is none."""
    for one in registry.policies():
        if one.policy["name"] == name:
            return dict(one.policy), one.revision
    return {"name": name}, None


def _read_file(file: TextIO) -> dict[str, Any]:
    from pointsman.cli.yamltext import read_yaml

    try:
        value = read_yaml(file.read())
    except InvalidInput as error:
        raise _not_a_policy(file, error.message.removesuffix("."), error.code) from None
    except UnicodeDecodeError:
        raise _not_a_policy(file, "it is not UTF-8", "malformed_yaml") from None
    if not isinstance(value, dict):
        raise _not_a_policy(file, "it is no object with fields such as name", "not_a_policy")
    return value


def _not_a_policy(file: TextIO, what: str, code: str) -> InvalidInput:
    return InvalidInput(
        f"{file.name} is no policy. {what[:1].upper()}{what[1:]}.",
        code=code,
        hint="`pointsman policy show production` prints one as it is written.",
        field="file",
    )


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a policy that the options say; None for what they don't."""
    fields = dict(given)
    for name in ("movers", "approvers", "bypass"):
        fields[name] = _who(given[name]) if given[name] else None
    for name in ("checks", "suites"):
        fields[name] = list(given[name]) or None
    return fields


def _who(words: Sequence[str]) -> dict[str, Any]:
    """Some people, as a policy writes them."""
    from pointsman.core.access import ROLES

    groups = [word.removeprefix("group:") for word in words if word.startswith("group:")]
    roles = [word for word in words if word in ROLES]
    people = [word for word in words if word not in (*ROLES, "owners") and ":" not in word]
    who = {"roles": roles, "people": people, "groups": groups, "owners": "owners" in words}
    known = len(groups) + len(roles) + len(people) + words.count("owners")
    if known != len(words):
        wrong = next(word for word in words if ":" in word and not word.startswith("group:"))
        raise click.UsageError(f"{wrong!r} is nobody: write group:NAME, or an e-mail address.")
    return {name: value for name, value in who.items() if value}


_REST = (
    "movers",
    "self_approval",
    "evaluate",
    "suites",
    "without_suite",
    "cool_down",
    "freezes",
    "approvals_expire",
    "rollback",
    "bypass",
    "instead",
)
"""Fields that a list has no column for."""
