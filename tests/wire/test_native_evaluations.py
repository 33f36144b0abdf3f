"""Evaluations over HTTP, run by the worker of a real server, with a real endpoint as the model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from evals.endpoint import Endpoint
from evals.refunds import MODEL, ROWS, SHORT, answer, make_project
from pointsman import AsyncClient, Client
from pointsman.core.evaluation import Evaluation, Requirement
from pointsman.errors import Conflict, InvalidInput, NotFound, Refused
from serving import Api, Listener, ServerProcess

Wait = Callable[[Callable[[], object]], None]
_ENDED = ("passed", "failed", "inconclusive", "cancelled")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(answer) as started:
        yield started


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> Iterator[ServerProcess]:
    """A server with the project, and a worker in its process."""
    settings = {"pointsman.wire.native.watch.HEARTBEAT": 0.1}
    with ServerProcess(data=tmp_path_factory.mktemp("evals"), settings=settings) as server:
        with client_of(server) as client:
            make_project(client, endpoint.base_url)
        yield server


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with client_of(api) as made:
        yield made


def client_of(api: Api, key: str = "") -> Client:
    return Client(api.url, key or api.own_key, snapshot=False, follow=False)


def ask(api: Api, selector: str, **more: Any) -> list[dict[str, Any]]:
    answered = api.post("/evaluations", {"selector": selector, **more})
    assert answered.status == 200, answered
    found: list[dict[str, Any]] = answered.json["evaluations"]
    return found


def ended(api: Api, number: int, wait: Wait) -> dict[str, Any]:
    """An evaluation once it has ended."""
    wait(lambda: api.get(f"/evaluations/{number}").json["state"] in _ENDED)
    found: dict[str, Any] = api.get(f"/evaluations/{number}").json
    return found


def test_from_a_plan_to_the_rows_that_decided(api: Api, eventually: Wait) -> None:
    query: dict[str, object] = {"selector": "summarise:2", "affected": "true"}
    planned = api.get("/evaluations/plan", query=query).json["requirements"]
    assert [(one["name"], one["suite"], one["state"], one["distance"]) for one in planned] == [
        ("summarise", "suite:short:1", None, 0),
        ("classify", "suite:labels:1", None, 1),
    ]
    with Listener(api) as watching:
        short, labels = ask(api, "summarise:2", affected=True)
        assert {short["state"], labels["state"]} <= {"queued", "running"}
        assert (labels["name"], labels["version"], labels["against"]) == ("classify", 1, 1)
        assert labels["seal"] == planned[1]["seal"]
        event = watching.next()
        while event is not None and event.data.get("evaluation") != labels["number"]:
            event = watching.next()
    assert event is not None
    assert (event.data["type"], event.data["outcome"]) == ("evaluation.finished", "failed")

    assert ended(api, short["number"], eventually)["state"] == "passed"
    failed = ended(api, labels["number"], eventually)
    report = failed["report"]
    assert (failed["state"], report["outcome"], report["rows"]) == ("failed", "failed", ROWS)
    assert [one["outcome"] for one in report["held"]] == ["failed", "failed"]
    assert [(one["candidate"], one["baseline"]) for one in report["held"]] == [(0.5, 1.0)] * 2
    (metric,) = [one for one in report["metrics"] if one["name"] == "correct"]
    assert metric["slices"]["wants=refund"][0]["mean"] == 0
    page = api.get(f"/evaluations/{labels['number']}/cases", query={"limit": 5}).json
    assert [(one["row"], one["change"]) for one in page["items"]] == [
        (row, -1.0) for row in (1, 3, 5, 7, 9)
    ]
    worst = page["items"][0]
    assert (worst["candidate"]["output"], worst["baseline"]["output"]) == ("other", "refund")
    query = {"limit": 5, "cursor": page["cursor"]}
    more = api.get(f"/evaluations/{labels['number']}/cases", query=query).json
    assert [one["row"] for one in more["items"]] == [11, 13, 15, 17, 19]
    query = {"worst_first": "false", "limit": 3}
    first = api.get(f"/evaluations/{labels['number']}/cases", query=query).json
    assert [one["row"] for one in first["items"]] == [0, 1, 2]
    listed = api.get("/evaluations", query={"name": "classify"}).json["items"]
    assert [one["number"] for one in listed] == [labels["number"]]
    assert listed[0]["report"] is None, "a list is no place for reports"


def test_two_people_who_ask_for_the_same_get_the_same(
    api: Api, eventually: Wait, endpoint: Endpoint
) -> None:
    _, other = api.make_key("editor")
    (mine,) = ask(api, "summarise:3")
    body = {"selector": "summarise:3"}
    for _ in range(2):
        theirs = api.post("/evaluations", body, key=other).json["evaluations"]
        assert [one["number"] for one in theirs] == [mine["number"]]
        ended(api, mine["number"], eventually)
    calls = len(endpoint.requests)
    (again,) = ask(api, "summarise:3", again=True)
    assert again["number"] > mine["number"]
    report = ended(api, again["number"], eventually)["report"]
    assert (report["outputs_made"], report["outputs_reused"]) == (0, 2 * ROWS)
    assert len(endpoint.requests) == calls
    (fresh,) = ask(api, "summarise:3", fresh=True)
    assert fresh["fresh"]
    report = ended(api, fresh["number"], eventually)["report"]
    assert (report["outputs_made"], report["outputs_reused"]) == (2 * ROWS, 0)
    assert len(endpoint.requests) == calls + 2 * ROWS


def test_what_a_request_can_say(api: Api, client: Client, eventually: Wait) -> None:
    client.promote("summarise:3", "staging", reason="to compare with")
    staged = client.plan_evaluation("summarise:2", alias="staging", suites=["short:1"])
    numbered = client.plan_evaluation("summarise:2", against=3, suites=["short@production"])
    assert [one.suite for one in (*staged, *numbered)] == ["suite:short:1"] * 2
    assert client.plan_evaluation("summarise:2", alias="staging")[0].suite == ""
    (one,) = client.evaluate("summarise:2", against=3, budget_calls=1, fresh=True)
    assert (one.against, one.alias) == (3, "production")
    done = ended(api, one.number, eventually)
    assert done["state"] == "inconclusive", "the budget is not enough"
    assert "cap on calls" in done["summary"]


def test_rows_in_slices_without_anything_to_compare_with(client: Client, eventually: Wait) -> None:
    client.publish("alone", {"template": "Summarise: {{ message }}", "model": MODEL})
    client.publish("of-alone", {**SHORT, "for": ["alone"]}, kind="suite")
    (asked,) = client.evaluate("alone:1", suites=["of-alone:1"])
    eventually(lambda: client.evaluation(asked.number).state == "passed")
    report = client.evaluation(asked.number).report
    assert report is not None
    (tokens,) = [one for one in report.metrics if one.name == "tokens"]
    now, before = tokens.slices["wants=other"]
    assert (now.rows, before) == (ROWS // 2, None)


def test_a_running_evaluation_is_cancelled(api: Api, eventually: Wait) -> None:
    (asked,) = ask(api, "summarise:4")
    path = f"/evaluations/{asked['number']}"
    eventually(lambda: api.get(path).json["state"] == "running")
    assert api.get(path).json["worker"]
    _, viewer = api.make_key("viewer")
    assert api.post(f"{path}/cancel", {}, key=viewer).code == "role_too_low"
    cancelled = api.post(f"{path}/cancel", {})
    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled"), cancelled
    late = api.post(f"{path}/cancel", {})
    assert (late.status, late.code) == (409, "evaluation_ended")
    assert api.get(path).json["report"] is None
    (another,) = ask(api, "summarise:4")
    assert another["number"] > asked["number"], "what was cancelled has no result"
    assert api.post(f"/evaluations/{another['number']}/cancel").status == 200


def test_who_sees_a_part_sees_no_evaluation_of_the_rest(api: Api, client: Client) -> None:
    (asked,) = client.evaluate("summarise:3")
    path = f"/evaluations/{asked.number}"
    _, narrow = api.make_key("editor", artifacts="classify*")
    for suffix in ("", "/cases"):
        refused = api.get(path + suffix, key=narrow)
        assert (refused.status, refused.code) == (403, "scope_too_narrow"), refused
    assert api.post(f"{path}/cancel", {}, key=narrow).status == 403
    assert api.post("/evaluations", {"selector": "summarise:3"}, key=narrow).status == 403
    query = {"selector": "summarise:3"}
    assert api.get("/evaluations/plan", query=query, key=narrow).status == 403
    seen = api.get("/evaluations", key=narrow).json["items"]
    assert not [one for one in seen if one["name"] == "summarise"]
    _, viewer = api.make_key("viewer")
    with client_of(api, viewer) as reader:
        assert reader.evaluation(asked.number).number == asked.number
        with pytest.raises(Refused):
            reader.evaluate("summarise:3")


def test_another_project_knows_nothing_of_it(api: Api, client: Client) -> None:
    (asked,) = client.evaluate("summarise:3")
    api.post("/projects", {"name": "elsewhere"})
    there = {"Pointsman-Project": "elsewhere"}
    path = f"/evaluations/{asked.number}"
    for answered in (
        api.get(path, headers=there),
        api.get(f"{path}/cases", headers=there),
        api.post(f"{path}/cancel", {}, headers=there),
    ):
        assert (answered.status, answered.code) == (404, "evaluation_not_found"), answered
    assert api.get("/evaluations", headers=there).json["items"] == []
    elsewhere = api.post("/evaluations", {"selector": "summarise:3"}, headers=there)
    assert (elsewhere.status, elsewhere.code) == (404, "artifact_not_found")


def test_a_change_asks_for_what_its_policy_wants(
    api: Api, client: Client, eventually: Wait
) -> None:
    client.promote("summarise:1", "gated", reason="start")
    terse = {**SHORT, "hold": [{"metric": "tokens", "at_most": 100}]}
    client.publish("terse", terse, kind="suite")
    gate = {"name": "gate", "aliases": "gated", "evaluate": "affected"}
    client.set_policy({**gate, "suites": ["terse:1"]})
    change = client.propose("Well", [{"name": "summarise", "alias": "gated", "version": 3}])
    asked = client.evaluate_change(change.number)
    assert [(one.name, one.version, one.change) for one in asked] == [
        ("summarise", 3, change.number)
    ]
    eventually(lambda: client.change(change.number).state == "ready")
    again = client.evaluate_change(change.number)
    assert [one.number for one in again] == [one.number for one in asked]
    (move,) = client.change(change.number).moves
    assert [(one.state, one.evaluation) for one in move.evaluations] == [
        ("passed", asked[0].number)
    ]
    client.withdraw(change.number)
    with pytest.raises(Conflict) as caught:
        client.evaluate_change(change.number)
    assert caught.value.code == "change_ended"
    assert api.post("/changes/999999/evaluations", {}).code == "change_not_found"


def test_a_repeated_request_is_carried_out_once(api: Api, eventually: Wait) -> None:
    body = {"selector": "summarise:3", "again": True}
    key = {"Idempotency-Key": "evaluate once"}
    one = api.post("/evaluations", body, headers=key).json["evaluations"]
    ended(api, one[0]["number"], eventually)
    assert api.post("/evaluations", body, headers=key).json["evaluations"] == one


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 400, "missing_field", "selector"),
        ({"selector": 1}, 400, "invalid_field", "selector"),
        ({"selector": "a@b@c"}, 400, "invalid_selector", "selector"),
        ({"selector": "suite:short"}, 400, "not_evaluated", "selector"),
        ({"selector": "dataset:tickets"}, 400, "not_evaluated", "selector"),
        ({"selector": "no/such"}, 404, "artifact_not_found", "name"),
        ({"selector": "summarise:99"}, 404, "version_not_found", None),
        ({"selector": "summarise@nowhere"}, 404, "alias_not_found", None),
        ({"selector": "summarise", "alias": "latest"}, 400, "reserved_alias", "alias"),
        ({"selector": "summarise", "alias": ""}, 400, "empty", "alias"),
        ({"selector": "summarise", "against": 0}, 400, "version_out_of_range", "against"),
        ({"selector": "summarise", "against": 99}, 404, "version_not_found", "against"),
        ({"selector": "summarise", "against": "production"}, 400, "invalid_field", "against"),
        ({"selector": "summarise", "suites": "short"}, 400, "invalid_field", "suites"),
        ({"selector": "summarise", "suites": ["a@b@c"]}, 400, "invalid_selector", "selector"),
        ({"selector": "summarise", "suites": ["short", "s"]}, 404, "artifact_not_found", "name"),
        ({"selector": "summarise", "suites": [f"s{n}" for n in range(101)]}, 413, "too_large",
         "suites"),
        ({"selector": "summarise", "budget_calls": 0}, 400, "invalid_budget", "budget_calls"),
        ({"selector": "summarise", "budget_money": -1}, 400, "invalid_budget", "budget_money"),
        ({"selector": "summarise", "budget_calls": 1.5}, 400, "invalid_field", "budget_calls"),
        ({"selector": "summarise", "affected": 1}, 400, "invalid_field", "affected"),
        ({"selector": "summarise", "colour": 1}, 400, "unknown_field", "colour"),
        (b"[]", 400, "invalid_field", ""),
        (b'{"selector": "a", "selector": "b"}', 400, "duplicate_key", None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_nothing_is_asked_for(
    api: Api, body: Any, status: int, code: str, field: str | None
) -> None:
    head = api.head()
    answered = api.post("/evaluations", body)
    assert (answered.status, answered.code) == (status, code), answered
    assert field is None or answered.json["field"] == field, answered
    assert answered.json["hint"]
    assert api.head() == head


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/evaluations/0", 400, "invalid_number"),
        ("/evaluations/plans", 400, "invalid_number"),
        (f"/evaluations/{2**53}", 404, "evaluation_not_found"),
        ("/evaluations/1/cases", 404, "evaluation_not_found"),
        ("/evaluations/plan", 400, "missing_field"),
        ("/evaluations/plan?selector=summarise&affected=perhaps", 400, "invalid_field"),
        ("/evaluations/plan?selector=summarise&against=-1", 400, "invalid_field"),
        ("/evaluations?limit=0", 400, "invalid_field"),
        ("/evaluations?name=no/such", 404, "artifact_not_found"),
        ("/evaluations?cursor=nonsense", 400, "invalid_cursor"),
        ("/evaluations?kind=song&name=a", 400, "unknown_kind"),
        ("/evaluations?kind=null", 400, "unknown_kind"),
    ],
)
def test_wrong_questions_are_refused(api: Api, path: str, status: int, code: str) -> None:
    answered = api.get(path)
    assert (answered.status, answered.code) == (status, code), answered


def test_the_clients_speak_the_same_words(api: Api, client: Client, eventually: Wait) -> None:
    for version in (2, 3):  # so that there is more than one page
        (asked,) = client.evaluate(f"summarise:{version}", suites=["short:1"])
        ended(api, asked.number, eventually)
    (asked,) = client.evaluate("summarise:3", suites=["short:1"])
    (planned,) = client.plan_evaluation("summarise:3")
    assert isinstance(planned, Requirement)
    assert planned.evaluation == asked.number
    with pytest.raises(InvalidInput) as caught:
        client.evaluate("suite:short")
    assert caught.value.code == "not_evaluated"
    page = client.evaluations("summarise", limit=1)
    assert page.cursor is not None
    assert client.evaluations("summarise", limit=1, cursor=page.cursor).items != page.items

    async def speak() -> Evaluation:
        async with AsyncClient(api.url, api.own_key, snapshot=False, follow=False) as other:
            assert await other.plan_evaluation("summarise:3") == (planned,)
            assert await other.evaluate("summarise:3", suites=["short:1"]) == (asked,)
            cases = await other.evaluation_cases(asked.number, worst_first=False, limit=2)
            assert [one.row for one in cases.items] == [0, 1]
            with pytest.raises(NotFound):
                await other.cancel_evaluation(999_999)
            return await other.evaluation(asked.number)

    assert asyncio.run(speak()) == client.evaluation(asked.number)


def test_the_record_of_evaluations_is_sound(api: Api, client: Client, eventually: Wait) -> None:
    (asked,) = client.evaluate("summarise:3", suites=["short:1"])
    ended(api, asked.number, eventually)
    assert client.doctor().findings == ()


def test_what_the_last_results_say_of_what_is_live(client: Client) -> None:
    (one,) = client.standing("summarise")
    assert (one.name, one.alias, one.suite) == ("summarise", "production", "suite:short:1")
    assert one.stale == ()
    assert client.standing("summarise@production") == (one,)
    with pytest.raises(NotFound):
        client.standing("summarise@nowhere")


def test_the_progress_is_told_as_it_happens_until_the_end(api: Api, client: Client) -> None:
    (asked,) = client.evaluate("summarise:3", fresh=True)
    request = Request(
        f"{api.url}/api/v1/evaluations/{asked.number}/events",
        headers={"Authorization": f"Bearer {api.own_key}"},
    )
    with urlopen(request, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [one for one in answer.read().decode().split("\n\n") if one.startswith("event")]
    kinds = [one.partition("\n")[0] for one in events]
    assert kinds[-1] == "event: ended"
    assert set(kinds[:-1]) <= {"event: progress"}
    last = json.loads(events[-1].partition("data: ")[2])
    assert (last["number"], last["state"]) == (asked.number, "passed")
    assert "report" not in last
    assert api.get("/evaluations/999999/events").status == 404
    assert api.get("/evaluations/x/events").status == 400
