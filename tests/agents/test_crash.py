"""The engine dies while an agent works: nothing is lost, nothing comes twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from copy import copy
from pathlib import Path

import msgspec
import pytest
from agent_bench import Bench, Victim, asked, says

from stoker.agents import inbox, stream
from stoker.agents.inbox import Reply, Say
from stoker.agents.store import place
from stoker.agents.stream import Approval, Command, Session, TurnEnded

SCRIPT = [
    {"say": "one"},
    {"run": "echo a >> side", "ask": True},
    {"stream": "two in several words"},
    {"edit": "file", "content": "text", "ask": True},
    {"run": "echo b >> side"},
    {"usage": {"input_tokens": 1, "output_tokens": 1}},
    {"say": "three"},
]


def scripted(bench: Bench, *script: dict) -> Victim:
    return Victim(bench, {"profile": "SCRIPTED:APPROVALS", "prompt": json.dumps(script)})


@pytest.fixture
def victim(tmp_path):
    made = scripted(Bench(tmp_path), *SCRIPT)
    yield made
    made.close()


async def answer_all(bench: Bench, tell_once: list[str]) -> None:
    """Answer every request, twice; and say something, once."""
    answered: set[str] = set()

    def new(content: stream.AnyContent) -> bool:
        if asked(content) and content.id not in answered:
            answered.add(content.id)
            for _ in range(2):
                inbox.send(bench.place, Reply(approval=content.id, allowed=True, by="anna"))
            if len(answered) == 2:
                inbox.send(bench.place, Say(text=tell_once.pop()))
        return isinstance(content, TurnEnded)

    await bench.until(new)


@pytest.mark.parametrize("when", ["before", "half", "after"])
def test_killed_at_every_step(victim, when):
    bench = victim.bench
    deaths = 0

    async def main() -> str:
        nonlocal deaths
        async with asyncio.TaskGroup() as group:
            answering = group.create_task(answer_all(bench, ["go on"]))
            for _ in range(100):
                engine = victim.launch(when, {"before": 3, "half": 2, "after": 2}[when])
                out, _ = await asyncio.to_thread(engine.communicate)
                if engine.returncode != -signal.SIGKILL:
                    assert engine.returncode == 0
                    answering.cancel()
                    return out
                deaths += 1
        raise AssertionError("it came to no end")

    said = asyncio.run(main())
    assert said.startswith("succeeded") or said == "", said
    assert deaths >= 3
    ran = victim.ran()
    first, second = ran.all(TurnEnded)
    assert (first.reason, second.reason) == ("completed", "completed")
    assert ran.said == ["one", "two in several words", "three", "I was asked: go on"]
    assert [approval.answer.by for approval in ran.all(Approval)] == ["anna", "anna"]
    assert [command.status for command in ran.all(Command)] == ["succeeded", "succeeded"]
    assert (bench.cwd / "side").read_text() == "a\nb\n"
    assert len(ran.all(Session)) == 1
    told = [msgspec.json.decode(line) for line in (bench.place / "keeper/stdin").open()]
    assert [one["type"] for one in told] == [
        *("control_request", "user", "control_response", "control_response", "user")
    ]


def test_an_approval_outlives_the_engine_and_is_answered_without_one(victim):
    engine = victim.launch()
    approval = asyncio.run(victim.bench.until(asked))
    engine.kill()
    engine.communicate()
    inbox.send(victim.bench.place, Reply(approval=approval.id, allowed=False, by="bert"))
    script_end = victim.launch()
    second = asyncio.run(victim.bench.until(lambda one: asked(one) and one.id != approval.id))
    inbox.send(victim.bench.place, Reply(approval=second.id, allowed=True))
    out, _ = script_end.communicate()
    assert out.startswith("succeeded"), out
    ran = victim.ran()
    denied, allowed = (one.answer.allowed for one in ran.all(Approval))
    assert (denied, allowed) == (False, True)
    assert ran.all(Command)[0].status == "denied"
    assert (victim.bench.cwd / "side").read_text() == "b\n"


def test_what_the_agent_did_alone_is_caught_up_with(tmp_path):
    bench = Bench(tmp_path)
    os.mkfifo(bench.cwd / "go")
    numbers = [{"say": str(number)} for number in range(50)]
    victim = scripted(bench, {"say": "ready"}, {"run": "cat go"}, *numbers)
    engine = victim.launch()
    asyncio.run(bench.until(lambda one: isinstance(one, Command)))
    engine.kill()
    engine.communicate()
    with (bench.cwd / "go").open("w") as go:
        go.write("x")
    # It waits for its stdin to end, so its keeper is still there.
    asyncio.run(_until_logged(bench.state / "runs" / "r" / "logs" / "s.1.out", b'"type": "result"'))
    out, _ = victim.launch().communicate()
    assert out.startswith("succeeded"), out
    assert victim.ran().said == ["ready", *map(str, range(50))]


def test_many_agents_outlive_their_engine_at_once(tmp_path):
    bench = Bench(tmp_path)
    victim = scripted(bench, {"say": "ready"}, {"run": "echo x >> $STOKER_STEP_ID", "ask": True})
    plan = json.loads((bench.state / "plan.json").read_text())
    (step,) = plan["steps"]
    names = [f"s{number}" for number in range(8)]
    plan["steps"] = [{**step, "id": name} for name in names]
    plan["globals"] = {"max_concurrency": len(names)}
    (bench.state / "plan.json").write_text(json.dumps(plan))
    places = [place(bench.state / "runs" / "r", name, 1) for name in names]

    def streams() -> list[Bench]:
        found = []
        for where in places:
            one = copy(bench)
            one.place = where
            found.append(one)
        return found

    async def all_asked() -> list[Approval]:
        return await asyncio.gather(*(one.until(asked) for one in streams()))

    engine = victim.launch()
    approvals = asyncio.run(all_asked())
    engine.kill()
    engine.communicate()
    for where, approval in zip(places, approvals, strict=True):
        inbox.send(where, Reply(approval=approval.id, allowed=True))
    out, _ = victim.launch().communicate()
    assert out.startswith("succeeded"), out
    for name, one in zip(names, streams(), strict=True):
        assert (bench.cwd / name).read_text() == "x\n"
        ends = [entry for entry in one.entries() if isinstance(entry, TurnEnded)]
        assert [end.reason for end in ends] == ["completed"]


async def _until_logged(path: Path, text: bytes) -> None:
    from contextlib import aclosing

    from stoker.process.tail import tail

    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    data = b""
    async with aclosing(tail(str(path), finished=never)) as chunks:
        async for chunk in chunks:
            data += chunk.data
            if text in data:
                return


def test_an_agent_that_is_lost_with_its_keeper_is_told_of(victim):
    engine = victim.launch()
    asyncio.run(victim.bench.until(asked))
    engine.kill()
    engine.communicate()
    kept = victim.kept()
    for pid in (kept.pid, kept.command_pid):
        os.kill(pid, signal.SIGKILL)
    out, _ = victim.launch().communicate()
    assert out.startswith("failed"), out
    assert "its end was not recorded" in out
    assert victim.ran().one(Approval).answer.option == ""


def test_an_engine_that_closes_leaves_its_agents_to_the_next(tmp_path):
    bench = Bench(tmp_path)
    os.mkfifo(bench.cwd / "go")

    async def leave(live):
        await live.until(says("ready"))
        live.handle.run.suspend()

    first = bench.script({"say": "ready"}, {"run": "cat go"}, {"say": "done"}, act=leave)
    assert first.outcome.status == "suspended"

    async def go(live):
        await asyncio.to_thread((bench.cwd / "go").write_text, "x")

    second = bench.resume(go)
    assert second.outcome.status == "succeeded", second.reason
    assert second.said == ["ready", "done"]
    assert second.outputs["summary"] == "done"
