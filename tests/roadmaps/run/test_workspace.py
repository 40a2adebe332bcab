"""Two repositories as one run, by the command line."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from roadmap_world import World, git
from test_run import operation

from stoker.engine.engine import Engine
from stoker.journal.events import STEP_SETTLED, Event
from stoker.journal.open import open_journal
from stoker.plan.errors import PlanError
from stoker.roadmaps.checkpoint_kind import Ref
from stoker.roadmaps.workspace import checkpoint_steps, read
from stoker.steps.registry import kinds

LIB = "# Lib\n\n## Phase 1: A\n\n### 1.1 A\n\n- [ ] **Add**: `add`\n- [ ] **Sub**: `sub`\n"
API = "# Api\n\n## Phase 2: B\n\n### 2.1 B\n\n- [ ] **Mul**: `mul`\n- [ ] **Div**: `sub`\n"
WORKSPACE = """
[project.api]
path = "api"
depends_on = ["lib"]
[project.lib]
path = "repository"
"""


@pytest.fixture
def both(world: World, tmp_path: Path) -> World:
    api = tmp_path / "api"
    git(tmp_path, "init", "-q", "-b", "main", "api")
    git(api, "config", "user.email", "dev@example.com")
    git(api, "config", "user.name", "Dev")
    for root, text in ((world.root, LIB), (api, API)):
        (root / "ROADMAP.md").write_text(text)
        (root / "test_base.py").write_text("def test_base():\n    assert True\n")
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", "begin")
    (tmp_path / "roadmaps.toml").write_text(WORKSPACE)
    world.script = {
        "1.1.1": [operation("add", "a + b")],
        "1.1.2": [operation("sub", "a - b")],
        "2.1.1": [operation("mul", "a * b")],
        "2.1.2": [
            {"div.py": "", "test_div.py": "import div\n\n\ndef test_div():\n    assert div\n"}
        ],
    }
    return world


def roadmap(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stoker", "roadmap", *words],
        check=False,
        cwd=where,
        capture_output=True,
        text=True,
        timeout=150,
    )


def commits(root: Path, branch: str) -> list[str]:
    return git(root, "log", "--reverse", "--format=%s", f"main..{branch}").splitlines()


def test_projects_are_one_run(both: World, tmp_path: Path) -> None:
    api = tmp_path / "api"
    shown = roadmap(tmp_path, "run", "roadmaps.toml", "--dry-run")
    assert "api:\n2.1.1: Mul" in shown.stdout
    done = roadmap(tmp_path, "run", "roadmaps.toml", "--run-id", "w", "-q")
    assert done.returncode == 0, done.stderr
    order = [task for task, _, _ in both.prompts]
    assert order.index("1.1.2") < order.index("2.1.1") < order.index("2.1.2")
    assert commits(both.root, "roadmap/lib") == ["executor(1.1.1): Add", "executor(1.1.2): Sub"]
    assert commits(api, "roadmap/api") == ["executor(2.1.1): Mul", "executor(2.1.2): Div"]
    assert "- [ ]" not in (api / "ROADMAP.md").read_text()

    status = roadmap(tmp_path, "status", "roadmaps.toml").stdout
    assert status.index("api:") < status.index("lib:")
    review = roadmap(tmp_path, "review").stdout
    assert [line.split()[:2] for line in review.splitlines() if line.startswith("done")] == [
        ["done", "2.1.1:"],
        ["done", "2.1.2:"],
        ["done", "1.1.1:"],
        ["done", "1.1.2:"],
    ]
    assert "+def sub" in roadmap(tmp_path, "review", "--task", "lib:1.1.2").stdout

    # What another project waited for goes only with that.
    refused = roadmap(tmp_path, "rollback", "w", "--task", "lib:1.1.2")
    assert refused.returncode != 0
    assert "api:2.1.1" in refused.stderr
    back = roadmap(tmp_path, "rollback", "w", "--task", "lib:1.1.2", "--cascade", "-q")
    assert back.returncode == 0, back.stderr
    for root, branch, path in (
        (both.root, "roadmap/lib", "sub.py"),
        (api, "roadmap/api", "mul.py"),
    ):
        assert path not in git(root, "ls-tree", "--name-only", branch).split()
    assert "- [ ] **Mul" in (api / "ROADMAP.md").read_text()


def test_an_agent_of_a_project_is_told(both: World, tmp_path: Path) -> None:
    def on_request(task: str, number: int) -> None:
        if task == "1.1.1":
            done = roadmap(tmp_path, "steer", "last", "lib:1.1.2", "use cents")
            assert done.returncode == 0, done.stderr

    both.on_request = on_request
    done = roadmap(
        tmp_path, "run", "roadmaps.toml", "-q", "--task", "lib:1.1.1", "--task", "lib:1.1.2"
    )
    assert done.returncode == 0, done.stderr
    assert [(task, "use cents" in told) for task, _, told in both.prompts] == [
        *(("1.1.1", False), ("1.1.2", True))
    ]


def test_killed_and_resumed(both: World, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "stoker", "roadmap", "run", "roadmaps.toml", "-q"]
    words += ["--verify-mode", "skip"]
    with subprocess.Popen([*words, "--run-id", "w"], cwd=tmp_path) as process:
        both.on_request = lambda task, number: process.kill() if task == "1.1.2" else None
    assert process.returncode == -9
    done = roadmap(tmp_path, "resume", "w", "-q")
    assert done.returncode == 0, done.stderr
    assert commits(both.root, "roadmap/lib") == ["executor(1.1.1): Add", "executor(1.1.2): Sub"]
    assert len(commits(tmp_path / "api", "roadmap/api")) == 2


def test_one_project_fails(both: World, tmp_path: Path) -> None:
    both.script["1.1.2"] = [operation("sub", "a + b")]
    done = roadmap(tmp_path, "run", "roadmaps.toml", "-q", "--retries", "0")
    assert done.returncode == 1
    # No branch is moved; what was done waits for the rest.
    assert git(both.root, "branch", "--list", "roadmap/*") == ""
    assert commits(both.root, "roadmap-work/lib") == ["executor(1.1.1): Add"]
    assert "2.1.1" not in {task for task, _, _ in both.prompts}
    both.script["1.1.2"] = [operation("sub", "a - b")]
    again = roadmap(tmp_path, "run", "roadmaps.toml", "-q")
    assert again.returncode == 0, again.stderr
    assert commits(both.root, "roadmap/lib") == ["executor(1.1.1): Add", "executor(1.1.2): Sub"]
    assert len(commits(tmp_path / "api", "roadmap/api")) == 2


def test_a_task_the_next_one_and_what_failed(both: World, tmp_path: Path) -> None:
    def ran(*words: str, code: int = 0) -> str:
        done = roadmap(tmp_path, *words)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    both.script["1.1.2"] = [{"notes.txt": ""}]
    assert "1.1.1: Add" in ran("next", "roadmaps.toml", "--dry-run")
    three = ran("run", "roadmaps.toml", "--max-tasks", "3", "--dry-run")
    assert [task for task in both.script if f"{task}: " in three] == ["1.1.1", "1.1.2", "2.1.1"]
    ran("next", "roadmaps.toml", "-q")
    assert commits(both.root, "roadmap/lib") == ["executor(1.1.1): Add"]
    assert "project of api, lib" in ran("run", "roadmaps.toml", "--task", "x:1", code=2)
    assert "project.lib: " in ran("run", "roadmaps.toml", "--task", "lib:9", code=2)
    words = ("run", "roadmaps.toml", "-q", "--test-command", "test ! -e notes.txt")
    told = ran(*words, "--task", "lib:1.1.2", "--retries", "0", "--land", code=1)
    assert "stoker roadmap run roadmaps.toml --retry-failed" in told
    assert not (both.root / "add.py").exists()  # together or not at all
    assert "run roadmaps.toml" not in ran("resume", code=1)
    assert set(json.loads(ran("review", "--json"))["projects"]) == {"lib"}

    both.script["1.1.2"] = [operation("sub", "a - b")]
    ran(*words, "--retry-failed", "--land", "--branch", "work/x")
    assert commits(both.root, "work/x") == []  # they are landed
    assert (both.root / "sub.py").exists()
    assert not (tmp_path / "api" / "mul.py").exists()
    assert "1.1.2 try 1 verified: Sub" in ran("memory", "show", "--run", "last")

    told = ran("run", "roadmaps.toml", "-q", "--test-command", "true")
    assert "api: the work is on the branch roadmap/api" in told
    ran("reset", "--branch")
    assert "roadmap" not in git(tmp_path / "api", "branch", "--format=%(refname)")
    assert "Api: 0 of 2 done" in ran("status", "roadmaps.toml")


def test_unreadable(tmp_path: Path) -> None:
    for action in ("next", "run", "status"):
        done = roadmap(tmp_path, action, "roadmaps.toml")
        assert done.returncode == 2
        assert "expected a workspace file: No such file" in done.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[project.a]\npath = "x"\ndepends_on = ["b"]', "there is no 'b'"),
        ("[project.a]\npath = 3", "Expected `str`, got `int`"),
        ("[project.a", "table declaration"),
        (
            '[project.a]\npath = "x"\ndepends_on = ["b"]\n'
            '[project.b]\npath = "y"\ndepends_on = ["a"]',
            "projects wait for each other: a -> b -> a",
        ),
        ('checkpoint = [["a"], ["a"]]\n[project.a]\npath = "x"', "each project in one group"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "roadmaps.toml").write_text(text)
    with pytest.raises(PlanError, match=r"roadmaps\.toml") as error:
        read(tmp_path / "roadmaps.toml")
    assert why in str(error.value)


# Checkpoints of several repositories.


def made(tmp_path: Path, count: int = 3) -> list[Ref]:
    refs = []
    for number in range(count):
        root = tmp_path / f"r{number}"
        git(tmp_path, "init", "-q", "-b", "main", root.name)
        for name in ("user.name", "user.email"):
            git(root, "config", name, "dev@example.com")
        git(root, "commit", "-q", "--allow-empty", "-m", "begin")
        if number:  # of the first there is no branch yet
            git(root, "branch", "roadmap/x")
        git(root, "switch", "-q", "-c", "roadmap-work/x")
        git(root, "commit", "-q", "--allow-empty", "-m", "work")
        git(root, "switch", "-q", "main")
        refs.append(Ref(root=str(root), work="roadmap-work/x", branch="roadmap/x"))
    return refs


def moved(refs: list[Ref]) -> list[bool]:
    heads = [
        git(Path(ref.root), "for-each-ref", "--format=%(objectname)", f"refs/heads/{ref.branch}")
        for ref in refs
    ]
    return [
        head == git(Path(ref.root), "rev-parse", ref.work)
        for head, ref in zip(heads, refs, strict=True)
    ]


KILLED = """
import asyncio, os, sys
from pathlib import Path
from stoker.roadmaps import integration
from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.plan.loader import loads
from stoker.journal.open import open_journal
from stoker.steps.registry import kinds

