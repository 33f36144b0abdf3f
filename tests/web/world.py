"""A registry with something of everything in it, and an address for each of its pages.

What people write comes from `texts`, so that the same world is filled with what is pleasant to
look at, or with what nobody should ever have written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pointsman.web.routes import PAGES
from serving import Answer, Api, place

UNSAFE: tuple[str, ...] = tuple(
    json.loads((Path(__file__).parent / "unsafe_inputs.json").read_text())
)
"""What somebody might write who wants a page to run it."""
PLEASANT = (
    "Kinder words for people who have waited",
    "Shorter: nobody reads the third sentence",
    "Names the parcel's number first",
    "Answers in the language of the question",
)
QUERIES = {
    "/projects/{project}/{kind}/{name}:move": ("?alias=production&version=2",),
    "/projects/{project}/{kind}/{name}:rollback": ("?alias=production",),
    "/projects/{project}/{kind}/{name}:compare": ("?before=1&after=2",),
    "/projects/{project}/settings/policies": (
        "",
        "?selector=support/reply@production&version=3&who=wanda@example.org",
    ),
    "/projects/{project}/settings/providers": ("", "?name={provider}"),
    "/projects/{project}/catalogue": ("", "?q={q}", "?q={q}&in=text", "?folder={q}", "?tags={q}"),
    "/join": ("?token={invitation}", "?token={q}"),
    "/welcome": ("?token={q}",),
    "/reset": ("?token={reset}", "?token={q}"),
    "/sign-in": ("?to={q}", "?ended=yes"),
}
"""What goes behind an address, where a page wants more than its path."""
FILES = ("/projects/{project}/history/export", "/projects/{project}/evaluations/{number}/report")
"""What is taken along as a file, and shown by no page."""


@dataclass
class World:
    """What was made, by the words that addresses have for it."""

    server: Api
    text: Callable[[], str]
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def addresses(self, *, every: bool = False) -> dict[str, list[str]]:
        """Addresses of every page that is read, by its pattern; `every` artifact's, or the first
        one's of each kind.

        Raises `KeyError` for a pattern with a word that has no example here.
        """
        return {
            one.pattern: list(self._of(one.pattern, every))
            for one in PAGES
            if one.method == "GET" and one.pattern not in FILES
        }

    def _of(self, pattern: str, every: bool) -> Iterator[str]:
        kinds = self.values["kind"] if "{kind}" in pattern else ("",)
        for kind in kinds:
            names = self.values[f"name of {kind}" if kind else "name of prompts"]
            if "{name}" not in pattern:
                names = ("",)
            for name in names if every else names[:1]:
                known = {word: found[0] for word, found in self.values.items()}
                known |= {"kind": kind, "name": name}
                room = pattern.partition("/{number}")[0].rpartition("/")[2]
                known["number"] = known.get(f"number of {room}", "1")
                path = _filled(pattern, known)
                for query in QUERIES.get(pattern, ("",)):
                    yield path + _filled(query, known)


def _filled(text: str, known: dict[str, str]) -> str:
    """The address with its words replaced; a pattern whose word has no example is an error."""
    while "{" in text:
        before, _, rest = text.partition("{")
        word, _, after = rest.partition("}")
        text = before + quote(known[word], safe="/") + after
    return text


def fill(server: Api, texts: Sequence[str] = PLEASANT, *, together: int = 1) -> World:
    """Fill a server; each field gets the next of the `texts`, or `together` of them in one."""
    endless = cycle(texts)
    world = World(server, lambda: " ".join(next(endless) for _ in range(together)))
    world.values = {
        "project": ("default",),
        "policy": ("production",),
        "kind": ("prompts", "models", "suites", "datasets"),
        "q": ('"><img src=x onerror=window.__ran=1>',),
    }
    _prompts(world, texts)
    _others(world, texts)
    _governing(world, texts)
    _outside(world, texts)
    _people(world, texts)
    return world


def _prompts(world: World, texts: Sequence[str]) -> None:
    server, every = world.server, "\n".join(texts)
    names = ["support/reply", "support/greeting"]
    tricky = [
        'quotes" onfocus=window.__ran=1 autofocus x="',
        "quote' onfocus=window.__ran=1 '",
        "a&b",
    ]
    plain = "Answer {{ question }} in the words of {{ company }}.\n" + every.replace("{", "(")
    for name in (*names, *(tricky if texts is UNSAFE else ())):
        if (
            not server.post("/versions", {"name": name, "content": {"template": plain}}).status
            < 300
        ):
            continue
        if name not in names:
            names.append(name)
        for number in range(2, 12):
            content: dict[str, Any] = {
                "template": [
                    {"role": "system", "content": f"Version {number}.\n{plain}"},
                    {"role": "user", "content": "{{ question }}"},
                ],
                "variables": {"question": {"description": every}, "company": {"default": every}},
                "model": {"provider": "openai", "name": "gpt-5", "parameters": {"user": every}},
                "config": dict.fromkeys(texts, every),
            }
            if number % 2:
                content = {"template": f"Version {number}.\n{plain}", "config": {"note": every}}
            server.post(
                "/versions",
                {
                    "name": name,
                    "content": content,
                    "message": world.text(),
                    "tags": {"note": world.text()[:1_000]},
                },
            )
        for number in (1, 2, 3, 5, 4):
            for alias in ("production", "staging"):
                server.put(
                    place(name, "aliases", alias),
                    {"version": number, "reason": world.text()},
                )
        for key in ("owner team", "note", *texts[:40]):
            tag = f"{place(name)}/tags/{quote(key, safe='')}"
            server.put(tag, {"value": world.text()[:1_000]})
    world.values["name of prompts"] = tuple(names[:4])
    world.values["name"] = ("support/reply",)


def _others(world: World, texts: Sequence[str]) -> None:
    server = world.server
    made: dict[str, tuple[str, dict[str, Any]]] = {
        "models": ("churn", {"uri": "s3://models/churn", "notes": list(texts)}),
        "datasets": (
            "tickets",
            {
                "rows": [
                    {"input": {"question": one, "company": "Acme"}, "expected": one}
                    for one in texts
                ]
            },
        ),
        "suites": (
            "politeness",
            {
                "dataset": "tickets:1",
                "for": ["support/reply"],
                "scorers": [],
                "hold": [{"metric": "tokens", "at_most": 1_000}],
            },
        ),
    }
    for word, (name, content) in made.items():
        body = {"kind": word[:-1], "name": name, "content": content, "message": world.text()}
        answer = server.post("/versions", body)
        _ok(answer)
        world.values[f"name of {word}"] = (name,)
        for number in (1,):
            where = place(name, "aliases", "production", kind=word[:-1])
            server.put(where, {"version": number, "reason": world.text()})
        if word == "models":
            _ok(server.post("/versions", {**body, "content": {**content, "more": list(texts[:3])}}))


def _governing(world: World, texts: Sequence[str]) -> None:
    server = world.server
    freeze: dict[str, Any] = {
        "zone": "Europe/Lisbon",
        "days": ["sun"],
        "start": "01:00",
        "end": "02:00",
    }
    for number, text in enumerate(texts[:30]):
        server.put(
            f"/policies/careful-{number}",
            {
                "policy": {
                    "name": f"careful-{number}",
                    "aliases": f"careful-{number}",
                    "checks": [text[:100].replace("\n", " ").strip()],
                    "freezes": [{**freeze, "note": text[:200]}],
                    "movers": {"roles": ["releaser"], "people": [text[:200].replace("\n", " ")]},
                    "reason": 10,
                }
            },
        )
    move = {"name": "support/reply", "alias": "production", "version": 6}
    for _ in range(3):
        body = {"title": world.text()[:200], "reason": world.text(), "moves": [move]}
        made = server.post("/changes", body)
        if made.status < 300:
            number = made.json["number"]
            world.values["number of changes"] = (str(number),)
            for _ in range(4):
                server.post(f"/changes/{number}/comments", {"text": world.text()})
    (released,) = server.get("/journal", query={"type": "alias.moved", "limit": 1}).json["items"]
    world.values["number of releases"] = (str(released["data"]["release"]),)
    asked = server.post("/evaluations", {"selector": "support/reply:1", "suites": ["politeness:1"]})
    _ok(asked)
    world.values["number of evaluations"] = (str(asked.json["evaluations"][0]["number"]),)


def _outside(world: World, texts: Sequence[str]) -> None:
    server = world.server
    for text in texts[:25]:
        name = text[:100].replace("\n", " ")
        made = server.post("/webhooks", {"name": name, "url": "https://hooks.invalid/x?y=1"})
        if made.status < 300:
            world.values["webhook"] = (made.json["webhook"]["id"],)
            server.post(f"/webhooks/{world.values['webhook'][0]}/test", {})
        server.post("/keys", {"name": name, "role": "viewer"})
    named = "own models"
    prices = {
        text[:200].replace("\n", " "): {"input": "2.50", "output": "10"} for text in texts[:50]
    }
    url = "http://127.0.0.1:9/v1"
    _ok(server.put(f"/providers/{quote(named)}", {"api": "openai", "base_url": url}))
    server.put(f"/providers/{quote(named)}", {"api": "openai", "base_url": url, "prices": prices})
    world.values["provider"] = (named,)


def _people(world: World, texts: Sequence[str]) -> None:
    server = world.server
    for number, text in enumerate(texts[:25]):
        body = {"email": f"guest{number}@example.org", "name": text[:100], "role": "viewer"}
        made = server.post("/invitations", body)
        if made.status < 300:
            world.values["invitation"] = (made.json["token"],)
    reset = server.post("/people/vic@example.org/reset", {})
    if reset.status < 300:
        world.values["reset"] = (reset.json["token"],)
    server.put("/people/vic@example.org/name", {"name": world.text()[:100]})
    _ok(server.put("/groups/kind-people/vic@example.org", {}))
    _ok(server.put(place("support/reply", "owners", "group:kind-people"), {}))


def _ok(answer: Answer) -> None:
    assert answer.status < 300, answer
