"""Managing people: roles, groups, owners of artifacts, and who may still sign in."""

from __future__ import annotations

from pointsman.app.application import Application, Caller, View, Work
from pointsman.app.people import (
    PERSON,
    installation_id,
    keeping_an_admin,
    nobody_there,
    person_of,
    person_told,
    require_everywhere,
    require_manager,
    rules_everywhere,
    subject_of,
    subjects_of,
    who_of,
)
from pointsman.app.ports import Reader
from pointsman.app.ports.people import GrantRow, PersonRow
from pointsman.app.projects import at_home, projects_of
from pointsman.app.sessions import check_part
from pointsman.core.patterns import ANY
from pointsman.core.people import (
    GROUP,
    INSTALLATION,
    Group,
    Me,
    Owned,
    Part,
    Person,
    Reach,
    RoleGrant,
    check_group,
    check_person_name,
)
from pointsman.core.vocabulary import Role, moment
from pointsman.errors import InvalidInput, NotFound


def me(view: View) -> Me:
    """Who asks, and what they may do here."""
    view.require("read")
    actor = view.actor
    scope = actor.scope
    return Me(
        project=view.project.name,
        actor=actor.id,
        name=actor.name,
        role=actor.role,
        email=actor.email,
        groups=actor.groups,
        grants=tuple(Part(one.role, one.kind, one.artifacts) for one in actor.grants),
        scope=None if scope is None else Reach(scope.verbs, scope.artifacts, scope.aliases),
        projects=tuple(row.name for row in projects_of(view.reader, actor, view.project)),
    )


# People


def list_people(view: View) -> tuple[Person, ...]:
    """The people with a role in the project, or for admins of the installation all of them."""
    view.require_all("admin")
    rows = view.reader.people()
    if not rules_everywhere(view.reader, view.actor):
        rows = [row for row in rows if _concerns(view, row)]
    return tuple(person_told(row) for row in rows)


def show_person(view: View, email: str) -> Person:
    """A person with a role in the project; admins of the installation see all.

    Raises `Refused` or `NotFound`.
    """
    view.require_all("admin")
    row = person_of(view.reader, email)
    if not rules_everywhere(view.reader, view.actor) and not _concerns(view, row):
        raise nobody_there(email, "email")
    return person_told(row)


def rename_person(app: Application, caller: Caller, email: str, name: str) -> Person:
    """Change what a person is called: oneself, or as an admin of the installation."""
    name = check_person_name(name)

    def rename(work: Work) -> Person:
        mine = work.actor.id.startswith(PERSON) and work.actor.scope is None
        if not mine or work.actor.email != email.strip().lower():
            require_everywhere(work)
        row = person_of(work.tx, email)
        if row.name != name:
            work.record("person.changed", {"person": row.id, "field": "name", "name": name})
            work.tx.rename_person(row.id, name)
            row = row._replace(name=name)
        return person_told(row)

    return app.write(at_home(app, caller), rename)


def deactivate_person(app: Application, caller: Caller, email: str) -> Person:
    """Stop all sessions and keys of a person at once; what they did stays on record.

    Raises `Refused` (for admins of the installation; the last admin stays) or `NotFound`.
    """

    def deactivate(work: Work) -> Person:
        require_everywhere(work)
        row = person_of(work.tx, email)
        if row.deactivated_at is not None:
            return person_told(row)
        with keeping_an_admin(work.tx, [one.id for one in work.tx.projects()]):
            line = work.record("person.deactivated", {"person": row.id, "email": row.email})
            work.tx.deactivate_person(row.id, line.at)
            work.tx.end_sessions_of(row.id, line.at)
        return person_told(row._replace(deactivated_at=line.at))

    return app.write(at_home(app, caller), deactivate)


def reactivate_person(app: Application, caller: Caller, email: str) -> Person:
    """Undo `deactivate_person`: keys work again, sessions have to be opened anew."""

    def reactivate(work: Work) -> Person:
        require_everywhere(work)
        row = person_of(work.tx, email)
        if row.deactivated_at is not None:
            work.record("person.reactivated", {"person": row.id, "email": row.email})
            work.tx.deactivate_person(row.id, None)
        return person_told(row._replace(deactivated_at=None))

    return app.write(at_home(app, caller), reactivate)


