"""Executable files that other programs, real forge above all, call as `solc`: by solc-js that is
started, or by the warm one of whoever wrote the file. As a program itself this needs the standard
library only, as far as the latter goes: it is started for each compilation."""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
import struct
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from stoker.chains.solidity.compiler import SolidityCompiler

_EMPTY = "contract Empty { function run() external {} }"


def write_forge_std(project: Path) -> None:
    """Stoker's, as a library of a project of Foundry's."""
    from stoker.chains.solidity.forge_std import sources

    for name, text in sources().items():
        path = project / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write(file: Path, solc: Path) -> Path:
    """One that starts the solc-js of a directory for each compilation."""
    return _write(file, (sys.executable, "-P", __file__, "--of", str(solc)))


@asynccontextmanager
async def serving(compiler: SolidityCompiler) -> AsyncIterator[Path]:
    """One that has `compiler` compile, as long as the block lasts."""
    from stoker.chains.solidity.compilation import CompilerSettings

    empty = await compiler.compile({"Empty.sol": _EMPTY}, None, CompilerSettings())
    with tempfile.TemporaryDirectory(prefix="stoker-solc-") as directory:
        address = str(Path(directory, "socket"))
        server = await asyncio.start_unix_server(
            lambda reader, writer: _answer(compiler, reader, writer), address
        )
        argv = (sys.executable, "-I", "-S", __file__, "--serving", address, empty.solc)
        async with server:
            yield _write(Path(directory, "solc"), argv)


def _write(file: Path, argv: tuple[str, ...]) -> Path:
    file.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
    file.chmod(0o755)
    return file


async def _answer(
    compiler: SolidityCompiler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    from stoker.chains.errors import ChainError

    with suppress(EOFError, OSError):
        try:
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            question = await reader.readexactly(length)
            try:
                answer = await compiler.ask(question)
            except ChainError as error:
                told = {"severity": "error", "type": "Exception", "component": "general"}
                told |= {"message": str(error), "formattedMessage": str(error)}
                answer = json.dumps({"errors": [told]}).encode()
            writer.write(struct.pack(">I", len(answer)) + answer)
            await writer.drain()
        finally:
            writer.close()


def main(argv: list[str]) -> int:
    """`argv`: what solc would be given, after `--serving PATH VERSION` or `--of SOLC`."""
    served = argv[0] == "--serving"
    asked = argv[3:] if served else argv[2:]
    if "--version" in asked:
        version = argv[2] if served else _version(argv[1])
        sys.stdout.write(f"solc, the solidity compiler\nVersion: {version}\n")
        return 0
    if "--standard-json" not in asked:
        sys.stderr.write("usage: solc --version | --standard-json\n")
        return 2
    question = sys.stdin.buffer.read()
    sys.stdout.buffer.write((_served if served else _started)(question, argv[1]))
    return 0


def _served(question: bytes, path: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(path)
        link.sendall(struct.pack(">I", len(question)) + question)
        with link.makefile("rb") as answers:
            return _exactly(answers, struct.unpack(">I", _exactly(answers, 4))[0])


def _exactly(answers: BinaryIO, size: int) -> bytes:
    data = answers.read(size)
    if len(data) < size:
        sys.exit("solc: whoever compiles is gone")
    return data


def _version(solc: str) -> str:
    return str(json.loads(Path(solc, "node_modules/solc/package.json").read_bytes())["version"])


def _started(question: bytes, solc: str) -> bytes:
    from stoker.chains.solidity.compiler import SolidityCompiler

    async def ask() -> bytes:
        async with SolidityCompiler(solc=solc, memory=4 << 30) as compiler:
            return await compiler.ask(question)

    return asyncio.run(ask())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
