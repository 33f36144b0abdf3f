"""The main job on real prompts: publish, read, promote, roll back, survive, look back.

Then the same for ten people, and for prompts that are evaluated before they are moved.

    make demo            leaves the server running at the end
    make demo DEMO_EXIT=1

Everything is kept in `.demo/`, made anew each time. `DEMO_DATABASE` takes a PostgreSQL URL
(an empty database) instead of the embedded storage.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any

# Started by its path, it has only its own folder to import from.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo import model
from demo.gate import eval_gate
from demo.telling import refused, say

from pointsman import Client, PointsmanError
from pointsman.app.keys import new_secret
from pointsman.core.names import check_name, skeleton
from pointsman.core.vocabulary import Role

HERE = Path(__file__).resolve().parent
HISTORIES = HERE.parent.parent / "shared" / "data" / "prompt-histories.jsonl"
SAMPLE = HERE / "sample.jsonl"
PLACE = HERE.parent / ".demo"
FOLDER = "community"
BULK = 500
IN_PRODUCTION = 300
_TEAM: tuple[tuple[str, Role], ...] = (
    ("ana", "reviewer"),
    ("ben", "reviewer"),
    ("rui", "releaser"),
)
WATCHED = f"{FOLDER}/code-review-assistant"


class Server:
    """The server as its own process, which can be killed and started again."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.port = 0
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> float:
        """Start it and return how many seconds it took until it answered."""
        where = (
            ["--database", os.environ["DEMO_DATABASE"]]
            if os.environ.get("DEMO_DATABASE")
            else ["--data", str(PLACE / "data")]
        )
        began = time.monotonic()
        log = (PLACE / "server.log").open("a")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pointsman",
                "serve",
                "--port",
                str(self.port),
                "--evaluations",
                *where,
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "POINTSMAN_BOOTSTRAP_KEY": self.key},
        )
        log.close()
        assert self.process.stdout is not None
        for line in self.process.stdout:
            for word in line.split():
                if word.startswith("http://"):
                    self.url = word.rstrip(".,")
                    self.port = int(self.url.rsplit(":", 1)[1])
                    threading.Thread(
                        target=_drain, args=(self.process.stdout,), daemon=True
                    ).start()
                    return time.monotonic() - began
        raise SystemExit(f"The server did not start; see {PLACE / 'server.log'}.")

    def kill(self) -> None:
        """`kill -9`: no goodbye, no clean-up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)


class Application:
    """The reading application as its own process, and what it reports."""

    def __init__(self, server: Server, seconds: float, *selectors: str) -> None:
        self.events: Queue[dict[str, Any]] = Queue()
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(HERE / "application.py"),
                str(seconds),
                str(PLACE / "snapshot.json"),
                *selectors,
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "POINTSMAN_URL": server.url, "POINTSMAN_API_KEY": server.key},
        )
        assert self.process.stdout is not None
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()

    def wait_for(self, event: str, timeout: float = 20.0, **facts: object) -> dict[str, Any]:
        """The next report of this kind with these facts."""
        until = time.monotonic() + timeout
        while (left := until - time.monotonic()) > 0:
            try:
                seen = self.events.get(timeout=left)
            except Empty:
                break
            if seen["event"] == event and facts.items() <= seen.items():
                return seen
        raise SystemExit(f"The application did not report {event} {facts} in {timeout:.0f} s.")

    def stop(self) -> None:
        """End it now."""
        self.process.terminate()
        self.process.wait()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            self.events.put(json.loads(line))


def main() -> None:
    """Tell the story while it happens."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    server = Server(new_secret())
    try:
        with model.serving() as address:
            story(server, address)
            if os.environ.get("DEMO_EXIT", "") in ("", "0"):
                stay(server)
    finally:
        server.stop()


def story(server: Server, address: str) -> None:
    """The whole story, from an empty store; `address` is where a model is."""
    say("\nPointsman: what runs in production, and why\n")
    seconds = server.start()
    kind = "PostgreSQL" if os.environ.get("DEMO_DATABASE") else "embedded storage"
    say(f"  started    a server on {kind}: ready after {seconds * 1000:.0f} ms")
    with Client(server.url, server.key, snapshot=False) as registry:
        prompts = publish(registry)
        selector = put_into_production(registry, prompts)
        ship_and_return(registry, server, selector)
        look_back(registry, selector)
        govern(registry, server, selector)
        eval_gate(registry, address)


def publish(registry: Client) -> dict[str, int]:
    """Publish real prompts with their whole histories; name → newest version."""
    source = HISTORIES if HISTORIES.exists() else SAMPLE
    versions = list(histories(source))
    began = time.monotonic()
    newest: dict[str, int] = {}
    for start in range(0, len(versions), BULK):
        for one in registry.publish_many(versions[start : start + BULK]):
            newest[one.version.name] = one.version.number
    seconds = time.monotonic() - began
    say(
        f"  published  {len(newest):,} prompts with {len(versions):,} versions from {source.name} "
        f"in {seconds:.1f} s"
    )
    return newest


