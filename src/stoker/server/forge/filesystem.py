"""Directories of the server's machine, as far as it was given them; worktrees by their paths."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from litestar.params import FromQuery

from stoker.server.forge.envelope import Business, Envelope, get, ok
from stoker.server.params import App
from stoker.tasks.errors import Unknown
from stoker.workspace.errors import printable

_DEPTH: Final = 4
_MOST: Final = 20_000
"""Directories that a search for repositories looks at."""
_SKIPPED: Final = frozenset({"node_modules", "target", "build", "dist", "Library", "AppData"})


@get("/api/filesystem/directory")
async def directory(service: App, path: FromQuery[str] = "") -> Envelope:
    place = service.confined(path or ".", "path")
    entries = await asyncio.to_thread(_listing, place)
    return ok({"entries": entries, "current_path": printable(str(place))})


@get("/api/filesystem/git-repos")
async def repositories(service: App, path: FromQuery[str] = "") -> Envelope:
    """Below a directory, or below all the server was given; hidden ones are not looked at."""
    places = [service.confined(path, "path")] if path else list(service.settings.roots)
    found = await asyncio.to_thread(_repositories, places)
    return ok(sorted(found, key=lambda one: -(one["last_modified"] or 0)))


@get("/api/containers/info")
async def container(service: App, ref: FromQuery[str]) -> Envelope:
    """Whose worktree a path is, or is in."""
    for attempt in reversed(await service.tasks.catalog.attempts()):
        if _within(ref, attempt.worktree):
            task = await service.tasks.catalog.task(attempt.task_id)
            told = {"attempt_id": attempt.attempt_id, "task_id": task.task_id}
            return ok({**told, "project_id": task.project_id})
    raise Unknown("attempt with the worktree", ref)


def _within(ref: str, worktree: str) -> bool:
    return Path(os.path.normpath(ref)).is_relative_to(worktree)


def _listing(place: Path) -> list[dict[str, Any]]:
    """Directories first; hidden ones left out."""
    try:
        if not place.exists():
            raise Business("Directory does not exist")
        if not place.is_dir():
            raise Business("Path is not a directory")
        found = [_entry(one) for one in place.iterdir() if not one.name.startswith(".")]
    except OSError as error:
        raise Business(f"Failed to read directory: {error.strerror}") from error
    return sorted(found, key=lambda one: (not one["is_directory"], one["name"].lower()))


def _entry(path: Path) -> dict[str, Any]:
    is_directory = os.path.isdir(path)  # noqa: PTH112
    try:
        modified = int(path.stat().st_mtime)
    except OSError:
        modified = None
    return {
        "name": printable(path.name),
        "path": printable(str(path)),
        "is_directory": is_directory,
        "is_git_repo": is_directory and _is_repository(path),
        "last_modified": modified,
    }


def _is_repository(path: Path) -> bool:
    """Of a directory that may not be looked into, `Path.exists` would raise."""
    return os.path.exists(path / ".git")  # noqa: PTH110


def _repositories(places: list[Path]) -> list[dict[str, Any]]:
    found = {}
    for place in places:
        for number, path in enumerate(_directories(place, _DEPTH)):
            if number >= _MOST:
                break
            if _is_repository(path):
                found[path] = _entry(path)
    return list(found.values())


def _directories(place: Path, depth: int) -> Iterator[Path]:
    yield place
    if depth == 0:
        return
    try:
        with os.scandir(place) as entries:
            below = [Path(one.path) for one in entries if one.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for path in below:
        if not path.name.startswith(".") and path.name not in _SKIPPED:
            yield from _directories(path, depth - 1)
