"""`Client`: how an application reads prompts, and how everything is managed, with a server."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from pointsman.core.prompt import Prompt
from pointsman.core.vocabulary import Dependency, Published
from pointsman.errors import InvalidInput
from pointsman.sdk import snapshot as snapshots
from pointsman.sdk.answers import prompt_selector
from pointsman.sdk.calls import Reply, Request, Steps, drive
from pointsman.sdk.knowledge import REFRESH, RETRY, Pace, Status
from pointsman.sdk.manage import Tasks
from pointsman.sdk.methods import sync
from pointsman.sdk.reader import Change, Reader, Settings, Waits

T = TypeVar("T")

TIMEOUT = 5.0
TASK_TIMEOUT = 30.0
"""Seconds for each request that manages something; reads have their own limit."""


class Client:
    """A client of the registry at a URL.

    ::

        client = Client("https://pointsman.example.org", key)
        prompt = client.get("support/reply@production")
        answer = openai.chat.completions.create(**prompt.to_openai(name="Ada"))

    What `get` was asked for once stays in memory, and a background thread keeps it right: a
    move of the alias arrives within moments, without the application asking. If the registry
    is down, applications read what was held last: from memory, after a restart from the
    `snapshot` on disk, before there is one from the `bundle` that they were shipped with.

    Parameters:
        url: the registry's address; by default ``POINTSMAN_URL``.
        key: the API key; by default ``POINTSMAN_API_KEY``.
        project: the project, for a key or session that is for several; by default
            ``POINTSMAN_PROJECT``, and else what the registry says is the key's own.
        timeout: seconds that `get` waits for an answer if nothing is held.
        refresh: seconds between two looks at the registry while its stream can't be followed.
        snapshot: the file for cold starts; True for one in the user's cache directory, False
            for none.
        bundle: a file made by ``pointsman bundle`` or `write_bundle`.
        preload: selectors to ask for at once, before anything is read.
        follow: False to look at intervals only, without holding a connection.

    Use one client for the whole process; it may be shared by threads and survives a fork.
    Raises `InvalidInput` for an address or key that can't be one, or a bad selector.
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
        self._finish = weakref.finalize(self, self._reader.close)

    def get(self, selector: str, *, key: str | None = None, fallback: Any = None) -> Prompt:
        """The prompt that a selector means now: ``support/reply@production``.

        What is held is returned at once, even if the registry can't be reached to confirm
        it. Else the registry is asked, and if it doesn't answer within the client's timeout,
        or has no such prompt, the `fallback` is used: content as `publish` takes it, a
        `Prompt`, or a function that returns either. Its version is 0.

        Where the alias is a split, `key` (a user's id, say) decides which version, the same
        one each time; without it, all reads of one process get the same.

        Raises, if there is neither an answer nor a fallback: `NotFound` (`Gone` if the
        content was removed), `Unavailable`, `Unauthenticated`, `Refused`, `IntegrityError`;
        and always: `InvalidName`, or `InvalidInput` if it is not a prompt that is named.
        """
        try:
            return self._held[selector]
        except KeyError:
            return _wait(self._reader.get(selector, key, fallback))

    def wait_ready(self, timeout: float = TIMEOUT) -> bool:
        """Wait until what is preloaded has been asked for; whether all of it can be read.

        True also if the registry is down but everything is there from the disk or bundle.
        """
        return _wait(self._reader.ready(timeout))

    def on_change(
        self, callback: Callable[[Change], object], selector: str | None = None
    ) -> Callable[[], None]:
        """Call back when a selector that was read (or this one) has come to mean another version.

        The callback runs on a background thread, one at a time; it should be quick. What it
        raises is logged. Returns a function that ends it.
        """
        return self._reader.on_change(callback, selector)

    def status(self, selector: str | None = None) -> Status:
        """How up to date a selector is, or the worst of all that are held. Never waits."""
        return self._reader.status(selector)

    def write_bundle(self, path: str | os.PathLike[str], selectors: Sequence[str]) -> None:
        """Write what these selectors mean now into a file, to ship with an application.

        Raises what `get` raises, and `Unavailable` if the file can't be written.
        """
        snapshots.write_answers(path, _wait(self._reader.answers(selectors)))

    def publish_model(
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
        """Publish a version of a model from its files: a folder, a file, or paths to files.

        What the registry has already is not sent again, unless `resend` says so: that mends a
        file that is damaged there. `content` has further fields of the
        content: signature, input_example, run, source, metrics, parameters, config and your own.
        `progress` is called with the bytes done and the bytes in all, on some thread. Nothing
        opens or loads the files. Raises what `publish` does, and `InvalidInput` for what is
        no file, or changes while it is read.
        """
        from pointsman.sdk.depot import HttpDepot  # late: not every application has models
        from pointsman.sdk.pushing import publish_model, with_flavour

        return publish_model(
            HttpDepot(self._reader),
            self.publish,
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

    def pull(
        self,
        selector: str,
        to: str | os.PathLike[str],
        *,
        cache: str | os.PathLike[str] | bool = True,
        progress: Callable[[int, int], object] | None = None,
    ) -> Path:
        """Fetch the files of the version of a model that a selector means, and return the folder.

        ``client.pull("model:churn@champion", "model")``. Each file is verified; one that is in
        the folder or the `cache` already (True: in the user's cache directory, False: none) is
        not fetched, and what breaks off goes on where it ended. Files in the folder may be
        links into the cache: don't write to them. What else is in the folder stays. Raises
        `NotFound`, `Gone`, `IntegrityError`, and `InvalidInput` if the version has no files.
        """
        from pointsman.sdk.depot import HttpDepot
        from pointsman.sdk.pulling import pull

        return pull(HttpDepot(self._reader), self.resolve, selector, to, cache, progress)

    def close(self) -> None:
        """Stop following and let go of connections. What is held can still be read."""
        self._finish.detach()
        self._reader.close(wait=2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client {self._reader.settings.url}>"

    resolve = sync(Tasks.resolve)
    artifact = sync(Tasks.artifact)
    search = sync(Tasks.search)
    version = sync(Tasks.version)
    versions = sync(Tasks.versions)
    alias = sync(Tasks.alias)
    diff = sync(Tasks.diff)
    releases = sync(Tasks.releases)
    find_release = sync(Tasks.find_release)
    history = sync(Tasks.history)
    entries = sync(Tasks.entries)
    differences = sync(Tasks.differences)
    graph = sync(Tasks.graph)
    graph_problems = sync(Tasks.graph_problems)
    upstream = sync(Tasks.upstream)
    downstream = sync(Tasks.downstream)
    affected = sync(Tasks.affected)
    doctor = sync(Tasks.doctor)
    journal_head = sync(Tasks.journal_head)
    journal_lines = sync(Tasks.journal_lines)
    checkpoint = sync(Tasks.checkpoint)
    checkpoints = sync(Tasks.checkpoints)
    evidence = sync(Tasks.evidence)
    publish = sync(Tasks.publish)
    publish_many = sync(Tasks.publish_many)
    set_tag = sync(Tasks.set_tag)
    delete_tag = sync(Tasks.delete_tag)
    archive = sync(Tasks.archive)
    restore = sync(Tasks.restore)
    tombstone = sync(Tasks.tombstone)
    promote = sync(Tasks.promote)
    split = sync(Tasks.split)
    release = sync(Tasks.release)
    delete_alias = sync(Tasks.delete_alias)
    rollback = sync(Tasks.rollback)
    rollback_release = sync(Tasks.rollback_release)
    policies = sync(Tasks.policies)
    policy = sync(Tasks.policy)
    set_policy = sync(Tasks.set_policy)
    delete_policy = sync(Tasks.delete_policy)
    test_policy = sync(Tasks.test_policy)
    propose = sync(Tasks.propose)
    edit_change = sync(Tasks.edit_change)
    change = sync(Tasks.change)
    changes = sync(Tasks.changes)
    diff_change = sync(Tasks.diff_change)
    rebase_change = sync(Tasks.rebase_change)
    approve = sync(Tasks.approve)
    object_to = sync(Tasks.object_to)
    take_back = sync(Tasks.take_back)
    comment = sync(Tasks.comment)
    withdraw = sync(Tasks.withdraw)
    apply = sync(Tasks.apply)
    checks = sync(Tasks.checks)
    report_check = sync(Tasks.report_check)
    broken_glass = sync(Tasks.broken_glass)
    review_glass = sync(Tasks.review_glass)
    evaluate = sync(Tasks.evaluate)
    plan_evaluation = sync(Tasks.plan_evaluation)
    standing = sync(Tasks.standing)
    evaluate_change = sync(Tasks.evaluate_change)
    evaluations = sync(Tasks.evaluations)
    evaluation = sync(Tasks.evaluation)
    evaluation_cases = sync(Tasks.evaluation_cases)
    cancel_evaluation = sync(Tasks.cancel_evaluation)
    me = sync(Tasks.me)
    sign_in = sync(Tasks.sign_in)
    finish_sign_on = sync(Tasks.finish_sign_on)
    reset_password = sync(Tasks.reset_password)
    redeem_reset = sync(Tasks.redeem_reset)
    sign_out = sync(Tasks.sign_out)
    change_password = sync(Tasks.change_password)
    my_keys = sync(Tasks.my_keys)
    create_my_key = sync(Tasks.create_my_key)
    revoke_my_key = sync(Tasks.revoke_my_key)
    invite = sync(Tasks.invite)
    invitations = sync(Tasks.invitations)
    withdraw_invitation = sync(Tasks.withdraw_invitation)
    accept_invitation = sync(Tasks.accept_invitation)
    people = sync(Tasks.people)
    person = sync(Tasks.person)
    rename_person = sync(Tasks.rename_person)
    deactivate_person = sync(Tasks.deactivate_person)
    reactivate_person = sync(Tasks.reactivate_person)
    groups = sync(Tasks.groups)
    join_group = sync(Tasks.join_group)
    leave_group = sync(Tasks.leave_group)
    grants = sync(Tasks.grants)
    grant = sync(Tasks.grant)
    withdraw_grant = sync(Tasks.withdraw_grant)
    owners = sync(Tasks.owners)
    set_owner = sync(Tasks.set_owner)
    remove_owner = sync(Tasks.remove_owner)
    projects = sync(Tasks.projects)
    create_project = sync(Tasks.create_project)
    keys = sync(Tasks.keys)
    create_key = sync(Tasks.create_key)
    revoke_key = sync(Tasks.revoke_key)
    webhooks = sync(Tasks.webhooks)
    webhook = sync(Tasks.webhook)
    create_webhook = sync(Tasks.create_webhook)
    change_webhook = sync(Tasks.change_webhook)
    delete_webhook = sync(Tasks.delete_webhook)
    enable_webhook = sync(Tasks.enable_webhook)
    disable_webhook = sync(Tasks.disable_webhook)
    test_webhook = sync(Tasks.test_webhook)
    deliveries = sync(Tasks.deliveries)
    redeliver = sync(Tasks.redeliver)
    providers = sync(Tasks.providers)
    provider = sync(Tasks.provider)
    set_provider = sync(Tasks.set_provider)
    delete_provider = sync(Tasks.delete_provider)

    def _run(self, steps: Steps[T]) -> T:
        return drive(steps, lambda request: send(self._reader, request))


def send(reader: Reader, request: Request) -> Reply:
    """Send a request of a task; what it changes is asked for anew before it is next read."""
    reply = reader.send(request, TASK_TIMEOUT)
    if request.changes is not None and reply.status < 300:
        reader.holding.doubt(request.changes(reply.body))
        reader.poke()
    return reply


def settings_of(
    url: str | None,
    key: str | None,
    project: str | None,
    timeout: float,
    refresh: float,
    snapshot_file: str | os.PathLike[str] | bool,
    bundle: str | os.PathLike[str] | None,
    preload: Iterable[str],
    *,
    follow: bool,
) -> Settings:
    """The parameters of a client, checked, with what the environment says in their places."""
    url = url or os.environ.get("POINTSMAN_URL", "")
    key = key or os.environ.get("POINTSMAN_API_KEY", "")
    project = project or os.environ.get("POINTSMAN_PROJECT", "")
    if not url:
        raise InvalidInput(
            "No registry is named.",
            code="no_url",
            hint="Pass its address as `url`, or set POINTSMAN_URL.",
            field="url",
        )
    if isinstance(preload, str):
        raise InvalidInput(
            "`preload` is a text.", hint="Pass a list of selectors.", field="preload"
        )
    if not (timeout > 0 and refresh > 0):
        raise InvalidInput("`timeout` and `refresh` are seconds, and more than 0.")
    url = checked_url(url)
    path: Path | None = None
    if snapshot_file is True:
        path = snapshots.default_path(f"{url}\n{project or _key_id(checked_key(key))}")
    elif snapshot_file is not False:
        path = Path(snapshot_file)
    return Settings(
        url=url,
        key=checked_key(key),
        timeout=timeout,
        pace=Pace(refresh=refresh, retry=min(RETRY, refresh)),
        snapshot=path,
        bundle=None if bundle is None else Path(bundle),
        preload=tuple(prompt_selector(text) for text in preload),
        follow=follow,
        project=checked_project(project),
    )


def checked_url(url: str) -> str:
    """The address without a slash at its end. Raises `InvalidInput`."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError):
        good = False
    if not good or "@" in parts.netloc or parts.query or parts.fragment or not url.isprintable():
        raise InvalidInput(
            "The registry's address is not a plain http or https URL.",
            code="invalid_url",
            hint="Write it like https://pointsman.example.org, without key or password.",
            field="url",
        )
    return url.rstrip("/")


def checked_key(key: str) -> str:
    """The key itself, if it can stand in a header. Raises `InvalidInput`."""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidInput(
            "The API key has characters that no key has.",
            code="invalid_key",
            hint="Check that it was copied as a whole, without line breaks.",
            field="key",
        )
    return key


def checked_project(name: str) -> str:
    """The project's name, if it can stand in a header. Raises `InvalidInput`."""
    if not name.isascii() or not name.isprintable() or name != name.strip():
        raise InvalidInput(
            "The project's name has characters that no project has.",
            code="invalid_project",
            hint="Write it as `pointsman project list` shows it.",
            field="project",
        )
    return name


def _key_id(key: str) -> str:
    """The part of a key that is no secret: ``pm_<id>_<secret>``."""
    prefix, _, rest = key.partition("_")
    return rest.partition("_")[0] if prefix == "pm" else key


def _wait(waits: Waits[T]) -> T:
    """Wait for what a read says to wait for, on this thread."""
    try:
        while True:
            flight, seconds = next(waits)
            flight.wait(seconds)
    except StopIteration as stop:
        result: T = stop.value
        return result
