"""Repositories and projects that are not as one would wish."""

from __future__ import annotations

from pathlib import Path

from roadmap_world import git
from shell_world import Shell, plan

from stoker.cli.main import main


def test_outside_of_any_repository(tmp_path: Path, monkeypatch, capfd) -> None:
    (tmp_path / "ROADMAP.md").write_text(plan("one"))
    monkeypatch.chdir(tmp_path)
    assert main(["roadmap", "run", "ROADMAP.md"]) == 2
    told = capfd.readouterr().err
    assert "not a git repository" in told
    assert "git init" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ROADMAP.md"]


def test_without_a_commit(shell: Shell) -> None:
    git(shell.root, "init", "-q")
    shell.write("ROADMAP.md", plan("one"))
    told = shell.roadmap("run", "ROADMAP.md", code=2)
    assert "expected a commit to begin from" in told


def test_no_such_file(shell: Shell) -> None:
    shell.begin()
    told = shell.roadmap("run", "ROADMAP.md", code=2)
    assert "ROADMAP.md" in told
    assert "Traceback" not in told


def test_a_detached_head(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one"))
    git(shell.root, "checkout", "-q", "--detach")
    shell.roadmap("run", "ROADMAP.md")
    assert shell.log() == ["executor(1.1.1): T1"]
    assert git(shell.root, "rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    shell.roadmap("rollback", "--task", "1.1.1")
    shell.roadmap("run", "ROADMAP.md", "--land", "-q")
    assert (shell.root / "1_1_1.rb").exists()


def test_a_branch_of_that_name_with_somebody_s_work(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one"))
    git(shell.root, "checkout", "-q", "-b", "roadmap/plan")
    shell.write("theirs.rb", "theirs")
    git(shell.root, "add", "theirs.rb")
    git(shell.root, "commit", "-q", "-m", "theirs")
    git(shell.root, "checkout", "-q", "main")
    told = shell.roadmap("run", "ROADMAP.md")
    assert "going on with roadmap/plan, which has 1 commit" in told
    assert shell.log() == ["theirs", "executor(1.1.1): T1"]


def test_a_title_in_any_script_is_the_branch_s_name(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one").replace("# Plan", "# 計画 Élan"))
    assert "on the branch roadmap/計画-élan: " in shell.roadmap("run", "ROADMAP.md", "-q")
    assert shell.log("roadmap/計画-élan") == ["executor(1.1.1): T1"]


def test_a_branch_that_is_in_the_way(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one"))
    git(shell.root, "branch", "roadmap")  # so that there can be none below it
    told = shell.roadmap("run", "ROADMAP.md", code=2)
    assert "roadmap" in told
    assert "--branch" in told
    shell.roadmap("run", "ROADMAP.md", "--branch", "work")
    assert shell.log("work") == ["executor(1.1.1): T1"]


def test_the_roadmap_s_branch_is_checked_out(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one"))
    git(shell.root, "checkout", "-q", "-b", "roadmap/plan")
    shell.roadmap("run", "ROADMAP.md")
    assert (shell.root / "1_1_1.rb").read_text() == "made for 1.1.1\n"
    assert git(shell.root, "status", "--porcelain") == "M ROADMAP.md"


def test_an_agent_that_is_not_there(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    told = shell.roadmap("run", "ROADMAP.md", "--agent", "NOBODY", code=2)
    assert "unknown executor 'NOBODY'" in told
    assert "expected the program" in shell.roadmap("run", "ROADMAP.md", "--agent", "CODEX", code=2)
    assert git(shell.root, "branch", "--format=%(refname:short)") == "main"


def test_two_runs_of_one_file_at_once(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one", "two"))
    shell.settings('[phase.1]\napprove = "before"\n')
    shell.roadmap("run", "ROADMAP.md", "--run-id", "r", code=3)
    told = shell.roadmap("run", "ROADMAP.md", code=2)
    assert "run r of this plan file is not over" in told
    assert "stoker roadmap resume r" in told
    shell.told("cancel", "r", code=0)
    shell.settings("")
    shell.roadmap("run", "ROADMAP.md")
    assert len(shell.log()) == 2
