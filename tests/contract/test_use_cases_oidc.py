"""Who comes in by single sign-on, and resets of passwords, on both databases."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from pointsman.app import members, oidc, resets, tokens
from pointsman.app.application import Application, Caller
from pointsman.app.oidc import admit
from pointsman.app.oidc_settings import Mapped, Settings, settings_of
from pointsman.app.ports import Store
from pointsman.app.ports.people import PersonRow
from pointsman.app.sessions import DAY
from pointsman.compose import Registry
from pointsman.core.access import Actor
from pointsman.core.people import INSTALLATION
from pointsman.core.vocabulary import micros
from pointsman.errors import (
    Conflict,
    Gone,
    InvalidInput,
    NotFound,
    PointsmanError,
    Refused,
    Unauthenticated,
)

ISSUER = "https://sso.example.org"
PASSWORD = "correct horse battery"
SETTINGS = Settings(
    issuer=ISSUER,
    client_id="pointsman",
    client_secret="between the two",
    redirect="https://pointsman.example.org",
    roles={
        "ml-team": (Mapped("default", "editor"),),
        "platform": (Mapped(INSTALLATION, "admin"), Mapped("nowhere", "viewer")),
    },
)
GIVEN = {
    "POINTSMAN_OIDC_ISSUER": ISSUER,
    "POINTSMAN_OIDC_CLIENT_ID": "pointsman",
    "POINTSMAN_OIDC_CLIENT_SECRET": "between the two",
    "POINTSMAN_OIDC_REDIRECT": "https://pointsman.example.org/",
}


@pytest.fixture(autouse=True)
def healthy(registry: Registry) -> Iterator[None]:
    yield
    assert registry.doctor().findings == ()


def refused(kind: type[PointsmanError], code: str, act: Callable[[], object]) -> PointsmanError:
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.code == code, caught.value
    return caught.value


def claims(subject: str = "1", email: str = "ana@example.org", **more: Any) -> dict[str, Any]:
    return {"sub": subject, "email": email, "email_verified": True, "name": "Ana", **more}


def come(app: Application, *groups: str, **more: Any) -> PersonRow:
    return admit(app, SETTINGS, claims(groups=list(groups), **more))


def record(store: Store, project: str = INSTALLATION) -> list[tuple[str, dict[str, Any]]]:
    with store.read() as reader:
        row = reader.project(project)
        assert row is not None
        return [(one.type, json.loads(one.data)) for one in reader.lines(row.id, 0, 1_000)]


# Settings


def test_settings() -> None:
    assert settings_of({}) is None
    assert settings_of({"POINTSMAN_OIDC_ROLES": "{}"}) is None
    settings = settings_of(
        GIVEN
        | {
            "POINTSMAN_OIDC_GROUPS_CLAIM": "teams",
            "POINTSMAN_OIDC_ROLES": json.dumps(
                {
                    "ml-team": {"project": "default", "role": "editor"},
                    "platform": [
                        {"role": "admin", "installation": True},
                        {"project": "other", "role": "viewer"},
                    ],
                }
            ),
        }
    )
    assert settings is not None
    assert settings.callback == "https://pointsman.example.org/auth/oidc/callback"
    assert settings.groups_claim == "teams"
    assert settings.roles == {
        "ml-team": (Mapped("default", "editor"),),
        "platform": (Mapped(INSTALLATION, "admin"), Mapped("other", "viewer")),
    }
    assert "between" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POINTSMAN_OIDC_ISSUER", ""),
        ("POINTSMAN_OIDC_CLIENT_SECRET", ""),
        ("POINTSMAN_OIDC_ISSUER", "http://sso.example.org"),
        ("POINTSMAN_OIDC_ISSUER", "https://sso.example.org?x=1"),
        ("POINTSMAN_OIDC_ISSUER", "https://me:secret@sso.example.org"),
        ("POINTSMAN_OIDC_REDIRECT", "http://pointsman.example.org"),
        ("POINTSMAN_OIDC_REDIRECT", "http://127.0.0.1.example.org"),
        ("POINTSMAN_OIDC_REDIRECT", "https://[::1"),
        ("POINTSMAN_OIDC_ROLES", "{"),
        ("POINTSMAN_OIDC_ROLES", "[]"),
        ("POINTSMAN_OIDC_ROLES", '{"a": "editor"}'),
        ("POINTSMAN_OIDC_ROLES", '{"a": {"role": "editor"}}'),
        ("POINTSMAN_OIDC_ROLES", '{"a": {"role": "owner", "project": "default"}}'),
        ("POINTSMAN_OIDC_ROLES", '{"a": {"role": "editor", "installation": true}}'),
        ("POINTSMAN_OIDC_ROLES", '{"a": {"role": "admin", "project": "installation"}}'),
        ("POINTSMAN_OIDC_ROLES", '{"a": {"role": "admin", "project": "x", "prefix": "y"}}'),
    ],
)
def test_wrong_settings_are_named(name: str, value: str) -> None:
    error = refused(
        InvalidInput, "invalid_oidc_setting", lambda: settings_of({**GIVEN, name: value})
    )
    assert error.field == name
    assert error.hint


@pytest.mark.parametrize("package", ["authlib", "joserfc"])
def test_without_the_extra_there_is_none(
    app: Application, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
    found = oidc.sign_on_of(app, GIVEN)
    assert isinstance(found, NotFound)
    assert "pointsman[oidc]" in found.hint


# Coming in


def test_a_new_person(app: Application, store: Store) -> None:
    ana = come(app, "ml-team", "strangers")
    assert (ana.email, ana.name, ana.password_hash) == ("ana@example.org", "Ana", None)
    joined = [fact for kind, fact in record(store) if kind == "person.joined"]
    assert [(one["issuer"], one["subject"]) for one in joined] == [(ISSUER, "1")]
    assert ("group.joined", {"group": "ml-team", "person": ana.id}) in record(store)
    assert [
        (kind, fact["role"]) for kind, fact in record(store, "default") if kind[:5] == "role."
    ] == [("role.granted", "editor")]
    before = len(record(store)), len(record(store, "default"))
    assert come(app, "ml-team").id == ana.id
    assert (len(record(store)), len(record(store, "default"))) == before, "nothing is new"


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"name": "Ana"}, "Ana"),
        ({"name": "", "preferred_username": "ana"}, "ana"),
        ({"name": "\u0007", "preferred_username": 7}, "7"),
        ({"name": None}, "ana@example.org"),
        ({"name": "A" * 200}, "ana@example.org"),
    ],
)
def test_what_people_are_called(app: Application, told: Mapping[str, Any], name: str) -> None:
    assert admit(app, SETTINGS, claims(**told)).name == name


@pytest.mark.parametrize("groups", [None, 7, {"ml-team": 1}, [7, None], "ml-teams"])
def test_groups_that_are_none(app: Application, registry: Registry, groups: object) -> None:
    admit(app, SETTINGS, claims(groups=groups))
    assert registry.grants() == ()


def test_one_group_may_be_told_as_text(app: Application, registry: Registry) -> None:
    admit(app, SETTINGS, claims(groups="ml-team"))
    assert [one.role for one in registry.grants()] == ["editor"]


def test_a_person_who_is_here_already(app: Application, registry: Registry, store: Store) -> None:
    invited = registry.invite("ana@example.org", name="Ana of old", role="reviewer")
    signed = registry.accept_invitation(invited.token, PASSWORD)
    ana = come(app, "ml-team", email="ANA@example.org")
    assert (ana.id, ana.name) == (signed.person.id, "Ana of old")
    bound = [fact for kind, fact in record(store) if kind == "person.changed"]
    assert [(one["field"], one["subject"]) for one in bound] == [("identity", "1")]
    assert [one.role for one in registry.grants()] == ["reviewer"], "granted by hand"
    refused(Refused, "other_identity", lambda: come(app, subject="2"))
    assert come(app, email="other@example.org").id == ana.id
    elsewhere = Settings("https://new.example.org", "p", "s", "https://pointsman.example.org")
    assert admit(app, elsewhere, claims(subject="9")).id == ana.id
    registry.deactivate_person("ana@example.org")
    refused(Refused, "account_deactivated", lambda: come(app))
    refused(Refused, "account_deactivated", lambda: come(app, subject="2"))


@pytest.mark.parametrize("told", [{"email_verified": False}, {"email_verified": None}])
def test_addresses_have_to_be_verified(app: Application, told: Mapping[str, Any]) -> None:
    refused(Refused, "unverified_email", lambda: admit(app, SETTINGS, claims(**told)))


def test_an_address_has_to_be_one(app: Application, registry: Registry) -> None:
    refused(InvalidInput, "invalid_email", lambda: come(app, email="nobody"))
    assert registry.people() == ()


def test_roles_that_are_no_longer_mapped(app: Application, registry: Registry) -> None:
    come(app, "ml-team")
    unmapped = Settings(ISSUER, "p", "s", "https://pointsman.example.org")
    admit(app, unmapped, claims(groups=["ml-team"]))
    assert registry.grants() == ()
    assert registry.groups() == ()


def test_a_role_changed_by_hand_is_the_mappings_no_more(
    app: Application, registry: Registry
) -> None:
    come(app, "ml-team")
    registry.grant("ana@example.org", "releaser")
    come(app)
    assert [one.role for one in registry.grants()] == ["releaser"]
    registry.withdraw_grant("ana@example.org")
    come(app, "ml-team")
    assert [one.role for one in registry.grants()] == ["editor"]
    come(app)
    assert registry.grants() == ()


def test_the_last_admin_stays(app: Application, registry: Registry) -> None:
    come(app, "platform")
    come(app)
    assert [(one.role, one.everywhere) for one in registry.grants()] == [("admin", True)]
    come(app, "platform", subject="2", email="bo@example.org")
    come(app)
    assert [one.who for one in registry.grants()] == ["bo@example.org"]


# The code for a command line


def test_codes_end_and_belong_to_active_people(store: Store, registry: Registry) -> None:
    now = [2_000_000_000_000_000]
    app = Application(store, clock=lambda: now[0])
    ana = come(app)
    verifier = "v" * 43
    challenge = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"

    def code() -> str:
        caller = Caller(Actor("test", "test", None, "test"), app.project(INSTALLATION))
        return app.write(caller, lambda w: tokens.issue(w, oidc.CODE, ana.id, challenge)[0])

    late = code()
    now[0] += oidc.CODE.lasts + 1_000
    refused(Gone, "ended_token", lambda: oidc.redeem_sign_in(app, late, verifier))
    fresh = code()
    refused(NotFound, "unknown_token", lambda: oidc.redeem_sign_in(app, late, verifier))
    for wrong in ("v" * 42, "w" * 43, "", "v" * 43 + "\n"):
        refused(
            Unauthenticated,
            "wrong_verifier",
            partial(oidc.redeem_sign_in, app, fresh, wrong),
        )
    refused(
        NotFound, "unknown_token", lambda: resets.redeem_reset(app, fresh.replace("pc", "pr"), "")
    )
    registry.deactivate_person("ana@example.org")
    refused(Gone, "ended_token", lambda: oidc.redeem_sign_in(app, fresh, verifier))
    registry.reactivate_person("ana@example.org")
    assert oidc.redeem_sign_in(app, fresh, verifier).person.id == ana.id


# Resets


@pytest.fixture
def ana(registry: Registry) -> str:
    invited = registry.invite("ana@example.org", name="Ana")
    registry.accept_invitation(invited.token, PASSWORD)
    return "ana@example.org"


def test_a_reset_ends_all_sessions(registry: Registry, store: Store, ana: str) -> None:
    made = registry.reset_password(ana)
    person = registry.redeem_reset(made.token, "another horse battery")
    assert person.email == ana
    with store.read() as reader:
        assert all(one.ended_at for one in reader.sessions_of(person.id))
    refused(Unauthenticated, "wrong_password", lambda: registry.sign_in(ana, PASSWORD))
    assert registry.sign_in(ana, "another horse battery").person == person
    kinds = [kind for kind, _ in record(store)]
    assert kinds[-3:] == ["person.reset", "person.changed", "session.opened"]
    assert made.token.split("_", 2)[2] not in str(record(store))


def test_tokens_work_once_and_the_newest_alone(registry: Registry, ana: str) -> None:
    first, second = registry.reset_password(ana).token, registry.reset_password(ana).token
    for token in (
        first,
        first[:-1] + "!",
        "",
        "pr_",
        second[:-1] + ("A" if second[-1] != "A" else "B"),
    ):
        refused(NotFound, "unknown_token", partial(registry.redeem_reset, token, PASSWORD))
    refused(InvalidInput, "invalid_password", lambda: registry.redeem_reset(second, "short"))
    registry.redeem_reset(second, PASSWORD)
    refused(NotFound, "unknown_token", lambda: registry.redeem_reset(second, PASSWORD))


def test_a_token_lasts_a_day(store: Store, ana: str) -> None:
    now = [2_000_000_000_000_000]
    app = Application(store, clock=lambda: now[0])
    caller = Caller(Actor("local:tester", "tester", "admin", "test"), app.project("default"))
    made = resets.reset_password(app, caller, ana)
    assert DAY <= micros(made.expires_at) - now[0] < DAY + 1_000_000
    now[0] = micros(made.expires_at)
    refused(Gone, "ended_token", lambda: resets.redeem_reset(app, made.token, PASSWORD))


def test_who_may_reset(app: Application, registry: Registry, ana: str, caller: Any) -> None:
    refused(Refused, "needs_installation_admin", lambda: resets.reset_password(app, caller(), ana))
    refused(NotFound, "person_not_found", lambda: registry.reset_password("bo@example.org"))
    token = registry.reset_password(ana).token
    registry.deactivate_person(ana)
    refused(Conflict, "person_deactivated", lambda: registry.reset_password(ana))
    refused(Gone, "ended_token", lambda: registry.redeem_reset(token, PASSWORD))
    assert app.read(caller(), members.list_groups) == ()
