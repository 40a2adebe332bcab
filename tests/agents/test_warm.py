"""Agents that stay after their turn: gone on with, and never left over."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import msgspec
import pytest
import real_agents
from agent_bench import Bench, Victim, says
from model_server import Conversation, ModelServer
from model_server import Say as Model

from stoker.agents import stream, warm
from stoker.agents.store import Checkpoint, place
from stoker.agents.stream import AssistantMessage, Command, Entries, Session, TurnEnded, UserMessage
from stoker.engine.attempt import realm
from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.open import open_journal
from stoker.plan.model import Plan
from stoker.process.keeper import Kept
from stoker.process.logs import LogWatch
from stoker.process.survivors import marked
from stoker.steps.registry import kinds

PID = {"run": "echo $PPID"}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


class Turns:
    """Turns of one conversation, each a step of the run `r`, in one engine."""

    def __init__(self, bench: Bench, profile: str = "", **settings: object) -> None:
        self.bench = bench
        settings = {"confine": "never", **settings}
        self.profile = profile or bench.profile("SCRIPTED", **settings)
        self.count = 0
        self.session: str | None = None

    async def __aenter__(self) -> Turns:
        self.journal = await open_journal(self.bench.state / "journal.db")
        self.engine = await Engine(self.journal, self.bench.state, kinds()).__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.engine.__aexit__(*error)
        await self.journal.close()

    def step(self, prompt: str, **more: object) -> dict[str, object]:
        self.count += 1
        agent = {"type": "agent", "profile": self.profile, "prompt": prompt, "warm": True}
        if self.count > 1:
            agent["continues"] = [f"t{at}" for at in range(1, self.count)]
            agent["session"] = self.session
        agent |= more
        return {"id": f"t{self.count}", "step_def": agent, "env": self.bench.env}

    async def turn(self, *script: object, **more: object) -> Entries:
        return await self.ask(json.dumps(script), **more)

    async def ask(self, prompt: str, **more: object) -> Entries:
        step = self.step(prompt, **more)
        if self.count == 1:
            plan = msgspec.convert({"plan_id": "p", "steps": [step]}, Plan)
            options = RunOptions(cwd=str(self.bench.cwd))
            handle = await self.engine.start(plan, run_id="r", options=options)
        else:
            handle = await self.engine.extend("r", json.dumps({"steps": [step]}), by="test")
        outcome = await handle.wait()
        state = handle.state[step["id"]]
        assert outcome.status == "succeeded", state.reason
        self.session = state.outputs["session_id"]
        return self.entries(self.count)

    def entries(self, turn: int) -> Entries:
        file = place(self.run, f"t{turn}", 1) / "stream"
        return Entries(stream.decode(line) for line in file.read_bytes().splitlines())

    @property
    def run(self) -> Path:
        return self.bench.state / "runs" / "r"

    def keeper(self, turn: int = 1) -> Path:
        return place(self.run, f"t{turn}", 1) / "keeper"

    def log(self, turn: int) -> str:
        return (self.run / f"logs/t{turn}.1.out").read_text()


def pid_of(entries: Entries) -> str:
    (command,) = [one for one in entries if isinstance(one, Command)]
    return command.output.strip()


async def ended(keeper: Path) -> None:
    """Wait until the process of a keeper is over."""
    loop = asyncio.get_running_loop()
    watch = LogWatch(loop)
    try:
        while not (keeper / "exit.json").exists():
            changed = asyncio.Event()
            watch.once(str(keeper), changed.set)
            if not (keeper / "exit.json").exists():
                async with asyncio.timeout(20):
                    await changed.wait()
    finally:
        watch.close()


def test_a_follow_up_goes_to_the_process_that_waits(bench):
    async def main():
        async with Turns(bench) as turns:
            first = await turns.turn(PID, {"say": "one"})
            second = await turns.turn(PID, {"say": "two"})
            third = await turns.turn(PID, {"say": "three"})
            assert pid_of(first) == pid_of(second) == pid_of(third)
            kinds_ = [type(one) for one in second]
            assert (
                kinds_.count(Session) == kinds_.count(UserMessage) == kinds_.count(TurnEnded) == 1
            )
            assert next(one for one in second if isinstance(one, Session)).resumed
            assert [one.text for one in second if isinstance(one, AssistantMessage)] == ["two"]
            assert '"two"' in turns.log(2)
            assert '"one"' not in turns.log(2)
            assert '"three"' in turns.log(3)
            assert not turns.keeper(2).joinpath("keeper.json").exists()
            warm.end_all(bench.state)
            await ended(turns.keeper())

    asyncio.run(main())


def test_it_waits_through_the_end_of_its_engine(bench):
    async def main():
        async with Turns(bench) as turns:
            first = await turns.turn(PID)
        async with turns:
            second = await turns.turn(PID)
            warm.end_all(bench.state, turns.run)
            await ended(turns.keeper())
        assert pid_of(first) == pid_of(second)

    asyncio.run(main())


@pytest.mark.parametrize(
    "changes",
    [{"approvals": "ask"}, {"session": "another"}, {"model": "other"}],
    ids=lambda one: next(iter(one)),
)
def test_one_that_would_be_started_otherwise_is_another(bench, changes):
    async def main():
        async with Turns(bench) as turns:
            first = await turns.turn(PID)
            second = await turns.turn({"say": "x"}, PID, **changes)
            assert pid_of(first) != pid_of(second)
            assert turns.keeper(2).joinpath("keeper.json").exists()
            warm.end_all(bench.state)
            for turn in (1, 2):
                await ended(turns.keeper(turn))

    asyncio.run(main())


def test_it_ends_when_its_time_has_passed(bench):
    async def main():
        async with Turns(bench, warm_sec=0.05) as turns:
            first = await turns.turn(PID)
            await ended(turns.keeper())
            second = await turns.turn(PID)
            assert pid_of(first) != pid_of(second)
            await ended(turns.keeper(2))

    asyncio.run(main())


def test_without_time_to_wait_it_ends_with_its_turn(bench):
    async def main():
        async with Turns(bench, warm_sec=0) as turns:
            await turns.turn(PID)
            assert turns.keeper().joinpath("exit.json").exists()

    asyncio.run(main())


def test_one_that_died_meanwhile_is_started_anew(bench):
    async def main():
        async with Turns(bench) as turns:
            first = await turns.turn(PID)
            kept = msgspec.json.decode((turns.keeper() / "keeper.json").read_bytes(), type=Kept)
            os.kill(kept.command_pid, signal.SIGKILL)
            await ended(turns.keeper())
            second = await turns.turn({"say": "here"}, PID)
            assert pid_of(first) != pid_of(second)
            assert [one.text for one in second if isinstance(one, AssistantMessage)] == ["here"]
            assert sum(isinstance(one, UserMessage) for one in second) == 1
            assert '"here"' in turns.log(2)
            warm.end_all(bench.state)
            await ended(turns.keeper(2))

    asyncio.run(main())


def test_a_turn_that_fails_leaves_no_process(bench):
    async def main():
        async with Turns(bench) as turns:
            with pytest.raises(AssertionError, match="no luck"):
                await turns.turn({"fail": "no luck"})
            assert turns.keeper().joinpath("exit.json").exists()

    asyncio.run(main())


OTHERS = [getattr(real_agents, one) for one in os.environ.get("STOKER_AGENTS", "").split()]


@pytest.mark.parametrize("agent", [real_agents.codex, real_agents.gemini, *OTHERS])
def test_real_agents_wait(bench, agent):
    async def main():
        def policy(asked: Conversation) -> Model:
            last = [one.text for one in asked.messages if one.role == "user"][-1]
            return Model("Two." if "PROMPT-2" in last else "One." if "PROMPT-1" in last else "?")

        with ModelServer(policy) as server:
            async with Turns(bench, agent(bench, server.port)) as turns:
                await turns.ask("PROMPT-1")
                second = await turns.ask("PROMPT-2")
            assert [one.text for one in second if isinstance(one, AssistantMessage)] == ["Two."]
            assert not turns.keeper(2).joinpath("keeper.json").exists()
            told = [request.body.decode() for request in server.requests]
            assert any("One." in one and "PROMPT-2" in one for one in told)
            assert not any("<earlier>" in one for one in told)
        warm.end_all(bench.state)
        await ended(turns.keeper())

    asyncio.run(main())


def test_one_that_a_crash_has_cut_off_is_ended_before_it_is_tried_again(bench):
    step = {"profile": bench.profile("SCRIPTED", confine="never"), "warm": True}
    victim = Victim(bench, {**step, "prompt": json.dumps([{"say": "here"}, {"hang": True}])})
    plan = json.loads((bench.state / "plan.json").read_text())
    plan["steps"][0] |= {"on_interrupt": "rerun"}
    (bench.state / "plan.json").write_text(json.dumps(plan))
    engine = victim.launch()
    try:
        asyncio.run(bench.until(says("here")))
        engine.kill()
        engine.communicate()
        bench.place = place(bench.state / "runs/r", "s", 2)
        engine = victim.launch()
        asyncio.run(bench.until(says("here")))
        (first, second) = (f"{realm(bench.state)}.agents/r/s.{number}" for number in (1, 2))
        assert marked(first) == []
        assert marked(second)
    finally:
        engine.kill()
        engine.communicate()
        victim.close()


def test_so_many_stay_and_the_eldest_ends(tmp_path, bench):
    def keeper(number: int) -> Path:
        folder = tmp_path / "runs" / "r" / "agents" / f"{number}.1" / "keeper"
        folder.mkdir(parents=True)
        return folder

    made = warm.Lodging(place=bench.state / "warm", key="k", seconds=60, earlier=None)
    keepers = [keeper(number) for number in range(warm.MOST + 1)]
    for one in keepers:
        made.leave("", Checkpoint(state=msgspec.Raw(b"\xc0"), keeper=str(one)))
    waiting = [(one / "stdin.idle").exists() for one in keepers]
    assert waiting == [False] + [True] * warm.MOST
    assert (keepers[0] / "stdin.end").exists()
    again = Checkpoint(state=msgspec.Raw(b"\xc0"), keeper=str(keepers[1]))
    made.leave("", again)
    assert sum(1 for _ in (bench.state / "warm").iterdir()) == warm.MOST
    assert warm.take(keepers[1], "a")
    assert warm.take(keepers[1], "a")
    assert not warm.take(keepers[1], "b")


@pytest.mark.parametrize("when", ["before", "half", "after"])
def test_its_engine_is_killed_at_every_step(bench, when):
    def agent(id: str, say: str, **more: object) -> dict[str, object]:
        script = json.dumps([{"say": say}, PID])
        step = {"type": "agent", "profile": profile, "prompt": script, "session": "x", "warm": True}
        return {"id": id, "step_def": {**step, **more}, "env": bench.env}

    profile = bench.profile("SCRIPTED", confine="never")
    victim = Victim(bench, {"profile": profile, "prompt": "x"})
    steps = [agent("t1", "one"), {**agent("s", "two", continues=["t1"]), "depends_on": ["t1"]}]
    (bench.state / "plan.json").write_text(json.dumps({"plan_id": "p", "steps": steps}))
    for _ in range(100):
        engine = victim.launch(when, {"before": 3, "half": 2, "after": 2}[when])
        out, _ = engine.communicate()
        if engine.returncode != -signal.SIGKILL:
            break
    assert engine.returncode == 0
    assert out.startswith("succeeded") or out == "", out
    first = Entries(
        stream.decode(line)
        for line in (place(bench.state / "runs/r", "t1", 1) / "stream").read_bytes().splitlines()
    )
    second = bench.entries()
    assert [one.text for one in second if isinstance(one, AssistantMessage)] == ["two"]
    assert sum(isinstance(one, UserMessage) for one in second) == 1
    assert pid_of(first) == pid_of(second)
    log = (bench.state / "runs/r/logs/s.1.out").read_text()
    assert log.count('"text": "two"') == log.count('"result": "two"') == 1
    warm.end_all(bench.state)
    asyncio.run(ended(place(bench.state / "runs/r", "t1", 1) / "keeper"))
