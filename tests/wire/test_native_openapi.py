"""The OpenAPI document is valid, and the server keeps to it whatever it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from pointsman.wire.native.openapi import document
from pointsman.wire.native.routes import RESOLVE, ROUTES
from scale import SCALE
from serving import ADMIN, Api, ServerProcess, place

NAME = "a"
"""Short, so that inputs made at random now and then name something that is there."""

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
"""Not `positive_data_acceptance`: rules about names and templates are more than a schema says."""


def _asked_at_random() -> Any:
    described = document()
    # The stream never ends, and the metrics are not ours to describe.
    for path in ("/api/v1/watch", "/metrics"):
        del described["paths"][path]
    schema = schemathesis.openapi.from_dict(described)
    schema.config.checks.negative_data_rejection.expected_statuses += ["413", "431"]
    return schema


SCHEMA = _asked_at_random()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with ServerProcess(data=tmp_path_factory.mktemp("openapi")) as server:
        for _ in range(2):
            server.publish(NAME, aliases=["a", "b"], tags={"a": "b"})
        server.post("/versions", {"name": NAME, "kind": "model", "content": {}})
        yield server


def test_the_document_is_valid_openapi() -> None:
    errors = [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(document())]
    assert not errors, errors


def test_the_document_has_every_route_and_every_reference_leads_somewhere() -> None:
    described = document()
    for route in (RESOLVE, *ROUTES):
        operation = described["paths"][f"/api/v1{route.path}"][route.method.lower()]
        assert operation["summary"] == route.summary
        assert operation["x-pointsman-verb"] == route.verb
    names = [
        operation["operationId"]
        for methods in described["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))
    for reference in _references(described):
        assert reference.removeprefix("#/components/schemas/") in described["components"]["schemas"]


def test_every_answer_that_is_not_json_has_its_type(api: Api) -> None:
    described = document()["paths"]
    for path in ("/healthz", "/readyz", "/metrics", "/api/openapi.json"):
        answer = api.get("/" + path)
        (media_type,) = described[path]["get"]["responses"]["200"]["content"]
        assert answer.headers["content-type"].partition(";")[0] == media_type


def test_headers_are_described_where_they_work() -> None:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            parameters = operation.get("parameters", ())
            names = {one["name"] for one in parameters if one["in"] == "header"}
            assert ("Idempotency-Key" in names) == _repeatable(path, method), (method, path)
            cached = "If-None-Match" in names and method == "get"
            assert ("304" in operation["responses"]) == cached


def _repeatable(path: str, method: str) -> bool:
    makes_key = (path, method) == ("/api/v1/keys", "post")
    if (path, method) in _ONE_BY_ONE:
        return False
    if any(f"/{part}/" in f"{path}/" for part in _NEVER_TWICE):
        return False
    return method != "get" and not makes_key and "/tags/" not in path


_ONE_BY_ONE = {
    ("/api/v1/policies/{policy}", "delete"),
    ("/api/v1/webhooks", "post"),
    ("/api/v1/webhooks/{webhook}", "delete"),
}
_NEVER_TWICE = (
    *("sessions", "invitations", "me", "people", "groups", "grants", "owners", "projects"),
    "providers",
    "blobs",
)
"""About people and keys: answers hold secrets, or doing it again changes nothing. And files."""


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


@SCHEMA.parametrize()  # type: ignore[untyped-decorator]
@settings(
    max_examples=max(5, int(10 * SCALE)),
    phases=[Phase.explicit, Phase.generate],
    derandomize=SCALE <= 1,
    suppress_health_check=list(HealthCheck),
)
def test_the_server_keeps_to_the_document(case: Case[Any], api: Api) -> None:
    if case.path == "/api/v1/keys/{id}" and "admin22222" in str(case.path_parameters):
        return  # it would revoke the key that it asks with
    case.call_and_validate(
        base_url=api.url, checks=CHECKS, headers={"Authorization": f"Bearer {ADMIN}"}
    )


def test_nothing_was_broken_by_it(api: Api) -> None:
    assert api.get("/doctor").json["findings"] == []
    assert api.get(place(NAME)).status == 200
