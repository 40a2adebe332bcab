"""What runs have done, what the plan file says, and what people say of it: the journal holds."""

from __future__ import annotations

import json

import pytest
from roadmap_world import git
from shell_world import AGENT, Shell, plan

UNVERIFIED = 'agent = "COMMAND:SHELL"\n'
"""Settings: nothing verifies, and there are no tests in the project."""


@pytest.fixture
def unverified(shell: Shell) -> Shell:
    shell.begin(ROADMAP__md=plan("one", "two"))
    shell.write(".stoker/roadmap.toml", UNVERIFIED)
    shell.roadmap("next", "ROADMAP.md", "--run-id", "first")
    return shell


def sidecar(shell: Shell) -> dict[str, str]:
    state = json.loads(shell.read(".executor/state.json"))
    return {name: task["status"] for name, task in state["tasks"].items()}


def status(shell: Shell, file: str = "ROADMAP.md") -> dict[str, dict[str, object]]:
    found = json.loads(shell.roadmap("status", file, "--json"))
    return {one["id"]: one for one in found["runs"]}


# Work that nothing could verify.


def test_it_waits_for_a_look_and_is_not_done_again(unverified: Shell) -> None:
    told = unverified.roadmap("run", "ROADMAP.md", "--run-id", "second")
    assert "1.1.1 waits for a person's review: " in told
    assert "stoker roadmap review" in told
    assert unverified.log() == ["executor(1.1.1): T1", "executor(1.1.2): T2"]
    assert "nothing is to be done" in unverified.roadmap("run", "ROADMAP.md")
    assert unverified.log() == ["executor(1.1.1): T1", "executor(1.1.2): T2"]

    told = unverified.roadmap("review")  # also of the run before, each with its diff
    for name in ("1.1.1", "1.1.2"):
        assert f"if it is good: stoker roadmap review --accept {name}" in told
        assert f"+made for {name}" in told
    found = json.loads(unverified.roadmap("review", "--json"))["tasks"]
    assert [(one["run_id"], one["to_review"]) for one in found] == [
        *(("second", True), ("first", True))
    ]
    assert all("+made for" in one["diff"] for one in found)
    assert "0 of 2 done, 2 review" in unverified.roadmap("status", "ROADMAP.md")


@pytest.mark.parametrize("words", [("--retry-failed",), ("--task", "1.1.1")])
def test_it_is_done_again_when_that_is_asked_for(unverified: Shell, words: tuple[str, ...]) -> None:
    unverified.script = {"1.1.1/1": {"again.rb": "better"}}
    unverified.roadmap("run", "ROADMAP.md", *words)
    assert unverified.log() == ["executor(1.1.1): T1", "executor(1.1.1): T1"]
    assert "again.rb" in unverified.files()


def test_it_is_done_again_when_its_branch_is_gone(unverified: Shell) -> None:
    git(unverified.root, "branch", "-D", "roadmap/plan")
    unverified.roadmap("run", "ROADMAP.md")
    assert unverified.log() == ["executor(1.1.1): T1", "executor(1.1.2): T2"]


def test_accepted_it_is_done_everywhere(unverified: Shell) -> None:
    told = unverified.roadmap("review", "--accept", "1.1.1", "--comment", "I have looked")
    assert "1.1.1: done" in told
    assert unverified.read().count("[x]") == 1
    assert unverified.standing() == {"1.1.1": "done"}
    assert "I have looked" in unverified.roadmap("review")
    assert sidecar(unverified) == {"1.1.1": "completed"}
    unverified.roadmap("resume", "first")
    assert sidecar(unverified) == {"1.1.1": "completed"}
    assert "1 of 2 done" in unverified.roadmap("status", "ROADMAP.md")
    told = unverified.roadmap("run", "ROADMAP.md", "--run-id", "second")
    assert "1.1.1 waits" not in told
    assert unverified.log() == ["executor(1.1.1): T1", "executor(1.1.2): T2"]
    # Of a run that is no longer the newest, whose sidecars they are.
    assert unverified.standing() == {"1.1.2": "done-unverified"}
    unverified.roadmap("review", "--accept", "1.1.2")
    assert "2 of 2 done" in unverified.roadmap("status", "ROADMAP.md")
    assert sidecar(unverified) == {"1.1.2": "completed"}


def test_rejected_it_is_taken_back_and_done_again(unverified: Shell) -> None:
    told = unverified.roadmap("review", "--reject", "1.1.1", "--comment", "not so")
    assert "1.1.1: pending" in told
    assert unverified.files() == set()
    assert sidecar(unverified) == {"1.1.1": "pending"}
    assert "rolled back: not so" in unverified.roadmap("review")
    assert "0 of 2 done" in unverified.roadmap("status", "ROADMAP.md")
    unverified.roadmap("run", "ROADMAP.md")
    assert unverified.files() == {"1_1_1.rb", "1_1_2.rb"}


