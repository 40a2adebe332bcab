"""Files of the worktree, for agents that have their client read and write them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from stoker import whole_file

LIMIT: Final = 16 << 20
"""Bytes of one file."""


class Worktree:
    """Nothing outside of `root` can be reached, neither by `..` nor through links."""

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)

    def read(self, path: str) -> str:
        """The text of a file. Raises `OSError`, `PermissionError` outside the worktree."""
        file = self._inside(path)
        with file.open("rb") as opened:
            data = opened.read(LIMIT + 1)
        if len(data) > LIMIT:
            raise OSError(f"{path} has more than {LIMIT} bytes")
        return data.decode(errors="replace")

    def write(self, path: str, text: str) -> None:
        """Write a file anew, with the directories it needs. Raises as `read`."""
        whole_file.replace(self._inside(path), text.encode(), mode=None)

    def _inside(self, path: str) -> Path:
        real = os.path.realpath(os.path.join(self._root, path))  # noqa: PTH118
        inside = real.startswith(self._root.rstrip("/") + "/")
        if not inside or ".git" in Path(real).relative_to(self._root).parts:
            raise PermissionError(f"{path} is not in the worktree")
        return Path(real)
