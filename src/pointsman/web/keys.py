"""Settings about keys: those of the project for its admins, and everybody's own."""

from __future__ import annotations

from typing import Any, Final, cast

from pointsman.app import keys
from pointsman.app.application import View
from pointsman.app.keys import Wanted
from pointsman.app.sessions import DAY
from pointsman.core.access import ROLES, VERBS
from pointsman.core.patterns import ANY
from pointsman.core.vocabulary import Key, NewKey, Role, Verb
from pointsman.errors import InvalidInput, PointsmanError
from pointsman.web.settings import at, is_admin, shown
from pointsman.web.visit import Answer, Page, Visit

LASTS: Final = {"30": "30 days", "90": "90 days", "365": "a year", "": "until it is revoked"}
"""How long a key may last, in days, and how that is said."""
DOES: Final[dict[Verb, str]] = {
    "read": "read",
    "write": "publish versions, set tags",
    "propose": "propose changes",
    "approve": "approve changes",
    "report": "report checks",
    "move": "move aliases",
    "admin": "manage people, keys, policies",
}


def keys_page(visit: Visit) -> Answer:
    """The keys there are, and the form for another."""
    return _keys(visit)


def change_keys(visit: Visit) -> Answer:
    """Make a key, whose secret is shown this once, or revoke one."""
    try:
        if visit.given("deed") == "make":
            return _keys(visit, made=make_key(visit))
        key_id = visit.given("key")
        if is_admin(visit):
            gone = visit.do(lambda work: keys.revoke_key(work, key_id))
        else:
            gone = keys.revoke_own_key(visit.app, visit.caller, key_id)
    except PointsmanError as error:
        return _keys(visit, error)
    return visit.go(at(visit, "keys"), f"The key {gone.name} is revoked.")


def make_key(visit: Visit) -> NewKey:
    """Make the key that the form asks for: for a program, or one's own."""
    verbs = tuple(cast("Verb", one) for one in visit.form.get("verbs", ()))
    wanted = Wanted(
        name=visit.given("name"),
        role=cast("Role", visit.given("role", "viewer")),
        expires_at=_end(visit),
        verbs=verbs or None,
        artifacts=visit.given("artifacts").strip() or ANY,
        aliases=visit.given("aliases").strip() or ANY,
    )
    if visit.given("whose") == "own" or not is_admin(visit):
        return visit.do(lambda work: keys.create_own_key(work, wanted))
    return visit.do(
        lambda work: keys.create_key(
            work,
            wanted.name,
            wanted.role,
            wanted.expires_at,
            None,
            wanted.verbs,
            wanted.artifacts,
            wanted.aliases,
        )
    )


def _keys(visit: Visit, error: PointsmanError | None = None, made: NewKey | None = None) -> Answer:
    def look(view: View) -> dict[str, Any]:
        found = keys.list_keys(view) if is_admin(visit) else keys.list_own_keys(view)
        now = visit.now

        def ended(one: Key) -> bool:
            return bool(one.revoked_at or (one.expires_at and one.expires_at <= now))

        return {
            "keys": [one for one in found if not ended(one)],
            "ended": [one for one in found if ended(one)],
        }

    return shown(
        visit,
        "settings_keys.html",
        "keys",
        look,
        error=error,
        made=made,
        roles=ROLES,
        verbs=[(one, DOES[one]) for one in VERBS],
        chosen=visit.form.get("verbs", ()),
        lasts=LASTS,
        origin=visit.origin,
    )


def _end(visit: Visit) -> int | None:
    days = visit.given("lasts")
    if days not in LASTS:
        raise InvalidInput(
            "A key lasts 30 days, 90 days, a year, or until it is revoked.", field="expires_at"
        )
    return visit.app.clock() + int(days) * DAY if days else None


PAGES = (
    Page("GET", "/projects/{project}/settings/keys", keys_page),
    Page("POST", "/projects/{project}/settings/keys", change_keys),
)
