"""An agent that is killed goes on in the middle of its turn, and does nothing twice."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from agent_process import AgentProcess
from model_server import Call, Conversation, ModelServer, Reply, Say, by_turn

from stoker.agents.builtin import entries as kinds
from stoker.agents.builtin.transcript import Transcript

CRASH = str(Path(__file__).with_name("agent_crash_at.py"))
UNKNOWN = "the agent was killed while this ran"
POLICY = by_turn(
    Say(calls=(Call("ls", {}, "c1"), Call("execute", {"command": "echo once >> one"}, "c2"))),
    Say(calls=(Call("write_file", {"path": "two", "content": "2"}, "c3"),)),
    Say(calls=(Call("task", {"prompt": "write three"}, "c4"),)),
    Say("done"),
)
SUB = by_turn(Say(calls=(Call("execute", {"command": "echo once >> three"}, "s1"),)), Say("sub"))
ENTRIES = 22
"""Of the whole session and its sub-agent; a test below holds it against the files."""


def policy(talk: Conversation) -> Reply:
    return SUB(talk) if "task" not in talk.tools else POLICY(talk)


def entries(agent: AgentProcess) -> list[str]:
    files = [*agent.state.glob("task-*.jsonl"), agent.state / "transcript.jsonl"]
    return [json.loads(line)["entry"]["type"] for f in files for line in f.open()]


def test_how_many_entries_there_are(tmp_path: Path) -> None:
    with ModelServer(policy) as server, AgentProcess(server, tmp_path, prompt="go") as agent:
        assert agent.finish()["result"] == "done"
        assert len(entries(agent)) == ENTRIES


@pytest.mark.parametrize(
    ("number", "when"),
    [
        *((number, "before") for number in range(1, ENTRIES + 1)),
        *((number, "after") for number in (4, 5, 8, ENTRIES)),
        *((number, "torn") for number in (1, 6, ENTRIES)),
    ],
)
def test_killed_at_every_entry(number: int, when: str, tmp_path: Path) -> None:
    with (
        ModelServer(policy) as server,
        AgentProcess(server, tmp_path, prompt="go", program=(CRASH, str(number), when)) as agent,
    ):
        agent.process.wait(30)
        assert agent.process.returncode == -signal.SIGKILL
        agent.command[1:4] = ["-m", "stoker.agents.builtin"]
        agent.again()
        result = agent.finish()
        told = [
            message.text
            for record in server.requests
            if record.conversation
            for message in record.conversation.results
        ]
        asked = [r.conversation.turns for r in server.requests if "task" in r.conversation.tools]  # type: ignore[union-attr]

    assert (result["result"], result["reason"]) == ("done", "done")
    unknown = {text for text in told if UNKNOWN in text}
    made = {name: (agent.work / name) for name in ("one", "two", "three")}
    # Once, or nobody knows and the model was told so; never twice.
    lines = {name: path.read_text() if path.exists() else "" for name, path in made.items()}
    once = {"one": "once\n", "two": "2", "three": "once\n"}
    missing = [name for name, text in lines.items() if text != once[name]]
    assert all(lines[name] == "" for name in missing), lines
    assert len(missing) <= len(unknown) <= 1
    # What the model had said is not asked for again: at most the answer that was lost.
    assert len(asked) <= 5
    types = [entry["type"] for entry in agent.transcript]
    assert (types.count("turn"), types.count("ended")) == (1, 1)
    assert types.count("answer") == 4


def test_killed_after_each_entry_of_one_session(tmp_path: Path) -> None:
    """No process gets further than one entry; the session gets to its end."""
    with (
        ModelServer(policy) as server,
        AgentProcess(server, tmp_path, prompt="go", program=(CRASH, "1", "after")) as agent,
    ):
        kills = 0
        while agent.process.wait(30) == -signal.SIGKILL:
            kills += 1
            agent.again()
            agent.end_input()
        assert agent.process.returncode == 0
        result = agent.finish()
        asked = len(server.requests)
    assert (kills, result["result"], result["num_turns"]) == (ENTRIES, "done", 4)
    # Each was killed just before it would have acted.
    assert list(agent.work.iterdir()) == []
    assert sum(UNKNOWN in entry.get("text", "") for entry in agent.transcript) == 2
    # The answers of the agent and its sub-agent, each asked for once.
    assert asked == 6


def test_a_command_that_was_running_is_ended_and_its_outcome_unknown(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = f"echo $$ > {pipe}; sleep 1000; touch done"
    steps = by_turn(Say(calls=(Call("execute", {"command": command}),)), Say("I have looked"))
    with ModelServer(steps) as server, AgentProcess(server, tmp_path, prompt="go") as agent:
        pid = int(pipe.read_text())
        pidfd = os.pidfd_open(pid)
        agent.kill()
        assert not ended(pidfd, 0)
        agent.again()
        assert agent.finish()["result"] == "I have looked"
        assert UNKNOWN in agent.outputs()[0]
        assert ended(pidfd, 0)
        os.close(pidfd)
    assert agent.lines[0]["resumed"] is True


def test_sigterm_ends_commands_and_leaves_the_turn_to_be_gone_on_with(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = f"echo $$ > {pipe}; sleep 1000"
    steps = by_turn(Say(calls=(Call("execute", {"command": command}),)), Say("I go on"))
    with ModelServer(steps) as server, AgentProcess(server, tmp_path, prompt="go") as agent:
        pidfd = os.pidfd_open(int(pipe.read_text()))
        agent.process.terminate()
        assert agent.process.wait(30) == 143
        assert ended(pidfd, 0)
        os.close(pidfd)
        agent.again()
        assert agent.finish()["result"] == "I go on"


def test_what_was_asked_while_it_was_busy_is_not_lost(tmp_path: Path) -> None:
    def answer(talk: Conversation) -> Reply:
        return Say(f"answer to {talk.asked}")

    with (
        ModelServer(answer) as server,
        # Began, asked, turn, answer: dies before the end of the first turn is written.
        AgentProcess(server, tmp_path, prompt="one", program=(CRASH, "6", "before")) as agent,
    ):
        agent.ask("two", "id-2")
        agent.process.wait(30)
        agent.command[1:4] = ["-m", "stoker.agents.builtin"]
        agent.again()
        agent.ask("two", "id-2")
        assert agent.finish()["turn_id"] == "id-2"
        results = [line["result"] for line in agent.lines if line["type"] == "result"]
    assert results[-1] == "answer to two"
    assert [entry["text"] for entry in agent.transcript if entry["type"] == "asked"] == [
        "one",
        "two",
    ]


def test_the_last_line_is_told_again_with_the_same_name(tmp_path: Path) -> None:
    """Nothing that is in the transcript is missing from what two processes said together."""
    with (
        ModelServer(policy) as server,
        AgentProcess(server, tmp_path, prompt="go", program=(CRASH, "4", "after")) as agent,
    ):
        agent.process.wait(30)
        agent.command[1:4] = ["-m", "stoker.agents.builtin"]
        agent.again()
        agent.finish()
    names = [line["uuid"] for line in agent.lines if "uuid" in line]
    assert names[0].endswith(":3")
    assert (agent.lines[1]["type"], agent.lines[1]["isReplay"]) == ("assistant", True)
    assert agent.lines[0]["turn_id"] == agent.lines[-1]["turn_id"]
    assert len(names) == len(set(names))


def test_a_transcript_that_is_damaged_in_its_middle(tmp_path: Path) -> None:
    with ModelServer(policy) as server, AgentProcess(server, tmp_path, prompt="go") as agent:
        agent.finish()
        file = agent.state / "transcript.jsonl"
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join([*lines[:2], "what is this?\n", *lines[3:]]))
        agent.again()
        assert agent.process.wait(30) == 2
    assert "transcript.jsonl: line 3: " in agent.errors


def test_what_must_not_be_done_twice_is_on_the_disk_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all before it; nothing else is waited for."""
    file = tmp_path / "transcript.jsonl"
    lines: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: lines.append(file.read_bytes().count(b"\n")))
    transcript = Transcript(file)
    for entry in (
        kinds.Began("s", "m", "/", ""),
        kinds.Asked("a", "go"),
        kinds.Turn("a"),
        kinds.Answer(calls=(kinds.Call("c", "execute", "{}"),)),
        kinds.Acting("c"),
        kinds.Result(call="c", text=""),
        kinds.Answer(text="done"),
        kinds.Ended(reason="done"),
    ):
        transcript.append(entry)
    transcript.close()
    assert lines == [1, 2, 5, 8]


def test_a_finished_session_goes_on_with_the_next_question(tmp_path: Path) -> None:
    with ModelServer(policy) as server, AgentProcess(server, tmp_path, prompt="go") as agent:
        first = agent.finish()
        count = len(server.requests)
        server.policy = lambda talk: Say(f"{talk.turns} answers so far")
        agent.again()
        agent.ask("and now?")
        assert agent.finish()["result"] == "4 answers so far"
        assert len(server.requests) == count + 1
    assert agent.lines[0]["session_id"] == first["session_id"]
    assert (agent.lines[0]["turn_id"], agent.lines[0]["last_result"]) == (None, first)
    assert len([line for line in agent.lines if line["type"] == "result"]) == 1


def ended(pidfd: int, timeout: int) -> bool:
    import select

    return bool(select.select([pidfd], [], [], timeout)[0])
