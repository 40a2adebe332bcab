"""A git hook by which commits made by hand in an attempt's worktree tell of their task.

Hooks are a repository's, not a worktree's: this one does nothing where no trailers are noted
(`stoker.tasks.trailers`), that is in all worktrees but Stoker's. A hook that was there before
is kept beside it, and runs first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from stoker.tasks.errors import Conflict
from stoker.tasks.trailers import FILE
from stoker.workspace.git import decode
from stoker.workspace.program import execute
from stoker.workspace.repository import Repository

NAME: Final = "commit-msg"
_MARK: Final = "# Installed by `stoker task hook install`"
_BEFORE: Final = f"{NAME}.before-stoker"
_SCRIPT: Final = f"""#!/bin/sh
{_MARK}: commits made in an attempt's worktree tell of their task.
before="$(dirname "$0")/{_BEFORE}"
if [ -x "$before" ]; then "$before" "$@" || exit $?; fi
noted="$(git rev-parse --absolute-git-dir)/{FILE}"
[ -f "$noted" ] || exit 0
# An empty message is how a person gives a commit up.
text=$(sed '/^. -\\{{8,\\}} >8 -\\{{8,\\}}$/,$d' "$1" | git stripspace --strip-comments)
[ -n "$text" ] || exit 0
while IFS= read -r line; do
    git interpret-trailers --in-place --if-exists doNothing --trailer "$line" "$1" || exit $?
done <"$noted"
"""


async def install(repository: Repository) -> Path:
    """Put the hook, or its newest version, where git looks for hooks; returns its path. Raises
    `Conflict` where others would get it, too, or two hooks would have to be kept."""
    hook = await _place(repository)
    before = hook.with_name(_BEFORE)
    hook.parent.mkdir(parents=True, exist_ok=True)
    if _there(hook) and not _ours(hook):
        if _there(before):
            raise Conflict(f"{hook} is not Stoker's, and {before.name} is there already")
        hook.rename(before)
    new = hook.with_name(f"{NAME}.stoker-new")
    new.write_text(_SCRIPT)
    new.chmod(0o755)
    new.replace(hook)
    return hook


async def uninstall(repository: Repository) -> bool:
    """Take the hook away, and put back what was there before; False if it is not there."""
    hook = await _place(repository)
    if not _ours(hook):
        return False
    before = hook.with_name(_BEFORE)
    if _there(before):
        before.replace(hook)
    else:
        hook.unlink()
    return True


async def _place(repository: Repository) -> Path:
    """Where git itself looks, which `core.hooksPath` may have moved."""
    found = await _hooks_path(repository)
    if found is None:
        return repository.common_dir / "hooks" / NAME
    top = repository.path.resolve()
    folder = (top / found).resolve()
    if folder.is_relative_to(top) and not folder.is_relative_to(repository.common_dir.resolve()):
        raise Conflict(
            f"core.hooksPath is {found}, in the working tree, where others get the hook, too"
        )
    return folder / NAME


async def _hooks_path(repository: Repository) -> Path | None:
    """What people's git takes: their own settings count, which Stoker's git does not read."""
    said = await execute(
        ("git", "config", "--type=path", "core.hooksPath"),
        cwd=str(repository.path),
        env=os.environ,
        timeout=30,
    )
    text = decode(said.stdout).rstrip("\n")
    return Path(text) if text else None


def _there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _ours(path: Path) -> bool:
    try:
        return _MARK in path.read_text(errors="replace")
    except OSError:
        return False