state, plan, after = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
count = 0

def kills(act):
    async def wrapped(*args):
        global count
        if count == after:
            os.kill(os.getpid(), 9)
        count += 1
        return await act(*args)
    return wrapped

integration.prepare, integration.advance = kills(integration.prepare), kills(integration.advance)

async def main():
    journal = await open_journal(state / "journal.db")
    async with Engine(journal, state, kinds()) as engine:
        run = await engine.start(
            loads(plan, kinds=kinds()).plan, run_id="r", options=RunOptions(cwd=str(state))
        )
        await run.wait()

asyncio.run(main())
"""


def resumed(state: Path) -> tuple[str, list[Event]]:
    async def main() -> tuple[str, list[Event]]:
        journal = await open_journal(state / "journal.db")
        try:
            async with Engine(journal, state, kinds()) as engine:
                outcome = await (await engine.resume("r")).wait()
                return outcome.status, await journal.events("r")
        finally:
            await journal.close()

    return asyncio.run(main())


def plan_of(refs: list[Ref]) -> str:
    return json.dumps({"plan_id": "p", "steps": checkpoint_steps(1, refs, [])})


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("disturbed", [False, True])
def test_killed_between_two_repositories(tmp_path: Path, after: int, disturbed: bool) -> None:
    refs = made(tmp_path)
    state = tmp_path / "state"
    state.mkdir()
    words = [sys.executable, "-c", KILLED, str(state), plan_of(refs), str(after)]
    done = subprocess.run(words, check=False, timeout=100)
    assert done.returncode == -9
    assert moved(refs) == [number < after for number in range(3)]
    if disturbed:  # the last cannot be moved any more: what was is undone
        root = Path(refs[2].root)
        git(root, "switch", "-q", "roadmap/x")
        git(root, "commit", "-q", "--allow-empty", "-m", "somebody's")
        git(root, "switch", "-q", "main")
    status, events = resumed(state)
    assert status == ("failed" if disturbed else "succeeded")
    assert moved(refs) == [not disturbed] * 3
    if disturbed:
        assert "meanwhile" in str([e.data for e in events if e.type == STEP_SETTLED][-1])
        assert git(Path(refs[0].root), "branch", "--list", "roadmap/*") == ""
