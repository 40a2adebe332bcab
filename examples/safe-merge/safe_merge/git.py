"""Git, without prompts, editors, translations, background work or the repository's hooks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from safe_merge.errors import GitFailed, Unreachable

EMPTY = "0" * 40
"""An object id that stands for "no such ref" in a compare-and-swap."""

_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
_QUIET = ("-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "advice.detachedHead=false")


class Git(NamedTuple):
    """Runs git in one directory."""

    directory: Path
    env: Mapping[str, str] = {}

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        hooks: bool = False,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run to the end, whatever the exit code is."""
        base = {name: value for name, value in os.environ.items() if not _steers(name)}
        return subprocess.run(
            ("git", *_QUIET, *(() if hooks else _NO_HOOKS), *arguments),
            cwd=self.directory,
            env=base
            | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_EDITOR": "true"}
            | {"LC_ALL": "C"}
            | dict(self.env)
            | dict(env or {}),
            input=b"" if stdin is None else stdin,
            capture_output=True,
            check=False,
        )

    def read(self, *arguments: str, stdin: bytes | None = None, **env: str) -> bytes:
        """Standard output. Raises `GitFailed`."""
        done = self.run(*arguments, stdin=stdin, env=env)
        if done.returncode:
            raise GitFailed(arguments, done.returncode, done.stderr.decode(errors="replace"))
        return done.stdout

    def text(self, *arguments: str, stdin: str | None = None, **env: str) -> str:
        """Standard output without the last line's end. Raises `GitFailed`."""
        given = None if stdin is None else os.fsencode(stdin)
        return os.fsdecode(self.read(*arguments, stdin=given, **env)).rstrip("\n")

    def names(self, *arguments: str, **env: str) -> list[str]:
        """Paths of a command that was given `-z`. Raises `GitFailed`."""
        return [name for name in self.text(*arguments, **env).split("\0") if name]

    def succeeds(self, *arguments: str) -> bool:
        """Whether the command answers yes by its exit code."""
        return self.run(*arguments).returncode == 0

    def commit(self, revision: str) -> str | None:
        """The commit a revision names; None if there is no such thing."""
        found = self.run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        return found.stdout.decode().strip() or None if found.returncode == 0 else None

    def contains(self, commit: str, ancestor: str) -> bool:
        """Whether `ancestor` is in the history of `commit`."""
        return self.succeeds("merge-base", "--is-ancestor", ancestor, commit)

    def set_ref(self, ref: str, new: str, old: str | None = None) -> None:
        """Move a ref, from `old` if that is given. Raises `GitFailed`."""
        self.text("update-ref", "-m", "stoker: safe merge", ref, new, *([old] if old else []))

    def delete_refs(self, prefix: str) -> None:
        """Delete every ref under `prefix`."""
        for ref in self.text("for-each-ref", "--format=%(refname)", prefix).splitlines():
            self.text("update-ref", "-d", ref)

    # The remote.

    def remote_refs(self, remote: str, *refs: str) -> dict[str, str]:
        """Object ids of those of the refs that the remote has. Raises `Unreachable`."""
        listed = self._talk("ls-remote", remote, *refs)
        pairs = (line.split("\t", 1) for line in listed.splitlines())
        return {ref: oid for oid, ref in pairs if ref in refs}

    def fetch(self, remote: str, *refspecs: str) -> None:
        """Fetch into our own refs only, no tags, no FETCH_HEAD. Raises `Unreachable`."""
        options = ("--no-tags", "--no-write-fetch-head", "--refmap=", "--no-recurse-submodules")
        self._talk("fetch", "--quiet", *options, remote, *refspecs)

    def push(
        self, remote: str, *updates: tuple[str, str, str], hooks: bool = False
    ) -> subprocess.CompletedProcess[bytes]:
        """Push all or nothing, each as (new, ref, old): the remote's ref must still be `old`
        (`EMPTY`: it must not exist); a `new` of `""` deletes."""
        leases = [
            f"--force-with-lease={ref}:{'' if old == EMPTY else old}" for _, ref, old in updates
        ]
        specs = [f"{new}:{ref}" for new, ref, _ in updates]
        done = self.run("push", "--porcelain", "--atomic", *leases, remote, *specs, hooks=hooks)
        sys.stderr.write(os.fsdecode(done.stderr))
        return done

    def _talk(self, *arguments: str) -> str:
        try:
            return self.text(*arguments)
        except GitFailed as error:
            raise Unreachable(f"the remote cannot be used: {error}") from error


def _steers(name: str) -> bool:
    """Whether a variable would make git work on another repository."""
    return name.startswith("GIT_") and name in {
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_COMMON_DIR",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_PREFIX",
        "GIT_NAMESPACE",
    }
