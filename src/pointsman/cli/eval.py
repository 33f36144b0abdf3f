"""`pointsman eval`: evaluations, from asking for one to the rows that decided it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from pointsman.cli.connect import (
    Place,
    Registry,
    connect,
    find_place,
    place_options,
    with_output,
    with_registry,
)
from pointsman.cli.eval_reports import check_place, history_command, write_report
from pointsman.cli.evaluating import (
    DECIDING,
    cases_of,
    deciding_rows,
    gaps_of,
    label_of,
    note_gaps,
    status_of,
    tell_case,
    tell_criteria,
    tell_evaluation,
    tell_metrics,
    tell_requirements,
    tell_result,
    told_dropped,
    told_outcome,
)
from pointsman.cli.following import follow, tell_interruption
from pointsman.cli.moving import read_artifact, short_label
from pointsman.cli.output import Output
from pointsman.cli.pages import page_options, read_page, tell_more
from pointsman.cli.serve import commands_option
from pointsman.cli.times import when

if TYPE_CHECKING:
    from pointsman.compose import Registry as Embedded
    from pointsman.core.evaluation import Evaluation, Requirement

F = TypeVar("F", bound=Callable[..., Any])
_ALIAS = "production"
_number = click.argument("number", metavar="N", type=click.IntRange(min=1))
_fresh_option = click.option(
    "--fresh", is_flag=True, help="Make every output anew: nothing is taken from memory."
)
_again_option = click.option(
    "--again", is_flag=True, help="Run it though there is a result for exactly this."
)
_alias_option = click.option(
    "--alias",
    metavar="ALIAS",
    help="The alias that it would get: held against what that points to now, with all else as "
    f"it is there. Usual: {_ALIAS}.",
)
_suite_option = click.option(
    "--suite", "suites", multiple=True, metavar="SUITE",
    help="A suite to evaluate with (name, name:3, name@alias); repeatable. Without, those that "
    "have the alias.",
)  # fmt: skip
_wait_option = click.option(
    "--wait/--no-wait", default=True, help="Wait for the end, or only ask (usual: wait)."
)


@dataclass(frozen=True, slots=True)
class _Session:
    """A registry to ask, and where its evaluations run."""

    registry: Registry
    place: Place
    out: Output
    wait: bool
    allow_commands: bool

    @property
    def here(self) -> bool:
        """Whether evaluations run in this process: where the registry is in a folder."""
        return bool(self.place.data)

    def run(self) -> int:
        """Run what waits."""
        registry = cast("Embedded", self.registry)
        return registry.run_evaluations(allow_commands=self.allow_commands)


@click.group("eval", short_help="Evaluate versions: alone, and with what depends on them.")
def eval_command() -> None:
    """Evaluate versions with suites, and see what came out.

    A suite says on which rows, by which scores, and what must hold; `pointsman worker` and
    `pointsman serve` run what is asked for.
    """


def _following(function: F) -> F:
    """The options of a command that asks for evaluations and waits; it gets a `session`."""

    @place_options()
    @_wait_option
    @commands_option
    @with_output
    @wraps(function)
    def run(
        *,
        out: Output,
        url: str | None,
        api_key: str | None,
        data: str | None,
        database: str | None,
        wait: bool,
        allow_commands: bool,
        **rest: Any,
    ) -> None:
        place = find_place(url, api_key, data, database)
        context = click.get_current_context()
        given = context.get_parameter_source("allow_commands") is ParameterSource.COMMANDLINE
        if allow_commands and given and not place.data:
            raise click.UsageError(
                "--allow-commands is for a registry in a folder. Elsewhere, whoever starts the "
                "worker says so: pointsman worker --allow-commands"
            )
        with connect(place) as registry:
            session = _Session(registry, place, out, wait, allow_commands)
            context.exit(function(session=session, **rest))

    return run  # type: ignore[return-value]


@eval_command.command("run")
@click.argument("selector")
@click.option(
    "--against", metavar="ALIAS|N",
    help="Hold it against what this alias points to, or against version N.",
)  # fmt: skip
@_alias_option
@_suite_option
@click.option("--affected", is_flag=True, help="Evaluate what depends on it as well.")
@_fresh_option
@_again_option
@click.option(
    "--budget-calls", type=click.IntRange(min=1), metavar="N",
    help="Calls of models that each evaluation may make, at most.",
)  # fmt: skip
@click.option(
    "--budget-money", type=click.FloatRange(min=0, min_open=True), metavar="X",
    help="What each evaluation may cost, in the currency of the providers' prices.",
)  # fmt: skip
@_following
def run_evaluation(
    *,
    session: _Session,
    selector: str,
    against: str | None,
    alias: str | None,
    suites: Sequence[str],
    affected: bool,
    **how: Any,
) -> int:
    """Evaluate a version, wait for the end, and tell what came out.

    It is held against what is live: what the alias (production, unless told otherwise) points
    to. Exactly the same is not run twice, whoever asks. A registry in a folder runs it in this
    process, with all else that waits there; on a server, and with a database, workers do.

    Ends with 0 if it passed, 1 if something that must hold does not, and 2 if it is
    inconclusive, was cancelled, or a suite can't be used. With --no-wait, it ends with 0.

    \b
    Examples:
      pointsman eval run support/reply:8
      pointsman eval run support/reply:8 --against staging --suite support/quality
      pointsman eval run support/summary:4 --affected --budget-money 2.50
    """
    world: dict[str, Any] = {**_compared(against, alias), "suites": suites, "affected": affected}
    planned = session.registry.plan_evaluation(selector, **world)
    asked = session.registry.evaluate(selector, **world, **how)
    gaps = gaps_of(planned)
    # What has no suite may be meant to have none: policies say so for themselves.
    return _followed(session, asked, gaps, [one for one in gaps if one.suite])


@eval_command.command("affected")
@click.argument("selector")
@_alias_option
@_suite_option
@click.option("--run", "running", is_flag=True, help="Run them, as `pointsman eval run` does.")
@_following
def affected(
    *,
    session: _Session,
    selector: str,
    alias: str | None,
    suites: Sequence[str],
    running: bool,
) -> int:
    """List what moving an alias to a version would touch, and how each was evaluated.

    That is the version itself (distance 0) and everything downstream that includes it, takes
    its output or uses it: exactly what a policy that evaluates what is affected asks for.

    \b
    Example:
      pointsman eval affected support/summary:4 --run
    """
    world = {"alias": alias or _ALIAS, "suites": suites, "affected": True}
    found = session.registry.plan_evaluation(selector, **world)  # type: ignore[arg-type]
    out = session.out
    if not running:
        if out.as_json:
            out.data({"requirements": found})
        else:
            tell_requirements(out, found)
        return 0
    if not out.as_json:
        tell_requirements(out, found)
        out.line()
    asked = session.registry.evaluate(selector, **world)  # type: ignore[arg-type]
    gaps = gaps_of(found)
    return _followed(session, asked, gaps, [one for one in gaps if one.suite])


@eval_command.command("change")
@_number
@_fresh_option
@_again_option
@_following
def evaluate_change(*, session: _Session, number: int, fresh: bool, again: bool) -> int:
    """Run what the policies of a change want to have evaluated, and tell what came out.

    What has a result for exactly this is not run again, unless --again or --fresh says so.
    Ends as `pointsman eval run` does, and with 2 as well where no suite can tell and the
    policy insists on one.
    """
    asked = session.registry.evaluate_change(number, fresh=fresh, again=again)
    change = session.registry.change(number)
    wanted = [one for move in change.moves for one in move.evaluations]
    gaps = gaps_of(wanted)
    if not wanted and not session.out.as_json:
        session.out.line(f"No policy asks for an evaluation of change {number}.")
        return 0
    return _followed(session, asked, gaps, [one for one in gaps if one.blocking])


@eval_command.command("list")
@click.argument("name", default="")
@page_options
@with_registry()
def list_evaluations(
    *,
    registry: Registry,
    out: Output,
    name: str,
    limit: int,
    cursor: str | None,
    everything: bool,
) -> None:
    """List evaluations, newest first: of one artifact, or all."""
    if name:
        read_artifact(name)
    page = read_page(
        lambda limit, cursor: registry.evaluations(name, limit=limit, cursor=cursor),
        limit,
        cursor,
        everything=everything,
    )
    if out.as_json:
        out.data(page)
        return
    rows = [
        (
            str(one.number),
            label_of(one),
            short_label(one.suite),
            str(one.against or ""),
            one.state,
            f"{one.done}/{one.total}" if one.state == "running" and one.total else "",
            str(one.change or ""),
            one.by,
            when(one.at, out),
        )
        for one in page.items
    ]
    head = ("NO.", "VERSION", "SUITE", "AGAINST", "STATE", "STEPS", "CHANGE", "BY", "ASKED")
    out.table(head, rows)
    tell_more(out, page)


@eval_command.command("status")
@click.argument("selector")
@with_registry()
def show_standing(*, registry: Registry, out: Output, selector: str) -> None:
    """Show what the last results say of what an alias points to.

    SELECTOR is name@alias, or a name for production. A result is stale once anything that
    took part in it has moved.

    \b
    Examples:
      pointsman eval status support/reply
      pointsman eval status model:churn@champion
    """
    found = registry.standing(selector)
    if out.as_json:
        out.data(found)
        return
    rows = [
        (
            label_of(one),
            short_label(one.suite),
            one.state or "never evaluated",
            str(one.evaluation or ""),
            "" if one.at is None else when(one.at, out),
            "stale: " + "; ".join(one.stale) if one.stale else "",
        )
        for one in found
    ]
    out.table(("VERSION", "SUITE", "LAST RESULT", "NO.", "WHEN", ""), rows)
    if not found:
        out.note("No suite that has this alias is for it.")


@eval_command.command("show")
@_number
@click.option(
    "--cases", type=click.IntRange(1, 1_000), metavar="K",
    help="The K rows that got worse most; without, a few of those that decided.",
)  # fmt: skip
@click.option("--slices", is_flag=True, help="The figures of each part of the rows as well.")
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown", "junit", "html", "json"]),
    default="text", show_default=True,
    help="For a pull request, a CI, a browser, a program; with the 200 worst rows, or --cases.",
)  # fmt: skip
@click.option(
    "-o", "--output", "file", default="-", metavar="FILE",
    help="Where such a report goes; else to the output.",
)  # fmt: skip
@with_registry()
def show_evaluation(
    *,
    registry: Registry,
    out: Output,
    number: int,
    cases: int | None,
    slices: bool,
    form: str,
    file: str,
) -> None:
    """Show an evaluation: how far it is, or what came out and which rows decided.

    \b
    Examples:
      pointsman eval show 21 --cases 10
      pointsman eval show 21 --format junit -o evaluation.xml
    """
    if form == "text" and file != "-":
        raise click.UsageError("--output goes with --format markdown, junit, html or json.")
    if form != "text" and (out.as_json or slices):
        raise click.UsageError("--json and --slices go with --format text; reports have both.")
    check_place(file)
    one = registry.evaluation(number)
    if form != "text":
        write_report(registry, out, one, form, file, cases)
        return
    there = cases if one.rows_dropped_at is None else None
    rows = registry.evaluation_cases(number, limit=there).items if there else ()
    if out.as_json:
        from pointsman.core.plain import to_plain

        out.data({**to_plain(one), "cases": rows} if cases else one)
        return
    tell_evaluation(out, one)
    if one.report is not None:
        out.line()
        tell_criteria(out, one.report)
        out.line()
        tell_metrics(out, one.report.metrics, slices=slices)
        if not cases:
            rows = tuple(cases_of(registry, one, deciding_rows(one.report)[:DECIDING]))
    if one.rows_dropped_at is not None:
        out.line()
        out.line(told_dropped(one), dim=True)
    elif rows:
        out.line()
        out.line("Rows" if cases else "Rows that decided", bold=True)
        for case in rows:
            tell_case(out, case)


eval_command.add_command(history_command)


@eval_command.command("cancel")
@_number
@with_registry()
def cancel(*, registry: Registry, out: Output, number: int) -> None:
    """End an evaluation before its result. What was made for it is kept for others."""
    done = registry.cancel_evaluation(number)
    if out.as_json:
        out.data(done)
    else:
        out.line(f"Evaluation {number} is cancelled.")


def _compared(against: str | None, alias: str | None) -> dict[str, Any]:
    """The world of an evaluation, and what it is held against in it."""
    if against is None or against.isdecimal():
        number = None if against is None else int(against)
        return {"alias": alias or _ALIAS, "against": number}
    if alias not in (None, against):
        raise click.UsageError(
            "--against and --alias name different aliases. Name one, or a version's number "
            "with --against."
        )
    return {"alias": against, "against": None}


def _followed(
    session: _Session,
    asked: Sequence[Evaluation],
    gaps: Sequence[Requirement],
    counting: Sequence[Requirement],
) -> int:
    """Wait for evaluations, tell what came out, and the exit status that it comes to.

    `gaps` are what could not be evaluated; those that are `counting` make it inconclusive.
    """
    out = session.out
    note_gaps(out, gaps)
    if not session.wait:
        if out.as_json:
            out.data({"evaluations": asked, "gaps": gaps})
        for one in asked if not out.as_json else ():
            out.line(f"Evaluation {one.number}: {label_of(one)} with {short_label(one.suite)}")
        return 0
    try:
        ended = follow(session.registry, asked, out, session.run if session.here else None)
    except KeyboardInterrupt:
        tell_interruption(out, asked, here=session.here)
        raise
    status = status_of(ended, counting)
    if out.as_json:
        out.data({"outcome": told_outcome(status), "evaluations": ended, "gaps": gaps})
        return status
    for place, one in enumerate(ended):
        if place:
            out.line()
        tell_result(out, session.registry, one)
    return status
