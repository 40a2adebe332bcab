"""Kind `file`: copy, move, write, delete, fill in, check: atomically, and binary safe.

A path is relative to the step's directory. Where one that is named within that directory
leads out of it by a symbolic link, the step fails, unless `follow_symlinks` says it may.
"""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import field

from stoker.engine.kinds import Attempt, Result, StepFailed, Work
from stoker.plan.model import Step
from stoker.steps import files
from stoker.steps.kind import BaseKind, Definition, misplaced
from stoker.whole_file import atomic, make_directory

Action = Literal["copy", "move", "write", "delete", "mkdir", "template", "checksum"]


class File(Definition, frozen=True):
    """One change to files, or one look at them."""

    action: Action
    src: str | None = None
    """What to copy, move, delete, fill in or check."""
    source: str | None = None
    """Another word for `src`."""
    dest: str | None = None
    """What to make; ending in `/` it is a directory that `src` goes into by its own name.
    Missing parent directories are made."""
    path: str | None = None
    """Another word for `dest` of write and mkdir, and for `src` of delete and checksum."""
    content: str | None = None
    """Text for `write`."""
    values: dict[str, Any] = field(default_factory=dict)
    """For `template`: what `${{ name }}` in the file at `src` stands for."""
    mode: str | None = None
    """Permissions of what is made, octal, as in `"0644"`; default: those of the source or of
    the file replaced, else what the umask gives."""
    overwrite: bool = True
    """False: fail if something is at `dest` already."""
    recursive: bool = False
    """True: directories too, for copy and delete."""
    missing_ok: bool = False
    """True: nothing at `src` is no failure."""
    follow_symlinks: bool = False
    """True: links may lead out of the step's directory, and a copied directory holds what
    its links point to."""
    algorithm: str = "sha256"
    """For `checksum`: any of Python's `hashlib`."""
    expect: str | None = None
    """For `checksum`: the hexadecimal digest it must be."""


_MAKES: Final = ("mode", "overwrite", "follow_symlinks")
_TAKES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "copy": (("src", "dest"), (*_MAKES, "recursive", "missing_ok")),
    "move": (("src", "dest"), ("overwrite", "follow_symlinks", "missing_ok")),
    "write": (("dest", "content"), _MAKES),
    "delete": (("src",), ("recursive", "missing_ok", "follow_symlinks")),
    "mkdir": (("dest",), ("mode", "follow_symlinks")),
    "template": (("src", "dest"), (*_MAKES, "values")),
    "checksum": (("src",), ("algorithm", "expect", "follow_symlinks")),
}


class FileKind(BaseKind[File]):
    """Changes files in a thread of its own."""

    name = "file"
    definition = File

    def check(self, step: Step, definition: File) -> list[str]:
        """The fields its action needs and no others, an octal mode, a known algorithm."""
        import hashlib

        problems = []
        single = definition.path is not None and definition.action in ("copy", "move", "template")
        if single:
            problems.append(f"path: action '{definition.action}' takes 'src' and 'dest'")
        if [definition.src, definition.source, definition.path].count(None) < 2 or (
            definition.dest is not None and definition.path is not None
        ):
            problems.append("src, source, path and dest: the same place is given twice")
        if not problems:
            problems = misplaced(_plain(definition), definition.action, _TAKES)
        mode = definition.mode
        if mode is not None and "${{" not in mode and _octal(mode) is None:
            problems.append(f"mode: expected octal digits such as '0644', found {mode!r}")
        algorithm = definition.algorithm
        if "${{" not in algorithm and algorithm not in hashlib.algorithms_available:
            problems.append(f"algorithm: {algorithm!r} is none of Python's hashlib")
        return problems

    def start(self, step: Step, definition: File, attempt: Attempt) -> Work:
        """The change, in a thread that is waited for when the attempt is canceled."""
        return _run(_Change(_plain(definition), attempt))


def _plain(definition: File) -> File:
    """With `src` and `dest` instead of their other words."""
    from msgspec.structs import replace

    src, dest = definition.src or definition.source, definition.dest
    if definition.path is not None:
        if definition.action in ("write", "mkdir"):
            dest = definition.path
        else:
            src = definition.path
    return replace(definition, src=src, dest=dest, source=None, path=None)


def _octal(mode: str) -> int | None:
    try:
        return value if 0 <= (value := int(mode, 8)) <= 0o7777 else None
    except ValueError:
        return None


class _Stopped(Exception):
    """The attempt was canceled; the thread takes back what it began."""


async def _run(change: _Change) -> Result:
    thread = asyncio.ensure_future(asyncio.to_thread(change.carry_out))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        change.stopping.set()
        await asyncio.wait({thread})
        thread.exception()
        raise


