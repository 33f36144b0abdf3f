"""What changed between two contents, for people to read.

Text is compared by lines, and by words only within lines that changed: comparing a long
prompt by words throughout is slow and gives confetti. The work is bounded by a budget that
one comparison spends and that never depends on luck: when it runs out, the lines that are
left are shown as replaced, which is true, if less fine.

A diff is complete: `apply_text` and `apply_content` make the later content out of the
earlier one, and refuse any other.

Source: E. W. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal, TypeAlias

from pointsman.core.canonical import JSON, canonical_json, json_pointer
from pointsman.errors import Conflict

__all__ = [
    "ContentDiff",
    "DiffSummary",
    "Hunk",
    "Line",
    "MessageDiff",
    "Setting",
    "Span",
    "TextDiff",
    "apply_content",
    "apply_text",
    "diff_contents",
    "diff_text",
]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line: in both texts, only in the earlier, or only in the later."""

    kind: Literal["same", "removed", "added"]
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line, with its number (from 1) in each text that has it.

    A ``changed`` line is in both: its ``same`` and ``removed`` spans are the earlier form,
    its ``same`` and ``added`` spans the later. Other lines have one span.
    """

    kind: Literal["same", "removed", "added", "changed"]
    old: int | None
    new: int | None
    spans: tuple[Span, ...]

    @property
    def before(self) -> str:
        return "".join([span.text for span in self.spans if span.kind != "added"])

    @property
    def after(self) -> str:
        return "".join([span.text for span in self.spans if span.kind != "removed"])


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that follow each other: changes and the unchanged lines around them.

    ``old_start`` and ``new_start`` are the numbers, from 1, of its first lines in the
    earlier and the later text, or what they would be if it has none there.
    """

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class TextDiff:
    """What changed in a text; no hunks if nothing did. A changed line counts as both."""

    hunks: tuple[Hunk, ...]
    lines_added: int
    lines_removed: int

    def unified(self) -> str:
        """The diff as plain text with ``-`` and ``+``, as developers know it."""
        return "\n".join(_unified_lines(self))


