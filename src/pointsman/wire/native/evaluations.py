"""The operations about evaluations: asking for them, following them, what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import asdict

from pointsman.app.evaluating import asking, runs, standing
from pointsman.app.requests import MAX_SUITES, evaluation_request
from pointsman.core.evaluation import CaseResult, Evaluation, Requirement, Standing
from pointsman.core.names import check_kind
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Page
from pointsman.wire.native import shapes
from pointsman.wire.native.route import Call, Read, Route, Write, whole

What = Annotated[str, Meta(description="The version to evaluate, such as support/reply:8.")]
InWorld = Annotated[
    shapes.AliasName,
    Meta(description="What it is held against, and what all else is taken to be."),
]
Against = Annotated[
    shapes.Number | None,
    Meta(description="Hold it against this version, not the one that the alias points to."),
]
Suites = Annotated[
    list[str],
    Meta(
        description="Selectors of suites; none: those that have the alias.",
        extra_json_schema={"maxItems": MAX_SUITES},
    ),
]
Affected = Annotated[bool, Meta(description="Evaluate what depends on it as well.")]
Fresh = Annotated[bool, Meta(description="Make every output anew: nothing is taken from memory.")]
Again = Annotated[bool, Meta(description="Run it though there is a result for exactly this.")]


class EvaluationBody(Struct, forbid_unknown_fields=True):
    """What to evaluate, how, and for how much at most."""

    selector: What
    alias: InWorld = asking.DEFAULT_ALIAS
    against: Against = None
    suites: Suites = []
    affected: Affected = False
    fresh: Fresh = False
    again: Again = False
    budget_calls: Annotated[int | None, Meta(description="Calls of models, at most.")] = None
    budget_money: Annotated[
        float | None, Meta(description="What it may cost, in the currency of the prices.")
    ] = None


class PlanQuery(Struct, forbid_unknown_fields=True):
    """What would be evaluated."""

    selector: What
    alias: InWorld = asking.DEFAULT_ALIAS
    against: Against = None
    suites: Suites = []
    affected: Affected = False


class ForChangeBody(Struct, forbid_unknown_fields=True):
    """How to run what a change needs."""

    fresh: Fresh = False
    again: Again = False


class EvaluationsQuery(Struct, forbid_unknown_fields=True):
    """Of which artifact; all without a name."""

    kind: shapes.KindName = "prompt"
    name: str = ""
    limit: shapes.Limit = 50
    cursor: shapes.CursorText | None = None


class CasesQuery(Struct, forbid_unknown_fields=True):
    """In which order, and how many."""

    worst_first: Annotated[
        bool, Meta(description="What got worse comes first; else as in the dataset.")
    ] = True
    limit: shapes.Limit = 50
    cursor: shapes.CursorText | None = None


@dataclass(frozen=True, slots=True)
class EvaluationsAnswer:
    """The evaluations that were asked for, or that there are for exactly this."""

    evaluations: tuple[Evaluation, ...]


class StandingQuery(Struct, forbid_unknown_fields=True):
    """What an alias points to."""

    selector: Annotated[str, Meta(description="name@alias; without an alias, production.")]


class StandingAnswer(Struct):
    """The last result of each suite, and whether it is stale."""

    standings: list[Standing]


class PlanAnswer(Struct):
    """What would be evaluated, and how each stands."""

    requirements: list[Requirement]


def _evaluate(call: Call) -> Write:
    request = evaluation_request(**asdict(call.body))
    return Write(lambda w: EvaluationsAnswer(asking.evaluate(w, request)), EvaluationsAnswer)


def _plan(call: Call) -> Read:
    request = evaluation_request(**asdict(call.query))
    return Read(lambda v: PlanAnswer(list(asking.plan(v, request))))


def _standing(call: Call) -> Read:
    selector = parse_selector(call.query.selector)
    return Read(lambda v: StandingAnswer(list(standing.standings(v, selector))))


def _evaluate_change(call: Call) -> Write:
    number, given = whole(call.path["change"], "change"), asdict(call.body)
    return Write(
        lambda w: EvaluationsAnswer(asking.evaluate_change(w, number, **given)), EvaluationsAnswer
    )


def _list(call: Call) -> Read:
    given: dict[str, Any] = asdict(call.query)
    check_kind(given["kind"])  # also where it chooses nothing, as no name is given
    return Read(lambda v: runs.listed(v, **given))


def _show(call: Call) -> Read:
    number = _number(call)
    return Read(lambda v: runs.show(v, number))


def _cases(call: Call) -> Read:
    number, given = _number(call), asdict(call.query)
    return Read(lambda v: runs.cases(v, number, **given))


def _cancel(call: Call) -> Write:
    number = _number(call)
    return Write(lambda w: runs.cancel(w, number), Evaluation)


def _number(call: Call) -> int:
    return whole(call.path["evaluation"], "evaluation")


_E = "/evaluations/{evaluation}"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/evaluations", "read", "List evaluations, newest first", _list,
          Page[Evaluation], query=EvaluationsQuery),
    Route("POST", "/evaluations", "propose", "Ask for evaluations of a version", _evaluate,
          EvaluationsAnswer, body=EvaluationBody),
    Route("GET", "/evaluations/plan", "read", "Show what would be evaluated", _plan, PlanAnswer,
          query=PlanQuery),
    Route("GET", "/evaluations/standing", "read", "Show what the last results say of what is live",
          _standing, StandingAnswer, query=StandingQuery),
    Route("GET", _E, "read", "Show an evaluation with its report", _show, Evaluation),
    Route("GET", _E + "/cases", "read", "List the rows of an evaluation", _cases,
          Page[CaseResult], query=CasesQuery),
    Route("POST", _E + "/cancel", "propose", "Cancel an evaluation", _cancel, Evaluation,
          body=shapes.Nothing),
    Route("POST", "/changes/{change}/evaluations", "propose",
          "Ask for the evaluations that a change needs", _evaluate_change, EvaluationsAnswer,
          body=ForChangeBody),
)  # fmt: skip
