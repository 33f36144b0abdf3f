"""Projects, people, keys, groups, owners, sessions and invitations, on both databases."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pointsman.app import keys, members, projects, sessions
from pointsman.app.application import Application, Caller
from pointsman.app.gate import Gate
from pointsman.app.passwords import FORGOTTEN, FREE, FREE_FROM_ADDRESS, Attempts
from pointsman.app.people import actor_of, people_of
from pointsman.app.ports import Store
from pointsman.app.tail import Tail
from pointsman.compose import Registry
from pointsman.core.access import Actor, Scope, may
from pointsman.core.people import INSTALLATION, SignedIn
from pointsman.core.vocabulary import NewKey, Role, micros
from pointsman.errors import (
    Conflict,
    Gone,
    InvalidInput,
    InvalidName,
    NotFound,
    PointsmanError,
    Refused,
    Unauthenticated,
)

PASSWORD = "correct horse battery"
DEFAULT = 1


@pytest.fixture(autouse=True)
def healthy(registry: Registry) -> Iterator[None]:
    registry.publish("support/reply", "one", aliases=["live", "staging"])
    registry.publish("sales/offer", "one", aliases=["live"])
    yield
    assert registry.doctor().findings == ()


@pytest.fixture
def gate(app: Application) -> Gate:
    return Gate(app, Tail(app.store))


def refused(kind: type[PointsmanError], code: str, act: Callable[[], object]) -> PointsmanError:
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.code == code, caught.value
    return caught.value


def join(registry: Registry, name: str, role: Role = "viewer", **part: Any) -> SignedIn:
    """Invite somebody, and have them come in."""
    invited = registry.invite(f"{name}@example.org", name=name.title(), role=role, **part)
    return registry.accept_invitation(invited.token, PASSWORD)


def record(store: Store, project_id: int) -> list[tuple[str, dict[str, Any]]]:
    """The entries of a project's journal: types and facts."""
    with store.read() as reader:
        return [(line.type, json.loads(line.data)) for line in reader.lines(project_id, 0, 1_000)]


def home(store: Store) -> int:
    with store.read() as reader:
        row = reader.project(INSTALLATION)
    assert row is not None
    return row.id


def actor(store: Store, subject: str, project_id: int = DEFAULT) -> Actor | None:
    with store.read() as reader:
        return actor_of(reader, project_id, subject, "api")


# Invitations and sessions


def test_an_invitation_makes_a_person_with_a_role(registry: Registry, store: Store) -> None:
    invited = registry.invite("Ana@Example.org", name="Ana", role="editor")
    assert invited.invitation.email == "ana@example.org"
    assert invited.token.split("_")[1] == invited.invitation.id
    signed = registry.accept_invitation(invited.token, PASSWORD)
    assert (signed.person.email, signed.person.name) == ("ana@example.org", "Ana")
    (grant,) = registry.grants()
    assert (grant.who, grant.role, grant.kind, grant.artifacts) == (
        "ana@example.org",
        "editor",
        "",
        "*",
    )
    (told,) = registry.invitations()
    assert told.accepted_at is not None
    mine = actor(store, f"person:{signed.person.id}")
    assert mine is not None
    assert (mine.role, mine.email, mine.name) == ("editor", "ana@example.org", "Ana")
    types = [kind for kind, _ in record(store, home(store))]
    assert types == [
        "project.created",
        "person.invited",
        "person.joined",
        "person.accepted",
        "session.opened",
    ]
    assert ("role.granted", grant.who) in [
        (kind, fact.get("who")) for kind, fact in record(store, DEFAULT)
    ]


def test_nothing_secret_gets_into_a_journal(registry: Registry, store: Store) -> None:
    invited = registry.invite("ana@example.org", name="Ana")
    signed = registry.accept_invitation(invited.token, PASSWORD)
    again = registry.sign_in("ana@example.org", PASSWORD)
    with store.read() as reader:
        person = reader.person(signed.person.id)
        assert person is not None
        hashes = [row.token_hash for row in reader.sessions_of(person.id)]
        rows = reader.invitations(DEFAULT)
    written = json.dumps([record(store, DEFAULT), record(store, home(store))])
    assert person.password_hash is not None
    assert person.password_hash.startswith("$argon2id$")
    for secret in (
        PASSWORD,
        person.password_hash,
        invited.token,
        signed.token,
        again.token,
        *hashes,
        *(row.token_hash for row in rows),
    ):
        assert secret not in written
        assert secret.rpartition("_")[2] not in written


