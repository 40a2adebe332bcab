"""Runs with steps of kind `agent`: a real engine, real processes, and the agents' streams."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import msgspec

from stoker.agents import inbox, stream
from stoker.agents.follow import batches
from stoker.agents.inbox import Reply, Say
from stoker.agents.store import place
from stoker.agents.stream import AnyContent, Entries
from stoker.engine.engine import Engine
from stoker.engine.handle import RunHandle
from stoker.engine.options import RunOptions
from stoker.engine.run import Outcome
from stoker.journal.open import open_journal
from stoker.plan.model import Plan
from stoker.process.keeper import Kept
from stoker.steps.registry import kinds

Act = Callable[["Live"], Awaitable[None]]


class Ran(msgspec.Struct):
    """What came of a run with the one step `s`."""

    outcome: Outcome
    status: str
    reason: str | None
    outputs: dict[str, Any]
    entries: Entries

    def all(self, kind: type) -> list[Any]:
        return [content for content in self.entries if type(content) is kind]

    def one(self, kind: type) -> Any:
        (content,) = self.all(kind)
        return content

    @property
    def said(self) -> list[str]:
        return [content.text for content in self.all(stream.AssistantMessage)]


class Live:
    """The run while it runs."""

    def __init__(self, bench: Bench, handle: RunHandle) -> None:
        self.bench = bench
        self.handle = handle

    async def until(self, condition: Callable[[AnyContent], bool]) -> AnyContent:
        return await self.bench.until(condition)

    def tell(self, message: inbox.Message) -> None:
        inbox.send(self.bench.place, message)


class Bench:
    """A worktree, a journal, and a run `r`."""

    def __init__(self, path: Path) -> None:
        self.state = path / "state"
        self.state.mkdir()
        self.cwd = path / "worktree"
        self.cwd.mkdir()
        self.profiles = path / "profiles.json"
        self.place = place(self.state / "runs" / "r", "s", 1)
        self.env: dict[str, str] = {"STOKER_PROFILES": str(self.profiles)}

    def profile(self, executor: str, **settings: Any) -> str:
        """A profile of its own; returns its name."""
        document = {"executors": {executor: {"TEST": {executor: settings}}}}
        self.profiles.write_text(json.dumps(document))
        return f"{executor}:TEST"

    def plan(self, step: dict[str, Any], **more: Any) -> Plan:
        whole = {"id": "s", "step_def": {"type": "agent", **step}, "env": self.env, **more}
        return msgspec.convert({"plan_id": "p", "steps": [whole]}, Plan)

    def run(self, step: dict[str, Any], act: Act | None = None, **more: Any) -> Ran:
        return asyncio.run(self._run(self.plan(step, **more), act))

    def script(self, *actions: Any, act: Act | None = None, **more: Any) -> Ran:
        """Have the scripted agent do that."""
        step = {"profile": "SCRIPTED", "prompt": json.dumps(actions), **more}
        return self.run(step, act)

    def resume(self, act: Act | None = None) -> Ran:
        return asyncio.run(self._run(None, act))

    async def _run(self, plan: Plan | None, act: Act | None) -> Ran:
        journal = await open_journal(self.state / "journal.db")
        try:
            async with Engine(journal, self.state, kinds()) as engine:
                if plan is None:
                    handle = await engine.resume("r")
                else:
                    options = RunOptions(cwd=str(self.cwd))
                    handle = await engine.start(plan, run_id="r", options=options)
                if act is not None:
                    async with asyncio.TaskGroup() as group:
                        acting = group.create_task(act(Live(self, handle)))
                        outcome = await handle.wait()
                        acting.cancel()
                else:
                    outcome = await handle.wait()
                step = handle.state["s"]
        finally:
            await journal.close()
        return Ran(outcome, step.status, step.reason, dict(step.outputs or {}), self.entries())

    def entries(self) -> Entries:
        return stream.load(self.place / "stream")

    async def until(self, condition: Callable[[AnyContent], bool]) -> AnyContent:
        """Wait until the stream has such an entry."""
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entries = Entries()
        self.place.mkdir(parents=True, exist_ok=True)  # something to watch
        async with aclosing(batches(self.place, finished=never)) as found:
            async for batch in found:
                for record in batch:
                    content = entries.add(record).content
                    if condition(content):
                        return content
        raise AssertionError


class Victim:
    """The run, in processes of its own that are killed."""

    def __init__(self, bench: Bench, step: dict[str, Any]) -> None:
        self.bench = bench
        plan = msgspec.to_builtins(bench.plan(step))
        (bench.state / "plan.json").write_text(json.dumps(plan))

    def launch(self, when: str = "never", number: int = 0) -> subprocess.Popen[str]:
        program = str(Path(__file__).with_name("agent_victim.py"))
        return subprocess.Popen(
            [sys.executable, program, self.bench.state, self.bench.cwd, when, str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )

    def ran(self) -> Ran:
        return Ran(None, "", None, {}, self.bench.entries())

    def kept(self) -> Kept:
        file = self.bench.place / "keeper" / "keeper.json"
        return msgspec.json.decode(file.read_bytes(), type=Kept)

    def close(self) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):
            os.killpg(self.kept().command_pid, signal.SIGKILL)


def asked(content: AnyContent) -> bool:
    """A request for approval that is pending."""
    return isinstance(content, stream.Approval) and content.answer is None


def says(text: str) -> Callable[[AnyContent], bool]:
    return lambda content: isinstance(content, stream.AssistantMessage) and text in content.text


def killed_while_it_asks(victim: Victim) -> tuple[stream.Approval, Ran]:
    """An agent asks twice, and the engine is killed at the first question; both are answered, by
    anna and by bert, and it is told more. Returns the first question and what came of it all."""
    bench = victim.bench
    try:
        engine = victim.launch()
        first = asyncio.run(bench.until(asked))
        engine.kill()
        engine.communicate()
        inbox.send(bench.place, Reply(approval=first.id, allowed=True, by="anna"))
        inbox.send(bench.place, Say(text="and more"))
        engine = victim.launch()
        second = asyncio.run(bench.until(lambda one: asked(one) and one.id != first.id))
        inbox.send(bench.place, Reply(approval=second.id, allowed=True, by="bert"))
        out, _ = engine.communicate()
    finally:
        victim.close()
    assert out.startswith("succeeded"), out
    ran = victim.ran()
    assert [one.answer.by for one in ran.all(stream.Approval)] == ["anna", "bert"]
    assert {one.name for one in bench.cwd.iterdir()} >= {"first", "second"}
    assert ran.said == ["Done.", "More."]
    assert len(ran.all(stream.TurnEnded)) == 2
    return first, ran
