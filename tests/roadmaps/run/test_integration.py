"""What a try leaves, taken up and merged, whatever its agent did with git."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from roadmap_world import World, git

from stoker.cli.main import main
from stoker.cli.roadmap_runs import find
from stoker.roadmaps import integration
from stoker.roadmaps.checking import promised
from stoker.roadmaps.detect import read
from stoker.roadmaps.document import Task
from stoker.roadmaps.rollback import revert
from stoker.roadmaps.unit import Job, Unit
from stoker.roadmaps.writeback import mark
from stoker.workspace import recovery, removal
from stoker.workspace.errors import WorktreeDirty
from stoker.workspace.git import Git
from stoker.workspace.repository import Repository
from stoker.workspace.spares import Spares
from stoker.workspace.status import Entries, entries


def test_what_is_merged_is_what_was_verified_whatever_became_of_the_history(
    world: World, tmp_path: Path
) -> None:
    world.write("kept.py", "A = 1\n")
    world.commit()
    git(world.root, "branch", "mine")
    mine = git(world.root, "rev-parse", "mine")
    world.write("later.py", "B = 1\n")
    world.commit()
    base = git(world.root, "rev-parse", "HEAD")

    async def scenario() -> tuple[str, str]:
        repository = await Repository.open(world.root)
        path, branch = integration.place(tmp_path, "x", "run")
        worktree = await integration.room(repository, path, branch, base, Spares(path.parent))
        git(path, "checkout", "-q", "mine")  # the agent
        (path / "new.py").write_text("C = 1\n")
        work, digest = await integration.collect(worktree, base, (), "t", Spares(tmp_path))
        await integration.keep(worktree, work)
        assert git(world.root, "rev-parse", branch) == work
        made, conflicts = await integration.candidate(repository, base, base, work, "m", ())
        assert not conflicts
        again = await integration.collect(
            worktree, base, (), "t", Spares(tmp_path)
        )  # once more, after a crash
        assert again.digest == digest
        return work, made

    work, made = asyncio.run(scenario())
    assert git(world.root, "rev-parse", f"{made}^{{tree}}") == git(
        world.root, "rev-parse", f"{work}^{{tree}}"
    )
    assert git(world.root, "ls-tree", "--name-only", made).split() == ["kept.py", "new.py"]
    assert git(world.root, "rev-parse", f"{work}^") == base
    assert git(world.root, "rev-parse", "mine") == mine


def test_what_a_killed_run_of_the_same_name_left_is_not_built_upon(
    world: World, tmp_path: Path
) -> None:
    world.write("kept.py", "A = 1\n")
    world.commit()
    base = git(world.root, "rev-parse", "HEAD")
    path, branch = integration.place(tmp_path, "x", "run")
    git(world.root, "checkout", "-q", "-b", branch)
    world.write("never_verified.py", "")
    world.commit()
    git(world.root, "checkout", "-q", "main")

    async def scenario() -> str | None:
        repository = await Repository.open(world.root)
        worktree = await integration.room(repository, path, branch, "main", Spares(path.parent))
        return await worktree.head()

    assert asyncio.run(scenario()) == base
    assert not (path / "never_verified.py").exists()


def test_plan_files_are_as_they_were(world: World, tmp_path: Path) -> None:
    world.write("PLAN.md", "- [ ] one\n")
    world.write("kept.py", "A = 1\n")
    world.commit()
    base = git(world.root, "rev-parse", "HEAD")

    async def scenario() -> tuple[str, str]:
        repository = await Repository.open(world.root)
        path, branch = integration.place(tmp_path, "x", "run")
        worktree = await integration.room(repository, path, branch, base, Spares(path.parent))
        (path / "PLAN.md").write_text("- [x] one\n")
        (path / "MORE.md").write_text("- [x] more\n")
        plans, spares = ("PLAN.md", "MORE.md"), Spares(tmp_path)
        nothing, _ = await integration.collect(worktree, base, plans, "t", spares)
        (path / "kept.py").write_text("A = 2\n")
        return nothing, (await integration.collect(worktree, base, plans, "t", spares)).commit

    nothing, work = asyncio.run(scenario())
    assert nothing == base
    assert git(world.root, "diff", "--name-only", base, work) == "kept.py"


def test_names_of_plan_files_are_names_and_no_patterns(world: World, tmp_path: Path) -> None:
    plan = "plan [1] *?.md"
    world.write(plan, "- [ ] one\n")
    world.commit()
    base = git(world.root, "rev-parse", "HEAD")

    async def scenario() -> str:
        repository = await Repository.open(world.root)
        path, branch = integration.place(tmp_path, "x", "run")
        worktree = await integration.room(repository, path, branch, base, Spares(path.parent))
        (path / plan).write_text("- [x] one\n")
        (path / "plan 1 for ours.md").write_text("made\n")
        return (await integration.collect(worktree, base, (plan,), "t", Spares(tmp_path))).commit

    work = asyncio.run(scenario())
    assert git(world.root, "diff", "--name-only", base, work) == "plan 1 for ours.md"


def test_a_checked_out_branch_moves_on_beside_what_is_uncommitted(world: World) -> None:
    world.write("ROADMAP.md", "- [ ] a\n")
    world.commit()
    base = git(world.root, "rev-parse", "HEAD")
    git(world.root, "checkout", "-q", "-b", "work")
    world.write("new.py", "A = 1\n")
    world.commit()
    made = git(world.root, "rev-parse", "HEAD")
    git(world.root, "reset", "-q", "--hard", base)
    world.write("ROADMAP.md", "- [x] a\n")  # ticked by a task before

    async def scenario(to: str) -> None:
        await integration.advance(await Repository.open(world.root), "work", to)

    asyncio.run(scenario(made))
    assert git(world.root, "rev-parse", "work") == made
    assert git(world.root, "status", "--porcelain") == "M ROADMAP.md"
    assert (world.root / "new.py").exists()
    world.write("new.py", "A = 2  # not committed\n")
    git(world.root, "branch", "after", made)
    tree = git(world.root, "rev-parse", f"{base}^{{tree}}")
    less = git(world.root, "commit-tree", "-p", made, "-m", "less", tree)
    with pytest.raises(WorktreeDirty):
        asyncio.run(scenario(less))
    assert "not committed" in (world.root / "new.py").read_text()


@pytest.mark.parametrize("ids", [("one", "two"), ("two",)])
def test_only_what_was_verified_is_ticked(tmp_path: Path, ids: tuple[str, ...]) -> None:
    file = tmp_path / "TODO.md"
    file.write_text(
        "- [ ] Open, and all below is done by hand\n"
        "  - [x] by hand\n"
        "- [ ] Above\n"
        "  - [ ] Middle\n"
        "    - [ ] one\n"
        "    - [ ] two\n"
        "  - [-] not to be done\n"
    )
    before = read(file, root=tmp_path)
    job = Job(root=str(tmp_path), source=str(file), format=before.format, branch="b", base="0" * 40)
    tasks = tuple(task for task in before.walk() if task.title in ids)
    assert mark(job, before, Unit(tasks=tasks), "done") == {}
    text = file.read_text()
    assert "- [ ] Open" in text
    assert "- [-] not to be done" in text
    assert text.count("[x]") == (4 if len(ids) == 2 else 2)


def test_what_was_done_before_stays_ticked_when_its_task_is_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "TODO.md"
    file.write_text("- [ ] Above\n  - [x] long done\n  - [ ] new\n")
    before = read(file, root=tmp_path)
    job = Job(root=str(tmp_path), source=str(file), format=before.format, branch="b", base="0" * 40)
    unit = Unit(tasks=before.tasks)
    assert mark(job, before, unit, "done") == {}
    assert file.read_text().count("[x]") == 3
    assert mark(job, before, unit, "pending") == {}
    assert file.read_text() == "- [ ] Above\n  - [x] long done\n  - [ ] new\n"


def test_settings_and_sidecars_are_not_the_agents_to_write(world: World, tmp_path: Path) -> None:
    world.write("a", "")
    world.commit()
    base = git(world.root, "rev-parse", "HEAD")

    async def scenario() -> str:
        repository = await Repository.open(world.root)
        worktree = await integration.room(
            repository, tmp_path / "try", "roadmap-try/x", base, Spares(tmp_path)
        )
        for path in (".stoker/roadmap.toml", ".executor/state.json", "new.py"):
            file = tmp_path / "try" / path
            file.parent.mkdir(exist_ok=True)
            file.write_text('verify = "skip"\n')
        return (await integration.collect(worktree, base, (), "t", Spares(tmp_path))).commit

    made = asyncio.run(scenario())
    assert git(world.root, "diff", "--name-only", base, made) == "new.py"


@pytest.mark.parametrize("kind", ["file", "link", "links in it"])
def test_sidecars_that_cannot_be_written_stop_nothing(
    world: World, tmp_path: Path, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = world.root / ".executor"
    if kind == "file":
        folder.write_text("")
    elif kind == "link":
        folder.symlink_to(outside)
    else:
        folder.mkdir()
        for name in (".gitignore", ".stoker", "state.json", "todos.json"):
            (folder / name).symlink_to(outside / name)
    world.write("ROADMAP.md", "# P\n\n- [ ] a\n")
    world.commit()
    task = next(iter(read(world.root / "ROADMAP.md", root=world.root).tasks)).id
    world.script = {
        task: [{"a.py": "A = 1\n", "test_a.py": "import a\ndef test_a():\n    assert a.A\n"}]
    }
    assert [one.status for one in world.run().units] == ["done"]
    assert list(outside.iterdir()) == []


def test_what_was_taken_back_is_known_after_a_crash(world: World, tmp_path: Path) -> None:
    world.write("a", "")
    world.commit()
    git(world.root, "branch", "work")
    world.write("b", "")
    git(world.root, "add", "-A")
    message = "executor(1.1.1): x\n\nStoker-Run: r\nStoker-Task: 1.1.1"
    git(world.root, "checkout", "-q", "work")
    git(world.root, "commit", "-q", "-m", message)
    done = git(world.root, "rev-parse", "HEAD")
    git(world.root, "checkout", "-q", "main")

    async def scenario() -> None:
        repository = await Repository.open(world.root)
        words = (repository, tmp_path / "state", "work", "r", ("1.1.1",), "token")
        made, gone = await revert(*words)
        assert gone == (done,)
        assert git(world.root, "ls-tree", "--name-only", "work") == "a"
        assert await revert(*words) == (made, gone)

    asyncio.run(scenario())


def test_the_newest_roadmap_is_found_behind_all_of_its_tries() -> None:
    class Rows:
        rows: ClassVar = [
            SimpleNamespace(created_at=-n, run_id=f"r.{n}", parent_run_id="r", plan_id="try-x")
            for n in range(2_500)
        ]
        rows += [
            SimpleNamespace(created_at=-9e9, run_id="r", parent_run_id=None, plan_id="roadmap-x")
        ]

        async def runs(
            self, *, limit: int, plan_id: str | None, before: tuple[float, str] | None = None
        ) -> list[object]:
            left = [r for r in self.rows if before is None or (r.created_at, r.run_id) < before]
            return list(left[:limit])

    found = asyncio.run(find(None, None, Rows()))  # type: ignore[arg-type]
    assert found.run_id == "r"


def test_of_one_plan_file_there_is_one_run_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    world.write("ROADMAP.md", "# P\n\n- [ ] a\n")
    world.commit()
    monkeypatch.chdir(world.root)
    words = ["roadmap", "run", "ROADMAP.md", "-q"]
    assert main([*words, "--manual", "--run-id", "r"]) != 0
    assert main(words) == 2
    assert "run r of this plan file is not over" in capfd.readouterr().err


def test_a_file_that_a_task_is_to_take_away_need_not_be_there() -> None:
    def unit(title: str) -> Unit:
        return Unit(tasks=(Task(id="1", title=title, line=1, column=1, files=("old.py",)),))

    assert promised(unit("Delete `old.py`")) == ()
    assert promised(unit("**Remove** the flag from old.py")) == ()
    assert promised(unit("Write old.py")) == ("old.py",)


_KILLED = """
import asyncio, os, signal, sys
from stoker.workspace import creation
from stoker.workspace.repository import Repository
async def killed(*args):
    os.kill(os.getpid(), signal.SIGKILL)
creation._check_out = killed
async def main(repo, path):
    await creation.create(await Repository.open(repo), path, "try", "main")
asyncio.run(main(*sys.argv[1:]))
"""


def test_a_worktree_that_a_killed_process_was_making_is_left(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others take it back as soon as they need the repository's lock."""
    world.write("a.txt", "a")
    world.commit()
    path = tmp_path / "worktrees" / "try"
    done = subprocess.run([sys.executable, "-c", _KILLED, world.root, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (path / ".git").exists()

    async def main() -> None:
        repository = await Repository.open(world.root)

        async def meanwhile(tree: Git) -> Entries:
            await recovery.sweep(repository)  # by others, at this very moment
            return await entries(tree)

        monkeypatch.setattr(removal, "entries", meanwhile)
        await integration.leave(repository, path, "try")
        assert not path.exists()
        made = await integration.room(repository, path, "try", "main", Spares(tmp_path))
        assert (made.path / "a.txt").read_text() == "a"

    asyncio.run(main())