@dataclass(frozen=True, slots=True)
class MessageDiff:
    """One chat message, with its position (from 1) in each list of messages that has it.

    ``moved`` means unchanged at another place among the others. ``old_label`` and
    ``new_label`` tell its role (or that it is a placeholder or an include), ``before`` and
    ``after`` are the message itself, ``text`` compares what it says.
    """

    kind: Literal["same", "removed", "added", "changed", "moved"]
    old: int | None
    new: int | None
    old_label: str
    new_label: str
    before: JSON
    after: JSON
    text: TextDiff


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that was added, removed or changed, at a JSON pointer.

    Positions in lists count in the later content, except the last step to a removed value,
    which counts in the earlier.
    """

    kind: Literal["removed", "added", "changed"]
    path: str
    before: JSON
    after: JSON


@dataclass(frozen=True, slots=True)
class DiffSummary:
    """How much changed."""

    lines_added: int = 0
    lines_removed: int = 0
    messages_added: int = 0
    messages_removed: int = 0
    messages_changed: int = 0
    messages_moved: int = 0
    settings_changed: int = 0

    def __str__(self) -> str:
        counts = (
            (self.lines_added, "line", "added"),
            (self.lines_removed, "line", "removed"),
            (self.messages_added, "message", "added"),
            (self.messages_removed, "message", "removed"),
            (self.messages_changed, "message", "changed"),
            (self.messages_moved, "message", "moved"),
            (self.settings_changed, "setting", "changed"),
        )
        parts = [f"{n} {noun}{'s'[: n != 1]} {verb}" for n, noun, verb in counts if n]
        return ", ".join(parts) or "no change"


@dataclass(frozen=True, slots=True)
class ContentDiff:
    """What changed in the content of a version.

    ``template`` compares the template as text; ``messages`` compares it message by message
    if it is a chat in both. If only one of them is a chat, or has a template at all,
    ``template`` compares their renderings and ``settings`` has the values at ``/template``.
    ``settings`` has everything else, value by value.
    """

    template: TextDiff | None
    messages: tuple[MessageDiff, ...]
    settings: tuple[Setting, ...]
    summary: DiffSummary

    def unified(self) -> str:
        """The diff as plain text: the template, then one line for each value of a setting."""
        return "\n".join(_unified_content(self))


def diff_text(before: str, after: str, context: int | None = 3) -> TextDiff:
    """Compare two texts; ``context`` unchanged lines around each change, or ``None`` for all.

    Lines end with ``\\n``, so a text that ends so has an empty last line.
    """
    return _diff_text(before, after, context, _Budget())


def diff_contents(before: JSON, after: JSON, context: int | None = 3) -> ContentDiff:
    """Compare the contents of two versions, of any kind."""
    budget = _Budget()
    template: TextDiff | None = None
    messages: tuple[MessageDiff, ...] = ()
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = before.get("template"), after.get("template")
        rest_before, rest_after = _but_template(before), _but_template(after)
        if isinstance(old, str) and isinstance(new, str):
            template = _diff_text(old, new, context, budget)
        elif isinstance(old, list) and isinstance(new, list):
            messages = tuple(_diff_messages(old, new, context, budget))
        else:
            rest_before, rest_after = before, after
            if _has_template(before) or _has_template(after):
                template = _diff_text(_template_text(old), _template_text(new), context, budget)
        settings = tuple(_settings(rest_before, rest_after, (), budget))
    else:
        settings = tuple(_settings(before, after, (), budget))
    if template is not None and not template.hunks:
        template = None
    if all(message.kind == "same" for message in messages):
        messages = ()
    return ContentDiff(template, messages, settings, _summary(template, messages, settings))


def apply_text(before: str, diff: TextDiff) -> str:
    """The later text, made of the earlier one and the diff.

    Raises:
        Conflict: ``diff_does_not_fit``: ``before`` is not the text that was compared.
    """
    old = _lines(before)
    result: list[str] = []
    done = 0
    for hunk in diff.hunks:
        start = hunk.old_start - 1
        if old[start : start + hunk.old_count] != [
            line.before for line in hunk.lines if line.kind != "added"
        ]:
            raise _misfit(f"line {hunk.old_start}")
        result += old[done:start]
        result += [line.after for line in hunk.lines if line.kind != "removed"]
        done = start + hunk.old_count
    return "\n".join(result + old[done:])


def apply_content(before: JSON, diff: ContentDiff) -> JSON:
    """The later content, made of the earlier one and the diff.

    Raises:
        Conflict: ``diff_does_not_fit``: ``before`` is not the content that was compared.
    """
    result = _patched(before, [(_steps(setting.path), setting) for setting in diff.settings])
    reshaped = any(setting.path == "/template" for setting in diff.settings)
    if reshaped or not (diff.template or diff.messages):
        return result
    template = result.get("template") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(template, (str, list)):
        raise _misfit("/template")
    if diff.template is not None:
        if not isinstance(template, str):
            raise _misfit("/template")
        return {**result, "template": apply_text(template, diff.template)}
    came_from = sorted((m.old, m.before) for m in diff.messages if m.old is not None)
    if not _equal(template, [message for _, message in came_from]):
        raise _misfit("/template")
    return {**result, "template": [m.after for m in diff.messages if m.new is not None]}


# -- text


def _diff_text(before: str, after: str, context: int | None, budget: _Budget) -> TextDiff:
    if before == after:
        return _NO_CHANGE
    old, new = _lines(before), _lines(after)
    lines = list(_diff_lines(old, new, budget))
    return TextDiff(
        tuple(_hunks(lines, context)),
        lines_added=sum(line.kind in ("added", "changed") for line in lines),
        lines_removed=sum(line.kind in ("removed", "changed") for line in lines),
    )


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []


def _diff_lines(old: list[str], new: list[str], budget: _Budget) -> Iterator[Line]:
    def alike(olds: range, news: range) -> _Pairs:
        return _best_pairs(_worded(old, olds), _worded(new, news), 0.4, budget)

    for i, j in _aligned(old, new, alike, budget):
        if i is not None and j is not None:
            if old[i] == new[j]:
                yield Line("same", i + 1, j + 1, (Span("same", old[i]),))
                continue
            spans = _word_spans(old[i], new[j], budget)
            if spans:
                yield Line("changed", i + 1, j + 1, spans)
                continue
        if i is not None:
            yield Line("removed", i + 1, None, (Span("removed", old[i]),))
        if j is not None:
            yield Line("added", None, j + 1, (Span("added", new[j]),))


def _word_spans(before: str, after: str, budget: _Budget) -> tuple[Span, ...]:
    """The changed words of a line; nothing if too little is left to call it the same line."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    pairs = _matches(old, new, budget)
    kept = sum(len(old[i]) for i, _ in pairs if not old[i].isspace())
    if 3 * kept < max(len(before), len(after)) - before.count(" "):
        return ()
    spans: list[Span] = []
    i = j = 0
    for x, y, size in _runs(pairs, len(old), len(new)):
        same = "".join(old[x : x + size])
        inside = 0 < x < len(old) - size or 0 < y < len(new) - size
        if inside and same.isspace():
            continue  # a lone space between two changed words belongs to the change
        for kind, piece in (
            ("removed", "".join(old[i:x])),
            ("added", "".join(new[j:y])),
            ("same", same),
        ):
            if piece:
                spans.append(Span(kind, piece))  # type: ignore[arg-type]
        i, j = x + size, y + size
    return tuple(spans)


