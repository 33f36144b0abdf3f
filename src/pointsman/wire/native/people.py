"""The operations about projects, people, what they may do, and how they come in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from pointsman.app import keys, members, projects, sessions
from pointsman.app.application import Application, Caller
from pointsman.core.people import (
    Group,
    Invitation,
    Me,
    NewInvitation,
    Person,
    Project,
    RoleGrant,
    SignedIn,
)
from pointsman.core.vocabulary import Key, NewKey
from pointsman.wire.native import shapes
from pointsman.wire.native.route import Call, Read, Route, Run, Write, micros_of

Email = Annotated[str, Meta(description="An e-mail address, in any case.")]
Who = Annotated[str, Meta(description="An e-mail address, or group: and the name of a group.")]
Secret = Annotated[str, Meta(extra_json_schema={"format": "password"})]
KindOrAll = Annotated[str, Meta(description="Only for this kind; empty for all.")]


class SignInBody(Struct, forbid_unknown_fields=True):
    """Who signs in."""

    email: Email
    password: Secret


class InviteBody(Struct, forbid_unknown_fields=True):
    """Whom to invite, and what they will be allowed to do."""

    email: Email
    name: str = ""
    role: shapes.RoleName = "viewer"
    kind: KindOrAll = ""
    artifacts: shapes.Pattern = "*"
    expires_at: datetime | None = None


class AcceptBody(Struct, forbid_unknown_fields=True):
    """The token of an invitation, and the password to sign in with from now on."""

    token: Secret
    password: Secret
    name: Annotated[
        str, Meta(description="What to be called; as the invitation says if empty.")
    ] = ""


class PasswordBody(Struct, forbid_unknown_fields=True):
    """The password as it is, and as it will be."""

    old: Secret
    new: Secret


class NameBody(Struct, forbid_unknown_fields=True):
    """A name."""

    name: str


class OwnKeyBody(Struct, forbid_unknown_fields=True):
    """A key of one's own to make."""

    name: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 100})]
    role: shapes.RoleName
    expires_at: datetime | None = None
    verbs: list[shapes.VerbName] | None = None
    artifacts: shapes.Pattern = "*"
    aliases: shapes.Pattern = "*"


class GrantBody(Struct, forbid_unknown_fields=True):
    """A role to give."""

    who: Who
    role: shapes.RoleName
    kind: KindOrAll = ""
    artifacts: shapes.Pattern = "*"
    everywhere: Annotated[
        bool, Meta(description="For the whole installation; goes with the role admin alone.")
    ] = False


class GrantQuery(Struct, forbid_unknown_fields=True):
    """Which role to take away."""

    who: Who
    kind: KindOrAll = ""
    artifacts: str = "*"
    everywhere: bool = False


class PeopleAnswer(Struct):
    """Some people."""

    people: list[Person]


class GroupsAnswer(Struct):
    """All groups."""

    groups: list[Group]


class GrantsAnswer(Struct):
    """Roles that were granted."""

    grants: list[RoleGrant]


class InvitationsAnswer(Struct):
    """The invitations to the project."""

    invitations: list[Invitation]


class OwnersAnswer(Struct):
    """Who owns an artifact."""

    owners: list[str]


class ProjectsAnswer(Struct):
    """The projects in which the caller has a role."""

    projects: list[Project]


def key_wanted(body: Any) -> keys.Wanted:
    """The key that a body asks for."""
    return keys.Wanted(
        name=body.name,
        role=body.role,
        expires_at=micros_of(body.expires_at),
        verbs=None if body.verbs is None else tuple(body.verbs),
        artifacts=body.artifacts,
        aliases=body.aliases,
    )


def _sign_in(call: Call) -> Run:
    body: SignInBody = call.body
    return Run(lambda app, _: sessions.sign_in(app, body.email, body.password, call.address))


def _sign_out(call: Call) -> Run:
    def task(app: Application, caller: Caller) -> shapes.Empty:
        sessions.sign_out(app, caller, call.session_id)
        return shapes.Empty()

    return Run(task)


