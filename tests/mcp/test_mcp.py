"""What a language model can do, by the official SDK's client."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conftest import call, main, over_http, over_stdio
from repositories import script

PLAN = {
    "plan_id": "p",
    "steps": [
        {"id": "long", "run": "yes x | head -c 50000"},
        {"id": "ask", "step_def": {"type": "approval"}, "depends_on": ["long"]},
    ],
}


@pytest.fixture(params=["stdio", "http", "stdio to a server"])
def opened(request, tmp_path):
    if request.param == "stdio":
        return lambda: over_stdio(tmp_path)
    server = request.getfixturevalue("server")
    if request.param == "http":
        return lambda: over_http(server.url)
    return lambda: over_stdio(tmp_path)  # which finds the server of its directory


def test_a_task_from_start_to_merge(opened, repository):
    async def scenario():
        async with opened() as session:
            agents = await call(session, "list_agents")
            assert "SCRIPTED" in {one["executor"] for one in agents["agents"]}
            project = await call(session, "create_project", name="P", repository=str(repository))
            prompt = script({"say": "hi"}, {"run": "echo shown"}, {"edit": "b", "content": "x\n"})
            begun = await call(
                session,
                "start_task",
                project_id=project["project_id"],
                title=prompt,
                executor="SCRIPTED",
            )
            key = begun["attempt"]["attempt_id"]
            view = await call(session, "wait_for_attempt", attempt_id=key, timeout_sec=60)
            assert (view["busy"], view["status"]) == (False, "succeeded")
            log = await call(session, "attempt_log", attempt_id=key)
            assert "AGENT: hi" in log["text"]
            assert "+x" in (await call(session, "attempt_diff", attempt_id=key))["text"]
            again = await call(
                session,
                "continue_attempt",
                attempt_id=key,
                prompt=script({"run": "touch c", "ask": True}),
            )
            assert again == {"started": True}
            await call(session, "wait_for_attempt", attempt_id=key)
            assert (await call(session, "list_approvals")) == {"approvals": []}
            log = await call(session, "attempt_log", attempt_id=key)
            assert "touch c" in log["text"]
            assert (await call(session, "merge_attempt", attempt_id=key))["changed"] is True
            tasks = await call(session, "list_tasks", project_id=project["project_id"])
            assert [one["task"]["status"] for one in tasks["tasks"]] == ["done"]

    main(scenario())


def test_an_agent_that_asks_is_waited_for_no_longer(server, repository):
    async def scenario():
        async with over_http(server.url) as session:
            project = await call(session, "create_project", name="P", repository=str(repository))
            begun = await call(
                session,
                "start_task",
                project_id=project["project_id"],
                title=script({"run": "touch asked", "ask": True}, {"hang": True}),
                executor="SCRIPTED",
                variant="APPROVALS",
            )
            key = begun["attempt"]["attempt_id"]
            while not (asking := (await call(session, "list_approvals"))["approvals"]):
                await call(session, "wait_for_attempt", attempt_id=key, timeout_sec=1)
            assert (await call(session, "wait_for_attempt", attempt_id=key))["busy"] is True
            answered = {"turn": asking[0]["turn"], "approval_id": asking[0]["approval"]["id"]}
            await call(session, "answer_approval", attempt_id=key, allowed=True, **answered)
            stopped = await call(session, "stop_attempt", attempt_id=key)
            assert stopped["status"] == "canceled"

    main(scenario())


async def standing(session, key, step):
    told = await call(session, "run_status", run_id=key)
    return next(one["status"] for one in told["steps"] if one["id"] == step)


def test_a_plan_from_check_to_result(opened):
    told = []

    async def progress(done, total, message):
        told.append(message)

    async def scenario():
        async with opened() as session:
            bad = await call(session, "validate_plan", plan={"plan_id": "p", "steps": [{}]})
            assert bad["valid"] is False
            run = await call(session, "run_plan", plan=PLAN, manual=True)
            key = run["run_id"]
            released = await call(session, "next_steps", run_id=key)
            assert released["released"] == ["long"]
            while await standing(session, key, "long") != "succeeded":
                continue
            await call(session, "next_steps", run_id=key)
            waited = await session.call_tool(
                "wait_for_run",
                {"run_id": key, "timeout_sec": 60},
                progress_callback=progress,
            )
            asks = {one["id"]: one["approval"] for one in waited.structured_content["steps"]}
            assert asks["ask"] is not None
            log = await call(session, "run_log", run_id=key, step="long")
            assert (len(log["text"]), log["left_out"]) == (30_000, 20_000)
            await call(session, "answer_step", run_id=key, step="ask", allowed=True)
            over = await call(session, "wait_for_run", run_id=key)
            assert over["status"] == "succeeded"
            assert [one["run_id"] for one in (await call(session, "list_runs"))["runs"]] == [key]

    main(scenario())


def test_what_is_wrong_is_told(opened):
    async def scenario():
        async with opened() as session:
            for name, arguments, said in (
                ("view_attempt", {"attempt_id": "x"}, "no attempt 'x'"),
                ("view_attempt", {}, "missing required field `attempt_id`"),
                ("list_runs", {"limit": 0}, "$.limit"),
                ("run_plan", {"plan": {"plan_id": "p", "steps": [{"id": "a"}]}}, "/plan/steps/0"),
            ):
                done = await session.call_tool(name, arguments)
                assert done.is_error
                assert said in done.content[0].text
            with pytest.raises(Exception, match="no tool 'x'"):
                await session.call_tool("x", {})

    main(scenario())


def test_tools_say_what_they_are(opened):
    async def scenario():
        async with opened() as session:
            tools = {one.name: one for one in (await session.list_tools()).tools}
            assert len(tools) > 20
            assert all(one.description and one.output_schema for one in tools.values())
            assert tools["list_tasks"].annotations.read_only_hint
            assert tools["merge_attempt"].annotations.destructive_hint
            assert not tools["start_task"].annotations.read_only_hint
            assert tools["start_task"].input_schema["required"] == [
                "executor",
                "project_id",
                "title",
            ]

    main(scenario())


def test_over_http_a_token_may_do_what_its_scope_says(server):
    token = server.stoker("serve", "token", "create", "--scope", "read", "--name", "r")

    async def scenario():
        async with over_http(server.url, token.stdout.strip()) as session:
            assert (await call(session, "list_runs"))["runs"] == []
            refused = await session.call_tool("run_plan", {"plan": PLAN})
            assert refused.is_error
            assert "scope run" in refused.content[0].text

    main(scenario())
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        for headers, status in (
            ({}, 401),
            ({"Host": "evil.example"}, 421),
            ({"Origin": "http://evil.example"}, 403),
        ):
            assert client.post("/mcp", json=body, headers=headers).status_code == status


def test_over_http_a_request_may_be_as_big_as_any_other(server):
    """A body that says how big it is, and one that does not."""
    limit = 16 * 1024 * 1024
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    headers = {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
    }
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        for size, status in ((limit, 200), (limit + 1, 413)):
            padded = body.ljust(size)
            for content in (padded, (padded[at : at + 65536] for at in range(0, size, 65536))):
                answer = client.post("/mcp", content=content, headers=headers)
                assert answer.status_code == status


def test_what_a_nested_run_asks_is_waited_for_no_longer(opened, tmp_path):
    inner = {"plan_id": "inner", "steps": [{"id": "ask", "step_def": {"type": "approval"}}]}
    (tmp_path / "inner.json").write_text(json.dumps(inner))
    nested = {"id": "in", "step_def": {"type": "plan", "path": "inner.json"}}

    async def scenario():
        async with opened() as session, asyncio.timeout(60):
            run = await call(session, "run_plan", plan={"plan_id": "outer", "steps": [nested]})
            key = run["run_id"]
            asks = await call(session, "wait_for_run", run_id=key, timeout_sec=3600)
            assert asks["reason"] == f"approval of ask in run {key}.in.1"
            answer = {"run_id": f"{key}.in.1", "step": "ask", "allowed": True}
            await call(session, "answer_step", **answer)
            assert (await call(session, "wait_for_run", run_id=key))["status"] == "succeeded"

    main(scenario())
