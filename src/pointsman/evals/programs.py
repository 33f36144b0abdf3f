"""Making outputs by a program of the user's own, started once for a side and a trial.

It reads a line of JSON for each row (``{"row": 0, "input": {…}, "tags": {…}, "id": …}``) and
answers with ``{"row": 0, "output": …}``, where ``tokens``, ``cost`` and ``seconds`` may be
said as well; a figure that is not said is missing. Its environment tells what to run:
``POINTSMAN_VERSION`` (a label such as ``model:churn:7``), ``POINTSMAN_TRIAL``, and in
``POINTSMAN_MAKING`` the path of a JSON file with the digest and the content of every version
that takes part.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pointsman.core.canonical import digest
from pointsman.core.datasets import Row
from pointsman.core.suites import Maker
from pointsman.evals.commands import TIMEOUT, CommandFailure, run_rows
from pointsman.evals.outcome import Output
from pointsman.evals.outputs import Made
from pointsman.evals.preparing import Side


async def run_program(
    maker: Maker, side: Side, rows: Sequence[Row], trial: int, contents: Mapping[str, Any]
) -> list[Made]:
    """The output of a side for each row. Raises `CommandFailure` if the program gave none."""
    making = {
        "root": side.making.root,
        "parts": {
            label: {"digest": part.digest, "content": contents.get(label)}
            for label, part in side.making.parts.items()
        },
    }
    with tempfile.TemporaryDirectory(prefix="pointsman-") as folder:
        file = Path(folder) / "making.json"
        file.write_text(json.dumps(making, ensure_ascii=False), "utf-8")
        answers = await run_rows(
            maker.options["argv"],
            [{"input": row.input, "tags": row.tags, "id": row.id} for row in rows],
            timeout=float(maker.options.get("timeout", TIMEOUT)),
            env={
                "POINTSMAN_VERSION": side.making.root,
                "POINTSMAN_TRIAL": str(trial),
                "POINTSMAN_MAKING": str(file),
            },
        )
    return [_made(answer) for answer in answers]


def read_output(answer: Mapping[str, Any]) -> Output:
    """The output that a program or a service gave. Raises `CommandFailure` if it is none."""
    if "output" not in answer:
        raise CommandFailure("bad_output", "An answer has no output.", hint='Say {"output": …}.')
    value = answer["output"]
    is_text = isinstance(value, str)
    return Output(
        text=value if is_text else json.dumps(value, ensure_ascii=False, sort_keys=True),
        value=None if is_text else value,
        tokens=_number(answer, "tokens", int),
        cost=_number(answer, "cost", float),
        seconds=_number(answer, "seconds", float),
    )


def _made(answer: Mapping[str, Any]) -> Made:
    if isinstance(answer.get("error"), str):
        return Made(None, error=f"The command says: {answer['error'][:2_000]}")
    try:
        output = read_output(answer)
    except CommandFailure as error:
        return Made(None, error=error.message)
    return Made(output, digest(output.text))


def _number(answer: Mapping[str, Any], name: str, kind: type) -> Any:
    value = answer.get(name)
    if value is None:
        return None  # nobody told, and nobody guesses
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        raise CommandFailure(
            "bad_output", f"An answer's {name} is not a number from 0 on.", hint="Leave it out."
        )
    return kind(value)
