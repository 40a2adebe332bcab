"""The commands that are one request each: there is one for everything a client can ask, in a
server and without one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from stoker import cli
from stoker.cli.main import main, parser
from stoker.cli.verb_table import TABLE
from stoker.client import api, work
from stoker.client.operation import Feed, Operation

VERBS = [
    pytest.param(verb, id=f"{command} {name}")
    for command, table in TABLE.items()
    for name, verb in table.items()
]
GROUPS = {
    name.lower(): group
    for module in (api, work)
    for name, group in vars(module).items()
    if isinstance(group, type) and any(isinstance(one, Operation) for one in vars(group).values())
}
_PICTURE = bytes.fromhex("89504e470d0a1a0a0000000d49484452")
SCRIPT = json.dumps([{"edit": "b", "content": "two\n"}])


def operation(verb):
    group, _, name = verb.operation.partition(".")
    return vars(GROUPS[group])[name]


def test_there_is_a_command_for_everything_a_client_can_ask_of_tasks():
    sources = "".join(file.read_text() for file in Path(cli.__file__).parent.glob("*.py"))
    written = set(re.findall(r"client\.(\w+\.\w+)\(", sources))
    written |= {verb.operation for table in TABLE.values() for verb in table.values()}
    known = {
        f"{group}.{name}"
        for group, found in GROUPS.items()
        if group not in ("runs", "plans", "chains")  # whose commands work on the journal
        for name, one in vars(found).items()
        if isinstance(one, Operation | Feed)
    }
    assert known - written == {"tasks.show"}  # as `view` does


@pytest.mark.parametrize("verb", VERBS)
def test_help_tells_of_all_that_a_request_takes(verb):
    asked = operation(verb)
    fields = msgspec.structs.fields(asked.takes) if isinstance(asked.takes, type) else ()
    assert set(verb.takes) == {field.name for field in fields}


@pytest.fixture
def stoker(repository, monkeypatch, capfd):
    """`stoker(*words)`: a command in the repository, in this process for the sake of speed."""
    for name in [name for name in os.environ if name.startswith("STOKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(repository)

    def run(*words, code=0):
        assert main(words) == code, (words, capfd.readouterr())
        return capfd.readouterr()

    return run


def test_with_a_server(server, stoker):
    """The state directory is the server's, so it is found without being named."""
    attempt = begun(stoker)
    assert "no dev_script" in stoker("task", "dev-server", "start", attempt, code=2).err
    stoker("project", "edit", "--dev-script", "exec sleep 60")
    stoker("task", "dev-server", "start", attempt)
    step = document(stoker, "task", "dev-server", "show", attempt)["step"]
    assert "stopped" in stoker("task", "dev-server", "stop", attempt, step).err
    newest = begun(stoker)
    page = stoker("task", "attempts", "--limit", "1")
    assert page.out.startswith(newest)
    cursor = re.search(r"--cursor (\S+)\n", page.err)[1]
    rest = stoker("task", "attempts", "--cursor", cursor)
    assert (rest.out[:8], rest.err) == (attempt, "")
    assert "uptime_sec" in stoker("server", "stats").out
    assert "status           ok" in stoker("server", "ready").out
    assert "/dev-server' status=20" in server.log


def test_without_a_server(repository, stoker, tmp_path, monkeypatch):
    monkeypatch.setenv("STOKER_DB", str(tmp_path / "alone" / "journal.db"))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    with_projects(stoker, repository)
    with_the_library(stoker, tmp_path)
    with_an_attempt(stoker, repository)
    with_agents_servers(stoker, tmp_path)
    attempt = begun(stoker)
    refused = stoker("task", "dev-server", "start", attempt, code=2)
    assert "needs a server" in refused.err
    assert "forgotten" in stoker("project", "remove").err


def begun(stoker):
    done = stoker("task", "start", SCRIPT, "-a", "SCRIPTED")
    return re.search(r"attempt (\w{8})", done.err)[1]


def document(stoker, *words):
    return json.loads(stoker(*words, "--json").out)


def with_projects(stoker, repository):
    added = stoker("project", "add", "--wip-limit", "3", "--reviewers", "ada")
    assert "wip_limit        3" in added.out
    assert document(stoker, "project", "edit", "--wip-limit", "")["wip_limit"] is None
    name = repository.name
    assert stoker("project", "list").out.endswith(f"  {name}  {repository}\n")
    changed = document(stoker, "project", "edit", "--reviewers", "", "--auto-pull-request")
    assert (changed["reviewers"], changed["auto_pull_request"]) == ([], True)
    stoker("project", "edit", "--no-auto-pull-request")
    assert stoker("project", "branches", "--project", name).out.startswith("main  ")
    wrong = stoker("project", "show", "--project", "nope", code=2)
    assert "no projects are called or begin with 'nope'" in wrong.err


