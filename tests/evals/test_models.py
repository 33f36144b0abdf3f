"""Calls to models: what is sent, what is made of what comes back, and what is tried again."""

from __future__ import annotations

import asyncio
import gzip
import logging
import random
import socket
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from evals import endpoint as says
from evals.asking import DOLLAR, KEY, QUICK, Time, ask, failure, prompt, provider, using
from evals.endpoint import Answer as Told
from evals.endpoint import Behaviour, Endpoint, Raw, Request, Said, in_turn, vector
from pointsman.core.providers import Call, anthropic_call
from pointsman.errors import InvalidInput
from pointsman.evals.models import Budget, ModelFailure, Models, Patience, Price, Provider


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as running:
        yield running


@pytest.fixture(params=["openai", "anthropic"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# -- what is sent and what comes back


def test_what_the_prompt_holds_reaches_the_provider_unchanged(endpoint: Endpoint) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "name": "ada", "content": [{"type": "text", "text": "Hi", "x": None}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "3", "extra_content": {"a": 1}},
    ]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    form = {"type": "json_schema", "json_schema": {"name": "r", "schema": {"type": "object"}}}
    parameters = {
        "max_tokens": 5,
        "temperature": 0,
        "stop": None,
        "reasoning_effort": "auto",
        "logit_bias": {"50256": -100},
        "a_new_one": {"deep": [None, 1]},
    }
    given = {**parameters, "stream": True, "extra_body": {"top_k": 3}}
    call = Call(messages, {"provider": "local", "name": "m1", "parameters": given}, tools, form)
    ask(call, provider(endpoint))
    (sent,) = endpoint.bodies
    assert sent == {
        "model": "m1",
        "messages": messages,
        "tools": tools,
        "response_format": form,
        "top_k": 3,
        **parameters,
    }
    assert endpoint.requests[0].path == "/v1/chat/completions"
    assert endpoint.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_openai_gets_parts_in_its_own_form(endpoint: Endpoint) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    content = [{"type": "image", "source": source}]
    ask(replace(prompt(), messages=[{"role": "user", "content": content}]), provider(endpoint))
    (message,) = endpoint.bodies[0]["messages"]
    assert message["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    ]


def test_anthropic_gets_what_the_project_converts(endpoint: Endpoint) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    form = {"type": "json_schema", "json_schema": {"name": "r", "schema": {"type": "object"}}}
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    parameters = {
        "stop": "END",
        "temperature": 0.5,
        "extra_body": {"top_k": 3},
        "extra_headers": {"anthropic-version": "2023-06-01", "x-note": "7"},
    }
    call = Call(
        messages, {"provider": "local", "name": "m1", "parameters": parameters}, tools, form
    )
    ask(call, provider(endpoint, "anthropic"))
    expected = anthropic_call(call)
    del expected["extra_headers"], expected["extra_body"]
    assert endpoint.bodies == [{**expected, "top_k": 3}]
    assert endpoint.requests[0].path == "/v1/messages"
    assert endpoint.requests[0].headers["x-api-key"] == KEY
    assert endpoint.requests[0].headers["x-note"] == "7"


def test_an_answer_tells_text_tokens_and_cost(endpoint: Endpoint, api: str) -> None:
    endpoint.behaviour = Said("Guten Morgen", tokens=(1_000, 20))
    told = ask(prompt(), provider(endpoint, api, prices={"m1": Price(2_500_000, 10_000_000)}))
    assert (told.text, told.finish, told.tool_calls) == ("Guten Morgen", "stop", ())
    assert (told.tokens_in, told.tokens_out, told.attempts) == (1_000, 20, 1)
    assert told.cost == 0.0027
    assert (told.provider, told.model) == ("local", "m1")
    assert told.seconds > 0


def test_without_a_price_no_cost_is_told(endpoint: Endpoint, api: str) -> None:
    assert ask(prompt(), provider(endpoint, api)).cost is None


def test_tool_calls_are_told_in_one_form(endpoint: Endpoint, api: str) -> None:
    endpoint.behaviour = Said(None, tools=(("add", {"a": 1}), ("stop", {})))
    told = ask(prompt(), provider(endpoint, api))
    assert (told.text, told.finish) == ("", "tool_calls")
    assert [call["type"] for call in told.tool_calls] == ["function", "function"]
    assert [call["function"] for call in told.tool_calls] == [
        {"name": "add", "arguments": '{"a": 1}'},
        {"name": "stop", "arguments": "{}"},
    ]


@pytest.mark.parametrize(
    ("api", "said", "finish"),
    [
        ("openai", "length", "length"),
        ("openai", "content_filter", "content_filter"),
        ("anthropic", "max_tokens", "length"),
        ("anthropic", "refusal", "content_filter"),
    ],
)
def test_an_answer_may_be_cut_short_by_the_model(
    endpoint: Endpoint, api: str, said: str, finish: str
) -> None:
    endpoint.behaviour = Said(None, finish=said)
    told = ask(prompt(), provider(endpoint, api))
    assert (told.text, told.finish) == ("", finish)


def test_connections_are_used_again(endpoint: Endpoint, api: str) -> None:
    async def five(models: Models) -> None:
        for _ in range(5):
            await models.ask(prompt())

    using(five, provider(endpoint, api))
    assert (len(endpoint.requests), endpoint.connections) == (5, 1)


def test_the_keys_of_this_process_are_not_used(
    endpoint: Endpoint, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("OPENAI_API_KEY", "OPENAI_COMPATIBLE_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
    for name in (*names, "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, "sk-of-the-process")
    ask(prompt(), provider(endpoint, api, key=""))
    assert "sk-of-the-process" not in str(dict(endpoint.requests[0].headers))


# -- what is tried again


NONSENSE: dict[str, Told] = {
    "a page of HTML": says.html(),
    "an empty body": says.empty(),
    "half a body": says.half(),
    "half an answer": says.truncated(),
    "a list": Raw(b"[1]"),
    "no choices": {"id": "1", "choices": [], "content": None},
    "the wrong types": {"id": 1, "choices": "none", "content": 3, "usage": []},
    "an error within": {"error": {"message": "Upstream is gone"}},
    "nested too deeply": Raw(b'{"a":' + b"[" * 100_000),
}
PASSING: dict[str, Told] = {
    **{str(status): says.broken(status) for status in (408, 409, 500, 502, 503, 504, 529)},
    "429": says.limited(),
    "hung up": says.hung_up(),
    **NONSENSE,
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_may_pass_is_tried_again(endpoint: Endpoint, api: str, fault: str) -> None:
    endpoint.behaviour = in_turn(PASSING[fault], PASSING[fault], "At last")
    told = ask(prompt(), provider(endpoint, api))
    assert (told.text, told.attempts, len(endpoint.requests)) == ("At last", 3, 3)


@pytest.mark.parametrize("fault", NONSENSE)
def test_nonsense_is_told_as_a_bad_answer(endpoint: Endpoint, api: str, fault: str) -> None:
    endpoint.behaviour = NONSENSE[fault]
    told = failure(prompt(), provider(endpoint, api))
    assert (told.kind, told.transient, told.attempts) == ("bad_answer", True, 3)
    assert "It was tried 3 times." in str(told)
    assert len(endpoint.requests) == 3  # nobody in between tries again


def test_an_answer_with_nothing_in_it_is_a_bad_one(endpoint: Endpoint) -> None:
    endpoint.behaviour = Said(None)
    told = failure(prompt(), provider(endpoint))
    assert (told.kind, told.transient) == ("bad_answer", True)
    assert "neither text nor tool calls" in told.message


def test_a_models_own_refusal_is_an_answer(endpoint: Endpoint) -> None:
    said = {"role": "assistant", "content": None, "refusal": "I can't help with that."}
    endpoint.behaviour = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": said}],
    }
    told = ask(prompt(), provider(endpoint, prices={"m1": DOLLAR}))
    assert (told.text, told.cost) == ("I can't help with that.", None)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_is_refused_is_not_tried_again(endpoint: Endpoint, api: str, status: int) -> None:
    endpoint.behaviour = says.refused(status, "There is no such model.")
    told = failure(prompt(), provider(endpoint, api))
    assert (told.kind, told.transient, told.attempts) == ("refused", False, 1)
    assert f"It answers {status}: There is no such model." in str(told)
    assert told.hint
    assert len(endpoint.requests) == 1


def test_credit_that_is_used_up_is_not_waited_for(endpoint: Endpoint) -> None:
    endpoint.behaviour = Raw(
        b'{"error": {"message": "You are over your quota.", "code": "insufficient_quota"}}', 429
    )
    told = failure(prompt(), provider(endpoint))
    assert (told.kind, told.transient, len(endpoint.requests)) == ("rate_limited", False, 1)


@pytest.mark.parametrize("silence", [says.never(), says.endless()], ids=["never", "endless"])
def test_the_timeout_ends_what_takes_too_long(endpoint: Endpoint, api: str, silence: Raw) -> None:
    endpoint.behaviour = silence
    told = failure(prompt(), provider(endpoint, api, timeout=0.2))
    assert (told.kind, told.transient, told.attempts) == ("timeout", True, 3)
    assert "longer than 0.2 seconds" in told.message


def test_an_answer_without_bounds_is_cut_off(endpoint: Endpoint, api: str) -> None:
    # So long that only who stops reading comes to an end.
    endpoint.behaviour = Raw(b'{"a": "' + b"x" * (10 * 1024 * 1024), length=10**12)
    told = failure(prompt(), provider(endpoint, api))
    assert (told.kind, len(endpoint.requests)) == ("bad_answer", 1)
    assert "longer than 10 MB" in told.message


def test_a_packed_answer_is_cut_off_by_what_it_unpacks_to(endpoint: Endpoint, api: str) -> None:
    packed = {"content-encoding": "gzip"}
    endpoint.behaviour = Raw(gzip.compress(b"{" + b" " * 20_000_000), headers=packed)
    assert "longer than 10 MB" in failure(prompt(), provider(endpoint, api)).message


def test_a_packed_answer_is_read(endpoint: Endpoint, api: str) -> None:
    def answer(request: Request) -> Raw:
        body = says.spelt(request, Said("Good morning"))
        return Raw(gzip.compress(body), headers={"content-encoding": "gzip"})

    endpoint.behaviour = answer
    assert ask(prompt(), provider(endpoint, api)).text == "Good morning"


def test_a_provider_that_is_gone_is_unavailable(api: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        told = failure(prompt(), Provider("local", api, url, KEY))
    assert (told.kind, told.transient, told.attempts) == ("unavailable", True, 3)
    assert "can't be reached" in told.message


def test_a_redirect_is_not_followed(endpoint: Endpoint, api: str) -> None:
    with Endpoint() as elsewhere:
        endpoint.behaviour = Raw(b"", 307, {"location": f"{elsewhere.url}/v1/messages"})
        told = failure(prompt(), provider(endpoint, api))
        assert elsewhere.requests == []
    assert told.kind == "refused"
    assert "base_url" in told.hint


def test_the_deadline_ends_the_attempts(endpoint: Endpoint) -> None:
    endpoint.behaviour = says.broken()
    patience = Patience(attempts=100, first=10.0, longest=10.0, deadline=40.0)
    time = Time()
    told = failure(
        prompt(),
        provider(endpoint),
        patience=patience,
        clock=time,
        sleep=time.sleep,
        chance=random.Random(7),
    )
    assert 1 < told.attempts < 30
    assert sum(time.slept) < 40


# -- what can't be called


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"provider": "gone", "name": "m1"}, "no provider “gone”"),
        ({"name": "m1"}, "does not say which provider"),
        ({"uses": "model:m@champion"}, "registered model, model:m@champion"),
        ({}, "no model"),
    ],
)
def test_a_prompt_must_say_what_to_call(
    endpoint: Endpoint, model: dict[str, Any], said: str
) -> None:
    two = (provider(endpoint), provider(endpoint, name="other"))
    told = failure(replace(prompt(), model=model), *two)
    assert (told.kind, told.transient) == ("no_provider", False)
    assert said in told.message


def test_the_only_provider_needs_no_name(endpoint: Endpoint) -> None:
    assert ask(replace(prompt(), model={"name": "m1"}), provider(endpoint)).provider == "local"


def test_a_prompt_without_messages_is_refused(endpoint: Endpoint) -> None:
    assert failure(replace(prompt(), messages=[]), provider(endpoint)).kind == "refused"


@pytest.mark.parametrize(
    "parameters",
    [{"extra_headers": {"x": 7}}, {"extra_headers": "x"}, {"extra_headers": {"x": "a\r\nb: c"}}],
    ids=["a number", "no object", "two lines"],
)
def test_parameters_that_make_no_request_are_refused(
    endpoint: Endpoint, api: str, parameters: dict[str, Any]
) -> None:
    told = failure(prompt(parameters=parameters), provider(endpoint, api))
    assert (told.kind, told.transient, endpoint.requests) == ("refused", False, [])


@pytest.mark.parametrize("key", ["sk-1\n", "sk-1…", "sk\x00"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(InvalidInput, match="characters that no key has") as caught:
        Provider("local", "openai", key=key)
    assert key[:4] not in str(caught.value)


def test_what_claude_cannot_be_sent_is_refused(endpoint: Endpoint) -> None:
    part = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
    call = replace(prompt(), messages=[{"role": "user", "content": [part]}])
    told = failure(call, provider(endpoint, "anthropic"))
    assert (told.kind, endpoint.requests) == ("refused", [])
    assert "Claude takes no audio" in told.message


def test_the_package_may_be_missing(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "any_llm", None)  # how Python marks what can't be imported
    told = failure(prompt(), provider(endpoint))
    assert told.kind == "no_package"
    assert "pointsman[llm]" in told.hint


def test_calls_under_way_are_cancelled_by_closing(endpoint: Endpoint, api: str) -> None:
    async def run() -> list[str]:
        endpoint.behaviour = says.never()
        models = Models({"local": provider(endpoint, api, concurrency=1)}, patience=QUICK)
        calls = [asyncio.create_task(models.ask(prompt())) for _ in range(2)]
        while not endpoint.requests:
            await asyncio.sleep(0.001)
        await models.close()
        told = await asyncio.gather(*calls, models.ask(prompt()), return_exceptions=True)
        return [item.kind if isinstance(item, ModelFailure) else repr(item) for item in told]

    assert asyncio.run(run()) == ["cancelled"] * 3
    assert len(endpoint.requests) == 1


# -- secrets


def _echo(request: Request) -> Raw:
    return says.refused(401, f"Incorrect key {KEY}, Bearer {KEY}; {KEY[:20]}… is not known.")


@pytest.mark.parametrize(
    "behaviour",
    [_echo, {"error": {"message": f"What is {KEY}?"}}, Raw(f"{KEY} is no key".encode(), 500)],
    ids=["refused", "within an answer", "plain text"],
)
def test_the_key_is_never_told(
    endpoint: Endpoint,
    api: str,
    behaviour: Behaviour | Told,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.behaviour = behaviour
    told = failure(prompt(), provider(endpoint, api))
    assert any(KEY in value for value in endpoint.requests[0].headers.values())  # it was sent
    shown = "".join(traceback.format_exception(told)) + repr(told) + str(told.details)
    printed = "".join(capfd.readouterr())
    for place in (shown, caplog.text, printed, repr(provider(endpoint, api))):
        assert KEY[:12] not in place
    assert told.__cause__ is None
    assert told.__context__ is None


# -- embeddings


def test_texts_are_embedded_in_their_order(endpoint: Endpoint) -> None:
    texts = [f"text {number}" for number in range(600)]
    budget = Budget(calls=3, money=1)
    given = provider(endpoint, prices={"e1": DOLLAR})
    vectors = using(lambda models: models.embed("local", "e1", texts), given, budget=budget)
    assert vectors == [vector(text) for text in texts]
    assert [len(body["input"]) for body in endpoint.bodies] == [256, 256, 88]
    assert budget.spent == pytest.approx(1_200 / 1_000_000)


@pytest.mark.parametrize(
    "vectors",
    [[[1.0]], [[1.0], [1.0, 2.0]], [[], []], [[1.0], [float("nan")]], [["a"], ["b"]]],
    ids=["too few", "of two lengths", "empty", "no numbers", "text"],
)
def test_vectors_that_do_not_fit_are_a_bad_answer(endpoint: Endpoint, vectors: list[Any]) -> None:
    data = [
        {"object": "embedding", "index": index, "embedding": item}
        for index, item in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    endpoint.behaviour = {"object": "list", "model": "e1", "data": data, "usage": usage}
    with pytest.raises(ModelFailure) as caught:
        using(lambda models: models.embed("local", "e1", ["a", "b"]), provider(endpoint))
    assert caught.value.kind == "bad_answer"


def test_anthropic_has_no_embeddings(endpoint: Endpoint) -> None:
    with pytest.raises(ModelFailure, match="no embeddings") as caught:
        using(lambda models: models.embed("local", "e1", ["a"]), provider(endpoint, "anthropic"))
    assert (caught.value.kind, endpoint.requests) == ("refused", [])
