"""Checkouts made before they are wanted, of repositories whose checkout takes long.

A spare is a directory of files and the index that belongs to them; git knows nothing of it, and
nobody works in it. `adding` moves both into the worktree it registers. If that is to be at another
commit, the same `read-tree` that fills an empty worktree then writes the files that differ.

A directory that was worked in becomes one again by an index that nobody else could write to: git
writes what differs from it by its times anew, and all that it does not know is deleted.

On disk all of them are trash from the beginning, held by one intent for as long as their maker
lives: whoever finds it abandoned deletes them.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Self

from msgspec.structs import replace

from stoker.log import get_logger
from stoker.workspace import adding, hardening, intents
from stoker.workspace.adding import Spare
from stoker.workspace.errors import GitFailed, WorkspaceError
from stoker.workspace.git import Signature, signature
from stoker.workspace.intents import Intent, Record
from stoker.workspace.recovery import delete, rmdir, sweep, trash_for
from stoker.workspace.repository import Repository
from stoker.workspace.worktree import Worktree, absolute

log = get_logger(__name__)

_WORTHWHILE: Final = 500
"""Files: checking so many out takes 30 ms."""
_FEWEST: Final = 2
_MOST: Final = 64
"""Spares of a repository."""
_IDLE_SEC: Final = 3600.0
"""Then the fewest are kept."""
_LEFT_FREE: Final = 0.1
"""Of the disk."""


class _Pool:
    """The spares of one repository, in a directory of their own."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository = repository
        self.home = trash_for(folder / "spares")
        self.record: Record | None = None
        self.swept = False
        self.ready: list[Spare] = []
        self.lent: dict[Path, Spare] = {}
        """By where their files are now, of which their index tells what they were."""
        self.used: list[Spare] = []
        """Given back, as they were left."""
        self.spent: list[Spare] = []
        self.worthwhile = False
        self.commit = ""
        """What was wanted last, or is to be wanted next."""
        self.same: frozenset[str] = frozenset()
        """What is expected, by all names: commits and trees of the same files."""
        self.alike: dict[tuple[str, str], bool] = {}
        """Whether the same attributes hold in two commits or trees; of the last ones."""
        self.awaited = 0
        """How many are still to be wanted at that."""
        self.moving = asyncio.Lock()
        """Held while a spare is made one of what is expected."""
        self.wanted = 0
        """How often, since there were enough."""

    @property
    def short(self) -> bool:
        """Fewer are ready than were wanted before there was time to make others."""
        goal = min(max(self.wanted, _FEWEST), _MOST)
        return self.worthwhile and self.wanted > 0 and len(self.ready) + len(self.used) < goal

    @property
    def behind(self) -> Spare | None:
        """One that is to be at what is expected, as too few are."""
        if self.commit not in self.same:
            return None
        others = [spare for spare in self.ready if spare.commit not in self.same]
        return others[0] if others and len(self.ready) - len(others) < self.awaited else None

    def take(self, spare: Spare, commit: str) -> Spare:
        """One that is ready, for `commit`."""
        self.ready.remove(spare)
        self.awaited -= commit in self.same
        return replace(spare, commit=commit) if {spare.commit, commit} <= self.same else spare


