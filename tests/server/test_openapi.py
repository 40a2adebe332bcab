"""The OpenAPI document, and whether the server does what it says: cases made from the document."""

from __future__ import annotations

import json
import warnings
from collections import Counter

import hypothesis
import schemathesis
from litestar.exceptions import LitestarDeprecationWarning
from serving import begin, outcome

from stoker.server import resources
from stoker.server.app import openapi

DRAWN = hypothesis.settings(
    max_examples=8,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]
STREAM = "/v1/events"
"""Does not end by itself; see test_streams."""


def test_no_request_makes_the_server_fail_or_answer_otherwise_than_documented(shared):
    with shared.client() as client:
        begin(client, {"id": "a", "run": "echo a"}, run_id="known")
        outcome(client, "known")
    schema = schemathesis.openapi.from_url(f"{shared.url}/openapi.json")
    asked = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == STREAM:
            continue
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @DRAWN
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def ask(case):
                if case.method == "GET" and "run_id" in case.path_parameters:
                    case.path_parameters["run_id"] = "known"
                headers = {**(case.headers or {}), "Accept": "application/json"}
                answer = case.call(headers=headers, timeout=20)
                case.validate_response(answer, checks=CHECKS)
                asked[case.operation.label] += 1
                if answer.status_code >= 400:
                    assert answer.json()["status"] == answer.status_code

            try:
                ask()
            except hypothesis.errors.Unsatisfiable:
                assert mode is schemathesis.GenerationMode.NEGATIVE  # nothing it takes can be wrong
    assert all(count > 1 for count in asked.values())
    assert "POST /v1/runs/{run_id}/cancel" in asked


def test_a_resource_is_found_by_being_there(tmp_path, monkeypatch):
    (tmp_path / "found.py").write_text(
        "from litestar import get\n"
        "@get('/v1/found', tags=['found'], summary='Found', sync_to_thread=False)\n"
        "def found() -> str:\n    return ''\n"
        "def document(paths):\n    paths['/v1/found']['get']['description'] = 'by being there'\n"
    )
    monkeypatch.setattr(resources, "__path__", [*resources.__path__, str(tmp_path)])
    assert openapi()["paths"]["/v1/found"]["get"]["description"] == "by being there"


def test_the_document_is_openapi_31_with_examples_and_problems(api):
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    begin_ = document["paths"]["/v1/runs"]["post"]
    (example,) = begin_["requestBody"]["content"]["application/json"]["schema"]["examples"]
    answer = api.post("/v1/runs", json=example)
    assert answer.status_code == 201
    for path, operations in document["paths"].items():
        for name, operation in operations.items():
            assert operation["summary"], (name, path)
            told = operation["responses"]["default"]["content"]
            assert list(told) == ["application/problem+json"]
    assert "/v1/runs/{run_id}/events" in document["paths"]
    assert "ProblemDetails" in document["components"]["schemas"]
    assert json.dumps(document).count('"operationId"') == len(
        {o["operationId"] for path in document["paths"].values() for o in path.values()}
    )


def test_nothing_is_declared_in_a_way_that_litestar_gives_up():
    with warnings.catch_warnings():
        warnings.simplefilter("error", LitestarDeprecationWarning)
        openapi()
