"""Writing a prompt: the editor, what it shows while somebody types, and publishing.

Everything that was typed travels with the form, so nothing is kept on the server until it is
published. Each button posts the form to the same address and says what it does (`deed`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pointsman.app import publishing, reading
from pointsman.app.application import View
from pointsman.app.publishing import Publish
from pointsman.core.content import PromptContent
from pointsman.core.diff import ContentDiff, diff_contents
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Artifact, Dependency, Relation, Version
from pointsman.errors import Conflict, Gone, InvalidInput, PointsmanError
from pointsman.web import deeds, drafts, forms, trying
from pointsman.web.comparing import side_by_side
from pointsman.web.drafts import Draft, Preview
from pointsman.web.marking import marked
from pointsman.web.visit import Answer, Later, Page, Visit, status_of, told
from pointsman.web.words import address

_START: Mapping[str, Any] = {"template": ""}


@dataclass(frozen=True, slots=True)
class Desk:
    """Where somebody writes: the artifact as it is now, and the version that they began with."""

    name: str
    artifact: Artifact | None
    base: Version | None
    seen: int
    """The newest version when they began."""

    @property
    def newest(self) -> int:
        """The newest version now."""
        return self.artifact.newest if self.artifact else 0


@dataclass(frozen=True, slots=True)
class Review:
    """What is about to be published against what there is; None where there is nothing."""

    desk: Desk
    theirs: Version | None
    """The newest version, where it came after the writer had begun."""
    production: Version | None
    mine: ContentDiff | None
    meanwhile: ContentDiff | None
    live: ContentDiff | None
    same: bool
    """Whether it is what the newest version says."""


def new_page(visit: Visit) -> Answer:
    """An empty editor for a new prompt."""
    folder = visit.ask("folder").strip("/")
    form = {"name": [f"{folder}/" if folder else ""], "newest": ["0"]}
    form |= forms.write(_START)
    return _editor(visit, Desk("", None, None, 0), form)


def new(visit: Visit) -> Answer | Later:
    """Do what a button of the editor for a new prompt says."""
    return _done(visit, visit.given("name").strip())


def edit_page(visit: Visit) -> Answer:
    """The editor, with a version in it: the one asked for, or the newest."""
    number = visit.number("from")
    desk = visit.see(lambda view: _desk(view, visit.name, number, None))
    content = desk.base.content if desk.base else _START
    if content is None:
        raise Gone(
            f"The content of version {number} was removed, so nothing can begin with it.",
            code="tombstoned",
            hint="Begin with another version.",
        )
    form = forms.write(content)
    form |= {"newest": [str(desk.newest)], "from": [str(desk.base.number if desk.base else 0)]}
    form |= _dependencies_of(desk.base, content)
    return _editor(visit, desk, form)


def edit(visit: Visit) -> Answer | Later:
    """Do what a button of the editor says."""
    return _done(visit, visit.name)


def _done(visit: Visit, name: str) -> Answer | Later:
    deed = visit.given("deed")
    if deed == "publish":
        return _publish(visit, name)
    form: forms.Form = visit.form
    if deed == "back":
        form = deeds.done({**form, "mode": ["json"]}, "to-form")
    form = deeds.done(form, deed)
    desk = visit.see(lambda view: _desk_of(view, visit, name))
    if deed not in ("review", "try", "run"):
        return _editor(visit, desk, form, typed=True)
    draft = drafts.draft_of({**form, "mode": ["json"]} if deed == "run" else form)
    if deed != "review":
        if draft.content is None:
            return _editor(visit, desk, form, typed=True, insisted=True)
        subject = _subject(desk, draft.content, form)
        return trying.run(visit, subject) if deed == "run" else trying.shown(visit, subject)
    trouble = _name_faults(visit, desk) if desk.seen == 0 else []
    if draft.content is None or trouble:
        return _editor(visit, desk, form, typed=True, insisted=True)
    return _reviewed(visit, desk, draft.content, form)


def _publish(visit: Visit, name: str) -> Answer:
    """Publish what was reviewed."""
    draft = drafts.draft_of({**visit.form, "mode": ["json"]})
    seen, message = visit.number("newest") or 0, visit.given("message").strip()
    try:
        if not message:
            raise InvalidInput(
                "There is no message yet.",
                code="message_required",
                hint="Say what changed and why: it is what people look for when they look back.",
                field="message",
            )
        content = draft.content.to_json() if draft.content else draft.raw
        wanted = Publish(
            name,
            content,
            message=message,
            if_newest=seen,
            dependencies=_dependencies_in(visit.form),
        )
        published = visit.do(lambda work: publishing.publish(work, wanted))
    except PointsmanError as error:
        if draft.content is None:
            raise
        desk = visit.see(lambda view: _desk_of(view, visit, name))
        newer = isinstance(error, Conflict) and error.code == "newer_version" and desk.artifact
        shown = None if newer else _by_now(error, desk)
        return _reviewed(
            visit, desk, draft.content, visit.form, error=shown, status=status_of(error)
        )
    number = published.version.number
    note = f"Version {number} is published. Nobody reads it until an alias is moved to it."
    return visit.go(address(visit.project, "prompt", name, number), note)


def _subject(desk: Desk, content: PromptContent, form: forms.Form) -> trying.Subject:
    """What is written, to be tried; the form brings it back."""
    kept = ("name", "from", "newest", "relation", "selector", "takes")
    hidden = [(name, value) for name in kept for value in form.get(name, ())]
    hidden.append(("json", forms.pretty(content.to_json())))
    return trying.Subject(desk.name, "Your draft", content, hidden)


def _by_now(error: PointsmanError, desk: Desk) -> PointsmanError:
    """The error; where a new prompt's name was taken meanwhile, in words about that."""
    if desk.artifact is not None or error.code != "newer_version":
        return error
    return Conflict(
        f"Somebody has made a prompt {desk.name!r} while you were writing.",
        code="artifact_exists",
        hint="Go back to writing and choose another name, or copy yours into theirs.",
        field="name",
    )


