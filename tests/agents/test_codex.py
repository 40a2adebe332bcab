"""The real codex, by its app-server, against a scripted model."""

from __future__ import annotations

import asyncio

import pytest
from agent_bench import Bench, Victim, asked
from model_server import Call, ModelServer, by_turn
from model_server import Say as Model
from real_agents import codex, isolated

from stoker.agents import inbox
from stoker.agents.inbox import Interrupt, Reply, Say
from stoker.agents.stream import Approval, Command, Notice, Session, TurnEnded, Usage


def shell(command: str) -> Model:
    return Model(calls=(Call("exec_command", {"cmd": command}),))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_turn_with_a_command(bench):
    policy = by_turn(shell("echo hello > made; cat made"), Model("It is made."))
    with ModelServer(policy) as server:
        ran = bench.run({"profile": codex(bench, server.port), "prompt": "make it"})
    assert ran.outcome.status == "succeeded", (ran.reason, list(ran.entries))
    assert (bench.cwd / "made").read_text() == "hello\n"
    command = ran.one(Command)
    assert (command.status, command.exit_code) == ("succeeded", 0)
    assert "hello" in command.output
    assert ran.said == ["It is made."]
    assert ran.outputs["summary"] == "It is made."
    assert ran.outputs["session_id"] == ran.one(Session).id
    assert ran.one(Usage).tokens.output > 0
    assert ran.one(TurnEnded).reason == "completed"


def test_it_asks_is_denied_and_told_more_while_it_works(bench):
    policy = by_turn(
        shell("touch first"), shell("touch second"), Model("Done."), Model("And more.")
    )

    async def act(live):
        first = await live.until(asked)
        assert "touch first" in first.command
        live.tell(Reply(approval=first.id, allowed=False, by="anna"))
        second = await live.until(lambda one: asked(one) and one.id != first.id)
        live.tell(Say(text="and more"))
        live.tell(Reply(approval=second.id, allowed=True, by="bert"))

    with ModelServer(policy) as server:
        profile = codex(bench, server.port, approvals="ask")
        ran = bench.run({"profile": profile, "prompt": "do both"}, act)
    assert ran.outcome.status == "succeeded", (ran.reason, list(ran.entries))
    assert [one.answer.by for one in ran.all(Approval)] == ["anna", "bert"]
    assert [one.status for one in ran.all(Command)] == ["denied", "succeeded"]
    assert not (bench.cwd / "first").exists()
    assert (bench.cwd / "second").exists()
    assert ran.said == ["Done.", "And more."]


def test_it_is_interrupted(bench):
    async def act(live):
        await live.until(lambda one: isinstance(one, Command))
        live.tell(Interrupt())

    with ModelServer(by_turn(shell("sleep 1000"), Model("never"))) as server:
        ran = bench.run({"profile": codex(bench, server.port), "prompt": "wait"}, act)
    assert ran.reason == "the agent's turn ended: interrupted"


def test_the_engine_is_killed_while_it_asks_and_its_session_is_gone_on_with(bench, tmp_path):
    policy = by_turn(shell("touch made"), Model("Made."), Model("I remember."))
    with ModelServer(policy) as server:
        profile = codex(bench, server.port, approvals="ask")
        victim = Victim(bench, {"profile": profile, "prompt": "make it"})
        try:
            engine = victim.launch()
            approval = asyncio.run(bench.until(asked))
            engine.kill()
            engine.communicate()
            inbox.send(bench.place, Reply(approval=approval.id, allowed=True, by="anna"))
            out, _ = victim.launch().communicate()
        finally:
            victim.close()
        assert out.startswith("succeeded"), out
        ran = victim.ran()
        assert ran.said == ["Made."]
        assert (bench.cwd / "made").exists()
        assert len(server.requests) == 2

        (tmp_path / "next").mkdir()
        follow_up = Bench(tmp_path / "next")
        session = ran.one(Session).id
        again = follow_up.run(
            {
                "profile": codex(follow_up, server.port, tmp_path / "codex"),
                "prompt": "remember?",
                "session": session,
            }
        )
    assert again.outcome.status == "succeeded", again.reason
    assert again.one(Session).id == session
    assert again.one(Session).resumed
    assert again.said == ["I remember."]


def test_a_session_that_is_lost_begins_anew_with_the_transcript(bench):
    with ModelServer(by_turn(Model("Hello."))) as server:
        ran = bench.run(
            {
                "profile": codex(bench, server.port),
                "prompt": "go on",
                "session": "01999999-0000-7000-8000-000000000000",
                "transcript": "WHAT WAS SAID",
            }
        )
        (request,) = server.requests
    assert ran.outcome.status == "succeeded", ran.reason
    assert any("cannot be resumed" in notice.text for notice in ran.all(Notice))
    assert "WHAT WAS SAID" in request.body.decode()
    assert not ran.one(Session).resumed


def test_a_model_that_fails_fails_the_step(bench):
    from model_server import Refuse

    with ModelServer(lambda _: Refuse(400, message="no such model")) as server:
        ran = bench.run({"profile": codex(bench, server.port), "prompt": "x"})
    assert ran.status == "failed"
    assert "no such model" in (ran.reason or "")


@pytest.mark.skipif(not isolated(), reason="bubblewrap does not work on this machine")
def test_with_nothing_but_its_model_to_reach(bench):
    policy = by_turn(shell("curl -sS https://example.com"), Model("There is no network."))
    with ModelServer(policy) as server:
        listed = [f"127.0.0.1:{server.port}"]
        profile = codex(bench, server.port, confine="always", network=listed)
        ran = bench.run({"profile": profile, "prompt": "look it up"})
    assert ran.outcome.status == "succeeded", (ran.reason, list(ran.entries))
    told = (bench.state / "runs/r/logs/s.1.err").read_text()
    assert "refused a connection: example.com:443" in told
    assert ran.said == ["There is no network."]
