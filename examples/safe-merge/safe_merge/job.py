"""What is to be merged into what, and where a run keeps its things."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from safe_merge.errors import Refused
from safe_merge.git import Git


class Job(NamedTuple):
    """One merge, as the plan's inputs describe it."""

    repository: Path
    remote: str
    source: str
    target: str
    run_id: str
    policy: Path = Path()
    test_command: str = ""
    agent_command: str = ""
    scratch: str = ""
    event_log: str = ""
    lock_ttl_sec: float = 3600.0
    wait_for_lock: bool = True
    allow_dirty: bool = False
    keep_snapshots: int = 3

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Job:
        """The job of the run this step belongs to: `MERGE_*` from the plan's inputs."""
        get = {name.removeprefix("MERGE_").lower(): value for name, value in env.items()}
        return cls(
            repository=Path(get["repository"]),
            remote=get["remote"],
            source=get["source"],
            target=get["target"],
            run_id=env["STOKER_RUN_ID"],
            policy=Path(get["policy"]),
            test_command=get["test_command"],
            agent_command=get["agent_command"],
            scratch=get["scratch"],
            event_log=get["event_log"],
            lock_ttl_sec=float(get["lock_ttl_sec"]),
            wait_for_lock=get["wait_for_lock"] == "true",
            allow_dirty=get["allow_dirty"] == "true",
            keep_snapshots=int(get["keep_snapshots"]),
        )

    def check(self) -> None:
        """Raises `Refused` if the inputs make no sense."""
        if not self.repository.is_absolute() or not self.repository.is_dir():
            raise Refused(
                f"repository: expected the absolute path of a clone, found {str(self.repository)!r}"
            )
        for name, value in (("source", self.source), ("target", self.target)):
            if not Git(self.repository).succeeds("check-ref-format", f"refs/heads/{value}"):
                raise Refused(f"{name}: expected the name of a branch, found {value!r}")
        if not self.remote or self.remote.startswith("-"):
            raise Refused(f"remote: expected the name of a remote, found {self.remote!r}")
        if self.source == self.target:
            raise Refused(f"source and target are the same branch: {self.source!r}")

    @property
    def git(self) -> Git:
        """Git in the user's clone."""
        return Git(self.repository)

    @property
    def common(self) -> Path:
        """The clone's git directory, shared by its worktrees."""
        return _common(self.repository)

    @property
    def directory(self) -> Path:
        """Files of this run."""
        return self.common / "stoker" / "merges" / self.run_id

    @property
    def worktree(self) -> Path:
        """The scratch worktree; outside of the clone, so that no tool finds one in the other."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        root = self.scratch or f"{cache}/stoker/merges"
        name = re.sub(r"[^\w.-]", "_", f"{self.repository.name}-{self.run_id}")
        return Path(root) / name

    @property
    def bundle(self) -> Path:
        """The snapshot as one file."""
        return self.directory / "snapshot.bundle"

    @property
    def target_ref(self) -> str:
        return f"refs/heads/{self.target}"

    @property
    def source_ref(self) -> str:
        return f"refs/heads/{self.source}"

    @property
    def lock_ref(self) -> str:
        """On the remote: there for as long as somebody merges into the target."""
        return f"refs/stoker/locks/{self.target}"

    def backup(self, name: str) -> str:
        """A ref of the snapshot: `remote` and `local` (the target branch there and here)."""
        return f"refs/stoker/backup/{self.run_id}/{name}"

    def working(self, name: str) -> str:
        """A ref of the merge in the making: `source`, `merge`, `seen` (a lock)."""
        return f"refs/stoker/merges/{self.run_id}/{name}"

    def known(self, ref: str, what: str) -> str:
        """The commit of a ref that an earlier phase made. Raises `Refused`."""
        commit = self.git.commit(ref)
        if commit is None:
            raise Refused(
                f"{what} is gone ({ref}): another merge has taken over, or it was deleted"
            )
        return commit

    # Small files.

    def write(self, name: str, value: Any) -> None:
        """Keep a JSON value, whole or not at all."""
        self.directory.mkdir(parents=True, exist_ok=True)
        temporary = self.directory / f".{name}.{os.getpid()}"
        temporary.write_text(json.dumps(value, indent=1))
        temporary.replace(self.directory / f"{name}.json")

    def read(self, name: str, default: Any) -> Any:
        """A value that `write` kept."""
        try:
            return json.loads((self.directory / f"{name}.json").read_text())
        except FileNotFoundError:
            return default


@cache
def _common(repository: Path) -> Path:
    return repository / Git(repository).text("rev-parse", "--git-common-dir")
