"""A repository: where it is, its branches and commits."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from stoker.together import both
from stoker.workspace import hardening, locks, refs
from stoker.workspace.errors import (
    GitFailed,
    InvalidName,
    NotARepository,
    UnknownBranch,
    UnknownCommit,
)
from stoker.workspace.git import TIMEOUT, Git, decode, split
from stoker.workspace.model import STOKER, Author, Branch
from stoker.workspace.program import execute

LOCK: Final = "stoker.lock"
"""In the common directory: held around changes to what all worktrees share."""
INTENTS: Final = "stoker-intents"
"""In the common directory: what is being made or removed (see `intents`)."""
_HEX: Final = re.compile(r"[0-9a-fA-F]{4,64}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_FACTS: Final = (
    *("--path-format=absolute", "--git-dir", "--git-common-dir", "--is-bare-repository"),
    "--show-toplevel",
)


class Repository:
    """An opened repository. `path` is its top directory (of a bare one: its git directory)."""

    def __init__(self, path: Path, git: Git, author: Author) -> None:
        """Use `open`."""
        self.path = path
        self.git = git
        self.author = author

    @classmethod
    async def open(cls, path: str | os.PathLike[str], *, discover: bool = False) -> Repository:
        """The repository whose top directory is `path`, or with `discover` contains it.

        A linked worktree opens as one, too. Raises `NotARepository`, also if git distrusts its
        owner and the user's own git config says nothing else (`safe.directory`).
        """
        directory = _directory(path)
        env = hardening.environment(user_config=True)
        if not discover:
            env["GIT_CEILING_DIRECTORIES"] = str(directory.parent)
        # Not with our `safe.directory`: whom to trust is the user's to say.
        config = [item for item in hardening.SETTINGS if item[0] != "safe.directory"]
        env |= hardening.as_variables(config)
        (git_dir, common_dir, top), (author, excludes) = await both(
            _facts(directory, env), _person(directory, env)
        )
        if top is not None and not directory.is_relative_to(top):
            raise NotARepository(str(directory), f"its working tree is elsewhere: {top}")
        git = Git(git_dir, common_dir, top, excludes=excludes)
        return cls(top or git_dir, git, author or STOKER)

    @property
    def common_dir(self) -> Path:
        """What all worktrees share."""
        return self.git.common_dir

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[int]:
        """Hold the repository's lock, against everybody who takes it; yields its descriptor."""
        async with locks.exclusive(self.common_dir / LOCK) as fd:
            yield fd

    async def check_branch_name(self, name: str) -> str:
        """`name`. Raises `InvalidName` if git would not have it for a branch."""
        if refs.plain(name):
            return name
        args = ("check-ref-format", "--branch", name)
        if "\0" in name or name.startswith("@{-"):
            raise InvalidName(name)
        found = await self.git.run(*args, accept=(0, 1, 128))
        if found.code != 0 or decode(found.stdout).rstrip("\n") != name:
            raise InvalidName(name)
        return name

    async def resolve(self, *names: str) -> list[str | None]:
        """The commits that the names (refs, object ids, with `~1` and the like) stand for."""
        asked = [name for name in names if name and not _CONTROL.search(name)]
        lines = "".join(f"{name}^{{commit}}\n" for name in asked)
        stdin = lines.encode("utf-8", "surrogateescape")
        args = ("cat-file", "--batch-check=%(objectname) %(objecttype)")
        answers = decode((await self.git.run(*args, stdin=stdin)).stdout).splitlines()
        known = {
            name: answer.partition(" ")[0]
            for name, answer in zip(asked, answers, strict=True)
            if answer.endswith(" commit")
        }
        return [known.get(name) for name in names]

    async def branch_ref(self, name: str) -> tuple[str, str]:
        """The full name and commit of a branch, local before remote. Raises `UnknownBranch`."""
        refs = (f"refs/heads/{name}", f"refs/remotes/{name}")
        for ref, commit in zip(refs, await self.resolve(*refs), strict=True):
            if commit is not None and not re.search(r"[\^~:?*\[\\]|@\{", name):
                return ref, commit
        raise UnknownBranch(name)

    async def base(self, name: str) -> str:
        """The commit to start from: of a branch, a full ref (`refs/...`), `HEAD` or an object id.

        Raises `UnknownBranch`.
        """
        if name == "HEAD" or name.startswith("refs/"):
            (commit,) = await self.resolve(name)
        elif (known := refs.branch(self.common_dir, name)) is not None:
            commit = known
        else:
            candidates = [f"refs/heads/{name}", f"refs/remotes/{name}"]
            if _HEX.fullmatch(name):
                candidates.append(name)
            commit = next((c for c in await self.resolve(*candidates) if c is not None), None)
        if commit is None:
            raise UnknownBranch(name)
        return commit

    async def head(self) -> str | None:
        """The commit that is checked out; None: there is none yet."""
        return (await self.resolve("HEAD"))[0]

    async def current_branch(self) -> str | None:
        """The branch that is checked out, also one without commits; None: HEAD is detached."""
        return await current_branch(self.git)

    async def branches(self) -> list[Branch]:
        """All branches, those of remotes too, the most recently committed to first."""
        fields = "%(refname)%00%(objectname)%00%(committerdate:unix)%00%(HEAD)%00%(symref)"
        listed = await self.git.text(
            *("for-each-ref", "--sort=-committerdate", f"--format={fields}"),
            *("refs/heads", "refs/remotes"),
        )
        found = []
        for line in listed.splitlines():
            ref, commit, seconds, mark, symref = line.split("\0")
            if symref and ref.startswith("refs/remotes/"):
                continue  # `origin/HEAD` is no branch of its own
            name = ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")
            found.append(
                Branch(
                    name,
                    is_current=mark == "*",
                    is_remote=ref.startswith("refs/remotes/"),
                    commit=commit,
                    last_commit_date=datetime.fromtimestamp(int(seconds or 0), UTC),
                )
            )
        return found

    async def commit(self, name: str) -> str:
        """The id of a commit, by its id (also shortened) or full ref. Raises `UnknownCommit`."""
        if not (name == "HEAD" or name.startswith("refs/") or _HEX.fullmatch(name)):
            raise UnknownCommit(name)
        (oid,) = await self.resolve(name)
        if oid is None:
            raise UnknownCommit(name)
        return oid

    async def subject(self, oid: str) -> str:
        """The first line of what a commit says."""
        said = await self.git.run("log", "-1", "--no-show-signature", "--format=%s", oid)
        return said.stdout.decode(errors="replace").rstrip("\n")

    async def ahead_behind(self, ours: str, theirs: str) -> tuple[int, int]:
        """Commits only `ours` has, and only `theirs` has; both are object ids."""
        counts = await self.git.text("rev-list", "--left-right", "--count", f"{ours}...{theirs}")
        ahead, behind = counts.split()
        return int(ahead), int(behind)

    async def merge_base(self, one: str, other: str) -> str | None:
        """The commit both come from; None: they have nothing in common."""
        found = await self.git.run("merge-base", one, other, accept=(0, 1))
        return decode(found.stdout).strip() or None

    async def remote_url(self, remote: str) -> str | None:
        """The URL that the repository's own config has for a remote."""
        found = await self.git.run("config", "--get", f"remote.{remote}.url", accept=(0, 1))
        return decode(found.stdout).rstrip("\n") or None