# -- what is read


def _desk_of(view: View, visit: Visit, name: str) -> Desk:
    """The desk of somebody who has been writing."""
    seen, base = visit.number("newest") or 0, visit.number("from")
    if "name" in visit.path:
        return _desk(view, name, base, seen)
    view.require("write")
    return Desk(name, None, None, 0)


def _desk(view: View, name: str, base: int | None, seen: int | None) -> Desk:
    view.require("write", "prompt", name)
    artifact = reading.show_artifact(view, "prompt", name)
    number = base or artifact.newest
    version = None
    if number:
        version = reading.show_version(view, Selector("prompt", name, version=number))
    return Desk(name, artifact, version, artifact.newest if seen is None else seen)


def _name_faults(visit: Visit, desk: Desk) -> list[drafts.Fault]:
    """What is wrong with the name of a new prompt."""
    if "name" in visit.path:
        return []
    try:
        visit.see(lambda view: publishing.check_free(view, "prompt", desk.name))
    except PointsmanError as error:
        reasons = error.reasons or [error]
        return [drafts.Fault("name", one.message, one.hint) for one in reasons]
    return []


def _review(view: View, desk: Desk, content: PromptContent) -> Review:
    own = content.to_json()
    if desk.artifact is None:
        return Review(desk, None, None, None, None, None, same=False)
    production = _version_at(view, desk, "production")
    newest = base = desk.base
    if desk.newest and (base is None or base.number != desk.newest):
        newest = reading.show_version(view, Selector("prompt", desk.name, version=desk.newest))
    theirs = newest if desk.newest > desk.seen else None
    return Review(
        desk,
        theirs,
        production,
        _difference(base, own),
        _difference(base, theirs.content) if theirs else None,
        _difference(production, own),
        same=newest is not None and newest.content == own,
    )


def _version_at(view: View, desk: Desk, alias: str) -> Version | None:
    assert desk.artifact is not None
    there = next((one for one in desk.artifact.aliases if one.name == alias), None)
    if there is None:
        return None
    number = there.target.versions[0]
    return reading.show_version(view, Selector("prompt", desk.name, version=number))


def _difference(before: Version | None, after: Mapping[str, Any] | None) -> ContentDiff | None:
    if before is None or before.content is None or after is None:
        return None
    return diff_contents(dict(before.content), dict(after))


# -- dependencies that no template tells of


def _dependencies_of(base: Version | None, content: Mapping[str, Any]) -> dict[str, list[str]]:
    """Those that were declared with the version that somebody begins with."""
    used = (content.get("model") or {}).get("uses")
    rows = [
        one
        for one in (base.dependencies if base else ())
        if one.relation == "consumes" or (one.relation == "uses" and one.selector != used)
    ]
    return {
        "relation": [one.relation for one in rows],
        "selector": [one.selector for one in rows],
        "takes": [one.variable for one in rows],
    }


def _dependencies_in(form: forms.Form) -> Sequence[Dependency]:
    rows = forms.Reader(form).rows("relation", "selector", "takes")
    return [
        Dependency(cast("Relation", relation or "consumes"), selector.strip(), takes.strip())
        for relation, selector, takes in rows
        if selector.strip()
    ]


# -- what is shown


def _editor(
    visit: Visit, desk: Desk, form: forms.Form, *, typed: bool = False, insisted: bool = False
) -> Answer:
    draft = drafts.draft_of(form)
    faults = list(draft.faults)
    if typed and desk.name:
        faults += _name_faults(visit, desk)
    elif insisted and not desk.name:
        faults.append(drafts.Fault("name", "The prompt needs a name."))
    samples = drafts.samples_in(form)
    shown = Preview()
    if draft.content is not None:
        content = draft.content
        shown = visit.see(lambda view: drafts.preview(view, content, samples))
    draft = Draft(draft.form, draft.raw, draft.content, tuple(faults), draft.variables)
    fields = forms.Reader(form)
    return visit.page(
        "editor.html",
        status=400 if insisted else 200,
        desk=desk,
        draft=draft,
        fields=fields,
        preview=shown,
        samples=samples,
        as_json=fields.one("mode") == "json",
        chat=fields.one("shape") == "chat",
        typed=typed,
        insisted=insisted,
        forms=forms,
    )


def _reviewed(
    visit: Visit,
    desk: Desk,
    content: PromptContent,
    form: forms.Form,
    *,
    error: PointsmanError | None = None,
    status: int = 200,
) -> Answer:
    review = visit.see(lambda view: _review(view, desk, content))
    return visit.page(
        "publish.html",
        status=status,
        desk=desk,
        review=review,
        content=content.to_json(),
        written=forms.pretty(content.to_json()),
        dependencies=forms.Reader(form).rows("relation", "selector", "takes"),
        message=visit.given("message"),
        error=None if error is None else told(error),
        pairs=side_by_side,
        marked=marked,
    )


PAGES = (
    Page("GET", "/projects/{project}/new", new_page),
    Page("POST", "/projects/{project}/new", new),
    Page("GET", "/projects/{project}/prompts/{name}:edit", edit_page),
    Page("POST", "/projects/{project}/prompts/{name}:edit", edit),
)
