"""Agents whose installation is too large for every run of the tests:

scripts/agents qwen opencode claude
STOKER_AGENTS="qwen opencode claude" pytest tests/agents/test_other_agents.py
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import real_agents
from agent_bench import Bench, Victim, killed_while_it_asks
from model_server import Call, Conversation, ModelServer, Policy
from model_server import Say as Model

from stoker.agents.inbox import Interrupt
from stoker.agents.stream import Approval, Command, Notice, Session, Usage

AGENTS = os.environ["STOKER_AGENTS"].split()
SHELL = {"qwen": "run_shell_command", "opencode": "bash", "claude": "Bash"}
pytestmark = pytest.mark.parametrize("agent", AGENTS)


def shell(agent: str, command: str) -> Model:
    arguments: dict[str, Any] = {"command": command, "description": "what it does"}
    if agent == "qwen":
        arguments["is_background"] = False
    return Model(calls=(Call(SHELL[agent], arguments),))


def in_turn(*replies: Model) -> Policy:
    """One after the other; some agents also have titles written, without tools."""
    left = list(replies)
    return lambda asked: left.pop(0) if asked.tools and left else Model("A title")


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_turn_with_a_command_in_its_sandbox(bench, agent):
    policy = in_turn(shell(agent, "echo hello > made; cat made"), Model("It is made."))
    with ModelServer(policy) as server:
        listed = [f"127.0.0.1:{server.port}"]
        confine = "always" if real_agents.isolated() else "auto"
        profile = getattr(real_agents, agent)(bench, server.port, confine=confine, network=listed)
        ran = bench.run({"profile": profile, "prompt": "make it"})
    assert ran.outcome.status == "succeeded", (ran.reason, list(ran.entries))
    assert (bench.cwd / "made").read_text() == "hello\n"
    command = ran.one(Command)
    assert command.status == "succeeded"
    assert "hello" in command.output
    assert ran.said == ["It is made."]
    assert ran.outputs["session_id"] == ran.one(Session).id
    assert ran.one(Usage).tokens.output > 0
    assert {one.answer.by for one in ran.all(Approval)} == {"policy"}


def test_it_asks_the_engine_is_killed_and_its_session_is_gone_on_with(bench, agent, tmp_path):
    policy = in_turn(
        shell(agent, "touch first"),
        shell(agent, "touch second"),
        Model("Done."),
        Model("More."),
        Model("I remember."),
    )
    make = getattr(real_agents, agent)
    with ModelServer(policy) as server:
        step = {"profile": make(bench, server.port, approvals="ask"), "prompt": "do both"}
        first, ran = killed_while_it_asks(Victim(bench, step))
        assert "touch first" in first.command

        (tmp_path / "next").mkdir()
        later = Bench(tmp_path / "next")
        later.cwd = bench.cwd  # some keep their sessions by directory
        session = ran.all(Session)[-1].id
        profile = make(later, server.port, tmp_path / agent)
        again = later.run({"profile": profile, "prompt": "remember?", "session": session})
        assert "do both" in server.requests[-1].body.decode()
    assert again.outcome.status == "succeeded", again.reason
    assert again.one(Session).resumed
    assert again.said == ["I remember."]


def test_it_is_interrupted(bench, agent):
    async def act(live):
        await live.until(lambda one: isinstance(one, Command))
        live.tell(Interrupt())

    with ModelServer(in_turn(shell(agent, "tail -f /dev/null"))) as server:
        profile = getattr(real_agents, agent)(bench, server.port)
        ran = bench.run({"profile": profile, "prompt": "wait"}, act)
    assert ran.reason == "the agent's turn ended: interrupted", list(ran.entries)


def test_a_session_that_is_lost_begins_anew_with_the_transcript(bench, agent):
    lost = "ses_none" if agent == "opencode" else "01999999-0000-4000-8000-000000000000"
    seen: list[Conversation] = []

    def policy(asked: Conversation) -> Model:
        seen.append(asked)
        return Model("Hello.")

    with ModelServer(policy) as server:
        profile = getattr(real_agents, agent)(bench, server.port)
        step = {"profile": profile, "prompt": "go on", "session": lost, "transcript": "WAS SAID"}
        ran = bench.run(step)
    assert ran.outcome.status == "succeeded", ran.reason
    assert any("cannot be resumed" in notice.text for notice in ran.all(Notice))
    assert any("WAS SAID" in one.text for asked in seen for one in asked.messages)
    assert not ran.one(Session).resumed
