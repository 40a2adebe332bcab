"""Commands that destroy something wait for a person: `--pause-destructive`."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from model_server import Call, Say
from roadmap_world import git
from scenario_shop import BRANCH, Shop

TASK = "- [ ] **Tidy**: the directory `old` goes; `shop/new.py` comes\n"
OLD = {"old/a.txt": "a\n"}
RUN = ("run", "ROADMAP.md", "--run-id", "r", "--pause-destructive")
TEST = "from shop.new import N\n\n\ndef test_new():\n    assert N\n"
QUESTION = "BUILTIN asks (it may destroy something: filesystem): sudo -n true; sh -c 'rm -rf old'"


def work(*commands: str) -> Say:
    """What the agent does: commands, then files."""
    runs = [Call("execute", {"command": command}) for command in commands]
    files = {"shop/new.py": "N = 1\n", "tests/test_new.py": TEST}
    writes = [Call("write_file", {"path": p, "content": text}) for p, text in files.items()]
    return Say("I begin", calls=(*runs, *writes))


@pytest.fixture
def tidying(shop: Shop) -> Shop:
    shop.begin(TASK, more=OLD)
    shop.script = {"1.1.1": [work("rm old/none || ls", "sudo -n true; sh -c 'rm -rf old'")]}
    return shop


def last_result(shop: Shop) -> str:
    """What the agent was told of its commands."""
    talks = [request.conversation for request in shop.server.requests]
    return "\n".join(result.text for talk in talks if talk for result in talk.results)


def test_it_waits_and_goes_on_once_it_is_approved(tidying: Shop) -> None:
    told = tidying.stoker(*RUN, code=3)
    assert f"{QUESTION}: stoker approve r 1.1.1" in told
    assert f"{QUESTION}: stoker approve r 1.1.1" in tidying.stoker("review")
    shown = json.loads(tidying.stoker("show", "r.1.1.1.1", "--json", door=""))
    (agent,) = (step for step in shown["steps"] if step["approval"])
    assert (agent["id"], agent["approval"]["prompt"]) == ("agent", QUESTION)
    assert shown["activity"] == "parked"
    tidying.stoker("approve", "r", "1.1.1", "--comment", "it is old", door="")
    tidying.recovered("1.1.1", tries=1)
    assert git(tidying.root, "ls-tree", "--name-only", BRANCH, "old") == ""
    events = json.loads(tidying.stoker("show", "r.1.1.1.1", "--json", door=""))
    assert events["status"] == "succeeded"


def test_what_is_rejected_is_not_run_and_the_agent_is_told(tidying: Shop) -> None:
    tidying.stoker(*RUN, code=3)
    tidying.stoker("reject", "r", "1.1.1", "--comment", "keep it", door="")
    assert git(tidying.root, "ls-tree", "--name-only", BRANCH, "old") == "old"
    assert "keep it" in last_result(tidying)
    tidying.recovered("1.1.1", tries=1)


def test_a_person_answers_though_the_engine_was_killed_while_it_waited(tidying: Shop) -> None:
    argv = [sys.executable, "-m", "stoker", "roadmap", *RUN, "--wait", "--quiet"]
    process = subprocess.Popen(argv, cwd=tidying.root)
    try:
        while not _asked(tidying):
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    turns = len(tidying.prompts)
    tidying.stoker("resume", "r", code=3)
    assert "died" not in tidying.stoker("approve", "r", "1.1.1", door="")
    tidying.recovered("1.1.1", tries=1)
    assert git(tidying.root, "ls-tree", "--name-only", BRANCH, "old") == ""
    assert len(tidying.prompts) == turns  # the agent has waited, and went on


def _asked(shop: Shop) -> bool:
    path = shop.root / ".stoker" / "journal.db"
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
            query = "select count(*) from run_events where type = 'approval.requested'"
            return bool(journal.execute(query).fetchone()[0])
    except sqlite3.OperationalError:  # it is only being made
        return False


def test_patterns_of_the_settings_wait_too_and_those_of_other_tasks_do_not(shop: Shop) -> None:
    shop.begin("- [ ] **One**: `shop/new.py`\n", more=OLD)
    shop.write(
        ".stoker/roadmap.toml",
        'pause_destructive = true\ndestructive = ["make deploy"]\n',
    )
    shop.script = {"1.1.1": [work("make -n deploy")]}
    told = shop.stoker("run", shop.plan, "--run-id", "r", code=3)
    assert "(it may destroy something: `make deploy`): make -n deploy" in told
    shop.stoker("reject", "r", "1.1.1", door="")
    shop.recovered("1.1.1", tries=1)


def test_who_does_not_ask_cannot_be_paused(shop: Shop) -> None:
    shop.begin(TASK, more=OLD)
    told = shop.stoker(*RUN, "--agent", "COMMAND", code=2)
    assert "executor COMMAND DEFAULT cannot be made to ask before commands" in told
    assert not git(shop.root, "branch", "--list", BRANCH)


def test_two_wait_and_the_third_is_done_when_there_is_room(shop: Shop) -> None:
    tasks = "".join(f"- [ ] **T{n}**: `shop/t{n}.py`\n" for n in (1, 2, 3))
    shop.begin(tasks, more=OLD)
    for n in (1, 2, 3):
        test = f"from shop.t{n} import N\n\n\ndef test_t{n}():\n    assert N\n"
        calls = [
            Call("write_file", {"path": f"shop/t{n}.py", "content": "N = 1\n"}),
            Call("write_file", {"path": f"tests/test_t{n}.py", "content": test}),
        ]
        if n < 3:
            calls.append(Call("execute", {"command": "rm -rf old"}))
        shop.script[f"1.1.{n}"] = [Say("I begin", calls=tuple(calls))]
    told = shop.stoker(*RUN, "--parallel", "2", code=3)
    assert "stoker approve r 1.1.1" in told
    assert "stoker approve r 1.1.2" in told
    shop.stoker("reject", "r", "1.1.1", door="", code=3)
    standing = {name: one["status"] for name, one in shop.evidence().items()}
    assert standing == {"1.1.1": "done", "1.1.2": "in_progress", "1.1.3": "done"}
    shop.stoker("cancel", "r", door="", code=0)  # an agent waits still