def with_the_library(stoker, tmp_path):
    (tmp_path / "pixel.png").write_bytes(_PICTURE)
    stoker("task", "tag", "add", "polite", "--content", "Please.")
    stoker("task", "tag", "edit", "polite", "--content", "Thanks.")
    assert stoker("task", "tag", "list").out.endswith("  polite  Thanks.\n")
    assert "is gone" in stoker("task", "tag", "remove", "polite").err
    stoker("task", "template", "add", "bug", "Fix it", "--description", "Well.")
    changed = document(stoker, "task", "template", "edit", "bug", "--description", "")
    assert (changed["title"], changed["description"]) == ("Fix it", None)
    image = document(stoker, "task", "image", "add", str(tmp_path / "pixel.png"))["image_id"]
    stoker("task", "image", "file", image, "-o", str(tmp_path / "copy.png"))
    assert (tmp_path / "copy.png").read_bytes() == _PICTURE

    task = document(stoker, "task", "create", "T")["task_id"]
    edited = document(stoker, "task", "edit", task[:8], "--labels", "a", "--images", image)
    assert edited["labels"] == ["a"]
    assert image in stoker("task", "image", "list", task[:8]).out
    stoker("task", "delete", task[:8])


def with_an_attempt(stoker, repository):
    attempt = begun(stoker)
    assert "inreview" in document(stoker, "task", "edit", attempt, "--agent", "")["status"]
    assert re.match(r"\w+-.*  SCRIPTED  ", stoker("task", "attempts").out)
    assert stoker("task", "approvals").out == ""
    assert "commits_ahead    1" in stoker("task", "status", attempt).out
    assert stoker("task", "search", attempt, "b").out.splitlines()[0] == "b"
    head = document(stoker, "task", "status", attempt)["head_oid"]
    assert document(stoker, "task", "commit", attempt, head)["is_linear"] is True
    assert stoker("task", "children", attempt).out == ""
    assert stoker("task", "pulls", attempt).out == ""

    stoker("task", "draft", "save", attempt, "follow_up", "--prompt", SCRIPT)
    draft = document(stoker, "task", "draft", "save", attempt, "follow_up", "--prompt", "x")
    assert (draft["prompt"], draft["version"], draft["queued"]) == ("x", 2, False)
    stale = ("draft", "queue", attempt, "--expected-version", "1")
    assert "has version 2, not 1" in stoker("task", *stale, code=2).err
    assert "is gone" in stoker("task", "draft", "remove", attempt, "follow_up").err
    stoker("task", "draft", "remove", attempt, "retry")

    again = json.dumps([{"edit": "c", "content": "three\n"}])
    assert "* added c" in stoker("task", "replace", attempt, again, "--turn", "1").out
    assert stoker("task", "diff", attempt, "--stat").out == "added c (+1 -0)\n"
    backup = stoker("task", "backup", "list", attempt).out.split()[0]
    stoker("task", "backup", "restore", attempt, backup)
    assert stoker("task", "diff", attempt, "--stat").out == "added b (+1 -0)\n"
    assert "commit" in stoker("task", "delete-file", attempt, "b").out
    subprocess.run(["git", "-C", repository, "branch", "other"], check=True)
    target = document(stoker, "task", "target", attempt, "other")
    assert target["target_branch_name"] == "other"
    assert "forgotten" in stoker("task", "forget", attempt).err
    assert stoker("task", "attempts").out == ""


def with_agents_servers(stoker, tmp_path):
    servers = tmp_path / "servers.json"
    servers.write_text(json.dumps({"files": {"command": "mcp-files"}}))
    stoker("task", "mcp", "set", "CODEX", str(servers))
    assert "[mcp_servers.files]" in (tmp_path / "codex/config.toml").read_text()
    assert "mcp-files" in stoker("task", "mcp", "show", "CODEX").out
    wrong = stoker("task", "mcp", "show", "SCRIPTED", code=2)
    assert "has no MCP servers of its own" in wrong.err
    servers.write_text("{")
    assert "expected JSON" in stoker("task", "mcp", "set", "CODEX", str(servers), code=2).err


def test_completion_and_help_know_them():
    import shtab

    script = shtab.complete(parser(), shell="bash")
    assert "--expected-version" in script
    assert "dev_server" in script
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "stoker", "task", "draft", "queue", "-h"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "have it sent as soon as the agent is idle" in done.stdout.lower()
    assert "httpx" not in done.stderr
