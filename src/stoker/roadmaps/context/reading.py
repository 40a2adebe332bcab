"""Reading files of a checkout whose content somebody else chose."""

from __future__ import annotations

import os
import stat as modes
from pathlib import Path
from typing import Final

from stoker.roadmaps.context.languages import MAX_BYTES

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Checkout:
    """The plain files beneath a directory, and nothing that a link leads to."""

    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)

    def read(self, path: str, limit: int = MAX_BYTES) -> bytes | None:
        """At most `limit` bytes; None if it is no plain file beneath the root, also by a link
        among its directories, or cannot be read."""
        try:
            descriptor = os.open(f"{self.root}/{path}", _FLAGS)
        except (OSError, ValueError):
            return None
        try:
            if not modes.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            # Where it really is, whatever became of its directories meanwhile.
            if os.readlink(f"/proc/self/fd/{descriptor}") != f"{self.root}/{path}":  # noqa: PTH115
                return None
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(limit)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def text(self, path: str) -> str | None:
        """As text; None also for what is binary."""
        data = self.read(path)
        return None if data is None or b"\0" in data[:8192] else data.decode("utf-8", "replace")
