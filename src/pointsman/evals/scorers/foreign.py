"""The scorers of the package autoevals, by the names of their classes.

Those that ask a model are given a client that asks ours. Without one they would look for keys
in the environment and ask their vendor's gateway; that never happens here, as they get the
client both when they are made and as the package's default, which reaches the scorers that they
make inside. The model is the one that the scorer names, whatever a class would choose.

``options`` are what a class takes when it is made. One that asks a model is given the others
when it scores, together with the row's inputs by their names, and all of these as ``input``
where there is none of that name. So ``criteria`` or ``context`` may stand in either.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType
from typing import Any, Final, NoReturn

from pointsman.core.canonical import canonical_json
from pointsman.core.providers import Call
from pointsman.core.suites import Scorer
from pointsman.evals.outcome import Score
from pointsman.evals.scorers.cases import Case, UnscorableError
from pointsman.evals.scorers.tools import Each, Tools

HEURISTIC: Final = frozenset(
    {"ExactMatch", "JSONDiff", "Levenshtein", "ListContains", "NumericDiff", "ValidJSON"}
)
BY_EMBEDDING: Final = frozenset({"AnswerSimilarity", "EmbeddingSimilarity"})
BY_BOTH: Final = frozenset({"AnswerCorrectness", "AnswerRelevancy", "ContextEntityRecall"})
BY_MODEL: Final = frozenset(
    {
        "Battle",
        "ClosedQA",
        "ContextPrecision",
        "ContextRecall",
        "ContextRelevancy",
        "Factuality",
        "Faithfulness",
        "Humor",
        "LLMClassifier",
        "Possible",
        "Security",
        "Sql",
        "Summary",
        "Translation",
    }
)
REFUSED: Final = {
    "Moderation": "it asks an API that only its vendor has",
    "schema": "it could make the worker fetch an address; use the scorer json_schema",
}
"""What is not supported, and why."""
_WITHOUT_EXPECTED: Final = frozenset(
    {
        "AnswerRelevancy",
        "ClosedQA",
        "ContextRelevancy",
        "Faithfulness",
        "Humor",
        "LLMClassifier",
        "Possible",
        "Security",
        "ValidJSON",
    }
)
_BY_VALUE: Final = frozenset({"ListContains", "NumericDiff"})
"""Those that take JSON where the others take text."""
_OURS: Final = frozenset(
    {"api_key", "base_url", "client", "engine", "expected", "model", "output", "self", "trace"}
)
"""Names that neither options nor rows may set."""
_TAG: Final = re.compile(r"\{\{\{?\s*([A-Za-z]\w*)")


def autoevals(scorer: Scorer, tools: Tools) -> Each:
    """What the class ``scorer`` makes of it, with ``options`` and by ``provider`` and ``model``."""
    name, options = scorer.options["scorer"], dict(scorer.options.get("options") or {})
    _check(name, scorer, options)
    package = _package()
    client = None if name in HEURISTIC else _client(package, scorer, options, tools)
    made = _made(package, name, scorer.options.get("model", ""), options, client)

    async def score(case: Case) -> Score:
        given = _given(case, name, options)
        _check_template(made, name, given)
        if client is None:
            found = await asyncio.to_thread(made.eval, **given)
        else:
            package.init(client)  # for this task alone
            found = await made.eval_async(**given)
        return _read(found)

    return score


def _check(name: str, scorer: Scorer, options: Mapping[str, Any]) -> None:
    """Refuse what can't be had.

    Raises:
        UnscorableError: for such a scorer.
    """
    if name in REFUSED:
        raise UnscorableError(f"The scorer {name} of autoevals is refused: {REFUSED[name]}.")
    every = HEURISTIC | BY_EMBEDDING | BY_BOTH | BY_MODEL
    if name not in every:
        known = ", ".join(sorted(every))
        raise UnscorableError(f"There is no scorer {name} of autoevals here; there are {known}.")
    for option in sorted(options.keys() & _OURS):
        raise UnscorableError(f"The option {option} of {name} can't be set.")
    if name == "ValidJSON" and "schema" in options:
        raise UnscorableError(f"The option schema of {name} is refused: {REFUSED['schema']}.")
    if name not in HEURISTIC and not scorer.options.get("model"):
        raise UnscorableError(f"{name} asks a model: name it as model, and its provider.")
    if name in BY_BOTH and not options.get("embedding_model"):
        raise UnscorableError(f"{name} compares by embeddings too: set options.embedding_model.")


def _package() -> ModuleType:
    try:
        import autoevals  # type: ignore[import-untyped]
        from autoevals.string import EmbeddingSimilarity  # type: ignore[import-untyped]
    except ImportError:
        raise UnscorableError(
            "The package autoevals is not installed. Run: pip install 'pointsman[autoevals]'"
        ) from None
    # It keeps every vector it ever saw for the whole process, by the address of a client that
    # may be gone and another in its place.
    EmbeddingSimilarity._CACHE = _Forgetful()
    return autoevals  # type: ignore[no-any-return]


class _Forgetful(dict[Any, Any]):
    """A cache that keeps nothing."""

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


def _made(
    package: ModuleType, name: str, model: str, options: Mapping[str, Any], client: Any
) -> Any:
    """The scorer itself."""
    cls = getattr(package, name)
    parameters = inspect.signature(cls).parameters.values()
    takes = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}
    if len(takes) < len(parameters):
        takes.add("temperature")  # handed on to what all that ask a model have in common
    arguments = {key: value for key, value in options.items() if key in takes}
    if client is None:
        for option in sorted(options.keys() - takes):
            raise UnscorableError(f"{name} has no option {option}.")
        return cls(**arguments)
    if name == "LLMClassifier":
        arguments.setdefault("name", name)
    if "model" in takes:
        arguments["model"] = model
    return cls(client=client, **arguments)


def _given(case: Case, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the scorer is called with."""
    given: dict[str, Any] = {}
    if name not in HEURISTIC:
        row = {key: value for key, value in case.row.input.items() if key not in _OURS}
        given = {"input": canonical_json(dict(case.row.input)), **row, **options}
    given["output"] = case.value if name in _BY_VALUE else case.text
    # ValidJSON would take what is expected for a schema.
    if name not in _WITHOUT_EXPECTED or (case.has_expected and name != "ValidJSON"):
        given["expected"] = _expected(case, name)
    return given


