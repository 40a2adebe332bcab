"""`stoker task push`, `pr` and `hook`, as a person types them."""

import json
import re
import subprocess

import pytest
from forges import TOKEN

SCRIPT = json.dumps([{"run": "echo line >> list.md"}, {"say": "done"}])


@pytest.fixture
def at_github(world, github):
    """`.stoker` of the repository knows the code host."""
    state = world.repository / ".stoker"
    state.mkdir(0o700)
    (state / ".gitignore").write_text("*\n")
    (world.state / "hosting.toml").rename(state / "hosting.toml")
    return github


@pytest.fixture
def attempt(stoker, world, at_github):
    done = stoker("start", "Add a list", "--agent", "SCRIPTED", STOKER_SCRIPT=SCRIPT)
    assert done.returncode == 0, done.stderr
    return re.search(r"attempt ([0-9a-f]{8})", done.stderr)[1]


def test_from_push_to_merge(stoker, attempt, at_github):
    pushed = stoker("push", attempt)
    assert "there now" in pushed.stderr
    assert "was there already" in stoker("push", attempt, "--force").stderr
    made = stoker("pr", attempt, "--draft")
    assert (made.returncode, made.stdout) == (0, f"{at_github.url}/acme/widgets/pull/1\n")
    assert "#1 open: Add a list" in made.stderr
    assert at_github.pulls[0]["draft"] is True

    at_github.comment("rev", "Another line, please")
    at_github.comment("stranger", "Mine too")
    told = stoker("pr", attempt, "--refresh", STOKER_SCRIPT=SCRIPT)
    assert told.returncode == 0, told.stderr
    assert "rev: Another line, please" in told.stderr
    assert "1 more by people who may not write" in told.stderr
    assert "done" in told.stdout
    assert "+line\n+line" in stoker("diff", attempt).stdout
    at_github.merge(1)
    assert "#1 merged" in stoker("pr", attempt, "--refresh").stderr
    assert stoker("list").stdout.startswith("done ")


def test_by_itself(stoker, at_github):
    by_itself = ("--auto-pull-request", "--reviewers", "rev", "--open-issue")
    added = stoker("add", *by_itself, command="project")
    assert added.returncode == 0, added.stderr
    done = stoker("start", "Add a list", "--agent", "SCRIPTED", STOKER_SCRIPT=SCRIPT)
    assert done.returncode == 0, done.stderr
    assert at_github.reviewers == {1: ["rev"]}
    assert "Closes #51" in at_github.pulls[0]["body"]


def test_what_goes_wrong_is_told(stoker, world, attempt, at_github):
    unknown = stoker("pr", attempt, "--refresh")
    assert unknown.returncode == 2
    assert "no pull request" in unknown.stderr
    settings = world.repository / ".stoker" / "hosting.toml"
    settings.write_text(settings.read_text().replace(TOKEN, "wr0ng-token"))
    refused = stoker("pr", attempt)
    assert refused.returncode == 2
    assert "does not accept the token" in refused.stderr
    assert "wr0ng-token" not in refused.stderr
    settings.chmod(0o644)
    assert "chmod 600" in stoker("push", attempt).stderr


def test_the_hook(stoker, world, attempt):
    assert "commit-msg" in stoker("hook", "install").stderr
    (worktree,) = (world.repository / ".stoker" / "worktrees").iterdir()
    commit = ("commit", "--allow-empty", "-q", "-m", "By hand")
    subprocess.run(["git", "-C", worktree, *commit], check=True)
    said = subprocess.run(
        ["git", "-C", worktree, "log", "-1", "--format=%(trailers)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert f"Stoker-Attempt: {attempt}" in said
    assert "is gone" in stoker("hook", "uninstall").stderr
    assert "no hook of Stoker's" in stoker("hook", "uninstall").stderr
