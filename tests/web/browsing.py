"""People at browsers: a real server, a team with roles, and Debian's Chromium driven for them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from serving import Api

PASSWORD = "correct horse battery staple"
TEAM = {
    "Wanda": "editor",
    "Rosa": "reviewer",
    "Rui": "releaser",
    "Ada": "admin",
    "Vic": "viewer",
}
"""Who works on the project, and with which role."""
_PLACES = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def email_of(name: str) -> str:
    """The address of somebody of the team."""
    return f"{name.lower()}@example.org"


def join(server: Api, team: dict[str, str] = TEAM) -> None:
    """Have everybody of the team invited, and come in."""
    for name, role in team.items():
        wanted = {"email": email_of(name), "name": name, "role": role}
        invited = server.post("/invitations", wanted)
        assert invited.status == 201, invited
        body = {"token": invited.json["token"], "password": PASSWORD, "name": name}
        assert server.post("/invitations/accept", body, key=None).status == 201


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window. Skips the test where there is none, and fails it under CI."""
    place = next((one for one in _PLACES if Path(one).exists()), shutil.which("chromium"))
    if place is None:
        if os.environ.get("CI"):
            raise RuntimeError("There is no Chromium: apt install chromium")
        pytest.skip("There is no Chromium here: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """Somebody at a browser of their own, signed in."""

    name: str
    server: Api
    context: BrowserContext
    page: Page
    errors: list[str]

    def go(self, path: str) -> Page:
        """Open a page of the project by its address below it."""
        response = self.page.goto(f"{self.server.url}/projects/default{path}")
        assert response is not None
        assert response.status < 500, (path, response.status, self.server)
        return self.page

    def close(self) -> None:
        """Leave. Fails if a page complained of anything."""
        self.context.close()
        assert not self.errors, self.errors


def visit(
    browser: Browser, server: Api, name: str, *, width: int = 1280, theme: str = "light"
) -> Visitor:
    """Somebody of the team, signed in by the form."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        timezone_id="Europe/Lisbon",
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if _complains(said.text) else None)
    page.goto(f"{server.url}/sign-in")
    page.get_by_label("E-mail").fill(email_of(name))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/catalogue")
    return Visitor(name, server, context, page, errors)


def _complains(text: str) -> bool:
    """Whether a browser's message is about the page, and not about an answer with an error."""
    return "Content Security Policy" in text or "Uncaught" in text
