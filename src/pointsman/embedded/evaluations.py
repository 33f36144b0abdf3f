"""The evaluations of an embedded registry, and running them in this process."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.app.evaluating import asking, runs, standing
from pointsman.app.requests import evaluation_request
from pointsman.core.evaluation import CaseResult, Evaluation, Requirement, Standing
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Page
from pointsman.embedded.asking import Asking


class EvaluationWords(Asking):
    """What `compose.Registry` answers about evaluations; see `sdk.evaluations`."""

    def evaluate(
        self,
        selector: str,
        *,
        alias: str = asking.DEFAULT_ALIAS,
        against: int | None = None,
        suites: Sequence[str] = (),
        affected: bool = False,
        fresh: bool = False,
        again: bool = False,
        budget_calls: int | None = None,
        budget_money: float | None = None,
    ) -> tuple[Evaluation, ...]:
        """Ask for the evaluations of a version; `run_evaluations` runs them."""
        request = evaluation_request(
            selector,
            alias=alias,
            against=against,
            suites=suites,
            affected=affected,
            fresh=fresh,
            again=again,
            budget_calls=budget_calls,
            budget_money=budget_money,
        )
        return self._write(lambda w: asking.evaluate(w, request))

    def standing(self, selector: str) -> tuple[Standing, ...]:
        """The last result of each suite for what an alias points to, and whether it is stale."""
        about = parse_selector(selector)
        return self._read(lambda v: standing.standings(v, about))

    def plan_evaluation(
        self,
        selector: str,
        *,
        alias: str = asking.DEFAULT_ALIAS,
        against: int | None = None,
        suites: Sequence[str] = (),
        affected: bool = False,
    ) -> tuple[Requirement, ...]:
        """What `evaluate` would evaluate, and how each stands already."""
        request = evaluation_request(
            selector, alias=alias, against=against, suites=suites, affected=affected
        )
        return self._read(lambda v: asking.plan(v, request))

    def evaluate_change(
        self, number: int, *, fresh: bool = False, again: bool = False
    ) -> tuple[Evaluation, ...]:
        """Ask for what the policies of a change want to have evaluated."""
        return self._write(lambda w: asking.evaluate_change(w, number, fresh=fresh, again=again))

    def evaluations(
        self, selector: str = "", *, limit: int = 50, cursor: str | None = None
    ) -> Page[Evaluation]:
        """Evaluations, newest first: of an artifact, or all."""
        about = parse_selector(selector) if selector else None
        kind, name = (about.kind, about.name) if about else ("", "")
        return self._read(
            lambda v: runs.listed(v, kind=kind, name=name, limit=limit, cursor=cursor)
        )

    def evaluation(self, number: int) -> Evaluation:
        """One evaluation, with its report if it has ended."""
        return self._read(lambda v: runs.show(v, number))

    def evaluation_cases(
        self,
        number: int,
        *,
        worst_first: bool = True,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[CaseResult]:
        """The rows of an evaluation with what both sides gave; what got worse comes first."""
        return self._read(
            lambda v: runs.cases(v, number, worst_first=worst_first, limit=limit, cursor=cursor)
        )

    def cancel_evaluation(self, number: int) -> Evaluation:
        """End an evaluation before its result."""
        return self._write(lambda w: runs.cancel(w, number))

    def run_evaluations(self, *, allow_commands: bool = False) -> int:
        """Run what waits, of all projects, in this process; how many were run.

        Returns when nothing waits that nobody else works on. `allow_commands` runs the
        programs that suites name, with the rights of this process. Needs the extra ``llm``
        for models. If it is interrupted, what is under way waits again, and goes on from what
        was made already.
        """
        from pointsman.evals.worker import Terms, Worker  # slow to import, and seldom needed

        return Worker(self._app, None, Terms(commands_allowed=allow_commands)).work_off()
