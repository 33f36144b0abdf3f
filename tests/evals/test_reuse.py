"""What was made once is used again, and nothing else is: over random calls, and random chains."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.endpoint import Endpoint, Raw, Request, Said, limited, spelt
from evals.test_runner import Bench
from pointsman.compose import Registry
from pointsman.core.evaluation import CaseResult
from pointsman.core.providers import Call
from pointsman.core.vocabulary import Dependency
from pointsman.evals.memory import Memory
from pointsman.evals.models import Models, Provider
from pointsman.evals.outputs import Calls

# Equal keys, equal makings


@dataclass(frozen=True)
class Made:
    """All that makes an output."""

    call: Call
    providers: tuple[Provider, ...]
    trial: int


_ALIKE: st.SearchStrategy[Any] = st.sampled_from(
    [0, 0.0, False, "0", None, 1, 1.0, True, "1", "", [], {}, [[]], [None]]
)
_VALUES = st.recursive(
    _ALIKE | st.floats(allow_nan=False, allow_infinity=False, width=16) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abé"), inner, max_size=2)
    ),
    max_leaves=4,
)
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system"])},
        optional={"content": st.text(max_size=3) | _VALUES, "name": st.sampled_from(["a", "b"])},
    ),
    max_size=2,
)
_MODELS = st.fixed_dictionaries(
    {"name": st.sampled_from(["m", "n"])},
    optional={
        "provider": st.sampled_from(["one", "two", "None"]),
        "parameters": st.dictionaries(
            st.sampled_from(["temperature", "seed"]), _VALUES, max_size=2
        ),
        "fallbacks": st.lists(st.fixed_dictionaries({"name": st.just("m")}), max_size=1),
    },
)
_TOOLS = st.lists(
    st.fixed_dictionaries({"type": st.just("function"), "function": _VALUES}), max_size=2
)
_CALLS = st.builds(
    Call,
    messages=_MESSAGES,
    model=_MODELS,
    tools=_TOOLS,
    response_format=st.none() | st.fixed_dictionaries({"type": _VALUES}),
)
_PROVIDER = st.builds(
    Provider,
    name=st.sampled_from(["one", "two", "None"]),
    api=st.sampled_from(["openai", "anthropic"]),
    base_url=st.sampled_from([None, "http://a", "http://b"]),
    key=st.sampled_from(["k", "other"]),
)
_MADE = st.builds(
    Made,
    call=_CALLS,
    providers=st.lists(_PROVIDER, max_size=2, unique_by=lambda one: one.name).map(tuple),
    trial=st.integers(0, 2),
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Made, Made]:
    """Two makings that mostly differ in one thing, or in nothing."""
    first, other = draw(_MADE), draw(_MADE)
    where = draw(
        st.sampled_from(
            ["messages", "model", "tools", "response_format", "trial", "to", "no", "all"]
        )
    )
    if where == "all":
        return first, other
    if where == "no":
        return first, Made(_shuffled(first.call), first.providers, first.trial)
    if where == "trial":
        return first, replace(first, trial=other.trial)
    if where == "to":
        return first, replace(first, providers=other.providers)
    changed = replace(first.call, **{where: getattr(other.call, where)})
    return first, replace(first, call=changed)


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    with closing(Registry.open(tmp_path_factory.mktemp("reuse"))) as registry:
        yield Memory(registry._app, registry._caller, 1)


@settings(max_examples=300)
@given(pair=pairs())
def test_keys_are_equal_if_and_only_if_all_that_makes_an_output_is(
    memory: Memory, pair: tuple[Made, Made]
) -> None:
    first, second = (_key(one, memory) for one in pair)
    assert (first == second) == (_all(pair[0]) == _all(pair[1]))


def _key(made: Made, memory: Memory) -> str:
    providers = {one.name: one for one in made.providers}
    return Calls(Models(providers), providers, memory)._key(made.call, made.trial)


def _all(made: Made) -> object:
    """All that makes an output, so that == tells whether it is the same."""
    call = made.call
    named = [one for one in made.providers if one.name == call.model.get("provider")]
    to = [(one.name, one.api, one.base_url) for one in named or made.providers]
    parts = [call.messages, call.model, call.tools, call.response_format]
    return [_typed(one) for one in parts], to, made.trial


def _typed(value: Any) -> object:
    """JSON by its value: 1 is 1.0 but neither true nor "1"; an object's order says nothing."""
    if isinstance(value, Mapping):
        return frozenset((key, _typed(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(_typed(item) for item in value)
    return ("number", float(value)) if type(value) in (int, float) else (type(value), value)


def _shuffled(value: Any) -> Any:
    """The same, its objects written in another order and its numbers in another type."""
    if isinstance(value, Call):
        parts = (value.messages, value.model, value.tools, value.response_format)
        return Call(*(_shuffled(one) for one in parts))
    if isinstance(value, Mapping):
        return {key: _shuffled(value[key]) for key in reversed(list(value))}
    if isinstance(value, list):
        return [_shuffled(item) for item in value]
    return float(value) if type(value) is int else value


# What a fallback says


@pytest.mark.parametrize(
    "fallback", [{"provider": "other", "name": "m"}, {"name": "m", "parameters": {"seed": 2}}]
)
def test_what_a_fallback_of_the_same_name_said_is_not_kept_as_the_models(
    tmp_path: Path, fallback: dict[str, Any]
) -> None:
    def down(request: Request) -> Any:
        return "stood in" if request.body.get("seed") else limited("0")

    with Endpoint(down) as endpoint, Endpoint("stood in") as other:
        bench = Bench(tmp_path / "data", endpoint)
        with closing(bench.registry):
            bench.registry.set_provider("other", api="openai", base_url=other.base_url, key="k")
            model = {"provider": "local", "name": "m", "fallbacks": [fallback]}
            bench.rows([{"input": {"message": "x"}}])
            bench.publish("keep", {"template": "Keep: {{ message }}", "model": model})
            bench.suite("keep", scorers=[], hold=[{"metric": "tokens", "at_most": 1e9}])
            assert _outputs(bench, bench.run("keep:1").number) == ["stood in"]
            endpoint.behaviour = "the model's own"
            again = bench.run("keep:1", again=True)
            assert _outputs(bench, again.number) == ["the model's own"]


def _outputs(bench: Bench, number: int) -> list[str]:
    found: tuple[CaseResult, ...] = bench.cases(number)
    return [one.candidate.output for one in found]


# Random chains


@dataclass(frozen=True)
class Step:
    """A prompt of a chain: its own words, what it includes, what it takes, and its model."""

    word: str
    snippet: int | None
    takes: tuple[int, ...]
    model: str

    @property
    def template(self) -> str:
        included = "" if self.snippet is None else f"{{{{> s{self.snippet}@production }}}} "
        taken = "".join(f" {{{{ p{one} }}}}" for one in self.takes)
        return f"{self.word} {included}{{{{ message }}}}{taken}"


@dataclass(frozen=True)
class Change:
    """A version that is published: of a prompt, or of a snippet; live or only evaluated."""

    place: int
    step: Step | None
    snippet: str
    is_live: bool


_SIZE = 5
_SNIPPETS = 2
_WORDS = st.sampled_from("uvw")
ROWS = ["x", "y"]


def _steps(place: int) -> st.SearchStrategy[Step]:
    takes = st.sets(st.sampled_from(range(place)), max_size=2) if place else st.just(set[int]())
    return st.builds(
        Step,
        word=_WORDS,
        snippet=st.none() | st.integers(0, _SNIPPETS - 1),
        takes=takes.map(lambda some: tuple(sorted(some))),
        model=st.sampled_from(["m", "n"]),
    )


@st.composite
def changes(draw: st.DrawFn) -> Change:
    if draw(st.booleans()):
        return Change(draw(st.integers(0, _SNIPPETS - 1)), None, draw(_WORDS), True)
    place = draw(st.integers(0, _SIZE - 1))
    is_live = place < _SIZE - 1 or draw(st.booleans())
    return Change(place, draw(_steps(place)), "", is_live)


def answer(text: str) -> str:
    """One of few, so that what changed upstream now and then comes to the same."""
    return "abc"[hashlib.sha256(text.encode()).digest()[0] % 3]


class Chain:
    """The chain in a registry, and beside it as it is written down here."""

    def __init__(self, bench: Bench, steps: list[Step]) -> None:
        self.bench = bench
        self.live = dict(enumerate(steps))
        self.snippets = dict.fromkeys(range(_SNIPPETS), "u")
        self.made: set[tuple[str, str]] = set()
        bench.rows([{"input": {"message": one}} for one in ROWS])
        for place in self.snippets:
            bench.publish(f"s{place}", "u")
        for place, step in self.live.items():
            self.publish(place, step, is_live=True)
        root = f"p{_SIZE - 1}"
        bench.suite(root, scorers=[], hold=[{"metric": "tokens", "at_most": 1e9}])

    def publish(self, place: int, step: Step, *, is_live: bool) -> int:
        takes = [Dependency("consumes", f"p{one}@production", f"p{one}") for one in step.takes]
        content: Any = {
            "template": step.template,
            "model": {"provider": "local", "name": step.model},
        }
        done = self.bench.registry.publish(f"p{place}", content, dependencies=takes)
        if is_live:
            self.bench.live(f"p{place}", done.version.number)
            self.live[place] = step
        return done.version.number

    def change(self, change: Change) -> tuple[str, Step]:
        """Make a change; the selector of what is evaluated then, and what that is."""
        root = _SIZE - 1
        number = None
        if change.step is None:
            self.bench.publish(f"s{change.place}", change.snippet)
            self.snippets[change.place] = change.snippet
        else:
            number = self.publish(change.place, change.step, is_live=change.is_live)
        if number is not None and change.place == root and change.step is not None:
            return f"p{root}:{number}", change.step
        return f"p{root}@production", self.live[root]

    def run(self, selector: str, step: Step) -> None:
        """Evaluate it, and hold the calls that were made against those that had to be."""
        before = len(self.bench.endpoint.requests)
        done = self.bench.run(selector, again=True)
        assert done.state == "passed", done.summary
        asked = [(one.body["model"], one.text) for one in self.bench.endpoint.requests[before:]]
        wanted: set[tuple[str, str]] = set()
        for row in ROWS:
            for side in (step, self.live[_SIZE - 1]):
                self._output(side, row, wanted)
        assert sorted(asked) == sorted(wanted - self.made)
        self.made |= wanted

    def _output(self, step: Step, row: str, calls: set[tuple[str, str]]) -> str:
        """What a step says, and on the way every call that is made for it."""
        included = "" if step.snippet is None else f"{self.snippets[step.snippet]} "
        taken = "".join(f" {self._output(self.live[one], row, calls)}" for one in step.takes)
        text = f"{step.word} {included}{row}{taken}"
        calls.add((step.model, text))
        return answer(text)


@settings(max_examples=12)
@given(
    steps=st.tuples(*(_steps(place) for place in range(_SIZE))),
    changed=st.lists(changes(), min_size=2, max_size=4),
)
def test_after_a_change_exactly_those_calls_are_made_that_never_were(
    tmp_path_factory: pytest.TempPathFactory, steps: tuple[Step, ...], changed: list[Change]
) -> None:
    with Endpoint(lambda request: answer(request.text)) as endpoint:
        bench = Bench(tmp_path_factory.mktemp("chain"), endpoint)
        with closing(bench.registry):
            chain = Chain(bench, list(steps))
            chain.run(f"p{_SIZE - 1}@production", chain.live[_SIZE - 1])
            for change in changed:
                chain.run(*chain.change(change))


# Calls that nobody waits for any more


def test_calls_that_are_given_up_leave_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def late(request: Request) -> Raw:
        return Raw(spelt(request, Said("x")), delay=0.3 if len(endpoint.requests) > 5 else 0.0)

    with Endpoint(late) as endpoint:
        bench = Bench(tmp_path / "data", endpoint)
        with closing(bench.registry):
            bench.rows()
            bench.publish("keep", "Keep: {{ message }}")
            bench.suite("keep", scorers=[], hold=[{"metric": "tokens", "at_most": 1e9}])
            done = bench.run("keep:1", budget_calls=12)
            assert "12" in done.summary
    gc.collect()
    assert "never retrieved" not in caplog.text
