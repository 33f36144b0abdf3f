"""What the pages for writers ask: who depends on a version, free names, what a model is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pointsman.app.application import Application, Caller
from pointsman.app.dependents import Dependent, dependents
from pointsman.app.publishing import check_free
from pointsman.app.trying import call_of, composed
from pointsman.compose import Registry
from pointsman.core.access import Actor, Grant
from pointsman.core.content import parse_prompt
from pointsman.core.vocabulary import Dependency
from pointsman.errors import Conflict, InvalidName, NotFound, Refused


def labels(found: tuple[Dependent, ...]) -> list[str]:
    return [f"{one.name}:{one.version} {one.relation} {one.selector}" for one in found]


def test_dependents_of_a_version_are_those_that_get_it(
    registry: Registry, app: Application, caller: Callable[..., Caller]
) -> None:
    for number in (1, 2, 3):
        registry.publish("tone", f"Be kind {number}")
    registry.promote("tone:2", "production", reason="a test")
    registry.publish("by/number", "{{> tone:2 }}")
    registry.publish("by/alias", "{{> tone@production }}", aliases=["staging"], reason="a test")
    registry.publish("by/newest", "{{> tone }}")
    registry.publish("takes", "{{ x }}", dependencies=[Dependency("consumes", "tone:2", "x")])
    registry.publish("once", "{{> tone:2 }}")
    registry.publish("once", "nothing of it any more")

    def of(number: int) -> tuple[Dependent, ...]:
        return app.read(caller(), lambda view: dependents(view, "prompt", "tone", number))

    assert labels(of(2)) == [
        "by/alias:1 includes tone@production",
        "by/number:1 includes tone:2",
        "takes:1 consumes tone:2",
    ]
    assert of(2)[0].aliases == ("staging",)
    assert labels(of(3)) == ["by/newest:1 includes tone"]
    assert of(1) == ()
    with pytest.raises(NotFound):
        of(4)


def test_dependents_that_may_not_be_read_are_left_out(
    registry: Registry, app: Application, caller: Callable[..., Caller]
) -> None:
    registry.publish("mine/tone", "Be kind")
    registry.publish("mine/a", "{{> mine/tone }}")
    registry.publish("theirs/b", "{{> mine/tone }}")
    actor = Actor("key:x", "x", None, "api", grants=(Grant("viewer", "", "mine/*"),))
    narrow = Caller(actor, caller().project)
    found = app.read(narrow, lambda view: dependents(view, "prompt", "mine/tone", 1))
    assert labels(found) == ["mine/a:1 includes mine/tone"]


def test_a_name_is_free_or_it_is_told_why_not(
    registry: Registry, app: Application, caller: Callable[..., Caller]
) -> None:
    registry.publish("Reply", "Hello")

    def check(name: str) -> str:
        return app.read(caller(), lambda view: check_free(view, "prompt", name))

    assert check("support/reply") == "support/reply"
    with pytest.raises(Conflict, match="There is a prompt 'Reply' already"):
        check("Reply")
    with pytest.raises(InvalidName, match="looks like 'Reply'"):
        check("reply")
    with pytest.raises(InvalidName):
        check("a//b")
    with pytest.raises(Refused):
        app.read(caller("viewer"), lambda view: check_free(view, "prompt", "new"))


def test_what_is_tried_has_its_includes_and_needs_the_right_to_write(
    registry: Registry, app: Application, caller: Callable[..., Caller]
) -> None:
    registry.publish("tone", "Be {{ how }}.")
    draft = parse_prompt(
        {"template": "{{> tone }} Hello {{ who }}", "model": {"provider": "p", "name": "m"}}
    )
    whole = app.read(caller("editor"), lambda view: composed(view, "reply", draft))
    call = call_of(whole, {"how": "kind", "who": "Ana"})
    assert call.messages == [{"role": "user", "content": "Be kind. Hello Ana"}]
    assert call.model == {"provider": "p", "name": "m"}
    with pytest.raises(Refused):
        app.read(caller("viewer"), lambda view: composed(view, "reply", draft))