class Spares:
    """Those of all repositories that have their worktrees in one folder. An async context
    manager, which makes them in the background and deletes them at the end; there are none before
    and after."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where the worktrees are."""
        self._folder = absolute(folder)
        self._pools: dict[Path, _Pool] = {}
        self._under_way = 0
        """Creations, which come first."""
        self._wake = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._stack.callback(group.create_task(self._work()).cancel)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()
        for pool in self._pools.values():
            await _close(pool)

    @property
    def ready(self) -> int:
        """How many there are."""
        return sum(len(pool.ready) for pool in self._pools.values())

    @asynccontextmanager
    async def one(
        self, repository: Repository, path: Path, commit: str
    ) -> AsyncIterator[Spare | None]:
        """A spare that is for a worktree at `path` what a new checkout of `commit` would be, if
        there is one. What nothing was taken out of is used again."""
        pool = self._pool(repository)
        pool.commit, pool.wanted = commit, pool.wanted + 1
        self._under_way += 1
        spare = None
        try:
            if path.parent == self._folder:
                spare = await _fitting(pool, commit)
            yield spare
        finally:
            self._under_way -= 1
            if spare is not None:
                rmdir(spare.path)
                (pool.ready if spare.whole else pool.spent).append(spare)
            self._wake.set()

    def expect(self, repository: Repository, commit: str, *, same_as: str = "") -> None:
        """Have some be at `commit`, or a tree, which is to be wanted next. `same_as`: it has the
        files of that one, which was expected."""
        pool = self._pool(repository)
        if same_as not in pool.same:
            pool.same, pool.awaited = frozenset(), _FEWEST
        pool.commit, pool.same = commit, pool.same | {commit}
        self._wake.set()

    def learn(self, repository: Repository, index: Path) -> None:
        """See from the index of a new worktree whether spares are worth while."""
        with index.open("rb") as file:
            files = int.from_bytes(file.read(12)[8:])
        self._pools[repository.common_dir].worthwhile = files >= _WORTHWHILE

    async def lend(self, worktree: Worktree, commit: str) -> None:
        """Have a new worktree, made of one or not, given back by `give`."""
        pool = self._pool(worktree.repository)
        rules = _rules(pool.repository)
        if not pool.worthwhile or rules is None:
            return
        spare = await _new(pool, commit, rules)
        # With its times: git tells by them which files it has to look at.
        await asyncio.to_thread(shutil.copy2, worktree.git.git_dir / "index", spare.index)
        pool.lent[worktree.path] = spare

    async def give(self, worktree: Worktree) -> bool:
        """Take the files of a worktree that was lent, in which nothing is to be kept, and have
        git forget it; False: it was not."""
        repository = worktree.repository
        pool = self._pool(repository)
        spare = pool.lent.pop(worktree.path, None)
        if spare is None:
            return False
        async with repository.lock():
            await asyncio.to_thread(_taken, worktree, spare)
        pool.used.append(spare)
        self._wake.set()
        return True

    @asynccontextmanager
    async def somewhere(
        self, repository: Repository, commit: str, path: Path
    ) -> AsyncIterator[tuple[Path | None, bool]]:
        """Files at `path`, where nothing is, and their index, by which to make others of them;
        whether they are those of `commit` already. They are taken back unless this ends with an
        error. There may be no index, and an empty directory at `path`."""
        pool = self._pool(repository)
        rules = _rules(repository)
        if not pool.worthwhile or rules is None:
            path.mkdir()  # noqa: ASYNC240
            yield None, False
            return
        pool.wanted += 1
        spare = await _fitting(pool, commit) or await _new(pool, commit, rules)
        left = pool.spent
        try:
            if whole := spare.whole:
                spare.files.rename(path)
            else:
                path.mkdir()  # noqa: ASYNC240
            yield spare.index, whole and spare.commit == commit
            path.rename(spare.files)  # noqa: ASYNC240
            left = pool.used
        finally:
            left.append(spare)
            self._wake.set()

    def _pool(self, repository: Repository) -> _Pool:
        pool = self._pools.get(repository.common_dir)
        if pool is None:
            pool = self._pools[repository.common_dir] = _Pool(repository, self._folder)
        return pool

    async def _work(self) -> None:
        while True:
            idle = False
            try:
                async with asyncio.timeout(_IDLE_SEC):
                    await self._wake.wait()
            except TimeoutError:
                idle = True
            self._wake.clear()
            for pool in list(self._pools.values()):
                try:
                    await self._tend(pool, idle=idle)
                except (WorkspaceError, OSError) as error:
                    pool.wanted = 0  # until it is wanted again
                    log.warning("no checkout made in advance", redact=str, error=str(error))

    async def _tend(self, pool: _Pool, *, idle: bool) -> None:
        if not pool.swept:
            pool.swept = True
            await sweep(pool.repository)
        rules = _rules(pool.repository)
        fit = [spare for spare in pool.ready if spare.rules == rules and spare.whole]
        kept = fit[:_FEWEST] if idle else fit
        pool.spent += [spare for spare in pool.ready if spare not in kept]
        pool.ready = kept
        while (spare := pool.behind) is not None:
            async with pool.moving:
                await _move(pool, spare)
        while pool.used:
            await _renew(pool, pool.used.pop())
        while pool.spent and pool.record is not None:
            await delete(pool.spent[-1].path, pool.record.fd)
            pool.spent.pop()
        while rules is not None and pool.short and not self._under_way and _room(self._folder):
            await _make(pool, rules)
        if not self._under_way:
            pool.wanted = 0


