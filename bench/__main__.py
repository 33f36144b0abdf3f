"""The command: `python -m bench [--quick] [--json] [topic…]`."""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator

from bench import (
    client,
    evaluations,
    files,
    governance,
    graph,
    harness,
    machine,
    moves,
    pages,
    reads,
    record,
    registry,
    rest,
    scale,
    watch,
)
from bench.harness import Result
from bench.run import Run

TOPICS: dict[str, Callable[[Run], Iterator[Result]]] = {
    "get": client.get,
    "render": client.render,
    "import": client.import_,
    "reads": reads.reads,
    "moves": moves.moves,
    "scale": scale.scale,
    "watch": watch.watch,
    "rest": rest.rest,
    "record": record.record,
    "governance": governance.governance,
    "graph": graph.graph,
    "evaluations": evaluations.evaluations,
    "files": files.files,
    "pages": pages.pages,
    "mlflow": registry.mlflow,
}


def main() -> None:
    """Run what was asked for and print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("topics", nargs="*", metavar="topic", help=", ".join(TOPICS))
    parser.add_argument("--quick", action="store_true", help="sizes cut down")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    unknown = [topic for topic in given.topics if topic not in TOPICS]
    if unknown:
        parser.error(f"no topic {', '.join(unknown)}; there are {', '.join(TOPICS)}")
    machine.many_files()
    results: list[Result] = []
    failed = False
    with machine.scratch() as folder:
        for topic in dict.fromkeys(given.topics) or TOPICS:
            began = time.monotonic()
            run = Run(folder / topic, quick=given.quick)
            run.folder.mkdir()
            print(f"{topic}…", file=sys.stderr, flush=True)
            try:
                for result in TOPICS[topic](run):
                    results.append(result)
                    print(f"  {result.in_short}", file=sys.stderr, flush=True)
            except Exception as error:
                traceback.print_exc()
                failed = True
                results.append(Result(f"{topic}: the rest", None, missing=f"failed, {error!r}"))
            print(f"  {time.monotonic() - began:.0f} s", file=sys.stderr)
    if given.json:
        print(json.dumps([result.to_json() for result in results], indent=2))
    else:
        if given.quick:
            print("A quick run: sizes are cut down, so the verdicts mean little.\n")
        print(harness.table(results))
    sys.exit(failed)


if __name__ == "__main__":
    main()
