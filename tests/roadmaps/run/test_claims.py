"""At a roadmap's branch one engine works at a time, wherever it keeps its journal."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from roadmap_world import World, git

from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.roadmaps.begin import open_branch, prepare
from stoker.roadmaps.claims import Claims, holder
from stoker.steps.registry import kinds
from stoker.workspace.repository import Repository

PLAN = "# Plan\n\n## Phase 1: All\n\n### 1.1 All\n\n- [ ] **One**\n- [ ] **Two**\n"
OVER = {"command": "true", "infer": False}


def _stoker(directory: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stoker", "roadmap", "run", "ROADMAP.md", *words, "--quiet"],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _tasks(world: World) -> list[str]:
    world.write("ROADMAP.md", PLAN)
    world.write(".gitignore", ".stoker/\n")
    world.write(".stoker/roadmap.toml", 'command = "true"\n')
    world.commit()
    ids = ["1.1.1", "1.1.2"]
    world.script = {name: [{f"{name}.rb": f"{name}\n"}] for name in ids}
    return ids


def test_a_run_of_another_journal_is_refused_until_the_first_is_gone(
    world: World, tmp_path: Path
) -> None:
    _tasks(world)
    other = tmp_path / "other"
    git(world.root, "worktree", "add", "-q", "--detach", str(other))
    (other / ".stoker").mkdir()
    (other / ".stoker" / "roadmap.toml").write_text('command = "true"\n')
    asked, go = threading.Event(), threading.Event()

    def hold(*_: object) -> None:
        asked.set()
        go.wait(120)

    world.on_request = hold
    first = _stoker(world.root, "--run-id", "first")
    assert asked.wait(120)
    for place in (("--db", str(tmp_path / "elsewhere" / "stoker.db")), ()):
        second = _stoker(other, *place)
        told, _ = second.communicate(timeout=120)
        assert second.returncode == 2, told
        assert f"run first (process {first.pid}, state directory {world.root}/.stoker)" in told
        assert "works at the branch roadmap/plan" in told
    assert len(world.prompts) == 1
    first.kill()
    first.communicate(timeout=120)
    go.set()
    third = _stoker(other)
    told, _ = third.communicate(timeout=120)
    assert third.returncode == 0, told
    assert len(world.log("roadmap/plan")) == 2
    words = (sys.executable, "-m", "stoker", "cancel", "first")  # its agent is there still
    subprocess.run(words, cwd=world.root, check=True, capture_output=True, timeout=120)


def test_one_that_has_begun_waits_for_who_was_quicker(world: World, tmp_path: Path) -> None:
    ids = _tasks(world)

    async def scenario(engine: Engine) -> None:
        prepared = await prepare(world.root / "ROADMAP.md", world.state, OVER, kinds=kinds())
        assert prepared.plan is not None
        await open_branch(prepared)
        repository = await Repository.open(world.root)
        quicker = Claims(tmp_path / "elsewhere")
        branch = prepared.job.branch
        await quicker.take(repository, branch, "quicker", lambda _: None)
        handle = await engine.start(
            prepared.plan, options=RunOptions(cwd=str(world.root)), run_id="r"
        )
        logs = world.state / "runs" / "r"
        while not any("waiting: run quicker (" in f.read_text() for f in logs.rglob("*.out*")):
            await asyncio.sleep(0.01)
        assert not world.prompts
        quicker.close()
        assert (await handle.wait()).status == "succeeded"
        while holder(repository, branch) is not None:  # though the engine goes on
            await asyncio.sleep(0)

    world.engine(scenario)
    assert sorted(name for name, *_ in world.prompts) == ids


@pytest.mark.parametrize("shared", [False, True])
def test_runs_of_one_engine_share_a_claim(world: World, tmp_path: Path, shared: bool) -> None:
    _tasks(world)

    async def scenario() -> None:
        repository = await Repository.open(world.root)
        said: list[str] = []
        mine = Claims(tmp_path)
        other = mine if shared else Claims(tmp_path)
        await mine.take(repository, "b", "r1", said.append)
        taken = asyncio.create_task(other.take(repository, "b", "r2", said.append))
        while not (said or taken.done()):
            await asyncio.sleep(0)
        assert taken.done() == shared
        mine.leave("r1")
        await taken
        assert holder(repository, "b") is not None
        other.leave("r2")
        assert holder(repository, "b") is None

    asyncio.run(scenario())


def test_plan_files_of_one_repository_have_sidecars_of_their_own(world: World) -> None:
    _tasks(world)
    world.write("docs/ROADMAP.md", PLAN.replace("# Plan", "# Other"))
    world.commit()
    world.run(**OVER)
    folder = world.root / ".executor"

    def read(name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads((folder / name).read_text())
        return found

    first = read("state.json")
    assert first["roadmap_path"] == "ROADMAP.md"
    world.state = world.state.parent / "second"
    world.state.mkdir()
    world.run("docs/ROADMAP.md", **OVER)
    assert read("state-ROADMAP.md.json") == first
    assert read("state.json") == read("state-docs%2FROADMAP.md.json")
    assert read("state.json")["roadmap_path"] == "docs/ROADMAP.md"
    assert read("todos-ROADMAP.md.json")["roadmap_path"] == "ROADMAP.md"
