"""The Agent Client Protocol, line by line: what the real agents of the tests do not do."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from stoker.agents.acp import AcpAdapter, AcpState
from stoker.agents.adapter import Assignment
from stoker.agents.inbox import Interrupt, Reply
from stoker.agents.profiles import Profiles
from stoker.agents.stream import (
    Approval,
    AssistantMessage,
    Command,
    Entries,
    Failure,
    FileEdit,
    Notice,
    Session,
    Thinking,
    Todos,
    Tokens,
    ToolCall,
    TurnEnded,
    Usage,
)
from stoker.agents.worktree import Worktree


class Client:
    """The adapter between a scripted agent and the test; its state is stored and read again
    between any two lines."""

    def __init__(self, cwd: Any, *, approvals: str = "ask", **more: Any) -> None:
        profile = Profiles().profile("OPENCODE", approvals=approvals)
        self.assignment = Assignment(prompt="do it", cwd=str(cwd), profile=profile, **more)
        self.files = Worktree(str(cwd))
        self.entries = Entries()
        self.state = msgspec.msgpack.encode(AcpState())
        self.sent = self.do(lambda adapter: adapter.begin())

    def do(self, act: Any) -> list[dict[str, Any]]:
        """Returns what it answers."""
        state = msgspec.msgpack.decode(self.state, type=AcpState)
        adapter = AcpAdapter(self.assignment, state=state, files=self.files)
        act(adapter)
        self.state = msgspec.msgpack.encode(adapter.state)
        self.done = adapter.done
        for record in adapter.records:
            self.entries.add(record)
        self.sent = [json.loads(line) for line in adapter.outgoing.splitlines()]
        return self.sent

    def agent(self, **message: Any) -> list[dict[str, Any]]:
        line = json.dumps({"jsonrpc": "2.0", **message}).encode()
        return self.do(lambda adapter: adapter.line(line))

    def result(self, **result: Any) -> list[dict[str, Any]]:
        """The agent answers our last request."""
        return self.agent(id=self.sent[-1]["id"], result=result)

    def update(self, kind: str, /, **update: Any) -> list[dict[str, Any]]:
        params = {"sessionId": "s", "update": {"sessionUpdate": kind, **update}}
        return self.agent(method="session/update", params=params)

    def one(self, kind: type) -> Any:
        (content,) = (content for content in self.entries if type(content) is kind)
        return content

    def begun(self) -> Client:
        self.result(protocolVersion=1, agentInfo={"name": "a", "version": "2"})
        (new,) = self.sent
        assert new["method"] == "session/new"
        (prompt,) = self.result(sessionId="s")
        assert prompt["method"] == "session/prompt"
        assert prompt["params"]["prompt"] == [{"type": "text", "text": "do it"}]
        self.turn = prompt["id"]
        return self


@pytest.fixture
def client(tmp_path):
    return Client(tmp_path).begun()


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def test_files_are_not_offered(tmp_path):
    (initialize,) = Client(tmp_path).sent
    files = initialize["params"]["clientCapabilities"]["fs"]
    assert files == {"readTextFile": False, "writeTextFile": False}


def test_files_are_served_within_the_worktree_only(client, tmp_path):
    def file(method: str, path: Any, **more: Any) -> Any:
        params = {"sessionId": "s", "path": str(path), **more}
        (answer,) = client.agent(id="f", method=f"fs/{method}_text_file", params=params)
        return answer.get("result", answer.get("error"))

    root = tmp_path
    assert file("write", root / "new" / "a", content="1\n2\n3\n") == {}
    assert (root / "new" / "a").read_text() == "1\n2\n3\n"
    assert file("read", root / "new" / "a") == {"content": "1\n2\n3\n"}
    assert file("read", root / "new" / "a", line=2, limit=1) == {"content": "2\n"}
    (root / "link").symlink_to("/etc")
    (root / ".git").mkdir()
    for path in ("/etc/passwd", root / ".." / "x", root / "link" / "passwd", root / ".git" / "c"):
        for method in ("read", "write"):
            message = file(method, path, content="x")["message"]
            assert "out of the worktree" in message or "git's own files" in message
    assert "No such file" in file("read", root / "missing")["message"]
    assert (
        "not supported"
        in client.agent(id=9, method="terminal/create", params={})[0]["error"]["message"]
    )


def test_all_it_tells_is_in_the_stream(client):
    client.update("agent_thought_chunk", content=text("hm "))
    client.update("agent_thought_chunk", content=text("hm"))
    client.update("agent_message_chunk", content=text("I "))
    client.update("agent_message_chunk", content=text("begin"))
    plan = [{"content": "one", "status": "in_progress", "priority": "high"}]
    client.update("plan", entries=plan)
    call = {"toolCallId": "c", "title": "ls", "kind": "execute", "status": "pending"}
    client.update("tool_call", **call, rawInput={"command": "ls -l"})
    client.update("tool_call_update", toolCallId="c", status="in_progress")
    shown = [{"type": "content", "content": text("a\n")}]
    client.update("tool_call_update", toolCallId="c", status="completed", content=shown)
    client.update("tool_call_update", toolCallId="c", status="completed", content=[])
    client.update("tool_call", toolCallId="r", title="x", kind="read", status="failed")
    diff = {"type": "diff", "path": "a", "oldText": "1\n", "newText": "2\n"}
    client.update("tool_call", toolCallId="e", title="e", kind="edit", content=[diff])
    client.update("usage_update", used=10, size=100, cost={"amount": 0.5, "currency": "USD"})
    client.update("agent_message_chunk", content=text("x" * 200_000))
    usage = {"totalTokens": 5, "inputTokens": 3, "outputTokens": 2}
    client.agent(id=client.turn, result={"stopReason": "end_turn", "usage": usage})
    assert client.done
    assert client.one(Thinking).text == "hm hm"
    assert client.one(Todos).items[0].status == "in_progress"
    command = client.one(Command)
    assert (command.command, command.output, command.status) == ("ls -l", "a\n", "succeeded")
    assert client.one(ToolCall).status == "failed"
    edit = client.one(FileEdit)
    assert edit.changes[0].diff == "@@ -1 +1 @@\n-1\n+2\n"
    assert edit.status == "canceled"  # the turn ended before it did
    first, second = (one.text for one in client.entries if isinstance(one, AssistantMessage))
    assert (first, second) == ("I begin", "x" * 200_000)
    used = client.one(Usage)
    assert (used.tokens.input, used.cost_usd, used.context, used.context_limit) == (3, 0.5, 10, 100)
    assert client.one(TurnEnded).summary == second
    assert client.one(Session).agent == "a 2"


def permission(client: Client) -> Approval:
    options = [
        {"optionId": "1", "name": "Yes", "kind": "allow_once"},
        {"optionId": "2", "name": "Always", "kind": "allow_always"},
        {"optionId": "3", "name": "No", "kind": "reject_once"},
    ]
    call = {"toolCallId": "c", "title": "ls", "kind": "execute", "rawInput": {"command": "ls"}}
    params = {"sessionId": "s", "toolCall": call, "options": options}
    assert client.agent(id=7, method="session/request_permission", params=params) == []
    return client.one(Approval)


@pytest.mark.parametrize(
    ("reply", "option"),
    [
        ({"allowed": True}, "1"),
        ({"allowed": True, "always": True}, "2"),
        ({"allowed": False}, "3"),
        ({"allowed": False, "always": True}, "3"),
        ({"allowed": False, "option": "2"}, "2"),
    ],
)
def test_its_own_options_are_chosen_from(client, reply, option):
    approval = permission(client)
    assert (approval.command, approval.kind, approval.title) == ("ls", "execute", "ls")
    answer = Reply(approval=approval.id, **reply)
    sent = client.do(lambda adapter: adapter.tell(answer))
    outcome = {"outcome": "selected", "optionId": option}
    assert sent == [{"jsonrpc": "2.0", "id": 7, "result": {"outcome": outcome}}]
    assert client.do(lambda adapter: adapter.tell(answer)) == []


def test_an_option_there_is_not_leaves_the_request_pending(client):
    approval = permission(client)
    wrong = Reply(approval=approval.id, allowed=True, option="9")
    assert client.do(lambda adapter: adapter.tell(wrong)) == []
    assert client.one(Failure).message == "approval 7 has no option '9'"
    assert client.one(Approval).answer is None


@pytest.mark.parametrize("stopped", ["cancelled", "end_turn"])
def test_an_interrupt_takes_requests_back(client, stopped):
    permission(client)
    cancel, answer = client.do(lambda adapter: adapter.tell(Interrupt()))
    assert cancel["method"] == "session/cancel"
    assert answer["result"] == {"outcome": {"outcome": "cancelled"}}
    client.agent(id=client.turn, result={"stopReason": stopped})
    assert client.one(TurnEnded).reason == "interrupted"
    assert client.one(Command).status == "canceled"


def test_a_session_is_loaded_and_what_it_replays_is_not_told_again(tmp_path):
    client = Client(tmp_path, session="old")
    (load,) = client.result(agentCapabilities={"loadSession": True})
    assert load["method"] == "session/load"
    assert load["params"]["sessionId"] == "old"
    client.update("user_message_chunk", content=text("before"))
    client.update("agent_message_chunk", content=text("said before"))
    (prompt,) = client.agent(id=load["id"], result=None)
    assert prompt["params"]["sessionId"] == "old"
    assert client.one(Session).resumed
    assert not any(isinstance(one, AssistantMessage) for one in client.entries)


def test_a_session_is_loaded_if_the_agent_cannot_resume_it_as_it_says(tmp_path):
    client = Client(tmp_path, session="old")
    able = {"loadSession": True, "sessionCapabilities": {"resume": {}}}
    (resume,) = client.result(agentCapabilities=able)
    assert resume["method"] == "session/resume"
    error = {"code": -32601, "message": "Method not found"}
    (load,) = client.agent(id=resume["id"], error=error)
    assert load["method"] == "session/load"
    client.update("user_message_chunk", content=text("before"))
    (prompt,) = client.agent(id=load["id"], result={})
    assert prompt["params"]["sessionId"] == "old"
    assert client.one(Session).resumed


def test_a_session_that_is_loaded_with_nothing_in_it_is_lost(tmp_path):
    client = Client(tmp_path, session="old", transcript="BEFORE")
    (load,) = client.result(agentCapabilities={"loadSession": True})
    client.update("available_commands_update", availableCommands=[])
    (prompt,) = client.agent(id=load["id"], result={})
    assert prompt["params"]["sessionId"] == "old"
    assert prompt["params"]["prompt"][0]["text"] == "BEFORE\n\ndo it"
    assert "there is nothing in it" in client.one(Notice).text
    assert not client.one(Session).resumed


@pytest.mark.parametrize("able", [True, False])
def test_a_session_that_is_lost_begins_anew_with_the_transcript(tmp_path, able):
    client = Client(tmp_path, session="old", transcript="BEFORE")
    (sent,) = client.result(agentCapabilities={"loadSession": able})
    if able:
        error = {"code": -32603, "message": "Internal error", "data": {"details": "not found"}}
        (sent,) = client.agent(id=sent["id"], error=error)
    assert sent["method"] == "session/new"
    (prompt,) = client.agent(id=sent["id"], result={"sessionId": "new"})
    assert prompt["params"]["prompt"][0]["text"] == "BEFORE\n\ndo it"
    assert "session old cannot be resumed" in client.one(Notice).text
    assert not client.one(Session).resumed


def test_usage_that_comes_with_what_is_said(client):
    used = {"usage": {"inputTokens": 5, "outputTokens": 2, "cachedReadTokens": 1}}
    client.update("agent_message_chunk", content=text("a"))
    client.update("agent_message_chunk", content=text(""), _meta=used)
    client.agent(id=client.turn, result={"stopReason": "end_turn"})
    assert client.one(Usage).tokens == Tokens(input=5, output=2, cached=1)
    assert client.one(AssistantMessage).text == "a"


@pytest.mark.parametrize(
    ("stopped", "reason"),
    [("refusal", "refused"), ("max_tokens", "limit"), ("something new", "failed")],
)
def test_why_a_turn_ended(client, stopped, reason):
    client.agent(id=client.turn, result={"stopReason": stopped})
    assert client.one(TurnEnded) == TurnEnded(reason=reason, error=stopped)


def test_a_failed_prompt_fails_the_turn(client):
    client.agent(id=client.turn, error={"code": 429, "message": "too many"})
    assert client.one(TurnEnded) == TurnEnded(reason="failed", error="session/prompt: too many")
