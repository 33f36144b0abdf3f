"""Every operation of MLflow's registry: its method, its path, and what answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from pointsman.core.vocabulary import Verb
from pointsman.wire.mlflow import models, searches, versions, webhooks
from pointsman.wire.mlflow.fields import Call
from pointsman.wire.mlflow.following import Follow
from pointsman.wire.running import Read, Write

PREFIXES: Final = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/")
"""Where the operations are: for clients, and for MLflow's own web pages."""


class Route(NamedTuple):
    """An operation: what a caller must be allowed at least, and how it is planned.

    A part of the path in braces is a parameter. Planning one that is `slow` may block. The answers
    of one that is `kept` follow from the artifacts that it names, and stay in memory.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    verb: Verb
    plan: Callable[[Call], Read | Write | Follow]
    slow: bool = False
    kept: bool = False


_RM = "registered-models"
_MV = "model-versions"
_HOOK = "webhooks/{webhook_id}"

ROUTES: Final[tuple[Route, ...]] = (
    Route("POST", f"{_RM}/create", "write", models.create),
    Route("GET", f"{_RM}/get", "read", models.get, kept=True),
    Route("PATCH", f"{_RM}/update", "write", models.update),
    Route("POST", f"{_RM}/rename", "write", models.rename),
    Route("DELETE", f"{_RM}/delete", "move", models.delete),
    Route("GET", f"{_RM}/search", "read", searches.models),
    Route("POST", f"{_RM}/get-latest-versions", "read", models.latest_versions),
    Route("GET", f"{_RM}/get-latest-versions", "read", models.latest_versions),
    Route("POST", f"{_RM}/set-tag", "write", models.set_tag),
    Route("DELETE", f"{_RM}/delete-tag", "write", models.delete_tag),
    # Who may not move may propose, where a policy wants that.
    Route("POST", f"{_RM}/alias", "propose", models.set_alias),
    Route("DELETE", f"{_RM}/alias", "propose", models.delete_alias),
    Route("GET", f"{_RM}/alias", "read", models.get_alias, kept=True),
    Route("POST", f"{_MV}/create", "write", versions.create),
    Route("GET", f"{_MV}/get", "read", versions.get, kept=True),
    Route("PATCH", f"{_MV}/update", "write", versions.update),
    Route("DELETE", f"{_MV}/delete", "admin", versions.delete),
    Route("POST", f"{_MV}/transition-stage", "propose", versions.transition),
    Route("GET", f"{_MV}/search", "read", searches.versions),
    Route("GET", f"{_MV}/get-download-uri", "read", versions.download),
    Route("POST", f"{_MV}/set-tag", "write", versions.set_tag),
    Route("DELETE", f"{_MV}/delete-tag", "write", versions.delete_tag),
    Route("POST", "webhooks", "admin", webhooks.create, slow=True),
    Route("GET", "webhooks", "admin", webhooks.search),
    Route("GET", _HOOK, "admin", webhooks.get),
    Route("PATCH", _HOOK, "admin", webhooks.update, slow=True),
    Route("DELETE", _HOOK, "admin", webhooks.delete),
    Route("POST", f"{_HOOK}/test", "admin", webhooks.test),
)
