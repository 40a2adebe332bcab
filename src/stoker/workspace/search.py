"""Files and directories by name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from heapq import nsmallest
from typing import Literal

from stoker.workspace.git import Git
from stoker.workspace.model import Match

_KINDS: tuple[Literal["FileName", "DirectoryName", "FullPath"], ...] = (
    "FileName",
    "DirectoryName",
    "FullPath",
)


async def search(git: Git, query: str, *, limit: int = 50) -> list[Match]:
    """What of a checkout (ignored files left out) has `query` in its name, whatever the case.

    Names of files come first, then names of directories, then paths; of each, shorter names first.
    Empty query: nothing.
    """
    wanted = query.strip().lower()
    if not wanted:
        return []
    args = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    paths = await git.records(*args)
    return await asyncio.to_thread(_search, paths, wanted, limit)


def _search(paths: Iterable[str], wanted: str, limit: int) -> list[Match]:
    folders: set[str] = set()
    found: list[tuple[int, bool, int, str, bool]] = []
    for path in paths:
        _add(found, path, wanted, is_file=not path.endswith("/"))
        folder = path.rstrip("/").rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            _add(found, folder, wanted, is_file=False)
            folder = folder.rpartition("/")[0]
    best = nsmallest(limit, found)
    return [Match(path, is_file, _KINDS[kind]) for kind, _, _, path, is_file in best]


def _add(
    found: list[tuple[int, bool, int, str, bool]], path: str, wanted: str, *, is_file: bool
) -> None:
    whole = path.rstrip("/").lower()
    name = whole.rpartition("/")[2]
    if wanted in name:
        kind = 0 if is_file else 1
    elif wanted in whole:
        kind = 2
    else:
        return
    found.append((kind, not name.startswith(wanted), len(path), path.rstrip("/"), is_file))
