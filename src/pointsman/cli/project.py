"""`pointsman project`: several tenants in one installation."""

from __future__ import annotations

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.output import Output
from pointsman.cli.times import when


@click.group("project", short_help="Make and list projects.")
def project_command() -> None:
    """Make and list projects: each has its own names, keys, policies and journal."""


@project_command.command("list")
@with_registry()
def list_projects(*, registry: Registry, out: Output) -> None:
    """List the projects in which you have a role."""
    projects = registry.projects()
    if out.as_json:
        out.data({"projects": projects})
    else:
        rows = [(one.name, when(one.created_at, out)) for one in projects]
        out.table(("NAME", "MADE"), rows)


@project_command.command("create")
@click.argument("name")
@with_registry()
def create_project(*, registry: Registry, out: Output, name: str) -> None:
    """Make a project. For admins of the installation.

    Name it in POINTSMAN_PROJECT, or with --project, to work in it.
    """
    project = registry.create_project(name)
    if out.as_json:
        out.data(project)
    else:
        out.line(f"The project {project.name} is made.")
