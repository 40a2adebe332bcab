"""As the classes built on the client use it: a session is begun, looked at, gone on with, ended."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from repositories import script


def poll(forge, attempt):
    """As pollers do: they know three answers, and only the attempt's status."""
    deadline = time.monotonic() + 30
    while (status := forge.ask("GET", f"/task-attempts/{attempt}")["status"]) == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return status


def test_a_session_from_its_beginning_to_its_end(forge):
    begun = forge.begin({"say": "first"})
    # Which of the ids is taken depends on the age of the caller.
    session = begun["attempts"][0]["id"]
    assert begun["task_attempt"]["id"] == session
    assert forge.ask("GET", f"/task-attempts/{begun['id']}")["id"] == session
    assert poll(forge, session) == "completed"
    assert forge.processes(begun["id"])[-1]["output"] == "first"
    path = f"/task-attempts/{session}/follow-up"
    forge.ask("POST", path, json={"follow_up_prompt": script({"say": "second"})})
    assert poll(forge, session) == "completed"
    assert forge.processes(session)[-1]["output"] == "second"
    forge.ask("POST", path, json={"follow_up_prompt": script({"run": "sleep 300"})})
    forge.ask("POST", f"/task-attempts/{session}/stop")
    assert poll(forge, session) == "failed"
    assert [one["status"] for one in forge.processes(session)] == ["completed"] * 2 + ["killed"]
    project = forge.project()["id"]
    listed = forge.ask("GET", f"/projects/{project}/tasks")
    assert [(one["id"], one["last_attempt_failed"]) for one in listed] == [(begun["id"], True)]
    mine = [one for one in forge.ask("GET", "/task-attempts") if one["project_id"] == project]
    assert [one["id"] for one in mine] == [session]
    assert mine[0]["executor_profile_id"] == {"executor": "SCRIPTED", "variant": "DEFAULT"}


def test_what_is_told_to_a_busy_agent_is_done_after_that(forge):
    wait = {"run": "until [ -e go ]; do sleep 0.02; done; rm go"}
    attempt = forge.begin(wait)["attempts"][0]
    path = f"/task-attempts/{attempt['id']}"
    first = forge.processes(attempt["id"])[0]["id"]
    said = script({"say": "later"}, {"run": "touch go"})
    answer = forge.ask("POST", f"{path}/follow-up", json={"prompt": script({"say": "later"})})
    assert (answer["id"], answer["status"]) == (first, "running")
    draft = forge.ask("GET", f"{path}/draft", params={"type": "follow_up"})
    assert (draft["queued"], draft["prompt"]) == (True, script({"say": "later"}))
    refused = forge.refused(
        "PUT", f"{path}/draft", 409, params={"type": "follow_up"}, json={"prompt": said}
    )
    assert "queued" in refused["message"]
    assert forge.refused("POST", f"{path}/merge", 409)
    assert forge.refused("DELETE", f"/tasks/{attempt['task_id']}", 409)
    (forge.server.directory / attempt["container_ref"] / "go").touch()
    while len(forge.processes(attempt["id"])) < 2:
        time.sleep(0.02)
    assert poll(forge, attempt["id"]) == "completed"
    assert forge.processes(attempt["id"])[-1]["output"] == "later"


def test_what_is_asked_at_once_when_an_agent_ends_waits_only_for_its_work_to_be_kept(forge):
    """Callers look at processes, and go on as soon as none runs."""
    attempt = forge.begin({"edit": "b", "content": "x"})["attempts"][0]["id"]
    for number in range(3):
        while forge.processes(attempt)[-1]["status"] == "running":
            pass
        process = forge.ask(
            "POST",
            f"/task-attempts/{attempt}/follow-up",
            json={"prompt": script({"say": str(number)})},
        )
        assert process["executor_action"]["typ"]["prompt"] == script({"say": str(number)})
    while forge.processes(attempt)[-1]["status"] == "running":
        pass
    forge.ask("POST", f"/task-attempts/{attempt}/merge")


def test_many_at_once(forge):
    forge.project()
    with ThreadPoolExecutor(12) as pool:
        begun = list(pool.map(lambda n: forge.begin({"edit": "b", "content": str(n)}), range(12)))
    attempts = [one["attempts"][0]["id"] for one in begun]
    assert len(set(attempts)) == 12
    for attempt in attempts:
        assert forge.settled(attempt)["status"] == "completed"
    project = forge.project()["id"]
    assert len(forge.ask("GET", f"/projects/{project}/branches")) == 13
