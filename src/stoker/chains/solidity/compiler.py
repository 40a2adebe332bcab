"""Solidity to code, on warm compilers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

import msgspec

from stoker.chains.errors import CompileFailed
from stoker.chains.kept import Kept
from stoker.chains.solidity import standard_json, toolchain
from stoker.chains.solidity.compilation import SCRIPT, Compilation, CompilerSettings, Diagnostic
from stoker.chains.solidity.imports import reach
from stoker.chains.solidity.outline import contract_of, outline
from stoker.chains.solidity.pool import Pool

SECONDS: Final = 30.0
MEMORY: Final = 1 << 30
WORKERS: Final = 2
_FORM: Final = 1
"""Of what is kept; another one for every change to `Compilation` or to what solc is asked."""
_RECENT: Final = 64
"""Compilations that are at hand in memory."""
_WARMING: Final = (
    '// SPDX-License-Identifier: MIT\npragma solidity >=0.8.0;\nimport "forge-std/Script.sol";\n'
    "contract Warm is Script { function run() external { vm.startBroadcast(address(1));"
    ' (bool done, ) = address(2).call{value: 1}("");'
    ' require(done, "no"); vm.stopBroadcast(); } }'
)


class SolidityCompiler:
    """Compiles scripts, several at once. `hits` of its `asked` came from the cache. Its processes
    last as long as the block that it is opened by; nothing is started, or looked for, before it is
    needed: `warm` does it ahead."""

    def __init__(
        self,
        *,
        project: Path | None = None,
        solc: str | None = None,
        cache: Path | None = None,
        workers: int = WORKERS,
        seconds: float = SECONDS,
        memory: int = MEMORY,
    ) -> None:
        """`project`: where `node_modules` are looked for, and above; `solc`: a solc program or a
        directory of solc-js instead of those found; `cache`: instead of Stoker's own; `seconds` and
        `memory` (bytes): what one compilation may take."""
        self.hits = 0
        self.asked = 0
        self._project = project
        self._solc = solc
        self._cache = cache
        self._found: tuple[toolchain.Compiler, ...] | None = None
        self._finding = asyncio.Lock()
        directory = (cache or toolchain.cache_directory()) / "solidity"
        self._artefacts = Kept(directory, Compilation, recent=_RECENT)
        self._pools: dict[toolchain.Compiler, Pool] = {}
        self._workers = workers
        self._seconds = seconds
        self._memory = memory

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all processes, whatever they do."""
        for pool in self._pools.values():
            await pool.close()

    async def compilers(self) -> tuple[toolchain.Compiler, ...]:
        """Those there are. Raises `ChainError`."""
        async with self._finding:
            if self._found is None:
                self._found = await toolchain.compilers(
                    solc=self._solc, project=self._project, cache=self._cache
                )
            return self._found

    async def warm(self) -> None:
        """Have a process ready. Raises `ChainError`."""
        await self._pool((await self.compilers())[0]).warm()

    async def compile(
        self,
        sources: Mapping[str, str],
        contract: str | None,
        settings: CompilerSettings,
    ) -> Compilation:
        """`sources`: path -> text, the script's; what they import is found. `contract`:
        `file:Name`; None: the one that has `run()`. Raises `CompileFailed`, `LimitReached`, and
        `ChainError` where there is no compiler."""
        self.asked += 1
        reached = reach(sources, self._project)
        wanted = contract or contract_of(sources)
        unfit: list[Diagnostic] = []
        for found in await self.compilers():
            key = digest(reached, wanted, settings, found.full)
            kept = self._artefacts.get(key)
            if kept is not None:
                self.hits += 1
                return kept
            try:
                compiled = await self._compile(found, sources, reached, wanted, settings)
            except standard_json.Unfit as error:
                unfit += error.diagnostics
            else:
                self._artefacts.put(key, compiled)
                return compiled
        raise CompileFailed(unfit)

    async def ask(self, question: bytes) -> bytes:
        """Standard JSON to standard JSON, as it is, for programs that speak it."""
        return await self._pool((await self.compilers())[0]).ask(question)

    async def _compile(
        self,
        found: toolchain.Compiler,
        given: Mapping[str, str],
        reached: Mapping[str, str],
        wanted: str,
        settings: CompilerSettings,
    ) -> Compilation:
        created = _created(given, reached)
        libraries: list[str] = []
        while True:
            request = standard_json.question(reached, [wanted, *libraries], created, settings)
            pool = self._pool(found)
            reply = await pool.ask(request)
            answer, warnings = standard_json.answer(reply, reached)
            file, _, name = wanted.rpartition(":")
            if name not in answer.contracts.get(file, {}):
                raise CompileFailed([Diagnostic(message=f"there is no contract {wanted}")])
            order = _order(answer, wanted, libraries)
            if len(order) == len(libraries):
                break
            libraries = order
        compiled: dict[str, Compilation] = {}
        for one in libraries:
            needs = {name: compiled[name] for name in standard_json.links(answer, one)}
            compiled[one] = standard_json.compilation(
                answer, one, libraries=needs, solc=pool.version
            )
        return standard_json.compilation(
            answer,
            wanted,
            libraries=compiled,
            solc=pool.version,
            warnings=warnings,
            contracts=standard_json.abis(answer, given),
            creations=standard_json.creations(answer, created),
        )

    def _pool(self, found: toolchain.Compiler) -> Pool:
        if found not in self._pools:
            sources = reach({SCRIPT: _WARMING}, None)
            asked = standard_json.question(sources, [f"{SCRIPT}:Warm"], (), CompilerSettings())
            self._pools[found] = Pool(
                found,
                asked,
                workers=self._workers,
                seconds=self._seconds,
                memory=self._memory,
            )
        return self._pools[found]


def digest(
    sources: Mapping[str, str], contract: str, settings: CompilerSettings, compiler: str
) -> str:
    """Of all that decides what comes out."""
    whole = (_FORM, compiler, contract, settings, sorted(sources.items()))
    return sha256(msgspec.msgpack.encode(whole)).hexdigest()


def _created(given: Mapping[str, str], reached: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """(file, name) of contracts that the given sources make with `new`."""
    names = {name for text in given.values() for name in outline(text).created}
    return tuple(
        (file, one.name)
        for file, text in reached.items()
        for one in outline(text).declarations
        if one.name in names and one.kind == "contract" and not one.abstract
    )


def _order(answer: standard_json.Answer, wanted: str, asked: Iterable[str]) -> list[str]:
    """The libraries to deploy, those first that others link; of those not asked for yet, what they
    link is not known."""
    known = set(asked)
    order: dict[str, None] = {}

    def visit(one: str) -> None:
        for library in standard_json.links(answer, one):
            if library not in order:
                if library in known:
                    visit(library)
                order[library] = None

    visit(wanted)
    return list(order)
