"""Copy all prompts and models of an MLflow server to Pointsman, with MLflow's own client.

    export FROM_URL=http://mlflow.example.com        FROM_TOKEN=…   (if it wants one)
    export POINTSMAN_URL=http://127.0.0.1:8080       POINTSMAN_API_KEY=pm_…   (may move aliases)
    pip install mlflow-skinny
    python examples/mlflow_move_over.py

Versions come over in their order, with messages, tags and aliases; a number that the old server
has deleted is not left free, so later versions may be counted otherwise, which is printed. What
is there already is left alone: run again, it goes on where it broke off. Files of models stay in
the old store, to which the versions' sources lead.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import mlflow
from mlflow import MlflowClient

OLD, NEW = os.environ["FROM_URL"], os.environ["POINTSMAN_URL"]
TOKENS = {OLD: os.environ.get("FROM_TOKEN", ""), NEW: os.environ["POINTSMAN_API_KEY"]}


def main() -> None:
    """Copy prompts first, then models."""
    with at(OLD) as client:
        prompts = [one.name for one in everything(client.search_prompts)]
        models = [one.name for one in everything(client.search_registered_models)]
    for name in prompts:
        copy_prompt(name)
    for name in models:
        copy_model(name)
    print(f"{len(prompts)} prompts and {len(models)} models are at {NEW}")


@contextlib.contextmanager
def at(url: str) -> Iterator[MlflowClient]:
    """The client, turned to one of the two servers."""
    os.environ["MLFLOW_TRACKING_TOKEN"] = TOKENS[url]
    if not TOKENS[url]:
        del os.environ["MLFLOW_TRACKING_TOKEN"]
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    yield MlflowClient(tracking_uri=url, registry_uri=url)


def copy_prompt(name: str) -> None:
    """Register the versions of a prompt that are not there yet, and set its aliases."""
    with at(OLD) as client:
        versions = everything(lambda **more: client.search_prompt_versions(name, **more))
        versions.sort(key=lambda one: int(one.version))
        full = [client.get_prompt_version(name, one.version) for one in versions]
    with at(NEW) as client:
        there = len(found(lambda **more: client.search_prompt_versions(name, **more)))
        for one in full[there:]:
            client.register_prompt(
                name,
                one.template,
                commit_message=one.commit_message,
                tags=one.tags,
                response_format=one.response_format,
                model_config=one.model_config,
            )
        for number, one in enumerate(full, 1):
            told(name, one.version, number)
            for alias in one.aliases:
                client.set_prompt_alias(name, alias, number)


def copy_model(name: str) -> None:
    """Create the versions of a model that are not there yet, and set its aliases."""
    condition = f"name = '{name}'"
    with at(OLD) as client:
        model = client.get_registered_model(name)
        versions = everything(lambda **more: client.search_model_versions(condition, **more))
        versions.sort(key=lambda one: int(one.version))
    with at(NEW) as client:
        there = len(found(lambda **more: client.search_model_versions(condition, **more)))
        if not there:
            with contextlib.suppress(mlflow.MlflowException):  # it is there, without versions
                client.create_registered_model(name, model.tags, model.description)
        for one in versions[there:]:
            client.create_model_version(
                name,
                one.source,
                tags=one.tags,
                run_link=one.run_link or None,
                description=one.description,
            )
        numbers = {str(one.version): number for number, one in enumerate(versions, 1)}
        for old, number in numbers.items():
            told(name, old, number)
        for alias, version in model.aliases.items():
            client.set_registered_model_alias(name, alias, str(numbers[str(version)]))


def everything(search: Callable[..., Any]) -> list[Any]:
    """What a search finds, on all of its pages."""
    found: list[Any] = []
    token = None
    while True:
        page = search(page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def found(search: Callable[..., Any]) -> list[Any]:
    """What a search finds; nothing where what it searches is not there yet."""
    try:
        return everything(search)
    except mlflow.MlflowException:
        return []


def told(name: str, old: str | int, number: int) -> None:
    """Say where a version is counted otherwise."""
    if str(old) != str(number):
        print(f"{name}: version {old} is version {number} here")


if __name__ == "__main__":
    main()
