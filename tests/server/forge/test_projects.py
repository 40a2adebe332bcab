"""New projects, and what is on the disk already."""

from __future__ import annotations

from repositories import git


def test_a_new_repository_is_not_made_where_there_is_one(forge):
    (forge.repository / "b.txt").write_text("mine\n")
    git(forge.repository, "add", "b.txt")
    head = git(forge.repository, "rev-parse", "HEAD")
    body = {"name": "P", "git_repo_path": str(forge.repository), "use_existing_repo": False}
    told = forge.refused("POST", "/projects", 200, json=body)
    assert told["message"] == "The specified directory is already a git repository"
    assert git(forge.repository, "rev-parse", "HEAD") == head
    assert git(forge.repository, "status", "--porcelain") == "A  b.txt"
    assert forge.ask("GET", "/projects") == []
