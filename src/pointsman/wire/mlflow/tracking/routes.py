"""Every operation of MLflow's tracking that is here: its method, its path, what answers it."""

from __future__ import annotations

from typing import Final

from pointsman.wire.mlflow.routes import Route
from pointsman.wire.mlflow.tracking import experiments, logged, runs, traces

PREFIXES: Final = (
    "/api/2.0/mlflow/",
    "/api/3.0/mlflow/",
    "/ajax-api/2.0/mlflow/",
    "/ajax-api/3.0/mlflow/",
)
"""Where the operations are: clients use one version of the API for some, another for others."""

ROUTES: Final[tuple[Route, ...]] = (
    Route("POST", "experiments/create", "write", experiments.create),
    Route("GET", "experiments/get", "read", experiments.get),
    Route("GET", "experiments/get-by-name", "read", experiments.get_by_name),
    Route("GET", "experiments/search", "read", experiments.search),
    Route("POST", "experiments/search", "read", experiments.search),
    Route("POST", "experiments/update", "write", experiments.update),
    Route("POST", "experiments/delete", "write", experiments.delete),
    Route("POST", "experiments/restore", "write", experiments.restore),
    Route("POST", "experiments/set-experiment-tag", "write", experiments.set_tag),
    Route("DELETE", "experiments/delete-experiment-tag", "write", experiments.delete_tag),
    Route("POST", "runs/create", "write", runs.create),
    Route("GET", "runs/get", "read", runs.get),
    Route("POST", "runs/update", "write", runs.update),
    Route("POST", "runs/delete", "write", runs.delete),
    Route("POST", "runs/restore", "write", runs.restore),
    Route("POST", "runs/search", "read", runs.search),
    Route("POST", "runs/log-metric", "write", runs.log_metric),
    Route("POST", "runs/log-parameter", "write", runs.log_param),
    Route("POST", "runs/log-batch", "write", runs.log_batch),
    Route("POST", "runs/log-inputs", "write", runs.log_inputs),
    Route("POST", "runs/outputs", "write", runs.log_outputs),
    Route("POST", "runs/set-tag", "write", runs.set_tag),
    Route("POST", "runs/delete-tag", "write", runs.delete_tag),
    Route("GET", "metrics/get-history", "read", runs.history),
    Route("POST", "logged-models", "write", logged.create),
    Route("POST", "logged-models/search", "read", logged.search),
    Route("GET", "logged-models/{model_id}", "read", logged.get),
    Route("PATCH", "logged-models/{model_id}", "write", logged.finish),
    Route("DELETE", "logged-models/{model_id}", "write", logged.delete),
    Route("POST", "logged-models/{model_id}/params", "write", logged.add_params),
    Route("PATCH", "logged-models/{model_id}/tags", "write", logged.set_tags),
    Route("DELETE", "logged-models/{model_id}/tags/{tag_key}", "write", logged.delete_tag),
    Route("POST", "traces", "write", traces.create),
    Route("GET", "traces/get", "read", traces.get_whole),
    Route("POST", "traces/link-prompts", "write", traces.link_prompts),
    Route("GET", "traces/{trace_id}", "read", traces.get),
    Route("PATCH", "traces/{trace_id}/tags", "write", traces.set_tag),
    Route("DELETE", "traces/{trace_id}/tags", "write", traces.delete_tag),
)