# Groups


def list_groups(view: View) -> tuple[Group, ...]:
    """The groups with a role in the project, or for admins of the installation all of them."""
    view.require_all("admin")
    everything = rules_everywhere(view.reader, view.actor)
    meant = {row.subject for row in view.reader.grants(view.project.id)}
    emails = {row.id: row.email for row in view.reader.people()}
    groups: dict[str, list[str]] = {}
    for name, person_id in view.reader.memberships():
        if everything or GROUP + name in meant:
            groups.setdefault(name, []).append(emails[person_id])
    return tuple(Group(name, tuple(sorted(groups[name]))) for name in sorted(groups))


def join_group(app: Application, caller: Caller, group: str, email: str) -> Group:
    """Put a person into a group, which is there as long as somebody is in it.

    A group can have roles in every project, so this is for admins of the installation.
    """
    check_group(group)

    def join(work: Work) -> Group:
        require_everywhere(work)
        person = person_of(work.tx, email)
        if group not in work.tx.groups_of(person.id):
            work.record("group.joined", {"group": group, "person": person.id})
            work.tx.add_member(group, person.id)
        return _group(work.tx, group)

    return app.write(at_home(app, caller), join)


def leave_group(app: Application, caller: Caller, group: str, email: str) -> Group:
    """Take a person out of a group. Raises `Refused` as `join_group`, or for the last admin."""
    check_group(group)

    def leave(work: Work) -> Group:
        require_everywhere(work)
        person = person_of(work.tx, email)
        if group in work.tx.groups_of(person.id):
            granted = {row.project_id for row in work.tx.grants_to(GROUP + group)}
            with keeping_an_admin(work.tx, sorted(granted)):
                work.record("group.left", {"group": group, "person": person.id})
                work.tx.drop_member(group, person.id)
        return _group(work.tx, group)

    return app.write(at_home(app, caller), leave)


# Roles


def list_grants(view: View) -> tuple[RoleGrant, ...]:
    """The roles granted in the project, and those for the whole installation."""
    view.require_all("admin")
    home = installation_id(view.reader)
    rows = view.reader.grants(view.project.id)
    if home is not None:
        rows += view.reader.grants(home)
    return tuple(_grant_told(view.reader, row, home) for row in rows)


def grant(
    app: Application,
    caller: Caller,
    who: str,
    role: Role,
    *,
    kind: str = "",
    artifacts: str = ANY,
    everywhere: bool = False,
) -> RoleGrant:
    """Give a person (by e-mail) or a group (`group:NAME`) a role in the project.

    It replaces the one that they have for the same part. With `everywhere`, the role admin is
    for the whole installation. Raises `Refused`, `NotFound` or `InvalidInput`.
    """
    check_part(role, kind, artifacts)
    if everywhere and (role != "admin" or kind or artifacts != ANY):
        raise InvalidInput(
            "Everywhere is for the role admin, for all kinds and artifacts.",
            code="invalid_combination",
            hint="Grant other roles in each project.",
            field="everywhere",
        )

    def give(work: Work) -> RoleGrant:
        _require_grants(work)
        subject = subject_of(work.tx, who)
        row = _held(work.tx, work.project.id, subject, kind, artifacts)
        if row is None or row.role != role:
            with keeping_an_admin(work.tx, [work.project.id]):
                fact = _fact(work.tx, subject, role, kind, artifacts)
                line = work.record("role.granted", fact)
                row = GrantRow(work.project.id, subject, role, kind, artifacts, line.at, line.by)
                work.tx.put_grant(row)
        return _grant_told(work.tx, row, installation_id(work.tx))

    return app.write(at_home(app, caller) if everywhere else caller, give)


def withdraw_grant(
    app: Application,
    caller: Caller,
    who: str,
    *,
    kind: str = "",
    artifacts: str = ANY,
    everywhere: bool = False,
) -> None:
    """Take a role away again. Raises `NotFound`, or `Refused` also for the last admin."""

    def withdraw(work: Work) -> None:
        _require_grants(work)
        subject = subject_of(work.tx, who)
        row = _held(work.tx, work.project.id, subject, kind, artifacts)
        if row is None:
            raise NotFound(
                f"{who} has no such role.",
                code="grant_not_found",
                hint="Name the kind and artifacts for which it was granted.",
                field="who",
            )
        with keeping_an_admin(work.tx, [work.project.id]):
            fact = _fact(work.tx, subject, row.role, kind, artifacts)
            work.record("role.withdrawn", fact)
            work.tx.drop_grant(work.project.id, subject, kind, artifacts)

    app.write(at_home(app, caller) if everywhere else caller, withdraw)


