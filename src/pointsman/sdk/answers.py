"""From the registry's reply to a selector to a prompt that can be handed out.

Everything is looked at before it is believed: that the reply is about what was asked, that
its content matches its digest, that a prompt can be made of it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from pointsman.core.canonical import canonical_json, digest
from pointsman.core.content import parse_prompt, restore_prompt
from pointsman.core.plain import from_plain
from pointsman.core.prompt import Prompt
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import Arm, Resolution, Target, Why
from pointsman.errors import IntegrityError, InvalidInput, PointsmanError
from pointsman.sdk.calls import NOT_A_REGISTRY, Reply, Request, error_of
from pointsman.sdk.knowledge import Answer


@dataclass(frozen=True, slots=True)
class Ready:
    """A held answer as prompts: one, or one for each version of a split."""

    answer: Answer
    prompts: Mapping[int, Prompt]
    only: Prompt | None
    target: Target
    salt: str

    def pick(self, key: str) -> Prompt:
        """The prompt for the reader whom `key` identifies."""
        return self.only or self.prompts[self.target.pick(key, self.salt)]


class RefusedError(Exception):
    """The registry answered that there is no such thing; `reply` is how it said so."""

    def __init__(self, error: PointsmanError, reply: Reply) -> None:
        super().__init__(str(error))
        self.error, self.reply = error, reply


def prompt_selector(text: str) -> Selector:
    """The selector of a prompt.

    Raises `InvalidName`, or `InvalidInput` for one that names something else than a prompt.
    """
    selector = parse_selector(text)
    if selector.kind != "prompt":
        raise InvalidInput(
            f"{text!r} names a {selector.kind}, and get() gives prompts.",
            code="not_a_prompt",
            hint=f"Call resolve({text!r}) to have what the registry says of it.",
            field="selector",
        )
    return selector


def ask(
    selector: Selector, known: Answer | None, asked_at: float
) -> Generator[Request, Reply, Answer]:
    """Ask what a selector means: one request, and one for each version of a split.

    `known` is what is held already: what has not changed is not sent again. Raises
    `RefusedError` where the registry says that there is none, `IntegrityError` for an answer
    that can't be right, and whatever else the registry replies.
    """
    reply, resolution = yield from _ask(selector, known, known.resolution if known else None)
    etags = {str(selector): reply.headers.get("etag", "")}
    seqs, epochs = [reply.seq], {reply.epoch}
    arms: dict[int, Resolution] = {}
    for arm in resolution.why.split:
        pinned = Selector("prompt", resolution.name, arm.version)
        held = known.arms.get(arm.version) if known else None
        reply, pure = yield from _ask(pinned, known, held)
        etags[str(pinned)] = reply.headers.get("etag", "")
        seqs.append(reply.seq)
        epochs.add(reply.epoch)
        arms[arm.version] = arm_of(resolution, pure)
    if len(epochs) > 1:
        raise IntegrityError(
            "The answers for a split come from different journals.", code="unexpected_answer"
        )
    known_seqs = [seq for seq in seqs if seq is not None]
    return Answer(
        resolution,
        arms,
        etags,
        seq=min(known_seqs) if len(known_seqs) == len(seqs) else None,
        epoch=epochs.pop(),
        asked_at=asked_at,
        source="network",
    )


def arm_of(resolution: Resolution, pinned: Resolution) -> Resolution:
    """The resolution of an alias that is a split, for the readers who get this version."""
    why = replace(resolution.why, includes=pinned.why.includes)
    return replace(pinned, selector=resolution.selector, why=why)


def ready(answer: Answer) -> Ready:
    """The prompts that an answer holds. Raises `IntegrityError` if it holds none."""
    resolution = answer.resolution
    prompts = {number: prompt_of(one) for number, one in answer.versions.items()}
    split: tuple[Arm, ...] = resolution.why.split if answer.arms else ()
    return Ready(
        answer,
        prompts,
        only=None if split else prompts[resolution.version],
        target=Target(split=split),
        salt=f"{resolution.kind}:{resolution.name}@{resolution.why.alias}",
    )


def prompt_of(resolution: Resolution) -> Prompt:
    """The prompt that a resolution is about. Raises `IntegrityError` if it isn't one."""
    try:
        content = restore_prompt(resolution.content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unexpected(f"{resolution.name}:{resolution.version} is no prompt") from error
    return Prompt(
        resolution.name,
        resolution.version,
        resolution.digest,
        content,
        why=resolution.why,
        made_of=resolution.why.includes,
    )


def fallback_prompt(selector: Selector, content: Any) -> Prompt:
    """The prompt made of content that an application brought along; its version is 0.

    Raises what `core.content.parse_prompt` raises.
    """
    parsed = parse_prompt(content)
    return Prompt(selector.name, 0, parsed.digest, parsed, why=Why())


def read_resolution(value: Any) -> Resolution:
    """A resolution from JSON. Raises `IntegrityError` if its content is not what it says."""
    resolution = from_plain(Resolution, value)
    check_content(resolution)
    return resolution


def check_content(resolution: Resolution) -> None:
    """Raise `IntegrityError` unless the content has the digest that goes with it."""
    try:
        found = digest(canonical_json(resolution.content))
    except InvalidInput as error:
        raise _unexpected("The content is not JSON") from error
    if found != resolution.content_digest:
        raise IntegrityError(
            f"The content of {resolution.name}:{resolution.version} does not match its digest.",
            hint="It was damaged on its way; it is not used.",
            details={"expected": resolution.content_digest, "found": found},
        )


def resolve_path(selector: Selector) -> str:
    """Where the registry answers a selector."""
    return f"/resolve/{quote(str(selector), safe='')}"


def _ask(
    selector: Selector, known: Answer | None, held: Resolution | None
) -> Generator[Request, Reply, tuple[Reply, Resolution]]:
    etag = known.etags.get(str(selector), "") if known and held else ""
    headers = {"If-None-Match": etag} if etag else {}
    reply = yield Request("GET", resolve_path(selector), headers=headers, repeatable=True)
    if reply.status == 304:
        if held is None or not etag:
            raise _unexpected("The answer is that nothing has changed, but nothing is known")
        if not reply.headers.get("etag"):
            reply = replace(reply, headers={**reply.headers, "etag": etag})
        return reply, held
    if reply.status in (404, 410):
        error = error_of(reply)
        if error.code != "not_a_registry":
            raise RefusedError(error, reply)
        raise error
    if reply.status != 200:
        raise error_of(reply)
    resolution = read_resolution(reply.body)
    _check_is_about(selector, resolution)
    return reply, resolution


def _check_is_about(selector: Selector, resolution: Resolution) -> None:
    why = resolution.why
    right = (
        (resolution.kind, resolution.name) == (selector.kind, selector.name)
        and why.alias == selector.alias
        and selector.version in (None, resolution.version)
        and why.as_of is None
        and (not why.split or resolution.version in {arm.version for arm in why.split})
    )
    if not right:
        raise _unexpected(f"The answer to {selector} is about something else")


def _unexpected(what: str) -> IntegrityError:
    return IntegrityError(f"{what}.", code="unexpected_answer", hint=NOT_A_REGISTRY)
