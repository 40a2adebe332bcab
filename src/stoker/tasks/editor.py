"""Opening what is in worktrees and repositories in somebody's editor, on the machine of this
process; never through a shell."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Final

from stoker.tasks.errors import Conflict, Invalid

_EDITORS: Final[dict[str, tuple[str, ...]]] = {
    "vscode": ("code",),
    "cursor": ("cursor",),
    "windsurf": ("windsurf",),
    "zed": ("zed",),
    "intellij": ("idea",),
    "xcode": ("xed",),
    "vim": ("x-terminal-emulator", "-e", "vim"),
    "neovim": ("x-terminal-emulator", "-e", "nvim"),
}
_OTHERWISE: Final = {"code": "vscode", "idea": "intellij", "nvim": "neovim"}
EDITORS: Final = (*_EDITORS, "custom")
_FAILING_SEC: Final = 0.3
"""One that has not failed by then is taken to have begun."""


async def open(path: Path, editor_type: str, custom_command: str | None = None) -> None:
    """Open a file or directory, which is given as the last argument. `editor_type`: one of
    `EDITORS`, however it is spelt (`VS_CODE`); `custom`: what `custom_command` says, words as in a
    shell. Raises `Invalid`, and `Conflict` if the editor is not there, or fails at once."""
    argv = [*_argv(editor_type, custom_command), str(path)]
    if shutil.which(argv[0]) is None:
        raise Conflict(f"there is no program {argv[0]!r} on this machine to open it with")
    process = _spawn(argv, path)
    reaping = threading.Thread(target=process.wait, daemon=True)  # however long that takes
    reaping.start()
    await asyncio.to_thread(reaping.join, _FAILING_SEC)
    if process.returncode:
        raise Conflict(f"{argv[0]} ended with exit code {process.returncode}")


def inside(top: str, name: str | None) -> Path:
    """A file or directory in `top`, or that itself. Raises `Invalid` for one that is not there, or
    that links lead out of."""
    root = os.path.realpath(top)
    path = Path(os.path.realpath(os.path.join(root, name or "")))  # noqa: PTH118
    if not path.is_relative_to(root) or not path.exists():
        raise Invalid(f"file: there is no {name or top!r}")
    return path


def _spawn(argv: list[str], path: Path) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            cwd=path if path.is_dir() else path.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise Conflict(f"{argv[0]} cannot be started: {error.strerror}") from error


def _argv(editor_type: str, custom_command: str | None) -> list[str]:
    name = editor_type.lower().replace("_", "").replace("-", "")
    name = _OTHERWISE.get(name, name)
    if name != "custom":
        if name not in _EDITORS:
            raise Invalid(f"editor: expected one of {', '.join(EDITORS)}, found {editor_type!r}")
        return list(_EDITORS[name])
    try:
        words = shlex.split(custom_command or "")
    except ValueError as error:
        raise Invalid(f"custom_command: not words: {error}") from error
    if not words:
        raise Invalid("custom_command: expected a command, found nothing")
    return words
