"""A turn of the built-in agent: tools, streams, both wires, what is counted and what is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from agent_process import KEY, AgentProcess
from model_server import (
    Call,
    Conversation,
    ModelServer,
    Reply,
    Say,
    Usage,
    by_turn,
    in_order,
)

WIRES = ("openai", "anthropic")


@pytest.mark.parametrize("wire", WIRES)
def test_a_turn_with_tools(wire: str, tmp_path: Path) -> None:
    policy = by_turn(
        Say("I begin", "hm", (Call("write_file", {"path": "src/a.py", "content": "x = 1\n"}),)),
        Say(
            calls=(
                Call("edit_file", {"path": "src/a.py", "old_string": "1", "new_string": "2"}),
                Call("execute", {"command": "cat src/a.py; echo oops >&2; exit 3"}),
            )
        ),
        Say("all done"),
    )
    with (
        ModelServer(policy) as server,
        AgentProcess(server, tmp_path, prompt="make a file", wire=wire) as agent,
    ):
        result = agent.finish()
        talks = [record.conversation for record in server.requests if record.conversation]

    assert (tmp_path / "work/src/a.py").read_text() == "x = 2\n"
    assert (result["subtype"], result["result"], result["is_error"]) == (
        "success",
        "all done",
        False,
    )
    assert result["num_turns"] == 3
    assert agent.process.returncode == 0
    assert agent.outputs()[-1] == "Exit code 3\nx = 2\noops\n"
    kinds = [line["type"] for line in agent.lines]
    assert kinds == [
        "system",
        *["assistant", "user"],
        *["assistant", "user", "user"],
        "assistant",
        "result",
    ]
    first = agent.lines[1]["message"]["content"]
    assert [block["type"] for block in first] == ["thinking", "text", "tool_use"]
    assert first[2]["input"] == {"path": "src/a.py", "content": "x = 1\n"}
    # What the model was told: the same on both wires.
    assert [message.role for message in talks[-1].messages] == [
        *("system", "user", "assistant", "tool", "assistant", "tool", "tool"),
    ]
    assert talks[0].asked == "make a file"
    assert str(tmp_path / "work") in talks[0].messages[0].text
    assert talks[-1].messages[2].calls[0].arguments == {"path": "src/a.py", "content": "x = 1\n"}
    calls = talks[-1].messages[4].calls
    assert [one.call_id for one in talks[-1].latest] == [call.id for call in calls]
    assert len({record.connection for record in server.requests}) == 1


def test_all_tools_are_offered_with_a_schema(tmp_path: Path) -> None:
    with (
        ModelServer(in_order(Say("ok"))) as server,
        AgentProcess(server, tmp_path, prompt="x") as agent,
    ):
        agent.finish()
        tools = {
            tool["function"]["name"]: tool["function"] for tool in server.requests[0].json["tools"]
        }
    assert list(tools) == [
        *("ls", "read_file", "write_file", "edit_file", "glob", "grep", "execute"),
        *("write_todos", "read_todos", "task"),
    ]
    assert tools["edit_file"]["parameters"]["required"] == ["path", "old_string", "new_string"]
    todo = tools["write_todos"]["parameters"]["properties"]["todos"]["items"]
    assert todo["properties"]["status"]["enum"] == ["completed", "in_progress", "pending"]
    assert "$ref" not in json.dumps(tools)


@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_is_told_while_it_comes(wire: str, tmp_path: Path) -> None:
    said = Say("a text of many pieces, " * 5, "thoughts of many pieces, " * 5, piece=10)
    with (
        ModelServer(in_order(said)) as server,
        AgentProcess(
            server, tmp_path, prompt="x", wire=wire, options=("--include-partial-messages",)
        ) as agent,
    ):
        agent.finish()
    events = [line["event"] for line in agent.lines if line["type"] == "stream_event"]
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["message_start", "content_block_start", "content_block_delta"]
    assert kinds.count("content_block_start") == 2
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert {event.get("index") for event in events[1:]} == {0, 1}
    assert len(deltas) > 10
    assert "".join(delta.get("text", "") for delta in deltas) == said.text
    assert "".join(delta.get("thinking", "") for delta in deltas) == said.thinking


def test_thinking_is_given_back_with_its_signature(tmp_path: Path) -> None:
    policy = by_turn(Say("", "deep thoughts", (Call("ls", {}),)), Say("done"))
    with (
        ModelServer(policy) as server,
        AgentProcess(server, tmp_path, prompt="x", wire="anthropic") as agent,
    ):
        agent.finish()
        messages = server.requests[1].json["messages"]
    block = {"type": "thinking", "thinking": "deep thoughts", "signature": "signed"}
    assert messages[1]["content"][0] == block
    assert messages[-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("wire", WIRES)
def test_tokens_and_cost(wire: str, tmp_path: Path) -> None:
    policy = by_turn(
        Say(calls=(Call("ls", {}),), usage=Usage(1000, 100, 0)),
        Say("done", usage=Usage(2000, 50, 1500)),
    )
    price = {"input": 2.0, "output": 10.0, "cache_read": 0.5}
    with (
        ModelServer(policy) as server,
        AgentProcess(server, tmp_path, prompt="x", wire=wire, prices={"scripted": price}) as agent,
    ):
        result = agent.finish()
    assert result["usage"] == {
        "input_tokens": 1500,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 1500,
        "output_tokens": 150,
    }
    assert result["total_cost_usd"] == pytest.approx((1500 * 2 + 150 * 10 + 1500 * 0.5) / 1e6)


def test_the_key_is_nowhere_but_in_the_requests(tmp_path: Path) -> None:
    look = "env; cat /proc/$PPID/environ; echo; printf %s sk-the-key-of; echo -the-test"
    policy = by_turn(
        Say(calls=(Call("execute", {"command": look}),)),
        Say(calls=(Call("execute", {"command": f"echo {KEY}"}),)),
        Say("done"),
    )
    with ModelServer(policy) as server, AgentProcess(server, tmp_path, prompt="x") as agent:
        agent.finish()
        assert {record.headers["authorization"] for record in server.requests} == {f"Bearer {KEY}"}
        first, second = agent.outputs()
    assert "API_KEY=" + KEY not in first
    # What it comes to know by itself is hidden, too, wherever it would go.
    assert "***" in first
    assert second == "***\n"
    for path in [*agent.state.rglob("*"), tmp_path / "stderr"]:
        if path.is_file() and path.name != "transcript.jsonl":
            assert KEY.encode() not in path.read_bytes()
    results = [entry for entry in agent.transcript if entry["type"] == "result"]
    assert KEY not in json.dumps(results)


def test_follow_ups_are_turns_of_the_same_conversation(tmp_path: Path) -> None:
    def policy(talk: Conversation) -> Reply:
        return Say(f"answer to {talk.asked}")

    with ModelServer(policy) as server, AgentProcess(server, tmp_path, prompt="one") as agent:
        assert agent.until("result")["result"] == "answer to one"
        agent.ask("two", "id-2")
        agent.ask("two", "id-2")
        second = agent.until("result")
        agent.ask("three", "id-3")
        assert agent.finish()["result"] == "answer to three"
        assert len(server.requests) == 3
        messages = server.requests[2].conversation.messages  # type: ignore[union-attr]
    assert second["turn_id"] == "id-2"
    assert [m.text for m in messages if m.role == "user"] == ["one", "two", "three"]
    assert agent.lines[0]["subtype"] == "init"
    assert agent.lines[0]["tools"][0] == "ls"


def test_calls_without_ids_of_their_own_get_one(tmp_path: Path) -> None:
    policy = by_turn(
        Say(calls=(Call("ls", {}, "0"), Call("ls", {"path": "."}, "0"))),
        Say(calls=(Call("ls", {}, "0"),)),
        Say("done"),
    )
    with ModelServer(policy) as server, AgentProcess(server, tmp_path, prompt="x") as agent:
        assert agent.finish()["result"] == "done"
        talk = server.requests[2].conversation
        assert talk is not None
        ids = [call.id for message in talk.messages for call in message.calls]
        assert [one.call_id for one in talk.results] == ids
    assert len(set(ids)) == 3


def test_names_of_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with open(os.fsencode(tmp_path / "work") + b"/\xff\xfe", "w"):
        pass
    calls = (Call("ls", {}), Call("glob", {"pattern": "*"}), Call("grep", {"pattern": "x"}))
    with (
        ModelServer(by_turn(Say(calls=calls), Say("done"))) as server,
        AgentProcess(server, tmp_path, prompt="x") as agent,
    ):
        assert agent.finish()["result"] == "done"
    assert agent.outputs() == ["??  0", "??", "(no match)"]


def test_the_repositorys_guide_and_instructions_are_told(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/AGENTS.md").write_text("Run `just test`.")
    with (
        ModelServer(in_order(Say("ok"))) as server,
        AgentProcess(server, tmp_path, prompt="x", instructions="Write no docs.") as agent,
    ):
        agent.finish()
        system = server.requests[0].conversation.messages[0].text  # type: ignore[union-attr]
    assert "Run `just test`." in system
    assert "Write no docs." in system


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{}", "Object missing required field `model`"),
        ('{"model": "m", "colour": 1}', "unknown field `colour`"),
        ('{"model": "m", "wire": "telex"}', "Invalid enum value 'telex'"),
        ('{"model": "m", "permissions": {"edit": "perhaps"}}', "Invalid enum value 'perhaps'"),
        ('{"model": "m", "limits": {"cost_usd": 1}}', "needs a price of m"),
        ('{"model": "m", "base_url": "models.example/v1"}', "that begins with http:// or"),
        ("nowhere.json", "No such file"),
    ],
)
def test_settings_that_are_wrong(settings: str, message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "stoker.agents.builtin", "--settings", settings),
            *("--state", str(tmp_path / "state")),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_a_worktree_that_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "stoker.agents.builtin", "--model", "m"),
            *("--state", str(tmp_path / "state"), "--cwd", str(tmp_path / "nowhere")),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such file or directory" in done.stderr
    assert not (tmp_path / "state").exists()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with ModelServer(in_order(Say("ok"))) as server, AgentProcess(server, tmp_path) as agent:
        agent.until("system")
        done = subprocess.run(
            agent.command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "in use by another process" in done.stderr


def test_a_session_in_the_users_directory(tmp_path: Path) -> None:
    """As whoever knows no more of it than of any agent with this protocol starts it."""
    home = {"HOME": str(tmp_path), "XDG_STATE_HOME": "", "OPENAI_BASE_URL": ""}
    command = [sys.executable, "-m", "stoker.agents.builtin", "--model", "m"]
    (tmp_path / "work").mkdir()

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        line = json.dumps({"type": "user", "message": {"role": "user", "content": "hello"}})
        env = {**os.environ, **home, "OPENAI_BASE_URL": f"{server.url}/v1"}
        return subprocess.run(
            [*command, *options],
            input=line,
            env=env,
            cwd=tmp_path / "work",
            capture_output=True,
            text=True,
            check=False,
        )

    policy = by_turn(
        Say(calls=(Call("write_file", {"path": "a", "content": ""}),)),
        Say("one"),
        Say(calls=(Call("write_file", {"path": "b", "content": ""}),)),
        Say("two"),
    )
    with ModelServer(policy) as server:
        first = run("--dangerously-skip-permissions").stdout.splitlines()
        session = json.loads(first[0])["session_id"]
        second = run("--resume", session, "--permission-mode", "plan").stdout.splitlines()
        lost = run("--resume", "nobody-knows")
        evil = run("--resume", "../../x")
        assert len(server.requests) == 4
    assert json.loads(first[-1])["result"] == "one"
    assert json.loads(second[-1])["result"] == "two"
    assert json.loads(second[0])["session_id"] == session
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["a"]
    assert (tmp_path / ".local/state/stoker/agents" / session / "transcript.jsonl").exists()
    assert (lost.returncode, lost.stdout) == (2, "")
    assert "No conversation found with session ID: nobody-knows" in lost.stderr
    assert "'../../x' is no id of a session" in evil.stderr
