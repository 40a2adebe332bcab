"""An executable file that other programs call as `solc`."""

from __future__ import annotations

import asyncio
import shlex
import struct
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from stoker.chains.errors import ChainError
from stoker.chains.solidity import solc_main
from stoker.chains.solidity.compiler import SolidityCompiler

_QUESTION: Final = 64 << 20


def write(file: Path, *, solc: str | None = None) -> Path:
    """One that starts solc for each compilation. `solc`: as for `SolidityCompiler`; None: found
    from the directory that it is called in."""
    of = () if solc is None else ("--of", solc)
    return _write(file, (sys.executable, "-P", "-m", solc_main.__name__, *of))


@asynccontextmanager
async def serving(compiler: SolidityCompiler) -> AsyncIterator[Path]:
    """One that has `compiler` compile, as long as the block lasts. Raises `ChainError` where there
    is no solc at all."""
    version = await compiler.version()
    with tempfile.TemporaryDirectory(prefix="stoker-solc-") as directory:
        address = str(Path(directory, "socket"))
        server = await asyncio.start_unix_server(
            lambda reader, writer: _answer(compiler, reader, writer), address
        )
        argv = (sys.executable, "-I", "-S", solc_main.__file__, "--serving", address, version)
        async with server:
            yield _write(Path(directory, "solc"), argv)


def _write(file: Path, argv: tuple[str, ...]) -> Path:
    file.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
    file.chmod(0o755)
    return file


async def _answer(
    compiler: SolidityCompiler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with suppress(EOFError, OSError):
        try:
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            if length > _QUESTION:
                return
            question = await reader.readexactly(length)
            try:
                answer = await compiler.ask(question)
            except ChainError as error:
                answer = _refusal(str(error))
            writer.write(struct.pack(">I", len(answer)) + answer)
            await writer.drain()
        finally:
            writer.close()


def _refusal(message: str) -> bytes:
    told = {
        "component": "general",
        "severity": "error",
        "type": "Exception",
        "message": message,
        "formattedMessage": message,
    }
    return msgspec.json.encode({"errors": [told]})