def _runs(pairs: _Pairs, old_end: int, new_end: int) -> Iterator[tuple[int, int, int]]:
    """Pairs that follow each other as ``(old, new, size)``; an empty run at the ends, last."""
    start, size = (0, 0), 0
    for i, j in pairs:
        if size and (i, j) == (start[0] + size, start[1] + size):
            size += 1
            continue
        if size:
            yield *start, size
        start, size = (i, j), 1
    if size:
        yield *start, size
    yield old_end, new_end, 0


def _hunks(lines: list[Line], context: int | None) -> Iterator[Hunk]:
    """Cut out the changes with the lines around them, joining those that would touch."""
    around = len(lines) if context is None else max(0, context)
    changes = [n for n, line in enumerate(lines) if line.kind != "same"]
    old = new = 1
    done = 0
    for n, change in enumerate(changes):
        if n and change - changes[n - 1] <= 2 * around + 1:
            continue  # in the hunk of the change before
        start = max(done, change - around)
        last = n
        while last + 1 < len(changes) and changes[last + 1] - changes[last] <= 2 * around + 1:
            last += 1
        end = min(len(lines), changes[last] + around + 1)
        skipped = start - done  # these are the same in both
        old, new = old + skipped, new + skipped
        part = tuple(lines[start:end])
        old_count = sum(line.kind != "added" for line in part)
        new_count = sum(line.kind != "removed" for line in part)
        yield Hunk(old, old_count, new, new_count, part)
        old, new, done = old + old_count, new + new_count, end


# -- contents


