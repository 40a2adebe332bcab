"""A `solc` for programs that call one, such as `forge --use`: it answers `--version` and
`--standard-json`, by solc-js that it starts, or by the warm one of whoever wrote the program.

Standard library only, as far as the latter goes: it is started for each compilation.
"""

from __future__ import annotations

import socket
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_MEMORY = 4 << 30
_USAGE = "usage: solc --version | --standard-json\n"


def main(argv: list[str]) -> int:
    """`argv`: what solc would be given, after `--serving PATH VERSION` or `--of SOLC`."""
    serving = argv[1:3] if argv[:1] == ["--serving"] else None
    of = argv[1] if argv[:1] == ["--of"] else None
    asked = argv[3:] if serving else argv[2:] if of else argv
    if "--version" in asked:
        version = serving[1] if serving else _version(of)
        sys.stdout.write(f"solc, the solidity compiler\nVersion: {version}\n")
        return 0
    if "--standard-json" not in asked:
        sys.stderr.write(_USAGE)
        return 2
    question = sys.stdin.buffer.read()
    sys.stdout.buffer.write(_served(question, serving[0]) if serving else _started(question, of))
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


def _version(of: str | None) -> str:
    import asyncio
    from pathlib import Path

    from stoker.chains.solidity.toolchain import compilers

    found = asyncio.run(compilers(solc=of, project=Path.cwd()))[0]
    return found.full if found.native else ".".join(map(str, found.version))


def _started(question: bytes, of: str | None) -> bytes:
    import asyncio
    from pathlib import Path

    from stoker.chains.solidity.process import start
    from stoker.chains.solidity.toolchain import compilers

    async def ask() -> bytes:
        found = await compilers(solc=of, project=Path.cwd())
        process = await start(found[0], _MEMORY)
        try:
            return await process.ask(question)
        finally:
            await process.close()

    return asyncio.run(ask())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
