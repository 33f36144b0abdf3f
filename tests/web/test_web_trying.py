"""Trying a draft or a version against a provider of models, beside production's version."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from evals.endpoint import Endpoint, Request, Said, refused
from serving import ServerProcess
from web.browsing import Visitor

Come = Callable[..., Visitor]
KEY = "sk-a-key-that-never-shows"
SLY = "<script>document.title=2</script>"


def said(request: Request) -> Said:
    """The question in capitals, with figures that can be recognised."""
    return Said(request.text.upper() + SLY, tokens=(len(request.text), 7))


@pytest.fixture(scope="module")
def models(server: ServerProcess) -> Iterator[Endpoint]:
    with Endpoint(said) as endpoint:
        prices = {"small": {"input": "2", "output": "4"}}
        body = {"api": "openai", "base_url": endpoint.base_url, "key": KEY, "prices": prices}
        assert server.put("/providers/local", body).status == 200
        yield endpoint


def publish(server: ServerProcess, name: str, *templates: str) -> None:
    """Publish versions that ask the model; the first one is live."""
    for template in templates:
        body = {"template": template, "model": {"provider": "local", "name": "small"}}
        answer = server.post("/versions", {"name": name, "content": body})
        assert answer.status == 201, answer
    server.move(name, "production", 1, reason="to begin with")


def test_a_draft_is_tried_beside_production(
    server: ServerProcess, visitor: Come, models: Endpoint
) -> None:
    publish(server, "trying/draft", "old {{ q }}")
    before = len(models.requests)
    page = visitor("Wanda").go("/prompts/trying/draft:edit")
    page.get_by_label("Text", exact=True).fill("new {{ q }} {{ more }}")
    page.locator("[data-sample=q]").fill("question")
    page.get_by_role("button", name="Try it…").click()
    expect(page.locator("[data-sample=q]")).to_have_value("question")
    page.locator("[data-sample=more]").fill("and more")
    page.get_by_role("button", name="Ask the models").click()
    mine, live = page.locator(".results section").nth(0), page.locator(".results section").nth(1)
    expect(mine).to_contain_text("NEW QUESTION AND MORE" + SLY)
    expect(mine).to_contain_text("21")
    expect(mine).to_contain_text("0.000070")
    expect(live).to_contain_text("production")
    expect(live).to_contain_text("OLD QUESTION" + SLY)
    asked = models.requests[before:]
    assert sorted(request.text for request in asked) == ["new question and more", "old question"]
    assert {request.headers["authorization"] for request in asked} == {f"Bearer {KEY}"}
    assert KEY not in page.content()
    page.get_by_role("button", name="Back to writing").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("new {{ q }} {{ more }}")


def test_a_version_is_tried(server: ServerProcess, visitor: Come, models: Endpoint) -> None:
    publish(server, "trying/version", "one", "two {{ x }}")
    page = visitor("Rui").go("/prompts/trying/version:2")
    page.get_by_role("link", name="Try it").click()
    page.get_by_role("button", name="Ask the models").click()
    expect(page.get_by_role("alert")).to_contain_text("The variable x is missing")
    page.locator("[data-sample=x]").fill("values")
    page.get_by_role("button", name="Ask the models").click()
    expect(page.locator(".results")).to_contain_text("TWO VALUES")
    expect(page.locator(".results")).to_contain_text("ONE")


def test_what_a_provider_refuses_is_told_without_its_key(
    server: ServerProcess, visitor: Come, models: Endpoint
) -> None:
    publish(server, "trying/refused", "one", "two")
    models.behaviour = lambda request: refused(401, f"Incorrect API key: {KEY}")
    try:
        page = visitor("Wanda").go("/prompts/trying/refused:try?version=2")
        page.get_by_role("button", name="Ask the models").click()
        expect(page.get_by_role("alert").first).to_contain_text("local/small")
        assert KEY not in page.content()
    finally:
        models.behaviour = said


def test_viewers_spend_nothing(server: ServerProcess, visitor: Come, models: Endpoint) -> None:
    publish(server, "trying/closed", "one", "two")
    before = len(models.requests)
    vic = visitor("Vic")
    assert not vic.go("/prompts/trying/closed:2").get_by_role("link", name="Try it").count()
    page = vic.go("/prompts/trying/closed:try?version=2")
    expect(page.get_by_role("alert")).to_contain_text("may not publish versions")
    answer = page.request.post(
        f"{server.url}/projects/default/prompts/trying/closed:try",
        form={"version": "2", "deed": "run"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status == 403
    draft = {"json": '{"template": "x", "model": {"provider": "local", "name": "small"}}'}
    for path in ("/prompts/trying/closed:edit", "/new"):
        answer = page.request.post(
            f"{server.url}/projects/default{path}",
            form={**draft, "name": "trying/new", "newest": "2", "deed": "run"},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        assert answer.status == 403, path
    assert len(models.requests) == before


def test_a_new_prompt_is_tried_before_it_exists(
    server: ServerProcess, visitor: Come, models: Endpoint
) -> None:
    page = visitor("Wanda").go("/new")
    page.locator("[name=name]").fill("trying/new")
    page.get_by_label("Text", exact=True).fill("hello")
    page.get_by_text("Model", exact=True).first.click()
    page.get_by_label("Provider").first.fill("local")
    page.get_by_label("Model", exact=True).fill("small")
    page.get_by_role("button", name="Try it…").click()
    page.get_by_role("button", name="Ask the model", exact=True).click()
    expect(page.locator(".results")).to_contain_text("HELLO")
    page.get_by_role("button", name="Back to writing").click()
    expect(page.locator("[name=name]")).to_have_value("trying/new")
