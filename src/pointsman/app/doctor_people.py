"""People, groups, roles, owners and invitations as the journals tell them, to compare with.

Roles and owners stand in the journal of their project, all else in the installation's, which
is checked along with whichever project is. Passwords and sessions are on no record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pointsman.app.application import View
from pointsman.app.people import PERSON, installation_id
from pointsman.app.ports import Reader
from pointsman.core.journal import Line, broken_links, genesis
from pointsman.core.people import INSTALLATION

Told = dict[str, object]
"""What a fact is about, in words → what is so."""

TYPES = ("role.granted", "role.withdrawn", "owner.set", "owner.removed")
_STEP = 1_000


def apply(told: Told, line: Line, fact: dict[str, Any]) -> None:
    """Take in an entry of a project's journal."""
    if line.type == "role.granted":
        told[_grant(fact)] = (fact["role"], line.at, line.by)
    elif line.type == "role.withdrawn":
        del told[_grant(fact)]
    elif line.type == "owner.set":
        told[f"the owner {fact['subject']} of artifact {line.artifact}"] = True
    elif line.type == "owner.removed":
        del told[f"the owner {fact['subject']} of artifact {line.artifact}"]


def stored(reader: Reader, project_id: int) -> Told:
    """Roles and owners of a project as they are in the store."""
    found: Told = {
        f"the role of {row.subject} for {row.kind}:{row.artifacts}": (
            row.role,
            row.granted_at,
            row.granted_by,
        )
        for row in reader.grants(project_id)
    }
    for artifact_id, subject in reader.owners_in(project_id):
        found[f"the owner {subject} of artifact {artifact_id}"] = True
    return found


def examine_home(view: View) -> Iterator[tuple[str, str, object, object]]:
    """What the store says and what the installation's journal tells, by check and subject.

    A break of its chain is told as a difference as well.
    """
    home = installation_id(view.reader)
    if home is None:
        return
    told: Told = {}
    row = view.reader.project(INSTALLATION)
    assert row is not None, "it was there a moment ago"
    head = genesis(row.uid)
    while lines := view.reader.lines(home, head.seq, _STEP):
        for seq, why in broken_links(head, lines):
            yield "chain", f"entry {seq} of the installation", why, "unbroken"
        for line in lines:
            try:
                _apply_home(told, line, json.loads(line.data))
            except (LookupError, TypeError, ValueError) as error:
                yield "replay", f"entry {line.seq} of the installation", repr(error), "replayed"
        head = type(head)(lines[-1].seq, lines[-1].at, lines[-1].hash)
    found = stored(view.reader, home) | _stored_home(view.reader)
    for one in sorted(found.keys() | told.keys()):
        yield "people", one, found.get(one), told.get(one)


def _apply_home(told: Told, line: Line, fact: dict[str, Any]) -> None:
    if line.type in TYPES:
        apply(told, line, fact)
    elif line.type == "person.joined":
        told[f"{PERSON}{fact['person']}"] = [fact["email"], fact["name"], line.at, None]
        _take_identity(told, fact)
    elif line.type in ("person.changed", "person.deactivated", "person.reactivated"):
        person = told[f"{PERSON}{fact['person']}"]
        assert isinstance(person, list), "people are told as lists"
        if line.type != "person.changed":
            person[3] = line.at if line.type == "person.deactivated" else None
        elif fact["field"] == "name":
            person[1] = fact["name"]
        _take_identity(told, fact)
    elif line.type == "group.joined":
        told[f"{PERSON}{fact['person']} in the group {fact['group']}"] = True
    elif line.type == "group.left":
        del told[f"{PERSON}{fact['person']} in the group {fact['group']}"]
    elif line.type == "person.invited":
        part = [fact[name] for name in ("project", "email", "role", "kind", "artifacts")]
        told[f"invitation {fact['invitation']}"] = [
            *part,
            line.at,
            line.by,
            fact["expires_at"],
            None,
            None,
        ]
    elif line.type in ("person.accepted", "person.uninvited"):
        invitation = told[f"invitation {fact['invitation']}"]
        assert isinstance(invitation, list), "invitations are told as lists"
        invitation[-2 if line.type == "person.accepted" else -1] = line.at


def _take_identity(told: Told, fact: dict[str, Any]) -> None:
    if "issuer" in fact:
        told[f"the account {fact['subject']} at {fact['issuer']}"] = fact["person"]


def _stored_home(reader: Reader) -> Told:
    found: Told = {
        f"{PERSON}{row.id}": [row.email, row.name, row.created_at, row.deactivated_at]
        for row in reader.people()
    }
    for group, person_id in reader.memberships():
        found[f"{PERSON}{person_id} in the group {group}"] = True
    for one in reader.identities():
        found[f"the account {one.subject} at {one.issuer}"] = one.person_id
    for project in reader.projects():
        for row in reader.invitations(project.id):
            found[f"invitation {row.id}"] = [
                project.name,
                row.email,
                row.role,
                row.kind,
                row.artifacts,
                row.created_at,
                row.created_by,
                row.expires_at,
                row.accepted_at,
                row.withdrawn_at,
            ]
    return found


def _grant(fact: dict[str, Any]) -> str:
    return f"the role of {fact['subject']} for {fact['kind']}:{fact['artifacts']}"
