"""Runs with MLflow's client, and models logged, registered and loaded: all of it at this server."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import numpy as np
from mlflow.artifacts import download_artifacts
from mlflow.entities import Metric, Param, RunTag
from sklearn.linear_model import LogisticRegression

from wire.mlflow.scenarios.told import (
    acting,
    behaviour,
    client,
    entries,
    native,
    place,
    refused,
    run,
)

ROWS = np.array([[0.0], [1.0], [2.0], [3.0]])
LOW, HIGH = [0, 0, 1, 1], [0, 1, 1, 1]


def log_model(answers: list[int], name: str = "model", **more: Any) -> Any:
    """Train a model that gives about these answers, and log it."""
    model = LogisticRegression(C=1000.0).fit(ROWS, answers)
    return mlflow.sklearn.log_model(model, name=name, pip_requirements=["scikit-learn"], **more)


def predicted(uri: str) -> list[int]:
    """What the model at a URI answers."""
    return [int(one) for one in mlflow.sklearn.load_model(uri).predict(ROWS)]


def soon(look: Callable[[], Any]) -> Any:
    """What `look` finds, once it finds something: clients write some things on threads."""
    for _ in range(200):
        if found := look():
            return found
        time.sleep(0.05)
    return look()


# -- experiments and runs


@behaviour
def experiments_are_made_found_and_changed() -> None:
    number = client().create_experiment("made", tags={"team": "risk"})
    found = client().get_experiment(number)
    assert (found.name, found.tags, found.lifecycle_stage) == ("made", {"team": "risk"}, "active")
    assert found.artifact_location == f"mlflow-artifacts:/{number}"
    assert client().get_experiment_by_name("made").experiment_id == number
    assert client().get_experiment_by_name("nothing") is None
    client().rename_experiment(number, "renamed")
    client().set_experiment_tag(number, "team", "fraud")
    found = client().get_experiment(number)
    assert (found.name, found.tags) == ("renamed", {"team": "fraud"})
    with refused("RESOURCE_ALREADY_EXISTS"):
        client().create_experiment("renamed")
    client().delete_experiment(number)
    assert client().get_experiment(number).lifecycle_stage == "deleted"
    assert "renamed" not in {one.name for one in client().search_experiments()}
    client().restore_experiment(number)
    found = client().search_experiments(filter_string="tags.team = 'fraud'")
    assert [one.name for one in found] == ["renamed"]


@behaviour
def the_default_experiment_is_there() -> None:
    found = client().get_experiment("0")
    assert (found.name, found.lifecycle_stage) == ("Default", "active")
    with refused("INVALID_PARAMETER_VALUE"):
        client().delete_experiment("0")


@behaviour
def a_run_keeps_what_is_logged_to_it() -> None:
    mlflow.set_experiment("logging")
    with mlflow.start_run(run_name="first", tags={"a": "b"}, description="why") as active:
        mlflow.log_param("depth", 3)
        mlflow.log_params({"text": "Grüße 🚂", "empty": ""})
        for step in range(3):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"nan": math.nan, "inf": math.inf, "tiny": 5e-324, "whole": 3.0})
        mlflow.set_tags({"stage": "one"})
    found = mlflow.get_run(active.info.run_id)
    assert found.data.params == {"depth": "3", "text": "Grüße 🚂", "empty": ""}
    metrics = found.data.metrics
    assert math.isnan(metrics.pop("nan"))
    assert metrics == {"loss": 1 / 3, "inf": math.inf, "tiny": 5e-324, "whole": 3.0}
    assert (found.data.tags["a"], found.data.tags["stage"]) == ("b", "one")
    assert found.data.tags["mlflow.note.content"] == "why"
    assert (found.info.status, found.info.run_name) == ("FINISHED", "first")
    assert found.info.end_time >= found.info.start_time
    points = client().get_metric_history(active.info.run_id, "loss")
    assert [(one.step, one.value) for one in points] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]


@behaviour
def a_run_that_fails_is_marked() -> None:
    mlflow.set_experiment("failing")
    try:
        with mlflow.start_run() as active:
            raise KeyError("on purpose")
    except KeyError:
        pass
    assert mlflow.get_run(active.info.run_id).info.status == "FAILED"


@behaviour
def runs_are_nested_searched_deleted_and_restored() -> None:
    number = mlflow.set_experiment("searched").experiment_id
    with (
        mlflow.start_run(run_name="parent") as parent,
        mlflow.start_run(run_name="child", nested=True) as child,
    ):
        mlflow.log_param("x", 1)
    found = client().search_runs([number], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert [one.info.run_id for one in found] == [child.info.run_id]
    assert [one.info.run_name for one in client().search_runs([number])] == ["child", "parent"]
    found = client().search_runs([number], "attributes.run_name = 'parent'")
    assert [one.info.run_id for one in found] == [parent.info.run_id]
    found = client().search_runs([number], "params.x = '1' AND status = 'FINISHED'")
    assert [one.info.run_id for one in found] == [child.info.run_id]
    pages, token = [], None
    while True:
        page = client().search_runs([number], max_results=1, page_token=token)
        pages += [one.info.run_name for one in page]
        token = page.token
        if not token:
            break
    assert pages == ["child", "parent"]
    client().delete_run(child.info.run_id)
    assert [one.info.run_name for one in client().search_runs([number])] == ["parent"]
    with refused("INVALID_PARAMETER_VALUE", "deleted"):
        client().log_param(child.info.run_id, "y", 1)
    client().restore_run(child.info.run_id)
    assert len(client().search_runs([number])) == 2


@behaviour
def params_stay_as_they_were_logged() -> None:
    mlflow.set_experiment("params")
    with mlflow.start_run() as active:
        mlflow.log_param("k", "v")
        mlflow.log_param("k", "v")
    with refused("INVALID_PARAMETER_VALUE", "Changing param values is not allowed"):
        client().log_param(active.info.run_id, "k", "w")
    assert mlflow.get_run(active.info.run_id).data.params == {"k": "v"}


@behaviour
def much_is_logged_at_once() -> None:
    mlflow.set_experiment("batch")
    with mlflow.start_run() as active:
        client().log_batch(
            active.info.run_id,
            [Metric("m", float(step), 1_000 + step, step) for step in range(900)],
            [Param(f"p{n}", "v") for n in range(60)],
            [RunTag(f"t{n}", "v") for n in range(40)],
        )
    found = mlflow.get_run(active.info.run_id)
    assert (found.data.metrics["m"], len(found.data.params)) == (899.0, 60)
    assert len(client().get_metric_history(active.info.run_id, "m")) == 900
    client().delete_tag(active.info.run_id, "t1")
    assert "t1" not in mlflow.get_run(active.info.run_id).data.tags


@behaviour
def unknown_ids_are_told() -> None:
    for run_id in ("0" * 32, "nonsense"):
        with refused("RESOURCE_DOES_NOT_EXIST", run_id):
            client().get_run(run_id)
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client().get_experiment("4711")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client().get_logged_model("m-" + "0" * 32)


# -- files of runs


@behaviour
def files_of_runs_are_kept_listed_and_read_back() -> None:
    folder = Path("some files")
    (folder / "sub folder").mkdir(parents=True)
    (folder / "Grüße.txt").write_text("hello")
    (folder / "empty").write_bytes(b"")
    (folder / "sub folder" / "large.bin").write_bytes(b"0123456789" * 500_000)
    mlflow.set_experiment("files")
    with mlflow.start_run() as active:
        mlflow.log_artifacts(str(folder), "kept")
        mlflow.log_text("noted", "note.txt")
    run_id = active.info.run_id
    told = [(one.path, one.is_dir, one.file_size) for one in client().list_artifacts(run_id)]
    assert told == [("kept", True, None), ("note.txt", False, 5)]
    inside = {one.path: one.file_size for one in client().list_artifacts(run_id, "kept")}
    assert inside == {"kept/Grüße.txt": 5, "kept/empty": 0, "kept/sub folder": None}
    assert client().list_artifacts(run_id, "note.txt") == []
    assert client().list_artifacts(run_id, "nothing") == []
    found = Path(download_artifacts(f"runs:/{run_id}/kept"))
    assert (found / "sub folder" / "large.bin").read_bytes() == b"0123456789" * 500_000
    assert (found / "Grüße.txt").read_text() == "hello"
    assert (found / "empty").read_bytes() == b""


@behaviour
def files_are_overwritten_and_deleted() -> None:
    mlflow.set_experiment("files")
    with mlflow.start_run() as active:
        mlflow.log_text("one", "a/x.txt")
        mlflow.log_text("two", "a/x.txt")
        mlflow.log_text("three", "b.txt")
        assert mlflow.artifacts.load_text(active.info.artifact_uri + "/a/x.txt") == "two"
        from mlflow.tracking.artifact_utils import get_artifact_repository

        get_artifact_repository(active.info.artifact_uri).delete_artifacts("a")
    assert [one.path for one in client().list_artifacts(active.info.run_id)] == ["b.txt"]


# -- logged models and versions of them


@behaviour
def a_model_is_logged_registered_and_loaded() -> None:
    mlflow.set_experiment("models")
    with mlflow.start_run() as active:
        mlflow.log_param("C", 1000.0)
        mlflow.log_metric("auc", 0.75)
        mlflow.log_metric("inf", math.inf)
        made = log_model(LOW, registered_model_name="churn", input_example=ROWS)
    assert str(made.registered_model_version) == "1"
    version = client().get_model_version("churn", "1")
    assert (version.source, version.run_id) == (f"models:/{made.model_id}", active.info.run_id)
    client().set_registered_model_alias("churn", "champion", "1")
    for uri in ("models:/churn@champion", "models:/churn/1", "models:/churn/latest"):
        assert predicted(uri) == LOW
    assert [int(one) for one in mlflow.pyfunc.load_model("models:/churn/1").predict(ROWS)] == LOW
    assert (Path(download_artifacts("models:/churn@champion")) / "MLmodel").exists()
    content = native("GET", place("churn", "versions", 1, kind="model"))["content"]
    assert content["metrics"] == {"auc": 0.75}
    assert content["parameters"] == {"C": "1000.0"}
    assert (content["run"], content["model_id"]) == (active.info.run_id, made.model_id)
    assert "MLmodel" in content["files"]
    links = client().get_logged_model(made.model_id).tags["mlflow.modelVersions"]
    assert json.loads(links) == [{"name": "churn", "version": "1"}]
    published = [one for one in entries("churn", "model") if one["type"] == "version.published"]
    assert [one["via"] for one in published] == ["mlflow"]


@behaviour
def a_model_is_registered_from_its_run() -> None:
    mlflow.set_experiment("models")
    with mlflow.start_run() as active:
        made = log_model(LOW, name="later")
    version = mlflow.register_model(f"runs:/{active.info.run_id}/later", "later")
    assert (version.version, version.run_id) == ("1", active.info.run_id)
    assert predicted("models:/later/1") == LOW
    assert predicted(made.model_uri) == predicted(f"runs:/{active.info.run_id}/later") == LOW
    again = mlflow.register_model(made.model_uri, "later")
    assert (again.version, again.run_id) == ("2", active.info.run_id)


@behaviour
def files_of_a_run_that_are_a_model_are_registered() -> None:
    mlflow.set_experiment("models")
    with mlflow.start_run():
        made = log_model(HIGH)
    copied = download_artifacts(made.model_uri)
    with mlflow.start_run() as active:
        mlflow.log_artifacts(copied, "by hand")
        mlflow.log_param("k", "v")
    version = mlflow.register_model(f"runs:/{active.info.run_id}/by hand", "by-hand")
    assert version.source == f"{active.info.artifact_uri}/by hand"
    assert predicted("models:/by-hand/1") == HIGH
    content = native("GET", place("by-hand", "versions", 1, kind="model"))["content"]
    assert (content["run"], content["parameters"]) == (active.info.run_id, {"k": "v"})


@behaviour
def a_version_stays_whatever_becomes_of_the_run() -> None:
    mlflow.set_experiment("models")
    with mlflow.start_run() as active:
        made = log_model(LOW, registered_model_name="stays")
    before = native("GET", place("stays", "versions", 1, kind="model"))
    location = client().get_logged_model(made.model_id).artifact_location
    from mlflow.tracking.artifact_utils import get_artifact_repository

    Path("MLmodel").write_text("overwritten")
    get_artifact_repository(location).log_artifact("MLmodel")
    get_artifact_repository(location).delete_artifacts("model.skops")
    client().delete_logged_model(made.model_id)
    client().delete_run(active.info.run_id)
    assert predicted("models:/stays/1") == LOW
    assert native("GET", place("stays", "versions", 1, kind="model")) == before


@behaviour
def a_copy_names_the_same_files() -> None:
    mlflow.set_experiment("models")
    with mlflow.start_run():
        log_model(LOW, registered_model_name="original")
    source = client().get_model_version("original", "1")
    copy = client().copy_model_version("models:/original/1", "copied")
    assert (copy.source, copy.run_id) == ("models:/original/1", source.run_id)
    assert predicted("models:/copied/1") == LOW
    files = [
        native("GET", place(name, "versions", 1, kind="model"))["content"]["files"]
        for name in ("original", "copied")
    ]
    assert files[0] == files[1]


@behaviour
def versions_with_files_load_with_another_tracking_server() -> None:
    mlflow.set_experiment("models")
    with mlflow.start_run():
        log_model(HIGH, registered_model_name="anywhere")
    mlflow.set_tracking_uri(Path("nothing").absolute().as_uri())
    try:
        assert predicted("models:/anywhere/1") == HIGH
    finally:
        mlflow.set_tracking_uri(os.environ["MLFLOW_REGISTRY_URI"])


@behaviour
def metrics_are_of_a_model_as_well() -> None:
    number = mlflow.set_experiment("measured").experiment_id
    with mlflow.start_run():
        made = log_model(LOW, params={"kind": "linear"})
        mlflow.log_metric("auc", 0.5, step=1, model_id=made.model_id)
        mlflow.log_metric("auc", 0.7, step=2, model_id=made.model_id)
    found = client().get_logged_model(made.model_id)
    assert (found.status.name, found.params) == ("READY", {"kind": "linear"})
    assert [(one.key, one.value, one.step) for one in found.metrics] == [("auc", 0.7, 2)]
    client().set_logged_model_tags(made.model_id, {"k": "v"})
    (searched,) = client().search_logged_models([number], "name = 'model'")
    assert (searched.model_id, searched.tags["k"]) == (made.model_id, "v")
    client().delete_logged_model_tag(made.model_id, "k")
    assert "k" not in client().get_logged_model(made.model_id).tags
    assert client().search_logged_models([number], "name = 'other'") == []
    client().delete_logged_model(made.model_id)
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client().get_logged_model(made.model_id)


@behaviour
def outputs_and_inputs_of_a_run_are_told() -> None:
    mlflow.set_experiment("measured")
    with mlflow.start_run() as active:
        made = log_model(LOW, step=3)
    (output,) = mlflow.get_run(active.info.run_id).outputs.model_outputs
    assert (output.model_id, output.step) == (made.model_id, 3)
    with mlflow.start_run() as active:
        data = mlflow.data.from_numpy(ROWS, name="rows")
        mlflow.log_input(data, context="training")
    (taken,) = mlflow.get_run(active.info.run_id).inputs.dataset_inputs
    assert (taken.dataset.name, taken.tags[0].value) == ("rows", "training")


@behaviour
def a_viewer_loads_and_logs_nothing() -> None:
    mlflow.set_experiment("models")
    with mlflow.start_run():
        log_model(LOW, registered_model_name="seen")
    with acting("viewer"):
        assert predicted("models:/seen/1") == LOW
        with refused("PERMISSION_DENIED"):
            client().create_experiment("not for them")
        with refused("PERMISSION_DENIED"):
            client().create_run("0")


@behaviour
def an_editor_logs_and_moves_nothing() -> None:
    with acting("editor"):
        mlflow.set_experiment("edited")
        with mlflow.start_run():
            log_model(LOW, registered_model_name="edited")
        with refused("PERMISSION_DENIED"):
            client().set_registered_model_alias("edited", "champion", "1")


# -- prompts


@behaviour
def a_prompt_that_a_run_loads_is_linked_to_it() -> None:
    mlflow.genai.register_prompt("linked", "Hello {{ who }}")
    mlflow.set_experiment("prompts")
    with mlflow.start_run() as active:
        mlflow.genai.load_prompt("prompts:/linked/1", cache_ttl_seconds=0)
    linked = mlflow.get_run(active.info.run_id).data.tags["mlflow.linkedPrompts"]
    assert json.loads(linked) == [{"name": "linked", "version": "1"}]


@behaviour
def a_prompt_that_an_active_model_loads_is_linked_to_it() -> None:
    mlflow.genai.register_prompt("active", "Hello {{ who }}")
    mlflow.set_experiment("prompts")
    model = mlflow.create_external_model(name="assistant")
    mlflow.genai.load_prompt("active", version=1, model_id=model.model_id)
    linked = soon(
        lambda: client().get_logged_model(model.model_id).tags.get("mlflow.linkedPrompts")
    )
    assert json.loads(linked) == [{"name": "active", "version": "1"}]


@behaviour
def a_trace_keeps_its_spans_and_its_prompts() -> None:
    mlflow.genai.register_prompt("traced", "Hello {{ who }}")
    mlflow.set_experiment("traces")

    def answer(who: str) -> str:
        prompt = mlflow.genai.load_prompt("prompts:/traced/1", cache_ttl_seconds=0)
        return str(prompt.format(who=who))

    assert mlflow.trace(answer)("you") == "Hello you"
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
    assert [one.name for one in trace.data.spans] == ["answer"]
    assert trace.data.spans[0].inputs == {"who": "you"}
    linked = json.loads(trace.info.tags["mlflow.linkedPrompts"])
    assert linked == [{"name": "traced", "version": "1"}]
    mlflow.set_trace_tag(trace.info.trace_id, "rated", "good")
    assert mlflow.get_trace(trace.info.trace_id).info.tags["rated"] == "good"
    mlflow.delete_trace_tag(trace.info.trace_id, "rated")
    assert "rated" not in mlflow.get_trace(trace.info.trace_id).info.tags


if __name__ == "__main__":
    run()