LISTENS = AGENT + 'printf "%s\\n" "$told" > told.rb\n'
"""It keeps what it is told."""


@pytest.mark.parametrize("reset", [(), ("reset", "first"), ("reset", "first", "--branch")])
def test_why_it_was_rejected_is_told_to_who_does_it_again(
    unverified: Shell, reset: tuple[str, ...]
) -> None:
    unverified.roadmap("review", "--reject", "1.1.1", "--comment", "not so: ${{ up }}\nnever down")
    if reset:
        unverified.roadmap(*reset)
    unverified.agent = LISTENS
    unverified.roadmap("run", "ROADMAP.md", "--max-tasks", "1")
    told = git(unverified.root, "show", "roadmap/plan:told.rb")
    assert "they turned down\n\n- not so: ${{ up }}\nnever down\n\n" in told
    unverified.roadmap("review", "--reject", "1.1.1", "--comment", "worse")
    unverified.roadmap("run", "ROADMAP.md", "--max-tasks", "1")
    told = git(unverified.root, "show", "roadmap/plan:told.rb")
    assert "- not so: ${{ up }}\nnever down\n- worse\n\n" in told
    unverified.roadmap("run", "ROADMAP.md")
    assert "turned down" not in git(unverified.root, "show", "roadmap/plan:told.rb")  # of another


