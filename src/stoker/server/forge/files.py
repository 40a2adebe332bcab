"""Changes to the files of a worktree, whoever makes them, told by inotify."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

from stoker.log import get_logger
from stoker.process.logs import LogWatch
from stoker.workspace.worktree import Worktree

log = get_logger(__name__)

_LISTED: Final = ("ls-files", "-z", "--cached", "--others", "--directory", "--exclude-standard")
_MOST: Final = 4096
"""Directories of a worktree that are watched: a user may have 8,192 watches on small machines."""


class Files:
    """Of one worktree. What git ignores is not watched."""

    def __init__(self, watch: LogWatch, changed: Callable[[], None]) -> None:
        self._watch = watch
        self._changed = changed
        self._armed: dict[str, tuple[int, Callable[[], None]]] = {}

    async def arm(self, worktree: Worktree) -> None:
        """Call back after the next change. Look at the files after this call, not before, or a
        change between is missed. Raises `WorkspaceError`."""
        listed = await worktree.git.records(*_LISTED)
        top = str(worktree.path)
        for directory in await asyncio.to_thread(_directories, top, listed):
            if directory not in self._armed and not self._once(directory):
                return

    def _once(self, directory: str) -> bool:
        """False: no more can be watched."""

        def fired() -> None:
            self._armed.pop(directory, None)
            self._changed()

        try:
            self._armed[directory] = (self._watch.once(directory, fired), fired)
        except (FileNotFoundError, NotADirectoryError):  # gone meanwhile, which its parent tells
            return True
        except OSError as error:
            log.warning("files not watched", directory=directory, error=str(error))
            return False
        return True

    def close(self) -> None:
        """Call back no more."""
        for number, callback in self._armed.values():
            self._watch.forget(number, callback)
        self._armed.clear()


def _directories(top: str, listed: list[str]) -> list[str]:
    """Those of the files, the upper ones first; git names new directories without what is in
    them."""
    found = {""}
    for path in listed:
        folder = path.rpartition("/")[0]
        if path.endswith("/"):
            for at, below, _ in os.walk(f"{top}/{folder}"):
                below[:] = [name for name in below if name != ".git"]
                found.add(os.path.relpath(at, top))
                if len(found) > _MOST:
                    break
        while folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    chosen = sorted(found, key=lambda path: path.count("/"))[:_MOST]
    return [os.path.join(top, path) for path in chosen]  # noqa: PTH118
