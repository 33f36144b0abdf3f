"""Workers: they take evaluations up, run them, and bring in what came out.

A worker is a thread with an event loop of its own, in the server's process or in one for
itself. It holds a lease on what it works on and renews that; a worker that dies loses nothing
but the calls that were under way, and another goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from pointsman.app.application import Application, Caller, Work
from pointsman.app.evaluating import runs
from pointsman.app.evaluating.runs import WORKER, Lost, State, Taken
from pointsman.app.ports import ProjectRow
from pointsman.app.providers import OpenProvider, open_providers
from pointsman.app.tail import Tail
from pointsman.core.evaluation import CaseResult, Report
from pointsman.core.journal import Line
from pointsman.errors import PointsmanError, Unavailable
from pointsman.evals.budget import Budget
from pointsman.evals.limits import Limiter, Limits
from pointsman.evals.memory import Memory, commit
from pointsman.evals.models import Models
from pointsman.evals.outputs import Asked, Calls
from pointsman.evals.preparing import Prepared, contents_of, prepare
from pointsman.evals.providers import Price, Provider
from pointsman.evals.runner import Means, Run, judge_of
from pointsman.evals.scorers import Tools
from pointsman.evals.services import Services

LEASE: Final = 30.0
"""Seconds for which an evaluation is kept to a worker without a sign of life."""
LOOK_EVERY: Final = 5.0
AT_ONCE: Final = 2
"""Evaluations that one worker runs at the same time."""
_SIGNS: Final = 5
"""Signs of life within a lease."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a worker works. Times are seconds."""

    commands_allowed: bool = False
    at_once: int = AT_ONCE
    lease: float = LEASE
    look_every: float = LOOK_EVERY


