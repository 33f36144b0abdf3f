"""What MLflow's client moves where a policy wants it proposed: a change, named in the refusal."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from wire.mlflow.scenarios.told import acting, behaviour, client, native, publish, refused, run

warnings.simplefilter("ignore", FutureWarning)  # stages are deprecated, and still used
NOBODY = {"people": ["nobody@example.com"]}

native(
    "PUT",
    "/policies/proposed",
    {"policy": {"aliases": "production", "movers": NOBODY, "instead": "propose"}},
)
native("PUT", "/policies/closed", {"policy": {"aliases": "closed", "movers": NOBODY}})


def _prompt(name: str) -> str:
    for text in ("one", "two"):
        publish(name, text)
    return name


def _model(name: str) -> str:
    for number in (1, 2):
        publish(name, {"uri": f"s3://b/{number}"}, kind="model")
    return name


def _proposed(deed: Callable[[], object]) -> dict[str, Any]:
    """Do what is refused and becomes a change: the change that the refusal names."""
    caught: MlflowException | None = None
    try:
        deed()
    except MlflowException as error:
        caught = error
    assert caught is not None, "it was not refused"
    assert caught.error_code == "PERMISSION_DENIED", caught
    found = re.search(r"change (\d+) (?:was opened|is open already)", str(caught))
    assert found, caught
    assert f"pointsman change show {found[1]}" in str(caught)
    return dict(native("GET", f"/changes/{found[1]}"))


def _moves(change: dict[str, Any]) -> list[tuple[str, str, object]]:
    """Name, alias and version (None: a deletion) of each move of a change."""
    return [
        (one["name"], one["alias"], one["to"] and one["to"]["version"]) for one in change["moves"]
    ]


def _open() -> int:
    return len(native("GET", "/changes")["items"])


@behaviour
def a_protected_alias_is_proposed_instead() -> None:
    name = _prompt("asked")
    change = _proposed(lambda: mlflow.genai.set_prompt_alias(name, "production", 2))
    assert _moves(change) == [("asked", "production", 2)]
    assert change["reason"] == "Asked for through MLflow's client."
    assert (change["by"], change["state"]) == ("first admin", "open")
    assert change["title"] == "production of asked to version 2"
    assert mlflow.genai.load_prompt("prompts:/asked@production", allow_missing=True) is None


@behaviour
def asked_again_the_same_change_is_named() -> None:
    name = _prompt("again")
    first = _proposed(lambda: mlflow.genai.set_prompt_alias(name, "production", 2))
    before = _open()
    with acting("releaser"):
        again = _proposed(lambda: mlflow.genai.set_prompt_alias(name, "production", 2))
    assert (again["number"], _open()) == (first["number"], before)
    other = _proposed(lambda: mlflow.genai.set_prompt_alias(name, "production", 1))
    assert (other["number"] != first["number"], _open()) == (True, before + 1)


@behaviour
def a_change_of_an_alias_as_it_was_is_not_named() -> None:
    name = _prompt("stale")
    first = _proposed(lambda: mlflow.genai.set_prompt_alias(name, "production", 2))
    free = {"aliases": "production", "artifacts": "stale", "instead": "propose"}
    native("PUT", "/policies/stale", {"policy": free})
    mlflow.genai.set_prompt_alias(name, "production", 1)
    native("PUT", "/policies/stale", {"policy": {**free, "movers": NOBODY}})
    second = _proposed(lambda: mlflow.genai.set_prompt_alias(name, "production", 2))
    assert second["number"] != first["number"]


@behaviour
def an_editor_proposes_and_a_viewer_does_not() -> None:
    name = _prompt("hers")
    with acting("editor"):
        change = _proposed(lambda: mlflow.genai.set_prompt_alias(name, "production", 1))
        assert change["by"] == "a editor"
        with refused("PERMISSION_DENIED", "releaser"):
            mlflow.genai.set_prompt_alias(name, "free", 1)
    before = _open()
    with acting("viewer"), refused("PERMISSION_DENIED", "viewer"):
        mlflow.genai.set_prompt_alias(name, "production", 2)
    assert _open() == before


@behaviour
def a_deletion_is_proposed_too() -> None:
    name = _prompt("kept")
    free = {"aliases": "production", "artifacts": "kept", "instead": "propose"}
    native("PUT", "/policies/kept", {"policy": free})
    mlflow.genai.set_prompt_alias(name, "production", 1)
    native("PUT", "/policies/kept", {"policy": {**free, "movers": NOBODY}})
    change = _proposed(lambda: mlflow.genai.delete_prompt_alias(name, "production"))
    assert _moves(change) == [("kept", "production", None)]
    assert change["title"] == "production of kept to no version"
    assert mlflow.genai.load_prompt("prompts:/kept@production", cache_ttl_seconds=0).version == 1


@behaviour
def a_stage_is_proposed_as_its_alias() -> None:
    name = _model("staged")
    client().transition_model_version_stage(name, "1", "Staging")
    change = _proposed(lambda: client().transition_model_version_stage(name, "1", "Production"))
    assert sorted(_moves(change), key=str) == [
        ("staged", "production", 1),
        ("staged", "staging", None),
    ]
    assert client().get_model_version(name, "1").current_stage == "Staging"


@behaviour
def a_models_alias_is_proposed_instead() -> None:
    name = _model("churn")
    change = _proposed(lambda: client().set_registered_model_alias(name, "production", "2"))
    assert _moves(change) == [("churn", "production", 2)]
    assert client().get_registered_model(name).aliases == {}


@behaviour
def without_the_policys_word_nothing_is_proposed() -> None:
    name, before = _prompt("refused"), _open()
    with refused("PERMISSION_DENIED", "closed"):
        mlflow.genai.set_prompt_alias(name, "closed", 1)
    assert _open() == before


@behaviour
def what_was_proposed_moves_once_it_is_applied() -> None:
    name = _prompt("applied")
    change = _proposed(lambda: mlflow.genai.set_prompt_alias(name, "production", 2))
    own = {"aliases": "production", "artifacts": "applied", "instead": "propose"}
    native("PUT", "/policies/applied", {"policy": own})
    native("POST", f"/changes/{change['number']}/apply", {"reason": "seen"})
    assert mlflow.genai.load_prompt("prompts:/applied@production").version == 2
    mlflow.genai.set_prompt_alias(name, "production", 2)


if __name__ == "__main__":
    run()
