"""Programs that this door starts for itself: heard out, and ended."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import suppress
from typing import Any


async def output(*argv: str, **options: Any) -> tuple[int, str]:
    """The status of a program that asks nothing, and what it says. `options`: further ones of
    `create_subprocess_exec`. Raises `OSError`."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **options
    )
    try:
        said, _ = await process.communicate()
    finally:
        await end(process)
    return process.returncode or 0, said.decode(errors="replace")


async def end(process: asyncio.subprocess.Process) -> None:
    """At once, whatever it does, and with its pipes."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await process.wait()
    transport: Any = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
