"""Programs that this door starts: where Foundry's are, and how they are heard out and ended."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from stoker.chains.errors import ChainError

_GUARD: Final = '"$@" </dev/null & exec >&- 2>&-; read _; kill -9 $!'
"""Ends it when stdin ends, and so with its owner, however that ends."""


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


def find(name: str, given: str | None = None) -> str:
    """The path of `anvil` or `forge`. Raises `ChainError` where there is none."""
    found = shutil.which(given or name)
    if found is None:
        raise ChainError(
            f"{given} is no program"
            if given
            else f"there is no {name} on PATH: Foundry has it (https://getfoundry.sh), and so does "
            f"npm (@foundry-rs/{name})"
        )
    return str(Path(found).resolve()) if given is None else found


class Program:
    """A running one. It sees nothing of the environment, and its home is `directory`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        directory: Path,
        complaints: IO[bytes] | None = None,
    ) -> Program:
        """`complaints`: where its stderr goes; default: with its stdout. Raises `ChainError`."""
        try:
            process = await asyncio.create_subprocess_exec(
                *("/bin/sh", "-c", _GUARD, "sh", *argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if complaints is None else complaints,
                cwd=directory,
                env={"HOME": str(directory), "PATH": os.defpath},
                start_new_session=True,
                limit=1 << 20,
            )
        except OSError as error:
            raise ChainError(f"{argv[0]} does not start: {error}") from error
        return cls(process)

    async def line(self) -> str | None:
        """The next line it writes; None: it has ended."""
        assert self._process.stdout is not None  # noqa: S101
        line = await self._process.stdout.readline()
        return line.decode(errors="replace") if line else None

    async def read(self, most: int) -> bytes | None:
        """All that it writes, to its end; None: that is more than `most` bytes."""
        assert self._process.stdout is not None  # noqa: S101
        said = bytearray()
        while part := await self._process.stdout.read(1 << 16):
            said += part
            if len(said) > most:
                return None
        return bytes(said)

    async def drain(self) -> None:
        """Until it has ended."""
        assert self._process.stdout is not None  # noqa: S101
        while await self._process.stdout.read(1 << 16):
            pass

    async def stop(self) -> None:
        """End it, whatever it does, and its guard."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await end(self._process)
