"""What an application's own process pays: a cached read, a rendering, the import.

`get`: one call of the client with a prompt it holds, against a dict lookup inside a function of
one argument, and against the peers' cached reads. `render`: 1,000 characters with five
variables, against a join of the parts of the text, split beforehand, with the values put in.
`import`: whole processes of an interpreter that has nothing but the package.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
import venv
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import repeat

from bench import harness, machine, peers
from bench.harness import Bound, NotMeasuredError, Result, Round, at_least, at_most
from bench.run import Registry, Run, text
from pointsman import Client
from pointsman.app.publishing import Publish
from pointsman.core.content import parse_prompt
from pointsman.core.prompt import Prompt

VALUES = {
    "customer": "Ada Lovelace",
    "product": "Analytical Engine",
    "language": "English",
    "tone": "kind and brief",
    "question": "When will the punched cards that I ordered arrive?",
}
_SELECTOR = "support/reply@production"


def get(run: Run) -> Iterator[Result]:
    """The rows of a cached read."""
    rounds, times = run.size(300, 30), 20_000
    with contextlib.ExitStack() as stack:
        registry = Registry(run.folder / "get")
        registry.publish([Publish("support/reply", _template(), aliases=("production",))])
        registry.close()
        server = stack.enter_context(machine.pointsman(run.folder / "get"))
        client = stack.enter_context(Client(server.url, server.key))
        held = {_SELECTOR: client.get(_SELECTOR)}

        def look_up(selector: str) -> Prompt:
            return held[selector]

        ours = _calls(client.get, times)
        with machine.pinned(machine.LOAD_CORE):
            mine, base = harness.interleave(rounds, ours, _calls(look_up, times))
        row = "cached get against a dict lookup in a function"
        yield harness.compare_costs(row, at_most(2.5), mine, base)
        rows = {
            "langfuse": ("cached get against Langfuse's cached get_prompt", at_least(10)),
            "mlflow": ("cached get against MLflow's cached load_prompt", at_least(1_000)),
        }
        yield from _against_peers(run, "get", ours, rows)


def render(run: Run) -> Iterator[Result]:
    """The rows of a rendering."""
    rounds, times = run.size(300, 30), 3_000
    prompt = Prompt("support/reply", 1, "0" * 64, parse_prompt(_template()))
    pieces, places = _split(_template())

    def join(**values: str) -> str:
        parts = pieces.copy()
        for index, name in places:
            parts[index] = values[name]
        return "".join(parts)

    assert prompt.render(**VALUES) == join(**VALUES) == _rendered()
    ours = _calls_with(prompt.render, times)
    with machine.pinned(machine.LOAD_CORE):
        mine, base = harness.interleave(rounds, ours, _calls_with(join, times))
    row = "render 1 KB, 5 variables, against a pre-split join"
    yield harness.compare_costs(row, at_most(1.5), mine, base)
    rows = {
        "langfuse": ("render against Langfuse's compile", at_least(3)),
        "mlflow": ("render against MLflow's format", at_least(6)),
    }
    yield from _against_peers(run, "render", ours, rows)


def import_(run: Run) -> Iterator[Result]:
    """The row of the import: whole processes."""
    home = run.folder / "bare"
    venv.create(home, with_pip=False)
    packages = next((home / "lib").glob("python3*")) / "site-packages"
    (packages / "pointsman.pth").write_text(f"{machine.ROOT / 'src'}\n")
    python = str(home / "bin" / "python")

    def process(code: str) -> Round:
        def one() -> float:
            began = time.perf_counter()
            subprocess.run([python, "-I", "-c", code], check=True)
            return time.perf_counter() - began

        return one

    with machine.pinned(machine.LOAD_CORE):
        ours, client, bare = harness.interleave(
            run.size(100, 10),
            process("import pointsman"),
            process("from pointsman import Client"),
            process("pass"),
        )
    row = "import pointsman against the bare interpreter's start"
    yield harness.compare_costs(row, at_most(1.5), ours, bare)
    yield harness.compare_costs("… and from pointsman import Client", None, client, bare)


def _against_peers(
    run: Run, do: str, ours: Round, rows: Mapping[str, tuple[str, Bound]]
) -> Iterator[Result]:
    """Our rounds against each peer's, which run in its own process on the same core."""
    for peer, (row, must) in rows.items():
        with contextlib.ExitStack() as stack:
            try:
                probe = _probe(run, peer, stack)
            except NotMeasuredError as error:
                yield Result(row, must, missing=str(error))
                continue
            stack.enter_context(machine.pinned(machine.LOAD_CORE))
            times = max(1, int(0.005 / probe.seconds(do, 20)))
            theirs = partial(probe.seconds, do, times)
            mine, others = harness.interleave(run.size(200, 20), ours, theirs)
            yield harness.compare_speeds(row, must, mine, others)


def _probe(run: Run, peer: str, stack: contextlib.ExitStack) -> peers.Probe:
    """A peer's client that has the prompt. Raises `NotMeasuredError`."""
    arguments: list[str] = []
    if peer == "mlflow":
        folder = run.folder / "mlflow-client"
        folder.mkdir(exist_ok=True)
        server = stack.enter_context(peers.mlflow_server(folder, 1))
        arguments.append(server.url)
    return stack.enter_context(
        peers.probe(
            run.folder, peer, *arguments, template=_template(), values=VALUES, text=_rendered()
        )
    )


def _calls(function: Callable[[str], object], times: int) -> Round:
    def one() -> float:
        began = time.perf_counter()
        for _ in repeat(None, times):
            function(_SELECTOR)
        return (time.perf_counter() - began) / times

    return one


def _calls_with(function: Callable[..., object], times: int) -> Round:
    values = VALUES

    def one() -> float:
        began = time.perf_counter()
        for _ in repeat(None, times):
            function(**values)
        return (time.perf_counter() - began) / times

    return one


def _template() -> str:
    """A text of about 1,000 characters with the five variables spread over it."""
    part = text(170)
    return part + "".join(f" {{{{ {name} }}}} {part}"[:175] for name in VALUES)


def _rendered() -> str:
    rendered = _template()
    for name, value in VALUES.items():
        rendered = rendered.replace(f"{{{{ {name} }}}}", value)
    return rendered


def _split(template: str) -> tuple[list[str], list[tuple[int, str]]]:
    pieces: list[str] = []
    places: list[tuple[int, str]] = []
    head, *rest = template.split("{{ ")
    pieces.append(head)
    for one in rest:
        name, _, tail = one.partition(" }}")
        places.append((len(pieces), name))
        pieces += ["", tail]
    return pieces, places
