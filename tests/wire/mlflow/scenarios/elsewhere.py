"""Models with MLflow's client where only the registry is here: runs and files stay with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import numpy as np
from mlflow.artifacts import download_artifacts
from sklearn.linear_model import LogisticRegression

from wire.mlflow.scenarios.told import behaviour, client, native, place, refused, run

ROWS = np.array([[0.0], [1.0], [2.0], [3.0]])
ANSWERS = [0, 0, 1, 1]

mlflow.set_tracking_uri((Path.cwd() / "runs of its own").as_uri())
mlflow.set_experiment("theirs")


def log_model(**more: Any) -> Any:
    """Train a model and log it."""
    model = LogisticRegression(C=1000.0).fit(ROWS, ANSWERS)
    return mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"], **more)


def predicted(uri: str) -> list[int]:
    """What the model at a URI answers."""
    return [int(one) for one in mlflow.sklearn.load_model(uri).predict(ROWS)]


@behaviour
def a_logged_model_of_another_server_is_registered_and_loaded() -> None:
    with mlflow.start_run():
        made = log_model(registered_model_name="churn")
    version = client().get_model_version("churn", "1")
    assert version.source == made.model_uri == f"models:/{made.model_id}"
    assert client().get_model_version_download_uri("churn", "1") == version.source
    client().set_registered_model_alias("churn", "champion", "1")
    for uri in ("models:/churn@champion", "models:/churn/1", "models:/churn/latest"):
        assert predicted(uri) == ANSWERS
    content = native("GET", place("churn", "versions", 1, kind="model"))["content"]
    assert content == {"uri": made.model_uri, "model_id": made.model_id}


@behaviour
def a_model_is_registered_from_a_run_of_another_server() -> None:
    with mlflow.start_run() as active:
        made = log_model()
    version = mlflow.register_model(f"runs:/{active.info.run_id}/model", "later")
    assert (version.source, version.run_id) == (made.model_uri, active.info.run_id)
    assert predicted("models:/later/1") == ANSWERS


@behaviour
def files_of_a_run_that_lie_in_its_folder_are_registered() -> None:
    with mlflow.start_run():
        made = log_model()
    copied = download_artifacts(made.model_uri)
    with mlflow.start_run() as active:
        mlflow.log_artifacts(copied, "by-hand")
    version = mlflow.register_model(f"runs:/{active.info.run_id}/by-hand", "by-hand")
    assert version.source == f"{active.info.artifact_uri}/by-hand"
    assert version.source.startswith("file:")
    assert predicted("models:/by-hand/1") == ANSWERS


@behaviour
def a_folder_of_no_run_is_refused() -> None:
    with mlflow.start_run():
        made = log_model()
    with refused("INVALID_PARAMETER_VALUE", "a file of one machine"):
        mlflow.register_model(download_artifacts(made.model_uri), "local")


@behaviour
def a_copy_is_loaded_from_where_the_original_is() -> None:
    with mlflow.start_run():
        log_model(registered_model_name="original")
    client().copy_model_version("models:/original/1", "copied")
    assert predicted("models:/copied/1") == ANSWERS


if __name__ == "__main__":
    run()
