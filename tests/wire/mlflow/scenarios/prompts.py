"""Prompts with MLflow's client: registering, loading, aliases, tags, deleting."""

from __future__ import annotations

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

register = mlflow.genai.register_prompt
load = mlflow.genai.load_prompt


@behaviour
def a_prompt_is_registered_and_loaded() -> None:
    made = register("first", "Hello {{ who }}", commit_message="why", tags={"team": "a"})
    assert (made.name, made.version, made.template) == ("first", 1, "Hello {{ who }}")
    found = load("first", version=1)
    assert found.template == "Hello {{ who }}"
    assert found.commit_message == "why"
    assert found.tags == {"team": "a"}
    assert found.variables == {"who"}
    assert found.format(who="you") == "Hello you"
    assert found.user_id == "first admin"
    assert found.creation_timestamp > 1_600_000_000_000


@behaviour
def the_next_registration_is_version_two() -> None:
    register("counted", "one")
    assert register("counted", "two").version == 2
    assert load("counted", version=1).template == "one"
    assert load("counted", version=2).template == "two"


@behaviour
def equal_texts_are_versions_of_their_own() -> None:
    assert [register("same", "text").version for _ in range(2)] == [1, 2]


@behaviour
def a_prompt_is_loaded_without_a_version_as_its_newest() -> None:
    for text in ("one", "two"):
        register("newest", text)
    assert load("newest").template == "two"
    assert load("prompts:/newest@latest").version == 2
    assert load("prompts:/newest/1").template == "one"


@behaviour
def an_alias_is_set_moved_and_deleted() -> None:
    for text in ("one", "two"):
        register("aliased", text)
    mlflow.genai.set_prompt_alias("aliased", "live", 1)
    assert load("prompts:/aliased@live", cache_ttl_seconds=0).template == "one"
    assert load("aliased", version=1, cache_ttl_seconds=0).aliases == ["live"]
    mlflow.genai.set_prompt_alias("aliased", "live", 2)
    assert load("prompts:/aliased@live", cache_ttl_seconds=0).template == "two"
    mlflow.genai.delete_prompt_alias("aliased", "live")
    with refused("INVALID_PARAMETER_VALUE", "alias live not found"):
        load("prompts:/aliased@live", cache_ttl_seconds=0)


@behaviour
def a_version_is_told_by_number_and_by_alias() -> None:
    register("by-both", "text", commit_message="why")
    mlflow.genai.set_prompt_alias("by-both", "live", 1)
    for found in (
        client().get_prompt_version("by-both", 1),
        client().get_prompt_version_by_alias("by-both", "live"),
    ):
        assert (found.template, found.commit_message, found.aliases) == ("text", "why", ["live"])
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client().get_prompt_version("by-both", 9)


@behaviour
def deleting_an_alias_that_is_not_there_does_nothing() -> None:
    register("bare", "x")
    mlflow.genai.delete_prompt_alias("bare", "nothing")


@behaviour
def aliases_of_any_letters_work() -> None:
    register("letters", "x")
    for alias in ("ünï", "a-b_c", "Ä1"):
        mlflow.genai.set_prompt_alias("letters", alias, 1)
        assert load(f"prompts:/letters@{alias}").version == 1


@behaviour
def reserved_aliases_are_refused() -> None:
    register("reserved", "x")
    for alias in ("latest", "Latest", "v1", "V22"):
        with refused("INVALID_PARAMETER_VALUE"):
            mlflow.genai.set_prompt_alias("reserved", alias, 1)


@behaviour
def an_alias_for_a_missing_version_is_refused() -> None:
    register("short", "x")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        mlflow.genai.set_prompt_alias("short", "live", 7)


@behaviour
def what_is_missing_is_told_or_allowed() -> None:
    with refused("RESOURCE_DOES_NOT_EXIST", "nowhere"):
        load("nowhere", version=1)
    assert load("nowhere", version=1, allow_missing=True) is None
    register("somewhere", "x")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        load("somewhere", version=9)
    assert load("prompts:/somewhere@nope", allow_missing=True) is None


@behaviour
def get_prompt_tells_of_the_prompt_or_nothing() -> None:
    register("told", "x", tags={"a": "1"})
    found = client().get_prompt("told")
    assert found is not None
    assert (found.name, found.tags["a"]) == ("told", "1")
    assert client().get_prompt("untold") is None


@behaviour
def prompt_tags_are_set_and_deleted() -> None:
    register("tagged", "x")
    mlflow.genai.set_prompt_tag("tagged", "team.name", "ops / on call")
    assert mlflow.genai.get_prompt_tags("tagged")["team.name"] == "ops / on call"
    mlflow.genai.delete_prompt_tag("tagged", "team.name")
    mlflow.genai.delete_prompt_tag("tagged", "team.name")
    assert "team.name" not in mlflow.genai.get_prompt_tags("tagged")