def put_into_production(registry: Client, newest: dict[str, int]) -> str:
    """Give a part of the prompts production and staging; the one to watch."""
    several = [name for name, number in newest.items() if number > 1]
    live = (several + [name for name, number in newest.items() if number == 1])[:IN_PRODUCTION]
    moves = [{"name": name, "alias": "production", "version": 1} for name in live]
    moves += [{"name": name, "alias": "staging", "version": newest[name]} for name in several]
    for start in range(0, len(moves), BULK):
        registry.release(moves[start : start + BULK], reason="First release")
    say(f"  released   {len(live)} to production and {len(several)} to staging, with a reason")
    watched = WATCHED if WATCHED in several else several[0]
    return f"{watched}@production"


def ship_and_return(registry: Client, server: Server, selector: str) -> None:
    """Promote and roll back under a reading application, with the server killed in between."""
    name, alias = selector.split("@")
    application = Application(server, 600, selector)
    try:
        ready = application.wait_for("ready")
        before = ready["versions"][selector]
        say(f"\n  an application in another process reads {selector}: version {before}")

        registry.promote(f"{name}@staging", alias, reason="Reads better in the test group")
        acknowledged = time.monotonic()
        seen = application.wait_for("changed", selector=selector)
        say(f"  promoted   version {seen['to']}: the application had it {_ms(seen, acknowledged)}")
        time.sleep(1.0)

        registry.rollback(selector, reason="Answers got longer, customers complained")
        acknowledged = time.monotonic()
        seen = application.wait_for("changed", selector=selector)
        say(
            f"  rolled back, version {seen['to']}: the application had it {_ms(seen, acknowledged)}"
        )

        down = application.wait_for("count")
        server.kill()
        say("\n  kill -9    the server is gone")
        fresh = Application(server, 600, selector)
        try:
            cold = fresh.wait_for("ready")
        finally:
            fresh.stop()
        if cold["failures"]:
            raise SystemExit("A freshly started application could not read without the server.")
        say(
            f"  a freshly started application had its prompt {cold['first_reads_ms']:.0f} ms after "
            "its imports, from disk"
        )
        application.wait_for("count")
        still = application.wait_for("count")
        say(
            f"  the running one made {still['reads'] - down['reads']:,} reads meanwhile, "
            f"{still['failures'] - down['failures']} failed"
        )

        seconds = server.start()
        say(f"  the server is back after {seconds * 1000:.0f} ms, with everything it acknowledged")
        registry.promote(f"{name}@staging", alias, reason="Shortened; trying again")
        acknowledged = time.monotonic()
        seen = application.wait_for("changed", selector=selector)
        say(
            f"  promoted   version {seen['to']}: the application, which had to find the server "
            f"again first, had it {_ms(seen, acknowledged)}"
        )
        total = application.wait_for("count")
        say(f"\n  in all     {total['reads']:,} reads, {total['failures']} failed reads")
        if total["failures"]:
            raise SystemExit("Reads failed; they must not.")
    finally:
        application.stop()


def look_back(registry: Client, selector: str) -> None:
    """What was in production at a moment in between, and why."""
    moves = registry.releases(selector).items
    rolled_back = next(one for one in moves if one.undoes is not None)
    promoted = next(one for one in moves if one.number == rolled_back.undoes)
    moment = promoted.at + (rolled_back.at - promoted.at) / 2
    then = registry.resolve(selector, at=moment)
    clock = moment.astimezone().strftime("%H:%M:%S.%f")[:-3]
    say(f"\n  What was {selector} at {clock}, and why?")
    say(f"    version {then.version} ({then.digest[:8]}), put there by {then.why.moved_by}")
    say(f'    because "{then.why.reason}" (release {then.why.release});')
    say(f'    undone by release {rolled_back.number}: "{rolled_back.reason}"')
    diagnosis = registry.doctor()
    counts = ", ".join(f"{count:,} {what}" for what, count in diagnosis.checked.items() if count)
    if not diagnosis.healthy:
        raise SystemExit(f"The doctor found something: {diagnosis.findings[:3]}")
    say(f"  doctor     {counts}: all as the journal says\n")


