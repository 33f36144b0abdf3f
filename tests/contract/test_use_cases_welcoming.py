"""The link by which the first admin comes in, on both databases."""

from __future__ import annotations

import json

import pytest

from pointsman.app import members, sessions, welcoming
from pointsman.app.application import Application, Caller
from pointsman.app.ports import Store
from pointsman.app.projects import SYSTEM
from pointsman.compose import Registry
from pointsman.core.access import Actor
from pointsman.core.people import INSTALLATION
from pointsman.errors import Gone, InvalidInput, Refused, Unauthenticated

PASSWORD = "correct horse battery"


def come_in(app: Application, token: str, email: str, password: str = PASSWORD) -> str:
    return sessions.accept_invitation(app, token, password, "Ana", email=email).token


def role_of(app: Application, session: str) -> str | None:
    with app.store.read() as reader:
        caller, _, _ = sessions.authenticate(reader, session, "api", app.clock())
    return caller.actor.role


def test_whoever_comes_in_is_admin_of_the_installation(
    registry: Registry, app: Application, store: Store
) -> None:
    made = welcoming.welcome(app)
    assert (made.invitation.email, made.invitation.project) == ("", INSTALLATION)
    assert role_of(app, come_in(app, made.token, "Ana@Example.org")) == "admin"
    (grant,) = registry.grants()
    assert (grant.who, grant.role, grant.everywhere) == ("ana@example.org", "admin", True)
    with store.read() as reader:
        home = reader.project(INSTALLATION)
        assert home is not None
        lines = [(one.type, json.loads(one.data)) for one in reader.lines(home.id, 0, 100)]
        (row,) = reader.invitations(home.id)
    accepted = [fact for kind, fact in lines if kind == "person.accepted"]
    assert [fact["invitation"] for fact in accepted] == [made.invitation.id]
    assert made.token not in str(lines) + str(row)
    assert registry.doctor().findings == ()


def test_it_is_good_once(app: Application) -> None:
    made = welcoming.welcome(app)
    come_in(app, made.token, "ana@example.org")
    with pytest.raises(Gone) as caught:
        come_in(app, made.token, "eve@example.org")
    assert caught.value.code == "used_invitation_token"


def test_it_is_good_for_a_day(app: Application) -> None:
    made = welcoming.welcome(app)
    later = Application(app.store, lambda: app.clock() + sessions.DAY)
    with pytest.raises(Gone) as caught:
        come_in(later, made.token, "ana@example.org")
    assert caught.value.code == "expired_invitation"


def test_a_new_one_makes_the_one_before_useless(registry: Registry, app: Application) -> None:
    first, second = welcoming.welcome(app), welcoming.welcome(app)
    with pytest.raises(Gone) as caught:
        come_in(app, first.token, "ana@example.org")
    assert caught.value.code == "withdrawn_invitation"
    come_in(app, second.token, "ana@example.org")
    assert registry.doctor().findings == ()


def test_it_needs_an_address(app: Application) -> None:
    made = welcoming.welcome(app)
    for wrong in ("", "nobody"):
        with pytest.raises(InvalidInput) as caught:
            come_in(app, made.token, wrong)
        assert caught.value.field == "email"
    come_in(app, made.token, "ana@example.org")


def test_who_is_there_already_proves_it(registry: Registry, app: Application) -> None:
    invited = registry.invite("ben@example.org", name="Ben")
    registry.accept_invitation(invited.token, PASSWORD)
    made = welcoming.welcome(app)
    with pytest.raises(Unauthenticated):
        come_in(app, made.token, "ben@example.org", "another horse battery")
    assert role_of(app, come_in(app, made.token, "ben@example.org")) == "admin"


def test_only_an_admin_of_the_installation_makes_one(app: Application) -> None:
    somebody = Actor("person:1", "Ana", "admin", "api", email="ana@example.org")
    caller = Caller(somebody, app.project("default"))
    with pytest.raises(Refused) as caught:
        welcoming.invite_admin(app, caller)
    assert caught.value.code == "needs_installation_admin"


def test_an_address_does_not_change_who_an_invitation_is_for(
    registry: Registry, app: Application
) -> None:
    invited = registry.invite("ben@example.org", name="Ben")
    come_in(app, invited.token, "eve@example.org")
    assert [one.email for one in app.read(_admin(app), members.list_people)] == ["ben@example.org"]


def _admin(app: Application) -> Caller:
    return Caller(SYSTEM, app.project("default"))