def _diff_messages(
    old: list[JSON], new: list[JSON], context: int | None, budget: _Budget
) -> Iterator[MessageDiff]:
    old_keys, new_keys = [canonical_json(m) for m in old], [canonical_json(m) for m in new]
    old_texts, new_texts = [_message_text(m) for m in old], [_message_text(m) for m in new]
    moved = _moves(old_keys, new_keys, budget)  # later position → earlier position
    moved_from = set(moved.values())

    def alike(olds: range, news: range) -> _Pairs:
        free_olds = [i for i in olds if i not in moved_from]
        free_news = [j for j in news if j not in moved]
        return _best_pairs(
            _worded(old_texts, free_olds),
            _worded(new_texts, free_news),
            0.5,
            budget,
            lambda i, j, words: words / 2 + (_label(old[i]) == _label(new[j])) / 2,
        )

    for i, j in _aligned(old_keys, new_keys, alike, budget):
        kind: Literal["same", "removed", "added", "changed", "moved"]
        if j is None:
            if i in moved_from:
                continue  # told where it is now
            kind = "removed"
        elif i is not None:
            kind = "same" if old_keys[i] == new_keys[j] else "changed"
        else:
            i = moved.get(j)
            kind = "added" if i is None else "moved"
        yield MessageDiff(
            kind,
            old=None if i is None else i + 1,
            new=None if j is None else j + 1,
            old_label="" if i is None else _label(old[i]),
            new_label="" if j is None else _label(new[j]),
            before=None if i is None else old[i],
            after=None if j is None else new[j],
            text=_diff_text(
                "" if i is None else old_texts[i],
                "" if j is None else new_texts[j],
                context,
                budget,
            ),
        )


def _moves(old: list[str], new: list[str], budget: _Budget) -> dict[int, int]:
    """Which items are unchanged but out of order: later position → earlier position."""
    pairs = _matches(old, new, budget)
    settled_old, settled_new = {i for i, _ in pairs}, {j for _, j in pairs}
    places: dict[str, list[int]] = {}
    for i in reversed(range(len(old))):
        if i not in settled_old:
            places.setdefault(old[i], []).append(i)
    return {
        j: places[key].pop()
        for j, key in enumerate(new)
        if j not in settled_new and places.get(key)
    }


def _settings(
    before: JSON, after: JSON, steps: tuple[str | int, ...], budget: _Budget
) -> Iterator[Setting]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            here = (*steps, key)
            if key not in after:
                yield Setting("removed", json_pointer(here), before[key], None)
            elif key not in before:
                yield Setting("added", json_pointer(here), None, after[key])
            else:
                yield from _settings(before[key], after[key], here, budget)
    elif isinstance(before, list) and isinstance(after, list):
        old, new = [canonical_json(v) for v in before], [canonical_json(v) for v in after]

        def alike(olds: range, news: range) -> _Pairs:
            return _best_pairs(_worded(old, olds), _worded(new, news), 0.5, budget)

        for i, j in _aligned(old, new, alike, budget):
            if i is not None and j is not None:
                yield from _settings(before[i], after[j], (*steps, j), budget)
            elif i is not None:
                yield Setting("removed", json_pointer((*steps, i)), before[i], None)
            elif j is not None:
                yield Setting("added", json_pointer((*steps, j)), None, after[j])
    elif not _equal(before, after):
        yield Setting("changed", json_pointer(steps), before, after)


def _patched(value: JSON, settings: list[tuple[list[str], Setting]]) -> JSON:
    """``value`` with the settings applied, each given with the steps that lead to it from here."""
    if not settings:
        return value
    steps, setting = settings[0]
    if not steps:
        _demand(_equal(value, setting.before), setting)
        return setting.after
    result = value.copy() if isinstance(value, (dict, list)) else []
    # Removals count in the earlier list, the rest in the later: last removals first.
    for steps, s in reversed(settings):
        if len(steps) == 1 and s.kind == "removed":
            key = _place(result, steps[0], s)
            _demand(_equal(result.pop(key), s.before), s)  # type: ignore[arg-type]
    for steps, s in settings:
        if len(steps) == 1 and s.kind == "added":
            if isinstance(result, dict):
                _demand(steps[0] not in result, s)
                result[steps[0]] = s.after
            else:
                _demand(steps[0].isdecimal() and int(steps[0]) <= len(result), s)
                result.insert(int(steps[0]), s.after)
    inside: dict[str, list[tuple[list[str], Setting]]] = {}
    for steps, s in settings:
        if len(steps) > 1 or s.kind == "changed":
            inside.setdefault(steps[0], []).append((steps[1:], s))
    for step, deeper in inside.items():
        key = _place(result, step, deeper[0][1])
        result[key] = _patched(result[key], deeper)  # type: ignore[index]
    return result


