"""Writing prompts in the browser: from nothing, as a chat, with mistakes, and with others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page, expect

from serving import ServerProcess, place
from web.browsing import PASSWORD, Visitor, email_of

Come = Callable[..., Visitor]
SLY = '<img src=x onerror="document.title=1"></textarea><script>document.title=2</script>'


def content(server: ServerProcess, name: str, number: int = 1) -> dict[str, Any]:
    """What a version says."""
    answer = server.get(place(name, "versions", number))
    assert answer.status == 200, answer
    return dict(answer.json["content"])


def publish(page: Page, number: int, message: str) -> None:
    """Review what is written, and publish it."""
    page.get_by_role("button", name="Review and publish…").click()
    page.get_by_label("What changed, and why").fill(message)
    page.get_by_role("button", name=f"Publish version {number}").click()
    expect(page.get_by_role("status").first).to_contain_text(f"Version {number} is published")


def test_a_text_prompt_is_written_from_nothing(server: ServerProcess, visitor: Come) -> None:
    wanda = visitor("Wanda")
    page = wanda.go("/catalogue")
    page.get_by_role("link", name="New prompt").or_(
        page.get_by_role("link", name="Write the first prompt")
    ).first.click()
    page.get_by_label("Name", exact=False).first.fill("editing/first")
    page.get_by_label("Text", exact=True).fill("\nDear {{ who }},\n{{ news }} by {{ sender }}")
    row = page.locator("[data-variable=sender]")
    row.get_by_label("Default").fill("the team")
    row.get_by_label("What it is").fill("Who signs")
    page.locator("[data-sample=who]").fill("Ana")
    expect(page.locator("#preview")).to_contain_text("Dear Ana,\n⟨news⟩ by the team")
    expect(page.locator(".layer .tag-variable").first).to_have_text("{{ who }}")
    page.get_by_text("Model", exact=True).first.click()
    page.get_by_label("Provider").first.fill("openai")
    page.get_by_label("Model", exact=True).fill("gpt-5-mini")
    page.get_by_label("Temperature").fill("0.3")
    publish(page, 1, "The first one")
    page.wait_for_url("**/prompts/editing/first:1")
    expect(page.get_by_role("link", name="Move production to version 1…")).to_be_visible()
    assert content(server, "editing/first") == {
        "template": "\nDear {{ who }},\n{{ news }} by {{ sender }}",
        "variables": {"sender": {"default": "the team", "description": "Who signs"}},
        "model": {"name": "gpt-5-mini", "provider": "openai", "parameters": {"temperature": 0.3}},
    }
    again = wanda.go("/new")
    assert not again.locator("#kept").is_visible()  # the draft went with publishing
    page = wanda.go("/prompts/editing/first:edit")
    expect(page.locator("[data-sample=who]")).to_have_value("")
    page.locator("[data-sample=who]").fill("Ben")
    page = wanda.go("/prompts/editing/first:edit")
    expect(page.locator("[data-sample=who]")).to_have_value("Ben")
    expect(page.locator("#preview")).to_contain_text("Dear Ben,")


def test_a_name_is_checked_while_it_is_typed(server: ServerProcess, visitor: Come) -> None:
    server.publish("editing/Taken")
    page = visitor("Wanda").go("/new?folder=editing")
    name = page.locator("[name=name]")
    assert name.input_value() == "editing/"
    slot = page.locator("[data-fault=name]")
    for text, said in (
        ("editing/Taken", "There is a prompt 'editing/Taken' already"),
        ("editing/taken", "looks like 'editing/Taken'"),
        ("editing//x", "editing//x"),
    ):
        name.fill(text)
        expect(slot).to_contain_text(said)
    name.fill("editing/free")
    expect(slot).to_be_empty()


def test_three_messages_are_put_in_order(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Wanda").go("/new")
    page.locator("[name=name]").fill("editing/chat")
    page.get_by_role("button", name="Chat").click()
    page.get_by_label("Text of message 1").fill("first")
    page.get_by_label("Text of message 2").fill("second {{ q }}")
    page.get_by_role("button", name="Add a list of messages").click()
    page.get_by_label("Text of message 3").fill("history")
    page.get_by_role("button", name="Move message 3 up").click()
    expect(page.get_by_label("Text of message 2")).to_have_value("history")
    page.get_by_label("Text of message 2").press("Alt+ArrowUp")
    expect(page.get_by_label("Text of message 1")).to_have_value("history")
    page.locator(".grip").nth(2).drag_to(
        page.locator(".entry").nth(0), target_position={"x": 9, "y": 3}
    )
    expect(page.get_by_label("Text of message 1")).to_have_value("second {{ q }}")
    page.get_by_role("button", name="Add a message", exact=True).click()
    page.get_by_label("Text of message 4").fill("not wanted")
    page.get_by_role("button", name="Remove message 4").click()
    publish(page, 1, "As it should be")
    assert content(server, "editing/chat")["template"] == [
        {"role": "user", "content": "second {{ q }}"},
        {"placeholder": "history"},
        {"role": "system", "content": "first"},
    ]


def test_it_works_without_scripts(server: ServerProcess, visitor: Come) -> None:
    wanda = visitor("Wanda")
    state = wanda.context.storage_state()
    browser = wanda.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False, storage_state=state)
    page = context.new_page()
    page.goto(f"{server.url}/projects/default/new")
    page.locator("[name=name]").fill("editing/plain")
    page.get_by_role("button", name="Chat").click()
    page.get_by_label("Text of message 1").fill("one")
    page.get_by_label("Text of message 2").fill("two {{ x }}")
    page.get_by_role("button", name="Move message 2 up").click()
    page.get_by_role("button", name="Remove message 2").click()
    page.locator("aside").get_by_role("button", name="Look at it").click()
    expect(page.locator("#preview")).to_contain_text("two ⟨x⟩")
    page.get_by_role("button", name="Review and publish…").click()
    page.get_by_role("button", name="Publish version 1").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no message yet.")
    page.get_by_label("What changed, and why").fill("plain")
    page.get_by_role("button", name="Publish version 1").click()
    page.wait_for_url("**/editing/plain:1")
    context.close()
    assert content(server, "editing/plain")["template"] == [
        {"role": "user", "content": "two {{ x }}"}
    ]


def test_a_mistake_is_shown_at_its_place(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Wanda").go("/new")
    page.locator("[name=name]").fill("editing/wrong")
    page.get_by_role("button", name="Chat").click()
    page.get_by_label("Text of message 1").fill("fine")
    page.get_by_label("Text of message 2").fill("Hello\n  {{ who }")
    slot = page.locator(".entry").nth(1).locator("[data-fault]")
    expect(slot).to_contain_text("Line 2, column 3")
    expect(page.locator(".tag-wrong")).to_have_text("{{ who }")
    expect(page.locator(".entry").nth(0).locator("[data-fault]")).to_be_empty()
    page.get_by_role("button", name="Review and publish…").click()
    expect(page.get_by_role("alert")).to_contain_text("One thing has to be mended")
    assert page.get_by_label("Text of message 2").input_value() == "Hello\n  {{ who }"
    assert server.get(place("editing/wrong")).status == 404
    page.get_by_label("Text of message 2").fill("Hello {{ who }}")
    expect(page.locator(".entry").nth(1).locator("[data-fault]")).to_be_empty()


def test_a_draft_outlives_a_closed_page(server: ServerProcess, visitor: Come) -> None:
    server.publish("editing/draft", "as it was")
    wanda = visitor("Wanda")
    page = wanda.go("/prompts/editing/draft:edit")
    page.get_by_label("Text", exact=True).fill("as it will be {{ x }}")
    page.close()
    wanda.page = page = wanda.context.new_page()
    wanda.go("/prompts/editing/draft:edit")
    expect(page.locator("#kept")).to_contain_text("There is a draft of yours from today")
    expect(page.get_by_label("Text", exact=True)).to_have_value("as it was")
    page.get_by_role("button", name="Restore the draft").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("as it will be {{ x }}")
    expect(page.locator("#kept")).to_be_hidden()
    wanda.go("/prompts/editing/draft:edit")
    page.get_by_role("button", name="Discard the draft").click()
    wanda.go("/prompts/editing/draft:edit")
    expect(page.locator("#kept")).to_be_hidden()
    expect(page.get_by_label("Text", exact=True)).to_have_value("as it was")
    page.get_by_label("Text", exact=True).fill("for a moment")
    expect(page.locator("#saved")).to_contain_text("Draft kept today")
    page.get_by_label("Text", exact=True).fill("as it was")
    expect(page.locator("#saved")).to_be_empty()
    wanda.go("/prompts/editing/draft:edit")
    expect(page.locator("#kept")).to_be_hidden()


def test_a_lost_session_loses_no_text(server: ServerProcess, visitor: Come) -> None:
    server.publish("editing/lost", "as it was")
    wanda = visitor("Wanda")
    page = wanda.go("/prompts/editing/lost:edit")
    wanda.context.clear_cookies(name="pointsman_session")
    page.get_by_label("Text", exact=True).fill("typed with care")
    expect(page.locator("#kept")).to_contain_text("Your session has ended")
    (token,) = (
        one["value"]
        for one in visitor("Wanda").context.cookies()
        if one["name"] == "pointsman_session"
    )
    wanda.context.add_cookies([{"name": "pointsman_session", "value": token, "url": server.url}])
    page.get_by_label("Text", exact=True).fill("typed with more care")
    expect(page.locator("#kept")).to_be_hidden()  # somebody signed in in another tab
    wanda.context.clear_cookies(name="pointsman_session")
    page.get_by_label("Text", exact=True).fill("typed with care")
    page.get_by_role("button", name="Review and publish…").click()
    expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible()
    page.goto(f"{server.url}/sign-in")
    page.get_by_label("E-mail").fill(email_of("Wanda"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/catalogue")
    wanda.go("/prompts/editing/lost:edit")
    page.get_by_role("button", name="Restore the draft").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("typed with care")
    publish(page, 2, "It was worth it")
    assert content(server, "editing/lost", 2) == {"template": "typed with care"}


def test_somebody_elses_version_is_noticed(server: ServerProcess, visitor: Come) -> None:
    server.publish("editing/both", "one\ntwo\nthree")
    page = visitor("Wanda").go("/prompts/editing/both:edit")
    server.publish("editing/other", "of no concern")
    page.get_by_label("Text", exact=True).fill("one\ntwo\nthree and mine")
    page.get_by_role("button", name="Review and publish…").click()
    page.get_by_label("What changed, and why").fill("Mine is better")
    server.publish("editing/both", "one and theirs\ntwo\nthree", message="Theirs is better")
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.get_by_role("alert")).to_contain_text("Version 2 was published while you were")
    expect(page.get_by_role("alert")).to_contain_text("Theirs is better")
    expect(page.locator(".three section").nth(0)).to_contain_text("one and theirs")
    expect(page.locator(".three section").nth(1)).to_contain_text("three and mine")
    assert page.get_by_label("What changed, and why").input_value() == "Mine is better"
    assert server.get(place("editing/both")).json["newest"] == 2
    page.get_by_role("link", name="Start from theirs").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("one and theirs\ntwo\nthree")
    expect(page.locator("#kept")).to_contain_text("There is a draft of yours")
    page.get_by_role("button", name="Restore the draft").click()
    expect(page.get_by_text("Version 2 was published while you were writing")).to_be_visible()
    page.get_by_role("button", name="Review and publish…").click()
    page.get_by_label("What changed, and why").fill("Mine after all")
    page.get_by_role("button", name="Publish mine on top, as version 3").click()
    page.wait_for_url("**/editing/both:3")
    assert content(server, "editing/both", 3) == {"template": "one\ntwo\nthree and mine"}


def test_a_newer_version_is_told_of_while_somebody_types(
    server: ServerProcess, visitor: Come
) -> None:
    server.publish("editing/typing", "one")
    page = visitor("Wanda").go("/prompts/editing/typing:edit")
    server.publish("editing/typing", "two")
    page.get_by_label("Text", exact=True).press("End")
    page.get_by_label("Text", exact=True).press_sequentially(" and more")
    expect(page.locator("#meanwhile")).to_contain_text("Version 2 was published while you were")
    assert page.get_by_label("Text", exact=True).input_value() == "one and more"


def test_a_name_that_was_taken_meanwhile_is_told(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Wanda").go("/new")
    page.locator("[name=name]").fill("editing/raced")
    page.get_by_label("Text", exact=True).fill("mine")
    page.get_by_role("button", name="Review and publish…").click()
    page.get_by_label("What changed, and why").fill("First")
    server.publish("editing/raced", "theirs")
    page.get_by_role("button", name="Publish version 1").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody has made a prompt")
    page.get_by_role("button", name="Back to writing").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("mine")
    page.locator("[name=name]").fill("editing/raced-2")
    publish(page, 1, "First")


def test_what_changes_is_shown_before_publishing(server: ServerProcess, visitor: Come) -> None:
    for text in ("first words", "second words", "third words"):
        server.publish("editing/shown", text)
    server.move("editing/shown", "production", 1, reason="to begin with")
    page = visitor("Wanda").go("/prompts/editing/shown:edit?from=2")
    page.get_by_label("Text", exact=True).fill("fourth words")
    page.get_by_role("button", name="Review and publish…").click()
    expect(page.get_by_role("heading", name="Against version 2")).to_be_visible()
    expect(page.get_by_role("heading", name="Against production")).to_be_visible()
    expect(page.locator("del")).to_have_text(["second", "first"])
    page.get_by_role("button", name="Back to writing").click()
    page.get_by_label("Text", exact=True).fill("third words")
    page.get_by_role("button", name="Review and publish…").click()
    expect(page.get_by_text("There is nothing to publish")).to_be_visible()


def test_dependencies_are_kept(server: ServerProcess, visitor: Come) -> None:
    server.publish("editing/source")
    needs = [{"relation": "consumes", "selector": "editing/source", "variable": "label"}]
    body = {"name": "editing/needs", "content": "{{ label }}", "dependencies": needs}
    assert server.post("/versions", body).status == 201
    page = visitor("Wanda").go("/prompts/editing/needs:edit")
    page.get_by_label("Text", exact=True).fill("The {{ label }}")
    publish(page, 2, "Said better")
    version = server.get(place("editing/needs", "versions", 2)).json
    assert version["dependencies"] == needs


def test_what_is_written_is_never_markup(server: ServerProcess, visitor: Come) -> None:
    body = {
        "template": [
            {"role": "system", "content": SLY, "name": SLY},
            {"role": "user", "content": "{{ x }}" + SLY},
        ],
        "variables": {"x": {"description": SLY, "default": SLY}},
        "model": {"name": SLY, "provider": SLY, "parameters": {"stop": [SLY], "seed": SLY}},
        "tools": [{"name": "f", "description": SLY, "parameters": {"description": SLY}}],
        "response_format": {"type": "json_schema", "schema": {"description": SLY}},
        "config": {"x": SLY},
    }
    answer = server.post("/versions", {"name": "editing/sly", "content": body, "message": SLY})
    assert answer.status == 201
    page = visitor("Wanda").go("/prompts/editing/sly:edit")
    page.locator("[data-sample=x]").fill(SLY)
    expect(page.locator("#preview")).to_contain_text(SLY)
    page.get_by_label("Text of message 1").fill(SLY + "!")
    page.get_by_role("button", name="Review and publish…").click()
    page.get_by_label("What changed, and why").fill(SLY)
    page.get_by_role("button", name="Publish version 2").click()
    page.wait_for_url("**/editing/sly:2")
    expect(page.get_by_text(SLY).first).to_be_visible()
    assert page.title().startswith("editing/sly:2")
    assert not page.locator("img").count()
    first, second = content(server, "editing/sly"), content(server, "editing/sly", 2)
    assert second["template"][0] == {"role": "system", "content": SLY + "!", "name": SLY}
    assert {**second, "template": 0} == {**first, "template": 0}


def test_json_is_written_by_those_who_like_it(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Wanda").go("/new")
    page.locator("[name=name]").fill("editing/json")
    page.get_by_role("button", name="Edit as JSON").click()
    page.get_by_label("Content as JSON").fill('{"template": "a {{ b')
    expect(page.locator("[data-fault=json]")).to_contain_text("is not JSON at line 1")
    page.get_by_label("Content as JSON").fill('{"template": "a {{ b }}", "confg": {}}')
    page.get_by_role("button", name="Review and publish…").click()
    expect(page.get_by_role("alert")).to_contain_text("is not a known field")
    page.get_by_label("Content as JSON").fill('{"template": "a {{ b }}", "config": {"c": 1}}')
    page.get_by_role("button", name="Edit in a form").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("a {{ b }}")
    publish(page, 1, "By JSON")
    assert content(server, "editing/json") == {"template": "a {{ b }}", "config": {"c": 1}}


def test_viewers_may_not_write_and_no_alias_moves(server: ServerProcess, visitor: Come) -> None:
    server.publish("editing/closed", "one")
    server.move("editing/closed", "production", 1, reason="to begin with")
    page = visitor("Vic").go("/prompts/editing/closed:edit")
    expect(page.get_by_role("alert")).to_contain_text("may not publish versions")
    for name, status in (("Vic", 403), ("Rui", 303)):
        (cookie,) = (
            one for one in visitor(name).context.cookies() if one.get("name") == "pointsman_session"
        )
        fields = {"json": '{"template": "two"}', "newest": 1, "message": "sly", "deed": "publish"}
        body = urlencode({**fields, "aliases": "production", "alias": "production"})
        headers = {
            "Cookie": f"pointsman_session={cookie.get('value')}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
        }
        with server.connect() as connection:
            path = "/projects/default/prompts/editing/closed:edit"
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read()
        assert answer.status == status
    assert server.get("/resolve/editing%2Fclosed@production").json["version"] == 1


def test_what_was_removed_can_not_be_begun_with(server: ServerProcess, visitor: Come) -> None:
    server.publish("editing/gone", "a secret")
    server.publish("editing/gone", "no secret")
    gone = server.put(place("editing/gone", "versions", 1) + "/tombstone", {"reason": "a secret"})
    assert gone.status == 200, gone
    wanda = visitor("Wanda")
    for deed in ("edit?from=1", "try?version=1"):
        page = wanda.go(f"/prompts/editing/gone:{deed}")
        expect(page.get_by_role("alert")).to_contain_text("was removed")
