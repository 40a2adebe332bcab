"""From a plan file to verified, committed and ticked work, with the built-in agent over HTTP."""

from __future__ import annotations

import asyncio
import json

import pytest
from roadmap_world import World, git

from stoker.roadmaps.begin import prepare
from stoker.steps.registry import kinds

ROADMAP = (
    b"# Calculator\r\n"
    b"\r\n"
    b"## Phase 1: Arithmetic\r\n"
    b"> **Goal**: a small calculator\r\n"
    b"\r\n"
    b"### 1.1 Operations\r\n"
    b"\r\n"
    b"- [ ] **Add addition**: write `add(a, b)`  \r\n"
    b"\t**File**: `add.py`\r\n"
    b"- [ ] **Add subtraction**: write `sub(a, b)` ${{ inputs.x }} ${HOME}\r\n"
    b"- [x] **Think**: done long ago\r\n"
    b"- [ ] **Multiply**: write `mul(a, b)`\r\n"
    b"```\r\n"
    b"- [ ] an example, no task\r\n"
    b"```\r\n"
)


def calculator(world: World) -> None:
    world.write("ROADMAP.md", ROADMAP)
    world.write("base.py", "BASE = 1\n")
    world.write("test_base.py", "import base\n\n\ndef test_base():\n    assert base.BASE == 1\n")
    world.commit()
    world.script = {
        "1.1.1": [
            # The first try has its own test fail: it is found out by running it.
            operation("add", "a - b"),
            operation("add", "a + b"),
        ],
        "1.1.2": [operation("sub", "a - b")],
        "1.1.4": [operation("mul", "a * b")],
    }


def operation(name: str, formula: str) -> dict[str, str]:
    sign = {"add": "+", "sub": "-", "mul": "*"}[name]
    return {
        f"{name}.py": f"def {name}(a, b):\n    return {formula}\n",
        f"test_{name}.py": f"import {name}\n\n\ndef test_{name}():\n"
        f"    assert {name}.{name}(5, 3) == 5 {sign} 3\n",
    }


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_roadmap_is_completed(world: World, parallel: int) -> None:
    calculator(world)
    (world.root / "mine.txt").write_text("not committed\n")
    git(world.root, "stash", "list")
    found = world.run(parallel=parallel)

    assert found.status == "succeeded"
    assert [one.status for one in found.units] == ["done", "done", "done"]
    assert [len(one.tries) for one in found.units] == [2, 1, 1]
    # The file: bytes between brackets, nothing else.
    ticked = ROADMAP.replace(b"- [ ] **", b"- [x] **")
    assert (world.root / "ROADMAP.md").read_bytes() == ticked
    # The branch: a commit for each task, and all their files.
    branch = "roadmap/calculator"
    assert sorted(world.log(branch)) == [
        "executor(1.1.1): Add addition",
        "executor(1.1.2): Add subtraction",
        "executor(1.1.4): Multiply",
    ]
    assert world.show(branch, "add.py").endswith("a + b")
    trailers = git(world.root, "log", "-1", "--format=%(trailers:key=Stoker-Run,valueonly)", branch)
    assert trailers == "r"
    # The retry was told what had been tried, what it had changed, and what was wrong.
    told = next(text for task, number, text in world.prompts if (task, number) == ("1.1.1", 2))
    assert "return a - b" in told
    assert "test_add" in told
    assert "test failure" in told
    # The sidecars, as other tools read them.
    state = json.loads((world.root / ".executor" / "state.json").read_text())
    assert (state["roadmap_path"], state["run_id"]) == ("ROADMAP.md", "r")
    assert state["summary"] == {"total": 3, "completed": 3}
    first = state["tasks"]["1.1.1"]
    assert (first["status"], first["attempts"], first["error"]) == ("completed", 2, None)
    assert first["files_modified"] == ["add.py", "test_add.py"]
    assert first["token_usage"]["total"] > 0
    assert first["started_at"] < first["completed_at"]
    todos = json.loads((world.root / ".executor" / "todos.json").read_text())["todos"]
    assert [(todo["id"], todo["status"]) for todo in todos] == [
        *(("1.1.1", "completed"), ("1.1.2", "completed"), ("1.1.4", "completed"))
    ]
    # The user's tree.
    assert (world.root / "mine.txt").read_text() == "not committed\n"
    status = git(world.root, "status", "--porcelain").splitlines()
    assert status == ["M ROADMAP.md", "?? mine.txt"]
    assert git(world.root, "branch", "--format=%(refname:short)").split() == ["main", branch]
    assert git(world.root, "worktree", "list").count("\n") == 0


def test_what_the_older_executor_completed_is_not_done_again(world: World) -> None:
    calculator(world)
    older = {"tasks": {"1.1.1": {"status": "completed"}, "1.1.2": {"status": "failed"}}}
    world.write(".executor/state.json", json.dumps(older))
    prepared = asyncio.run(prepare(world.root / "ROADMAP.md", world.state, {}, kinds=kinds()))
    assert [one.unit.id for one in prepared.units] == ["1.1.2", "1.1.4"]
    assert any("1.1.1" in note for note in prepared.notes)
