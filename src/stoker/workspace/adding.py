"""What a repository knows of a worktree, written as `git worktree add --no-checkout` does, but in
half a millisecond instead of three processes, for as long as which others have to wait.

The order is git's, too: killed anywhere, `recovery` finds what there is, and `git worktree prune`
leaves it alone until then.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from stoker.workspace import hardening, refs
from stoker.workspace.git import Signature, encode
from stoker.workspace.repository import Repository

_ODD: Final = (b"[extensions", b"[include", b"[worktree", b"sparse", b"shared", b"splitindex")
"""In a config: git does more for a new worktree, or keeps refs or indexes elsewhere."""


class Spare(msgspec.Struct, frozen=True):
    """Files at `commit` and their index, in a directory of their own (see `spares`)."""

    path: Path
    commit: str
    rules: Signature
    """What git went by, beside the commit, when it wrote them."""

    @property
    def files(self) -> Path:
        return self.path / "files"

    @property
    def index(self) -> Path:
        return self.path / "index"

    @property
    def whole(self) -> bool:
        """Nothing was taken out of it."""
        return self.files.is_dir() and self.index.exists()


def usual(repository: Repository, *names: str) -> bool:
    """True: `register` does what git would do for a worktree. `names`: its directory's, its
    branch's."""
    common, own = hardening.config_files(repository.common_dir, repository.git.git_dir)
    try:
        config = common.read_bytes().lower()
    except FileNotFoundError:
        return False
    said = any(word in config for word in _ODD)
    return not said and not own.exists() and all(map(refs.plain, names))


def register(repository: Repository, path: Path, branch: str, spare: Spare | None = None) -> None:
    """Make a worktree at `path`, on `branch`, which may be unborn; without files, or with those
    and the index of `spare`. Under the repository's lock. Raises OSError."""
    folder = repository.common_dir / "worktrees"
    folder.mkdir(exist_ok=True)
    admin = _new(folder, path.name)
    locked = admin / "locked"
    _put(locked, b"initializing")
    if spare is None:
        path.mkdir()
    _put(admin / "gitdir", encode(f"{path}/.git\n"))
    files = path if spare is None else spare.files
    (files / ".git").write_bytes(encode(f"gitdir: {admin}\n"))
    if spare is not None:
        spare.index.rename(admin / "index")
        spare.files.rename(path)
    _put(admin / "HEAD", encode(f"ref: refs/heads/{branch}\n"))
    _put(admin / "commondir", b"../..\n")
    locked.unlink()


def _put(file: Path, content: bytes) -> None:
    """Whole or not there: an empty `commondir` has every git in the repository fail."""
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(content)
    new.rename(file)


def _new(folder: Path, name: str) -> Path:
    for number in count():
        admin = folder / (f"{name}{number}" if number else name)
        try:
            admin.mkdir()
        except FileExistsError:
            continue
        return admin
    raise AssertionError
