"""Pull requests through the Forge-compatible API."""

import pytest
from forges import TOKEN, Serving
from repositories import git


@pytest.fixture
def github(forge, tmp_path):
    """The host of the repository, and a token for it."""
    bare = tmp_path / "host" / "acme" / "widgets.git"
    git(forge.repository, "clone", "-q", "--bare", ".", str(bare))
    git(bare, "config", "http.receivepack", "true")
    with Serving("github", bare.parents[1]) as made:
        git(forge.repository, "remote", "add", "origin", made.remote)
        settings = forge.server.directory / ".stoker" / "hosting.toml"
        settings.touch(0o600)
        settings.write_text(
            f'[hosts."{made.host}"]\nprovider = "github"\n'
            f'api = "{made.url}{made.prefix}"\ntoken = "{TOKEN}"\n'
        )
        yield made


@pytest.fixture
def attempt(forge):
    """The path of one whose agent is done."""
    forge.begin({"edit": "b.txt", "content": "x\n"})
    (task,) = forge.ask("GET", "/tasks", params={"project_id": forge.project()["id"]})
    (found,) = forge.ask("GET", "/task-attempts", params={"task_id": task["id"]})
    forge.settled(found["id"])
    return f"/task-attempts/{found['id']}"


def test_push_create_attach_and_status(forge, github, attempt):
    assert forge.ask("POST", f"{attempt}/push") is None
    none = forge.ask("POST", f"{attempt}/pr/attach", json={})
    assert none == {"pr_attached": False, "pr_url": None, "pr_number": None, "pr_status": None}
    url = forge.ask(
        "POST", f"{attempt}/pr", json={"title": "T", "body": "B", "target_branch": None}
    )
    assert url == f"{github.url}/acme/widgets/pull/1"
    assert (github.pulls[0]["title"], github.pulls[0]["body"]) == ("T", "B")
    found = forge.ask("POST", f"{attempt}/pr/attach")
    expected = {"pr_attached": True, "pr_url": url, "pr_number": 1, "pr_status": "open"}
    assert found == expected
    github.merge(1)
    assert forge.ask("POST", f"{attempt}/pr/attach")["pr_status"] == "merged"
    (merge,) = forge.ask("GET", f"{attempt}/branch-status")["merges"]
    info = merge["pr_info"]
    assert (merge["type"], info["number"], info["status"]) == ("pr", 1, "merged")
    assert info["merge_commit_sha"] == github.git("rev-parse", "main")
    assert info["merged_at"].startswith("2026-03-09T10:00:00")


def test_refusals(forge, github, attempt):
    def refused(path="/pr"):
        told = forge.refused("POST", f"{attempt}{path}", 200, json={"title": "T"})
        assert TOKEN not in str(told)
        return told["error_data"]

    def unpushed():
        return TOKEN not in str(forge.refused("POST", f"{attempt}/push", 500))

    github.may_write = False
    assert refused() == "INSUFFICIENT_PERMISSIONS"
    assert unpushed()
    github.may_write = True
    git(forge.repository, "remote", "set-url", "origin", github.remote.replace("widgets", "none"))
    assert refused("/pr/attach") == "REPO_NOT_FOUND_OR_NO_ACCESS"
    git(forge.repository, "remote", "set-url", "origin", github.remote)
    settings = forge.server.directory / ".stoker" / "hosting.toml"
    text = settings.read_text()
    settings.write_text(text.replace(TOKEN, "wr0ng-token"))
    assert refused() == refused("/pr/attach") == "TOKEN_INVALID"
    assert unpushed()
    settings.write_text(text.replace(f'token = "{TOKEN}"', ""))
    assert refused("/pr/attach") == "TOKEN_INVALID"
    git(forge.repository, "remote", "remove", "origin")
    assert refused() is None
