"""Running a program for a tool: to its end or its deadline, with its whole process tree."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from msgspec import Struct

from stoker.agents.builtin.tools.tool import Context, ToolError
from stoker.process.resolve import SpawnError
from stoker.process.run import over
from stoker.process.spec import Exit, ProcessSpec

_GRACE_SEC: Final = 2.0
_HEAD: Final = 64 << 10


class Ran(Struct, frozen=True):
    """How it went."""

    exit: Exit
    output: str
    """stdout and stderr as they came; of much, the head and the tail."""
    timed_out: bool


async def run_program(
    context: Context,
    argv: tuple[str, ...],
    seconds: float,
    *,
    keep: int = _HEAD,
    env: Mapping[str, str] | None = None,
) -> Ran:
    """Run `argv` in the worktree. `keep`: bytes of the output's head, and as many of its
    tail. Cancelling ends the tree before it propagates. Raises `ToolError`."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Exit] = loop.create_future()
    fd, path = tempfile.mkstemp(prefix="output-", dir=context.scratch)
    try:
        spec = ProcessSpec(
            argv=argv,
            env={**context.env, **(env or {})},
            cwd=context.worktree.root,
            stdout_path=path,
            stderr_path=path,
            marker=context.marker,
            grace_sec=_GRACE_SEC,
        )
        try:
            child = context.spawner.spawn(spec, ended.set_result)
        except SpawnError as error:
            raise ToolError(str(error)) from error
        in_time = await over(child, ended, seconds)
        return Ran(ended.result(), _output(fd, keep), timed_out=not in_time)
    finally:
        os.close(fd)
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108


def _output(fd: int, keep: int) -> str:
    size = os.fstat(fd).st_size
    if size <= 2 * keep:
        return os.pread(fd, size, 0).decode("utf-8", "replace")
    head = os.pread(fd, keep, 0).decode("utf-8", "replace")
    tail = os.pread(fd, keep, size - keep).decode("utf-8", "replace")
    return f"{head}\n[... {size - 2 * keep} bytes left out ...]\n{tail}"