def test_who_is_there_already_proves_it(registry: Registry) -> None:
    join(registry, "ana")
    invited = registry.invite("ana@example.org", role="releaser", artifacts="support/*")
    refused(
        Unauthenticated,
        "wrong_password",
        lambda: registry.accept_invitation(invited.token, "something else"),
    )
    registry.accept_invitation(invited.token, PASSWORD)
    assert {(one.role, one.artifacts) for one in registry.grants()} == {
        ("viewer", "*"),
        ("releaser", "support/*"),
    }
    assert len(registry.people()) == 1


def test_an_invitation_takes_no_role_away(registry: Registry) -> None:
    join(registry, "ana", "admin")
    invited = registry.invite("ana@example.org", role="viewer")
    registry.accept_invitation(invited.token, PASSWORD)
    assert [one.role for one in registry.grants()] == ["admin"]


def test_invitations_that_are_no_good(app: Application, registry: Registry) -> None:
    def accept(token: str) -> Callable[[], object]:
        return lambda: registry.accept_invitation(token, PASSWORD, name="Ana")

    token = registry.invite("ana@example.org").token
    wrong = token[:-1] + ("B" if token[-1] == "A" else "A")
    for unknown in ("", "x", wrong, token.replace("pi_", "ps_")):
        refused(NotFound, "unknown_invitation", accept(unknown))
    registry.withdraw_invitation(registry.invitations()[0].id)
    refused(Gone, "withdrawn_invitation", accept(token))
    used = registry.invite("ben@example.org", name="Ben")
    registry.accept_invitation(used.token, PASSWORD)
    refused(Gone, "used_invitation_token", accept(used.token))
    refused(Conflict, "used_invitation", lambda: registry.withdraw_invitation(used.invitation.id))
    refused(NotFound, "invitation_not_found", lambda: registry.withdraw_invitation("nothing"))
    soon = datetime.now(UTC) + timedelta(hours=1)
    late = registry.invite("cy@example.org", expires_at=soon)
    now = app.clock()
    later = Registry(app.store)
    later._app.clock = lambda: now + 2 * 3600 * 1_000_000
    refused(
        Gone, "expired_invitation", lambda: later.accept_invitation(late.token, PASSWORD, name="C")
    )
    past = datetime.now(UTC) - timedelta(seconds=1)
    refused(
        InvalidInput, "invalid_expiry", lambda: registry.invite("d@example.org", expires_at=past)
    )


@pytest.mark.parametrize("email", ["", "ana", "ana@", "@x", "a b@x.org", "a@b@c", "<a@x.org>"])
def test_what_is_no_address(registry: Registry, email: str) -> None:
    refused(InvalidInput, "invalid_email", lambda: registry.invite(email))


@pytest.mark.parametrize("password", ["", "ninechars", "x" * 1_001])
def test_what_is_no_password(registry: Registry, password: str) -> None:
    invited = registry.invite("ana@example.org", name="Ana")
    refused(
        InvalidInput,
        "invalid_password",
        lambda: registry.accept_invitation(invited.token, password),
    )
    registry.accept_invitation(invited.token, "x" * 10)


def test_signing_in_and_out(app: Application, registry: Registry, gate: Gate) -> None:
    join(registry, "ana", "editor")
    signed = registry.sign_in("ANA@example.org", PASSWORD)
    admitted = gate.admit(signed.token)
    assert (admitted.caller.actor.name, admitted.caller.actor.role) == ("Ana", "editor")
    assert gate.admit(signed.token) is admitted
    sessions.sign_out(app, admitted.caller, admitted.session_id)
    refused(Unauthenticated, "ended_session", lambda: gate.admit(signed.token))
    refused(Unauthenticated, "unknown_session", lambda: gate.admit(signed.token[:-2] + "xy"))


def test_a_session_expires(app: Application, registry: Registry) -> None:
    signed = join(registry, "ana")
    at = micros(signed.expires_at)
    with app.store.read() as reader:
        sessions.authenticate(reader, signed.token, "api", at - 1)
        refused(
            Unauthenticated,
            "expired_session",
            lambda: sessions.authenticate(reader, signed.token, "api", at),
        )


