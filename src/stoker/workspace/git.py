"""git, bound to one git directory and working tree: neither is ever searched for, as whoever
works in a tree could have put another repository there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from stoker.workspace import hardening
from stoker.workspace.errors import GitFailed
from stoker.workspace.hardening import Settings
from stoker.workspace.program import Output, execute

EXCLUDES = "stoker-exclude"
"""A file in a worktree's git directory: what is never committed there."""

TIMEOUT: Final = 600.0
"""Seconds a git command may take."""

Signature = tuple[tuple[int, int, int] | None, ...]


class Git:
    """Runs git on one checkout."""

    def __init__(
        self,
        git_dir: Path,
        common_dir: Path,
        work_tree: Path | None,
        *,
        excludes: str | None = None,
    ) -> None:
        """All paths absolute. `excludes`: the user's own file of what to ignore."""
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.work_tree = work_tree
        self.excludes = excludes
        self._read: Signature = ()
        self._overrides: Settings = ()

    async def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (0,),
        fds: tuple[int, ...] = (),
    ) -> Output:
        """Run `git *args`. Raises `GitFailed` if it ends with a code not in `accept`."""
        await self._harden()
        output = await self._execute(args, self._overrides, env, stdin, fds)
        if output.code not in accept:
            raise GitFailed(("git", *args), output.code, output.stderr)
        return output

    async def text(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        fds: tuple[int, ...] = (),
    ) -> str:
        """Standard output, stripped."""
        output = await self.run(*args, stdin=stdin, env=env, fds=fds)
        return decode(output.stdout).strip()

    async def records(self, *args: str, env: Mapping[str, str] | None = None) -> list[str]:
        """What a command given `-z` lists."""
        return split((await self.run(*args, env=env)).stdout)

    async def _execute(
        self,
        args: tuple[str, ...],
        overrides: Settings,
        env: Mapping[str, str] | None,
        stdin: bytes | None,
        fds: tuple[int, ...],
    ) -> Output:
        variables = hardening.environment()
        variables |= {"GIT_DIR": str(self.git_dir), "GIT_COMMON_DIR": str(self.common_dir)}
        if self.work_tree is not None:
            variables["GIT_WORK_TREE"] = str(self.work_tree)
        config = (*hardening.SETTINGS, *self._excluding(), *overrides)
        variables |= hardening.as_variables(config)
        variables |= env or {}
        return await execute(
            ("git", *args),
            cwd=str(self.work_tree or self.git_dir),
            env=variables,
            stdin=stdin,
            fds=fds,
            timeout=TIMEOUT,
        )

    def _excluding(self) -> Settings:
        own = self.git_dir / EXCLUDES
        path = str(own) if own.exists() else self.excludes
        return () if path is None else (("core.excludesFile", path),)

    async def _harden(self) -> None:
        """Read the config again if it has changed."""
        files = hardening.config_files(self.common_dir, self.git_dir)
        now = tuple(map(signature, files))
        if now == self._read:
            return
        contents = [path.read_bytes() for path in files if path.exists()]
        self._overrides = ()
        if hardening.suspicious(contents):
            args = ("config", "-z", "--includes", "--list")
            listed = await self._execute(args, (), None, None, ())
            if listed.code != 0:
                raise GitFailed(("git", *args), listed.code, listed.stderr)
            self._overrides = hardening.overrides(split(listed.stdout))
        # What files include may change without them.
        included = any(b"[include" in text.lower() for text in contents)
        self._read = () if included else now


def decode(data: bytes) -> str:
    """Text of git's; bytes that are no UTF-8 become lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The inverse of `decode`."""
    return text.encode("utf-8", "surrogateescape")


def split(data: bytes) -> list[str]:
    """NUL-terminated records; empty ones are left out."""
    return [record for record in decode(data).split("\0") if record]


def joined(paths: Iterable[str]) -> bytes:
    """NUL-terminated records for a command given `-z --stdin`."""
    return b"".join(encode(path) + b"\0" for path in paths)


def signature(path: Path) -> tuple[int, int, int] | None:
    """Differs whenever the file is another or has been changed; None: there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
