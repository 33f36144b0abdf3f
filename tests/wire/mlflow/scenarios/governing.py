"""What a policy asks, for MLflow's client as for everybody; and who may come in, as whom."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow

from wire.mlflow.compatibility import SECTION
from wire.mlflow.scenarios.told import (
    KEYS,
    acting,
    behaviour,
    client,
    entries,
    native,
    publish,
    refused,
    run,
)

register = mlflow.genai.register_prompt
load = mlflow.genai.load_prompt

native(
    "PUT",
    "/policies/closed",
    {"policy": {"aliases": "closed", "movers": {"people": ["nobody@example.com"]}}},
)
native(
    "PUT",
    "/policies/explained",
    {
        "policy": {
            "aliases": "explained",
            "movers": {"people": ["nobody@example.com"]},
            "reason": 100,
        }
    },
)


@contextmanager
def _signed_in(name: str, password: str) -> Iterator[None]:
    """Act by user name and password instead of a token."""
    token = os.environ.pop("MLFLOW_TRACKING_TOKEN")
    os.environ["MLFLOW_TRACKING_USERNAME"] = name
    os.environ["MLFLOW_TRACKING_PASSWORD"] = password
    try:
        yield
    finally:
        del os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]
        os.environ["MLFLOW_TRACKING_TOKEN"] = token


@behaviour
def a_policy_that_wants_a_reason_takes_the_standard_one() -> None:
    register("reasoned", "x")
    mlflow.genai.set_prompt_alias("reasoned", "production", 1)
    (moved,) = [one for one in entries("reasoned") if one["type"] == "alias.moved"]
    assert moved["data"]["reason"] == "moved by MLflow's client"
    assert (moved["via"], moved["by"]) == ("mlflow", "first admin")


@behaviour
def a_policy_refuses_with_all_its_reasons() -> None:
    register("governed", "x")
    with refused("PERMISSION_DENIED", "closed"):
        mlflow.genai.set_prompt_alias("governed", "closed", 1)
    with refused("PERMISSION_DENIED", "(1)", "(2)", "reason"):
        mlflow.genai.set_prompt_alias("governed", "explained", 1)
    assert load("prompts:/governed@closed", allow_missing=True) is None


@behaviour
def a_governed_alias_can_not_be_deleted_round_the_policy() -> None:
    publish("guarded", "x", aliases=["production"], message="why")
    native(
        "PUT",
        "/policies/guard",
        {
            "policy": {
                "aliases": "production",
                "artifacts": "guarded",
                "movers": {"people": ["nobody@example.com"]},
            }
        },
    )
    with refused("PERMISSION_DENIED"):
        mlflow.genai.delete_prompt_alias("guarded", "production")
    with refused("PERMISSION_DENIED"):
        client().delete_prompt_version("guarded", "1")
    with refused("RESOURCE_CONFLICT", "production"):
        client().delete_prompt("guarded")
    assert load("prompts:/guarded@production", cache_ttl_seconds=0).version == 1


@behaviour
def a_stage_is_governed_as_its_alias() -> None:
    publish("stagedm", {"uri": "s3://b/m"}, kind="model")
    native(
        "PUT",
        "/policies/stagedm",
        {
            "policy": {
                "aliases": "production",
                "artifacts": "stagedm",
                "movers": {"people": ["nobody@example.com"]},
            }
        },
    )
    with refused("PERMISSION_DENIED"):
        client().transition_model_version_stage("stagedm", "1", "Production")
    assert client().get_model_version("stagedm", "1").current_stage == "None"


@behaviour
def a_key_is_a_password_whatever_the_user_name() -> None:
    register("basic", "x")
    for name in ("", "ana", "who@example.com"):
        with _signed_in(name or "-", KEYS["viewer"]):
            assert load("basic", version=1, cache_ttl_seconds=0).template == "x"


@behaviour
def a_person_comes_in_with_address_and_password() -> None:
    with _signed_in("ana@example.com", KEYS["password"]):
        made = register("hers", "x")
        assert made.user_id == "Ana"
    (published,) = [one for one in entries("hers") if one["type"] == "version.published"]
    assert (published["by"], published["via"]) == ("Ana", "mlflow")


@behaviour
def wrong_credentials_are_refused() -> None:
    for name, password in (
        ("ana@example.com", "wrong password here"),
        ("nobody@example.com", "wrong password here"),
        ("ana", "no key at all"),
        ("ana", "pm_aaaaaaaaaa_" + "A" * 43),
    ):
        with _signed_in(name, password), refused("UNAUTHENTICATED"):
            client().get_registered_model("x")


@behaviour
def a_revoked_key_ends_at_once() -> None:
    register("revoking", "x")
    made = native("POST", "/keys", {"name": "soon gone", "role": "viewer"})
    with _signed_in("x", made["secret"]):
        assert load("revoking", version=1, cache_ttl_seconds=0).template == "x"
        native("DELETE", f"/keys/{made['key']['id']}")
        with refused("UNAUTHENTICATED", "revoked"):
            load("revoking", version=1, cache_ttl_seconds=0)


@behaviour
def a_workspace_is_a_project() -> None:
    native("POST", "/projects", {"name": "elsewhere"})
    register("here", "x")
    mlflow.set_workspace("elsewhere")
    try:
        register("there", "y")
        assert [one.name for one in mlflow.genai.search_prompts()] == ["there"]
        with refused("RESOURCE_DOES_NOT_EXIST"):
            load("here", version=1, cache_ttl_seconds=0)
        with acting("viewer"), refused("PERMISSION_DENIED"):
            client().get_registered_model("there")
    finally:
        mlflow.set_workspace(None)
    assert load("here", version=1, cache_ttl_seconds=0).template == "x"


@behaviour
def a_key_for_a_part_sees_that_part() -> None:
    publish("mine/a", "x")
    register("yours", "y")
    made = native("POST", "/keys", {"name": "narrow", "role": "editor", "artifacts": "mine/*"})
    with _signed_in("x", made["secret"]):
        assert [one.name for one in mlflow.genai.search_prompts()] == ["mine/a"]
        with refused("PERMISSION_DENIED"):
            client().get_registered_model("yours")
        with refused("PERMISSION_DENIED"):
            register("ours", "z")


@behaviour
def every_call_of_the_registry_is_declared() -> None:
    words = ("prompt", "registered_model", "model_version", "webhook", "latest_versions")
    elsewhere = {
        *("link_prompt_version_to_run", "link_prompt_version_to_model"),
        *("link_prompt_versions_to_trace", "unlink_prompt_versions_from_trace"),
        *("detach_prompt_from_run", "list_logged_prompts"),
        "parse_prompt_uri",  # asks no server
    }
    calls = {
        name
        for name in dir(client())
        if not name.startswith("_") and any(word in name for word in words)
    }
    assert {"load_prompt", "create_webhook"} <= calls
    declared = {call.name for call in SECTION.calls}
    assert calls - elsewhere <= declared, sorted(calls - elsewhere - declared)


if __name__ == "__main__":
    run()
