"""Moving the clone's own target branch, also where it is checked out.

A checked-out branch is moved only while its work tree is clean, under git's own index lock,
into which we write our name. So no other git command sees the tree half-way, and whoever
comes after a crash knows the lock as ours and finishes the move.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from safe_merge.errors import GitFailed, Refused
from safe_merge.git import Git
from safe_merge.job import Job


def advance(job: Job, new: str) -> str:
    """Move the local target branch forward to `new`; returns what was done, or why not."""
    old = job.git.commit(job.target_ref)
    if old is None:
        return f"there is no local branch {job.target!r}"
    if not job.git.contains(new, old):
        return f"the local {job.target!r} has commits of its own: left where it is"
    return move(job, old, new)


def move(job: Job, old: str, new: str) -> str:
    """Move the local target branch from `old` to `new`; returns what was done, or why it
    was left alone. Raises `Refused` if a crashed move cannot be finished."""
    tree = _checked_out(job)
    if tree is not None:
        return _move_checked_out(job, tree, old, new)
    if old != new:
        job.git.set_ref(job.target_ref, new, old)
    return f"the local {job.target!r} is at {new[:12]}"


def _checked_out(job: Job) -> Git | None:
    """Git in the work tree that has the target branch checked out."""
    for block in job.git.text("worktree", "list", "--porcelain").split("\n\n"):
        lines = block.splitlines()
        if f"branch {job.target_ref}" in lines:
            tree = Path(lines[0].removeprefix("worktree "))
            return Git(tree) if tree.is_dir() else None
    return None


def _move_checked_out(job: Job, git: Git, old: str, new: str) -> str:
    directory = Path(git.text("rev-parse", "--absolute-git-dir"))
    lock, private = directory / "index.lock", directory / f"index.stoker-{job.run_id}"
    name = f"stoker {job.run_id}\n"
    done = f"the local {job.target!r} and its work tree are at {new[:12]}"
    crashed = lock.exists() and lock.read_text(errors="replace") == name
    if not crashed:
        if old == new:
            return done
        if not _claim(lock, name):
            return f"the local {job.target!r} is left: another git is at work in {git.directory}"
    private_env = {"GIT_INDEX_FILE": str(private)}
    try:
        if crashed:
            _finish(job, git, old, new, private_env)
        elif git.text("status", "--porcelain", "--untracked-files=no"):
            return f"the local {job.target!r} is left: it is checked out with uncommitted changes"
        else:
            shutil.copyfile(directory / "index", private)
            git.text("read-tree", "-m", "-u", old, new, **private_env)
            job.git.set_ref(job.target_ref, new, old)
        private.replace(directory / "index")
    except GitFailed as error:
        return f"the local {job.target!r} is left: {error.stderr}"
    finally:
        private.unlink(missing_ok=True)
        lock.unlink()
    git.run("update-index", "-q", "--refresh")
    return done


def _claim(lock: Path, name: str) -> bool:
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False
    os.write(descriptor, name.encode())
    os.close(descriptor)
    return True


def _finish(job: Job, git: Git, old: str, new: str, private: dict[str, str]) -> None:
    """Finish a move that was cut short: every file it touches has either version, unless
    somebody edited it since. Raises `Refused`."""
    known = (old, new, git.commit(job.backup("local")), git.commit(job.working("merge")))
    sides = {commit: _files(git, commit) for commit in known if commit}
    touched = {
        path
        for commit in sides
        for path in git.names("diff", "--name-only", "--no-renames", "-z", commit, new)
    }
    edited = [
        path
        for path in touched
        if _hash(git, path) not in {files.get(path) for files in sides.values()}
    ]
    if edited:
        raise Refused(
            f"a crash cut the update of {git.directory} short, and these were edited since: "
            f"{', '.join(sorted(edited))}; finish with: git reset {new}, and look at git diff"
        )
    git.text("read-tree", new, **private)
    for path in touched:
        if path not in sides[new]:
            (git.directory / path).unlink(missing_ok=True)
    there = [path for path in touched if path in sides[new]]
    git.text("checkout-index", "--force", "-u", "-z", "--stdin", stdin="\0".join(there), **private)
    job.git.set_ref(job.target_ref, new)


def _files(git: Git, commit: str) -> dict[str, str]:
    lines = git.names("ls-tree", "-r", "-z", commit)
    return {path: facts.split()[2] for facts, _, path in (line.partition("\t") for line in lines)}


def _hash(git: Git, path: str) -> str | None:
    file = git.directory / path
    if file.is_symlink():
        return git.text("hash-object", "--stdin", stdin=str(file.readlink()))
    return git.text("hash-object", "--", path) if file.is_file() else None
