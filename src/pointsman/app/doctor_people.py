"""People, groups, roles, owners and invitations as the journals tell them, to compare with.

Roles and owners stand in the journal of their project, all else in the installation's, which
is checked along with whichever project is. Passwords and sessions are on no record.
"""

from __future__ import annotations

import json

from pointsman.app.application import View
from pointsman.app.doctor_findings import Facts, Findings, Told
from pointsman.app.people import PERSON, installation_id
from pointsman.app.ports import Reader
from pointsman.core.journal import Line, broken_links, genesis
from pointsman.core.people import INSTALLATION

TYPES = ("role.granted", "role.withdrawn", "owner.set", "owner.removed")
_STEP = 1_000


def apply(told: Told, line: Line, fact: Facts) -> None:
    """Take in an entry of a project's journal."""
    if line.type == "role.granted":
        told[_grant(fact)] = {"role": fact["role"], "time": line.at, "giver": line.by}
    elif line.type == "role.withdrawn":
        del told[_grant(fact)]
    elif line.type == "owner.set":
        told[f"the owner {fact['subject']} of artifact {line.artifact}"] = {}
    elif line.type == "owner.removed":
        del told[f"the owner {fact['subject']} of artifact {line.artifact}"]


def stored(view: View) -> Told:
    """Roles and owners of the project as they are in the store."""
    return _stored(view.reader, view.project.id)


def _stored(reader: Reader, project_id: int) -> Told:
    found: Told = {
        f"the role of {row.subject} for {row.kind}:{row.artifacts}": {
            "role": row.role,
            "time": row.granted_at,
            "giver": row.granted_by,
        }
        for row in reader.grants(project_id)
    }
    for artifact_id, subject in reader.owners_in(project_id):
        found[f"the owner {subject} of artifact {artifact_id}"] = {}
    return found


def examine_home(view: View, found: Findings) -> None:
    """Check what concerns the whole installation against its own journal, and that one's chain."""
    home = installation_id(view.reader)
    if home is None:
        return
    told: Told = {}
    row = view.reader.project(INSTALLATION)
    assert row is not None, "it was there a moment ago"
    head = genesis(row.uid)
    while lines := view.reader.lines(home, head.seq, _STEP):
        for seq, why in broken_links(head, lines):
            found.wrong("chain", f"entry {seq} of the installation", why)
        for line in lines:
            try:
                _apply_home(told, line, json.loads(line.data))
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                where = f"entry {line.seq} of the installation"
                found.wrong("replay", where, f"it can't be replayed: {error!r}")
        head = type(head)(lines[-1].seq, lines[-1].at, lines[-1].hash)
    kept = _stored(view.reader, home) | _stored_home(view.reader)
    found.checked["facts of the installation"] += len(kept)
    found.all_same("people", kept, told)


def _apply_home(told: Told, line: Line, fact: Facts) -> None:
    if line.type in TYPES:
        apply(told, line, fact)
    elif line.type == "person.joined":
        told[f"{PERSON}{fact['person']}"] = _person(fact["email"], fact["name"], line.at)
        _take_identity(told, fact)
    elif line.type in ("person.changed", "person.deactivated", "person.reactivated"):
        person = told[f"{PERSON}{fact['person']}"]
        if line.type != "person.changed":
            is_end = line.type == "person.deactivated"
            person["time of deactivation"] = line.at if is_end else None
        elif fact["field"] == "name":
            person["name"] = fact["name"]
        _take_identity(told, fact)
    elif line.type == "group.joined":
        told[f"{PERSON}{fact['person']} in the group {fact['group']}"] = {}
    elif line.type == "group.left":
        del told[f"{PERSON}{fact['person']} in the group {fact['group']}"]
    elif line.type == "person.invited":
        told[f"invitation {fact['invitation']}"] = {
            **{name: fact[name] for name in ("project", "email", "role", "kind", "artifacts")},
            "time": line.at,
            "author": line.by,
            "time of expiry": fact["expires_at"],
            "time of acceptance": None,
            "time of withdrawal": None,
        }
    elif line.type in ("person.accepted", "person.uninvited"):
        end = "acceptance" if line.type == "person.accepted" else "withdrawal"
        told[f"invitation {fact['invitation']}"][f"time of {end}"] = line.at


def _take_identity(told: Told, fact: Facts) -> None:
    if "issuer" in fact:
        told[f"the account {fact['subject']} at {fact['issuer']}"] = {"person": fact["person"]}


def _stored_home(reader: Reader) -> Told:
    found: Told = {
        f"{PERSON}{row.id}": _person(row.email, row.name, row.created_at, row.deactivated_at)
        for row in reader.people()
    }
    for group, person_id in reader.memberships():
        found[f"{PERSON}{person_id} in the group {group}"] = {}
    for one in reader.identities():
        found[f"the account {one.subject} at {one.issuer}"] = {"person": one.person_id}
    for project in reader.projects():
        for row in reader.invitations(project.id):
            found[f"invitation {row.id}"] = {
                "project": project.name,
                "email": row.email,
                "role": row.role,
                "kind": row.kind,
                "artifacts": row.artifacts,
                "time": row.created_at,
                "author": row.created_by,
                "time of expiry": row.expires_at,
                "time of acceptance": row.accepted_at,
                "time of withdrawal": row.withdrawn_at,
            }
    return found


def _person(email: str, name: str, joined: int, deactivated: int | None = None) -> Facts:
    return {
        "email": email,
        "name": name,
        "time of joining": joined,
        "time of deactivation": deactivated,
    }


def _grant(fact: Facts) -> str:
    return f"the role of {fact['subject']} for {fact['kind']}:{fact['artifacts']}"
