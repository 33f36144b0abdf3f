"""Settings about people: who is here, with which roles, and how others come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from pointsman.app import members, resets, sessions
from pointsman.app.application import View
from pointsman.app.people import rules_everywhere
from pointsman.core.access import ROLES
from pointsman.core.names import check_kind
from pointsman.core.patterns import ANY
from pointsman.core.people import GROUP, RoleGrant
from pointsman.core.vocabulary import Role
from pointsman.errors import InvalidInput, PointsmanError
from pointsman.web.settings import at, shown
from pointsman.web.visit import Answer, Page, Visit
from pointsman.web.words import KINDS

Deed = Callable[[Visit], str]


def people_page(visit: Visit) -> Answer:
    """People with their roles, and the invitations that are out."""
    return _people(visit)


def change_people(visit: Visit) -> Answer:
    """Do what a form of the page asks for."""
    deed = visit.given("deed")
    try:
        if deed == "invite":
            return _invited(visit)
        if deed == "reset":
            made = resets.reset_password(visit.app, visit.caller, visit.given("email"))
            link = f"{visit.origin}/reset?token={made.token}"
            return _people(visit, link=link, link_for=made.person.email, link_kind="password")
        return visit.go(at(visit, "people"), _deed(_PEOPLE, deed)(visit))
    except PointsmanError as error:
        return _people(visit, error)


def groups_page(visit: Visit) -> Answer:
    """Groups with their members, and who owns which artifact."""
    return _groups(visit)


def change_groups(visit: Visit) -> Answer:
    """Do what a form of the page asks for."""
    try:
        return visit.go(at(visit, "groups"), _deed(_GROUPS, visit.given("deed"))(visit))
    except PointsmanError as error:
        return _groups(visit, error)


def _people(visit: Visit, error: PointsmanError | None = None, **context: Any) -> Answer:
    def look(view: View) -> dict[str, Any]:
        grants: dict[str, list[RoleGrant]] = {}
        for one in members.list_grants(view):
            grants.setdefault(one.who, []).append(one)
        people = members.list_people(view)
        known = {one.email for one in people}
        open_ = [
            one
            for one in sessions.list_invitations(view)
            if one.accepted_at is None and one.withdrawn_at is None
        ]
        return {
            "people": sorted(people, key=lambda one: (bool(one.deactivated_at), one.email)),
            "grants": grants,
            "others": sorted(grants.keys() - known),
            "invitations": open_,
            "everywhere": rules_everywhere(view.reader, view.actor),
        }

    shared = {"roles": ROLES, "kinds": tuple(KINDS.items()), "link": ""}
    return shown(visit, "settings_people.html", "people", look, error=error, **(shared | context))


def _invited(visit: Visit) -> Answer:
    made = sessions.invite(
        visit.app,
        visit.caller,
        visit.given("email"),
        name=visit.given("name").strip(),
        role=cast("Role", visit.given("role", "viewer")),
        kind=visit.given("kind"),
        artifacts=visit.given("artifacts").strip() or ANY,
    )
    link = f"{visit.origin}/join?token={made.token}"
    return _people(visit, link=link, link_for=made.invitation.email, link_kind="invitation")


def _uninvite(visit: Visit) -> str:
    gone = sessions.withdraw_invitation(visit.app, visit.caller, visit.given("invitation"))
    return f"The invitation of {gone.email} is withdrawn."


def _grant(visit: Visit) -> str:
    made = members.grant(
        visit.app,
        visit.caller,
        visit.given("who").strip(),
        cast("Role", visit.given("role")),
        kind=visit.given("kind"),
        artifacts=visit.given("artifacts").strip() or ANY,
        everywhere=visit.given("everywhere") == "yes",
    )
    return f"{made.who} has the role {made.role} now."


def _withdraw(visit: Visit) -> str:
    members.withdraw_grant(
        visit.app,
        visit.caller,
        visit.given("who"),
        kind=visit.given("kind"),
        artifacts=visit.given("artifacts") or ANY,
        everywhere=visit.given("everywhere") == "yes",
    )
    return f"The role of {visit.given('who')} is withdrawn."


def _deactivate(visit: Visit) -> str:
    person = members.deactivate_person(visit.app, visit.caller, visit.given("email"))
    return f"{person.email} is deactivated: all sessions and keys stopped."


def _reactivate(visit: Visit) -> str:
    person = members.reactivate_person(visit.app, visit.caller, visit.given("email"))
    return f"{person.email} may come in again."


def _groups(visit: Visit, error: PointsmanError | None = None) -> Answer:
    def look(view: View) -> dict[str, Any]:
        return {
            "groups": members.list_groups(view),
            "owned": members.list_owned(view),
            "people": members.list_people(view),
            "everywhere": rules_everywhere(view.reader, view.actor),
        }

    kinds = tuple(KINDS.items())
    return shown(visit, "settings_groups.html", "groups", look, error=error, kinds=kinds)


def _join(visit: Visit) -> str:
    group, email = visit.given("group").strip(), visit.given("email")
    members.join_group(visit.app, visit.caller, group.removeprefix(GROUP), email)
    return f"{email} is in the group {group} now."


def _leave(visit: Visit) -> str:
    group, email = visit.given("group"), visit.given("email")
    members.leave_group(visit.app, visit.caller, group, email)
    return f"{email} left the group {group}."


def _own(visit: Visit) -> str:
    kind, name, who = check_kind(visit.given("kind")), visit.given("name"), visit.given("who")
    visit.do(lambda work: members.set_owner(work, kind, name.strip(), who.strip()))
    return f"{who.strip()} owns {name.strip()} now."


def _disown(visit: Visit) -> str:
    kind, name, who = check_kind(visit.given("kind")), visit.given("name"), visit.given("who")
    visit.do(lambda work: members.remove_owner(work, kind, name, who))
    return f"{who} does not own {name} any more."


def _deed(deeds: dict[str, Deed], name: str) -> Deed:
    found = deeds.get(name)
    if found is None:
        raise InvalidInput("This page does not do that.", hint="Use its buttons.")
    return found


_PEOPLE: dict[str, Deed] = {
    "uninvite": _uninvite,
    "grant": _grant,
    "withdraw": _withdraw,
    "deactivate": _deactivate,
    "reactivate": _reactivate,
}
_GROUPS: dict[str, Deed] = {"join": _join, "leave": _leave, "own": _own, "disown": _disown}

PAGES = (
    Page("GET", "/projects/{project}/settings/people", people_page),
    Page("POST", "/projects/{project}/settings/people", change_people),
    Page("GET", "/projects/{project}/settings/groups", groups_page),
    Page("POST", "/projects/{project}/settings/groups", change_groups),
)