def govern(registry: Client, server: Server, selector: str) -> None:
    """Two people for production: an approval, a rollback at once, a broken glass, the record."""
    name, alias = selector.split("@")
    with contextlib.ExitStack() as everybody:
        ana, ben, rui = (
            everybody.enter_context(person(registry, server, who, role)) for who, role in _TEAM
        )
        registry.set_policy(
            {"name": "production", "aliases": "production", "reason": 10, "approvals": 1},
            reason="From now on, four eyes",
        )
        say(f"\n  protected  {alias}: one approval and a reason; ana and ben review, rui releases")
        text = ana.version(name).content or {}
        made = ana.publish(name, f"{text['template']}\n\nAnswer briefly.", message="Brief answers")
        version = f"{name}:{made.version.number}"
        refused(
            "rui, moving it at once",
            lambda: rui.promote(version, alias, reason="It reads much better"),
        )
        change = ana.propose(
            "Brief answers",
            [{"name": name, "alias": alias, "version": made.version.number}],
            reason="Customers asked for shorter answers",
        )
        asked = next(one for one in change.missing if one.code == "approvals_missing")
        say(f"  proposed   change {change.number}, by ana: {asked.message}")
        second = ana.create_my_key("laptop", "reviewer").secret
        with Client(server.url, second, snapshot=False) as again:
            refused("ana, approving by her second key", lambda: again.approve(change.number))
        ben.approve(change.number, note="Read it on ten questions", basis=change.basis)
        done = rui.apply(change.number)
        say(f"  approved   by ben, applied by rui: release {done.number}")
        began = time.monotonic()
        undone = rui.rollback(selector, reason="The shop's answers are cut off")
        say(
            f"  rolled back at once, without asking anybody: release {undone.number}, "
            f"{(time.monotonic() - began) * 1000:.0f} ms"
        )
        fix = registry.publish(name, f"{text['template']}\n\nNever answer with nothing.")
        registry.promote(
            f"{name}:{fix.version.number}",
            alias,
            reason="Nobody else is awake, and every answer is empty",
            break_glass=True,
        )
        for one in ben.broken_glass():
            say(f"  broke the glass: release {one.release} by {one.by}, past: {one.passed[0]}")
            ben.review_glass(one.release, note="Right in that night; fixed since")
        say("             listed until somebody else looked at it: ben did")
        moment = done.at + (undone.at - done.at) / 2
        told = registry.evidence(selector, at=moment)
        clock = moment.astimezone().strftime("%H:%M:%S.%f")[:-3]
        say(f"\n  What was {selector} at {clock}, who put it there, and who agreed?")
        assert told.move is not None
        live, move = told.versions[0], told.move
        say(f"    version {live.number}, by {move.by} in release {move.release}")
        say(f'    because "{move.reason}", as change {told.change};')
        approvers = ", ".join(one["name"] for one in told.approvals)
        say(f"    approved by {approvers}, on digest {live.digest[:8]}\n")


def person(registry: Client, server: Server, name: str, role: Role) -> Client:
    """Somebody new: invited, joined, signed in."""
    invited = registry.invite(f"{name}@example.com", name=name, role=role)
    joined = registry.accept_invitation(invited.token, _password(name), name=name)
    return Client(server.url, joined.token, snapshot=False)


def stay(server: Server) -> None:
    """Leave the server to the visitor."""
    say(f"The server goes on at {server.url}, until Ctrl-C. Try:\n")
    say(f"  export POINTSMAN_URL={server.url} POINTSMAN_API_KEY={server.key}")
    say("  .venv/bin/pointsman list --alias staging")
    say("  .venv/bin/pointsman eval affected shop/summary:2")
    say("  .venv/bin/pointsman history\n")
    name, _ = _TEAM[-1]
    say(f"Or look at {server.url} as {name}@example.com, password: {_password(name)}\n")
    assert server.process is not None
    try:
        server.process.wait()
    except KeyboardInterrupt:
        say("\nStopped.")


def _password(name: str) -> str:
    """The password of somebody of the team, who is nobody else's."""
    return f"{name} likes long phrases"


def histories(source: Path) -> Iterator[dict[str, Any]]:
    """Each version of each prompt in the file, ready to publish, oldest first."""
    taken: set[str] = set()
    for line in source.read_text("utf-8").rstrip("\n").split("\n"):
        prompt = json.loads(line)
        name = free_name(prompt["title"], taken)
        for version in prompt["versions"]:
            at = datetime.fromisoformat(version["at"]).astimezone(UTC)
            yield {
                "name": name,
                "content": version["text"],
                "message": f"As of {at:%Y-%m-%d}",
                "tags": {"written.at": at.isoformat()},
            }


def free_name(title: str, taken: set[str]) -> str:
    """A name for a title: what names may not hold is left out, twins are numbered."""
    words = "".join(c if c.isalnum() else " " for c in title).split()
    name = f"{FOLDER}/{'-'.join(words).lower()[:80] or 'untitled'}"
    try:
        name = check_name(name)
    except PointsmanError:
        plain = "".join(c for c in name if c.isascii())
        name = check_name(f"{FOLDER}/{plain.removeprefix(FOLDER).strip('/-') or 'untitled'}")
    base, number = name, 2
    while skeleton(name) in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(skeleton(name))
    return name


def _ms(seen: dict[str, Any], acknowledged: float) -> str:
    late = (seen["at"] - acknowledged) * 1000
    return f"{late:.1f} ms after the acknowledgement" if late > 0 else "before the acknowledgement"


def _drain(lines: IO[str]) -> None:
    for _ in lines:
        pass


if __name__ == "__main__":
    main()
