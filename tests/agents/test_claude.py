"""Claude-style stream-json, line by line: what the scripted agent does not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stoker.agents.adapter import Assignment
from stoker.agents.claude import ClaudeAdapter, ClaudeState
from stoker.agents.inbox import Interrupt, Reply, Say
from stoker.agents.profiles import Profiles
from stoker.agents.stream import (
    Approval,
    AssistantMessage,
    Entries,
    FileEdit,
    Notice,
    Thinking,
    ToolCall,
    TurnEnded,
    Usage,
    UserMessage,
)


class Client:
    """The adapter; its state is stored and read again between any two lines."""

    def __init__(self, variant: str = "APPROVALS", **more: Any) -> None:
        profile = Profiles().profile("CLAUDE_CODE", variant)
        self.assignment = Assignment(prompt="do it", cwd="/w", profile=profile, **more)
        self.entries = Entries()
        self.state = msgspec.msgpack.encode(ClaudeState())
        self.do(lambda adapter: adapter.begin())

    def do(self, act: Any) -> list[dict[str, Any]]:
        state = msgspec.msgpack.decode(self.state, type=ClaudeState)
        adapter = ClaudeAdapter(self.assignment, state=state)
        act(adapter)
        self.state = msgspec.msgpack.encode(adapter.state)
        self.done = adapter.done
        for record in adapter.records:
            self.entries.add(record)
        self.sent = [json.loads(line) for line in adapter.outgoing.splitlines()]
        return self.sent

    def agent(self, type: str, **message: Any) -> list[dict[str, Any]]:
        line = json.dumps({"type": type, **message}).encode()
        return self.do(lambda adapter: adapter.line(line))

    def assistant(self, *blocks: dict[str, Any], parent: str | None = None) -> None:
        message = {"id": "m", "role": "assistant", "content": list(blocks)}
        self.agent("assistant", message=message, parent_tool_use_id=parent)

    def event(self, **event: Any) -> None:
        self.agent("stream_event", event=event, parent_tool_use_id=None)

    def all(self, kind: type) -> list[Any]:
        return [content for content in self.entries if type(content) is kind]


def ask(client: Client, **more: Any) -> Approval:
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}, **more}
    assert client.agent("control_request", request_id="q", request=request) == []
    return client.all(Approval)[-1]


def test_how_it_is_started():
    def argv(variant: str, **more: Any) -> list[str]:
        return ClaudeAdapter.argv(Client(variant, **more).assignment)

    assert argv("DEFAULT")[:4] == ["claude", "-p", "--output-format", "stream-json"]
    assert argv("DEFAULT", session="x")[-1] == "--resume=x"
    assert argv("DEFAULT", session="--yolo")[-1] == "--resume=--yolo"
    assert argv("PLAN")[-2:] == ["--permission-mode", "plan"]
    profile = Profiles().profile("CLAUDE_CODE", model="m", additional_params=("--more",), yolo=True)
    whole = ClaudeAdapter.argv(Assignment(prompt="", cwd="/", profile=profile))
    assert whole[-4:] == ["--model", "m", "--dangerously-skip-permissions", "--more"]


def test_pieces_of_several_blocks_become_their_messages():
    client = Client()
    client.event(type="message_start", message={"id": "m"})
    for index, kind in enumerate(("thinking", "text")):
        block = {"type": kind, kind: ""}
        client.event(type="content_block_start", index=index, content_block=block)
        for word in ("a ", "b"):
            delta = {"type": f"{kind}_delta", kind: word}
            client.event(type="content_block_delta", index=index, delta=delta)
        client.assistant({"type": kind, kind: "a b"})
        client.event(type="content_block_stop", index=index)
    client.assistant({"type": "text", "text": "not in pieces"})
    assert [one.text for one in client.all(Thinking)] == ["a b"]
    assert [one.text for one in client.all(AssistantMessage)] == ["a b", "not in pieces"]


def test_a_sub_agent_speaks_to_its_task():
    client = Client()
    given = {"description": "look", "prompt": "look for it"}
    client.assistant({"type": "tool_use", "id": "t", "name": "Task", "input": given})
    client.assistant({"type": "text", "text": "found"}, parent="t")
    (task,) = client.all(ToolCall)
    assert (task.kind, task.title, task.result) == ("task", "look", "found")
    assert client.all(AssistantMessage) == []


def test_an_edit_is_shown_as_it_was_carried_out():
    client = Client()
    given = {"file_path": "/w/a.py", "old_string": "x", "new_string": "y"}
    client.assistant({"type": "tool_use", "id": "e", "name": "Edit", "input": given})
    hunk = {"oldStart": 7, "oldLines": 1, "newStart": 7, "newLines": 1, "lines": ["-x", "+y"]}
    result = {"type": "tool_result", "tool_use_id": "e", "content": "ok"}
    client.agent("user", message={"content": [result]}, tool_use_result={"structuredPatch": [hunk]})
    (edit,) = client.all(FileEdit)
    assert edit.status == "succeeded"
    assert (edit.changes[0].path, edit.changes[0].diff) == ("a.py", "@@ -7,1 +7,1 @@\n-x\n+y\n")


def test_always_hands_its_suggestions_back():
    client = Client()
    suggestions = [{"type": "addRules", "behavior": "allow"}]
    approval = ask(client, permission_suggestions=suggestions)
    reply = Reply(approval=approval.id, allowed=True, always=True)
    (sent,) = client.do(lambda adapter: adapter.tell(reply))
    assert sent["response"]["response"] == {
        "behavior": "allow",
        "updatedInput": {"command": "ls"},
        "updatedPermissions": suggestions,
    }
    assert sent["response"]["request_id"] == "q"


def test_a_request_that_is_taken_back_is_not_answered():
    client = Client()
    approval = ask(client)
    client.agent("control_cancel_request", request_id="q")
    assert client.all(Approval)[0].answer.option == ""
    assert client.do(lambda adapter: adapter.tell(Reply(approval=approval.id, allowed=True))) == []


def test_an_interrupt_ends_the_turn_and_what_was_to_follow_it():
    client = Client()
    client.do(lambda adapter: adapter.tell(Say(text="later")))
    (sent,) = client.do(lambda adapter: adapter.tell(Interrupt()))
    assert sent["request"] == {"subtype": "interrupt"}
    assert client.do(lambda adapter: adapter.tell(Interrupt())) == []
    client.agent("result", subtype="error_during_execution", is_error=True)
    client.agent("result", subtype="success", result="once more")
    assert client.all(TurnEnded) == [TurnEnded(reason="interrupted")]
    assert len(client.all(UserMessage)) == 1
    assert client.done


@pytest.mark.parametrize(
    ("result", "reason", "error"),
    [
        ({"subtype": "success", "result": "ok"}, "completed", ""),
        ({"subtype": "success", "is_error": True, "result": "no key"}, "failed", "no key"),
        ({"subtype": "error_max_turns", "is_error": False}, "limit", "error_max_turns"),
        ({"subtype": "error_during_execution", "errors": ["a", "b"]}, "failed", "a; b"),
    ],
)
def test_why_a_turn_ended(result, reason, error):
    client = Client()
    usage = {"input_tokens": 1, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3}
    client.agent("result", **result, usage={**usage, "output_tokens": 4}, total_cost_usd=0.25)
    (ended,) = client.all(TurnEnded)
    assert (ended.reason, ended.error) == (reason, error)
    (used,) = client.all(Usage)
    assert (used.tokens.input, used.tokens.cached, used.tokens.output) == (6, 3, 4)
    assert used.cost_usd == 0.25


def test_images_go_with_the_prompt(tmp_path: Path):
    image = tmp_path / "a.png"
    image.write_bytes(b"png")
    client = Client(images=(str(image),))
    message = client.sent[-1]["message"]["content"]
    assert message[0] == {"type": "text", "text": "do it"}
    assert message[1]["source"] == {"type": "base64", "media_type": "image/png", "data": "cG5n"}
    assert client.all(UserMessage)[0].images == (str(image),)


def test_a_compaction_is_told_of():
    client = Client()
    client.agent("system", subtype="compact_boundary")
    assert client.all(Notice) == [Notice(text="the conversation was compacted")]


def test_a_session_that_is_not_found_begins_anew_in_another_process():
    client = Client(session="gone", transcript="SAID")
    errors = ["No conversation found with session ID: gone"]
    client.agent("result", subtype="error_during_execution", is_error=True, errors=errors)
    assert client.all(TurnEnded) == []
    assert not client.done
    sent = client.do(lambda adapter: adapter.over("exit code 1") or adapter.begin())
    assert sent[-1]["message"]["content"] == "SAID\n\ndo it"
    assert len(client.all(UserMessage)) == 1
    assert "No conversation found" in client.all(Notice)[0].text
