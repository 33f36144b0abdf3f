"""Projects: making them, listing them, and the one that keeps the installation's record.

Writers to one project take turns, and who writes to two enters them in the order of their
ids. The installation's project is made under the lock of the default one, all others under
its own, so that two never get the same number.
"""

from __future__ import annotations

import secrets

from pointsman.app.application import DEFAULT_PROJECT, Application, Caller, View, Work
from pointsman.app.people import PERSON, installation_id, require_everywhere, rules_everywhere
from pointsman.app.people import subjects_of as _subjects_of
from pointsman.app.ports import ProjectRow, Reader, Transaction
from pointsman.core.access import Actor
from pointsman.core.people import INSTALLATION, Project, check_project
from pointsman.core.vocabulary import moment
from pointsman.errors import Conflict, NotFound, Reason, Refused

SYSTEM = Actor("system", "system", "admin", "setup")


def installation(app: Application) -> ProjectRow:
    """The project that keeps the record of the whole installation, made when first needed."""
    try:
        return app.project(INSTALLATION)
    except NotFound:
        default = app.project(DEFAULT_PROJECT)
        return app.store.write(default.id, lambda tx: _installation(tx, app.clock()))


def at_home(app: Application, caller: Caller) -> Caller:
    """The same caller, who writes to the installation's record."""
    return Caller(caller.actor, installation(app))


def create_project(app: Application, caller: Caller, name: str) -> Project:
    """Make a project, empty but for its journal.

    Raises `Refused` (for admins of the installation), `InvalidName` or `Conflict`.
    """
    check_project(name)

    def create(work: Work) -> Project:
        require_everywhere(work)
        if work.tx.project(name) is not None:
            raise Conflict(
                f"There is a project {name!r} already.",
                code="project_exists",
                hint="Choose another name.",
                field="name",
            )
        row = _make(work.tx, name, work.actor, work.now)
        work.record("project.added", {"project": name, "uid": row.uid})
        return project_told(row)

    return app.write(at_home(app, caller), create)


def list_projects(view: View) -> tuple[Project, ...]:
    """The projects in which the caller has a role, by name."""
    return tuple(project_told(row) for row in projects_of(view.reader, view.actor, view.project))


def projects_of(reader: Reader, actor: Actor, current: ProjectRow) -> list[ProjectRow]:
    """The projects that a caller may name, by name."""
    rows = sorted(
        (row for row in reader.projects() if row.name != INSTALLATION), key=lambda row: row.name
    )
    if rules_everywhere(reader, actor):
        return rows
    if not actor.id.startswith(PERSON) or actor.scope is not None:
        return [row for row in rows if row.id == current.id]
    person_id = int(actor.id.removeprefix(PERSON))
    mine = {
        grant.project_id
        for subject in _subjects_of(person_id, reader.groups_of(person_id))
        for grant in reader.grants_to(subject)
    }
    if installation_id(reader) in mine:
        return rows
    return [row for row in rows if row.id in mine]


def project_told(row: ProjectRow) -> Project:
    """A project as others are told."""
    return Project(row.name, moment(row.created_at))


def not_yours(name: str) -> Refused:
    """The one answer to naming a project that isn't there, or isn't the caller's."""
    reason = Reason(
        "foreign_project",
        f"The project {name[:100]!r} does not exist, or the caller has no role in it.",
        "Check the spelling, or ask an admin of the project for a role.",
        "Pointsman-Project",
    )
    return Refused(
        reason.message, code=reason.code, hint=reason.hint, field=reason.field, reasons=(reason,)
    )


def _installation(tx: Transaction, now: int) -> ProjectRow:
    row = tx.project(INSTALLATION)
    return _make(tx, INSTALLATION, SYSTEM, now) if row is None else row


def _make(tx: Transaction, name: str, actor: Actor, now: int) -> ProjectRow:
    row = tx.add_project(name, secrets.token_hex(16), now)
    tx.enter(row.id)
    Work(tx, Caller(actor, row), now).record("project.created", {"project": name})
    return row
