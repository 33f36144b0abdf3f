"""Models with MLflow's client: registering, versions, aliases, stages, copies, deleting."""

from __future__ import annotations

import warnings

import mlflow

from wire.mlflow.scenarios.told import (
    acting,
    behaviour,
    client,
    entries,
    native,
    place,
    publish,
    refused,
    run,
)

warnings.simplefilter("ignore", FutureWarning)  # stages are deprecated, and still used


@behaviour
def a_model_is_registered_and_found() -> None:
    made = client().create_registered_model("plain", tags={"a": "1"}, description="what it is")
    assert (made.name, made.tags, made.description) == ("plain", {"a": "1"}, "what it is")
    found = client().get_registered_model("plain")
    assert (found.name, found.tags, found.description) == ("plain", {"a": "1"}, "what it is")
    assert found.latest_versions == []
    assert found.aliases == {}


@behaviour
def a_model_can_not_be_registered_twice() -> None:
    client().create_registered_model("twice")
    with refused("RESOURCE_ALREADY_EXISTS", "Registered Model (name=twice) already exists"):
        client().create_registered_model("twice")


@behaviour
def bad_names_are_refused() -> None:
    for name in ("a:b", "../up", ""):
        with refused("INVALID_PARAMETER_VALUE"):
            client().create_registered_model(name)


@behaviour
def names_of_any_letters_work() -> None:
    for name in ("Änderung 7", "a.b-c_d", "50% done", "it's"):
        client().create_registered_model(name)
        assert client().create_model_version(name, "s3://b/m").name == name
        assert client().get_model_version(name, "1").source == "s3://b/m"


@behaviour
def a_version_keeps_what_it_was_made_with() -> None:
    client().create_registered_model("kept")
    made = client().create_model_version(
        "kept", "s3://b/m", run_id="r1", tags={"k": "v"}, run_link="https://x/r1", description="d"
    )
    assert made.version == "1"
    found = client().get_model_version("kept", "1")
    assert (found.source, found.run_id, found.run_link) == ("s3://b/m", "r1", "https://x/r1")
    assert (found.tags, found.description, found.status) == ({"k": "v"}, "d", "READY")
    assert found.current_stage == "None"
    assert client().get_model_version_download_uri("kept", "1") == "s3://b/m"
    content = native("GET", place("kept", "versions", 1, kind="model"))["content"]
    assert content == {"uri": "s3://b/m", "run_id": "r1", "run_link": "https://x/r1"}


@behaviour
def versions_count_up() -> None:
    client().create_registered_model("counted")
    made = [client().create_model_version("counted", f"s3://b/{n}").version for n in range(3)]
    assert made == ["1", "2", "3"]
    (latest,) = client().get_registered_model("counted").latest_versions
    assert (latest.version, latest.source) == ("3", "s3://b/2")


@behaviour
def descriptions_change() -> None:
    client().create_registered_model("described", description="one")
    client().create_model_version("described", "s3://b/m", description="first")
    assert client().update_registered_model("described", "two").description == "two"
    changed = client().update_model_version("described", "1", description="second")
    assert changed.description == "second"
    assert client().get_model_version("described", "1").description == "second"
    assert not client().update_model_version("described", "1", description="").description
    assert client().get_registered_model("described").tags == {}
    assert client().get_model_version("described", "1").tags == {}


@behaviour
def tags_change() -> None:
    client().create_registered_model("tagged")
    client().create_model_version("tagged", "s3://b/m")
    client().set_registered_model_tag("tagged", "k", "v")
    client().set_model_version_tag("tagged", "1", "k", "w")
    assert client().get_registered_model("tagged").tags == {"k": "v"}
    assert client().get_model_version("tagged", "1").tags == {"k": "w"}
    client().delete_registered_model_tag("tagged", "k")
    client().delete_model_version_tag("tagged", "1", "k")
    assert client().get_registered_model("tagged").tags == {}
    assert client().get_model_version("tagged", "1").tags == {}


@behaviour
def aliases_point_to_versions() -> None:
    client().create_registered_model("aliased")
    for number in (1, 2):
        client().create_model_version("aliased", f"s3://b/{number}")
    client().set_registered_model_alias("aliased", "champion", "1")
    assert client().get_model_version_by_alias("aliased", "champion").version == "1"
    client().set_registered_model_alias("aliased", "champion", "2")
    found = client().get_model_version_by_alias("aliased", "champion")
    assert (found.version, found.aliases) == ("2", ["champion"])
    assert client().get_registered_model("aliased").aliases == {"champion": "2"}
    assert client().get_model_version_by_alias("aliased", "latest").version == "2"
    client().delete_registered_model_alias("aliased", "champion")
    with refused("INVALID_PARAMETER_VALUE", "Registered model alias champion not found."):
        client().get_model_version_by_alias("aliased", "champion")


