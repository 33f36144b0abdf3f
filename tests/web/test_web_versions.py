"""A version's page, comparing, tags, removal and archiving, as people meet them."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from serving import ServerProcess, place
from web.browsing import Visitor

Come = Callable[..., Visitor]
SLY = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


def write(server: ServerProcess, name: str, content: object, **more: object) -> None:
    """Publish a version of any content."""
    answer = server.post("/versions", {"name": name, "content": content, **more})
    assert answer.status in (200, 201), answer


def test_a_version_tells_what_it_is(server: ServerProcess, visitor: Come) -> None:
    server.publish("pages/tone", "Be kind.")
    server.move("pages/tone", "production", 1, reason="to begin with")
    content = {
        "template": "{{> pages/tone@production }} Dear {{ who }}, {{ what }}",
        "variables": {
            "who": {"schema": "string", "description": "Whom it is for"},
            "what": {"default": "hello"},
        },
        "model": {"provider": "openai", "name": "gpt-5-mini", "parameters": {"temperature": 0.2}},
        "tools": [{"name": "look_up", "description": "Looks it up"}],
    }
    write(server, "pages/whole", content, message="All of it", tags={"ticket": "T-1"})
    page = visitor("Vic").go("/prompts/pages/whole:1")
    row = page.get_by_role("row", name="who")
    expect(row).to_contain_text("string")
    expect(row).to_contain_text("Whom it is for")
    expect(page.get_by_role("row", name="what anything")).to_contain_text("hello")
    expect(page.locator(".tag-variable").first).to_have_text("{{ who }}")
    expect(page.get_by_text("gpt-5-mini")).to_be_visible()
    expect(page.get_by_text("look_up")).to_be_visible()
    expect(page.get_by_text("ticket")).to_be_visible()
    assert not page.get_by_role("button", name="Set the tag").count()  # a viewer
    page.get_by_role("link", name="pages/tone@production").click()
    page.wait_for_url("**/prompts/pages/tone")
    page = visitor("Vic").go("/prompts/pages/tone:1")
    expect(page.get_by_role("link", name="pages/whole").first).to_be_visible()


def test_code_is_copied_with_the_address_of_this_server(
    server: ServerProcess, visitor: Come
) -> None:
    server.publish("pages/code", "Hello {{ who }} of {{ the-place }}")
    server.move("pages/code", "production", 1, reason="to begin with")
    vic = visitor("Vic")
    vic.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = vic.go("/prompts/pages/code:1")
    page.get_by_role("button", name="Copy the code for Python").click()
    code = page.evaluate("navigator.clipboard.readText()")
    assert f'Client("{server.url}")' in code
    assert 'client.get("pages/code@production")' in code
    assert 'prompt.render(who="…", **{"the-place": "…"})' in code
    page.get_by_text("curl", exact=True).click()
    page.get_by_role("button", name="Copy the code for curl").click()
    code = page.evaluate("navigator.clipboard.readText()")
    path = code.split("'")[1].removeprefix(server.url)
    assert server.get(f"/{path}").json["version"] == 1


def test_tags_are_set_changed_and_removed(server: ServerProcess, visitor: Come) -> None:
    server.publish("pages/tags")
    page = visitor("Wanda").go("/prompts/pages/tags:1")
    for value in ("Ana", SLY):
        page.get_by_label("Tag", exact=True).fill("seen.by")
        page.get_by_label("Value").fill(value)
        page.get_by_role("button", name="Set the tag").click()
        expect(page.get_by_role("status").first).to_contain_text("The tag seen.by is set.")
        version = server.get(place("pages/tags", "versions", 1)).json
        assert version["tags"] == {"seen.by": value}
    expect(page.get_by_text(SLY)).to_be_visible()
    page.get_by_role("button", name="Remove the tag seen.by").click()
    expect(page.get_by_role("status").first).to_contain_text("is gone")
    assert server.get(place("pages/tags", "versions", 1)).json["tags"] == {}
    page.get_by_label("Tag", exact=True).fill("a\u200bb")
    page.get_by_label("Value").fill("kept")
    page.get_by_role("button", name="Set the tag").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.get_by_label("Value").input_value() == "kept"


def test_content_is_removed_by_an_admin_with_a_reason(server: ServerProcess, visitor: Come) -> None:
    server.publish("pages/secret", "the secret is 42")
    server.publish("pages/secret", "there is no secret")
    assert not visitor("Wanda").go("/prompts/pages/secret:1").get_by_text("Remove the").count()
    page = visitor("Ada").go("/prompts/pages/secret:1")
    page.get_by_role("link", name="Remove the content…").click()
    expect(page.get_by_text("The number 1, the digest")).to_be_visible()
    page.get_by_label("Why").fill("It had a secret in it")
    page.get_by_role("button", name="Remove the content of version 1").click()
    expect(page.get_by_text("It had a secret in it")).to_be_visible()
    assert "the secret is 42" not in page.content()
    assert server.get(place("pages/secret", "versions", 1)).json["tombstone"]


def test_versions_are_compared_side_by_side_and_inline(
    server: ServerProcess, visitor: Come
) -> None:
    server.publish("pages/compared", "one\ntwo words here\nthree")
    content = {
        "template": "one\ntwo letters here\nthree\nfour",
        "model": {"name": "m", "parameters": {"temperature": 0.5}},
    }
    write(server, "pages/compared", content)
    server.publish("pages/compared", "third")
    server.move("pages/compared", "production", 1, reason="to begin with")
    page = visitor("Vic").go("/prompts/pages/compared:2")
    page.get_by_role("link", name="Production against this").click()
    expect(page.locator(".swap")).to_contain_text("production")
    expect(page.locator("table.sides del")).to_have_text("words")
    expect(page.locator("table.sides ins")).to_have_text("letters")
    expect(page.locator("table.settings")).to_contain_text("/model")
    page.get_by_role("link", name="One under the other").click()
    assert not page.locator("table.sides").count()
    expect(page.locator("table.diff ins")).to_have_text("letters")
    page.get_by_role("link", name="After that: 2 → 3").click()
    expect(page.locator(".swap")).to_contain_text("Version 3")
    page.get_by_label("After").fill("seven")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("alert")).to_contain_text("'seven' is neither")
    assert page.get_by_label("Before").input_value() == "2"


def test_an_artifact_is_archived_and_restored(server: ServerProcess, visitor: Come) -> None:
    server.publish("pages/old")
    page = visitor("Wanda").go("/prompts/pages/old")
    page.get_by_role("link", name="Archive…").click()
    expect(page.get_by_text("You can't do this")).to_be_visible()
    page = visitor("Rui").go("/prompts/pages/old:archive")
    page.get_by_role("button", name="Archive pages/old").click()
    expect(page.get_by_role("status").first).to_contain_text("pages/old is archived.")
    page.get_by_role("link", name="Restore…").click()
    page.get_by_role("button", name="Restore pages/old").click()
    expect(page.get_by_role("status").first).to_contain_text("back in the lists")
    assert server.get(place("pages/old")).json["archived_at"] is None


def test_datasets_suites_and_models_can_be_read(server: ServerProcess, visitor: Come) -> None:
    rows = [{"input": {"q": f"question {n}"}, "expected": SLY} for n in range(60)]
    write(server, "pages/rows", {"rows": rows}, kind="dataset")
    suite = {
        "for": ["pages/*"],
        "dataset": "pages/rows:1",
        "scorers": [{"name": "right", "by": "exact"}],
        "hold": [{"metric": "right", "at_least": 0.8}],
    }
    write(server, "pages/suite", suite, kind="suite")
    model = {"uri": "s3://models/churn", "flavour": "sklearn", "metrics": {"auc": 0.91}}
    write(server, "pages/churn", model, kind="model")
    vic = visitor("Vic")
    page = vic.go("/datasets/pages/rows:1")
    expect(page.get_by_text("The first 50 of 60 rows.")).to_be_visible()
    expect(page.get_by_text("question 49")).to_be_visible()
    expect(page.get_by_text(SLY).first).to_be_visible()
    page = vic.go("/suites/pages/suite:1")
    expect(page.get_by_role("row", name="right")).to_contain_text("exact")
    page = vic.go("/models/pages/churn:1")
    expect(page.get_by_text("s3://models/churn")).to_be_visible()
    expect(page.get_by_text("0.91")).to_be_visible()


def test_what_is_no_version_is_told(server: ServerProcess, visitor: Come) -> None:
    server.publish("pages/none")
    page = visitor("Vic").go("/prompts/pages/none:nothing")
    expect(page.get_by_role("alert")).to_contain_text("There is no such page.")