def _place(container: dict[str, JSON] | list[JSON], step: str, setting: Setting) -> str | int:
    """The key or index that a step of a pointer means, if there is a value."""
    if isinstance(container, dict):
        _demand(step in container, setting)
        return step
    _demand(step.isdecimal() and int(step) < len(container), setting)
    return int(step)


def _demand(fits: bool, setting: Setting) -> None:
    if not fits:
        raise _misfit(setting.path)


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _equal(one: JSON, other: JSON) -> bool:
    return canonical_json(one) == canonical_json(other)  # unlike ==, tells True from 1


def _misfit(place: str) -> Conflict:
    return Conflict(
        f"The diff does not fit: {place or 'the content'} is not what it was made from.",
        code="diff_does_not_fit",
        hint="Apply it to the earlier of the two that were compared.",
        field=place if place.startswith("/") else "",
    )


def _summary(
    template: TextDiff | None, messages: Sequence[MessageDiff], settings: Sequence[Setting]
) -> DiffSummary:
    texts = [message.text for message in messages]
    if template is not None:
        texts.append(template)
    kinds = [message.kind for message in messages]
    return DiffSummary(
        lines_added=sum(text.lines_added for text in texts),
        lines_removed=sum(text.lines_removed for text in texts),
        messages_added=kinds.count("added"),
        messages_removed=kinds.count("removed"),
        messages_changed=kinds.count("changed"),
        messages_moved=kinds.count("moved"),
        settings_changed=sum(not (template and s.path == "/template") for s in settings),
    )


# -- a template as text


def _template_text(template: JSON) -> str:
    if template is None:
        return ""
    if isinstance(template, str):
        return template
    if isinstance(template, list):
        return "\n\n".join([f"[{_label(m)}]\n{_message_text(m)}" for m in template])
    return _pretty(template)


def _label(message: JSON) -> str:
    if isinstance(message, dict):
        if isinstance(role := message.get("role"), str):
            return role
        for key in ("placeholder", "include"):
            if isinstance(name := message.get(key), str):
                return f"{key} {name}"
    return "message"


def _message_text(message: JSON) -> str:
    """What a message says; whatever else it has follows, one line for each key."""
    if not isinstance(message, dict):
        return _pretty(message)
    content = message.get("content", "")
    parts = content if isinstance(content, list) else [content]
    texts = [_part_text(part) for part in parts] if "content" in message else []
    told = {"content", _label(message).partition(" ")[0]} | ({"role"} & message.keys())
    texts += [f"{key}: {canonical_json(message[key])}" for key in sorted(message.keys() - told)]
    return "\n".join(texts)


def _part_text(part: JSON) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.keys() == {"type", "text"} and part["type"] == "text":
        text = part["text"]
        return text if isinstance(text, str) else _pretty(part)
    return _pretty(part)


