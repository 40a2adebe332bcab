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


def test_a_file_is_no_place_for_a_project(common):
    place = str(common.repository / "a.txt")
    for path, existing, said in (
        (place, True, "The specified path is not a directory"),
        (place, False, "Failed to create directory: File exists"),
        (f"{place}/below", True, "The specified path does not exist"),
        ("~nobody-of-this-name/x", True, "git_repo_path: there is no home ~nobody-of-this-name"),
        (f"{place}/below", False, "Failed to create directory: Not a directory"),
    ):
        body = {"name": "P", "git_repo_path": path, "use_existing_repo": existing}
        assert common.refused("POST", "/projects", 200, json=body)["message"] == said