async def _fitting(pool: _Pool, commit: str) -> Spare | None:
    rules = _rules(pool.repository)
    fit = {commit, *(pool.same if commit in pool.same else ())}
    if commit in pool.same and not any(spare.commit in fit for spare in pool.ready):
        async with pool.moving:
            pass  # one may be there in a moment
    for one in sorted(pool.ready, key=lambda one: one.commit not in fit):
        if one.rules != rules or one not in pool.ready or not one.whole:
            continue
        spare = pool.take(one, commit)
        if spare.commit == commit or await _same_attributes(pool, spare.commit, commit):
            return spare
        pool.spent.append(spare)
    return None


async def _same_attributes(pool: _Pool, one: str, other: str) -> bool:
    """False: files that are the same in both may be written differently."""
    if (one, other) not in pool.alike:
        while len(pool.alike) >= _MOST:
            del pool.alike[next(iter(pool.alike))]
        args = ("diff-tree", "-r", "--name-only", "--no-renames", one, other, "--")
        env = {"GIT_LITERAL_PATHSPECS": "0"}
        try:
            found = await pool.repository.git.run(*args, ":(glob)**/.gitattributes", env=env)
        except GitFailed:  # a commit that is gone, say
            return False
        pool.alike[one, other] = not found.stdout
    return pool.alike[one, other]


def _taken(worktree: Worktree, spare: Spare) -> None:
    worktree.path.rename(spare.files)
    shutil.rmtree(worktree.git.git_dir)


async def _new(pool: _Pool, commit: str, rules: Signature) -> Spare:
    """Nothing yet but its directory."""
    async with pool.repository.lock():
        if pool.record is None:
            home = intents.quote(pool.home)
            pool.record = intents.begin(pool.repository, Intent("remove", home, home))
    spare = Spare(trash_for(pool.home / "spare"), commit, rules)
    spare.path.mkdir(parents=True)
    return spare


async def _make(pool: _Pool, rules: Signature) -> None:
    spare = await _new(pool, pool.commit, rules)
    try:
        spare.files.mkdir()
        await _git(pool, spare, "read-tree", "--reset", "-u", spare.commit)
    except BaseException:
        pool.spent.append(spare)
        raise
    pool.ready.append(spare)


async def _move(pool: _Pool, spare: Spare) -> None:
    """Make one that is ready one of what is expected."""
    pool.ready.remove(spare)
    goal, left = pool.commit, pool.spent
    try:
        if await _same_attributes(pool, spare.commit, goal):
            await _git(pool, spare, "read-tree", "-m", "-u", spare.commit, goal)
            spare, left = replace(spare, commit=goal), pool.ready
    finally:
        left.append(spare)


async def _renew(pool: _Pool, spare: Spare) -> None:
    """Make one that was given back what it was."""
    goal = pool.commit
    if goal != spare.commit and not (goal and await _same_attributes(pool, spare.commit, goal)):
        goal = spare.commit
    new = replace(spare, commit=goal)
    try:
        with suppress(FileNotFoundError):
            (spare.files / ".git").unlink()
        await _git(pool, spare, "read-tree", "--reset", "-u", goal)
        await _git(pool, spare, "clean", "-ffdxq")
    except (GitFailed, OSError) as error:
        pool.spent.append(spare)
        log.info("a checkout is not used again", redact=str, error=str(error))
    except BaseException:
        pool.spent.append(spare)
        raise
    else:
        pool.ready.append(new)


async def _git(pool: _Pool, spare: Spare, *args: str) -> None:
    where = {"GIT_WORK_TREE": str(spare.files), "GIT_INDEX_FILE": str(spare.index)}
    fds = (pool.record.fd,) if pool.record is not None else ()
    await pool.repository.git.run(*args, env=where, fds=fds)


async def _close(pool: _Pool) -> None:
    pool.ready.clear()
    if pool.record is None:
        return
    try:
        await delete(pool.home, pool.record.fd)
        pool.record.done()
    finally:
        pool.record.leave()


def _rules(repository: Repository) -> Signature | None:
    """What git goes by, beside the commit, when it writes files; None: more than can be seen."""
    files = hardening.config_files(repository.common_dir, repository.git.git_dir)
    if not adding.usual(repository):
        return None
    return tuple(map(signature, (*files, repository.common_dir / "info" / "attributes")))


def _room(folder: Path) -> bool:
    usage = shutil.disk_usage(folder)
    return usage.free > usage.total * _LEFT_FREE
