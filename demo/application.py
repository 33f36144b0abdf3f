"""A small application, in a process of its own: it reads prompts as fast as it is asked to.

    python demo/application.py SECONDS SNAPSHOT SELECTOR...

It reads POINTSMAN_URL and POINTSMAN_API_KEY like any application. On standard output it says,
as JSON lines, when it is ready, when a prompt changes under its hands, and once a second how
many reads it has made and how many failed.
"""

from __future__ import annotations

import json
import sys
import time

started = time.monotonic()

from pointsman import Client, PointsmanError  # noqa: E402 - the import is part of the story

imported = time.monotonic()
PAUSE_EVERY = 50
PAUSE = 0.002
"""Seconds of rest after each handful of reads: some ten thousand reads a second are plenty."""


def say(event: str, **facts: object) -> None:
    """One line for whoever watches."""
    print(json.dumps({"event": event, "at": time.monotonic(), **facts}), flush=True)


def main(seconds: float, snapshot: str, selectors: list[str]) -> None:
    """Read all the selectors over and over, and report."""
    with Client(snapshot=snapshot, preload=selectors, timeout=2.0) as client:
        seen: dict[str, int] = {}
        reads = failures = 0
        for selector in selectors:
            try:
                seen[selector] = client.get(selector).version
            except PointsmanError:
                failures += 1
        say(
            "ready",
            import_ms=(imported - started) * 1000,
            first_reads_ms=(time.monotonic() - imported) * 1000,
            failures=failures,
            versions=seen,
        )
        until = time.monotonic() + seconds
        report = time.monotonic() + 1
        while (now := time.monotonic()) < until:
            for _ in range(PAUSE_EVERY):
                for selector in selectors:
                    try:
                        version = client.get(selector).version
                    except PointsmanError:
                        failures += 1
                        continue
                    reads += 1
                    if version != seen.get(selector):
                        say("changed", selector=selector, before=seen.get(selector), to=version)
                        seen[selector] = version
            if now >= report:
                say("count", reads=reads, failures=failures)
                report += 1
            time.sleep(PAUSE)
        say("done", reads=reads, failures=failures)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2], sys.argv[3:])
