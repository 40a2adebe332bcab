"""Plan files of other tools, run whole: order, gates, and status in their own way."""

from __future__ import annotations

import json

import pytest
from roadmap_world import git
from shell_world import Shell

KIRO = """\
# Implementation Plan

- [ ] 1. Set up
  - [ ] 1.1 First half
    - _Requirements: 1.1_
  - [ ] 1.2 Second half
- [ ] 2. Checkpoint - Ensure all tests pass
- [ ] 3. Finish
- [ ]* 4. Write property tests
"""
SPEC_KIT = """\
# Tasks: Login

## Phase 1: Setup

- [ ] T001 Create structure

## Phase 2: Foundational

- [ ] T002 [P] Model in model.rb
- [ ] T003 [P] Service in service.rb

## Phase 3: User Story 1 - Sign in

- [ ] T004 [US1] Sign in
"""
TASKMASTER = """\
{
\t"master": {
\t\t"tasks": [
\t\t\t{ "id": 1, "title": "Depot", "status": "pending", "dependencies": [2], "subtasks": [] },
\t\t\t{ "id": 2, "title": "Login", "status": "pending", "dependencies": [],
\t\t\t  "subtasks": [ { "id": 1, "title": "Form", "status": "pending" } ] }
\t\t],
\t\t"metadata": { "x": 1 }
\t}
}
"""
PRD = """\
{
  "project": "P",
  "branchName": "ralph/p",
  "userStories": [
    { "id": "US-1", "title": "One", "priority": 2, "passes": false, "acceptanceCriteria": ["a"] },
    { "id": "US-2", "title": "Two", "priority": 1, "passes": false, "acceptanceCriteria": ["b"] }
  ]
}
"""
CURSOR = """\
---
name: Plan
overview: Something
todos:
  - id: setup
    content: Set up
    status: pending
  - id: finish
    content: Finish
    status: pending
isProject: false
---

# Plan
"""
BACKLOG = """\
---
id: task-{n}
title: {title}
status: To Do
assignee: []
dependencies: {after}
---

## Acceptance Criteria
<!-- AC:BEGIN -->
- [ ] #1 it works
<!-- AC:END -->
"""


def branch(shell: Shell) -> str:
    return str(json.loads(shell.roadmap("review", "--json"))["branch"])


def test_kiro(shell: Shell) -> None:
    file = ".kiro/specs/login/tasks.md"
    shell.begin(**{file.replace(".md", "__md"): KIRO})
    shell.roadmap("run", file)
    assert shell.standing() == {"1": "done", "2": "done", "3": "done"}
    assert shell.log(branch(shell)) == ["executor(1): Set up", "executor(3): Finish"]
    assert shell.read(file) == KIRO.replace("- [ ] ", "- [x] ")


def test_a_checkpoint_that_does_not_pass_holds_up_what_follows(shell: Shell) -> None:
    file = ".kiro/specs/login/tasks.md"
    shell.begin(**{file.replace(".md", "__md"): KIRO})
    shell.settings('[task."1"]\ncommand = "true"\n')  # it is let through
    shell.script = {"1/1": {"a.rb": "BROKEN"}}
    shell.roadmap("run", file, "--retries", "0", code=1)
    assert shell.standing() == {"1": "done", "2": "failed", "3": "blocked"}
    assert "- [x] 1." in shell.read(file)
    assert "- [ ] 2. Checkpoint" in shell.read(file)


def test_subtasks_one_by_one(shell: Shell) -> None:
    file = ".kiro/specs/login/tasks.md"
    shell.begin(**{file.replace(".md", "__md"): KIRO})
    shell.script = {"1.2/*": {"b.rb": "BROKEN"}}
    shell.roadmap("run", file, "--execution-mode", "todo", "--retries", "0", code=1)
    found = shell.standing()
    assert found["1.1"] == "done"
    assert found["1.2"] == "failed"
    text = shell.read(file)
    assert "- [x] 1.1 First half" in text
    assert "- [ ] 1.2 Second half" in text
    assert "- [ ] 1. Set up" in text  # not before all of it
    shell.script = {}
    shell.roadmap("run", file, "--execution-mode", "todo")
    assert shell.read(file) == KIRO.replace("- [ ] ", "- [x] ")