def test_why_it_was_not_merged_is_told_to_who_does_it_again(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one"))
    shell.settings('approve = "after"\n')
    shell.roadmap("run", "ROADMAP.md", "--run-id", "r", code=3)
    shell.told("reject", "r", "1.1.1", "--comment", "not like that", code=1)
    shell.agent = LISTENS
    shell.roadmap("run", "ROADMAP.md", "--retry-failed", "--run-id", "s", code=3)
    shell.told("approve", "s", "1.1.1")
    told = git(shell.root, "show", "roadmap/plan:told.rb")
    assert "they turned down\n\n- refused: rejected by " in told
    assert ": not like that\n" in told


def test_what_depends_on_it_goes_on_and_is_not_left_without_it(shell: Shell) -> None:
    file = "specs/001-x/tasks.md"
    text = "# Tasks: Plan\n\n## Phase 1: A\n\n- [ ] T001 one\n- [ ] T002 two (depends on T001)\n"
    shell.begin(**{"specs/001-x/tasks__md": text})
    shell.write(".stoker/roadmap.toml", UNVERIFIED)
    shell.roadmap("run", file)
    told = shell.roadmap("review", "--reject", "T001", code=2)
    assert "T002 depend on T001" in told
    assert len(shell.log("roadmap/tasks-plan")) == 2


def test_it_is_known_by_its_file_also_where_the_directory_is_named(shell: Shell) -> None:
    text = "# Tasks: Plan\n\n## Phase 1: A\n\n- [ ] T001 one\n"
    shell.begin(**{"specs/001-x/tasks__md": text})
    shell.write(".stoker/roadmap.toml", UNVERIFIED)
    shell.roadmap("run", "specs/001-x/tasks.md")
    assert "T001 waits for a person's review" in shell.roadmap("run", "specs/001-x")
    assert len(shell.log("roadmap/tasks-plan")) == 1


def test_what_is_lost_with_its_branch_is_open_again(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    shell.roadmap("next", "ROADMAP.md", "--land")
    shell.roadmap("next", "ROADMAP.md")
    assert shell.read().count("[x]") == 2
    git(shell.root, "switch", "-q", "roadmap/plan")
    assert "roadmap/plan" in shell.roadmap("reset", "--branch", code=2)
    assert shell.read().count("[x]") == 2
    git(shell.root, "switch", "-q", "main")
    assert "1.1.2: pending" in shell.roadmap("reset", "--branch")
    assert shell.read() == plan("one", "two").replace("[ ] **T1", "[x] **T1")
    assert "1 of 2 done" in shell.roadmap("status", "ROADMAP.md")
    shell.roadmap("run", "ROADMAP.md", "--land")
    assert (shell.root / "1_1_2.rb").exists()


def test_a_dry_run_as_json_and_the_tasks_in_the_summary(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    (first, _) = json.loads(shell.roadmap("run", "ROADMAP.md", "--dry-run", "--json"))["tasks"]
    assert (first["tasks"], first["after"]) == (["1.1.1"], [])
    shell.script = {"1.1.1/*": {"a.rb": "BROKEN"}}
    told = shell.roadmap("run", "ROADMAP.md", "--retries", "0", code=1)
    assert "1 done, 1 failed" in told
    told = shell.roadmap("memory", "show", "--run", "last")
    assert "1.1.2 try 1 verified: T2 (1 file, 0 tokens)" in told


# Ticks that cannot be written.


def in_the_way(shell: Shell, what: str) -> None:
    """As the plan file is found when the first task is done."""
    command = {
        "vanished": 'mv "$REPO/ROADMAP.md" "$REPO/gone.md"',
        "read-only": 'mv "$REPO/ROADMAP.md" "$REPO/gone.md"; mkdir "$REPO/ROADMAP.md"',
        "removed": """sed -i '/T1/d' "$REPO/ROADMAP.md\"""",
    }[what]
    shell.confine = "never"
    shell.agent = f'REPO={shell.root}\n{AGENT}\ncase "$id" in 1.1.1) {command};; esac\n'


@pytest.mark.parametrize("what", ["vanished", "read-only", "removed"])
def test_a_tick_that_cannot_be_written_is_owed(shell: Shell, what: str) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    in_the_way(shell, what)
    told = shell.roadmap("run", "ROADMAP.md", "--max-tasks", "1", "--run-id", "r", code=1)
    assert "done" in shell.standing()["1.1.1"]
    shell.agent = AGENT
    if what == "removed":
        assert "it is not in the file now" in shell.roadmap("review")
        shell.write("ROADMAP.md", plan("one", "two"))
    else:
        assert "1.1.1 is done, but not ticked: " in told
        assert "stoker roadmap sync ROADMAP.md" in told
        if what == "read-only":
            (shell.root / "ROADMAP.md").rmdir()
        (shell.root / "gone.md").rename(shell.root / "ROADMAP.md")
    # Nothing is lost: it is told, it is not done again, and it can be written later.
    told = shell.roadmap("status", "ROADMAP.md")
    assert "1 of 2 done" in told
    assert "1.1.1 is done, but not ticked: " in told
    assert status(shell)["1.1.1"]["not_written"]
    assert "1.1.2: T2" in shell.roadmap("next", "ROADMAP.md", "--dry-run")
    assert "1.1.1: of run r" in shell.roadmap("sync", "ROADMAP.md", "--dry-run")
    assert "1.1.1: done" in shell.roadmap("sync", "ROADMAP.md")
    assert shell.read() == plan("one", "two").replace("[ ] **T1", "[x] **T1")
    assert "not ticked" not in shell.roadmap("status", "ROADMAP.md")
    assert "says what the runs have done" in shell.roadmap("sync", "ROADMAP.md")
    # Who opens a box that was ticked has it done again.
    shell.write("ROADMAP.md", plan("one", "two"))
    assert "1.1.1: T1" in shell.roadmap("next", "ROADMAP.md", "--dry-run")


def test_what_was_not_to_be_ticked_is_not_done_again(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    shell.roadmap("next", "ROADMAP.md", "--no-sync")
    assert "[x]" not in shell.read()
    shell.roadmap("run", "ROADMAP.md", "--no-sync")
    assert shell.log() == ["executor(1.1.1): T1", "executor(1.1.2): T2"]
    assert "nothing is to be done" in shell.roadmap("run", "ROADMAP.md")
    shell.roadmap("sync", "ROADMAP.md")
    assert shell.read().count("[x]") == 2


# Ticks without evidence.


def test_a_box_that_an_agent_ticks_in_the_users_own_file(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    shell.script = {"1.1.1/*": {"a.rb": "BROKEN"}}
    shell.confine = "never"
    shell.agent = f"{AGENT}\nsed -i 's/\\[ \\]/[x]/' {shell.root}/ROADMAP.md\n"
    told = shell.roadmap("run", "ROADMAP.md", "--retries", "1", "--run-id", "r", code=1)
    assert shell.read().count("[x]") == 2
    # Its own task is tried until it is verified, or has failed; the other is not taken for done.
    assert shell.standing() == {"1.1.1": "failed", "1.1.2": "done-unverified"}
    assert "1.1.1 is ticked, but run r has not shown that it is done: it is failed" in told
    assert "1.1.2 waits for a person's review: ticked by hand, or by an agent" in told
    assert "0 of 2 done, 2 review" in shell.roadmap("status", "ROADMAP.md")
    assert status(shell)["1.1.1"]["ticked_without_evidence"] is True
    told = shell.roadmap("next", "ROADMAP.md")
    assert "1.1.1 is ticked, but" in told
    assert sidecar(shell) == {"1.1.1": "failed", "1.1.2": "done-unverified"}
    shell.roadmap("review", "--reject", "1.1.2")
    assert shell.read() == plan("one", "two").replace("[ ] **T1", "[x] **T1")
    shell.agent = AGENT
    shell.roadmap("run", "ROADMAP.md")
    assert shell.log() == ["executor(1.1.2): T2"]


def test_a_tick_by_hand_before_a_run_holds(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    shell.write("ROADMAP.md", plan("one", "two").replace("[ ] **T1", "[x] **T1"))
    shell.roadmap("run", "ROADMAP.md")
    assert shell.log() == ["executor(1.1.2): T2"]
    told = shell.roadmap("status", "ROADMAP.md")
    assert "2 of 2 done" in told
    assert "ticked" not in told