def _invite(call: Call) -> Run:
    body: InviteBody = call.body
    expires_at = micros_of(body.expires_at)

    def task(app: Application, caller: Caller) -> NewInvitation:
        return sessions.invite(
            app,
            caller,
            body.email,
            name=body.name,
            role=body.role,  # type: ignore[arg-type]  # the use case checks it
            kind=body.kind,
            artifacts=body.artifacts,
            expires_at=expires_at,
        )

    return Run(task)


def _invitations(call: Call) -> Read:
    return Read(lambda v: InvitationsAnswer(list(sessions.list_invitations(v))))


def _withdraw_invitation(call: Call) -> Run:
    identity = call.path["invitation"]
    return Run(lambda app, caller: sessions.withdraw_invitation(app, caller, identity))


def _accept(call: Call) -> Run:
    body: AcceptBody = call.body
    return Run(
        lambda app, _: sessions.accept_invitation(
            app, body.token, body.password, body.name, call.address
        )
    )


def _me(call: Call) -> Read:
    return Read(members.me)


def _change_password(call: Call) -> Run:
    body: PasswordBody = call.body

    def task(app: Application, caller: Caller) -> shapes.Empty:
        sessions.change_password(app, caller, body.old, body.new, call.session_id, call.address)
        return shapes.Empty()

    return Run(task)


def _own_keys(call: Call) -> Read:
    return Read(lambda v: shapes.KeysAnswer(list(keys.list_own_keys(v))))


def _create_own_key(call: Call) -> Write:
    wanted = key_wanted(call.body)
    return Write(lambda w: keys.create_own_key(w, wanted))


def _revoke_own_key(call: Call) -> Run:
    return Run(lambda app, caller: keys.revoke_own_key(app, caller, call.path["id"]))


def _people(call: Call) -> Read:
    return Read(lambda v: PeopleAnswer(list(members.list_people(v))))


def _person(call: Call) -> Read:
    return Read(lambda v: members.show_person(v, call.path["email"]))


def _rename(call: Call) -> Run:
    email, name = call.path["email"], call.body.name
    return Run(lambda app, caller: members.rename_person(app, caller, email, name))


def _deactivate(call: Call) -> Run:
    return Run(lambda app, caller: members.deactivate_person(app, caller, call.path["email"]))


def _reactivate(call: Call) -> Run:
    return Run(lambda app, caller: members.reactivate_person(app, caller, call.path["email"]))


def _groups(call: Call) -> Read:
    return Read(lambda v: GroupsAnswer(list(members.list_groups(v))))


def _join_group(call: Call) -> Run:
    group, email = call.path["group"], call.path["email"]
    return Run(lambda app, caller: members.join_group(app, caller, group, email))


def _leave_group(call: Call) -> Run:
    group, email = call.path["group"], call.path["email"]
    return Run(lambda app, caller: members.leave_group(app, caller, group, email))


def _grants(call: Call) -> Read:
    return Read(lambda v: GrantsAnswer(list(members.list_grants(v))))


def _grant(call: Call) -> Run:
    body: GrantBody = call.body
    return Run(
        lambda app, caller: members.grant(
            app,
            caller,
            body.who,
            body.role,  # type: ignore[arg-type]  # the use case checks it
            kind=body.kind,
            artifacts=body.artifacts,
            everywhere=body.everywhere,
        )
    )


def _withdraw_grant(call: Call) -> Run:
    q: GrantQuery = call.query

    def task(app: Application, caller: Caller) -> shapes.Empty:
        members.withdraw_grant(
            app, caller, q.who, kind=q.kind, artifacts=q.artifacts, everywhere=q.everywhere
        )
        return shapes.Empty()

    return Run(task)


def _owners(call: Call) -> Read:
    kind, name = call.kind, call.name
    return Read(lambda v: OwnersAnswer(list(members.list_owners(v, kind, name))))


def _set_owner(call: Call) -> Write:
    kind, name, who = call.kind, call.name, call.path["who"]
    return Write(lambda w: OwnersAnswer(list(members.set_owner(w, kind, name, who))))