def test_wrong_passwords_and_unknown_people_are_answered_alike(registry: Registry) -> None:
    join(registry, "ana")
    known = refused(
        Unauthenticated, "wrong_password", lambda: registry.sign_in("ana@example.org", "wrong one")
    )
    unknown = refused(
        Unauthenticated, "wrong_password", lambda: registry.sign_in("eve@example.org", "wrong one")
    )
    assert str(known) == str(unknown)


def test_who_tries_too_often_has_to_wait(registry: Registry) -> None:
    join(registry, "ana")
    now = 0.0
    registry._app.attempts = Attempts(lambda: now)
    for email in ("ana@example.org", "eve@example.org"):
        for _ in range(FREE):
            refused(
                Unauthenticated,
                "wrong_password",
                lambda e=email: registry.sign_in(e, "wrong one"),  # type: ignore[misc]
            )
        waiting = refused(
            Refused,
            "too_many_attempts",
            lambda e=email: registry.sign_in(e, PASSWORD),  # type: ignore[misc]
        )
        assert waiting.details["retry_after"] >= 1
    now = 1.5
    refused(Unauthenticated, "wrong_password", lambda: registry.sign_in("ana@example.org", "again"))
    now = 3.0
    refused(Refused, "too_many_attempts", lambda: registry.sign_in("ana@example.org", PASSWORD))
    now = 4.0
    registry.sign_in("ana@example.org", PASSWORD)
    registry.sign_in("ana@example.org", PASSWORD)


def test_attempts_from_one_address_count_together() -> None:
    now = 0.0
    attempts = Attempts(lambda: now)
    for number in range(FREE_FROM_ADDRESS):
        attempts.begin(f"person {number}", "192.0.2.1")
    refused(Refused, "too_many_attempts", lambda: attempts.begin("another", "192.0.2.1"))
    attempts.begin("another", "192.0.2.2")
    now = 2.0
    attempts.begin("another", "192.0.2.1")
    attempts.succeeded("another", "192.0.2.1")
    refused(Refused, "too_many_attempts", lambda: attempts.begin("more", "192.0.2.1"))
    now = 3.5
    attempts.begin("more", "192.0.2.1")
    now += FORGOTTEN
    attempts.begin("another", "192.0.2.1")


def test_changing_a_password_ends_other_sessions(
    app: Application, registry: Registry, gate: Gate
) -> None:
    other = join(registry, "ana").token
    mine = registry.sign_in("ana@example.org", PASSWORD).token
    admitted = gate.admit(mine)
    gate.admit(other)
    change = sessions.change_password
    refused(
        Unauthenticated,
        "wrong_password",
        lambda: change(app, admitted.caller, "not the old", "quite another one"),
    )
    change(app, admitted.caller, PASSWORD, "quite another one", admitted.session_id)
    gate.admit(mine)
    refused(Unauthenticated, "ended_session", lambda: gate.admit(other))
    refused(
        Unauthenticated, "wrong_password", lambda: registry.sign_in("ana@example.org", PASSWORD)
    )
    registry.sign_in("ana@example.org", "quite another one")


# What people may do


def test_roles_of_parts_and_groups(registry: Registry, store: Store) -> None:
    signed = join(registry, "ana", "viewer", artifacts="support/*")
    subject = f"person:{signed.person.id}"
    mine = actor(store, subject)
    assert mine is not None
    assert mine.narrow
    assert may(mine, "read", "prompt", "support/reply").allowed
    assert not may(mine, "read", "prompt", "sales/offer").allowed
    registry.grant("group:shippers", "releaser", kind="prompt", artifacts="sales/*")
    registry.join_group("shippers", "ana@example.org")
    mine = actor(store, subject)
    assert mine is not None
    assert mine.groups == ("shippers",)
    assert may(mine, "move", "prompt", "sales/offer").allowed
    assert not may(mine, "move", "model", "sales/offer").allowed
    assert not may(mine, "move", "prompt", "support/reply").allowed
    assert [one.members for one in registry.groups()] == [("ana@example.org",)]
    registry.leave_group("shippers", "ana@example.org")
    assert registry.groups() == ()
    mine = actor(store, subject)
    assert mine is not None
    assert not may(mine, "move", "prompt", "sales/offer").allowed
    registry.withdraw_grant("ana@example.org", artifacts="support/*")
    assert actor(store, subject) is None
    refused(
        NotFound,
        "grant_not_found",
        lambda: registry.withdraw_grant("ana@example.org", artifacts="support/*"),
    )