@behaviour
def an_alias_of_a_missing_version_is_refused() -> None:
    client().create_registered_model("early")
    with refused("RESOURCE_DOES_NOT_EXIST", "(name=early, version=1) not found"):
        client().set_registered_model_alias("early", "champion", "1")


@behaviour
def a_stage_is_an_alias() -> None:
    client().create_registered_model("staged")
    for number in (1, 2):
        client().create_model_version("staged", f"s3://b/{number}")
    moved = client().transition_model_version_stage("staged", "1", "Staging")
    assert moved.current_stage == "Staging"
    moved = client().transition_model_version_stage("staged", "1", "production")
    assert moved.current_stage == "Production"
    aliases = native("GET", place("staged", kind="model"))["aliases"]
    assert [one["name"] for one in aliases] == ["production"]
    client().transition_model_version_stage("staged", "2", "Production")
    assert client().get_model_version("staged", "1").current_stage == "None"
    assert client().get_model_version("staged", "2").current_stage == "Production"


@behaviour
def what_was_in_a_stage_is_archived_if_asked() -> None:
    client().create_registered_model("replaced")
    for number in (1, 2):
        client().create_model_version("replaced", f"s3://b/{number}")
        client().transition_model_version_stage(
            "replaced", str(number), "Production", archive_existing_versions=True
        )
    assert client().get_model_version("replaced", "1").current_stage == "Archived"
    assert client().get_model_version("replaced", "1").tags == {}
    client().transition_model_version_stage("replaced", "2", "Archived")
    assert client().get_model_version("replaced", "2").current_stage == "Archived"
    assert client().get_registered_model("replaced").aliases == {}
    client().transition_model_version_stage("replaced", "2", "None")
    assert client().get_model_version("replaced", "2").current_stage == "None"


@behaviour
def a_transition_moves_both_aliases_in_one_release() -> None:
    client().create_registered_model("atomic")
    client().create_model_version("atomic", "s3://b/1")
    client().transition_model_version_stage("atomic", "1", "Staging")
    client().transition_model_version_stage("atomic", "1", "Production")
    moves = [one for one in entries("atomic", "model") if one["type"] == "alias.moved"]
    assert len({one["data"]["release"] for one in moves[:2]}) == 1
    assert {one["data"]["alias"] for one in moves[:2]} == {"staging", "production"}


@behaviour
def the_stages_that_there_are_are_told() -> None:
    client().create_registered_model("stages")
    client().create_model_version("stages", "s3://b/1")
    found = client().get_model_version_stages("stages", "1")
    assert found == ["None", "Staging", "Production", "Archived"]


@behaviour
def unknown_stages_are_refused() -> None:
    client().create_registered_model("unstaged")
    client().create_model_version("unstaged", "s3://b/1")
    with refused("INVALID_PARAMETER_VALUE", "stage"):
        client().transition_model_version_stage("unstaged", "1", "Live")
    with refused("INVALID_PARAMETER_VALUE"):
        client().transition_model_version_stage(
            "unstaged", "1", "Archived", archive_existing_versions=True
        )


@behaviour
def the_latest_versions_are_told_by_stage() -> None:
    client().create_registered_model("latest")
    for number in range(1, 5):
        client().create_model_version("latest", f"s3://b/{number}")
    client().transition_model_version_stage("latest", "1", "Staging")
    client().transition_model_version_stage("latest", "2", "Production")
    found = {one.current_stage: one.version for one in client().get_latest_versions("latest")}
    assert found == {"None": "4", "Staging": "1", "Production": "2"}
    (only,) = client().get_latest_versions("latest", stages=["production"])
    assert (only.version, only.aliases) == ("2", ["production"])
    assert client().get_latest_versions("latest", stages=["Archived"]) == []


@behaviour
def a_native_alias_shows_as_a_stage() -> None:
    publish("nativem", {"uri": "s3://b/m"}, kind="model", aliases=["production"], message="why")
    found = client().get_model_version("nativem", "1")
    assert (found.current_stage, found.source) == ("Production", "s3://b/m")


@behaviour
def a_split_shows_its_first_version() -> None:
    for number in (1, 2):
        publish("splitm", {"uri": f"s3://b/{number}"}, kind="model")
    path = place("splitm", "aliases", "canary", kind="model")
    native("PUT", path, {"split": {"1": 90, "2": 10}, "reason": "try"})
    assert client().get_model_version_by_alias("splitm", "canary").version == "1"
    with refused("RESOURCE_CONFLICT", "canary"):
        client().delete_model_version("splitm", "1")


