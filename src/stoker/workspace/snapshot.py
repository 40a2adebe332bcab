"""The files of a worktree as a git tree, by an index of our own: the real one is not touched.

Files are staged by plumbing: `git add` looks into submodules, with a git that obeys their config,
and takes a repository inside the tree for a submodule.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from stoker.together import both
from stoker.workspace.errors import GitFailed
from stoker.workspace.git import Git, decode, joined
from stoker.workspace.worktree import Worktree

_CHANGED = ("ls-files", "-z", "-t", "--modified", "--deleted")
_NEW = ("ls-files", "-z", "-t", "--others", "--exclude-standard")
_REMOVE = ("update-index", "-z", "--force-remove", "--stdin")
_ADD = ("update-index", "-z", "--add", "--remove", "--replace", "--stdin")
_PREFIX = "stoker-index-"


async def take(worktree: Worktree) -> str:
    """Write all files of the worktree, but ignored ones and repositories in it, to the
    repository's objects; returns their tree."""
    async with worktree.lock() as fd:
        return await take_locked(worktree, fd)


async def take_locked(worktree: Worktree, fd: int) -> str:
    """`take` for who holds the worktree's lock, whose descriptor is `fd`."""
    index = _private(worktree.git.git_dir)
    env = {"GIT_INDEX_FILE": str(index)}
    try:
        return await _take(worktree.git, env, fd)
    except GitFailed:
        # The index in use may be broken or in a state that is no tree; what is in HEAD will do.
        index.unlink(missing_ok=True)
        if await worktree.head() is not None:
            await worktree.git.run("read-tree", "HEAD", env=env, fds=(fd,))
        return await _take(worktree.git, env, fd)


async def _take(git: Git, env: Mapping[str, str], fd: int) -> str:
    await stage(git, env=env, fd=fd)
    return await git.text("write-tree", env=env, fds=(fd,))


async def stage(git: Git, *, env: Mapping[str, str] | None = None, fd: int) -> tuple[str, ...]:
    """Bring an index up to the working tree; returns what was left out, see `Committed`."""
    removed: dict[str, None] = {}
    kept: dict[str, None] = {}
    new: dict[str, None] = {}
    skipped: list[str] = []
    linked = _Links(git.work_tree or Path())
    # As long again if one git did both.
    changed, others = await both(git.records(*_CHANGED, env=env), git.records(*_NEW, env=env))
    for record in (*others, *changed):
        tag, path = record[0], record[2:]
        if tag == "R" or (tag != "?" and linked.leads_through(path)):
            removed[path] = None
        elif tag != "?":
            kept[path] = None
        elif path.endswith("/"):
            skipped.append(path)
        else:
            new[path] = None
    if removed:
        await git.run(*_REMOVE, stdin=joined(removed), env=env, fds=(fd,))
    added = [path for path in (*kept, *new) if path not in removed]
    if added:
        await git.run(*_ADD, stdin=joined(added), env=env, fds=(fd,))
    return tuple(skipped)


async def edited(git: Git, tree: str, entries: Iterable[str]) -> str:
    """`tree` with other entries, each `MODE OID<tab>PATH`; mode 0: without it."""
    with TemporaryDirectory(prefix=_PREFIX) as private:
        env = {"GIT_INDEX_FILE": f"{private}/index"}
        await git.run("read-tree", tree, env=env)
        await git.run("update-index", "-z", "--index-info", stdin=joined(entries), env=env)
        return await git.text("write-tree", env=env)


async def index_tree(worktree: Worktree, fd: int) -> str | None:
    """What is staged, as a tree; None: it is none, for conflicts say."""
    source = worktree.git.git_dir / "index"
    copy = worktree.git.git_dir / f"{_PREFIX}staged"
    try:
        shutil.copy2(source, copy)
    except FileNotFoundError:
        return None
    env = {"GIT_INDEX_FILE": str(copy)}
    found = await worktree.git.run("write-tree", env=env, accept=(0, 128), fds=(fd,))
    copy.unlink(missing_ok=True)
    return decode(found.stdout).strip() or None


def _private(git_dir: Path) -> Path:
    """An index of our own that knows what the real one knows, and what we have read since.

    It is named for the state of the real one. Whoever asks holds the worktree's lock, so locks of
    git's on it are those of killed ones.
    """
    source = git_dir / "index"
    try:
        stat = source.stat()
        name = f"{_PREFIX}{stat.st_mtime_ns:x}-{stat.st_size:x}-{stat.st_ino:x}"
    except FileNotFoundError:
        stat = None
        name = f"{_PREFIX}none"
    index = git_dir / name
    for other in git_dir.glob(f"{_PREFIX}*"):
        if other != index:
            other.unlink(missing_ok=True)
    if stat is not None and not index.exists():
        unfinished = git_dir / f"{_PREFIX}copy"
        # With its times: git tells by them which files it has to read again.
        shutil.copy2(source, unfinished)
        unfinished.replace(index)
    return index


class _Links:
    """What of the working tree git would look at through links."""

    def __init__(self, top: Path) -> None:
        self._top = os.fspath(top)
        self._known: dict[str, bool] = {"": False}

    def leads_through(self, path: str) -> bool:
        """True: a directory of `path` is a link."""
        folder = path.rpartition("/")[0]
        known = self._known.get(folder)
        if known is None:
            known = self.leads_through(folder) or os.path.islink(f"{self._top}/{folder}")  # noqa: PTH114
            self._known[folder] = known
        return known
