"""Projects and people through both clients, with a real server."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from conftest import RunningServer
from pointsman import AsyncClient, Client
from pointsman.errors import InvalidInput, Refused, Unauthenticated

PASSWORD = "correct horse battery"


@pytest.fixture
def admin(shared_server: RunningServer) -> Client:
    return client(shared_server, shared_server.key)


def client(server: RunningServer, key: str = "", project: str = "") -> Client:
    return Client(server.url, key, project=project, snapshot=False, follow=False)


def unused() -> str:
    return f"p{secrets.token_hex(6)}"


def test_a_life_in_a_project(shared_server: RunningServer, admin: Client) -> None:
    name = unused()
    email = f"{name}@example.org"
    assert admin.create_project(name).name == name
    assert name in [one.name for one in admin.projects()]
    with client(shared_server, shared_server.key, name) as boss:
        boss.publish("reply", "hello", aliases=["live"])
        invited = boss.invite(email, name="Ana", role="editor", artifacts="reply*")
        assert invited.invitation in boss.invitations()
        with client(shared_server) as anybody:
            person = anybody.accept_invitation(invited.token, PASSWORD).person
            token = anybody.sign_in(email, PASSWORD).token
            with pytest.raises(Unauthenticated):
                anybody.sign_in(email, "not the password")
        with client(shared_server, token, name) as ana:
            me = ana.me()
            assert (me.email, me.role, me.projects) == (email, None, (name,))
            assert [(one.role, one.artifacts) for one in me.grants] == [("editor", "reply*")]
            assert ana.get("reply@live").render() == "hello"
            made = ana.create_my_key("laptop", "viewer", verbs=["read"], aliases="live")
            assert ana.my_keys() == (made.key,)
            assert made.key.verbs == ("read",)
            ana.revoke_my_key(made.key.id)
            ana.rename_person(email, "Anna")
            ana.change_password(PASSWORD, PASSWORD[::-1])
            ana.sign_out()
            with pytest.raises(Unauthenticated):
                ana.me()
        assert boss.grant("group:crew", "reviewer", kind="prompt").who == "group:crew"
        assert boss.join_group(f"g-{name}", email).members == (email,)
        assert f"g-{name}" in [one.name for one in boss.groups()]
        assert boss.leave_group(f"g-{name}", email).members == ()
        assert boss.set_owner("reply", email) == (email,)
        assert boss.owners("reply") == (email,)
        assert boss.remove_owner("reply", email) == ()
        boss.withdraw_grant(email, artifacts="reply*")
        boss.withdraw_grant("group:crew", kind="prompt")
        assert [one for one in boss.grants() if not one.everywhere] == []
        assert boss.deactivate_person(email).deactivated_at is not None
        assert boss.reactivate_person(email).deactivated_at is None
        assert boss.person(email).name == "Anna"
        assert person.id in [one.id for one in boss.people()]
        second = boss.invite(f"b{email}")
        assert boss.withdraw_invitation(second.invitation.id).withdrawn_at is not None


def test_the_async_client_names_its_project_as_well(
    shared_server: RunningServer, admin: Client
) -> None:
    name = unused()
    admin.create_project(name)

    async def ask() -> tuple[str, object]:
        async with AsyncClient(
            shared_server.url, shared_server.key, project=name, snapshot=False, follow=False
        ) as there:
            await there.publish("reply", "there", aliases=["live"])
            me = await there.me()
            return me.project, (await there.get("reply@live")).render()

    assert asyncio.run(ask()) == (name, "there")


def test_a_project_that_is_not_ones_own(shared_server: RunningServer, admin: Client) -> None:
    key = admin.create_key("of default", "admin").secret
    with client(shared_server, key, "elsewhere") as stranger, pytest.raises(Refused) as caught:
        stranger.search()
    assert caught.value.code == "foreign_project"


@pytest.mark.parametrize("name", ["ä", "a\r\nX-Y: z", " a"])
def test_what_can_stand_in_no_header(shared_server: RunningServer, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        client(shared_server, shared_server.key, name)
    assert caught.value.code == "invalid_project"
