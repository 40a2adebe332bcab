"""`stoker task` with a server: one that is named, and one that runs on the state directory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from serving import Server, wait_for

GATE = {"run": "until [ -e go ]; do sleep 0.05; done"}


@pytest.fixture
def stoker(server, repository):
    """`stoker(*words)`: run a command in the repository, beside the server's directory."""

    def run(*words: str, directory: Path = repository, **environment: str):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("STOKER_")}
        return subprocess.run(
            [sys.executable, "-m", "stoker", "task", *words],
            cwd=directory,
            env={**kept, **environment},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def document(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_task_through_the_server_that_runs_here(server, stoker, scripted):
    """The state directory is the server's, so it is found without being named."""
    written = document(stoker("create", scripted({"fail": "tired"}), "-d", "", "--json"))
    assert written["status"] == "todo"
    script = scripted({"say": "I add it."}, GATE, {"edit": "b", "content": "x\n"})
    begun = stoker("start", script, "-a", "SCRIPTED", "--detach", "--json")
    view = document(begun)
    key = view["attempt"]["attempt_id"][:8]
    assert view["busy"] is True
    assert f"in {server.directory}/.stoker/worktrees" in begun.stderr
    assert "POST' path='/v1/attempts' status=201 by='local'" in server.log

    more = stoker("follow-up", key, scripted({"edit": "c", "content": "y"}), "--detach")
    assert "is at work" in more.stderr
    assert document(stoker("view", key, "--json"))["attempt"]["queued"]["queued"] is True
    Path(view["attempt"]["worktree"], "go").touch()
    assert stoker("logs", "-f", key).stdout.count("* added") == 2
    shown = stoker("view", key)
    assert re.search(r"agent-2 +succeeded", shown.stdout)
    assert document(stoker("diff", key, "--json"))["changes"][1]["new_content"] == "y"
    entries = [json.loads(line) for line in stoker("logs", key, "--json").stdout.splitlines()]
    assert {one["turn"] for one in entries} == {1, 2}
    assert document(stoker("merge", key, "--json"))["changed"] is True
    listed = document(stoker("list", "--json"))
    assert [one["task"]["status"] for one in listed] == ["todo", "done"]
    assert stoker("remove", key).returncode == 0
    again = stoker("start", "--task", written["task_id"][:6], "-a", "SCRIPTED")
    assert (again.returncode, "tired" in again.stderr) == (1, True)


def test_agents_are_answered_and_stopped(server, stoker, scripted):
    asks = scripted({"run": "touch asked", "ask": True}, {"say": "on I go"}, GATE)
    begun = document(stoker("start", asks, "-a", "SCRIPTED:APPROVALS", "--detach", "--json"))
    key = begun["attempt"]["attempt_id"][:8]
    follower = subprocess.Popen(
        [sys.executable, "-u", "-m", "stoker", "task", "logs", "-f", key],
        cwd=server.directory / "repository",
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert any(line.startswith("? asks") for line in iter(follower.stdout.readline, ""))
        assert "allowed: " in stoker("approve", key, "--always").stderr
        wait_for(Path(begun["attempt"]["worktree"], "asked"))
        assert stoker("approve", "nothing").returncode == 2
        stopped = document(stoker("stop", key, "--json"))
        assert (stopped["busy"], stopped["status"]) == (False, "canceled")
        follower.communicate(timeout=60)
        assert follower.returncode == 0
    finally:
        follower.kill()


def test_a_server_is_named_by_option_or_environment(server, stoker, tmp_path, scripted):
    elsewhere = tmp_path / "repository/elsewhere"
    (elsewhere / ".stoker").mkdir(parents=True)
    nothing = stoker("list", directory=elsewhere)
    assert (nothing.returncode, "no journal" in nothing.stderr) == (2, True)
    assert stoker("create", "T", "--server", server.url, directory=elsewhere).returncode == 0
    for found in (
        stoker("list", directory=elsewhere, STOKER_URL=server.url, HTTP_PROXY="http://127.0.0.1:1"),
        stoker("--server", server.url, "list", directory=elsewhere),
    ):
        assert found.stdout.startswith("todo ")
    refused = stoker("list", "--server", "http://127.0.0.1:1")
    assert (refused.returncode, "no answer from" in refused.stderr) == (2, True)
    wrong = stoker("list", STOKER_URL=server.url, STOKER_TOKEN="wrong")
    assert (wrong.returncode, "token" in wrong.stderr) == (2, True)


def test_tokens_of_others_do_not_keep_the_owner_out(server, stoker):
    server.stoker("serve", "token", "create", "--scope", "read", "--name", "other")
    assert stoker("create", "T").returncode == 0
    assert "401" not in server.log


def test_what_is_said_of_the_server_goes_with_it(tmp_path, repository, stoker, server):
    (told,) = (tmp_path / ".stoker").glob("server-*.json")
    assert told.stat().st_mode & 0o777 == 0o600
    assert stoker("create", "T").returncode == 0
    server.kill()
    assert told.exists()
    assert stoker("list").stdout.startswith("todo ")
    with Server(tmp_path):
        assert "by='local'" in (stoker("create", "U"), server.log)[1]
    assert not told.exists()


def test_another_journal_of_the_directory_is_not_the_servers(server, stoker):
    """A server on one journal is no answer for whoever names another."""
    assert stoker("create", "T").returncode == 0
    other = stoker("list", STOKER_DB=str(server.directory / ".stoker/other.db"))
    assert (other.returncode, "no journal" in other.stderr) == (2, True)


def test_what_cannot_be_meant(server, stoker):
    for words, said in (
        (("view", "x"), "no attempt begins with 'x'"),
        (("view", ""), "no attempt begins with ''"),
        (("start",), "expected exactly one of a title and --task ID"),
        (("start", "T", "--task", "x"), "expected exactly one of"),
        (("start", "T", "-a", "NOBODY"), "unknown executor 'NOBODY'"),
    ):
        done = stoker(*words)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    task = document(stoker("create", "T", "--json"))["task_id"]
    assert "has no attempt" in stoker("stop", task[:8]).stderr


CORE = "import sys; sys.modules.update(dict.fromkeys(('litestar', 'uvicorn', 'websockets', 'mcp')))"


def test_an_installation_without_extras(server, repository, scripted, tmp_path):
    """It asks a server; where none runs, it says what is missing, and leaves nothing behind."""

    def core(*words):
        return subprocess.run(
            [
                *(sys.executable, "-c"),
                f"{CORE}; from stoker.cli.main import main; sys.exit(main({words!r}))",
            ],
            cwd=repository,
            env={k: v for k, v in os.environ.items() if not k.startswith("STOKER_")},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

    done = core("task", "start", scripted({"say": "I do."}), "-a", "SCRIPTED")
    assert (done.returncode, "I do." in done.stdout) == (0, True), done.stderr
    state = tmp_path / "elsewhere"
    for words in (("task", "start", "T"), ("project", "add"), ("task", "tag", "list")):
        done = core(*words, "--db", str(state / "journal.db"))
        assert done.returncode == 2
        assert "pip install 'stoker[server]'" in done.stderr
        assert "--server URL" in done.stderr
        assert not state.exists()
