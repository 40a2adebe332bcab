"""What a repository knows of a worktree, written as `git worktree add --no-checkout` does, but in
half a millisecond instead of three processes, for as long as which others have to wait.

The order is git's, too: killed anywhere, `recovery` finds what there is, and `git worktree prune`
leaves it alone until then.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Final

from stoker.workspace import hardening, refs
from stoker.workspace.git import encode
from stoker.workspace.repository import Repository

_ODD: Final = (b"[extensions", b"[include", b"[worktree", b"sparse", b"shared")
"""In a config: git does more for a new worktree, or keeps refs elsewhere."""


def usual(repository: Repository, path: Path) -> bool:
    """True: `register` does what git would do for a worktree at `path`."""
    common, own = hardening.config_files(repository.common_dir, repository.git.git_dir)
    try:
        config = common.read_bytes().lower()
    except FileNotFoundError:
        return False
    said = any(word in config for word in _ODD)
    return refs.plain(path.name) and "\n" not in str(path) and not own.exists() and not said


def register(repository: Repository, path: Path, branch: str) -> None:
    """Make a worktree without files at `path`, on `branch`, which may be unborn. Under the
    repository's lock. Raises OSError."""
    folder = repository.common_dir / "worktrees"
    folder.mkdir(exist_ok=True)
    admin = _new(folder, path.name)
    locked = admin / "locked"
    locked.write_bytes(b"initializing")
    path.mkdir()
    (admin / "gitdir").write_bytes(encode(f"{path}/.git\n"))
    (path / ".git").write_bytes(encode(f"gitdir: {admin}\n"))
    (admin / "HEAD").write_bytes(encode(f"ref: refs/heads/{branch}\n"))
    (admin / "commondir").write_bytes(b"../..\n")
    locked.unlink()


def _new(folder: Path, name: str) -> Path:
    for number in count():
        admin = folder / (f"{name}{number}" if number else name)
        try:
            admin.mkdir()
        except FileExistsError:
            continue
        return admin
    raise AssertionError
