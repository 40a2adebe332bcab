"""A person is asked, looks, and answers."""

from __future__ import annotations

from shell_world import Shell, plan


def test_before_a_task_begins(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    shell.settings('[task."1.1.2"]\napprove = "before"\n')
    told = shell.roadmap("run", "ROADMAP.md", "--run-id", "r", code=3)
    assert "Begin 1.1.2: T2?: stoker approve r 1.1.2" in told
    assert shell.log() == ["executor(1.1.1): T1"]
    shell.told("approve", "r", "1.1.2")
    assert shell.log() == ["executor(1.1.1): T1", "executor(1.1.2): T2"]


def test_work_waits_for_a_look_before_it_is_merged(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    shell.settings('[phase.1]\napprove = "after"\n')
    told = shell.roadmap("run", "ROADMAP.md", "--run-id", "r", code=3)
    assert "stoker approve r 1.1.1" in told
    assert shell.log() == []
    told = shell.roadmap("review", "--task", "1.1.1")
    assert "+made for 1.1.1" in told
    assert "stoker approve r 1.1.1" in told
    told = shell.told("approve", "r", "1.1.2", code=2)
    assert "waiting are review in run r.1.1.1.1" in told

    assert "stoker approve r 1.1.2" in shell.told("approve", "r", "1.1.1", code=3)
    assert shell.log() == ["executor(1.1.1): T1"]
    told = shell.told("reject", "r.1.1.2.1", "review", "--comment", "not like that", code=1)
    assert "go on with the run it is part of: stoker resume r" in told
    shell.roadmap("resume", code=1)
    assert shell.standing() == {"1.1.1": "done", "1.1.2": "failed"}
    assert "not like that" in shell.roadmap("review")
    assert shell.read().count("[x]") == 1
    assert shell.log() == ["executor(1.1.1): T1"]


def test_after_each_try_that_fails(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one"))
    shell.script = {"1.1.1/1": {"a.rb": "BROKEN"}, "1.1.1/2": {"a.rb": "good"}}
    words = ("run", "ROADMAP.md", "--run-id", "r", "--strategy", "manual")
    told = shell.roadmap(*words, code=3)
    assert "try 1 failed: sh check.sh (settings) failed" in told
    assert "Try 1.1.1 again?: stoker approve r 1.1.1" in told
    shell.told("approve", "r", "1.1.1")
    assert shell.standing() == {"1.1.1": "done"}


def test_a_yes_after_every_so_many_tasks(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two", "three"))
    words = ("run", "ROADMAP.md", "--run-id", "r", "--require-approval", "2")
    assert "Begin 1.1.3: T3?" in shell.roadmap(*words, code=3)
    assert shell.standing() == {"1.1.1": "done", "1.1.2": "done", "1.1.3": "pending"}


def test_what_nothing_could_verify_is_accepted(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    shell.write(".stoker/roadmap.toml", 'agent = "COMMAND:SHELL"\n')  # and no tests in the project
    shell.roadmap("run", "ROADMAP.md")
    assert shell.standing() == {"1.1.1": "done-unverified", "1.1.2": "done-unverified"}
    assert "[x]" not in shell.read()
    assert "if it is good: stoker roadmap review --accept 1.1.2" in shell.roadmap("review")
    shell.roadmap("review", "--accept", "1.1.2")
    assert shell.read() == plan("one", "two").replace("[ ] **T2", "[x] **T2")
    assert "it has 1.1.1, 1.1.2" in shell.roadmap("review", "--accept", "9", code=2)
