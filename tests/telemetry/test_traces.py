"""Runs as traces, received over OTLP/HTTP."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from otlp_receiver import Receiver, attributes
from roadmap_world import KEY, World

import stoker
from stoker.engine.handle import RunHandle

PLAN = """
plan_id: build
inputs: {word: {secret: true}}
steps:
  - {id: flaky, run: "test -e again || { touch again; exit 3; }", retries: 1}
  - {id: says, run: "echo $W; echo \\"$W is wrong\\" >&2; exit 1", env: {W: "${{ inputs.word }}"},
     depends_on: [flaky], on_failure: continue}
  - {id: after, run: "true", depends_on: [says]}
"""


def run(directory: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stoker", *words],
        check=False,
        cwd=directory,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_a_run_is_a_trace(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    done = run(tmp_path, "run", "plan.yaml", "-q", STOKER_INPUT_WORD="hush-hush")
    assert "traces" not in done.stderr
    assert list(receiver.tree()) == [
        "run build",
        "  step flaky",
        "    attempt flaky 1",
        "    attempt flaky 2",
        "  step says",
        "    attempt says 1",
        "  step after",
        "    attempt after 1",
    ]
    spans = {span.name: span for span in receiver.spans()}
    assert len({span.trace_id for span in spans.values()}) == 1
    first = spans["attempt flaky 1"]
    assert (first.status.code, attributes(first)["process.exit.code"]) == (2, 3)
    assert spans["attempt flaky 2"].status.code == 1
    assert any(event.name == "step.waiting" for event in spans["step flaky"].events)
    assert first.start_time_unix_nano < first.end_time_unix_nano
    assert b"hush-hush" not in receiver.raw
    found = [attributes(point) for point in receiver.points("stoker.attempt.duration")]
    assert {one["stoker.status"] for one in found} == {"failed", "succeeded"}


def test_nobody_listens(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.refuse = 400
    plan = stoker.build("p", steps=[stoker.Step(id="a", run="echo hello")])
    with caplog.at_level("WARNING", "stoker"):
        assert stoker.run(plan, db=tmp_path / "j.db", cwd=tmp_path).succeeded
    assert [one.getMessage() for one in caplog.records if "stoker" in one.name] == [
        "traces are not sent"
    ]


def test_nobody_is_there(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("plan_id: p\nsteps: [{id: a, run: 'echo hello'}]\n")
    there = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    done = run(tmp_path, "run", "plan.yaml", "-q", **there, OTEL_EXPORTER_OTLP_TIMEOUT="1")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_an_endpoint_nothing_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys, stoker; r = stoker.run(stoker.build('p', steps=[stoker.Step(id='a', run='true"
        "')])); assert r.succeeded; print([m for m in sys.modules if 'opentelemetry' in m])"
    )
    words = [sys.executable, "-c", code]
    assert subprocess.check_output(words, cwd=tmp_path, text=True) == "[]\n"


def test_an_agents_calls_and_tools(world: World, receiver: Receiver) -> None:
    world.write("ROADMAP.md", "# Small\n\n- [ ] **One**: write one\n")
    world.write("test_base.py", "def test_base():\n    assert True\n")
    world.commit()
    files = {"one.py": "ONE = 1\n", "test_one.py": "def test_one():\n    pass\n"}
    world.script = defaultdict(lambda: [files])
    done = run(world.root, "roadmap", "run", "ROADMAP.md", "-q")
    assert done.returncode == 0, done.stderr

    (task,) = {prompt[0] for prompt in world.prompts}
    assert list(receiver.tree()) == [
        "run roadmap-small",
        f"  step {task}",
        f"    attempt {task} 1",
        f"      run try-{task}",
        "        step agent",
        "          invoke_agent BUILTIN",
        "            chat scripted",
        "            execute_tool edit",
        "            execute_tool edit",
        "            chat scripted",
        "        step verify",
        "          attempt verify 1",
        "        step merge",
        "          attempt merge 1",
    ]
    spans = receiver.spans()
    assert len({span.trace_id for span in spans}) == 1
    (agent,) = [attributes(s) for s in spans if s.name.startswith("invoke_agent")]
    chats = [attributes(s) for s in spans if s.name == "chat scripted"]
    assert agent["gen_ai.operation.name"] == "invoke_agent"
    assert agent["gen_ai.agent.name"] == "BUILTIN"
    for kind in ("input", "output"):
        name = f"gen_ai.usage.{kind}_tokens"
        counts = [chat[name] for chat in chats]
        assert min(counts) > 0
        points = receiver.points("gen_ai.client.token.usage")
        of_kind = [p for p in points if attributes(p)["gen_ai.token.type"] == kind]
        assert sum(counts) == agent[name] == sum(point.sum for point in of_kind)
        assert sum(point.count for point in of_kind) == 2
    tool = next(attributes(s) for s in spans if s.name == "execute_tool edit")
    assert (tool["gen_ai.tool.name"], tool["stoker.status"]) == ("edit", "succeeded")
    for unsaid in (KEY, "ONE = 1", "write one"):  # neither keys nor what was said
        assert unsaid.encode() not in receiver.raw


def test_killed_and_resumed_is_one_trace(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "inner.yaml").write_text(
        "plan_id: inner\nsteps:\n"
        "  - {id: first, run: 'true'}\n"
        "  - {id: second, run: 'until test -e one; do sleep 0.05; done', depends_on: [first]}\n"
        "  - {id: long, run: 'until test -e go; do sleep 0.05; done', on_interrupt: adopt,"
        " depends_on: [second]}\n"
    )
    (tmp_path / "plan.yaml").write_text(
        "plan_id: outer\nsteps:\n  - {id: nested, step_def: {type: plan, path: inner.yaml}}\n"
    )
    words = [sys.executable, "-m", "stoker", "run", "plan.yaml", "-q", "--run-id", "r"]
    with subprocess.Popen(words, cwd=tmp_path) as process:
        try:
            receiver.wait("step first")
            (tmp_path / "one").touch()
            receiver.wait("step second")
        finally:
            process.kill()
    (tmp_path / "go").touch()
    done = run(tmp_path, "resume", "r", "-q")
    assert done.returncode == 0, done.stderr
    assert list(receiver.tree()) == [
        "run outer",
        "  step nested",
        "    attempt nested 1",
        "      run inner",
        "        step first",
        "          attempt first 1",
        "        step second",
        "          attempt second 1",
        "        step long",
        "          attempt long 1",
    ]
    assert len({span.trace_id for span in receiver.spans()}) == 1
    # What is known to have arrived is not sent again; of what came last nobody knows.
    assert [span.name for span in receiver.sent()].count("step first") == 1


def test_told_of_every_run(tmp_path: Path) -> None:
    (tmp_path / "inner.yaml").write_text("plan_id: inner\nsteps: [{id: a, run: 'true'}]\n")
    plan = stoker.build(
        "outer", steps=[{"id": "nested", "step_def": {"type": "plan", "path": "inner.yaml"}}]
    )
    heard: list[str] = []

    async def main() -> None:
        async def follow(handle: RunHandle) -> None:
            heard.extend([event.run_id async for event in handle.events()])

        tasks = asyncio.TaskGroup()
        async with (
            tasks,
            stoker.open_engine(
                tmp_path / "j.db", on_run=lambda handle: tasks.create_task(follow(handle))
            ) as engine,
        ):
            options = stoker.RunOptions(cwd=str(tmp_path))
            handle = await engine.run(plan, options=options, run_id="r")
            await handle.wait()

    asyncio.run(main())
    assert set(heard) == {"r", "r.nested.1"}
