"""People and projects made on several nodes at once, and changed behind the journal's back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pointsman.compose import Registry
from pointsman.core.vocabulary import Role
from stores import Place

PASSWORD = "correct horse battery"


def join(registry: Registry, name: str, role: Role = "viewer") -> None:
    invited = registry.invite(f"{name}@example.org", name=name, role=role)
    registry.accept_invitation(invited.token, PASSWORD)


@pytest.mark.parametrize(
    ("what", "sql"),
    [
        ("role of person:1", "UPDATE role_grant SET role = 'admin' WHERE subject = 'person:1'"),
        ("role of person:1", "DELETE FROM role_grant WHERE subject = 'person:1'"),
        ("person:1", "UPDATE person SET email = 'eve@example.org' WHERE id = 1"),
        ("person:2", "UPDATE person SET deactivated_at = NULL WHERE id = 2"),
        ("group crew", "INSERT INTO group_member (group_name, person_id) VALUES ('crew', 2)"),
        ("owner person:2", "UPDATE owner SET subject = 'person:2'"),
        ("invitation", "UPDATE invitation SET accepted_at = NULL"),
        ("key", "UPDATE api_key SET verbs = NULL WHERE verbs IS NOT NULL"),
        ("key", "UPDATE api_key SET owner = 'person:2' WHERE owner IS NOT NULL"),
        ("key", "UPDATE api_key SET everywhere = 1"),
    ],
)
def test_the_doctor_finds_rights_that_nobody_gave(place: Place, what: str, sql: str) -> None:
    with Registry.open(**place.options) as registry:
        registry.publish("support/reply", "one")
        join(registry, "ana", "editor")
        join(registry, "ben")
        registry.grant("ana@example.org", "admin", everywhere=True)
        registry.deactivate_person("ben@example.org")
        registry.join_group("crew", "ana@example.org")
        registry.set_owner("support/reply", "ana@example.org")
        registry.create_key("ci", "editor", person="ana@example.org", verbs=["read"])
        assert registry.doctor().findings == ()
        with place.raw() as raw:
            raw.execute(sql)
        findings = registry.doctor().findings
        assert any(what in one.subject for one in findings), findings


def test_nodes_that_make_projects_and_people_at_once(place: Place) -> None:
    """The first of them makes the installation's record; nobody waits for another for ever."""

    def work(node: int) -> None:
        with Registry.open(**place.options) as registry:
            for number in range(3):
                name = f"p{node}-{number}"
                registry.create_project(name)
                with Registry.open(**place.options, project=name) as there:
                    there.publish("reply", name)
                    join(there, name, "admin")
                    there.grant(f"{name}@example.org", "viewer", artifacts="x*")
                registry.join_group("everybody", f"{name}@example.org")
                registry.publish(f"reply{node}", name)

    with ThreadPoolExecutor(4) as nodes:
        for done in [nodes.submit(work, node) for node in range(4)]:
            done.result()
    with Registry.open(**place.options) as registry:
        names = [one.name for one in registry.projects()]
        assert len(names) == 13
        (group,) = registry.groups()
        assert len(group.members) == 12
        for name in names:
            with Registry.open(**place.options, project=name) as there:
                assert there.doctor().findings == ()
