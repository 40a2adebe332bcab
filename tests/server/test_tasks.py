"""Tasks over HTTP: a real server, real worktrees, the scripted agent."""

from __future__ import annotations

import json
from pathlib import Path

from repositories import git, script
from tasking import asked, begin, project, said, settled
from websockets.sync.client import connect


def test_from_a_task_to_its_merge(server, repository):
    with server.client() as client:
        begun = begin(client, repository, script({"say": "hi"}, {"edit": "b", "content": "x\n"}))
        assert begun.status_code == 201, begun.text
        attempt = begun.json()["attempt"]
        key = attempt["attempt_id"]
        assert Path(attempt["worktree"]).is_dir()
        entries = said(client, key)
        assert entries[-1]["type"] == "turn_ended"
        assert "hi" in [entry.get("text") for entry in entries]
        view = settled(client, key)
        assert [(one["role"], one["status"]) for one in view["steps"]] == [
            ("agent", "succeeded"),
            ("checkpoint", "succeeded"),
        ]
        (change,) = client.get(f"/v1/attempts/{key}/changes").json()["changes"]
        assert (change["change"], change["new_path"], change["new_content"]) == (
            "added",
            "b",
            "x\n",
        )
        assert client.get(f"/v1/attempts/{key}/branch-status").json()["commits_ahead"] == 1
        more = client.post(
            f"/v1/attempts/{key}/follow-up", json={"prompt": script({"edit": "c", "content": "y"})}
        )
        assert (more.status_code, more.json()) == (202, {"started": True})
        settled(client, key)
        merged = client.post(f"/v1/attempts/{key}/merge")
        assert merged.json()["changed"] is True
        assert git(repository, "show", "main:c") == "y"
        task_id = begun.json()["task"]["task_id"]
        assert client.get(f"/v1/tasks/{task_id}").json()["task"]["status"] == "done"
        assert client.delete(f"/v1/attempts/{key}/worktree").status_code == 204
        assert not Path(attempt["worktree"]).exists()


def test_what_is_wrong_is_told_and_leaves_nothing(server, repository):
    with server.client() as client:
        project_id = project(client, repository)
        for more, status in (
            ({"executor": "NOBODY"}, 422),
            ({"base_branch": "nowhere"}, 422),
            ({"base_branch": "--x"}, 422),
            ({"project_id": "none"}, 404),
            ({"title": ""}, 422),
            ({"more": 1}, 422),
        ):
            answer = begin(client, repository, "T", **more)
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
        assert client.get(f"/v1/projects/{project_id}/tasks").json() == {
            "tasks": [],
            "next_cursor": None,
        }
        assert git(repository, "branch", "--format=%(refname:short)").split() == ["main"]
        again = client.post("/v1/projects", json={"name": "Q", "repository": str(repository)})
        assert again.status_code == 409
        for path, status in (("/nowhere", 403), ("..", 403), ("missing", 422)):
            nothing = client.post("/v1/projects", json={"name": "Q", "repository": path})
            assert nothing.status_code == status
        for path in ("attempts/x", "tasks/x", "projects/x", "attempts/x/turns/1/stream"):
            assert client.get(f"/v1/{path}").status_code == 404


def test_a_request_may_be_sent_again(server, repository):
    with server.client() as client:
        project_id = project(client, repository)
        body = {"project_id": project_id, "title": script({"say": "x"}), "executor": "SCRIPTED"}
        first, second = (
            client.post("/v1/attempts", json=body, headers={"Idempotency-Key": "k"})
            for _ in range(2)
        )
        assert first.json()["attempt"] == second.json()["attempt"]
        assert second.json()["repeated"] is True


def test_an_approval_outlives_the_server(server, repository):
    ask = script({"run": "touch allowed", "ask": True}, {"run": "touch b", "ask": True})
    with server.client() as client:
        begun = begin(client, repository, ask, variant="APPROVALS")
        key = begun.json()["attempt"]["attempt_id"]
        assert asked(client, key)
    server.kill()
    server.start()
    with server.client() as client:
        approval = asked(client, key)
        late = client.post(
            f"/v1/attempts/{key}/turns/1/approvals/{approval}", json={"allowed": True}
        )
        assert late.status_code == 202, late.text
        other = asked(client, key, but=approval)
        client.post(f"/v1/attempts/{key}/turns/1/approvals/{other}", json={"allowed": False})
        view = settled(client, key)
        assert view["steps"][0]["status"] == "succeeded"
        changed = client.get(f"/v1/attempts/{key}/changes").json()["changes"]
        assert [one["new_path"] for one in changed] == ["allowed"]
        said = client.get(f"/v1/attempts/{key}/turns/1").json()["entries"]
        answers = [one["content"]["answer"] for one in said if one["content"].get("answer")]
        assert [(one["by"], one["allowed"]) for one in answers] == [
            ("api:local", True),
            ("api:local", False),
        ]


def test_stopping_keeps_the_work_and_the_stream_ends(server, repository):
    prompt = script({"edit": "b", "content": "half"}, {"say": "now"}, {"run": "sleep 300"})
    with server.client() as client:
        key = begin(client, repository, prompt).json()["attempt"]["attempt_id"]
        with connect(f"{server.ws}/v1/attempts/{key}/turns/1/stream/ws") as socket:
            while json.loads(socket.recv(30))["content"].get("text") != "now":
                pass
            assert client.post(f"/v1/attempts/{key}/follow-up", json={"prompt": "x"}).json() == {
                "started": False
            }
            assert client.post(f"/v1/attempts/{key}/merge").status_code == 409
            assert client.post(f"/v1/attempts/{key}/stop").status_code == 204
            list(socket)
        view = settled(client, key)
        assert (view["status"], view["queued"]["queued"]) == ("canceled", False)
        assert client.get(f"/v1/attempts/{key}/branch-status").json()["commits_ahead"] == 1
        assert client.delete(f"/v1/attempts/{key}/drafts/follow_up").status_code == 204