@behaviour
def version_tags_are_set_and_deleted() -> None:
    register("marked", "x")
    mlflow.genai.set_prompt_version_tag("marked", 1, "quality", "good")
    assert load("marked", version=1, cache_ttl_seconds=0).tags == {"quality": "good"}
    mlflow.genai.delete_prompt_version_tag("marked", 1, "quality")
    assert load("marked", version=1, cache_ttl_seconds=0).tags == {}


@behaviour
def tags_of_a_later_registration_go_to_the_prompt_too() -> None:
    register("twice", "a", tags={"k": "1"})
    register("twice", "b", tags={"k": "2"})
    assert mlflow.genai.get_prompt_tags("twice")["k"] == "2"
    assert load("twice", version=1).tags["k"] == "1"


@behaviour
def a_bad_tag_is_refused() -> None:
    register("badly", "x")
    with refused("INVALID_PARAMETER_VALUE"):
        mlflow.genai.set_prompt_tag("badly", "../up", "x")
    with refused("INVALID_PARAMETER_VALUE"):
        mlflow.genai.set_prompt_tag("badly", "k", "x" * 100_001)


@behaviour
def a_deleted_prompt_is_gone_but_on_record() -> None:
    register("ended", "text")
    client().delete_prompt("ended")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        load("ended", version=1, cache_ttl_seconds=0)
    assert "ended" not in [one.name for one in mlflow.genai.search_prompts()]
    assert native("GET", place("ended"))["archived_at"]
    assert native("GET", place("ended", "versions", 1))["content"] == {"template": "text"}


@behaviour
def a_deleted_prompt_comes_back_and_counts_on() -> None:
    register("back", "one")
    client().delete_prompt("back")
    assert register("back", "two").version == 2


@behaviour
def a_deleted_version_leaves_its_number_unused() -> None:
    for text in ("one", "two"):
        register("holes", text)
    mlflow.genai.set_prompt_alias("holes", "live", 2)
    client().delete_prompt_version("holes", "2")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        load("holes", version=2, cache_ttl_seconds=0)
    assert load("holes").template == "one"
    assert load("prompts:/holes@live", allow_missing=True, cache_ttl_seconds=0) is None
    assert register("holes", "three").version == 3
    stone = native("GET", place("holes", "versions", 2))["tombstone"]
    assert stone["reason"] == "deleted by MLflow's client"


@behaviour
def only_admins_delete_versions() -> None:
    register("kept", "x")
    with acting("releaser"), refused("PERMISSION_DENIED", "admin"):
        client().delete_prompt_version("kept", "1")
    assert load("kept", version=1, cache_ttl_seconds=0).template == "x"


@behaviour
def a_prompt_and_a_model_can_not_share_a_name() -> None:
    register("shared", "x")
    with refused("INVALID_PARAMETER_VALUE", "mlflow.prompt.text"):
        client().create_model_version("shared", "s3://bucket/model")
    with refused("RESOURCE_ALREADY_EXISTS", "taken by a prompt"):
        client().create_registered_model("shared")
    client().create_registered_model("modelled")
    with refused("INVALID_PARAMETER_VALUE"):
        register("modelled", "x")


@behaviour
def prompts_are_made_in_two_steps_as_well() -> None:
    client().create_prompt("stepped", description="steps", tags={"a": "b"})
    made = client().create_prompt_version("stepped", "Hi {{ x }}", description="one")
    assert (made.version, made.commit_message) == (1, "one")
    assert client().get_prompt("stepped").description == "steps"
    with refused("RESOURCE_ALREADY_EXISTS", "Prompt (name=stepped) already exists"):
        client().create_prompt("stepped")


@behaviour
def a_prompt_without_versions_has_no_latest() -> None:
    client().create_prompt("hollow")
    with refused("RESOURCE_DOES_NOT_EXIST", "Latest version not found"):
        load("hollow")


@behaviour
def native_and_mlflow_readers_see_the_same() -> None:
    register("both", "Hello {{ who }}")
    assert native("GET", "/resolve/both:1")["content"] == {"template": "Hello {{ who }}"}
    assert publish("both", "Bye {{ who }}", message="natively") == 2
    found = load("both", version=2)
    assert (found.template, found.commit_message) == ("Bye {{ who }}", "natively")


@behaviour
def the_record_says_that_it_was_mlflows_client() -> None:
    register("recorded", "x")
    mlflow.genai.set_prompt_alias("recorded", "live", 1)
    vias = {one["via"] for one in entries("recorded") if one["type"] != "tag.set"}
    assert vias == {"mlflow"}


@behaviour
def a_reader_loads_prompts() -> None:
    register("readable", "x")
    with acting("viewer"):
        assert load("readable", version=1, cache_ttl_seconds=0).template == "x"


if __name__ == "__main__":
    run()
