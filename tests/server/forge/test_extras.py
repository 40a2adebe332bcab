"""What the older server had beside what its clients ask."""

from __future__ import annotations

from repositories import script


def test_omni_is_nowhere(common):
    project = common.project()
    bare = {
        "/forge/omni/status": {"enabled": False, "version": None, "config": None},
        "/forge/omni/instances": {"instances": []},
        "/forge/omni/notifications": {"notifications": []},
    }
    for path, expected in bare.items():
        assert common.client.get(f"/api{path}").json() == expected
    body = {"host": "https://omni.example", "api_key": "k"}
    told = common.client.post("/api/forge/omni/validate", json=body)
    assert (told.status_code, told.json()["valid"]) == (200, False)
    off = {"omni_enabled": False, "omni_config": None}
    for path in ("/forge/config", f"/forge/projects/{project['id']}/settings"):
        assert common.ask("GET", path) == common.ask("PUT", path, json=off) == off
        refused = common.refused("PUT", path, 200, json={"omni_enabled": True})
        assert "notify.toml" in refused["message"]
    common.refused("GET", "/forge/projects/nothing/settings", 404)
    assert common.ask("GET", "/forge/releases") == []
    shown = common.ask("GET", f"/forge/projects/{project['id']}/profiles")
    assert shown["executors"].keys() == common.ask("GET", "/info")["executors"].keys()
    assert common.client.get("/api/openapi.json", follow_redirects=True).json()["openapi"]


def test_what_standing_agents_hand_on(common):
    begun = common.begin({"say": "x"})
    attempt, project = begun["attempts"][0]["id"], begun["project_id"]
    common.settled(attempt)
    assert common.ask("GET", f"/forge/master-genie/{attempt}/neurons") == []
    body = {"project_id": project, "parent_task_attempt": attempt}
    plain = common.ask("POST", "/tasks", json={**body, "title": "plain"})
    made = common.ask("POST", "/tasks", json={**body, "title": script({"say": "y"})})
    common.ask("PUT", f"/tasks/{made['id']}", json={"status": "agent"})
    subtasks = common.ask("GET", f"/forge/neurons/{attempt}/subtasks")
    assert [one["id"] for one in subtasks] == [made["id"]] != [plain["id"]]
    assert common.ask("GET", f"/forge/master-genie/{attempt}/neurons") == []  # no attempt yet
    profile = {"executor": "SCRIPTED", "variant": "APPROVALS"}
    body = {"task_id": made["id"], "executor_profile_id": profile, "base_branch": "main"}
    own = common.ask("POST", "/task-attempts", json=body)
    (neuron,) = common.ask("GET", f"/forge/master-genie/{attempt}/neurons")
    assert (neuron["type"], neuron["task"]["id"]) == ("APPROVALS", made["id"])
    assert neuron["attempt"]["id"] == own["id"]
    common.ask("POST", f"/task-attempts/{own['id']}/stop")
    common.refused("GET", "/forge/neurons/nothing/subtasks", 404)


def test_the_setup_of_an_agent(common):
    attempt = common.begin({"say": "x"})["attempts"][0]["id"]
    common.settled(attempt)
    path = f"/task-attempts/{attempt}/run-agent-setup"
    ready = {"executor_profile_id": {"executor": "SCRIPTED"}}
    assert common.ask("POST", path, json=ready) == {}
    absent = {"executor_profile_id": {"executor": "AMP"}}
    told = common.refused("POST", path, 400, json=absent)
    assert "unknown executor 'AMP'" in told["message"]
    assert common.client.post(f"/api{path}", json={}).status_code == 422


def test_an_agent_that_is_not_installed(serve_forge):
    attempt = serve_forge.begin({"say": "x"})["attempts"][0]["id"]
    own = {"CODEX": {"DEFAULT": {"CODEX": {"base_command_override": "/nowhere/codex"}}}}
    serve_forge.ask("PUT", "/profiles", json={"executors": own})
    body = {"executor_profile_id": {"executor": "CODEX"}}
    path = f"/task-attempts/{attempt}/run-agent-setup"
    told = serve_forge.refused("POST", path, 200, json=body)
    assert told["message"] == "CODEX: /nowhere/codex is not installed on this machine"