def test_who_is_behind_a_subject(registry: Registry, store: Store) -> None:
    ana = join(registry, "ana", "reviewer")
    ben = join(registry, "ben", "admin")
    service = registry.create_key("ci", "editor")
    gone = registry.create_key("old", "editor")
    registry.revoke_key(gone.key.id)
    with store.read() as reader:
        everybody = people_of(reader, DEFAULT)
        assert [(one.email, one.role) for one in everybody] == [
            ("ana@example.org", "reviewer"),
            ("ben@example.org", "admin"),
        ]
        assert everybody[0] == actor_of(reader, DEFAULT, f"person:{ana.person.id}", "api")
    assert actor(store, f"key:{service.key.id}") == Actor(
        f"key:{service.key.id}", "ci", "editor", "api"
    )
    assert actor(store, f"key:{gone.key.id}") is None
    assert actor(store, "key:nothing") is None
    assert actor(store, "person:999") is None
    registry.grant("ben@example.org", "admin", everywhere=True)
    registry.deactivate_person("ana@example.org")
    assert actor(store, f"person:{ana.person.id}") is None
    with store.read() as reader:
        assert [one.email for one in people_of(reader, DEFAULT)] == ["ben@example.org"]
    registry.reactivate_person("ana@example.org")
    assert actor(store, f"person:{ana.person.id}") is not None
    assert actor(store, f"person:{ben.person.id}") is not None


def test_owners_of_an_artifact(registry: Registry, store: Store) -> None:
    ana = join(registry, "ana")
    assert registry.set_owner("support/reply", "ana@example.org") == ("ana@example.org",)
    assert registry.set_owner("support/reply", "group:care") == ("group:care", "ana@example.org")
    with store.read() as reader:
        row = reader.artifact(DEFAULT, "prompt", "support/reply")
        assert row is not None
        assert reader.owners(row.id) == ["group:care", f"person:{ana.person.id}"]
    assert registry.owners("support/reply") == ("group:care", "ana@example.org")
    assert registry.remove_owner("support/reply", "group:care") == ("ana@example.org",)
    refused(NotFound, "person_not_found", lambda: registry.set_owner("support/reply", "x@y.z"))
    refused(NotFound, "artifact_not_found", lambda: registry.owners("support/none"))


def test_the_last_admin_stays(registry: Registry) -> None:
    join(registry, "ana", "admin")
    ana = "ana@example.org"
    refused(Refused, "last_admin", lambda: registry.withdraw_grant(ana))
    refused(Refused, "last_admin", lambda: registry.grant(ana, "releaser"))
    refused(Refused, "last_admin", lambda: registry.deactivate_person(ana))
    assert [one.role for one in registry.grants()] == ["admin"]
    registry.grant("group:admins", "admin")
    join(registry, "ben")
    registry.join_group("admins", "ben@example.org")
    registry.withdraw_grant(ana)
    refused(Refused, "last_admin", lambda: registry.leave_group("admins", "ben@example.org"))
    registry.grant(ana, "admin", everywhere=True)
    registry.leave_group("admins", "ben@example.org")
    refused(Refused, "last_admin", lambda: registry.withdraw_grant(ana, everywhere=True))
    refused(Refused, "last_admin", lambda: registry.deactivate_person(ana))
    registry.grant("ben@example.org", "admin", everywhere=True)
    registry.deactivate_person(ana)
    refused(Refused, "last_admin", lambda: registry.deactivate_person("ben@example.org"))


