"""What can be asked about evaluations: what would be, asking for them, and what came out."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.core.evaluation import CaseResult, Evaluation, Requirement, Standing
from pointsman.core.names import check_list
from pointsman.core.plain import from_plain
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Page
from pointsman.sdk.asking import get, listed, send
from pointsman.sdk.calls import Steps
from pointsman.sdk.spelling import parameters


class EvaluationTasks:
    """The tasks; see `manage.Tasks`."""

    def evaluate(
        self,
        selector: str,
        *,
        alias: str = "production",
        against: int | None = None,
        suites: Sequence[str] = (),
        affected: bool = False,
        fresh: bool = False,
        again: bool = False,
        budget_calls: int | None = None,
        budget_money: float | None = None,
    ) -> Steps[tuple[Evaluation, ...]]:
        """Ask for the evaluations of a version: one for each suite that is for it.

        It is held against what `alias` points to, or against the version `against`, in the
        world of that alias. `suites` are selectors; without, those that have the alias. With
        `affected`, what depends on it is evaluated as well. Where exactly this has a result,
        that is the answer, unless `again`; with `fresh`, every output is made anew, too. A
        budget caps the calls of models and what they cost. The answer comes at once: ask for
        `evaluation` until its state is an end. Raises `NotFound`, `InvalidInput`, and
        `Conflict` if no suite can tell.
        """
        body = {
            "selector": selector,
            "alias": alias,
            "against": against,
            "suites": list(check_list(suites, field="suites")),
            "affected": affected,
            "fresh": fresh,
            "again": again,
            "budget_calls": budget_calls,
            "budget_money": budget_money,
        }
        reply = yield from send("POST", "/evaluations", body, key=None)
        return listed(Evaluation, reply, "evaluations")

    def standing(self, selector: str) -> Steps[tuple[Standing, ...]]:
        """The last result of each suite for what an alias points to (`name@alias`; without an
        alias, production), and whether what it was made of has moved since.

        Raises `NotFound`.
        """
        query = parameters(selector=str(parse_selector(selector)))
        reply = yield from get("/evaluations/standing", query)
        return listed(Standing, reply, "standings")

    def plan_evaluation(
        self,
        selector: str,
        *,
        alias: str = "production",
        against: int | None = None,
        suites: Sequence[str] = (),
        affected: bool = False,
    ) -> Steps[tuple[Requirement, ...]]:
        """What `evaluate` would evaluate, and how each stands already. Asks for nothing."""
        query = parameters(
            selector=selector,
            alias=alias,
            against=against,
            suites=check_list(suites, field="suites"),
            affected=affected,
        )
        reply = yield from get("/evaluations/plan", query)
        return listed(Requirement, reply, "requirements")

    def evaluate_change(
        self, number: int, *, fresh: bool = False, again: bool = False
    ) -> Steps[tuple[Evaluation, ...]]:
        """Ask for what the policies of a change want to have evaluated; see `evaluate`."""
        body = {"fresh": fresh, "again": again}
        reply = yield from send("POST", f"/changes/{number:d}/evaluations", body, key=None)
        return listed(Evaluation, reply, "evaluations")

    def evaluations(
        self, selector: str = "", *, limit: int = 50, cursor: str | None = None
    ) -> Steps[Page[Evaluation]]:
        """Evaluations, newest first: of an artifact (``name``), or all that one may read."""
        about = parse_selector(selector) if selector else None
        query = parameters(
            kind=about.kind if about else None,
            name=about.name if about else None,
            limit=limit,
            cursor=cursor,
        )
        reply = yield from get("/evaluations", query)
        return from_plain(Page[Evaluation], reply.body)

    def evaluation(self, number: int) -> Steps[Evaluation]:
        """One evaluation, with its report if it has ended. Raises `NotFound`."""
        reply = yield from get(f"/evaluations/{number:d}")
        return from_plain(Evaluation, reply.body)

    def evaluation_cases(
        self,
        number: int,
        *,
        worst_first: bool = True,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Steps[Page[CaseResult]]:
        """The rows of an evaluation with what both sides gave; what got worse comes first."""
        query = parameters(worst_first=worst_first, limit=limit, cursor=cursor)
        reply = yield from get(f"/evaluations/{number:d}/cases", query)
        return from_plain(Page[CaseResult], reply.body)

    def cancel_evaluation(self, number: int) -> Steps[Evaluation]:
        """End an evaluation before its result. Raises `NotFound`, or `Conflict` if it ended."""
        reply = yield from send("POST", f"/evaluations/{number:d}/cancel", {}, key=None)
        return from_plain(Evaluation, reply.body)
