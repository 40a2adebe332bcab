"""Whoever is at the other end: approvals, interruptions, sub-agents."""

from __future__ import annotations

import json
import os
import select
from pathlib import Path
from typing import Any

import pytest
from agent_process import AgentProcess
from model_server import Call, Conversation, ModelServer, Reply, Say, Usage, by_turn, in_order

ASK = {"edit": "ask", "execute": "ask"}
WRITE = by_turn(Say(calls=(Call("write_file", {"path": "a", "content": "1"}, "w1"),)), Say("done"))


def suggestion(kind: str, subject: str = "") -> dict[str, Any]:
    rule = {"toolName": kind, **({"ruleContent": subject} if subject else {})}
    head = {"type": "addRules", "behavior": "allow", "destination": "session"}
    return {**head, "rules": [rule]}


@pytest.mark.parametrize(
    ("response", "content", "output"),
    [
        ({"behavior": "allow"}, "1", "created a, 1 bytes"),
        ({"behavior": "allow", "updatedInput": {"content": "1", "path": "a"}}, "1", "1 bytes"),
        (
            {"behavior": "allow", "updatedInput": {"path": "a", "content": "22"}},
            "22",
            "2 bytes\n[The user changed",
        ),
        ({"behavior": "allow", "updatedInput": {"path": "a"}}, None, "missing required field"),
        ({"behavior": "allow", "updatedInput": {"path": "../a", "content": ""}}, None, "leads out"),
        ({"behavior": "deny", "message": "not now"}, None, "refused by the user: not now"),
        ({"behavior": "deny"}, None, "refused by the user"),
        (None, None, "refused by the user"),
    ],
)
def test_an_approval(response: Any, content: str | None, output: str, tmp_path: Path) -> None:
    with (
        ModelServer(WRITE) as server,
        AgentProcess(server, tmp_path, prompt="x", permissions=ASK) as agent,
    ):
        question = agent.until("control_request")
        assert question["request"] == {
            "subtype": "can_use_tool",
            "tool_name": "write_file",
            "input": {"path": "a", "content": "1"},
            "tool_use_id": "w1",
            "permission_suggestions": [suggestion("edit")],
        }
        assert not (agent.work / "a").exists()
        agent.decide(question, response)
        assert agent.finish()["result"] == "done"
    assert output in agent.outputs()[0]
    assert ("user changed" in agent.outputs()[0]) is ("user changed" in output)
    assert ((agent.work / "a").read_text() if (agent.work / "a").exists() else None) == content


def test_an_approval_outlives_the_agent(tmp_path: Path) -> None:
    with (
        ModelServer(WRITE) as server,
        AgentProcess(server, tmp_path, prompt="x", permissions=ASK) as agent,
    ):
        question = agent.until("control_request")
        agent.kill()
        agent.again()
        agent.decide(question, {"behavior": "allow"})  # perhaps before it asks again
        assert agent.finish()["result"] == "done"
        assert len(server.requests) == 2
    assert (agent.work / "a").read_text() == "1"


def test_what_is_allowed_for_good_is_not_asked_again_not_even_after_a_restart(tmp_path):
    def run(command: str) -> Say:
        return Say(calls=(Call("execute", {"command": command}),))

    def write(path: str) -> Say:
        return Say(calls=(Call("write_file", {"path": path, "content": ""}),))

    script = (run("echo a"), run("echo a"), write("x"), write("y"), run("echo a; touch b"))
    with (
        ModelServer(by_turn(*script, run("echo a"), Say("done"))) as server,
        AgentProcess(server, tmp_path, prompt="x", permissions=ASK) as agent,
    ):
        for subject in ("echo a", ""):
            question = agent.until("control_request")
            (offered,) = question["request"]["permission_suggestions"]
            assert offered == suggestion("execute" if subject else "edit", subject)
            agent.decide(question, {"behavior": "allow", "updatedPermissions": [offered]})
        question = agent.until("control_request")
        assert question["request"]["input"] == {"command": "echo a; touch b"}
        agent.kill()
        agent.again()
        agent.decide(question, {"behavior": "deny", "message": "no"})
        assert agent.finish()["result"] == "done"
    assert "Error: refused by the user: no" in agent.outputs()
    assert agent.outputs()[-1].startswith("a\n")
    assert {one.name for one in agent.work.iterdir()} >= {"x", "y"}


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_an_image_goes_to_the_model(tmp_path: Path, wire: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "cG5n"}
    content = [{"type": "text", "text": "what is it?"}, {"type": "image", "source": source}]
    with (
        ModelServer(by_turn(Say("A picture."))) as server,
        AgentProcess(server, tmp_path, wire=wire) as agent,
    ):
        agent.say({"type": "user", "message": {"role": "user", "content": content}})
        assert agent.finish()["result"] == "A picture."
        body = json.loads(server.requests[0].body)
    parts = body["messages"][-1]["content"]
    shown = [part for part in parts if part["type"] != "text"]
    if wire == "anthropic":
        assert [(one["type"], one["source"]) for one in shown] == [("image", source)]
    else:
        url = {"url": "data:image/png;base64,cG5n"}
        assert shown == [{"type": "image_url", "image_url": url}]
    assert [part["text"] for part in parts if part["type"] == "text"] == ["what is it?"]


