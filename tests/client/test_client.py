"""Both clients against a real server."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest
from serving import Server

from stoker.client import (
    Client,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    SyncClient,
    Unauthorized,
    Unreachable,
    work,
)
from stoker.client import api as groups
from stoker.client.operation import Feed, Group, Operation
from stoker.server.app import openapi

PLAN = {
    "plan_id": "p",
    "inputs": {"name": "world"},
    "steps": [
        {"id": "greet", "run": "echo hello ${{ inputs.name }}"},
        {"id": "ask", "step_def": {"type": "approval"}, "depends_on": ["greet"]},
    ],
}


def described() -> set[tuple[str, str]]:
    named = (*vars(groups).values(), *vars(work).values())
    of_groups = [one for one in named if isinstance(one, type)]
    return {
        (one.method, one.path)
        for group in of_groups
        if issubclass(group, Group)
        for one in vars(group).values()
        if isinstance(one, Operation | Feed)
    }


def test_whatever_the_server_answers_can_be_asked():
    documented = {
        (method.upper(), path) for path, item in openapi()["paths"].items() for method in item
    }
    hosts = {("POST", "/v1/webhooks/{host}")}  # which code hosts send
    assert described() == documented - hosts


def test_a_plan_from_check_to_result(server):
    with SyncClient(server.url) as stoker:
        assert stoker.plans.validate(plan={"plan_id": "p", "steps": [{"id": "a"}]}).valid is False
        begun = stoker.runs.begin(plan=PLAN, inputs={"name": "you"})
        types = []
        for event in stoker.runs.events(begun.run_id):
            types.append(event.type)
            if event.type == "approval.requested":
                stoker.runs.approve(begun.run_id, "ask", comment="yes")
        assert (types[0], types[-1]) == ("run.created", "run.settled")
        assert stoker.runs.log(begun.run_id, "greet", 1, "stdout") == b"hello you\n"
        assert stoker.runs.log(begun.run_id, "greet", 1, "stdout", offset=6) == b"you\n"
        parts = stoker.runs.follow_log(begun.run_id, "greet", 1, "stdout")
        assert "".join(part.text for part in parts) == "hello you\n"
        assert stoker.runs.show(begun.run_id).status == "succeeded"
        assert [run.run_id for run in stoker.runs.list(status=["succeeded"]).runs] == [begun.run_id]
        page = stoker.runs.event_page(begun.run_id, after=1, limit=2)
        assert [event.sequence for event in page.events] == [2, 3]
        with pytest.raises(Conflict) as refused:
            stoker.runs.cancel(begun.run_id)
        assert refused.value.name == "run-over"
        stoker.runs.remove(begun.run_id)
        with pytest.raises(NotFound):
            stoker.runs.show(begun.run_id)


def test_a_task_from_start_to_merge(server, repository, scripted):
    async def scenario():
        async with Client(server.url) as stoker:
            project = await stoker.projects.create(name="P", repository=str(repository))
            prompt = scripted({"say": "hi"}, {"edit": "b", "content": "x\n"})
            begun = await stoker.attempts.create_and_start(
                project_id=project.project_id, title=prompt, executor="SCRIPTED"
            )
            key = begun.attempt.attempt_id
            said = [one.content async for one in stoker.attempts.stream(key, 1)]
            assert "hi" in [getattr(content, "text", None) for content in said]
            view = await stoker.attempts.show(key, wait_sec=30)
            assert (view.busy, view.status) == (False, "succeeded")
            changed = await stoker.attempts.changes(key, contents=False)
            assert [one.new_path for one in changed.changes] == ["b"]
            more = scripted({"edit": "c", "content": "y"})
            assert (await stoker.attempts.follow_up(key, prompt=more)).started
            await stoker.attempts.show(key, wait_sec=30)
            assert (await stoker.attempts.merge(key)).changed
            task = await stoker.tasks.show(begun.task.task_id)
            assert (task.task.status, len(task.attempts)) == ("done", 1)

    asyncio.run(scenario())


def test_a_key_begins_one_thing(server, repository, scripted):
    with SyncClient(server.url) as stoker:
        keyed = stoker.keyed("nightly")
        assert keyed.runs.begin(plan=PLAN).run_id == keyed.runs.begin(plan=PLAN).run_id
        assert stoker.runs.begin(plan=PLAN).run_id != stoker.runs.begin(plan=PLAN).run_id
        with pytest.raises(InvalidRequest) as refused:
            keyed.runs.begin(plan={**PLAN, "plan_id": "q"})
        assert refused.value.name == "idempotency-key-reused"


def test_what_is_to_be_waited_for_may_take_longer_than_other_answers(server):
    with SyncClient(server.url, timeout_sec=1, patience_sec=0) as stoker:
        run_id = stoker.runs.begin(
            plan={"plan_id": "p", "steps": [{"id": "a", "run": "cat gate"}]}, manual=True
        ).run_id
        assert stoker.runs.show(run_id, wait_sec=1.5).status == "running"
        with pytest.raises(NotFound):
            stoker.runs.show("nope", wait_sec=1.5)


def test_errors_tell_what_is_wrong_and_where(server):
    with SyncClient(server.url) as stoker:
        with pytest.raises(InvalidRequest) as wrong:
            stoker.runs.begin(plan={"plan_id": "p", "steps": [{"id": "a"}]})
        assert wrong.value.name == "invalid-plan"
        assert [fault.pointer for fault in wrong.value.problem.errors] == ["/plan/steps/0"]
        assert "/plan/steps/0: expected exactly one of" in str(wrong.value)
        with pytest.raises(Forbidden):
            stoker.projects.create(name="P", repository="/nowhere")
        with pytest.raises(TypeError, match="a value for each part"):
            stoker.runs.show()
    with (
        SyncClient(f"{server.url}/openapi.json?") as stoker,
        pytest.raises(Unreachable, match="does not answer as a server"),
    ):
        stoker.runs.list()


def test_token_and_place_come_from_the_environment(server, monkeypatch):
    made = server.stoker("serve", "token", "create", "--scope", "read", "--name", "me")
    monkeypatch.setenv("STOKER_URL", server.url)
    with SyncClient() as stoker, pytest.raises(Unauthorized):
        stoker.runs.list()
    monkeypatch.setenv("STOKER_TOKEN", made.stdout.strip())
    with SyncClient() as stoker:
        assert stoker.runs.list().runs == []
        with pytest.raises(Forbidden):
            stoker.runs.begin(plan=PLAN)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.parametrize("end", [Server.stop, Server.kill])
def test_streams_go_on_where_they_were(tmp_path, repository, scripted, end):
    wait = {"run": "until [ -e go ]; do sleep 0.05; done"}
    with (
        Server(tmp_path, "--rate", "0", "--port", free_port()) as server,
        SyncClient(server.url, patience_sec=30) as stoker,
    ):
        project = stoker.projects.create(name="P", repository=str(repository))
        prompt = scripted({"say": "one"}, {"say": "two"}, wait, {"say": "three"})
        begun = stoker.attempts.create_and_start(
            project_id=project.project_id, title=prompt, executor="SCRIPTED"
        )
        key, run = begun.attempt.attempt_id, begun.attempt.run_id
        gate = Path(begun.attempt.worktree, "go")
        sequences = []
        follower = threading.Thread(
            target=lambda: sequences.extend(e.sequence for e in stoker.runs.events(run))
        )
        follower.start()
        told = []
        for entry in stoker.attempts.stream(key, 1):
            told.append(entry)
            if not gate.exists() and getattr(entry.content, "text", "") == "two":
                end(server)
                server.process.stdout.close()
                server.start()
                gate.touch()
        follower.join(60)
        assert told == list(stoker.attempts.stream(key, 1))
        texts = [getattr(one.content, "text", None) for one in told]
        assert texts.index("two") < texts.index("three")
        assert sequences == list(range(1, len(sequences) + 1))
        assert stoker.attempts.show(key, wait_sec=30).status == "succeeded"
