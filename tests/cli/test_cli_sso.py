"""Single sign-on and password resets on the command line."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cli.commands import PATIENCE, Cli
from conftest import RunningServer, Serve
from signon import Browser, LittleProvider

BASE = "http://127.0.0.1:1"
OLD, NEW = "correct horse battery\n", "another horse battery\n"


def test_a_key_by_way_of_a_browser(serve: Serve) -> None:
    with LittleProvider() as provider:
        server = serve(**provider.environment(BASE))
        with Cli(POINTSMAN_URL=server.url).start("login", "--sso", "--no-browser") as login:
            try:
                key = _sign_in(login, server)
            finally:
                login.kill()
    ana = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=key)
    ana("publish", "-", "--name", "reply", stdin="hello")
    entry = ana.json("history", "reply")["items"][0]
    assert (entry["by"], entry["actor"].partition(":")[0]) == ("Ana", "person")


def _sign_in(login: subprocess.Popen[str], server: RunningServer) -> str:
    """Do what the command asks for in a browser; the key that it prints."""
    assert login.stderr is not None
    address = next(line.strip() for line in login.stderr if server.url in line)
    browser = Browser()
    begun = browser.get(address)
    back = browser.back_from(begun.headers["location"]).replace(BASE, server.url, 1)
    there = browser.get(back).headers["location"]
    listener = there.partition("?")[0]
    assert browser.get(f"{listener}favicon.ico").status == 404
    assert browser.get(f"{listener}?code=").status == 404
    assert b"close this page" in browser.get(there).body
    out, err = login.communicate(timeout=PATIENCE)
    assert login.returncode == 0, err
    return out.strip()


def test_either_an_address_or_a_browser(server: RunningServer) -> None:
    for wrong in (("login",), ("login", "ana@example.org", "--sso")):
        assert Cli(POINTSMAN_URL=server.url).run(*wrong).code == 2


def test_a_server_without_it_is_told_at_once(server: RunningServer) -> None:
    anybody = Cli(POINTSMAN_URL=server.url)
    refused = anybody.run("login", "--sso", "--no-browser", "--json")
    assert refused.err.count("Sign in at") == 0
    assert refused.error["code"] == "no_single_sign_on"
    nowhere = anybody.run("login", "--sso", "--json", POINTSMAN_URL="http://127.0.0.1:1")
    assert nowhere.error["code"] == "unreachable"


def test_a_new_password(server: RunningServer) -> None:
    admin = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.key)
    anybody = Cli(POINTSMAN_URL=server.url)
    invited = admin("user", "invite", "ana@example.org", "--name", "Ana").out.strip()
    anybody("user", "accept", invited, "--password-file", "-", stdin=OLD)
    token = admin("user", "reset", "ana@example.org").out.strip()
    assert token.startswith("pr_")
    said = anybody("user", "redeem", token, "--password-file", "-", stdin=NEW)
    assert "ana@example.org has a new password" in said.out
    again = anybody.run("user", "redeem", token, "--password-file", "-", "--json", stdin=NEW)
    assert again.error["code"] == "unknown_token"
    login = ("login", "ana@example.org", "--password-file", "-")
    assert anybody.run(*login, stdin=OLD).code != 0
    assert anybody(*login, stdin=NEW).out.startswith("pm_")


def test_a_folder_has_resets_as_well(tmp_path: Path) -> None:
    folder = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    folder.publish("reply", "hello")
    refused = folder.run("user", "reset", "nobody@example.org", "--json")
    assert refused.error["code"] == "person_not_found"


def test_settings_that_are_wrong_stop_the_start(tmp_path: Path) -> None:
    ran = Cli(POINTSMAN_OIDC_ISSUER="https://sso.example.org").process(
        "serve", "--port", "0", "--data", str(tmp_path), "--json"
    )
    assert ran.error["code"] == "invalid_oidc_setting"
    assert ran.code == 2, ran
