"""The eval gate from end to end, over HTTP: what a new summariser breaks two prompts further on
is found, refused with the rows that prove it, mended and moved, and all of it is on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cli.commands import Cli
from evals.endpoint import Answer, Endpoint, Request
from evals.refunds import MODEL, ROWS, answer, make_project
from pointsman import Client
from pointsman.core.changes import Change
from pointsman.core.vocabulary import Dependency
from pointsman.errors import Refused
from serving import ServerProcess

Wait = Callable[[Callable[[], object]], None]
ENDED = ("passed", "failed", "inconclusive", "cancelled")
LIVE = "summarise@production"
WANT_REFUNDS = tuple(range(1, ROWS, 2))
REPLIES = {
    "for": ["reply"],
    "dataset": "tickets:1",
    "output": {"by": "chain"},
    "scorers": [{"name": "helpful", "by": "contains"}],
    "hold": [{"metric": "helpful", "not_worse_by": 0.05}],
}
GATE = {"name": "gate", "aliases": "production", "evaluate": "affected", "reason": 5}


def model(request: Request) -> Answer:
    """What the model says: a reply says what it is about, and the rest is as in `refunds`."""
    task, _, label = request.text.partition(": ")
    return f"About {label}: we look after it." if task.startswith("Reply") else answer(request)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(model) as started:
        yield started


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> Iterator[ServerProcess]:
    """A server with three prompts in a chain, suites for them, and a policy that asks for them."""
    with ServerProcess(data=tmp_path_factory.mktemp("story")) as server:
        with client_of(server) as client:
            make_project(client, endpoint.base_url)
            takes = [
                Dependency("consumes", "classify@production", "label"),
                Dependency("consumes", LIVE, "summary"),
            ]
            reply = {"template": "Reply to “{{ summary }}”: {{ label }}", "model": MODEL}
            client.publish("reply", reply, dependencies=takes)
            client.publish("replies", REPLIES, kind="suite")
            for selector in ("reply:1", "suite:replies:1"):
                client.promote(selector, "production", reason="to begin with")
            client.set_policy(GATE, reason="what customers read")
        yield server


@pytest.fixture
def client(api: ServerProcess) -> Iterator[Client]:
    with client_of(api) as made:
        yield made


def client_of(api: ServerProcess) -> Client:
    return Client(api.url, api.own_key, snapshot=False, follow=False)


def propose(client: Client, version: int, **more: Any) -> Change:
    """Propose a summariser."""
    move = {"name": "summarise", "alias": "production", "version": version}
    return client.propose(f"Version {version}", [move], reason="shorter is cheaper", **more)


def states(change: Change) -> list[str | None]:
    return [one.state for move in change.moves for one in move.evaluations]


def test_what_breaks_a_prompt_downstream_is_refused_until_it_is_mended(
    api: ServerProcess, client: Client, eventually: Wait
) -> None:
    owner = client.invite("cleo@example.com", name="cleo", role="editor")
    client.accept_invitation(owner.token, "cleo likes long phrases", name="cleo")
    client.set_owner("classify", "cleo@example.com")
    began = client.evidence(LIVE).at

    with pytest.raises(Refused) as direct:
        client.promote("summarise:2", "production", reason="shorter is cheaper")
    assert {one.code for one in direct.value.reasons} == {"evaluation_missing"}
    assert len(direct.value.reasons) == 3

    proposed = propose(client, 2)
    eventually(lambda: all(one in ENDED for one in states(client.change(proposed.number))))
    change = client.change(proposed.number)
    wanted = {one.name: one for one in change.moves[0].evaluations}
    assert {name: (one.state, one.distance) for name, one in wanted.items()} == {
        "summarise": ("passed", 0),
        "classify": ("failed", 1),
        "reply": ("failed", 1),
    }
    with pytest.raises(Refused) as caught:
        client.apply(change.number)
    reasons = caught.value.reasons
    assert {one.code for one in reasons} == {"evaluation_not_passed"}
    assert sorted(one.message.partition(",")[0] for one in reasons) == ["classify:1", "reply:1"]
    assert all(f"{ROWS // 2} rows of {ROWS} got worse" in one.message for one in reasons)
    proofs = [
        proof_of(client, wanted["classify"].evaluation, "refund", "other"),
        proof_of(client, wanted["reply"].evaluation, "About refund", "About other"),
    ]
    assert [one.outcome for one in proofs] == ["failed", "failed"]
    assert client.resolve(LIVE).version == 1
    client.withdraw(change.number)

    mended = propose(client, 3, when_ready=True)
    eventually(lambda: client.change(mended.number).state == "applied")
    assert client.resolve(LIVE).version == 3

    now, then = client.evidence(LIVE), client.evidence(LIVE, at=began)
    assert (then.versions[0].number, then.evaluations) == (1, ())
    assert now.change == mended.number
    assert {(one["version"], one["suite"], one["state"]) for one in now.evaluations} == {
        ("summarise:3", "suite:short:1", "passed"),
        ("classify:1", "suite:labels:1", "passed"),
        ("reply:1", "suite:replies:1", "passed"),
    }
    told = Cli(POINTSMAN_URL=api.url, POINTSMAN_API_KEY=api.own_key)(
        "at", "now", LIVE, "--evidence"
    ).out
    for one in now.evaluations:
        assert f"{one['version']}: passed by {one['suite']}, evaluation {one['evaluation']}" in told

    undone = client.rollback(LIVE, reason="a rollback waits for no evaluation")
    stale = {
        one.data["name"]: one.data
        for one in client.entries(undone.number).items
        if one.type == "evidence.stale"
    }
    assert set(stale) == {"classify", "reply"}, "what they were evaluated with is not live now"
    assert stale["classify"]["because"] == ["prompt:summarise@production"]
    assert stale["classify"]["release"] == undone.number
    assert (stale["classify"]["owners"], stale["reply"]["owners"]) == (["cleo@example.com"], [])
    assert client.doctor().healthy


def proof_of(client: Client, number: int | None, before: str, now: str) -> Any:
    """What failed in an evaluation; the rows that it names prove it: they want a refund."""
    assert number is not None
    report = client.evaluation(number).report
    assert report is not None
    held = report.held[-1]
    assert held.rows == WANT_REFUNDS
    cases = client.evaluation_cases(number, limit=ROWS).items
    assert tuple(case.row for case in cases if case.change) == WANT_REFUNDS
    for case in cases[: len(WANT_REFUNDS)]:
        assert case.baseline is not None
        assert case.baseline.output.startswith(before), case
        assert case.candidate.output.startswith(now), case
        assert case.expected == "refund"
    return held
