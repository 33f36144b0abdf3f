"""Trying a prompt: what a model makes of it, beside what it makes of production's version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pointsman.app import providers, reading, trying
from pointsman.app.application import View
from pointsman.app.ports.trying import Tried
from pointsman.core.content import PromptContent, restore_prompt
from pointsman.core.providers import Call
from pointsman.core.selectors import Selector
from pointsman.core.variables import as_text
from pointsman.core.vocabulary import Version
from pointsman.errors import Gone, PointsmanError
from pointsman.web import drafts
from pointsman.web.visit import Answer, Later, Page, Visit


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tried: a draft or a version. `hidden` are the fields that bring it back."""

    name: str
    label: str
    content: PromptContent
    hidden: Sequence[tuple[str, str]]
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """One of two that are tried: what it is, and either its content or why it can't be tried."""

    label: str
    content: PromptContent | None
    trouble: str = ""
    alias: str = ""

    @property
    def model(self) -> str:
        """The model that it asks."""
        model = (self.content.model if self.content else None) or {}
        name = str(model.get("name") or model.get("uses") or "")
        return f"{model['provider']}/{name}" if model.get("provider") else name


@dataclass(frozen=True, slots=True)
class Bench:
    """Both sides, and the providers there are, read at one moment."""

    sides: tuple[Side, ...]
    providers: tuple[str, ...]


def try_page(visit: Visit) -> Answer:
    """Values to try a version with."""
    return shown(visit, _version(visit))


def try_it(visit: Visit) -> Answer | Later:
    """Ask the models, and show what they say."""
    return run(visit, _version(visit))


def shown(visit: Visit, subject: Subject) -> Answer:
    """The page for values to try something with."""
    return _page(visit, subject, visit.see(lambda view: _bench(view, subject)))


def run(visit: Visit, subject: Subject) -> Answer | Later:
    """Have the models asked with the values given; the page is shown when they have answered."""
    bench = visit.see(lambda view: _bench(view, subject))
    samples = drafts.samples_in(visit.form)
    calls: dict[int, Call] = {}
    results: dict[int, Tried] = {}
    for place, side in enumerate(bench.sides):
        if side.content is None:
            continue
        try:
            calls[place] = trying.call_of(side.content, drafts.values_of(side.content, samples))
        except PointsmanError as error:
            results[place] = Tried(error=error.message, hint=error.hint)
    if results or not calls:  # nothing is spent on one side that can't be compared
        return _page(visit, subject, bench, results, status=400)

    async def ask() -> tuple[Tried, ...]:
        return await visit.models.ask(visit.caller.project, list(calls.values()))

    def show(answers: tuple[Tried, ...]) -> Answer:
        return _page(visit, subject, bench, dict(zip(calls, answers, strict=True)))

    return Later(ask, show)


def _version(visit: Visit) -> Subject:
    number, name = visit.number("version"), visit.path["name"]

    def look(view: View) -> Version:
        trying.require_spending(view, name)
        return reading.show_version(view, Selector("prompt", name, version=number))

    version = visit.see(look)
    if version.content is None:
        raise Gone(
            f"The content of {name}:{version.number} was removed, so it can't be tried.",
            code="tombstoned",
            hint="Try another version.",
        )
    return Subject(
        name,
        f"Version {version.number}",
        restore_prompt(version.content),
        [("version", str(version.number))],
        version.number,
    )


def _bench(view: View, subject: Subject) -> Bench:
    trying.require_spending(view, subject.name)
    mine = _side(view, subject.name, subject.label, subject.content)
    sides = [mine]
    live = _live(view, subject.name)
    if live is not None and live.number != subject.number:
        label = f"Version {live.number}"
        content = None if live.content is None else restore_prompt(live.content)
        sides.append(_side(view, subject.name, label, content, alias="production"))
    known = tuple(one.name for one in providers.list_providers(view))
    return Bench(tuple(sides), known)


def _side(
    view: View, name: str, label: str, content: PromptContent | None, alias: str = ""
) -> Side:
    if content is None:
        return Side(label, None, "Its content was removed.", alias)
    try:
        return Side(label, trying.composed(view, name, content), "", alias)
    except PointsmanError as error:
        return Side(label, None, error.message, alias)


def _live(view: View, name: str) -> Version | None:
    try:
        return reading.show_version(view, Selector("prompt", name, alias="production"))
    except PointsmanError:
        return None


def _inputs(bench: Bench) -> list[tuple[str, bool, str]]:
    """What either side takes, in order; whether it is a list of messages, and its default."""
    found: dict[str, tuple[str, bool, str]] = {}
    for content in (side.content for side in bench.sides):
        if content is None:
            continue
        for one in content.compiled.variables:
            said = content.variables.get(one.name)
            default = as_text(said.default) if said is not None and said.has_default else ""
            found.setdefault(one.name, (one.name, False, default))
        for each in content.compiled.placeholders:
            found.setdefault(each.name, (each.name, True, ""))
    return list(found.values())


def _page(
    visit: Visit,
    subject: Subject,
    bench: Bench,
    results: Mapping[int, Tried] | None = None,
    *,
    status: int = 200,
) -> Answer:
    return visit.page(
        "try.html",
        status=status,
        subject=subject,
        bench=bench,
        inputs=_inputs(bench),
        samples=drafts.samples_in(visit.form),
        results=results or {},
        stored="name" in visit.path,
    )


PAGES = (
    Page("GET", "/projects/{project}/prompts/{name}:try", try_page),
    Page("POST", "/projects/{project}/prompts/{name}:try", try_it),
)