async def current_branch(git: Git) -> str | None:
    """The branch a checkout is on; None: HEAD is detached."""
    if known := refs.current(git.git_dir):
        return known
    found = await git.run("symbolic-ref", "--quiet", "HEAD", accept=(0, 1))
    return decode(found.stdout).rstrip("\n").removeprefix("refs/heads/") or None


def _directory(path: str | os.PathLike[str]) -> Path:
    directory = Path(path).expanduser().resolve()
    if not directory.is_dir():
        raise NotARepository(str(directory), "there is no such directory")
    return directory


async def _facts(directory: Path, env: dict[str, str]) -> tuple[Path, Path, Path | None]:
    """Git directory, common directory, top of the working tree."""
    args = ("git", "rev-parse", *_FACTS)
    found = await execute(args, cwd=str(directory), env=env, timeout=TIMEOUT)
    lines = decode(found.stdout).splitlines()
    if found.code != 0 and lines[2:] != ["true"]:  # a bare one has no working tree to tell of
        raise NotARepository(str(directory), found.stderr.strip())
    if len(lines) != 3 + (found.code == 0):
        raise NotARepository(str(directory), "its path has a line break in it")
    return Path(lines[0]), Path(lines[1]), Path(lines[3]) if found.code == 0 else None


async def _person(directory: Path, env: dict[str, str]) -> tuple[Author | None, str | None]:
    """Who is configured, and the file of what the user ignores everywhere."""
    args = ("git", "config", "-z", "--show-scope", "--list")
    found = await execute(args, cwd=str(directory), env=env, timeout=TIMEOUT)
    if found.code != 0:
        raise GitFailed(args, found.code, found.stderr)
    words = split(found.stdout)
    values: dict[str, str] = {}
    for scope, record in zip(words[::2], words[1::2], strict=True):
        key, _, value = record.partition("\n")
        if key.startswith("user.") or (key == "core.excludesfile" and scope != "local"):
            values[key] = value
    name, email = values.get("user.name"), values.get("user.email")
    author = Author(name, email) if name and email else None
    excludes = values.get("core.excludesfile")
    return author, os.path.expanduser(excludes) if excludes else None  # noqa: ASYNC240, PTH111
