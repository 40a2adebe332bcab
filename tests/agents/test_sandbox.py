"""The sandbox of an agent: what it can reach, and what it cannot."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys

import pytest
from agent_bench import Bench

from stoker.agents import sandbox
from stoker.agents.sandbox import _trouble
from stoker.agents.stream import Command

BWRAP = shutil.which("bwrap")
works = pytest.mark.skipif(
    BWRAP is None or _trouble(BWRAP, True) is not None,
    reason="bubblewrap does not work on this machine",
)


@pytest.fixture
def bench(tmp_path):
    """With a home that holds a secret, and another directory beside the worktree."""
    made = Bench(tmp_path)
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "key").write_text("SECRET")
    (home / ".state").mkdir()
    (home / ".state" / "own").write_text("OWN")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("SECRET")
    made.env["HOME"] = str(home)
    return made


def outputs(bench, *commands, **settings):
    settings = {"confine": "always", **settings}
    profile = bench.profile("SCRIPTED", **settings)
    ran = bench.script(*({"run": command} for command in commands), profile=profile)
    assert ran.outcome.status == "succeeded", ran.reason
    return [(one.status, one.output.strip()) for one in ran.all(Command)]


@works
def test_it_cannot_read_outside(bench, tmp_path):
    state = bench.state / "journal.db"
    places = [tmp_path / "home/.ssh/key", tmp_path / "other/file", state, "/etc/shadow"]
    found = outputs(bench, *(f"cat {place}" for place in places), "cat ~/.ssh/key", "ls ~ ..")
    assert [status for status, _ in found[:3]] == ["failed"] * 3
    assert "SECRET" not in str(found)
    assert "root:" not in found[3][1]
    assert "other" not in found[-1][1]


@works
def test_it_cannot_write_outside(bench, tmp_path):
    found = outputs(
        bench,
        f"echo x > {tmp_path}/other/file",
        f"echo x > {tmp_path}/other/new",
        "echo x > /usr/new",
        "echo x > /etc/new",
        f"echo x > {bench.state}/new",
        "ln -s / root; echo x > root/usr/new",
        "echo x > /tmp/new; echo x > ~/new",  # gone with it
        "echo inside > file",
    )
    assert [status for status, _ in found] == ["failed"] * 6 + ["succeeded"] * 2
    assert (tmp_path / "other" / "file").read_text() == "SECRET"
    assert not (tmp_path / "other" / "new").exists()
    assert not (tmp_path / "home" / "new").exists()
    assert (bench.cwd / "file").read_text() == "inside\n"


@works
def test_it_sees_no_processes_of_others(bench):
    ((_, listed),) = outputs(bench, "ls -d /proc/[0-9]* | wc -l")
    assert int(listed) < 10


@works
def test_what_its_profile_names_is_there(bench, tmp_path):
    found = outputs(
        bench,
        "cat ~/.state/own; echo more >> ~/.state/own",
        f"cat {tmp_path}/other/file; echo x > {tmp_path}/other/file",
        "echo kept > ~/.new/state/file",
        writable=["~/.state", "~/.new/state/"],
        readable=[str(tmp_path / "other")],
    )
    assert found[0] == ("succeeded", "OWN")
    assert found[1][0] == "failed"
    assert "SECRET" in found[1][1]
    assert (tmp_path / "home/.new/state/file").read_text() == "kept\n"
    assert (tmp_path / "home/.state/own").read_text() == "OWNmore\n"
    assert (tmp_path / "other" / "file").read_text() == "SECRET"


@works
@pytest.mark.parametrize("network", ["on", "off"])
def test_the_network_is_as_the_profile_says(bench, network):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        ((status, told),) = outputs(bench, f'{sys.executable} -c "{code}"', network=network)
    assert status == ("succeeded" if network == "on" else "failed"), told
    assert network == "on" or "refused" in told or "unreachable" in told


@works
def test_it_commits_in_its_worktree_and_touches_no_other(bench, tmp_path):
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    repository = tmp_path / "repository"

    def run(*words: object) -> str:
        return subprocess.run(
            [*git, *map(str, words)], cwd=repository, check=True, capture_output=True, text=True
        ).stdout

    repository.mkdir()
    run("init", "-q", "-b", "main")
    run("commit", "-q", "--allow-empty", "-m", "first")
    run("worktree", "add", "-q", "-b", "mine", bench.cwd)
    run("worktree", "add", "-q", "-b", "other", tmp_path / "second")
    words = " ".join(git)
    metadata = repository / ".git"
    found = outputs(
        bench,
        f"echo x > file && {words} add file && {words} commit -q -m mine",
        f"ls {repository}/.git/hooks && echo evil > {metadata}/hooks/pre-commit",
        f"git config core.pager evil; echo evil >> {metadata}/config",
        f"echo x > {metadata}/worktrees/second/HEAD",
        "rm .git",
        f"ls {tmp_path}/second",
    )
    assert [status for status, _ in found] == ["succeeded"] + ["failed"] * 5
    assert run("log", "--format=%s", "mine").split() == ["mine", "first"]
    assert "evil" not in (metadata / "config").read_text()
    assert not (metadata / "hooks" / "pre-commit").exists()


@works
def test_a_worktree_that_names_another_repository_gets_nothing_of_it(bench, tmp_path):
    victim = tmp_path / "victim"
    subprocess.run(["git", "init", "-q", victim], check=True)
    (victim / ".git" / "worktrees" / "x").mkdir(parents=True)
    (bench.cwd / ".git").write_text(f"gitdir: {victim}/.git/worktrees/x\n")
    assert outputs(bench, f"ls {victim}")[0][0] == "failed"


def test_without_bubblewrap_it_is_refused_or_warned_of(bench, monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda *_, **__: None)
    ran = bench.script({"say": "x"}, profile=bench.profile("SCRIPTED", confine="always"))
    assert "needs a sandbox: bubblewrap is not installed" in (ran.reason or "")


def test_a_warning_says_what_is_not_confined(bench, monkeypatch):
    monkeypatch.setattr(sandbox, "_trouble", lambda *_: "bubblewrap does not work here: no")
    monkeypatch.setattr(sandbox.shutil, "which", lambda *_, **__: "/usr/bin/bwrap")
    ran = bench.script({"say": "x"}, profile=bench.profile("SCRIPTED", network="off"))
    assert ran.outcome.status == "succeeded", ran.reason
    warned = (bench.state / "runs/r/logs/s.1.err").read_text()
    assert warned.startswith("stoker: no sandbox: bubblewrap does not work here: no;")
    assert "also the network" in warned