# Owners


def list_owners(view: View, kind: str, name: str) -> tuple[str, ...]:
    """Who owns an artifact: e-mail addresses and `group:NAME`s. Raises `NotFound`."""
    view.require("read", kind, name)
    artifact = view.artifact(kind, name)
    return tuple(who_of(view.reader, one) for one in view.reader.owners(artifact.id))


def list_owned(view: View) -> tuple[Owned, ...]:
    """All artifacts of the project that have owners, by their names. Raises `Refused`."""
    view.require_all("read")
    owners: dict[int, list[str]] = {}
    for artifact_id, subject in view.reader.owners_in(view.project.id):
        owners.setdefault(artifact_id, []).append(who_of(view.reader, subject))
    found = []
    for artifact_id, who in owners.items():
        row = view.reader.artifact_by_id(artifact_id)
        assert row is not None, "what has owners exists"
        found.append(Owned(row.kind, row.name, tuple(who)))
    return tuple(sorted(found, key=lambda one: (one.name, one.kind)))


def set_owner(work: Work, kind: str, name: str, who: str) -> tuple[str, ...]:
    """Make a person or a group an owner of an artifact. Raises `Refused` or `NotFound`."""
    work.require("admin", kind, name)
    artifact = work.artifact(kind, name)
    subject = subject_of(work.tx, who)
    if subject not in work.tx.owners(artifact.id):
        fact = {"kind": artifact.kind, "name": artifact.name, "subject": subject}
        work.record("owner.set", fact, artifact=artifact.id)
        work.tx.add_owner(artifact.id, subject)
    return tuple(who_of(work.tx, one) for one in work.tx.owners(artifact.id))


def remove_owner(work: Work, kind: str, name: str, who: str) -> tuple[str, ...]:
    """Undo `set_owner`."""
    work.require("admin", kind, name)
    artifact = work.artifact(kind, name)
    subject = subject_of(work.tx, who)
    if subject in work.tx.owners(artifact.id):
        fact = {"kind": artifact.kind, "name": artifact.name, "subject": subject}
        work.record("owner.removed", fact, artifact=artifact.id)
        work.tx.drop_owner(artifact.id, subject)
    return tuple(who_of(work.tx, one) for one in work.tx.owners(artifact.id))


def _concerns(view: View, row: PersonRow) -> bool:
    """Whether a person has a role in the view's project."""
    mine = subjects_of(row.id, view.reader.groups_of(row.id))
    return any(
        grant.project_id == view.project.id
        for subject in mine
        for grant in view.reader.grants_to(subject)
    )


def _require_grants(work: Work) -> None:
    if work.project.name == INSTALLATION:
        require_everywhere(work)
    else:
        require_manager(work)


def _held(
    reader: Reader, project_id: int, subject: str, kind: str, artifacts: str
) -> GrantRow | None:
    return next(
        (
            row
            for row in reader.grants_to(subject)
            if (row.project_id, row.kind, row.artifacts) == (project_id, kind, artifacts)
        ),
        None,
    )


def _fact(reader: Reader, subject: str, role: str, kind: str, artifacts: str) -> dict[str, object]:
    return {
        "subject": subject,
        "who": who_of(reader, subject),
        "role": role,
        "kind": kind,
        "artifacts": artifacts,
    }


def _grant_told(reader: Reader, row: GrantRow, home: int | None) -> RoleGrant:
    return RoleGrant(
        who=who_of(reader, row.subject),
        role=row.role,  # type: ignore[arg-type]  # what is stored was checked
        kind=row.kind,
        artifacts=row.artifacts,
        granted_at=moment(row.granted_at),
        granted_by=row.granted_by,
        everywhere=row.project_id == home,
    )


def _group(reader: Reader, name: str) -> Group:
    members = [reader.person(one) for group, one in reader.memberships() if group == name]
    return Group(name, tuple(sorted(one.email for one in members if one is not None)))