class _Change:
    """One action; everything here runs in the thread."""

    def __init__(self, definition: File, attempt: Attempt) -> None:
        self.definition = definition
        self.attempt = attempt
        self.stopping = threading.Event()
        self.cwd = Path(os.path.normpath(attempt.cwd))

    def carry_out(self) -> Result:
        """Raises `StepFailed`, `_Stopped`."""
        definition = self.definition
        mode = None
        if definition.mode is not None and (mode := _octal(definition.mode)) is None:
            raise StepFailed(f"mode: expected octal digits, found {definition.mode!r}")
        try:
            src, dest = self._src(), self._dest()
            if src is not None and not os.path.lexists(src):
                if not definition.missing_ok:
                    raise StepFailed(f"nothing to {definition.action}: {src} does not exist")
                return Result(outputs={"path": str(dest or src), "changed": False})
            outputs: dict[str, Any] = getattr(self, definition.action)(src, dest, mode)
        except FileExistsError as error:
            raise StepFailed(f"{error.filename2 or error.filename} exists already") from error
        except OSError as error:
            where = error.filename2 or error.filename
            raise StepFailed(f"{definition.action} {where}: {error.strerror}") from error
        return Result(outputs={"path": str(dest or src), "changed": True, **outputs})

    def stop(self) -> None:
        if self.stopping.is_set():
            raise _Stopped

    def copy(self, src: Path, dest: Path, mode: int | None) -> dict[str, Any]:
        definition = self.definition
        if src.is_dir():
            self._needs_recursive(src)
            files.copy_tree(
                src,
                dest,
                mode=mode,
                overwrite=definition.overwrite,
                follow_symlinks=definition.follow_symlinks,
                stop=self.stop,
            )
            return {}
        files.copy_file(src, dest, mode=mode, overwrite=definition.overwrite, stop=self.stop)
        return {"size": dest.stat().st_size}

    def move(self, src: Path, dest: Path, mode: int | None) -> dict[str, Any]:
        files.move(src, dest, overwrite=self.definition.overwrite, stop=self.stop)
        return {}

    def write(self, src: None, dest: Path, mode: int | None) -> dict[str, Any]:
        content = (self.definition.content or "").encode()
        with atomic(dest, mode=mode, overwrite=self.definition.overwrite) as file:
            file.write(content)
        return {"size": len(content)}

    def template(self, src: Path, dest: Path, mode: int | None) -> dict[str, Any]:
        from stoker.plan.expression import EvaluationError, ExpressionError
        from stoker.plan.template import compile_template

        try:
            text = src.read_text(encoding="utf-8")
            rendered = compile_template(text).render_text(self.definition.values)
        except (UnicodeDecodeError, ExpressionError, EvaluationError) as error:
            raise StepFailed(f"{src} is not a template: {error}") from error
        if mode is None:
            mode = src.stat().st_mode & 0o7777
        with atomic(dest, mode=mode, overwrite=self.definition.overwrite) as file:
            file.write(content := rendered.encode())
        return {"size": len(content)}

    def delete(self, src: Path, dest: None, mode: None) -> dict[str, Any]:
        if src.is_dir() and not src.is_symlink():
            self._needs_recursive(src)
            if self.cwd.resolve().is_relative_to(src.resolve()):
                raise StepFailed(f"delete {src}: the step's own directory lies in it")
        files.remove(src, self.stop)
        return {}

    def mkdir(self, src: None, dest: Path, mode: int | None) -> dict[str, Any]:
        make_directory(dest)
        if mode is not None:
            dest.chmod(mode)
        return {}

    def checksum(self, src: Path, dest: None, mode: None) -> dict[str, Any]:
        import hashlib

        digest, size = hashlib.new(self.definition.algorithm, usedforsecurity=False), 0
        with src.open("rb") as file:
            while chunk := file.read(files.CHUNK):
                self.stop()
                digest.update(chunk)
                size += len(chunk)
        # The variable-length algorithms want to be told a length; twice the strength is usual.
        found = digest.hexdigest() if digest.digest_size else digest.hexdigest(64)  # type: ignore[call-arg]
        expected = self.definition.expect
        if expected is not None and expected.lower() != found:
            raise StepFailed(
                f"{self.definition.algorithm} of {src} is {found}, expected {expected}"
            )
        return {"checksum": found, "size": size, "changed": False}

    def _needs_recursive(self, src: Path) -> None:
        if not self.definition.recursive:
            raise StepFailed(
                f"{self.definition.action} {src}: it is a directory; say 'recursive: true'"
            )

    def _src(self) -> Path | None:
        if self.definition.src is None:
            return None
        # What is moved or deleted is the link itself, not what it points to.
        itself = self.definition.action in ("move", "delete")
        return self._within(self.definition.src, itself=itself)

    def _dest(self) -> Path | None:
        name = self.definition.dest
        if name is None:
            return None
        if name.endswith("/") and self.definition.src is not None:
            name += Path(self.definition.src).name
        return self._within(name, itself=self.definition.action != "mkdir")

    def _within(self, name: str, *, itself: bool) -> Path:
        """The path named; fails if a link leads from within the step's directory out of it."""
        path = Path(os.path.normpath(self.cwd / name))
        if self.definition.follow_symlinks or not path.is_relative_to(self.cwd):
            return path
        real = path.parent.resolve() if itself and path != self.cwd else path.resolve()
        if not real.is_relative_to(self.cwd.resolve()):
            raise StepFailed(
                f"{name} leads out of the step's directory by a symbolic link, to {real}; "
                "say 'follow_symlinks: true' if it may"
            )
        return path


KIND = FileKind()
