"""What a project remembers of its runs: `.executor/project-memory.json`, bounded, for everyone
to read and to correct by hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.roadmaps.memory.learning import Lesson, Pattern, lessons_of, patterns_of
from stoker.roadmaps.memory.outcome import Outcome, shortened

FILE: Final = ".executor/project-memory.json"
VERSION: Final = 1
_KEY_FILES: Final = 50
_CONVENTIONS: Final = 30
_HISTORY: Final = 200
_LESSONS: Final = 100
_PATTERNS: Final = 50
_RUNS: Final = 50
_LIMIT: Final = 4 * 1024 * 1024
_RULES: Final = ("always", "never", "must", "convention", "style", "naming")


class Unreadable(Exception):
    """A memory that cannot be read; the message names the file, what was found and expected."""


class Part(Struct, frozen=True, kw_only=True):
    """Base; unknown fields of newer versions are passed over."""


class KeyFile(Part, frozen=True):
    """A file that tasks keep coming back to."""

    path: str
    tasks: int
    """How many tasks changed it."""
    last: str
    """Id of the last of them."""


class Done(Part, frozen=True, omit_defaults=True):
    """A try of the past."""

    run: str
    task: str
    title: str
    status: str
    summary: str = ""
    files: tuple[str, ...] = ()
    commit: str = ""
    at: float = 0.0


class ProjectMemory(Part, frozen=True):
    """What a project remembers."""

    version: int = VERSION
    key_files: tuple[KeyFile, ...] = ()
    """The busiest first."""
    conventions: tuple[str, ...] = ()
    """Rules, as agents stated them or people wrote them here; the newest last."""
    history: tuple[Done, ...] = ()
    """The newest last."""
    lessons: tuple[Lesson, ...] = ()
    """Failures, and what resolved them."""
    patterns: tuple[Pattern, ...] = ()
    """Kinds of tasks, and how they went."""
    runs: dict[str, int] = {}
    """Of how many tries of each run it knows, so that nothing is counted twice."""


def read(root: Path) -> ProjectMemory:
    """The memory of the project at `root`; empty if there is none. Raises `Unreadable`."""
    try:
        file = _place(root)
    except NotADirectoryError as error:
        raise Unreadable(str(error)) from error
    try:
        if file.is_symlink():
            raise Unreadable(f"{file}: expected a plain file, found a symbolic link")
        if file.exists() and not file.is_file():
            raise Unreadable(f"{file}: expected a plain file, found something else")
        if (size := file.stat().st_size) > _LIMIT:
            raise Unreadable(f"{file}: expected at most {_LIMIT:,} bytes, found {size:,}")
        memory = msgspec.json.decode(file.read_bytes(), type=ProjectMemory)
    except FileNotFoundError:
        return ProjectMemory()
    except (msgspec.MsgspecError, OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{file}: expected a project's memory: {error}") from error
    if memory.version > VERSION:
        raise Unreadable(f"{file}: version {memory.version} is newer than this Stoker's {VERSION}")
    return memory


def write(root: Path, memory: ProjectMemory) -> None:
    """Put it in place of the one before, at once. Raises `OSError`."""
    from stoker import whole_file

    file = _place(root)
    make_folder(root)
    text = msgspec.json.format(msgspec.json.encode(memory), indent=2) + b"\n"
    whole_file.replace(file, text, mode=None, sync=True)


def make_folder(root: Path) -> Path:
    """The directory that it is in, which git is told to leave alone. Raises `OSError`, also if a
    link is in its place."""
    from contextlib import suppress

    from stoker import whole_file

    folder = _place(root).parent
    whole_file.make_directory(folder)
    with (
        suppress(FileExistsError),
        whole_file.atomic(folder / ".gitignore", overwrite=False, sync=False) as ignore,
    ):
        ignore.write(b"*\n")
    return folder


def clear(root: Path) -> bool:
    """Forget everything; whether there was anything. Raises `OSError`."""
    file = _place(root)
    there = file.exists() or file.is_symlink()
    file.unlink(missing_ok=True)
    return there


def remember(memory: ProjectMemory, run: str, outcomes: Iterable[Outcome]) -> ProjectMemory:
    """The memory with all tries of a run, of which it may know the first ones already; pure,
    and the same however often it is done."""
    tries = tuple(outcomes)
    known = memory.runs.get(run, 0)
    new = tries[known:]
    if not new:
        return memory
    conventions = dict.fromkeys(memory.conventions)
    for decision in (text for one in new if one.verdict == "verified" for text in one.decisions):
        if any(word in decision.lower() for word in _RULES):
            conventions.pop(decision, None)
            conventions[decision] = None
    runs = {name: count for name, count in memory.runs.items() if name != run}
    runs[run] = len(tries)
    return replace(
        memory,
        version=VERSION,
        key_files=_key_files(memory.key_files, new),
        conventions=tuple(conventions)[-_CONVENTIONS:],
        history=(*memory.history, *(_done(run, one) for one in new))[-_HISTORY:],
        lessons=lessons_of(memory.lessons, tries, since=known)[-_LESSONS:],
        patterns=patterns_of(memory.patterns, new)[-_PATTERNS:],
        runs=dict(list(runs.items())[-_RUNS:]),
    )


def _place(root: Path) -> Path:
    """Nothing is read, written or removed where a link in place of the directory leads."""
    file = root / FILE
    if file.parent.is_symlink():
        raise NotADirectoryError(f"{file.parent}: expected a directory, found a symbolic link")
    return file


def _key_files(known: tuple[KeyFile, ...], new: tuple[Outcome, ...]) -> tuple[KeyFile, ...]:
    files = {file.path: file for file in known}
    for one in new:
        if one.verdict != "failed":
            for path in one.files:
                before = files.get(path)
                count = before.tasks + 1 if before else 1
                files[path] = KeyFile(path=path, tasks=count, last=one.task)
    return tuple(sorted(files.values(), key=lambda file: (-file.tasks, file.path))[:_KEY_FILES])


def _done(run: str, one: Outcome) -> Done:
    return Done(
        run=run,
        task=one.task,
        title=one.title,
        status=one.verdict,
        summary=shortened(one.summary, 400),
        files=one.files[:20],
        commit=one.commit,
        at=one.at,
    )