def _remove_owner(call: Call) -> Write:
    kind, name, who = call.kind, call.name, call.path["who"]
    return Write(lambda w: OwnersAnswer(list(members.remove_owner(w, kind, name, who))))


def _projects(call: Call) -> Read:
    return Read(lambda v: ProjectsAnswer(list(projects.list_projects(v))))


def _create_project(call: Call) -> Run:
    return Run(lambda app, caller: projects.create_project(app, caller, call.body.name))


def _created(_: Any) -> int:
    return 201


_O = "/artifacts/{kind}/{name}/owners"
_M = "/groups/{group}/{email}"

MAKING = ("/sessions", "/invitations", "/invitations/accept", "/me/keys", "/projects")
"""Where something is made: answered with 201."""

ROUTES: tuple[Route, ...] = (
    Route("POST", "/sessions", "read", "Sign in", _sign_in, SignedIn, body=SignInBody,
          status=_created, open=True, own=True, once=False),
    Route("DELETE", "/sessions/current", "read", "Sign out", _sign_out, shapes.Empty,
          own=True, once=False),
    Route("GET", "/invitations", "admin", "List invitations", _invitations, InvitationsAnswer),
    Route("POST", "/invitations", "admin", "Invite a person", _invite, NewInvitation,
          body=InviteBody, status=_created, once=False),
    Route("POST", "/invitations/accept", "read", "Accept an invitation", _accept, SignedIn,
          body=AcceptBody, status=_created, open=True, own=True, once=False),
    Route("DELETE", "/invitations/{invitation}", "admin", "Withdraw an invitation",
          _withdraw_invitation, Invitation, once=False),
    Route("GET", "/me", "read", "Show who the key belongs to", _me, Me),
    Route("PUT", "/me/password", "read", "Change one's password", _change_password,
          shapes.Empty, body=PasswordBody, own=True, once=False),
    Route("GET", "/me/keys", "read", "List one's own keys", _own_keys, shapes.KeysAnswer),
    Route("POST", "/me/keys", "read", "Make a key of one's own", _create_own_key, NewKey,
          body=OwnKeyBody, status=_created, own=True, once=False),
    Route("DELETE", "/me/keys/{id}", "read", "Revoke a key of one's own", _revoke_own_key, Key,
          own=True, once=False),
    Route("GET", "/people", "admin", "List people", _people, PeopleAnswer),
    Route("GET", "/people/{email}", "admin", "Show a person", _person, Person),
    Route("PUT", "/people/{email}/name", "read", "Rename a person", _rename, Person,
          body=NameBody, own=True, once=False),
    Route("POST", "/people/{email}/deactivate", "admin", "Deactivate a person", _deactivate,
          Person, body=shapes.Nothing, once=False),
    Route("POST", "/people/{email}/reactivate", "admin", "Reactivate a person", _reactivate,
          Person, body=shapes.Nothing, once=False),
    Route("GET", "/groups", "admin", "List groups", _groups, GroupsAnswer),
    Route("PUT", _M, "admin", "Put a person into a group", _join_group, Group,
          body=shapes.Nothing, once=False),
    Route("DELETE", _M, "admin", "Take a person out of a group", _leave_group, Group, once=False),
    Route("GET", "/grants", "admin", "List roles", _grants, GrantsAnswer),
    Route("POST", "/grants", "admin", "Give a role", _grant, RoleGrant, body=GrantBody,
          once=False),
    Route("DELETE", "/grants", "admin", "Take a role away", _withdraw_grant, shapes.Empty,
          query=GrantQuery, once=False),
    Route("GET", _O, "read", "List the owners of an artifact", _owners, OwnersAnswer),
    Route("PUT", _O + "/{who}", "admin", "Make somebody an owner", _set_owner, OwnersAnswer,
          body=shapes.Nothing, once=False),
    Route("DELETE", _O + "/{who}", "admin", "Make somebody an owner no more", _remove_owner,
          OwnersAnswer, once=False),
    Route("GET", "/projects", "read", "List one's projects", _projects, ProjectsAnswer),
    Route("POST", "/projects", "admin", "Make a project", _create_project, Project,
          body=NameBody, status=_created, once=False),
)  # fmt: skip
