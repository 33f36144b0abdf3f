"""`AsyncClient`: `Client` for programs that run on an event loop."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pointsman.core.prompt import Prompt
from pointsman.core.vocabulary import Dependency, Published
from pointsman.sdk import snapshot as snapshots
from pointsman.sdk.calls import Steps, drive
from pointsman.sdk.client import TIMEOUT, send, settings_of
from pointsman.sdk.knowledge import REFRESH, Status
from pointsman.sdk.manage import Tasks
from pointsman.sdk.methods import asynchronous
from pointsman.sdk.reader import Change, Reader, Waits

T = TypeVar("T")

THREADS = 8
"""How many tasks of one client are under way at a time; more wait for their turn."""


class AsyncClient:
    """`Client`, to be awaited: the same parameters, methods and promises.

    ::

        async with AsyncClient() as client:
            prompt = await client.get("support/reply@production")

    What is held is given without leaving the event loop. Whatever takes time is done on
    threads, so that the loop never waits. It may be used from several loops.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        project: str | None = None,
        timeout: float = TIMEOUT,
        refresh: float = REFRESH,
        snapshot: str | os.PathLike[str] | bool = True,
        bundle: str | os.PathLike[str] | None = None,
        preload: Iterable[str] = (),
        follow: bool = True,
    ) -> None:
        settings = settings_of(
            url, key, project, timeout, refresh, snapshot, bundle, preload, follow=follow
        )
        self._reader = Reader(settings)
        self._held = self._reader.holding.held
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="pointsman-task")
        self._finish = weakref.finalize(self, self._reader.close)

    async def get(self, selector: str, *, key: str | None = None, fallback: Any = None) -> Prompt:
        """The prompt that a selector means now; see `Client.get`."""
        try:
            return self._held[selector]
        except KeyError:
            return await _wait(self._reader.get(selector, key, fallback))

    async def wait_ready(self, timeout: float = TIMEOUT) -> bool:
        """Wait until what is preloaded has been asked for; see `Client.wait_ready`."""
        return await _wait(self._reader.ready(timeout))

    def on_change(
        self, callback: Callable[[Change], object], selector: str | None = None
    ) -> Callable[[], None]:
        """Call back when a selector has come to mean another version; see `Client.on_change`.

        The callback runs on a background thread: use ``loop.call_soon_threadsafe`` in it.
        """
        return self._reader.on_change(callback, selector)

    def status(self, selector: str | None = None) -> Status:
        """How up to date a selector is, or the worst of all that are held. Never waits."""
        return self._reader.status(selector)

    async def write_bundle(self, path: str | os.PathLike[str], selectors: Sequence[str]) -> None:
        """Write what these selectors mean now into a file; see `Client.write_bundle`."""
        answers = await _wait(self._reader.answers(selectors))
        await asyncio.to_thread(snapshots.write_answers, path, answers)

    async def publish_model(
        self,
        name: str,
        files: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
        *,
        flavour: str = "",
        content: Mapping[str, Any] | None = None,
        message: str = "",
        tags: Mapping[str, str] | None = None,
        aliases: Sequence[str] = (),
        dependencies: Sequence[Dependency] = (),
        reason: str = "",
        if_changed: bool = False,
        if_newest: int | None = None,
        idempotency_key: str | None = None,
        resend: bool = False,
        progress: Callable[[int, int], object] | None = None,
    ) -> Published:
        """Publish a version of a model from its files; see `Client.publish_model`."""
        from pointsman.sdk.depot import HttpDepot  # late: not every application has models
        from pointsman.sdk.pushing import publish_model, with_flavour

        return await self._off_loop(
            publish_model,
            HttpDepot(self._reader),
            self._now(Tasks.publish),
            name,
            files,
            with_flavour(content, flavour),
            progress,
            resend=resend,
            message=message,
            tags=tags,
            aliases=aliases,
            dependencies=dependencies,
            reason=reason,
            if_changed=if_changed,
            if_newest=if_newest,
            idempotency_key=idempotency_key,
        )

    async def pull(
        self,
        selector: str,
        to: str | os.PathLike[str],
        *,
        cache: str | os.PathLike[str] | bool = True,
        progress: Callable[[int, int], object] | None = None,
    ) -> Path:
        """Fetch the files of a version of a model; see `Client.pull`."""
        from pointsman.sdk.depot import HttpDepot
        from pointsman.sdk.pulling import pull

        depot, resolve = HttpDepot(self._reader), self._now(Tasks.resolve)
        return await self._off_loop(pull, depot, resolve, selector, to, cache, progress)

    async def close(self) -> None:
        """Stop following and let go of connections. What is held can still be read."""
        self._finish.detach()
        await asyncio.to_thread(self._reader.close, 2.0)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient {self._reader.settings.url}>"

    resolve = asynchronous(Tasks.resolve)
    artifact = asynchronous(Tasks.artifact)
    search = asynchronous(Tasks.search)
    version = asynchronous(Tasks.version)
    versions = asynchronous(Tasks.versions)
    alias = asynchronous(Tasks.alias)
    diff = asynchronous(Tasks.diff)
    releases = asynchronous(Tasks.releases)
    find_release = asynchronous(Tasks.find_release)
    history = asynchronous(Tasks.history)
    entries = asynchronous(Tasks.entries)
    differences = asynchronous(Tasks.differences)
    graph = asynchronous(Tasks.graph)
    graph_problems = asynchronous(Tasks.graph_problems)
    upstream = asynchronous(Tasks.upstream)
    downstream = asynchronous(Tasks.downstream)
    affected = asynchronous(Tasks.affected)
    doctor = asynchronous(Tasks.doctor)
    journal_head = asynchronous(Tasks.journal_head)
    journal_lines = asynchronous(Tasks.journal_lines)
    checkpoint = asynchronous(Tasks.checkpoint)
    checkpoints = asynchronous(Tasks.checkpoints)
    evidence = asynchronous(Tasks.evidence)
    publish = asynchronous(Tasks.publish)
    publish_many = asynchronous(Tasks.publish_many)
    set_tag = asynchronous(Tasks.set_tag)
    delete_tag = asynchronous(Tasks.delete_tag)
    archive = asynchronous(Tasks.archive)
    restore = asynchronous(Tasks.restore)
    tombstone = asynchronous(Tasks.tombstone)
    promote = asynchronous(Tasks.promote)
    split = asynchronous(Tasks.split)
    release = asynchronous(Tasks.release)
    delete_alias = asynchronous(Tasks.delete_alias)
    rollback = asynchronous(Tasks.rollback)
    rollback_release = asynchronous(Tasks.rollback_release)
    policies = asynchronous(Tasks.policies)
    policy = asynchronous(Tasks.policy)
    set_policy = asynchronous(Tasks.set_policy)
    delete_policy = asynchronous(Tasks.delete_policy)
    test_policy = asynchronous(Tasks.test_policy)
    propose = asynchronous(Tasks.propose)
    edit_change = asynchronous(Tasks.edit_change)
    change = asynchronous(Tasks.change)
    changes = asynchronous(Tasks.changes)
    diff_change = asynchronous(Tasks.diff_change)
    rebase_change = asynchronous(Tasks.rebase_change)
    approve = asynchronous(Tasks.approve)
    object_to = asynchronous(Tasks.object_to)
    take_back = asynchronous(Tasks.take_back)
    comment = asynchronous(Tasks.comment)
    withdraw = asynchronous(Tasks.withdraw)
    apply = asynchronous(Tasks.apply)
    checks = asynchronous(Tasks.checks)
    report_check = asynchronous(Tasks.report_check)
    broken_glass = asynchronous(Tasks.broken_glass)
    review_glass = asynchronous(Tasks.review_glass)
    evaluate = asynchronous(Tasks.evaluate)
    plan_evaluation = asynchronous(Tasks.plan_evaluation)
    standing = asynchronous(Tasks.standing)
    evaluate_change = asynchronous(Tasks.evaluate_change)
    evaluations = asynchronous(Tasks.evaluations)
    evaluation = asynchronous(Tasks.evaluation)
    evaluation_cases = asynchronous(Tasks.evaluation_cases)
    cancel_evaluation = asynchronous(Tasks.cancel_evaluation)
    me = asynchronous(Tasks.me)
    sign_in = asynchronous(Tasks.sign_in)
    finish_sign_on = asynchronous(Tasks.finish_sign_on)
    reset_password = asynchronous(Tasks.reset_password)
    redeem_reset = asynchronous(Tasks.redeem_reset)
    sign_out = asynchronous(Tasks.sign_out)
    change_password = asynchronous(Tasks.change_password)
    my_keys = asynchronous(Tasks.my_keys)
    create_my_key = asynchronous(Tasks.create_my_key)
    revoke_my_key = asynchronous(Tasks.revoke_my_key)
    invite = asynchronous(Tasks.invite)
    invitations = asynchronous(Tasks.invitations)
    withdraw_invitation = asynchronous(Tasks.withdraw_invitation)
    accept_invitation = asynchronous(Tasks.accept_invitation)
    people = asynchronous(Tasks.people)
    person = asynchronous(Tasks.person)
    rename_person = asynchronous(Tasks.rename_person)
    deactivate_person = asynchronous(Tasks.deactivate_person)
    reactivate_person = asynchronous(Tasks.reactivate_person)
    groups = asynchronous(Tasks.groups)
    join_group = asynchronous(Tasks.join_group)
    leave_group = asynchronous(Tasks.leave_group)
    grants = asynchronous(Tasks.grants)
    grant = asynchronous(Tasks.grant)
    withdraw_grant = asynchronous(Tasks.withdraw_grant)
    owners = asynchronous(Tasks.owners)
    set_owner = asynchronous(Tasks.set_owner)
    remove_owner = asynchronous(Tasks.remove_owner)
    projects = asynchronous(Tasks.projects)
    create_project = asynchronous(Tasks.create_project)
    keys = asynchronous(Tasks.keys)
    create_key = asynchronous(Tasks.create_key)
    revoke_key = asynchronous(Tasks.revoke_key)
    webhooks = asynchronous(Tasks.webhooks)
    webhook = asynchronous(Tasks.webhook)
    create_webhook = asynchronous(Tasks.create_webhook)
    change_webhook = asynchronous(Tasks.change_webhook)
    delete_webhook = asynchronous(Tasks.delete_webhook)
    enable_webhook = asynchronous(Tasks.enable_webhook)
    disable_webhook = asynchronous(Tasks.disable_webhook)
    test_webhook = asynchronous(Tasks.test_webhook)
    deliveries = asynchronous(Tasks.deliveries)
    redeliver = asynchronous(Tasks.redeliver)
    providers = asynchronous(Tasks.providers)
    provider = asynchronous(Tasks.provider)
    set_provider = asynchronous(Tasks.set_provider)
    delete_provider = asynchronous(Tasks.delete_provider)

    def _now(self, task: Callable[..., Steps[T]]) -> Callable[..., T]:
        """A task as a function that carries it out on the thread that calls it."""
        return lambda *args, **more: drive(
            task(self, *args, **more), lambda request: send(self._reader, request)
        )

    async def _off_loop(self, work: Callable[..., T], *args: Any, **more: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **more))

    async def _run(self, steps: Steps[T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: drive(steps, lambda request: send(self._reader, request))
        )


async def _wait(waits: Waits[T]) -> T:
    """Wait for what a read says to wait for, without holding up the event loop."""
    try:
        while True:
            flight, seconds = next(waits)
            # The flight goes on if its waiter is cancelled: others may be waiting for it.
            await asyncio.wait([asyncio.wrap_future(flight.done)], timeout=seconds)
    except StopIteration as stop:
        result: T = stop.value
        return result