def test_who_may_manage_whom(app: Application, registry: Registry, gate: Gate) -> None:
    admin = gate.admit(join(registry, "ana", "admin").token).caller
    join(registry, "ben")
    ben = "ben@example.org"
    outsider = Registry(app.store)
    outsider.create_project("other")
    apart = Registry(app.store, project="other")
    join(apart, "cy")

    def needs_more(act: Callable[[], object]) -> None:
        refused(Refused, "needs_installation_admin", act)

    needs_more(lambda: members.deactivate_person(app, admin, ben))
    needs_more(lambda: members.reactivate_person(app, admin, ben))
    needs_more(lambda: members.rename_person(app, admin, ben, "Bob"))
    needs_more(lambda: members.join_group(app, admin, "x", ben))
    needs_more(lambda: members.leave_group(app, admin, "x", ben))
    needs_more(lambda: members.grant(app, admin, ben, "admin", everywhere=True))
    needs_more(lambda: projects.create_project(app, admin, "more"))
    needs_more(
        lambda: app.write(admin, lambda w: keys.create_key(w, "as ben", "viewer", person=ben))
    )
    registry.join_group("here", ben)
    registry.join_group("there", "cy@example.org")
    registry.grant("group:here", "viewer")
    assert [one.name for one in app.read(admin, members.list_groups)] == ["here"]
    assert [one.name for one in registry.groups()] == ["here", "there"]
    assert members.rename_person(app, admin, "ana@example.org", "Anna").name == "Anna"
    assert members.grant(app, admin, ben, "editor").role == "editor"
    seen = app.read(admin, members.list_people)
    assert [one.email for one in seen] == ["ana@example.org", ben], "those of the project"
    refused(
        NotFound,
        "person_not_found",
        lambda: app.read(admin, lambda v: members.show_person(v, "cy@example.org")),
    )
    assert len(registry.people()) == 3


# Keys


def key_for(registry: Registry, **scope: Any) -> NewKey:
    return registry.create_key("narrow", scope.pop("role", "admin"), **scope)


def test_two_keys_of_one_person_are_one_person(registry: Registry, gate: Gate) -> None:
    signed = join(registry, "ana", "releaser")
    first = registry.create_key("laptop", "releaser", person="ana@example.org")
    second = registry.create_key("ci", "viewer", person="ana@example.org", verbs=["read"])
    actors = [
        gate.admit(secret).caller.actor for secret in (signed.token, first.secret, second.secret)
    ]
    assert {one.id for one in actors} == {f"person:{signed.person.id}"}
    assert [one.role for one in actors] == ["releaser", "releaser", "viewer"]
    assert [one.scope for one in actors] == [None, None, Scope(("read",))]
    assert first.key.person == "ana@example.org"
    registry.grant("ana@example.org", "editor")
    assert gate.admit(first.secret).caller.actor.role == "editor", "never wider than its owner"


def test_a_key_of_a_role_above_its_owners_gives_no_more(registry: Registry, gate: Gate) -> None:
    join(registry, "ana", "viewer")
    made = registry.create_key("too much", "admin", person="ana@example.org")
    assert gate.admit(made.secret).caller.actor.role == "viewer"


@pytest.mark.parametrize("verb", ["read", "write", "propose", "approve", "report", "move"])
def test_a_key_is_for_its_verbs_only(registry: Registry, gate: Gate, verb: str) -> None:
    made = key_for(registry, verbs=[verb], artifacts="support/*", aliases="liv*")
    actor = gate.admit(made.secret).caller.actor
    for other in ("read", "write", "propose", "approve", "report", "move", "admin"):
        said = may(actor, other, "prompt", "support/reply", "live")
        assert said.allowed == (other == verb)
    assert not may(actor, verb, "prompt", "sales/offer", "live").allowed  # type: ignore[arg-type]
    assert not may(actor, verb, "prompt", "support/reply", "staging").allowed  # type: ignore[arg-type]


def test_what_is_no_scope(registry: Registry) -> None:
    refused(InvalidInput, "invalid_verb", lambda: key_for(registry, verbs=["fly"]))
    refused(InvalidInput, "invalid_verb", lambda: key_for(registry, verbs=[]))
    refused(InvalidInput, "not_a_list", lambda: key_for(registry, verbs="read"))
    refused(InvalidInput, "invalid_pattern", lambda: key_for(registry, artifacts=""))
    refused(NotFound, "person_not_found", lambda: key_for(registry, person="x@example.org"))


