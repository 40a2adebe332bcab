"""Runs over HTTP: begun, looked at, steered, deleted."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import pytest
from serving import begin, events, outcome, problem, wait_for

from stoker.engine.view import schema

HELLO = {"id": "hello", "run": "echo hello ${{ inputs.name }}"}
INPUTS = {"inputs": {"name": "world"}}
ASK = {"id": "ask", "step_def": {"type": "approval", "prompt": "go?"}}


def test_a_plan_runs_and_its_document_is_that_of_show_json(shared, api):
    run_id = begin(api, HELLO, plan=INPUTS, inputs={"name": "you"})
    assert outcome(api, run_id) == "succeeded"
    document = api.get(f"/v1/runs/{run_id}").json()
    jsonschema.validate(document, schema())
    assert document == json.loads(shared.stoker("show", run_id, "--json").stdout)
    log = api.get(f"/v1/runs/{run_id}/steps/hello/attempts/1/logs/stdout")
    assert log.text == "hello you\n"


def test_a_run_is_not_sent_again_while_it_is_as_known(api):
    run_id = begin(api, HELLO, plan=INPUTS)
    outcome(api, run_id)
    first = api.get(f"/v1/runs/{run_id}")
    tag = first.headers["etag"]
    again = api.get(f"/v1/runs/{run_id}", headers={"If-None-Match": f'"x", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert api.get(f"/v1/runs/{run_id}", headers={"If-None-Match": '"x"'}).status_code == 200


def test_a_plan_file_in_a_root_runs_where_it_is_asked_to(shared, api):
    folder = shared.directory / "project"
    folder.mkdir()
    (folder / "plan.yaml").write_text("plan_id: file\nsteps:\n- {id: where, run: pwd}\n")
    answer = api.post("/v1/runs", json={"path": "project/plan.yaml", "cwd": "project"})
    run_id = answer.json()["run_id"]
    assert answer.headers["location"] == f"/v1/runs/{run_id}"
    assert outcome(api, run_id) == "succeeded"
    log = api.get(f"/v1/runs/{run_id}/steps/where/attempts/1/logs/stdout")
    assert log.text.strip() == str(folder.resolve())


def test_every_problem_of_a_plan_is_told_with_its_place(api):
    body = (
        '{\n "plan": {\n  "plan_id": "p",\n  "steps": [\n'
        '   {"id": "a", "run": "true", "depends_on": ["b"]},\n'
        '   {"id": "c", "run": "true", "retry": {"max_attempts": "x"}}\n  ]\n }\n}'
    )
    headers = {"Content-Type": "application/json"}
    told = problem(api.post("/v1/runs", content=body, headers=headers), 422, "invalid-plan")
    places = {one["pointer"]: (one["line"], one["column"]) for one in told["errors"]}
    assert places["/plan/steps/0/depends_on/0"] == (5, 46)
    assert any(pointer.startswith("/plan/steps/1/retry") for pointer in places)
    found = api.post("/v1/plans:validate", content=body, headers=headers).json()
    assert (found["valid"], found["plan_id"]) == (False, None)
    assert found["problems"] == told["errors"]
    text = "plan_id: p\nsteps:\n- {id: a, run: x, depends_on: [b]}\n"
    found = api.post("/v1/plans:validate", json={"plan": text}).json()
    assert found["problems"][0]["line"] == 3
    good = {"plan": {"plan_id": "p", "steps": [{"id": "a", "run": "true"}]}}
    assert api.post("/v1/plans:validate", json=good).json() == {
        "valid": True,
        "plan_id": "p",
        "steps": 1,
        "problems": [],
    }


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"path": 3}, "/path"),
        ({"plan": {}, "variables": {"x": 1}}, "/variables"),
        ({"plan": {}, "max_concurrency": 0}, "/max_concurrency"),
        ({"plan": {}, "more": 1}, ""),
    ],
)
def test_a_wrong_field_is_pointed_at(api, body, pointer):
    told = problem(api.post("/v1/runs", json=body), 422, "invalid-request")
    assert told["errors"][0].get("pointer", "") == pointer


def test_wrong_inputs_and_ids_are_refused(api):
    plan = {"plan_id": "p", "steps": [HELLO], **INPUTS}
    told = problem(
        api.post("/v1/runs", json={"plan": plan, "inputs": {"x": 1}}), 422, "invalid-plan"
    )
    assert told["errors"][0]["pointer"] == "/inputs/x"
    for run_id in ("last", "a/b", "..", "a\n", ""):
        answer = api.post("/v1/runs", json={"plan": plan, "run_id": run_id})
        problem(answer, 422, "invalid-request")
    for body in ({}, {"plan": plan, "path": "x"}):
        problem(api.post("/v1/runs", json=body), 422, "invalid-request")


def test_one_key_begins_one_run_however_often_it_is_sent(shared, api):
    body = {"plan": {"plan_id": "once", "steps": [{"id": "a", "run": "echo x >> once"}]}}
    headers = {"Idempotency-Key": "k1"}

    def send(_):
        with shared.client() as client:
            return client.post("/v1/runs", json=body, headers=headers)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    (run_id,) = {answer.json()["run_id"] for answer in answers}
    assert outcome(api, run_id) == "succeeded"
    assert (shared.directory / "once").read_text() == "x\n"
    body["inputs"] = {"other": 1}
    problem(api.post("/v1/runs", json=body, headers=headers), 422, "idempotency-key-reused")


def test_a_run_id_is_used_once(api):
    begin(api, HELLO, plan=INPUTS, run_id="mine")
    plan = {"plan_id": "p", "steps": [HELLO], **INPUTS}
    problem(api.post("/v1/runs", json={"plan": plan, "run_id": "mine"}), 409, "run-exists")


def test_runs_come_in_pages_newest_first(api):
    ids = [begin(api, HELLO, plan={**INPUTS, "plan_id": "paged"}) for _ in range(5)]
    for run_id in ids:
        outcome(api, run_id)
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        query = {"plan_id": "paged", "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = api.get("/v1/runs", params=query).json()
        found += [run["run_id"] for run in page["runs"]]
        cursor, pages = page["next_cursor"], pages + 1
    assert (found, pages) == (ids[::-1], 3)
    query = {"plan_id": "paged", "status": ["failed", "running"]}
    assert api.get("/v1/runs", params=query).json()["runs"] == []
    query["status"].append("succeeded")
    assert len(api.get("/v1/runs", params=query).json()["runs"]) == 5
    problem(api.get("/v1/runs", params={"cursor": "zzz"}), 422, "invalid-request")
    problem(api.get("/v1/runs", params={"limit": 0}), 422, "invalid-request")


def test_a_person_answers(api):
    run_id = begin(api, ASK, {"id": "then", "run": "true", "depends_on": ["ask"]})
    events(api, run_id, until="approval.requested")
    assert api.get(f"/v1/runs/{run_id}").json()["reason"] == "approval of ask"
    path = f"/v1/runs/{run_id}/steps"
    problem(api.post(f"{path}/then/approve"), 409, "refused")
    problem(api.post(f"{path}/nope/approve"), 404, "not-found")
    problem(api.post(f"{path}/ask/resolve", json={"outcome": "rerun"}), 409, "refused")
    answer = api.post(f"{path}/ask/approve", json={"comment": "fine"})
    assert answer.json() == {"run_id": run_id, "status": "done", "released": []}
    decided = next(e for e in events(api, run_id) if e["type"] == "approval.decided")
    assert decided["data"]["by"] == "api:local"
    assert decided["data"]["comment"] == "fine"
    problem(api.post(f"{path}/ask/approve"), 409, "run-over")


def test_a_run_is_paused_extended_and_canceled(shared, api):
    go = shared.directory / "go"
    step = {"id": "wait", "run": "touch ready; until test -e go; do sleep 0.02; done"}
    run_id = begin(api, step, {"id": "next", "run": "true", "depends_on": ["wait"]})
    wait_for(shared.directory / "ready")
    assert api.post(f"/v1/runs/{run_id}/pause").json()["status"] == "done"
    assert api.get(f"/v1/runs/{run_id}").json()["status"] == "paused"
    more = {"steps": [{"id": "more", "run": "true", "depends_on": ["next"]}]}
    assert api.post(f"/v1/runs/{run_id}/extend", json=more).status_code == 200
    told = problem(
        api.post(f"/v1/runs/{run_id}/extend", json={"steps": "- {id: more, run: x}\n"}),
        422,
        "invalid-plan",
    )
    assert told["errors"][0]["line"] == 1
    answer = api.post(f"/v1/runs/{run_id}/extend", json={"steps": [{"id": "x", "run": 1}]})
    told = problem(answer, 422, "invalid-plan")
    assert (told["errors"][0]["pointer"], told["errors"][0]["line"]) == ("/steps/0/run", 1)
    go.touch()
    assert api.post(f"/v1/runs/{run_id}/unpause").status_code == 200
    assert outcome(api, run_id) == "succeeded"
    again = {"steps": [{"id": "long", "run": "sleep 60"}]}
    assert api.post(f"/v1/runs/{run_id}/extend", json=again).status_code == 200
    assert api.post(f"/v1/runs/{run_id}/cancel", json={"reason": "enough"}).status_code == 200
    assert outcome(api, run_id) == "canceled"
    assert api.get(f"/v1/runs/{run_id}").json()["reason"] == "enough"


def test_a_manual_run_releases_batch_by_batch(api):
    run_id = begin(
        api,
        {"id": "a", "run": "true"},
        {"id": "b", "run": "true", "depends_on": ["a"]},
        manual=True,
    )
    assert api.post(f"/v1/runs/{run_id}/next").json()["released"] == ["a"]
    events(api, run_id, until="step.settled")
    assert api.post(f"/v1/runs/{run_id}/next").json()["released"] == ["b"]
    assert outcome(api, run_id) == "succeeded"
    other = begin(api, ASK)
    problem(api.post(f"/v1/runs/{other}/next"), 409, "refused")
    api.post(f"/v1/runs/{other}/cancel")


def test_only_a_run_that_is_over_is_deleted_and_with_its_files(shared, api):
    run_id = begin(api, ASK)
    problem(api.delete(f"/v1/runs/{run_id}"), 409, "run-busy")
    api.post(f"/v1/runs/{run_id}/cancel")
    outcome(api, run_id)
    folder = shared.directory / ".stoker/runs" / run_id
    assert folder.is_dir()
    events(api, run_id)
    assert api.delete(f"/v1/runs/{run_id}").status_code == 204
    assert not folder.exists()
    problem(api.get(f"/v1/runs/{run_id}"), 404, "not-found")


def test_a_run_of_another_process_is_seen_and_steered(shared, api):
    (shared.directory / "other.yaml").write_text(
        "plan_id: other\nsteps:\n- id: ask\n  step_def: {type: approval, prompt: go?}\n"
    )
    shared.stoker("run", "other.yaml", "--run-id", "others", "-q")  # parks
    document = api.get("/v1/runs/others").json()
    assert document["activity"] == "parked"
    assert api.post("/v1/runs/others/pause").json()["status"] == "queued"
    assert api.post("/v1/runs/others/unpause").json()["status"] == "done"
    assert api.post("/v1/runs/others/steps/ask/approve").json()["status"] == "done"
    assert outcome(api, "others") == "succeeded"
    problem(api.post("/v1/runs/others/resume"), 409, "run-over")


def test_numbers(api):
    run_id = begin(api, HELLO, plan={**INPUTS, "plan_id": "counted"})
    outcome(api, run_id)
    assert api.get(f"/v1/runs/{run_id}/stats").json()["steps"] == 1
    assert api.get("/v1/plans/counted/stats").json()["runs"] == 1
    problem(api.get("/v1/plans/nope/stats"), 404, "not-found")
    assert api.get("/v1/stats").json()["uptime_sec"] > 0
    told = api.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = dict(
        line.rsplit(" ", 1) for line in told.text.splitlines() if not line.startswith("#")
    )
    assert float(values['stoker_runs_settled_total{status="succeeded"}']) >= 1
    assert float(values["stoker_event_lag_seconds_count"]) > 0
    assert float(values['stoker_http_requests_total{method="GET",status="200"}']) > 0
    assert values["stoker_chain_active_nodes_count"] == "0.0"
    assert values["stoker_chain_plan_completion_time_total"] == "0.0"
    assert api.get("/healthz").json() == api.get("/readyz").json() == {"status": "ok"}
