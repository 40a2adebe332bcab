"""An agent that does not remember is told what was said before."""

from __future__ import annotations

import asyncio
import json
import signal

import msgspec
import pytest
from agent_bench import Bench
from agent_process import AgentProcess
from model_server import Call, ModelServer, by_turn
from model_server import Say as Model

from stoker.agents.store import STREAM, place
from stoker.agents.stream import AssistantMessage, Notice, Put, Session, UserMessage, encode
from stoker.agents.transcript import transcript
from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.open import open_journal
from stoker.plan.model import Plan
from stoker.steps.registry import kinds

SCRIPT = (
    {"say": "I begin."},
    {"edit": "made", "content": "x"},
    {"run": "echo hello"},
    {"think": "HIDDEN"},
    {"say": "It is made."},
)
TOLD = (
    "You: I begin.\n\nYou edited (succeeded): made\n\nYou ran (succeeded): echo hello\n\n"
    "You: It is made."
)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_what_was_said_and_done_in_a_step(bench):
    bench.script(*SCRIPT)
    told = transcript(str(bench.state / "runs" / "r"), ["s", "none"])
    assert told is not None
    assert f"\n\n{TOLD}\n</earlier>" in told
    assert "<earlier>\nUser: [" in told
    assert told.count("HIDDEN") == 1  # in the prompt
    assert transcript(str(bench.state / "runs" / "r"), ["none"]) is None


def test_of_a_long_conversation_the_end(tmp_path):
    for number in (1, 2):  # attempts
        folder = place(tmp_path, "s", number)
        folder.mkdir(parents=True)
        said = [UserMessage(text=f"begin {number}")]
        said += [AssistantMessage(text=f"{at} of {number}: {'ö' * 3000}") for at in range(4)]
        records = [Put(index=at, time=0, content=one) for at, one in enumerate(said)]
        (folder / STREAM).write_bytes(encode(records) + b'{"torn')
    told = transcript(str(tmp_path), ["s"])
    assert told is not None
    assert len(told.encode()) < 50_000
    assert "left out" in told
    assert "begin 1" not in told
    assert told.index("2 of 1") < told.index("begin 2") < told.index("3 of 2")


def run(bench: Bench, first: dict, second: dict) -> None:
    """Two steps, the second of which goes on with what was said in the first."""
    steps = [
        {"id": "a", "step_def": {"type": "agent", **first}, "env": bench.env},
        {
            "id": "s",
            "step_def": {"type": "agent", "continues": ["a"], **second},
            "env": bench.env,
            "depends_on": ["a"],
        },
    ]
    plan = msgspec.convert({"plan_id": "p", "steps": steps}, Plan)

    async def go() -> None:
        journal = await open_journal(bench.state / "journal.db")
        async with Engine(journal, bench.state, kinds()) as engine:
            handle = await engine.start(plan, run_id="r", options=RunOptions(cwd=str(bench.cwd)))
            assert (await handle.wait()).status == "succeeded", handle.state["s"].reason
        await journal.close()

    asyncio.run(go())


@pytest.mark.parametrize("words", [["cat"], ["echo", "{prompt}"]])
def test_a_command_has_no_session_and_is_told(bench, words):
    profile = bench.profile("COMMAND", command=words)
    first = {"profile": "SCRIPTED", "prompt": json.dumps(SCRIPT)}
    run(bench, first, {"profile": profile, "prompt": "and now?"})
    (said,) = [one.text for one in bench.entries() if isinstance(one, AssistantMessage)]
    assert TOLD in said
    assert said.strip().endswith("</earlier>\n\nand now?")
    (user,) = [one.text for one in bench.entries() if isinstance(one, UserMessage)]
    assert user == "and now?"


def test_a_session_that_is_there_is_not_told(bench):
    first = {"profile": "SCRIPTED", "prompt": json.dumps(SCRIPT)}
    run(bench, first, {"profile": "SCRIPTED", "prompt": "and now?", "session": "x"})
    assert b"earlier" not in (bench.place / "keeper" / "stdin").read_bytes()


def test_the_built_in_agent_that_does_not_find_its_session_is_started_anew(bench):
    policy = by_turn(Model(calls=(Call("execute", {"command": "echo x > made"}),)), Model("Made."))
    with ModelServer(policy) as server:
        bench.env |= {"OPENAI_API_KEY": "k", "HOME": str(bench.state)}
        settings = json.dumps({"model": "m", "base_url": f"{server.url}/v1"})
        profile = bench.profile("BUILTIN", additional_params=["--settings", settings])
        step = {"profile": profile, "prompt": "go on", "session": "gone", "transcript": "SAID"}
        ran = bench.run(step)
        assert ran.outcome.status == "succeeded", ran.reason
        assert '"SAID' in server.requests[0].body.decode()
    assert ran.said == ["Made."]
    assert (bench.cwd / "made").exists()
    assert [one.text for one in ran.all(UserMessage)] == ["go on"]
    assert "No conversation found" in ran.one(Notice).text
    assert not ran.one(Session).resumed
    assert ran.outputs["session_id"] == ran.one(Session).id


def test_the_built_in_agent_first_ends_a_turn_that_was_cut_then_does_what_it_is_told(bench):
    """The end of that turn is not the end of this one."""
    kill = Call("execute", {"command": "kill -9 $PPID"})
    place = bench.state / ".local" / "state" / "stoker" / "agents" / "once"
    with ModelServer(by_turn(Model(calls=(kill,)), Model("Cut."), Model("Told."))) as server:
        options = ("--session", "once", "--state", str(place))
        with AgentProcess(server, bench.state, prompt="work", options=options) as agent:
            assert agent.process.wait(60) == -signal.SIGKILL
        bench.env |= {"OPENAI_API_KEY": "k", "HOME": str(bench.state)}
        settings = json.dumps({"model": "m", "base_url": f"{server.url}/v1"})
        profile = bench.profile("BUILTIN", additional_params=["--settings", settings])
        ran = bench.run({"profile": profile, "prompt": "and now?", "session": "once"})
    assert ran.outcome.status == "succeeded", ran.reason
    assert ran.said == ["Cut.", "Told."]
    assert ran.outputs["summary"] == "Told."