class Worker:
    """Runs evaluations of all projects on a thread of its own, until it is stopped."""

    def __init__(self, app: Application, tail: Tail | None, terms: Terms | None = None) -> None:
        self._app = app
        self._terms = terms or Terms()
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._stopping = threading.Event()
        self._served = 0
        """The project that an evaluation was last taken up of."""
        self._limits = Limits()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stirred: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="pointsman-evals", daemon=True)
        if tail is not None:
            tail.listen(self._heard)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Stop working; what is under way is let go, so that others can go on with it."""
        self._stopping.set()
        self._stir()
        if self._thread.is_alive():
            self._thread.join()

    def work_off(self) -> int:
        """Run what waits until nothing does, on this thread; how many were run."""
        return asyncio.run(self._work_off())

    # -- the loop

    def _run(self) -> None:
        try:
            asyncio.run(self._follow())
        except Exception:
            _log.exception("Evaluations are not worked on any more")

    async def _follow(self) -> None:
        self._limits = Limits()
        self._loop = asyncio.get_running_loop()
        self._stirred = asyncio.Event()
        running: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            self._stirred.clear()
            try:
                await self._take_up(running)
            except PointsmanError as error:
                _log.warning("Evaluations can't be taken up now and will be later: %s", error)
            except Exception:
                _log.exception("Taking up evaluations failed and will be tried again")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), self._terms.look_every)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _take_up(self, running: set[asyncio.Task[None]]) -> None:
        """Take up what waits, as long as there is room."""
        while len(running) < self._terms.at_once and not self._stopping.is_set():
            found = await asyncio.to_thread(self._next)
            if found is None:
                return
            if self._stopping.is_set():  # it was asked for while we looked
                await commit(self._app, found[0], partial(_let_go, found[1]))
                return
            task = asyncio.create_task(self._one(*found))
            running.add(task)

            def ended(task: asyncio.Task[None]) -> None:
                running.discard(task)
                self._stir()

            task.add_done_callback(ended)

    async def _work_off(self) -> int:
        self._limits = Limits()
        count = 0
        while (found := self._next()) is not None:
            await self._one(*found)
            count += 1
        return count

    def _next(self) -> tuple[Caller, Taken] | None:
        """The next evaluation that nobody works on, now this worker's.

        Projects take turns, so that none starves while another has a thousand that wait.
        """
        with self._app.store.read() as reader:
            projects = reader.projects()
        for project in sorted(projects, key=lambda one: (one.id <= self._served, one.id)):
            caller = Caller(WORKER, project)
            if not self._app.read(caller, runs.waiting):
                continue
            taken = self._app.write(caller, lambda w: runs.take_up(w, self._name, self._lease))
            if taken is not None:
                self._served = project.id
                return caller, taken
        return None

    def _heard(self, project_id: int, lines: Sequence[Line]) -> None:
        if any(line.type.startswith("evaluation.") for line in lines):
            self._stir()

    def _stir(self) -> None:
        loop, stirred = self._loop, self._stirred
        if loop is not None and stirred is not None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(stirred.set)

    # -- one evaluation

    @property
    def _lease(self) -> int:
        return int(self._terms.lease * 1e6)

    async def _one(self, caller: Caller, taken: Taken) -> None:
        """Run an evaluation, and bring in what came out."""
        try:
            report = await self._reported(caller, taken)
            await commit(self._app, caller, partial(_finish, taken, report))
        except Lost:
            _log.info("Evaluation %s was cancelled or taken over", taken.number)
        except asyncio.CancelledError:
            with suppress(PointsmanError, Lost):
                await commit(self._app, caller, partial(_let_go, taken))
            raise
        except PointsmanError as error:
            _log.warning("Evaluation %s will be tried again: %s", taken.number, error)
        except Exception:
            _log.exception("Evaluation %s failed", taken.number)
            report = _broken("The worker failed on it; its log says how.")
            with suppress(PointsmanError, Lost):
                await commit(self._app, caller, partial(_finish, taken, report))

    async def _reported(self, caller: Caller, taken: Taken) -> Report:
        try:
            prepared = self._app.read(caller, lambda v: prepare(v, taken.orders))
            providers = providers_of(self._app, caller.project)
        except Unavailable:
            raise
        except PointsmanError as error:
            return _broken(error.message)
        orders = taken.orders
        budget = Budget(
            orders.budget_calls, orders.budget_money, made=taken.calls, parts=taken.spent
        )
        models = Models(providers, budget, limiters=self._limiters(caller.project, providers))
        memory = Memory(self._app, caller, taken.number, taken.asked_at if taken.fresh else 0)
        calls = Calls(models, providers, memory)
        services = Services(prepared.suite.maker)
        try:
            run = self._prepared_run(caller, taken, prepared, Asked(calls, models), services)
            return await self._watched(caller, taken, run, budget)
        finally:
            services.close()
            await calls.close()
            await models.close()
            memory.close()

    def _limiters(
        self, project: ProjectRow, providers: Mapping[str, Provider]
    ) -> dict[str, Limiter]:
        """The limits of providers, which hold for all that runs here together."""
        return {
            name: self._limits.of(project.id, name, one.concurrency, one.per_minute)
            for name, one in providers.items()
        }

    def _prepared_run(
        self,
        caller: Caller,
        taken: Taken,
        prepared: Prepared,
        asked: Asked,
        services: Services,
    ) -> Run:
        contents: Mapping[str, Any] = {}
        if prepared.suite.maker.by == "command":
            contents = self._app.read(caller, lambda v: contents_of(v, taken.orders))

        async def keep(cases: Sequence[CaseResult]) -> None:
            await commit(self._app, caller, partial(_keep_cases, taken, cases))

        means = Means(
            calls=asked.calls,
            asked=asked,
            services=services,
            scoring=Tools(
                models=asked,
                judge=judge_of(prepared),
                commands_allowed=self._terms.commands_allowed,
            ),
            keep=keep,
            commands_allowed=self._terms.commands_allowed,
            contents=contents,
        )
        return Run(prepared, means)

    async def _watched(self, caller: Caller, taken: Taken, run: Run, budget: Budget) -> Report:
        """The run's report, while signs of life are given; ends early if it is lost."""
        working = asyncio.create_task(run.report())
        living = asyncio.create_task(self._live(caller, taken, run, budget))
        try:
            await asyncio.wait((working, living), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            living.result()
            raise Lost(f"evaluation {taken.number} is no longer worked on here")
        finally:
            for task in (working, living):
                task.cancel()
            await asyncio.gather(working, living, return_exceptions=True)

    async def _live(self, caller: Caller, taken: Taken, run: Run, budget: Budget) -> None:
        """Renew the lease and tell the progress, until the evaluation is another's."""
        told = -1
        beat = min(self._terms.lease / _SIGNS, 2.0)
        waited = 0.0
        while True:
            await asyncio.sleep(beat)
            waited += beat
            progress = run.progress
            if progress.done == told and waited < self._terms.lease / _SIGNS:
                continue
            told, waited = progress.done, 0.0
            with suppress(PointsmanError):  # the lease is long enough for another try
                await commit(self._app, caller, partial(_keep_up, taken, self._lease, run, budget))


def providers_of(app: Application, project: ProjectRow) -> dict[str, Provider]:
    """The providers of a project, with their keys, as calls of models want them."""
    return {name: _provider(one) for name, one in open_providers(app, project).items()}


def _provider(one: OpenProvider) -> Provider:
    settings = one.settings
    return Provider(
        name=settings.name,
        api=settings.api,
        base_url=settings.base_url or None,
        key=one.key,
        concurrency=settings.concurrency,
        per_minute=settings.per_minute,
        timeout=settings.timeout,
        prices={model: Price(*price.millionths) for model, price in settings.prices.items()},
    )


def _broken(summary: str) -> Report:
    return Report("inconclusive", summary, 0, (), (), problems=(summary,))


def _finish(taken: Taken, report: Report, work: Work) -> None:
    runs.finish(work, taken, report)


def _let_go(taken: Taken, work: Work) -> None:
    runs.let_go(work, taken)


def _keep_cases(taken: Taken, cases: Sequence[CaseResult], work: Work) -> None:
    runs.keep_cases(work, taken, cases)


def _keep_up(taken: Taken, lease: int, run: Run, budget: Budget, work: Work) -> None:
    progress = run.progress
    state = State(progress.done, progress.total, progress.reused, budget.made, budget.parts)
    runs.keep_up(work, taken, lease, state)
