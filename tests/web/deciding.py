"""What tests about deciding share: a policy for some artifacts, and people's own requests."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page

from serving import Answer, Api
from web.browsing import Visitor

TWO = "Greet {{ name }} by first name."


def govern(server: Api, pattern: str, **fields: Any) -> None:
    """Have production of these artifacts ask for an approval."""
    name = pattern.replace("/", "-").replace("*", "all")
    policy = {"aliases": "production", "artifacts": pattern, "approvals": 1, **fields}
    answer = server.put(f"/policies/{name}", {"policy": policy})
    assert answer.status == 200, answer


def artifact(server: Api, name: str, *texts: str) -> int:
    """Publish versions, the first of which is live; the release that made it so."""
    for text in texts or ("Greet {{ name }}.", TWO):
        server.publish(name, text)
    answer = server.put(
        f"/artifacts/prompt/{name.replace('/', '%2F')}/aliases/production",
        {"version": 1, "reason": "to begin with it", "break_glass": True},
    )
    return int(answer.json["release"]["number"])


def live(server: Api, name: str) -> int:
    """The version that production points to."""
    return int(server.get(f"/resolve/{name.replace('/', '%2F')}@production").json["version"])


def ask(visitor: Visitor, method: str, path: str, body: object = None) -> Answer:
    """A request of somebody's own, as from a program: over the API, with their session."""
    cookies = visitor.context.cookies()
    (token,) = (one.get("value") for one in cookies if one.get("name") == "pointsman_session")
    answer = visitor.server.request(method, path, body, key=str(token))
    assert answer.status < 400, answer
    return answer


def propose(visitor: Visitor, name: str, version: int = 2, **more: Any) -> int:
    """Have somebody propose to move production; the change's number."""
    moves = [{"name": name, "alias": "production", "version": version}]
    body = {"title": f"Ship {name}", "reason": "Better answers", "moves": moves, **more}
    return int(ask(visitor, "POST", "/changes", body).json["number"])


def approve(visitor: Visitor, number: int) -> None:
    """Have somebody approve a change."""
    ask(visitor, "PUT", f"/changes/{number}/opinion", {"said": "approved"})


def number_of(page: Page) -> int:
    """The number of the change or release whose page is shown."""
    found = re.search(r"/(?:changes|releases)/(\d+)", page.url)
    assert found, page.url
    return int(found[1])
