"""The record's page: where the journal stands, whether it is sound, how to verify it elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from serving import ServerProcess
from web.browsing import Visitor

Come = Callable[..., Visitor]


def test_an_admin_signs_and_verifies(server: ServerProcess, visitor: Come) -> None:
    server.publish("record/one")
    page = visitor("Ada").go("/record")
    page.get_by_role("button", name="Sign a checkpoint now").click()
    entries = server.head()
    expect(page.get_by_role("status").first).to_contain_text(
        f"A checkpoint of {entries} entries is signed."
    )
    expect(page.locator("tbody tr").first).to_contain_text("all of it")
    page.get_by_role("button", name="Verify the record").click()
    result = page.get_by_role("status", name="Result")
    expect(result).to_contain_text("Nothing is wrong")
    expect(result).to_contain_text(re.compile(r"Looked at: \d+ entries, \d checkpoints?"))
    expect(result).to_contain_text("What is stored is exactly what the journal tells")


def test_the_commands_verify_what_is_exported(server: ServerProcess, visitor: Come) -> None:
    ada = visitor("Ada")
    ada.go("/record").get_by_role("button", name="Sign a checkpoint now").click()
    ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    command = ada.page.locator(".command").last
    command.get_by_role("button", name="copy").click()
    copied = ada.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("pointsman verify journal.jsonl --checkpoint today.note")
    (key,) = {one["key"] for one in server.get("/checkpoints").json["items"]}
    assert f"--public-key '{key}'" in copied


def test_who_is_no_admin_reads_and_is_told_the_way(server: ServerProcess, visitor: Come) -> None:
    vic = visitor("Vic")
    page = vic.go("/record")
    expect(page.get_by_text("Admins can have it verified here")).to_be_visible()
    assert page.get_by_role("button", name="Verify the record").count() == 0
    answer = vic.context.request.post(
        f"{server.url}/projects/default/record",
        form={"deed": "verify"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status == 403
    assert "admin" in answer.text()


def test_the_history_leads_there(server: ServerProcess, visitor: Come) -> None:
    page = visitor("Vic").go("/history")
    page.get_by_role("link", name="The record").first.click()
    expect(page.get_by_role("heading", name="The record")).to_be_visible()
