"""Evaluations: the list, the report with the rows that decided, progress, cancelling, files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from evals.endpoint import Endpoint
from evals.refunds import answer, make_project
from pointsman import Client
from serving import ServerProcess
from web.browsing import Visitor

Come = Callable[..., Visitor]
Wait = Callable[..., None]
_ENDED = ("passed", "failed", "inconclusive")


@pytest.fixture(scope="module")
def made(server: ServerProcess) -> Iterator[ServerProcess]:
    """The server of the file with a project to evaluate, and an endpoint that plays the model."""
    with Endpoint(answer) as endpoint:
        with Client(server.url, server.own_key, snapshot=False, follow=False) as client:
            make_project(client, endpoint.base_url)
        yield server


def ask(server: ServerProcess, selector: str, **more: object) -> list[int]:
    """Ask for evaluations; their numbers."""
    answered = server.post("/evaluations", {"selector": selector, **more})
    assert answered.status == 200, answered
    return [one["number"] for one in answered.json["evaluations"]]


@pytest.fixture(scope="module")
def numbers(made: ServerProcess) -> tuple[int, int]:
    """An evaluation that passes, and one that fails downstream."""
    short, labels = ask(made, "summarise:2", affected=True)
    return short, labels


def finished(server: ServerProcess, number: int, wait: Wait) -> None:
    wait(lambda: server.get(f"/evaluations/{number}").json["state"] in _ENDED)


def test_the_list_tells_what_came_out(
    made: ServerProcess, numbers: tuple[int, int], visitor: Come, eventually: Wait
) -> None:
    for number in numbers:
        finished(made, number, eventually)
    page = visitor("Vic").go("/evaluations")
    passed = page.locator("tbody tr").filter(has_text="summarise:2")
    expect(passed).to_contain_text("Passed")
    expect(passed).to_contain_text("against version 1, by short:1")
    page.get_by_label("Of").fill("classify")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("Failed")
    page.get_by_role("link", name="classify:1").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("classify:1")


def test_the_report_shows_scores_beside_what_they_were_and_the_rows_that_decided(
    made: ServerProcess, numbers: tuple[int, int], visitor: Come, eventually: Wait
) -> None:
    finished(made, numbers[1], eventually)
    page = visitor("Vic").go(f"/evaluations/{numbers[1]}")
    criteria = page.locator(".criteria > li")
    expect(criteria).to_have_count(2)
    expect(criteria.first).to_contain_text("failed")
    metric = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="correct"))
    cells = ["1", "0.5", "−0.5 worse", "1 was 1"]
    expect(metric.first.get_by_role("cell")).to_have_text(cells)
    page.get_by_text("correct by slice").click()
    expect(page.get_by_role("row").filter(has_text="wants=refund")).to_contain_text("−1 worse")
    row = page.locator("details.case").first
    expect(row.locator("summary")).to_contain_text("worse by 1")
    expect(row.locator("del")).to_have_text("refund")
    expect(row.locator("ins")).to_have_text("other")
    expect(row).to_contain_text("I want a refund now")
    expect(row).to_contain_text("correct 0 (was 1)")
    page.get_by_role("link", name="More rows").click()
    assert page.locator("details.case").count() == 4
    page.get_by_role("link", name="The first rows").click()
    assert page.locator("details.case").count() == 20


def test_the_report_is_a_file_too(
    made: ServerProcess,
    numbers: tuple[int, int],
    visitor: Come,
    eventually: Wait,
    tmp_path: Path,
) -> None:
    finished(made, numbers[1], eventually)
    page = visitor("Vic").go(f"/evaluations/{numbers[1]}")
    with page.expect_download() as file:
        page.get_by_role("link", name="Report as a file").click()
    assert file.value.suggested_filename == f"evaluation-{numbers[1]}.html"
    file.value.save_as(tmp_path / "report.html")
    assert "classify:1" in (tmp_path / "report.html").read_text("utf-8")


def test_who_may_cancels_what_runs_and_others_watch(
    made: ServerProcess, visitor: Come, eventually: Wait
) -> None:
    (number,) = ask(made, "summarise:4")
    eventually(lambda: made.get(f"/evaluations/{number}").json["state"] == "running")
    watching = visitor("Vic").go(f"/evaluations/{number}")
    progress = watching.get_by_role("status", name="Progress")
    expect(progress).to_contain_text("outputs and scores are there")
    expect(progress.get_by_role("progressbar")).to_be_visible()
    assert watching.get_by_role("button", name=f"Cancel evaluation {number}").count() == 0
    page = visitor("Wanda").go(f"/evaluations/{number}")
    page.get_by_role("button", name=f"Cancel evaluation {number}").click()
    expect(page.get_by_role("status").first).to_contain_text(f"Evaluation {number} is cancelled.")
    assert made.get(f"/evaluations/{number}").json["state"] == "cancelled"
    expect(watching.locator(".lead")).to_contain_text("Cancelled")
    expect(watching.locator(".lead")).to_contain_text("Wanda cancelled it.")


def test_what_has_ended_meanwhile_is_not_cancelled(
    made: ServerProcess, numbers: tuple[int, int], visitor: Come, eventually: Wait
) -> None:
    finished(made, numbers[0], eventually)
    wanda = visitor("Wanda")
    answer_ = wanda.context.request.post(
        f"{made.url}/projects/default/evaluations/{numbers[0]}",
        form={},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer_.status == 409
    assert "has ended" in answer_.text()


def test_what_is_not_there_is_not_found(made: ServerProcess, visitor: Come) -> None:
    page = visitor("Vic").go("/evaluations/999999")
    expect(page.get_by_role("alert")).to_contain_text("There is no evaluation")
