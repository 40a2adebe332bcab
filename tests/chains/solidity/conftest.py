"""A compiler for each test, and a directory of packages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from stoker.chains.solidity.compilation import Compilation, CompilerSettings
from stoker.chains.solidity.compiler import SolidityCompiler, open_compiler

EVM = Path(__file__).parents[3] / ".evm"


@pytest.fixture
def packages() -> Path:
    """A project's directory with `node_modules`."""
    return EVM


@pytest.fixture
def with_compiler(tmp_path: Path) -> Callable[..., Any]:
    """Runs a coroutine function of a compiler with one of its own."""

    def run(use: Callable[[SolidityCompiler], Awaitable[Any]], **options: Any) -> Any:
        async def within() -> Any:
            given = {"project": EVM, "solc": str(EVM), "cache": tmp_path / "cache", **options}
            async with open_compiler(**given) as compiler:
                return await use(compiler)

        return asyncio.run(within())

    return run


@pytest.fixture
def compiled(with_compiler: Callable[..., Any]) -> Callable[..., Compilation]:
    """Compiles one script."""

    def run(text: str, contract: str | None = None, **settings: Any) -> Compilation:
        return with_compiler(
            lambda compiler: compiler.compile(
                {"a.s.sol": text}, contract, CompilerSettings(**settings)
            )
        )

    return run
