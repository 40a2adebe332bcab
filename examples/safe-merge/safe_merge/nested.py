"""Repositories within the repository: what a merge would pass over without a word."""

from __future__ import annotations

from pathlib import PurePosixPath

from safe_merge.git import Git


def in_work_tree(git: Git) -> list[str]:
    """Directories of the work tree that are repositories of their own, but neither
    submodules, nor ignored, nor worktrees of this clone."""
    own = git.text("rev-parse", "--path-format=absolute", "--git-common-dir")
    untracked = git.names("ls-files", "--others", "--exclude-standard", "-z")
    candidates = {path.rstrip("/") for path in untracked if path.endswith("/")}
    tracked = [*git.names("ls-files", "-z"), *untracked]
    candidates |= {
        str(parent)
        for parent in {PurePosixPath(path).parent for path in tracked}
        if parent.name and (git.directory / parent / ".git").exists()
    }
    nested = []
    for path in sorted(candidates - _submodules(git, "")):
        inner = Git(git.directory / path)
        common = inner.run("rev-parse", "--path-format=absolute", "--git-common-dir")
        if common.returncode or common.stdout.decode().strip() != own:
            nested.append(path)
    return nested


def in_tree(git: Git, revision: str) -> list[str]:
    """Submodule entries of a commit, or of the index (`""`), that `.gitmodules` of the same
    does not know: nobody could check them out."""
    listing = (
        git.names("ls-tree", "-r", "-z", revision)
        if revision
        else git.names("ls-files", "--stage", "-z")
    )
    links = {line.partition("\t")[2] for line in listing if line.startswith("160000")}
    return sorted(links - _submodules(git, revision)) if links else []


def _submodules(git: Git, revision: str) -> set[str]:
    pattern = r"^submodule\..*\.path$"
    listed = git.run("config", "--blob", f"{revision}:.gitmodules", "-z", "--get-regexp", pattern)
    entries = listed.stdout.decode(errors="surrogateescape").split("\0")
    return {entry.partition("\n")[2] for entry in entries if entry}
