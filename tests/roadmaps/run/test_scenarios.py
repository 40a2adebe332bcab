"""What may come between a plan file and its work: each once, with everything real."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest
from model_server import Refuse, Say
from roadmap_world import World, git

from stoker.plan.errors import PlanError
from stoker.roadmaps.begin import prepare
from stoker.steps.registry import kinds

TEST = "import base\n\n\ndef test_base():\n    assert base.BASE == 1\n"


def plain(world: World, *titles: str, head: str = "# Plan\n\n", **files: str) -> None:
    lines = "".join(f"- [ ] **T{n}** {title}\n" for n, title in enumerate(titles, 1))
    world.write("ROADMAP.md", f"{head}## Phase 1: One\n\n### 1.1 Section\n{lines}")
    world.write("base.py", "BASE = 1\n")
    world.write("test_base.py", TEST)
    for path, text in files.items():
        world.write(path.replace("__", "."), text)
    world.commit()


def module(name: str, value: int = 1) -> dict[str, str]:
    return {
        f"{name}.py": f"VALUE = {value}\n",
        f"test_{name}.py": f"import {name}\n\n\ndef test_{name}():\n"
        f"    assert {name}.VALUE == {value}\n",
    }


def roadmap(world: World) -> str:
    return (world.root / "ROADMAP.md").read_text()


def stoker(world: World, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stoker", "roadmap", *words],
        cwd=world.root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_who_only_claims_to_be_done_is_not(world: World) -> None:
    plain(world, "claim", "another")
    world.script = {"1.1.1": [Say("All done, all tests pass!")], "1.1.2": [module("after")]}
    found = world.run(retries=1)
    claim = found.units[0]
    assert (claim.status, len(claim.tries)) == ("failed", 2)
    assert "nothing was changed" in claim.reason
    assert "- [ ] **T1**" in roadmap(world)
    assert world.log("roadmap/plan") == ["executor(1.1.2): T2"]
    assert found.status == "failed"


def test_a_test_that_is_weakened_is_seen_and_work_is_not_taken(world: World) -> None:
    plain(world, "break the base")
    cheat = {
        "base.py": "BASE = 2\n",
        "test_base.py": "def test_base():\n    pass\n",
        "conftest.py": "collect_ignore = ['test_base.py']\n",
    }
    world.script = {"1.1.1": [cheat]}
    found = world.run(retries=0)
    assert found.units[0].status == "failed"
    assert world.log("roadmap/plan") == []
    assert "[x]" not in roadmap(world)


def test_boxes_that_the_agent_ticks_are_not_its_to_tick(world: World) -> None:
    plain(world, "one", "two")
    ticked = roadmap(world).replace("[ ]", "[x]")
    world.script = {
        "1.1.1": [{"ROADMAP.md": ticked, **module("one")}],
        "1.1.2": [Say("it was ticked already")],
    }
    found = world.run(retries=0)
    assert [one.status for one in found.units] == ["done", "failed"]
    assert roadmap(world).count("[x]") == 1
    assert git(world.root, "diff", "--name-only", "main", "roadmap/plan").split() == [
        *("one.py", "test_one.py")
    ]


def test_a_conflict_goes_back_to_the_agent(world: World) -> None:
    plain(world, "left", "right", **{"shared__txt": "zero\n"})
    both = threading.Barrier(2, timeout=60)
    met = set[str]()

    def meet(task: str, number: int) -> None:
        if task not in met:  # both are cut before either is merged
            met.add(task)
            both.wait()

    world.on_request = meet
    world.script = {
        "1.1.1": [{"shared.txt": "left\n", **module("left")}, {"shared.txt": "left and right\n"}],
        "1.1.2": [{"shared.txt": "right\n", **module("right")}, {"shared.txt": "left and right\n"}],
    }
    found = world.run(parallel=2, retries=0)
    assert [one.status for one in found.units] == ["done", "done"]
    (again,) = [text for _, _, text in world.prompts if "# Conflicts" in text]
    assert "- shared.txt" in again
    assert world.show("roadmap/plan", "shared.txt") == "left and right"
    assert sorted(len(one.tries) for one in found.units) == [1, 2]


def test_a_rate_limit_pauses_and_uses_up_no_retry(world: World) -> None:
    plain(world, "limited")
    refused = [Refuse(429, retry_after=0.2)]

    def policy_once(task: str, number: int) -> None:
        world.script["1.1.1"] = [refused.pop()] if refused else [module("limited")]

    world.on_request = policy_once
    found = world.run(retries=0)
    assert found.units[0].status == "done"
    assert [one.category for one in found.units[0].tries] == ["rate_limit", None]


def test_a_budget_of_tries_defers_the_rest(world: World) -> None:
    plain(world, "one", "two")
    world.script = {"1.1.1": [module("one")], "1.1.2": [module("two")]}
    found = world.run(budget={"iterations": 1})
    assert [one.status for one in found.units] == ["done", "deferred"]
    assert "budget of 1 tries" in found.units[1].reason


def test_groups_are_one_try_and_one_checkpoint(world: World) -> None:
    plain(world, "one", "two", "three")
    world.script = {"1.1.1": [{**module("one"), **module("two"), **module("three")}]}
    found = world.run(grouping="section")
    assert [one.unit.ids for one in found.units] == [("1.1.1", "1.1.2", "1.1.3")]
    assert world.log("roadmap/plan") == ["executor(1.1.1, 1.1.2, 1.1.3): T1 and 2 more"]
    assert roadmap(world).count("[x]") == 3


def test_a_file_edited_meanwhile_is_merged_by_who_the_tasks_are(world: World) -> None:
    plain(world, "one", "two", "three")
    path = world.root / "ROADMAP.md"

    def edit(task: str, number: int) -> None:
        if task == "1.1.1":
            text = path.read_text()
            # Reordered, one more before all, one ticked by hand, all while an agent works.
            lines = text.splitlines(keepends=True)
            head, (one, two, three) = lines[:-3], lines[-3:]
            new = "- [ ] **Brand new** thing\n"
            path.write_text("".join([*head, new, three, two.replace("[ ]", "[x]"), one]))

    world.on_request = edit
    world.script = {name: [module("m" + name[-1])] for name in ("1.1.1", "1.1.3")}
    found = world.run(max_tasks=3)  # so that the new one is left for another run
    assert [one.status for one in found.units] == ["done", "done-unverified", "done"]
    assert "by hand, or by an agent" in found.units[1].reason
    assert roadmap(world).splitlines()[-4:] == [
        "- [ ] **Brand new** thing",
        "- [x] **T3** three",
        "- [x] **T2** two",
        "- [x] **T1** one",
    ]
    assert world.log("roadmap/plan") == ["executor(1.1.1): T1", "executor(1.1.3): T3"]


def test_work_without_any_test_is_done_unverified_and_not_ticked(world: World) -> None:
    world.write("ROADMAP.md", "# Plan\n\n## Phase 1: One\n\n### 1.1 S\n- [ ] **T1** write\n")
    world.commit()
    world.script = {"1.1.1": [{"notes.txt": "hello\n"}]}
    found = world.run()
    assert [one.status for one in found.units] == ["done-unverified"]
    assert "[x]" not in roadmap(world)
    assert world.log("roadmap/plan") == ["executor(1.1.1): T1"]


def test_failed_work_is_kept_on_a_branch_of_its_own(world: World) -> None:
    plain(world, "break it")
    world.script = {"1.1.1": [{"base.py": "BASE = 2\n"}]}
    found = world.run(retries=0, strategy="branch_and_merge")
    assert "roadmap/plan-1-1-1" in found.units[0].reason
    assert world.show("roadmap/plan-1-1-1", "base.py") == "BASE = 2"


def test_all_that_a_run_has_done_is_taken_back(world: World) -> None:
    plain(world, "good", "bad", "never begun")
    world.script = {"1.1.1": [module("good")], "1.1.2": [{"base.py": "BASE = 2\n"}]}
    before = git(world.root, "rev-parse", "main^{tree}")
    found = world.run(retries=0, strategy="rollback_all")
    assert "taken back" in found.units[1].reason
    assert [one.status for one in found.units] == ["pending", "failed", "blocked"]
    assert git(world.root, "rev-parse", "roadmap/plan^{tree}") == before
    assert git(world.root, "status", "--porcelain") == ""


def test_a_person_is_asked_before_and_after(world: World) -> None:
    plain(world, "one", "two")
    world.script = {"1.1.1": [module("one")], "1.1.2": [module("two")]}
    found = world.run(approve_every=1)
    assert found.status not in ("succeeded", "failed")
    assert [one.status for one in found.units] == ["done", "pending"]


def test_open_checklists_keep_it_from_beginning(world: World) -> None:
    from stoker.roadmaps.document import Criterion, Gate
    from stoker.roadmaps.plan import refusals
    from stoker.roadmaps.settings import Settings

    plain(world, "one")
    prepared = asyncio.run(prepare(world.root / "ROADMAP.md", world.state, {}, kinds=kinds()))
    from msgspec.structs import replace

    gate = Gate(
        name="requirements",
        path="checklists/requirements.md",
        items=(Criterion(text="a", done=True, line=3), Criterion(text="b", line=4)),
    )
    found = replace(prepared.roadmap, gates=(gate,))
    (problem,) = refusals(found, Settings())
    assert "checklists/requirements.md:4" in str(problem)
    assert "1 of 2 are open" in str(problem)
    assert refusals(found, Settings(ignore_gates=True)) == []


def test_a_plan_file_outside_of_a_repository_is_refused(tmp_path) -> None:
    (tmp_path / "ROADMAP.md").write_text("# X\n")
    with pytest.raises(PlanError, match="not a git repository"):
        asyncio.run(prepare(tmp_path / "ROADMAP.md", tmp_path, {}, kinds=kinds()))


def test_the_command_line(world: World) -> None:
    plain(world, "one", "two (depends on 1.1.1)", "three")
    names = ("one", "two", "three")
    world.script = {f"1.1.{n}": [module(name)] for n, name in enumerate(names, 1)}
    (world.root / "base.py").write_text("BASE = 1  # mine\n")
    git(world.root, "add", "base.py")
    before = git(world.root, "diff", "--cached")

    told = stoker(world, "run", "ROADMAP.md", "--dry-run")
    assert "1.1.1: T1" in told
    assert "not seen by the agents: base.py" in told
    assert stoker(world, "next", "ROADMAP.md").count("1.1.1") >= 1
    assert roadmap(world).count("[x]") == 1
    stoker(world, "run", "ROADMAP.md", "--parallel", "2", "--land", "-q")
    assert roadmap(world).count("[x]") == 3
    # The work is there, and what was not committed is as it was.
    assert (world.root / "three.py").read_text() == "VALUE = 1\n"
    assert git(world.root, "diff", "--cached") == before

    told = stoker(world, "review")
    assert "done" in told
    assert "python -m pytest: exit 0" in told
    assert "+VALUE = 1" in stoker(world, "review", "--task", "1.1.3")
    assert "nothing is to be done" in stoker(world, "run", "ROADMAP.md")

    stoker(world, "rollback", "--task", "1.1.3", "-q")
    assert roadmap(world).count("[x]") == 2
    assert "three.py" not in git(world.root, "ls-tree", "--name-only", "roadmap/plan")
    assert "two.py" in git(world.root, "ls-tree", "--name-only", "roadmap/plan")
    told = stoker(world, "review")
    assert "rolled back" in told
    stoker(world, "run", "ROADMAP.md", "-q")
    assert "three.py" in git(world.root, "ls-tree", "--name-only", "roadmap/plan")
    stoker(world, "reset")
