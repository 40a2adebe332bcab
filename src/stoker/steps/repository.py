"""Plain `git`, run so that a repository nobody vouches for cannot run anything of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from stoker.engine.kinds import Attempt, StepFailed

# A hook or another git may have started us: its repository is not ours. Answers are parsed,
# so they come in one language; nobody is there to be asked for a password or a message.
_ENVIRONMENT: Final = (
    *("-u", "GIT_DIR", "-u", "GIT_WORK_TREE", "-u", "GIT_INDEX_FILE", "-u", "GIT_PREFIX"),
    *("LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_EDITOR=true"),
)
# No daemon of git's is left behind, and no program that the repository's own config names.
_CONFIG: Final = ("gc.auto=0", "maintenance.auto=false", "core.fsmonitor=false")
_NO_HOOKS: Final = "core.hooksPath=/dev/null"
_TAIL: Final = 4096

IDENTITY: Final = ("user.name=Stoker", "user.email=stoker@localhost")
"""Who makes commits that are backups and not anybody's work."""


_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s'\"]*@")


def without_credentials(text: str) -> str:
    """`text` without user and password of its URLs; those of a repository's own configuration
    are in no plan, and nobody has declared them a secret."""
    return _CREDENTIALS.sub("***@", text)


class Repository:
    """One repository, as far as one attempt works on it."""

    def __init__(self, attempt: Attempt, directory: str, *, hooks: bool) -> None:
        self.attempt = attempt
        self.directory = directory
        self._config = _CONFIG if hooks else (*_CONFIG, _NO_HOOKS)

    async def run(
        self,
        *args: str,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        config: tuple[str, ...] = (),
        lock: bool = False,
    ) -> tuple[int, bytes, str]:
        """Exit code, standard output, and the last of standard error (which is logged whole).

        `lock`: wait for, and hold, the repository's lock against other runs of Stoker.
        """
        settings = [word for item in (*self._config, *config) for word in ("-c", item)]
        extra = [f"{name}={value}" for name, value in (env or {}).items()]
        argv = ["env", *_ENVIRONMENT, *extra, "git", *settings, *args]
        if lock:
            # The kernel drops the lock with its holder; `-o` keeps it from git's children.
            argv = ["flock", "-o", str(await self.common_directory() / "stoker.lock"), *argv]
        self.attempt.write(f"$ git {without_credentials(' '.join(args))}\n", error=True)
        before = self._said(0)[0]
        exit_, output = await self.attempt.execute(argv, cwd=cwd or self.directory)
        return -1 if exit_.exit_code is None else exit_.exit_code, output, self._said(before)[1]

    async def git(
        self,
        *args: str,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        config: tuple[str, ...] = (),
        lock: bool = False,
    ) -> str:
        """Standard output, stripped. Raises `StepFailed` with what git said."""
        code, output, said = await self.run(*args, cwd=cwd, env=env, config=config, lock=lock)
        if code != 0:
            raise StepFailed(f"git {args[0]} failed: {said or f'exit code {code}'}", exit_code=code)
        return output.decode(errors="surrogateescape").strip()

    async def paths(self, *args: str, cwd: str | None = None) -> list[str]:
        """What a command given `-z` lists."""
        output = await self.git(*args, cwd=cwd)
        return [path for path in output.split("\0") if path]

    async def commit(self, name: str) -> str | None:
        """The commit a name stands for, or None."""
        spec = f"{name}^{{commit}}"
        code, output, _ = await self.run("rev-parse", "--verify", "--quiet", spec)
        return output.decode().strip() if code == 0 else None

    async def known(self, name: str) -> str:
        """The commit a name stands for. Raises `StepFailed` if there is none."""
        commit = await self.commit(name)
        if commit is None:
            raise StepFailed(f"{self.directory}: no commit is named {name!r}")
        return commit

    async def branch(self) -> str | None:
        """The branch that is checked out, or None."""
        code, output, _ = await self.run("symbolic-ref", "--quiet", "--short", "HEAD")
        return output.decode().strip() if code == 0 else None

    async def edited(self) -> list[str]:
        """Tracked files with edits that are in no commit, conflicts included."""
        return await self.paths("diff", "--name-only", "-z", "HEAD")

    async def common_directory(self) -> Path:
        """What all worktrees share."""
        return Path(self.directory, await self.git("rev-parse", "--git-common-dir"))

    def _said(self, since: int) -> tuple[int, str]:
        """Size of the log of standard error, and the last of what was added `since`."""
        with Path(self.attempt.stderr_path).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since, size - _TAIL))
            return size, without_credentials(file.read().decode(errors="replace").strip())

    def beside(self, path: str) -> Path:
        """An absolute path, without links, for one relative to the step's directory."""
        return Path(self.attempt.cwd, path).resolve()

    def scratch(self, suffix: str) -> Path:
        """A path of this attempt's own, outside the repository."""
        return Path(self.attempt.directory) / f"{Path(self.attempt.stdout_path).stem}.{suffix}"
