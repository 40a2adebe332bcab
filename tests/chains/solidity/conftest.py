"""A compiler that all tests share, those of a test's own, and a directory of packages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stoker.chains.solidity.compilation import Compilation, CompilerSettings
from stoker.chains.solidity.compiler import SolidityCompiler

EVM = Path(__file__).parents[3] / ".evm"


@pytest.fixture
def packages() -> Path:
    """A project's directory with `node_modules`."""
    return EVM


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Runs a coroutine function of a compiler with the one that all tests share."""
    cache = tmp_path_factory.mktemp("cache")
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()

    def run(use: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        async def within() -> Any:
            return await use(*arguments)

        return asyncio.run_coroutine_threadsafe(within(), loop).result()

    opened = SolidityCompiler(project=EVM, solc=str(EVM), cache=cache, workers=1)
    compiler = run(opened.__aenter__)
    yield lambda use: run(use, compiler)
    run(opened.__aexit__, None, None, None)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def compiled(shared: Callable[..., Any]) -> Callable[..., Compilation]:
    """Compiles one script."""

    def run(text: str, contract: str | None = None, **settings: Any) -> Compilation:
        return shared(
            lambda compiler: compiler.compile(
                {"a.s.sol": text}, contract, CompilerSettings(**settings)
            )
        )

    return run


@pytest.fixture
def with_compiler(tmp_path: Path) -> Callable[..., Any]:
    """Runs a coroutine function of a compiler with one of its own."""

    def run(use: Callable[[SolidityCompiler], Awaitable[Any]], **options: Any) -> Any:
        async def within() -> Any:
            given = {"project": EVM, "solc": str(EVM), "cache": tmp_path / "cache", **options}
            async with SolidityCompiler(**given) as compiler:
                return await use(compiler)

        return asyncio.run(within())

    return run