def test_keys_of_ones_own(app: Application, registry: Registry, gate: Gate) -> None:
    caller = gate.admit(join(registry, "ana", "editor").token).caller
    own = keys.create_own_key
    wanted = keys.Wanted("laptop", "editor")
    made = app.write(caller, lambda w: own(w, wanted))
    assert gate.admit(made.secret).caller.actor == caller.actor
    listed = app.read(caller, keys.list_own_keys)
    assert [one.id for one in listed] == [made.key.id]
    refused(
        Refused,
        "key_too_wide",
        lambda: app.write(caller, lambda w: own(w, keys.Wanted("more", "admin"))),
    )
    other = registry.create_key("a service", "viewer")
    refused(NotFound, "key_not_found", lambda: keys.revoke_own_key(app, caller, other.key.id))
    keys.revoke_own_key(app, caller, made.key.id)
    refused(Unauthenticated, "revoked_key", lambda: gate.admit(made.secret))
    service = gate.admit(other.secret).caller
    refused(Conflict, "not_a_person", lambda: app.write(service, lambda w: own(w, wanted)))


@pytest.mark.parametrize(
    ("scope", "wanted"),
    [
        ({"verbs": ["read"]}, {}),
        ({"verbs": ["read"]}, {"verbs": ("read", "write")}),
        ({"artifacts": "support/*"}, {}),
        ({"aliases": "staging"}, {"aliases": "*"}),
        ({"role": "viewer"}, {"role": "editor"}),
    ],
)
def test_a_key_makes_no_wider_key(
    app: Application, registry: Registry, gate: Gate, scope: Any, wanted: Any
) -> None:
    join(registry, "ana", "editor")
    narrow = registry.create_key(
        "narrow", **{"role": "editor", "person": "ana@example.org", **scope}
    )
    caller = gate.admit(narrow.secret).caller
    asked = keys.Wanted(**{"name": "wide", "role": "viewer", **wanted})
    refused(
        Refused,
        "key_too_wide",
        lambda: app.write(caller, lambda w: keys.create_own_key(w, asked)),
    )


def test_a_limited_key_gives_nobody_rights(
    app: Application, registry: Registry, gate: Gate
) -> None:
    join(registry, "ana")
    limited = gate.admit(key_for(registry, aliases="staging").secret).caller
    refused(
        Refused,
        "needs_whole_project",
        lambda: members.grant(app, limited, "ana@example.org", "admin"),
    )
    refused(Refused, "needs_whole_project", lambda: sessions.invite(app, limited, "b@example.org"))


def test_a_key_that_ends_makes_none_that_lasts_longer(
    app: Application, registry: Registry, gate: Gate
) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    made = registry.create_key("short", "admin", expires_at=ends)
    short = gate.admit(made.secret).caller
    wider = functools.partial(keys.create_key, name="long", role="viewer")
    refused(Refused, "key_too_wide", lambda: app.write(short, wider))
    until = micros(ends) - 1
    app.write(short, functools.partial(wider, expires_at=until))
    far = micros(datetime.now(UTC) + timedelta(days=60))
    refused(
        InvalidInput,
        "invalid_expiry",
        lambda: sessions.invite(app, short, "z@example.org", expires_at=far),
    )


def test_the_gate_hears_of_everything(app: Application, registry: Registry, gate: Gate) -> None:
    token = join(registry, "ana", "editor").token
    made = registry.create_key("laptop", "admin", person="ana@example.org")

    def roles() -> list[Role | None]:
        return [gate.admit(secret).caller.actor.role for secret in (token, made.secret)]

    assert roles() == ["editor", "editor"]
    registry.grant("ana@example.org", "viewer")
    assert roles() == ["viewer", "viewer"]
    registry.join_group("shippers", "ana@example.org")
    assert roles() == ["viewer", "viewer"]
    registry.grant("group:shippers", "releaser")
    assert roles() == ["releaser", "releaser"]
    registry.leave_group("shippers", "ana@example.org")
    assert roles() == ["viewer", "viewer"]
    registry.rename_person("ana@example.org", "Anna")
    assert gate.admit(token).caller.actor.name == "Anna"
    registry.deactivate_person("ana@example.org")
    refused(Unauthenticated, "ended_session", lambda: gate.admit(token))
    refused(Unauthenticated, "deactivated_person", lambda: gate.admit(made.secret))
    registry.reactivate_person("ana@example.org")
    refused(Unauthenticated, "ended_session", lambda: gate.admit(token))
    assert gate.admit(made.secret).caller.actor.role == "viewer"