def test_nobody_there_to_ask(tmp_path: Path) -> None:
    with (
        ModelServer(WRITE) as server,
        AgentProcess(server, tmp_path, prompt="x", permissions=ASK) as agent,
    ):
        agent.until("control_request")
        assert agent.finish()["result"] == "done"
    assert "nobody is there to allow it" in agent.outputs()[0]


def test_an_interruption_ends_a_command_and_the_turn(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    calls = (
        Call("execute", {"command": f"(sleep 1000 & echo $! > {pipe}; wait)"}),
        Call("write_file", {"path": "never", "content": ""}),
    )
    with (
        ModelServer(by_turn(Say(calls=calls))) as server,
        AgentProcess(server, tmp_path, prompt="x") as agent,
    ):
        pidfd = os.pidfd_open(int(pipe.read_text()))
        agent.control("interrupt", "i1")
        answer = agent.until("control_response")
        assert answer["response"] == {"subtype": "success", "request_id": "i1"}
        result = agent.until("result")
        assert select.select([pidfd], [], [], 0)[0]
        os.close(pidfd)
        server.policy = in_order(Say("as you wish"))
        agent.ask("do something else")
        assert agent.finish()["result"] == "as you wish"
        talk = server.requests[-1].conversation
    assert (result["reason"], result["subtype"]) == ("interrupted", "error_during_execution")
    assert not (agent.work / "never").exists()
    assert talk is not None
    assert ["in part" in one.text for one in talk.results] == [True, False]
    assert "nothing was done" in talk.results[1].text


def test_an_interruption_ends_sub_agents_and_counts_what_they_used(tmp_path: Path) -> None:
    pipes = [tmp_path / "one", tmp_path / "two"]
    for pipe in pipes:
        os.mkfifo(pipe)

    def policy(talk: Conversation) -> Reply:
        if "task" in talk.tools:
            calls = tuple(Call("task", {"prompt": str(pipe)}) for pipe in pipes)
            return Say(calls=calls, usage=Usage(1, 1))
        command = {"command": f"echo $$ > {talk.asked}; sleep 1000"}
        return Say(calls=(Call("execute", command),), usage=Usage(10, 10))

    with ModelServer(policy) as server, AgentProcess(server, tmp_path, prompt="x") as agent:
        pids = [int(pipe.read_text()) for pipe in pipes]
        agent.control("interrupt")
        result = agent.until("result")
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
    assert result["reason"] == "interrupted"
    assert result["usage"]["output_tokens"] == 21


def test_an_interruption_while_the_model_is_at_it(tmp_path: Path) -> None:
    from model_server import Hang

    with (
        ModelServer(in_order(Hang(2), Say("new"))) as server,
        AgentProcess(server, tmp_path, prompt="x") as agent,
    ):
        server.wait_requests(1)
        agent.control("interrupt")
        assert agent.until("result")["reason"] == "interrupted"
        agent.control("interrupt", "nothing to interrupt")
        assert agent.until("control_response")["response"]["subtype"] == "success"
        agent.ask("go on")
        assert agent.finish()["result"] == "new"


def test_an_interruption_while_it_waits_for_consent(tmp_path: Path) -> None:
    with (
        ModelServer(WRITE) as server,
        AgentProcess(server, tmp_path, prompt="x", permissions=ASK) as agent,
    ):
        question = agent.until("control_request")
        agent.control("interrupt")
        assert agent.until("result")["reason"] == "interrupted"
        agent.decide(question, {"behavior": "allow"})  # too late
        server.policy = in_order(Say("ok"))
        agent.ask("and now")
        assert agent.finish()["result"] == "ok"
    assert not (agent.work / "a").exists()


def test_lines_that_are_not_understood(tmp_path: Path) -> None:
    with ModelServer(in_order(Say("fine"))) as server, AgentProcess(server, tmp_path) as agent:
        assert agent.process.stdin is not None
        agent.process.stdin.write(b'what?\n[1]\n\n{"type": "dance"}\n')
        agent.control("set_model", "m1")
        refused = agent.until("control_response")["response"]
        agent.control("initialize", "i1")
        assert agent.until("control_response")["response"]["subtype"] == "success"
        agent.ask("are you there?")
        assert agent.finish()["result"] == "fine"
    assert (refused["subtype"], refused["request_id"]) == ("error", "m1")
    errors = [line["text"] for line in agent.lines if line.get("subtype") == "error"]
    assert ["no JSON" in errors[0], "'dance'" in errors[1]] == [True, True]


def test_it_ends_when_told_to(tmp_path: Path) -> None:
    with (
        ModelServer(in_order(Say("fine"))) as server,
        AgentProcess(server, tmp_path, prompt="x") as agent,
    ):
        agent.until("result")
        agent.control("end_session")
        assert agent.process.wait(30) == 0


def test_todos_are_kept(tmp_path: Path) -> None:
    todos = [{"content": "one", "status": "completed"}, {"content": "two", "status": "pending"}]
    policy = by_turn(
        Say(calls=(Call("read_todos", {}), Call("write_todos", {"todos": todos}))),
        Say("written"),
        Say(calls=(Call("read_todos", {}),)),
        Say("read"),
    )
    with ModelServer(policy) as server, AgentProcess(server, tmp_path, prompt="x") as agent:
        agent.finish()
        assert agent.outputs()[0] == "(nothing)"
        agent.again()
        agent.ask("what is left?")
        assert agent.finish()["result"] == "read"
    assert agent.outputs() == ["[x] one\n[ ] two"]


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_sub_agents_work_at_the_same_time(wire: str, tmp_path: Path) -> None:
    """Each waits for what the other one writes."""
    one, two = tmp_path / "one", tmp_path / "two"
    for pipe in (one, two):
        os.mkfifo(pipe)

    def policy(talk: Conversation) -> Reply:
        if "task" in talk.tools:
            calls = (Call("task", {"prompt": "be one"}), Call("task", {"prompt": "be two"}))
            return Say("both done") if talk.results else Say(calls=calls)
        if talk.results:
            return Say(f"report: {talk.latest[0].text}", usage=Usage(10, 1))
        command = (
            f"cat {one}; echo b > {two}" if talk.asked == "be one" else f"echo a > {one}; cat {two}"
        )
        return Say(calls=(Call("execute", {"command": command}),), usage=Usage(10, 1))

    with (
        ModelServer(policy) as server,
        AgentProcess(server, tmp_path, prompt="x", wire=wire) as agent,
    ):
        result = agent.finish()
        assert all("task" not in r.conversation.tools for r in server.requests[1:-1])  # type: ignore[union-attr]
        last = server.requests[-1].conversation
    assert result["result"] == "both done"
    assert last is not None
    assert sorted(one.text for one in last.latest) == [
        "report: a\n",
        "report: b\n",
    ]
    parents = {
        line.get("parent_tool_use_id") for line in agent.lines if line["type"] == "assistant"
    }
    assert len(parents) == 3
    # Theirs is counted with the turn's own.
    assert result["usage"]["output_tokens"] >= 4
    assert len([line for line in agent.lines if line["type"] == "result"]) == 1


def test_a_sub_agent_asks_and_is_limited(tmp_path: Path) -> None:
    def policy(talk: Conversation) -> Reply:
        if "task" in talk.tools:
            return (
                Say("done") if talk.results else Say(calls=(Call("task", {"prompt": "p"}, "t1"),))
            )
        command = {"command": f"echo {talk.turns}"}
        return Say(calls=(Call("execute", command),))

    with (
        ModelServer(policy) as server,
        AgentProcess(
            server,
            tmp_path,
            prompt="x",
            permissions={"execute": "ask"},
            subagent_turns=2,
        ) as agent,
    ):
        for _ in range(2):
            question = agent.until("control_request")
            assert question["parent_tool_use_id"] == "t1"
            agent.decide(question, {"behavior": "allow"})
        assert agent.finish()["result"] == "done"
    assert "the sub-agent ended (max_turns)" in agent.outputs()[-1]