def _pretty(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


def _has_template(content: dict[str, JSON]) -> bool:
    return isinstance(content.get("template"), (str, list))


def _but_template(content: dict[str, JSON]) -> dict[str, JSON]:
    return {key: value for key, value in content.items() if key != "template"}


# -- plain text


def _unified_lines(diff: TextDiff) -> Iterator[str]:
    for hunk in diff.hunks:
        old, new = hunk.old_start - (not hunk.old_count), hunk.new_start - (not hunk.new_count)
        yield f"@@ -{old},{hunk.old_count} +{new},{hunk.new_count} @@"
        for same, group in groupby(hunk.lines, key=lambda line: line.kind == "same"):
            lines = list(group)
            if same:
                yield from (f" {line.before}" for line in lines)
                continue
            yield from (f"-{line.before}" for line in lines if line.old is not None)
            yield from (f"+{line.after}" for line in lines if line.new is not None)


def _unified_content(diff: ContentDiff) -> Iterator[str]:
    if diff.template is not None:
        yield "# template"
        yield from _unified_lines(diff.template)
    for message in diff.messages:
        if message.kind != "same":
            yield f"# {_headline(message)}"
            yield from _unified_lines(message.text)
    settings = [s for s in diff.settings if not (diff.template and s.path == "/template")]
    if settings:
        yield "# settings"
    for setting in settings:
        if setting.kind != "added":
            yield f"-{setting.path}: {canonical_json(setting.before)}"
        if setting.kind != "removed":
            yield f"+{setting.path}: {canonical_json(setting.after)}"


def _headline(message: MessageDiff) -> str:
    label = message.new_label or message.old_label
    if message.kind == "changed" and message.old_label != message.new_label:
        label = f"{message.old_label} → {message.new_label}"
    text = f"message {message.new or message.old}, {label}: {message.kind}"
    return f"{text} from {message.old}" if message.kind == "moved" else text


# -- what belongs together

_Pairs: TypeAlias = list[tuple[int, int]]  # positions in the earlier and the later sequence
_Worded: TypeAlias = tuple[int, frozenset[str]]  # a position, and the words found there


class _Budget:
    """The steps that one comparison may spend on finding what belongs together."""

    def __init__(self, steps: int = 400_000) -> None:
        self.left = steps

    @property
    def share(self) -> int:
        """What one search may spend, so that something is left for those that follow."""
        return self.left // 2


def _aligned(
    old: Sequence[Hashable],
    new: Sequence[Hashable],
    alike: Callable[[range, range], _Pairs],
    budget: _Budget,
) -> Iterator[tuple[int | None, int | None]]:
    """Walk both sequences in order: equal items in pairs, and between them what is left.

    ``alike`` pairs what it wants of two stretches that have no equal items in this order.
    """
    i = j = 0
    for x, y in [*_matches(old, new, budget), (len(old), len(new))]:
        for p, q in [*alike(range(i, x), range(j, y)), (x, y)]:
            yield from ((n, None) for n in range(i, p))
            yield from ((None, n) for n in range(j, q))
            if p < len(old) and q < len(new):
                yield p, q
            i, j = p + 1, q + 1


def _matches(old: Sequence[Hashable], new: Sequence[Hashable], budget: _Budget) -> _Pairs:
    """The longest common subsequence; beyond the budget only what both begin and end with."""
    start, stop = 0, min(len(old), len(new))
    while start < stop and old[start] == new[start]:
        start += 1
    tail = 0
    while tail < stop - start and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    # An item that only one of them has can't be in a pair: without these, texts that share
    # little cost little.
    common = {*old[start : len(old) - tail]} & {*new[start : len(new) - tail]}
    olds = [i for i in range(start, len(old) - tail) if old[i] in common]
    news = [j for j in range(start, len(new) - tail) if new[j] in common]
    middle = _myers([old[i] for i in olds], [new[j] for j in news], budget)
    return [
        *((n, n) for n in range(start)),
        *((olds[x], news[y]) for x, y in middle),
        *((len(old) - n, len(new) - n) for n in range(tail, 0, -1)),
    ]


def _myers(old: list[Hashable], new: list[Hashable], budget: _Budget) -> _Pairs:
    """Myers' greedy search: after ``d`` edits, how far along each diagonal can one be?"""
    n, m = len(old), len(new)
    if not n or not m:
        return []
    allowed, spent = budget.share, 0
    furthest = [-1] * (n + m + 3)  # by diagonal (old − new), from −m−1 to n+1
    zero = m + 1
    furthest[zero + 1] = 0
    rounds: list[tuple[int, list[int]]] = []
    for d in range(n + m + 1):
        low = -d if d <= m else -m + (m + d) % 2
        high = d if d <= n else n - (n + d) % 2
        for k in range(low, high + 1, 2):
            at = zero + k
            x = max(furthest[at - 1] + 1, furthest[at + 1])
            begin = x
            while x < n and x - k < m and old[x] == new[x - k]:
                x += 1
            furthest[at] = x
            spent += 1 + x - begin
            if x >= n and x - k >= m:
                budget.left -= spent
                return _retraced(rounds, n, m)
        if spent > allowed:
            break
        rounds.append((low, furthest[zero + low : zero + high + 1 : 2]))
    budget.left -= spent
    return []


def _retraced(rounds: list[tuple[int, list[int]]], x: int, y: int) -> _Pairs:
    """The way back from the end, through what each round had reached."""
    pairs: _Pairs = []
    for low, reached in reversed(rounds):
        k = x - y
        left, above = (
            reached[n] if 0 <= n < len(reached) else -1
            for n in ((k - 1 - low) // 2, (k + 1 - low) // 2)
        )
        came_from, k = (left, k - 1) if left + 1 > above else (above, k + 1)
        begin = max(left + 1, above)
        pairs.extend((x - s, y - s) for s in range(1, x - begin + 1))
        x, y = came_from, came_from - k
    pairs.extend((x - s, y - s) for s in range(1, x + 1))
    pairs.reverse()
    return pairs


def _best_pairs(
    olds: Sequence[_Worded],
    news: Sequence[_Worded],
    least: float,
    budget: _Budget,
    score: Callable[[int, int, float], float] = lambda _i, _j, words: words,
) -> _Pairs:
    """The pairs, in order, that have most words in common, each scoring at least ``least``.

    Beyond the budget: one by one, if there are as many of both.
    """
    if not olds or not news:
        return []
    cost = len(olds) * len(news) + min(
        len(news) * sum(len(words) for _, words in olds),
        len(olds) * sum(len(words) for _, words in news),
    )
    if cost > budget.share:
        in_order = zip(olds, news, strict=False) if len(olds) == len(news) else ()
        return [(i, j) for (i, _), (j, _) in in_order]
    budget.left -= cost
    # best[p][q]: the most that olds from p on and news from q on can score together
    best = [[0.0] * (len(news) + 1) for _ in range(len(olds) + 1)]
    gain = [[0.0] * len(news) for _ in olds]
    for p, (i, old_words) in reversed([*enumerate(olds)]):
        for q, (j, new_words) in reversed([*enumerate(news)]):
            total = len(old_words) + len(new_words)
            scored = score(i, j, 2 * len(old_words & new_words) / total if total else 1.0)
            gain[p][q] = scored if scored >= least else 0.0
            best[p][q] = max(best[p + 1][q], best[p][q + 1], best[p + 1][q + 1] + gain[p][q])
    pairs: _Pairs = []
    p = q = 0
    while p < len(olds) and q < len(news):
        if gain[p][q] and best[p][q] == best[p + 1][q + 1] + gain[p][q]:
            pairs.append((olds[p][0], news[q][0]))
            p, q = p + 1, q + 1
        elif best[p][q] == best[p + 1][q]:
            p += 1
        else:
            q += 1
    return pairs


def _worded(texts: Sequence[str], places: Sequence[int]) -> list[_Worded]:
    return [
        (n, frozenset([word for word in _TOKEN.findall(texts[n]) if not word.isspace()]))
        for n in places
    ]


_NO_CHANGE: Final = TextDiff((), 0, 0)

# A variable, a run of spaces, one CJK character, one sign, or a word: everything else, so
# that marks, joiners and emoji stay with what they belong to.
_SIGN: Final = r"!-/:-@\[-^`{-~\u00a1-\u00bf\u2010-\u205e\u3000-\u303f\uff01-\uff20"
_CJK: Final = r"\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN: Final = re.compile(rf"\{{\{{[^{{}}\n]*\}}\}}|\s+|[{_CJK}]|[{_SIGN}]|[^\s{_CJK}{_SIGN}]+")
