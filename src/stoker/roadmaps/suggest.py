"""What may help a task that failed: typed, rated, and safe to be applied or for a person to say.

Pure but for `apply`, which makes the safe ones in the task's own worktree.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from stoker.roadmaps.evidence import Fault, Record

Kind = Literal[
    "create_init_file",
    "create_directory",
    "add_import",
    "insert_prerequisite_task",
    "modify_file_hints",
    "add_dependency",
]


class Suggestion(Record, frozen=True):
    """One thing to do."""

    kind: Kind
    rating: float
    """How sure it is to help: 0 to 1."""
    reason: str
    """For a person, in a sentence."""
    path: str = ""
    """The file or directory that it is about, relative to the repository."""
    value: str = ""
    """The import statement, the module, the promised path, the distribution."""
    task: str = ""
    """Id of a task that is to come before."""
    safe: bool = False
    """`apply` makes it, and it can break nothing."""


_NO_MODULE: Final = re.compile(r"[Nn]o module named '?([\w.]+)'?")
_NO_NAME: Final = re.compile(r"NameError: name '(\w+)' is not defined")
_NO_FILE: Final = re.compile(
    r"(?:No such file or directory|ENOENT[^']*?|FileNotFoundError[^']*): ?'([^'\n]+)'"
)
_NO_PACKAGE: Final = re.compile(r"Cannot find (?:module|package) '((?:@[\w.-]+/)?[\w-][\w.-]*)")
_TRACE: Final = re.compile(r'^(?:  File ")?([\w./-]+\.py)(?:", line |:)(\d+)', re.MULTILINE)
_DISTRIBUTIONS: Final = {
    **{"yaml": "PyYAML", "PIL": "Pillow", "cv2": "opencv-python", "bs4": "beautifulsoup4"},
    **{"sklearn": "scikit-learn", "dateutil": "python-dateutil", "dotenv": "python-dotenv"},
    **{"jwt": "PyJWT", "git": "GitPython", "attr": "attrs", "serial": "pyserial"},
}


def suggest(
    faults: Sequence[Fault],
    *,
    files: Collection[str],
    promised: Sequence[str] = (),
    changed: Sequence[str] = (),
    pending: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Suggestion, ...]:
    """The best first. `files`: all there are after the try; `promised` and `changed` by the task;
    `pending`: files that other tasks, by their ids, are still to make."""
    tree = _Tree(files, promised, changed, pending or {})
    found: dict[tuple[str, str, str], Suggestion] = {}
    for fault in faults:
        for one in tree.of(fault):
            found.setdefault((one.kind, one.path, one.value), one)
    return tuple(sorted(found.values(), key=lambda one: -one.rating))


class _Tree:
    def __init__(
        self,
        files: Collection[str],
        promised: Sequence[str],
        changed: Sequence[str],
        pending: Mapping[str, Sequence[str]],
    ) -> None:
        self.files = files if isinstance(files, set | frozenset | dict) else set(files)
        self.folders = {str(up) for file in files for up in PurePosixPath(file).parents}
        self.promised = promised
        self.changed = changed
        self.pending = pending

    def of(self, fault: Fault) -> Iterator[Suggestion]:
        text = fault.message
        for name in dict.fromkeys(_NO_MODULE.findall(text)):
            yield from self._module(name)
        for name in dict.fromkeys(_NO_PACKAGE.findall(text)):
            reason = f"the package {name} is imported and not installed"
            yield Suggestion(kind="add_dependency", rating=0.6, reason=reason, value=name)
        for name in dict.fromkeys(_NO_NAME.findall(text)):
            yield from self._name(name, fault)
        for path in dict.fromkeys(_NO_FILE.findall(text)):
            yield from self._folder(path, 0.5)
        if fault.category == "file_not_found" and fault.path:
            yield from self._promised(fault.path)

    def _module(self, name: str) -> Iterator[Suggestion]:
        path = name.replace(".", "/")
        for prefix in ("", "src/", "lib/"):
            for folder in _folders(prefix, path):
                inside = [
                    f for f in self.files if f.rpartition("/")[0] == folder and f.endswith(".py")
                ]
                if inside and f"{folder}/__init__.py" not in self.files:
                    yield Suggestion(
                        kind="create_init_file",
                        rating=0.9,
                        reason=f"{folder} holds modules and is no package: {name} is not found",
                        path=f"{folder}/__init__.py",
                        safe=True,
                    )
        if path.split("/")[0] in self._own():
            yield from self._prerequisite(f"{path}.py", f"{path}/__init__.py", value=name)
        elif name.split(".", maxsplit=1)[0] not in sys.stdlib_module_names:
            top = name.split(".", maxsplit=1)[0]
            yield from self._prerequisite(f"{top}.py", f"{top}/__init__.py", value=name)
            yield Suggestion(
                kind="add_dependency",
                rating=0.6,
                reason=f"{top} is imported and not installed",
                value=_DISTRIBUTIONS.get(top, top.replace("_", "-")),
            )

    def _own(self) -> set[str]:
        tops = {PurePosixPath(file.removeprefix("src/")).parts[0] for file in self.files}
        return {top.removesuffix(".py") for top in tops}

    def _prerequisite(self, *paths: str, value: str) -> Iterator[Suggestion]:
        for task, files in self.pending.items():
            if any(f == path or f.endswith(f"/{path}") for path in paths for f in files):
                yield Suggestion(
                    kind="insert_prerequisite_task",
                    rating=0.85,
                    reason=f"task {task} is to make {value}, which is imported here",
                    value=value,
                    task=task,
                )
                return
        if paths[0].partition("/")[0].removesuffix(".py") in self._own():
            reason = f"{value} is imported, and no task is to make it"
            yield Suggestion(
                kind="insert_prerequisite_task", rating=0.4, reason=reason, value=value
            )

    def _name(self, name: str, fault: Fault) -> Iterator[Suggestion]:
        if name not in sys.stdlib_module_names:
            return
        # Where it was raised; the fault's own path is the test's.
        places = [*(found[0] for found in reversed(_TRACE.findall(fault.message))), fault.path]
        path = next((place for place in places if place in self.changed), "")
        if path:
            yield Suggestion(
                kind="add_import",
                rating=0.85,
                reason=f"{path} uses {name} and does not import it",
                path=path,
                value=f"import {name}",
                safe=True,
            )

    def _folder(self, path: str, rating: float) -> Iterator[Suggestion]:
        folder = str(PurePosixPath(path).parent)
        if path.startswith(("/", "~")) or ".." in PurePosixPath(path).parts:
            return
        if folder not in self.folders and folder != ".":
            yield Suggestion(
                kind="create_directory",
                rating=rating,
                reason=f"{folder}, where {path} belongs, is not there",
                path=folder,
                safe=True,
            )

    def _promised(self, path: str) -> Iterator[Suggestion]:
        name = PurePosixPath(path).name
        alike = [
            one for one in self.changed if PurePosixPath(one).name == name and one in self.files
        ]
        if len(alike) == 1:
            yield Suggestion(
                kind="modify_file_hints",
                rating=0.7,
                reason=f"{path} was promised, and {alike[0]} was made",
                path=alike[0],
                value=path,
            )
        yield from self._folder(path, 0.5)


def _folders(prefix: str, path: str) -> Iterator[str]:
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        yield prefix + "/".join(parts[:end])


def apply(suggestions: Iterable[Suggestion], directory: Path) -> list[Suggestion]:
    """Make those that are safe in `directory`, a worktree; returns those that changed something.
    Nothing outside is touched, whatever links there are, and nothing that is there is replaced.
    Raises OSError."""
    return [one for one in suggestions if one.safe and _apply(one, directory.resolve())]


def _apply(one: Suggestion, top: Path) -> bool:
    path = top / one.path
    folder = path if one.kind == "create_directory" else path.parent
    if not folder.resolve().is_relative_to(top) or ".git" in PurePosixPath(one.path).parts:
        return False
    if one.kind == "create_directory":
        if os.path.lexists(folder):
            return False
        folder.mkdir(parents=True)
        return True
    if one.kind == "create_init_file":
        if os.path.lexists(path) or not folder.is_dir():
            return False
        path.touch(exist_ok=False)
        return True
    return one.kind == "add_import" and _add_import(path, one.value)


def _add_import(path: Path, statement: str) -> bool:
    import ast

    if path.is_symlink() or not path.is_file():
        return False
    data = path.read_bytes()
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError):
        return False
    lines = data.splitlines(keepends=True)
    ending = b"\r\n" if lines and lines[0].endswith(b"\r\n") else b"\n"
    at = 0
    for node in tree.body:  # after the docstring and what must come first
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not (docstring or future):
            break
        at = node.end_lineno or at
    if at == 0:
        while at < len(lines) and lines[at].startswith(b"#"):
            at += 1
    if at and not lines[at - 1].endswith(b"\n"):
        lines[at - 1] += ending
    lines.insert(at, statement.encode() + ending)
    path.write_bytes(b"".join(lines))
    return True