# Projects


def test_projects_stay_apart(app: Application, registry: Registry) -> None:
    registry.create_project("other")
    other = Registry(app.store, project="other")
    assert [one.name for one in registry.projects()] == ["default", "other"]
    other.publish("support/reply", "another", aliases=["live"])
    assert registry.resolve("support/reply@live").content["template"] == "one"
    assert other.resolve("support/reply@live").content["template"] == "another"
    assert [one.name for one in other.search().items] == ["support/reply"]
    assert [one.type for one in other.history().items][-1] == "project.created"
    assert other.entries().items[0].seq == 1
    join(other, "ana", "admin")
    assert [one.who for one in other.grants()] == ["ana@example.org"]
    assert registry.grants() == ()
    made = other.create_key("ci", "viewer")
    assert made.key.project == "other"
    refused(NotFound, "key_not_found", lambda: registry.revoke_key(made.key.id))
    assert other.doctor().findings == ()


def test_idempotency_keys_stay_apart(app: Application, registry: Registry) -> None:
    registry.create_project("other")
    other = Registry(app.store, project="other")
    for one in (registry, other):
        published = one.publish("new", "text", idempotency_key="k")
        assert published.version.number == 1
        assert one.publish("new", "text", idempotency_key="k") == published
        assert [row.number for row in one.versions("new").items] == [1]


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a-", "a/b", "x" * 64, "ä"])
def test_what_is_no_name_of_a_project(registry: Registry, name: str) -> None:
    refused(InvalidName, "invalid_plain_name", lambda: registry.create_project(name))


def test_the_record_of_the_installation_is_no_project(app: Application, registry: Registry) -> None:
    registry.create_project("other")
    assert INSTALLATION not in [one.name for one in registry.projects()]
    refused(InvalidName, "reserved_project", lambda: registry.create_project(INSTALLATION))
    refused(Conflict, "project_exists", lambda: registry.create_project("other"))
    refused(NotFound, "project_not_found", lambda: Registry(app.store, project=INSTALLATION))


def test_who_may_name_which_project(registry: Registry, app: Application, gate: Gate) -> None:
    first = keys.bootstrap(app, None)
    assert first is not None
    registry.create_project("other")
    other = Registry(app.store, project="other")
    ana = join(registry, "ana", "editor").token
    join(other, "ben", "viewer")
    ben = registry.sign_in("ben@example.org", PASSWORD).token
    service = other.create_key("ci", "admin").secret
    limited = registry.create_key(
        "limited", "editor", person="ana@example.org", artifacts="support/*"
    ).secret

    def project(secret: str, name: str = "") -> str:
        return gate.admit(secret, project=name).caller.project.name

    assert project(first) == "default"
    assert project(first, "other") == "other"
    assert project(ana) == "default"
    assert project(ben) == "other", "the one where there is a role"
    assert project(service) == project(service, "other") == "other"
    wrong = [
        (first, INSTALLATION),
        (first, "nothing"),
        (ana, "other"),
        (ana, "nothing"),
        (ana, INSTALLATION),
        (ben, "default"),
        (service, "default"),
        (service, "nothing"),
        (limited, "other"),
    ]
    answers = set()
    for secret, name in wrong:
        error = refused(
            Refused,
            "foreign_project",
            lambda s=secret, n=name: gate.admit(s, project=n),  # type: ignore[misc]
        )
        answers.add(str(error).replace(name, "…"))
    assert len(answers) == 1, "it does not tell whether there is one"
    other.grant("ana@example.org", "viewer")
    assert gate.admit(ana, project="other").caller.actor.role == "viewer"
    refused(Refused, "foreign_project", lambda: gate.admit(limited, project="other"))
    registry.grant("ben@example.org", "admin", everywhere=True)
    assert gate.admit(ben, project="default").caller.actor.role == "admin"
    assert caller_projects(app, gate.admit(ben).caller) == ["default", "other"]
    assert caller_projects(app, gate.admit(service).caller) == ["other"]


def caller_projects(app: Application, caller: Caller) -> list[str]:
    return [one.name for one in app.read(caller, projects.list_projects)]