@behaviour
def a_version_is_copied_to_another_model() -> None:
    client().create_registered_model("origin")
    client().create_model_version("origin", "s3://b/m", run_id="r", tags={"k": "v"})
    client().set_registered_model_alias("origin", "best", "1")
    copy = client().copy_model_version("models:/origin/1", "copies")
    assert (copy.name, copy.version, copy.source) == ("copies", "1", "models:/origin/1")
    assert (copy.run_id, copy.tags) == ("r", {"k": "v"})
    again = client().copy_model_version("models:/origin@best", "copies")
    assert again.version == "2"
    client().delete_registered_model("origin")
    assert client().get_model_version_download_uri("copies", "1") == "s3://b/m"
    third = client().copy_model_version("models:/copies/1", "more")
    assert client().get_model_version_download_uri("more", third.version) == "s3://b/m"


@behaviour
def a_prompt_can_not_be_copied_as_a_model() -> None:
    publish("notamodel", "text")
    client().create_registered_model("target")
    with refused("INVALID_PARAMETER_VALUE"):
        client().create_model_version("target", "models:/notamodel/1")


@behaviour
def a_model_can_not_be_renamed() -> None:
    client().create_registered_model("fixed")
    with refused("INVALID_PARAMETER_VALUE", "can't be renamed", "copy_model_version"):
        client().rename_registered_model("fixed", "other")
    assert client().get_registered_model("fixed").name == "fixed"


@behaviour
def a_deleted_model_is_archived() -> None:
    client().create_registered_model("removed")
    client().create_model_version("removed", "s3://b/1")
    client().delete_registered_model("removed")
    with refused("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=removed not found"):
        client().get_registered_model("removed")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client().get_model_version("removed", "1")
    client().create_registered_model("removed", tags={"again": "yes"})
    assert client().get_registered_model("removed").tags == {"again": "yes"}
    assert client().create_model_version("removed", "s3://b/2").version == "2"


@behaviour
def a_deleted_version_is_gone_with_its_aliases() -> None:
    client().create_registered_model("thinned")
    for number in (1, 2):
        client().create_model_version("thinned", f"s3://b/{number}")
    client().set_registered_model_alias("thinned", "best", "2")
    client().delete_model_version("thinned", "2")
    assert client().get_registered_model("thinned").aliases == {}
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client().get_model_version("thinned", "2")
    (latest,) = client().get_registered_model("thinned").latest_versions
    assert latest.version == "1"
    assert client().create_model_version("thinned", "s3://b/3").version == "3"


@behaviour
def sources_that_lead_elsewhere_are_refused() -> None:
    client().create_registered_model("sources")
    for source in (
        "s3://b/../secret",
        "s3://b/%2e%2e/secret",
        "file:///etc/passwd",
        "https://elsewhere.example/model",
        "runs:/other/model",
        "models:/m-" + "0" * 32,
        "models:/nothing/1",
    ):
        with refused(
            "RESOURCE_DOES_NOT_EXIST" if "nothing" in source else "INVALID_PARAMETER_VALUE"
        ):
            client()._get_registry_client().store.create_model_version("sources", source)
    assert client().search_model_versions("name = 'sources'") == []


@behaviour
def a_logged_model_that_is_kept_elsewhere_is_taken() -> None:
    client().create_registered_model("logged")
    logged = "m-" + "a" * 32
    store = client()._get_registry_client().store
    made = store.create_model_version("logged", f"models:/{logged}", model_id=logged)
    assert client().get_model_version_download_uri("logged", made.version) == f"models:/{logged}"


@behaviour
def the_functions_of_the_module_work() -> None:
    made = mlflow.register_model("s3://bucket/fluent", "fluent", tags={"a": "b"})
    assert (made.name, made.version, made.tags) == ("fluent", "1", {"a": "b"})
    assert "fluent" in [one.name for one in mlflow.search_registered_models()]
    assert [one.version for one in mlflow.search_model_versions(filter_string="name='fluent'")]
    mlflow.set_model_version_tag("fluent", "1", "k", "v")
    assert client().get_model_version("fluent", "1").tags == {"a": "b", "k": "v"}


@behaviour
def editors_register_and_do_not_move() -> None:
    with acting("editor"):
        client().create_registered_model("edited")
        client().create_model_version("edited", "s3://b/1")
        with refused("PERMISSION_DENIED", "releaser"):
            client().set_registered_model_alias("edited", "best", "1")
        with refused("PERMISSION_DENIED"):
            client().delete_registered_model("edited")


@behaviour
def viewers_only_read() -> None:
    client().create_registered_model("viewed")
    with acting("viewer"):
        assert client().get_registered_model("viewed").name == "viewed"
        with refused("PERMISSION_DENIED"):
            client().create_registered_model("unseen")


if __name__ == "__main__":
    run()
