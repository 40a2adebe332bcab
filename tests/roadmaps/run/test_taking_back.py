"""What was done is taken back; checkpoints have tags; budgets end a run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from roadmap_world import git
from shell_world import Shell, plan

from stoker.roadmaps import task_kind
from stoker.roadmaps.bench import Bench
from stoker.roadmaps.unit import Unit
from stoker.roadmaps.writeback import write_back

CHAIN = """\
# Tasks: Plan

## Phase 1: Setup

- [ ] T001 [P] one
- [ ] T002 [P] two (depends on T001)
- [ ] T003 [P] three (depends on T002)
- [ ] T004 [P] four
"""


def test_what_depends_on_it_goes_with_it(shell: Shell) -> None:
    file, branch = "specs/001-x/tasks.md", "roadmap/tasks-plan"
    shell.begin(**{"specs/001-x/tasks__md": CHAIN})
    shell.roadmap("run", file)
    told = shell.roadmap("rollback", "--task", "T001", code=2)
    assert "T002, T003 depend on T001: --cascade" in told
    assert shell.read(file).count("[x]") == 4
    shell.roadmap("rollback", "--task", "T001", "--cascade")
    assert shell.files(branch) == {"T004.rb"}
    assert shell.read(file) == CHAIN.replace("[ ] T004", "[x] T004")
    assert "T002 is pending: there is nothing that could be taken back" in shell.roadmap(
        "rollback", "--task", "T002", code=2
    )
    shell.roadmap("run", file)
    assert shell.files(branch) == {"T001.rb", "T002.rb", "T003.rb", "T004.rb"}
    assert "[ ]" not in shell.read(file)


def test_what_is_just_merged_as_all_is_taken_back_goes_with_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged, going = asyncio.Event(), asyncio.Event()
    failed, take_back = task_kind._Try._failed, Bench.take_back

    async def marked(bench: Bench, run: str, unit: Unit, *more: Any, **how: Any) -> dict[str, str]:
        merged.set()
        await going.wait()
        return await write_back(bench, run, unit, *more, **how)

    async def given_up(this: Any, *more: Any) -> Any:
        await merged.wait()
        return await failed(this, *more)

    async def taken_back(bench: Bench, *more: Any) -> None:
        await take_back(bench, *more)
        going.set()

    monkeypatch.setattr(task_kind, "write_back", marked)
    monkeypatch.setattr(task_kind._Try, "_failed", given_up)
    monkeypatch.setattr(Bench, "take_back", taken_back)
    shell.begin(ROADMAP__md=plan("one", "two"))
    shell.script = {"1.1.2/*": {"b.rb": "BROKEN"}}
    words = ("--strategy", "rollback_all", "--retries", "0", "--parallel", "2")
    told = shell.roadmap("run", "ROADMAP.md", *words, code=1)
    assert "all that the run had done is taken back" in told
    assert shell.log()[0] == "executor(1.1.1): T1"
    assert shell.files() == set()
    assert "[x]" not in shell.read()
    found = shell.standing()
    assert found.pop("1.1.1") in ("pending", "skipped")  # it may end before the run does
    assert found == {"1.1.2": "failed"}


def test_ids_that_fit_no_line_of_a_commit_are_found_on_it(shell: Shell) -> None:
    tasks = [{"id": one, "title": f"T {one}", "status": "pending"} for one in ("5  ", "6\t\n7")]
    shell.begin(**{"tasks__json": json.dumps({"tasks": tasks})})
    shell.roadmap("run", "tasks.json", "--grouping", "section")
    assert shell.files("roadmap/tasks") == {".rb"}
    shell.roadmap("rollback", "--task", "6\t\n7")
    assert shell.files("roadmap/tasks") == set()
    assert shell.read("tasks.json").count("pending") == 2


def test_what_was_built_upon_in_the_same_lines_is_not_torn_out(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    shell.script = {"1.1.1/1": {"a.rb": "first"}, "1.1.2/1": {"a.rb": "second"}}
    shell.roadmap("run", "ROADMAP.md")
    tip = git(shell.root, "rev-parse", "roadmap/plan")
    told = shell.roadmap("rollback", "--task", "1.1.1", code=1)
    assert "a.rb" in told
    assert git(shell.root, "rev-parse", "roadmap/plan") == tip
    assert git(shell.root, "worktree", "list").count("\n") == 0
    assert shell.read().count("[x]") == 2
    shell.roadmap("rollback", "--task", "1.1.1", "--task", "1.1.2")
    assert shell.files() == set()
    assert "[x]" not in shell.read()


def test_tags_after_so_many_tasks(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two", "three", "four", "five"))
    shell.roadmap("run", "ROADMAP.md", "--checkpoint", "2")
    tags = git(shell.root, "tag", "--sort=creatordate").split()
    commits = git(shell.root, "rev-list", "--reverse", "main..roadmap/plan").split()
    assert {git(shell.root, "rev-parse", tag) for tag in tags} == {commits[1], commits[3]}
    assert all(tag.startswith("roadmap/plan/") for tag in tags)


def test_nothing_is_written_by_a_dry_run(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))

    def all_() -> dict[str, bytes]:
        found = (path for path in shell.root.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in found}

    git(shell.root, "status")  # it refreshes its index once
    before = all_()
    for words in (("run",), ("next",), ("run", "--parallel", "2", "--land")):
        told = shell.roadmap(*words, "ROADMAP.md", "--dry-run")
        assert "1.1.1: T1" in told
    assert all_() == before


def test_one_after_the_other_and_at_most_so_many(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two", "three", "four"))
    shell.roadmap("next", "ROADMAP.md")
    assert shell.standing() == {"1.1.1": "done"}
    shell.roadmap("run", "ROADMAP.md", "--max-tasks", "2")
    assert shell.standing() == {"1.1.2": "done", "1.1.3": "done"}
    assert "1.1.4: T4" in shell.roadmap("next", "ROADMAP.md", "--dry-run")
    shell.roadmap("next", "ROADMAP.md")
    assert "nothing is to be done" in shell.roadmap("next", "ROADMAP.md")
    assert len(shell.log()) == 4
