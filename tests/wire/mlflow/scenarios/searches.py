"""Searches with MLflow's client: filters, orders, pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlflow

from wire.mlflow.scenarios.told import behaviour, client, publish, refused, run

NAMES = ["find-a", "find-b", "find-c", "Find-D", "find_e"]


def _names(filter_string: str | None = None, **more: Any) -> list[str]:
    return [one.name for one in client().search_registered_models(filter_string, **more)]


def _versions(filter_string: str, **more: Any) -> list[tuple[str, int]]:
    found = client().search_model_versions(filter_string, **more)
    return [(one.name, int(one.version)) for one in found]


for _number, _name in enumerate(NAMES):
    client().create_registered_model(_name, tags={"team": "ops" if _number < 3 else "Dev"})
    for _version in range(1, 4):
        client().create_model_version(
            _name,
            f"s3://bucket/{_name}/{_version}",
            run_id=f"run{_version}",
            tags={"stage.tag": "good" if _version == 2 else "BAD", "n": str(_version)},
        )
for _name in ("asked-a", "asked-b", "asked-c"):
    for _text in ("one", "two", "three"):
        mlflow.genai.register_prompt(_name, _text, tags={"lang": _name[-1]})


@behaviour
def names_are_compared() -> None:
    assert _names("name = 'find-a'") == ["find-a"]
    assert _names("name != 'find-a' AND name LIKE 'find%'") == ["find-b", "find-c", "find_e"]
    assert _names("attribute.name = 'find-b'") == ["find-b"]
    assert _names('name = "find-b"') == ["find-b"]
    assert _names("name = 'nothing'") == []


@behaviour
def patterns_mind_case_or_not() -> None:
    assert _names("name LIKE 'Find%'") == ["Find-D"]
    assert _names("name ilike 'FIND%'") == sorted(NAMES)
    assert _names("name LIKE 'find__'") == ["find-a", "find-b", "find-c", "find_e"]
    assert _names("name LIKE '%d-b'") == ["find-b"]


@behaviour
def lists_of_names_are_looked_up() -> None:
    assert _names("name IN ('find-a', 'find-c', 'x')") == ["find-a", "find-c"]
    assert _names("name IN ('find-a', )") == ["find-a"]
    found = _names("name NOT IN ('find-a') AND name LIKE 'find-%'")
    assert found == ["find-b", "find-c"]


@behaviour
def tags_are_compared() -> None:
    assert _names("tags.team = 'ops'") == ["find-a", "find-b", "find-c"]
    assert _names("tag.`team` = 'ops' AND name != 'find-a'") == ["find-b", "find-c"]
    assert _names("tags.team != 'ops'") == ["Find-D", "find_e"]
    assert _names("tags.team LIKE 'D%'") == ["Find-D", "find_e"]
    assert _names("tags.team ILIKE 'O_S'") == ["find-a", "find-b", "find-c"]
    assert _names("tags.absent != 'x'") == []


@behaviour
def ands_are_tolerated_where_they_are_missing() -> None:
    assert _names("name = 'find-a' tags.team = 'ops'") == ["find-a"]
    assert _names("AND name = 'find-a' AND") == ["find-a"]


@behaviour
def models_are_ordered() -> None:
    like = "name ILIKE 'find%'"
    assert _names(like, order_by=["name DESC"]) == sorted(NAMES, reverse=True)
    by_time = _names(like, order_by=["last_updated_timestamp ASC"])
    assert by_time == NAMES
    assert _names(like, order_by=["timestamp DESC", "name"]) == NAMES[::-1]


@behaviour
def pages_of_models_follow_one_another() -> None:
    _follow(lambda **more: client().search_registered_models("name ILIKE 'find%'", **more))
    _follow(
        lambda **more: client().search_registered_models(
            "name ILIKE 'find%'", order_by=["name DESC"], **more
        )
    )


def _follow(search: Callable[..., Any]) -> None:
    whole = [one.name for one in search()]
    found: list[str] = []
    token = None
    for _ in range(20):
        page = search(max_results=2, page_token=token)
        assert len(page) <= 2
        found += [one.name for one in page]
        token = page.token
        if not token:
            break
    assert found == whole
    assert len(found) == 5


@behaviour
def limits_are_kept() -> None:
    assert len(_names("name ILIKE 'find%'", max_results=3)) == 3
    for most in (1_001, -1):
        with refused("INVALID_PARAMETER_VALUE", "max_results"):
            _names(None, max_results=most)
    for most in (200_001, 0):
        with refused("INVALID_PARAMETER_VALUE", "max_results"):
            _versions("name = 'find-a'", max_results=most)


@behaviour
def tokens_of_others_are_refused() -> None:
    for token in ("nonsense", "eyJvZmZzZXQiOiAyfQ=="):
        with refused("INVALID_PARAMETER_VALUE"):
            _names(None, page_token=token)


@behaviour
def models_and_prompts_are_told_apart() -> None:
    every = _names()
    assert not [name for name in every if name.startswith("asked")]
    prompts = [one.name for one in mlflow.genai.search_prompts()]
    assert [name for name in prompts if name.startswith("asked")] == [
        "asked-a",
        "asked-b",
        "asked-c",
    ]
    assert not set(prompts) & set(every)
    is_prompt = "tags.`mlflow.prompt.is_prompt`"
    assert _names(f"{is_prompt} = 'false'") == every
    assert _names(f"{is_prompt} != 'true'") == every
    assert _names(f"{is_prompt} = 'true' AND {is_prompt} = 'false'") == []


@behaviour
def prompts_are_searched() -> None:
    found = mlflow.genai.search_prompts("name LIKE 'asked-%' AND tags.lang = 'b'")
    assert [(one.name, one.tags["lang"]) for one in found] == [("asked-b", "b")]
    page = client().search_prompts("name LIKE 'asked%'", max_results=2)
    assert (len(page), bool(page.token)) == (2, True)
    (last,) = client().search_prompts("name LIKE 'asked%'", max_results=2, page_token=page.token)
    assert last.name == "asked-c"


@behaviour
def versions_of_a_prompt_are_listed() -> None:
    found = client().search_prompt_versions("asked-a")
    assert [(one.version, one.template) for one in found] == [(3, "three"), (2, "two"), (1, "one")]
    page = client().search_prompt_versions("asked-a", max_results=2)
    assert [one.version for one in page] == [3, 2]
    (last,) = client().search_prompt_versions("asked-a", max_results=2, page_token=page.token)
    assert last.version == 1


@behaviour
def prompts_are_found_by_experiment() -> None:
    mlflow.genai.set_prompt_tag("asked-c", "_mlflow_experiment_ids", ",7,")
    found = mlflow.genai.search_prompts("experiment_id = '7'")
    assert [one.name for one in found] == ["asked-c"]


@behaviour
def versions_are_compared() -> None:
    assert _versions("name = 'find-a'", order_by=["version_number"]) == [
        ("find-a", 1),
        ("find-a", 2),
        ("find-a", 3),
    ]
    assert _versions("name = 'find-a' AND version_number > 2") == [("find-a", 3)]
    assert _versions("name = 'find-a' AND version_number = '2'") == [("find-a", 2)]
    assert _versions("run_id = 'run2' AND name LIKE 'find-_'", order_by=["name"]) == [
        ("find-a", 2),
        ("find-b", 2),
        ("find-c", 2),
    ]
    assert _versions("run_id IN ('run1', 'run3') AND name = 'find-b'") == [
        ("find-b", 3),
        ("find-b", 1),
    ]
    assert _versions("source_path = 's3://bucket/find-c/1'") == [("find-c", 1)]
    assert _versions("source_path LIKE '%find-c/_' AND version_number <= 1") == [("find-c", 1)]
    assert _versions("tags.`stage.tag` = 'good' AND name = 'find_e'") == [("find_e", 2)]
    assert _versions("tag.n != '2' AND name = 'find_e'") == [("find_e", 3), ("find_e", 1)]


@behaviour
def versions_come_newest_first() -> None:
    found = _versions("name ILIKE 'find%'")
    assert found[0] == ("find_e", 3)
    assert found[-1] == ("find-a", 1)
    by_name = _versions("name ILIKE 'find%'", order_by=["name ASC", "version_number ASC"])
    assert by_name == sorted(by_name)


@behaviour
def pages_of_versions_follow_one_another() -> None:
    found: list[tuple[str, int]] = []
    token = None
    while True:
        page = client().search_model_versions(
            "name ILIKE 'find%'", max_results=4, order_by=["name"], page_token=token
        )
        found += [(one.name, int(one.version)) for one in page]
        token = page.token
        if not token:
            break
    assert len(found) == len(set(found)) == 15


@behaviour
def removed_versions_are_not_found() -> None:
    client().create_registered_model("less")
    for number in (1, 2):
        client().create_model_version("less", f"s3://b/{number}")
    client().delete_model_version("less", "1")
    assert _versions("name = 'less'") == [("less", 2)]


@behaviour
def native_models_are_found() -> None:
    publish("native/model", {"uri": "gs://b/m"}, kind="model", tags={"k": "v"})
    assert _names("name = 'native/model'") == ["native/model"]
    assert _versions("source_path = 'gs://b/m'") == [("native/model", 1)]


@behaviour
def what_the_grammar_does_not_have_is_refused() -> None:
    for filter_string in (
        "name = 'a' OR name = 'b'",
        "NOT name = 'a'",
        "(name = 'a')",
        "name = 'a'; DROP TABLE artifact",
        "name IS NULL",
        "name RLIKE 'a'",
        "name > 'a'",
        "name = 3",
        "name = a",
        "foo = 'x'",
        "creation_timestamp > 3",
        "metrics.x = '1'",
        "tags.team IN ('a')",
        "name IN ()",
        "name IN 'a'",
        "name = 'unclosed",
        "name",
        "name =",
        "= 'a'",
        "''",
    ):
        with refused("INVALID_PARAMETER_VALUE"):
            _names(filter_string)
    for filter_string in (
        "version_number = 1.0",
        "version_number LIKE '1'",
        "source_path IN ('a')",
    ):
        with refused("INVALID_PARAMETER_VALUE"):
            _versions(filter_string)


@behaviour
def orders_that_do_not_exist_are_refused() -> None:
    for order in ("creation_timestamp", "name UP", "tags.team", "", "name, timestamp", "1=1"):
        with refused("INVALID_PARAMETER_VALUE", "order"):
            _names(None, order_by=[order])
    with refused("INVALID_PARAMETER_VALUE", "twice"):
        _names(None, order_by=["name", "name DESC"])
    with refused("INVALID_PARAMETER_VALUE"):
        _versions("name = 'find-a'", order_by=["source_path"])


@behaviour
def hostile_filters_find_nothing() -> None:
    for text in ("' OR '1'='1", "%' --", '"; DROP TABLE artifact', "\\'", "Robert'); --"):
        safe = text.replace("'", "''")
        assert _names(f"name = '{safe}'") == []
        assert _names(f"tags.team = '{safe}'") == []
    assert "find-a" in _names("name LIKE 'find%'")


if __name__ == "__main__":
    run()
