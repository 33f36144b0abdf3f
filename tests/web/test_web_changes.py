"""Deciding about somebody's change: by three people at three browsers, and each step by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from evals.endpoint import Endpoint
from evals.refunds import answer, make_project
from pointsman import Client
from serving import ServerProcess
from web.browsing import Visitor
from web.deciding import approve, artifact, ask, govern, live, number_of, propose

Come = Callable[..., Visitor]
PATIENCE = 60_000
"""Milliseconds after which what works by itself is taken not to. Never asserted on."""


@pytest.fixture(scope="module", autouse=True)
def policy(server: ServerProcess) -> None:
    """Production of what is below gov/ needs an approval."""
    govern(server, "gov/*")


def test_a_change_from_its_proposal_to_its_rollback(server: ServerProcess, visitor: Come) -> None:
    first = artifact(server, "gov/story", "Greet {{ name }}.")
    wanda, rosa, rui = visitor("Wanda"), visitor("Rosa"), visitor("Rui")
    ask(rosa, "POST", f"/glass/{first}/review", {"note": "all right"})
    ask(wanda, "POST", "/versions", {"name": "gov/story", "content": "Hi {{ name }}"})
    hers = wanda.go("/prompts/gov/story:move?alias=production&version=2")
    hers.get_by_label("Why").fill("Shorter is friendlier")
    hers.get_by_role("button", name="Propose to move production to version 2").click()
    hers.wait_for_url("**/changes/*")
    number = number_of(hers)
    missing = hers.locator("#missing")
    expect(missing).to_contain_text("Production needs one approval.")
    expect(missing).to_contain_text("so it has to come from someone else: Ada, Rosa or Rui")
    reviewers, movers = rosa.go(f"/changes/{number}"), rui.go(f"/changes/{number}")

    reviewers.get_by_label("Note").fill("Not a word about the shop")
    reviewers.get_by_role("button", name="Object", exact=True).click()
    expect(reviewers.locator("#missing")).to_contain_text("You object")
    for page in (hers, movers):
        expect(page.locator("#missing")).to_contain_text("Rosa objects to moving gov/story")
        expect(page.locator("#missing")).to_contain_text("Not a word about the shop")

    ask(wanda, "POST", "/versions", {"name": "gov/story", "content": "Hi {{ name }}, the shop"})
    hers.get_by_role("link", name="Edit", exact=True).click()
    hers.get_by_label("To", exact=True).fill("3")
    hers.get_by_role("button", name="Show what moves").last.click()
    expect(hers.locator(".swap")).to_contain_text("version 3")
    hers.get_by_role("button", name=f"Save change {number}").click()
    expect(hers.get_by_role("status").first).to_contain_text("written anew")
    for page in (reviewers, movers):
        expect(page.locator(".swap")).to_contain_text("version 3")
    expect(reviewers.locator(".decision")).to_contain_text("Does not count any more")

    reviewers.get_by_role("button", name="Approve").click()
    expect(reviewers.locator("#missing")).to_contain_text("Nothing is missing")
    expect(hers.locator("#missing")).to_contain_text("Nothing is missing")
    assert not hers.get_by_role("button", name="Move production to version 3 now").count()
    movers.get_by_role("button", name="Move production to version 3 now").click()
    expect(movers.get_by_role("status").first).to_contain_text("production of gov/story is at")
    assert live(server, "gov/story") == 3
    for page in (hers, reviewers):
        expect(page.locator(".decision")).to_contain_text("Rui applied it")

    movers.get_by_role("link", name="Roll it back…").click()
    movers.keyboard.type("It greets nobody")
    movers.get_by_role("button", name="Put production back to version 1").click()
    expect(movers.get_by_role("status").first).to_contain_text("is rolled back")
    assert live(server, "gov/story") == 1
    hers.get_by_role("link", name="Release").click()
    expect(hers.locator("main")).to_contain_text("Undone by release")


def test_nobody_approves_their_own_by_the_page(server: ServerProcess, visitor: Come) -> None:
    artifact(server, "gov/own")
    rosa = visitor("Rosa")
    number = propose(rosa, "gov/own")
    page = rosa.go(f"/changes/{number}")
    expect(page.locator(".decision")).to_contain_text("wants somebody else to approve it")
    assert not page.get_by_role("button", name="Approve").count()
    answer = page.evaluate(
        "([to, body]) => fetch(to, {method: 'POST', body: new URLSearchParams(body)})"
        ".then(async (one) => [one.status, await one.text()])",
        [page.url, {"deed": "approve"}],
    )
    assert answer[0] == 403
    assert "wants somebody else to approve it" in answer[1]
    opinions = server.get(f"/changes/{number}").json["opinions"]
    assert opinions == []


def test_an_approval_is_for_what_the_page_had_shown(server: ServerProcess, visitor: Come) -> None:
    artifact(server, "gov/stale", "one", "two", "three")
    wanda, rosa = visitor("Wanda"), visitor("Rosa")
    number = propose(wanda, "gov/stale", 2)
    page = rosa.go(f"/changes/{number}")
    page.get_by_label("Note").fill("typed before it was written anew")
    moves = [{"name": "gov/stale", "alias": "production", "version": 3}]
    body = {"title": "Ship gov/stale", "reason": "Better answers", "moves": moves}
    ask(wanda, "PUT", f"/changes/{number}", body)
    expect(page.locator("#news")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("This is not the change that you looked at")
    expect(alert).to_contain_text("would move to version 3, not version 2")
    assert page.get_by_label("Note").input_value() == "typed before it was written anew"
    assert server.get(f"/changes/{number}").json["opinions"] == []


def test_applying_is_for_what_the_page_had_shown(server: ServerProcess, visitor: Come) -> None:
    artifact(server, "gov/binding", "one", "two", "three")
    wanda, rosa, rui = visitor("Wanda"), visitor("Rosa"), visitor("Rui")
    number = propose(wanda, "gov/binding", 2)
    approve(rosa, number)
    page = rui.go(f"/changes/{number}")
    page.locator("#say textarea").fill("keeps the page as it is")
    moves = [{"name": "gov/binding", "alias": "production", "version": 3}]
    body = {"title": "Ship gov/binding", "reason": "Better answers", "moves": moves}
    ask(wanda, "PUT", f"/changes/{number}", body)
    approve(rosa, number)
    page.get_by_role("button", name="Move production to version 2 now").click()
    expect(page.get_by_role("alert")).to_contain_text("would move to version 3, not version 2")
    assert live(server, "gov/binding") == 1
    page.get_by_role("button", name="Move production to version 3 now").click()
    expect(page.locator(".decision")).to_contain_text("Rui applied it")
    assert live(server, "gov/binding") == 3


def test_a_double_click_applies_once(server: ServerProcess, visitor: Come) -> None:
    artifact(server, "gov/double")
    wanda, rosa, rui = visitor("Wanda"), visitor("Rosa"), visitor("Rui")
    number = propose(wanda, "gov/double")
    approve(rosa, number)
    page = rui.go(f"/changes/{number}")
    page.get_by_role("button", name="Move production to version 2 now").dblclick()
    expect(page.locator(".decision")).to_contain_text("Rui applied it")
    assert not page.get_by_role("alert").count()
    alias = server.get("/artifacts/prompt/gov%2Fdouble/aliases/production").json
    assert alias["revision"] == 2


def test_a_viewer_sees_everything_and_has_no_buttons(server: ServerProcess, visitor: Come) -> None:
    artifact(server, "gov/seen")
    number = propose(visitor("Wanda"), "gov/seen")
    vic = visitor("Vic")
    page = vic.go(f"/changes/{number}")
    expect(page.locator(".swap")).to_contain_text("version 2")
    expect(page.locator("#missing")).to_contain_text("Ask Ada, Rosa or Rui.")
    assert page.locator("main button").all_inner_texts() == []
    assert not page.get_by_role("link", name="Edit", exact=True).count()
    expect(vic.go("/changes").get_by_role("link", name="Ship gov/seen")).to_be_visible()


def test_a_conflict_is_rebased_from_where_it_is_told(server: ServerProcess, visitor: Come) -> None:
    artifact(server, "gov/conflict", "one", "two", "three")
    wanda, rosa = visitor("Wanda"), visitor("Rosa")
    number = propose(wanda, "gov/conflict", 3)
    approve(rosa, number)
    page = wanda.go(f"/changes/{number}")
    body = {"version": 2, "reason": "it was urgent then", "break_glass": True}
    server.put("/artifacts/prompt/gov%2Fconflict/aliases/production", body)
    expect(page.locator("#missing")).to_contain_text("it was urgent then")
    expect(page.locator("h1")).to_contain_text("conflict")
    page.get_by_role("button", name="Rebase: replace what is there now").click()
    expect(page.get_by_role("status").first).to_contain_text("asked for again")
    expect(page.locator(".swap")).to_contain_text("version 2")
    expect(page.locator("#missing")).to_contain_text("Production needs one approval.")
    expect(page.locator(".decision")).to_contain_text("was moved meanwhile")


def test_an_armed_change_goes_when_the_last_approval_comes(
    server: ServerProcess, visitor: Come
) -> None:
    artifact(server, "gov/armed")
    wanda, rosa, rui = visitor("Wanda"), visitor("Rosa"), visitor("Rui")
    number = propose(wanda, "gov/armed")
    page = rui.go(f"/changes/{number}")
    page.get_by_text("Have it applied by itself").click()
    page.get_by_role("button", name="Apply it when nothing is missing").click()
    expect(page.locator("#missing")).to_contain_text("applied by itself as soon as nothing is")
    approve(rosa, number)
    expect(page.locator(".decision")).to_contain_text("applied it")
    assert live(server, "gov/armed") == 2


def test_a_change_is_set_for_a_time_and_taken_in_hand_again(
    server: ServerProcess, visitor: Come
) -> None:
    artifact(server, "gov/timed")
    number = propose(visitor("Wanda"), "gov/timed")
    page = visitor("Rui").go(f"/changes/{number}")
    page.get_by_text("Have it applied by itself").click()
    page.get_by_label("At a time").fill("2001-01-01T10:00")
    page.get_by_role("button", name="Apply it then").click()
    expect(page.get_by_role("alert")).to_contain_text("in the past")
    expect(page.get_by_label("At a time")).to_have_value("2001-01-01T10:00")
    tomorrow = page.evaluate("new Date(Date.now() + 864e5).toLocaleDateString('sv')")
    page.get_by_label("At a time").fill(f"{tomorrow}T10:00")
    page.get_by_role("button", name="Apply it then").click()
    expect(page.locator("#missing")).to_contain_text("tomorrow 10:00, if nothing is missing then")
    page.get_by_role("button", name="Apply it by hand instead").click()
    expect(page.get_by_role("status").first).to_contain_text("by hand again")
    assert server.get(f"/changes/{number}").json["apply_at"] is None


def test_an_objection_needs_a_note_and_is_taken_back(server: ServerProcess, visitor: Come) -> None:
    artifact(server, "gov/taken-back")
    number = propose(visitor("Wanda"), "gov/taken-back")
    page = visitor("Rosa").go(f"/changes/{number}")
    page.get_by_role("button", name="Object", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("An objection needs a note.")
    page.get_by_label("Note").fill("too short")
    page.get_by_role("button", name="Object", exact=True).click()
    expect(page.locator("h1")).to_contain_text("objected")
    page.get_by_role("button", name="Take back").click()
    expect(page.locator("h1")).to_contain_text("waits")


def test_remarks_are_answered(server: ServerProcess, visitor: Come) -> None:
    artifact(server, "gov/thread")
    wanda, rosa = visitor("Wanda"), visitor("Rosa")
    number = propose(wanda, "gov/thread")
    page = rosa.go(f"/changes/{number}")
    page.get_by_label("Comment", exact=True).fill("Why <b>so</b> long?")
    page.get_by_role("button", name="Comment").click()
    expect(page.locator(".comment")).to_contain_text("Why <b>so</b> long?")
    hers = wanda.go(f"/changes/{number}")
    hers.get_by_role("link", name="Answer").click()
    hers.get_by_label("Answer", exact=True).fill("It was longer before.")
    hers.get_by_role("button", name="Answer").click()
    expect(page.locator(".comment .answer")).to_contain_text("It was longer before.")


def test_a_change_is_withdrawn_and_found_among_the_withdrawn(
    server: ServerProcess, visitor: Come
) -> None:
    artifact(server, "gov/withdrawn")
    wanda = visitor("Wanda")
    number = propose(wanda, "gov/withdrawn")
    page = wanda.go(f"/changes/{number}")
    page.get_by_text("Withdraw this change").click()
    page.get_by_label("Why").fill("not wanted any more")
    page.get_by_role("button", name=f"Withdraw change {number}").click()
    expect(page.locator(".decision")).to_contain_text("not wanted any more")
    page = wanda.go("/changes")
    assert not page.get_by_role("link", name="Ship gov/withdrawn").count()
    page.get_by_role("link", name="Withdrawn", exact=True).click()
    expect(page.get_by_role("link", name="Ship gov/withdrawn")).to_be_visible()


def test_changes_come_page_by_page(server: ServerProcess, visitor: Come) -> None:
    artifact(server, "gov/many")
    wanda = visitor("Wanda")
    numbers = [propose(wanda, "gov/many", title=f"Number {index}") for index in range(27)]
    for number in numbers:
        ask(wanda, "POST", f"/changes/{number}/withdraw", {"note": ""})
    page = wanda.go("/changes?state=withdrawn")
    expect(page.get_by_role("link", name="Number 26", exact=True)).to_be_visible()
    assert not page.get_by_role("link", name="Number 0", exact=True).count()
    page.get_by_role("link", name="More", exact=True).click()
    expect(page.get_by_role("link", name="Number 0", exact=True)).to_be_visible()


def test_the_glass_is_broken_for_a_reason_and_reviewed(
    server: ServerProcess, visitor: Come
) -> None:
    artifact(server, "gov/glass")
    number = propose(visitor("Wanda"), "gov/glass")
    ada, rosa = visitor("Ada"), visitor("Rosa")
    assert not rosa.go(f"/changes/{number}").get_by_role("link", name="Break the glass…").count()
    page = ada.go(f"/changes/{number}")
    page.get_by_role("link", name="Break the glass…").click()
    expect(page.locator(".glass")).to_contain_text("gov/glass@production needs 1 approval")
    button = page.get_by_role("button", name="Move production to version 2 past what is missing")
    page.get_by_label("What happened").fill("urgent")
    page.evaluate("document.querySelector('textarea').removeAttribute('minlength')")
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("needs a reason that tells what happened")
    assert live(server, "gov/glass") == 1
    page.get_by_label("What happened").fill("Customers were insulted by version 1")
    button.click()
    expect(page.locator("h1")).to_contain_text("glass broken")
    assert live(server, "gov/glass") == 2
    assert not page.get_by_role("button", name="as reviewed").count()
    inbox = rosa.go("/inbox")
    task = inbox.locator("li", has_text="Customers were insulted")
    task.get_by_role("link", name="Review it").click()
    inbox.get_by_label("What you found").fill("It was right")
    inbox.get_by_role("button", name="as reviewed").click()
    expect(inbox.get_by_role("status").first).to_contain_text("reviewed")
    expect(page.locator("#review")).to_contain_text("by Rosa: It was right")


def test_what_would_be_passed_over_is_what_was_looked_at(
    server: ServerProcess, visitor: Come
) -> None:
    artifact(server, "gov/glass-stale")
    wanda, rosa, ada = visitor("Wanda"), visitor("Rosa"), visitor("Ada")
    number = propose(wanda, "gov/glass-stale")
    page = ada.go(f"/changes/{number}:break")
    page.get_by_label("What happened").fill("Customers were insulted by version 1")
    ask(rosa, "PUT", f"/changes/{number}/opinion", {"said": "objected", "note": "no"})
    page.get_by_role("button", name="past what is missing").click()
    expect(page.get_by_role("alert")).to_contain_text("is not what you looked at")
    expect(page.locator(".glass")).to_contain_text("Rosa objects")
    assert live(server, "gov/glass-stale") == 1


def test_the_inbox_says_what_waits_for_whom(server: ServerProcess, visitor: Come) -> None:
    artifact(server, "gov/inbox")
    wanda, rosa, rui, vic = visitor("Wanda"), visitor("Rosa"), visitor("Rui"), visitor("Vic")
    expect(vic.go("/inbox").locator("main")).to_contain_text("Nothing waits for you")
    hers, theirs, his = wanda.go("/inbox"), rosa.go("/inbox"), rui.go("/inbox")
    number = propose(wanda, "gov/inbox")
    expect(theirs.get_by_role("region", name="Waiting for your approval")).to_contain_text(
        "Ship gov/inbox"
    )
    ask(rosa, "PUT", f"/changes/{number}/opinion", {"said": "objected", "note": "no"})
    stuck = hers.get_by_role("region", name="Yours, and stuck")
    expect(stuck).to_contain_text("Rosa objects to moving gov/inbox@production")
    expect(theirs.get_by_text("Ship gov/inbox")).to_have_count(0)
    approve(rosa, number)
    ready = his.get_by_role("region", name="Ready for you to apply")
    ready.locator("li", has_text="Ship gov/inbox").get_by_role("link", name="Look").click()
    his.get_by_role("button", name="Move production to version 2 now").click()
    expect(his.locator(".decision")).to_contain_text("Rui applied it")


def test_evaluations_are_evidence_with_their_figures(server: ServerProcess, visitor: Come) -> None:
    with Endpoint(answer) as endpoint:
        with Client(server.url, server.own_key, snapshot=False, follow=False) as client:
            make_project(client, endpoint.base_url)
        govern(server, "summarise", evaluate="affected", approvals=0, without_suite="warn")
        number = propose(visitor("Wanda"), "summarise")
        page = visitor("Rui").go(f"/changes/{number}")
        evidence = page.locator(".box", has_text="Evidence")
        passed = evidence.locator(".lines > li", has_text="summarise:2")
        expect(passed).to_contain_text("passed", timeout=PATIENCE)
        failed = evidence.locator(".lines > li", has_text="classify:1")
        expect(failed).to_contain_text("failed", timeout=PATIENCE)
        expect(failed).to_contain_text("1 step downstream")
        expect(failed).to_contain_text("0.5, was 1")
        expect(page.locator("#missing")).to_contain_text("See its figures")
        expect(page.locator("h1")).to_contain_text("failed")
    expect(page.locator("main")).to_contain_text("asks for evaluations of all that it affects")


def test_what_no_suite_can_tell_is_missing(server: ServerProcess, visitor: Come) -> None:
    govern(server, "measured/*", evaluate="self", approvals=0)
    artifact(server, "measured/reply")
    number = propose(visitor("Wanda"), "measured/reply")
    page = visitor("Rui").go(f"/changes/{number}")
    expect(page.locator("#missing")).to_contain_text("No suite can tell whether measured/reply:2")


def test_a_check_is_shown_with_its_figures_and_link(server: ServerProcess, visitor: Come) -> None:
    govern(server, "checked/*", approvals=0, checks=["ci"])
    artifact(server, "checked/reply")
    number = propose(visitor("Wanda"), "checked/reply")
    page = visitor("Rui").go(f"/changes/{number}")
    expect(page.locator("#missing")).to_contain_text("The check 'ci' has not been reported")
    report = {"name": "ci", "state": "failed", "change": number, "summary": "2 of 40 fail"}
    more = {"link": "https://ci.example.org/1", "figures": {"tests": 40}}
    assert server.post("/checks", report | more).status == 201
    evidence = page.locator(".box", has_text="Evidence")
    expect(evidence).to_contain_text("2 of 40 fail")
    expect(evidence).to_contain_text("tests 40")
    expect(evidence.get_by_role("link", name="ci")).to_have_attribute(
        "href", "https://ci.example.org/1"
    )
    expect(page.locator("h1")).to_contain_text("failed")
