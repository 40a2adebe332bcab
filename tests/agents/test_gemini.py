"""A real agent of the Agent Client Protocol, gemini, against a scripted model."""

from __future__ import annotations

import pytest
from agent_bench import Bench, Victim, killed_while_it_asks
from model_server import Call, ModelServer, by_turn
from model_server import Say as Model
from real_agents import gemini, isolated

from stoker.agents.inbox import Interrupt
from stoker.agents.stream import Approval, Command, FileEdit, Session


def shell(command: str) -> Model:
    arguments = {"command": command, "description": "what it does"}
    return Model(calls=(Call("run_shell_command", arguments),))


def write(bench: Bench, name: str, content: str) -> Model:
    path = str(bench.cwd / name)
    return Model(calls=(Call("write_file", {"file_path": path, "content": content}),))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_turn_with_an_edit_and_a_command(bench):
    policy = by_turn(write(bench, "made", "hello\n"), shell("cat made"), Model("It is made."))
    with ModelServer(policy) as server:
        confine = "always" if isolated() else "never"
        listed = [f"127.0.0.1:{server.port}"]
        profile = gemini(bench, server.port, confine=confine, network=listed)
        ran = bench.run({"profile": profile, "prompt": "make it"})
    assert ran.outcome.status == "succeeded", (ran.reason, list(ran.entries))
    assert (bench.cwd / "made").read_text() == "hello\n"
    edit = ran.one(FileEdit)
    (change,) = edit.changes
    assert (edit.status, change.path, change.change) == ("succeeded", "made", "added")
    assert "hello" in change.diff
    command = ran.one(Command)
    assert command.status == "succeeded"
    assert command.command.startswith("cat made")
    assert "".join(ran.said) == "It is made."
    assert ran.outputs["session_id"] == ran.one(Session).id
    assert {one.answer.by for one in ran.all(Approval)} == {"policy"}


def test_it_asks_and_the_engine_is_killed(bench):
    policy = by_turn(
        write(bench, "first", "x"), shell("touch second"), Model("Done."), Model("More.")
    )
    with ModelServer(policy) as server:
        step = {"profile": gemini(bench, server.port, approvals="ask"), "prompt": "do both"}
        first, _ = killed_while_it_asks(Victim(bench, step))
    assert (first.kind, first.paths) == ("edit", ("first",))


def test_it_is_interrupted(bench):
    async def act(live):
        await live.until(lambda one: isinstance(one, Command))
        live.tell(Interrupt())

    with ModelServer(by_turn(shell("sleep 1000"), Model("never"))) as server:
        ran = bench.run({"profile": gemini(bench, server.port), "prompt": "wait"}, act)
    assert ran.reason == "the agent's turn ended: interrupted", list(ran.entries)