def _expected(case: Case, name: str) -> Any:
    raw = name in _BY_VALUE or (name in HEURISTIC and isinstance(case.expected, (dict, list)))
    return case.expected if raw and name != "Levenshtein" else case.expected_text


def _check_template(made: Any, name: str, given: Mapping[str, Any]) -> None:
    """What a template uses and isn't given would be left blank, and a judgement come of it."""
    for message in getattr(made, "messages", ()):
        for used in _TAG.findall(message["content"]):
            if used not in given and used not in made.render_args:
                raise UnscorableError(
                    f"{name} needs {used}: give it in the row's input or in the options."
                )


def _read(found: Any) -> Score:
    told = found.metadata or {}
    note = told.get("rationale") or told.get("choice") or ""
    if found.score is None:
        return Score(None, f"The scorer gave no score. {note}".rstrip())
    return Score(float(found.score), str(note))


# -- the client


def _client(package: ModuleType, scorer: Scorer, options: dict[str, Any], tools: Tools) -> Any:
    """What autoevals takes for a client, and what asks our models."""
    from autoevals.oai import LLMClient  # type: ignore[import-untyped]

    name = scorer.options["scorer"]
    model = scorer.options["model"]
    by_embedding = model if name in BY_EMBEDDING else options.get("embedding_model")

    class Client(LLMClient):  # type: ignore[misc]
        def __post_init__(self) -> None:
            """The package would put calls of OpenAI's client in place of ours here."""

    return Client(
        openai=None,
        complete=_completing(scorer, tools),
        embed=_embedding(scorer, by_embedding, tools),
        moderation=_refuse,
        RateLimitError=_NeverError,
        is_async=True,
    )


def _completing(scorer: Scorer, tools: Tools) -> Callable[..., Awaitable[dict[str, Any]]]:
    model = {"name": scorer.options["model"]}
    if scorer.options.get("provider"):
        model["provider"] = scorer.options["provider"]

    async def complete(
        *,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        response_format: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        for ours in ("model", "use_responses_api"):
            parameters.pop(ours, None)
        call = Call(messages, {**model, "parameters": parameters}, tools or [], response_format)
        answer = await ask(call)
        message: dict[str, Any] = {"role": "assistant", "content": answer.text}
        if answer.tool_calls:
            message["tool_calls"] = list(answer.tool_calls)
        return {"choices": [{"index": 0, "message": message}]}

    ask = tools.models.ask
    return complete


def _embedding(
    scorer: Scorer, model: str | None, tools: Tools
) -> Callable[..., Awaitable[dict[str, Any]]]:
    provider: Any = scorer.options.get("provider")

    async def embed(*, input: str, **_: Any) -> dict[str, Any]:  # noqa: A002 - as it is called
        if model is None:
            raise UnscorableError("The scorer compares by embeddings: set options.embedding_model.")
        (vector,) = await tools.models.embed(provider, model, [input])
        return {"data": [{"embedding": vector}]}

    return embed


def _refuse(**_: Any) -> NoReturn:
    raise UnscorableError(f"Moderation is refused: {REFUSED['Moderation']}.")


class _NeverError(Exception):
    """Stands for a rate limit: our models wait for these by themselves."""
