"""What is the output worth to a model that is asked to judge it?

The judge's prompt may use three variables, and must use ``output``:

============  =============================================================
``input``     the row's input
``output``    what is to be judged
``expected``  what the row expects
============  =============================================================

Each is given as JSON on a single line: a text in quotation marks, its quotation marks, ends of
lines and characters that can't be seen escaped. So whatever an output says, it can't end its
own quotation, begin a line of its own, or pass for what the prompt says around it. That much is
certain. What is not: that the judge takes no notice of what it reads there. A model can be
talked into things by a text that it knows to be a quotation, so a prompt should say that
`output` is only to be judged, and what counts should not hang on one judge alone.

The answer is one of these, and anything else is an error, never a pass:

- a JSON object that has ``score``, a number from 0 to 1, and if it likes ``reason``. It may
  stand in a code fence. Text may come before it but not after it, and it begins a line;
- a number from 0 to 1 by itself;
- where the scorer has ``choices``, one of these words and nothing else: as the last line, or
  as ``choice`` in such a JSON object. A number is no answer then.

An answer with several such objects counts only if they all say the same: a judge that quotes
an output which claims a score gives no score, rather than that one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pointsman.core.canonical import canonical_json, quoted
from pointsman.core.prompt import Prompt
from pointsman.core.providers import Call
from pointsman.core.suites import Scorer
from pointsman.evals.outcome import Score, clip
from pointsman.evals.scorers.cases import Case, UnscorableError
from pointsman.evals.scorers.numbers import number_of
from pointsman.evals.scorers.tools import Each, Tools

MAX_ANSWER: Final = 100_000
"""Characters of an answer that are read."""
_MAX_BRACES: Final = 500
"""Places in an answer where a JSON object may begin that are tried."""
_MARKS: Final = " \t*_`\"'“”‘’.!"
"""What may stand around a choice."""
_FENCE: Final = re.compile(r"```[a-zA-Z]*\s*(.*?)\s*```", re.DOTALL)


def judge(scorer: Scorer, tools: Tools) -> Each:
    """What the judge says, see above."""
    selector = scorer.judge
    assert selector is not None
    prompt = tools.judge(selector)
    takes = {variable.name for variable in prompt.variables}
    if "output" not in takes:
        raise UnscorableError(f"The judge {selector} does not use the variable output.")
    choices = scorer.options.get("choices") or {}

    async def score(case: Case) -> Score:
        answer = await tools.models.ask(_call(prompt, _values(case, takes)))
        return read_answer(answer.text, choices)

    return score


def read_answer(text: str, choices: Mapping[str, float]) -> Score:
    """The score that an answer gives; with `choices`, by the word that it chooses."""
    text = text.strip()
    if len(text) > MAX_ANSWER:
        return Score(None, f"The judge's answer has {len(text):,} characters.")
    told = _FENCE.fullmatch(text)
    plain = told[1] if told else text
    key = "choice" if choices else "score"
    given = [found for found in _objects(text) if key in found.value]
    if given:
        return _read_objects(text, given, choices)
    if choices:
        lines = plain.splitlines() or [""]
        return _chosen(lines[-1], choices, "\n".join(lines[:-1]).strip())
    number = number_of(plain)
    if number is None:
        return _unread(text, "It must end with a JSON object that has a score, or be a number.")
    return _worth(float(number), "", text)


def quote(value: Any) -> str:
    """A value as JSON on one line, with nothing in it that can't be seen."""
    text = (
        json.dumps(value, ensure_ascii=False) if isinstance(value, str) else canonical_json(value)
    )
    if text.isprintable():
        return text
    # Outside of strings canonical JSON has no such characters, so an escape is always right.
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _values(case: Case, takes: set[str]) -> dict[str, str]:
    values = {"output": quote(_output(case))}
    if "input" in takes:
        values["input"] = quote(dict(case.row.input))
    if "expected" in takes:
        values["expected"] = quote(case.expected)
    return values


def _output(case: Case) -> Any:
    """The part that is asked for as the JSON that it is, the whole output as text."""
    return case.value if case.scorer.options.get("path") else case.text


def _call(prompt: Prompt, values: Mapping[str, str]) -> Call:
    rendered = prompt.render(**values)
    if isinstance(rendered, str):
        rendered = [{"role": "user", "content": rendered}]
    return Call(rendered, prompt.model or {}, prompt.tools, prompt.response_format)


# -- reading the answer


def _read_objects(text: str, given: list[_Found], choices: Mapping[str, float]) -> Score:
    scores = [_read_object(found.value, choices, text) for found in given]
    if len({score.value for score in scores}) > 1:
        return _unread(text, "It gives several scores that differ.")
    last = given[-1]
    if text[last.end :].strip() not in ("", "```"):
        return _unread(text, "It goes on after the JSON object that has the score.")
    if text[: last.start].rpartition("\n")[2].strip() not in ("", "```", "```json"):
        return _unread(text, "The JSON object that has the score must begin a line.")
    return scores[-1]


def _read_object(one: Mapping[str, Any], choices: Mapping[str, float], text: str) -> Score:
    reason = one.get("reason", "")
    reason = reason if isinstance(reason, str) else canonical_json(reason)
    if choices:
        word = one["choice"]
        return _chosen(word if isinstance(word, str) else json.dumps(word), choices, reason)
    number = number_of(one["score"])
    if number is None:
        return _unread(text, "Its score is not a number.")
    return _worth(float(number), reason, text)


def _chosen(word: str, choices: Mapping[str, float], reason: str) -> Score:
    bare = word.strip(_MARKS)
    if bare in choices:
        return Score(float(choices[bare]), reason or bare)
    alike = [one for one in choices if one.casefold() == bare.casefold()]
    if len(alike) == 1:
        return Score(float(choices[alike[0]]), reason or bare)
    known = ", ".join(choices)
    return Score(None, f"The judge chose {quoted(word, max_chars=200)}; the choices are {known}.")


def _worth(number: float, reason: str, text: str) -> Score:
    if 0 <= number <= 1:
        return Score(number, reason)
    return _unread(text, f"Its score is {number:g}, and must be from 0 to 1.")


def _unread(text: str, why: str) -> Score:
    shown = clip(text, 1_000) or "nothing"
    return Score(None, f"The judge's answer can't be read. {why} It said: {shown}")


@dataclass(frozen=True, slots=True)
class _Found:
    """A JSON object, and where in the text it stands."""

    value: dict[str, Any]
    start: int
    end: int


def _objects(text: str) -> Iterator[_Found]:
    """The JSON objects that stand in a text, those within others left out."""
    place, tried = text.find("{"), 0
    while place >= 0 and tried < _MAX_BRACES:
        tried += 1
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            place += 1
        else:
            yield _Found(value, place, end)
            place = end
        place = text.find("{", place)


def _one_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different: of two scores neither is the one."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_one_of_each, parse_constant=_no_constant)
