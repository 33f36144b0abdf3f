"""Settings, projects and first steps: what people do there, and what the server then has."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect

from serving import ServerProcess
from web.browsing import Visitor, join, visit

Come = Callable[..., Visitor]


def test_inviting_somebody_gives_a_link_to_copy(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Ada").go("/settings/people")
    form = page.get_by_role("region", name="Invite somebody")
    form.get_by_label("E-mail").fill("new@example.org")
    form.get_by_label("Role").select_option("reviewer")
    form.get_by_role("button", name="Make an invitation").click()
    link = page.get_by_role("status").locator("code").inner_text()
    assert link.startswith(f"{server.url}/join?token=pi_")
    (open_,) = (
        one for one in server.get("/invitations").json["invitations"] if not one["accepted_at"]
    )
    assert (open_["email"], open_["role"]) == ("new@example.org", "reviewer")
    page.get_by_role("button", name="withdraw the invitation of new@example.org").click()
    expect(page.get_by_role("status").first).to_contain_text("is withdrawn")


def test_roles_are_given_and_withdrawn(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Ada").go("/settings/people")
    form = page.get_by_role("region", name="Give a role")
    form.get_by_label("To whom").fill("nobody@example.org")
    form.get_by_role("button", name="Give the role").click()
    expect(page.get_by_role("alert")).to_contain_text("Nobody here has the address")
    assert form.get_by_label("To whom").input_value() == "nobody@example.org"
    form.get_by_label("To whom").fill("vic@example.org")
    form.get_by_label("Role").select_option("editor")
    form.get_by_text("For a part of the project only").click()
    form.get_by_label("Named").fill("support/*")
    form.get_by_role("button", name="Give the role").click()
    expect(page.get_by_role("status").first).to_contain_text("has the role editor now")
    mine = [one for one in server.get("/grants").json["grants"] if one["who"] == "vic@example.org"]
    assert ("editor", "support/*") in [(one["role"], one["artifacts"]) for one in mine]
    page.get_by_role("button", name="withdraw the role editor of vic@example.org").click()
    expect(page.get_by_role("status").first).to_contain_text("is withdrawn")


def test_a_key_is_shown_once_works_and_is_revoked(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Ada").go("/settings/keys")
    page.get_by_label(re.compile("^Name")).fill("checkout service")
    page.get_by_role("button", name="Make the key").click()
    secret = page.get_by_role("status").locator("code").inner_text()
    assert server.get("/me", key=secret).json["name"] == "checkout service"
    page.goto(page.url)
    assert secret not in page.content()
    page.get_by_role("button", name="revoke the key checkout service").click()
    expect(page.get_by_role("status").first).to_contain_text("is revoked")
    assert server.get("/me", key=secret).status == 401


def test_who_is_no_admin_has_keys_of_their_own(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Wanda").go("/settings/keys")
    expect(page.get_by_role("heading", name="Your keys")).to_be_visible()
    page.get_by_label(re.compile("^Name")).fill("mine")
    page.get_by_role("button", name="Make the key").click()
    secret = page.get_by_role("status").locator("code").inner_text()
    assert server.get("/me", key=secret).json["email"] == "wanda@example.org"


def test_viewers_see_what_they_may(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Vic").go("/settings")
    expect(page.get_by_role("heading", name="Policies")).to_be_visible()
    nav = page.get_by_role("navigation", name="Settings")
    assert not nav.get_by_role("link", name="People").count()
    page.goto(f"{server.url}/projects/default/settings/people")
    expect(page.get_by_role("alert")).to_contain_text("may not manage people")


def test_a_policy_is_made_by_the_form_and_tried(server: ServerProcess, visitor: Come) -> None:
    server.publish("guarded/reply")
    page = visitor("Ada").go("/settings/policy")
    page.get_by_label("Name", exact=True).fill("guarded")
    page.get_by_label("Aliases").fill("guarded")
    page.get_by_label("How many").fill("15")
    page.get_by_role("button", name="Put it in force").click()
    expect(page.get_by_role("alert")).to_contain_text("Nobody could satisfy")
    page.get_by_label("How many").fill("1")
    page.get_by_label("Characters that a reason has at least").fill("20")
    page.get_by_role("button", name="Put it in force").click()
    expect(page.get_by_role("status").first).to_contain_text("guarded is in force")
    made = server.get("/policies/guarded").json["policy"]
    assert made == {"name": "guarded", "aliases": "guarded", "approvals": 1, "reason": 20}
    page.get_by_label("Alias").fill("guarded/reply@guarded")
    page.get_by_label("Moved by").fill("rui@example.org")
    page.get_by_role("button", name="Ask the policies").click()
    expect(page.get_by_role("status")).to_contain_text("needs 1 approval")


def test_a_stale_policy_page_changes_nothing(server: ServerProcess, visitor: Come) -> None:
    body = {"name": "stale", "aliases": "stale", "reason": 5}
    assert server.put("/policies/stale", {"policy": body}).status == 200
    page = visitor("Ada").go("/settings/policies/stale")
    field = page.get_by_label("Characters that a reason has at least")
    field.fill("7")
    server.put("/policies/stale", {"policy": {**body, "reason": 9}})
    page.get_by_role("button", name="Put the changes in force").click()
    expect(page.get_by_role("alert")).to_contain_text("changed while you were editing")
    assert field.input_value() == "7"
    assert server.get("/policies/stale").json["policy"]["reason"] == 9
    page.get_by_role("button", name="Put the changes in force").click()
    expect(page.get_by_role("status").first).to_contain_text("stale is in force")
    assert server.get("/policies/stale").json["policy"]["reason"] == 7


def test_the_form_keeps_all_that_a_policy_says(server: ServerProcess, visitor: Come) -> None:
    body = {
        "name": "whole",
        "aliases": "whole-*",
        "artifacts": "support/*",
        "kind": "prompt",
        "movers": {"roles": ["releaser"], "people": ["ana@example.org"], "owners": True},
        "approvals": 1,
        "approvers": {"roles": ["reviewer"], "groups": ["legal"]},
        "self_approval": True,
        "checks": ["lint", "red team"],
        "reporters": {"people": ["ci"]},
        "evaluate": "affected",
        "suites": ["quality@production"],
        "without_suite": "warn",
        "reason": 12,
        "cool_down": 5_400,
        "freezes": [
            {"zone": "Europe/Lisbon", "days": ["fri"], "start": "18:00", "end": "08:00"},
            {"zone": "UTC", "start": "2026-12-24T18:00", "end": "2027-01-02T08:00", "note": "rest"},
        ],
        "approvals_expire": 172_800,
        "rollback": "governed",
        "bypass": {"people": ["ada@example.org"]},
    }
    made = server.put("/policies/whole", {"policy": body})
    assert made.status == 200, made
    before = made.json["policy"]
    page = visitor("Ada").go("/settings/policies/whole")
    page.get_by_role("button", name="Put the changes in force").click()
    expect(page.get_by_role("status").first).to_contain_text("whole is in force")
    assert server.get("/policies/whole").json["policy"] == before


def test_a_webhook_is_made_changed_tested_and_deleted(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Ada").go("/settings/webhooks")
    page.get_by_label(re.compile("^Name")).fill("chat")
    page.get_by_label(re.compile("^Address")).fill("http://127.0.0.1:9/inside")
    page.get_by_role("button", name="Make the webhook").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.get_by_label(re.compile("^Name")).input_value() == "chat"
    page.get_by_label(re.compile("^Address")).fill("https://hooks.invalid/in")
    page.get_by_role("button", name="Make the webhook").click()
    expect(page.get_by_role("status")).to_contain_text("whsec_")
    page.get_by_role("link", name="Send it a ping").click()
    page.get_by_role("button", name="Send a ping").click()
    expect(page.get_by_role("rowheader", name="pointsman.ping")).to_be_visible()
    page.get_by_label(re.compile("^Name")).fill("chat of the team")
    page.get_by_role("button", name="Change the webhook").click()
    expect(page.get_by_role("heading", name="chat of the team")).to_be_visible()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Enable")).to_be_visible()
    page.get_by_text("Delete the webhook").click()
    page.get_by_role("button", name="Delete chat of the team").click()
    expect(page.get_by_role("status").first).to_contain_text("is deleted")
    assert server.get("/webhooks").json["webhooks"] == []


def test_a_providers_key_goes_in_and_never_comes_out(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Ada").go("/settings/providers")
    page.get_by_label(re.compile("^Name")).fill("own models")
    page.get_by_label(re.compile("^Base address")).fill("https://models.invalid/v1")
    page.get_by_label(re.compile("^Key")).fill("sk-very-secret")
    page.get_by_label(re.compile("^Prices")).fill("small 0.10 0.40")
    page.get_by_role("button", name="Set the provider").click()
    expect(page.get_by_text("has a key")).to_be_visible()
    page.get_by_role("link", name="own models").click()
    assert "sk-very-secret" not in page.content()
    page.get_by_label(re.compile("^Calls at once")).fill("3")
    page.get_by_role("button", name="Change the provider").click()
    assert server.get("/providers/own%20models").json["has_key"]
    page.get_by_role("link", name="own models").click()
    page.get_by_label(re.compile("^Base address")).fill("https://elsewhere.invalid/v1")
    page.get_by_role("button", name="Change the provider").click()
    expect(page.get_by_role("status").first).to_contain_text("its key was forgotten")
    assert not server.get("/providers/own%20models").json["has_key"]


def test_groups_and_owners(server: ServerProcess, visitor: Come) -> None:
    server.publish("owned/reply")
    assert server.put("/groups/legal/rosa@example.org", {}).status == 200
    page = visitor("Ada").go("/settings/groups")
    page.get_by_label("Name of the artifact").fill("owned/reply")
    page.get_by_role("combobox", name=re.compile("^Owner")).fill("group:legal")
    page.get_by_role("button", name="Make them an owner").click()
    expect(page.get_by_role("status").first).to_contain_text("owns owned/reply now")
    page.get_by_role("button", name="remove group:legal as an owner of owned/reply").click()
    expect(page.get_by_role("status").first).to_contain_text("does not own")


def test_the_first_steps_tick_themselves_off(tmp_path: Path, browser: Browser) -> None:
    with ServerProcess(data=tmp_path) as server:
        join(server)
        ada = visit(browser, server, "Ada")
        page = ada.go("/start")
        done = page.locator(".tick.done")
        expect(done).to_have_count(0)
        server.publish("hello")
        expect(done).to_have_count(1)  # by itself: the page hears of it
        server.move("hello", "production", 1, reason="first")
        expect(done).to_have_count(2)
        page.get_by_role("button", name="Make a key").click()
        secret = page.get_by_role("status").locator("code").inner_text()
        assert f"POINTSMAN_API_KEY={secret}" in page.locator("pre").first.inner_text()
        answer = server.get("/resolve/hello@production", key=secret)
        assert answer.json["version"] == 1
        ada.close()


def test_making_a_project_is_for_admins_of_the_installation(
    server: ServerProcess, visitor: Come
) -> None:
    page = visitor("Ada").go("/catalogue")
    page.get_by_title("Change the project").click()
    assert not page.get_by_role("button", name="Make the project").count()
    granted = {"who": "ada@example.org", "role": "admin", "everywhere": True}
    assert server.post("/grants", granted).status in (200, 201)
    page.reload()
    page.get_by_label(re.compile("^Name")).fill("Not A Name")
    page.get_by_role("button", name="Make the project").click()
    expect(page.get_by_role("alert")).to_contain_text("can't be the name of a project")
    page.get_by_label(re.compile("^Name")).fill("marketing")
    page.get_by_role("button", name="Make the project").click()
    page.wait_for_url("**/projects/marketing/start")