def test_spec_kit_phases_are_barriers(shell: Shell) -> None:
    file = "specs/001-login/tasks.md"
    shell.begin(**{file.replace(".md", "__md"): SPEC_KIT})
    shell.write("specs/001-login/spec.md", "# Feature: Login\n")
    service = {"T003/*": {"service.rb": "good"}}
    shell.script = {"T002/*": {"model.rb": "BROKEN"}, **service}
    shell.roadmap("run", file, "--parallel", "3", "--retries", "0", code=1)
    assert shell.standing() == {
        **{"T001": "done", "T002": "failed", "T003": "done", "T004": "blocked"}
    }
    assert shell.read(file) == SPEC_KIT.replace("[ ] T001", "[x] T001").replace(
        "[ ] T003", "[x] T003"
    )
    shell.script = {"T002/*": {"model.rb": "good"}}
    told = shell.roadmap("run", file, "--retry-failed", "--dry-run")
    assert [line.split(":")[0] for line in told.splitlines() if "[COMMAND" in line] == [
        *("T002", "T004")
    ]
    shell.roadmap("run", file, "--retry-failed")
    assert shell.read(file) == SPEC_KIT.replace("[ ]", "[x]")


def test_checklists_of_a_spec_that_are_open_keep_it_from_being_run(shell: Shell) -> None:
    file = "specs/001-login/tasks.md"
    shell.begin(**{file.replace(".md", "__md"): SPEC_KIT})
    shell.write("specs/001-login/checklists/ux.md", "# UX\n\n- [ ] CHK001 Is it?\n")
    told = shell.roadmap("run", file, code=2)
    assert "specs/001-login/checklists/ux.md:3" in told
    assert "--ignore-gates" in told
    assert "T001" in shell.roadmap("run", file, "--ignore-gates", "--dry-run")


@pytest.mark.parametrize(
    ("file", "text", "open_", "closed", "order"),
    [
        (".taskmaster/tasks/tasks.json", TASKMASTER, '"pending"', '"done"', ["2", "1"]),
        ("prd.json", PRD, '"passes": false', '"passes": true', ["US-2", "US-1"]),
        (
            *(".cursor/plans/a.plan.md", CURSOR, "status: pending", "status: completed"),
            ["setup", "finish"],
        ),
    ],
)
def test_status_is_written_in_the_way_of_the_tool(
    shell: Shell, file: str, text: str, open_: str, closed: str, order: list[str]
) -> None:
    shell.begin()
    shell.write(file, text)
    shell.roadmap("run", file)
    assert list(shell.standing()) == order
    assert shell.read(file) == text.replace(open_, closed)


def test_an_agent_is_told_all_that_a_task_says_once(shell: Shell) -> None:
    shell.begin()
    said = {
        **{"description": "People sign in", "details": "With a password.\n" + "Long. " * 2_000},
        **{"acceptanceCriteria": ["a wrong one is refused"], "testStrategy": "by hand"},
        "subtasks": [{"id": 1, "title": "Form", "status": "pending", "details": "two fields"}],
    }
    task = {"id": 1, "title": "Login", "status": "pending", **said}
    shell.write("tasks/tasks.json", json.dumps({"master": {"tasks": [task]}}))
    shell.agent = "cat > told.txt"
    shell.roadmap("run", "tasks/tasks.json", "--memory-budget", "4000")
    told = git(shell.root, "show", f"{branch(shell)}:told.txt")
    assert "# What is known" in told
    for one in (
        "People sign in",
        "a wrong one is refused",
        "by hand",
        "### 1.1: Form",
        "two fields",
    ):
        assert told.count(one) == 1, one
    assert told.count("Long.") == 2_000


def test_backlog(shell: Shell) -> None:
    shell.begin()
    folder = "backlog/tasks"
    shell.write(
        "backlog/config.yml", 'project_name: "P"\nstatuses: ["To Do", "In Progress", "Done"]\n'
    )
    names = {1: f"{folder}/task-1 - One.md", 2: f"{folder}/task-2 - Two.md"}
    shell.write(names[1], BACKLOG.format(n=1, title="One", after="[task-2]"))
    shell.write(names[2], BACKLOG.format(n=2, title="Two", after="[]"))
    shell.roadmap("run", "backlog")
    assert list(shell.standing().values()) == ["done", "done"]
    for name in names.values():
        assert "\nstatus: Done\n" in shell.read(name)
