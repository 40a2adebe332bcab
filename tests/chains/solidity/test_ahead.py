"""Compilations that are begun before somebody asks for them."""

from __future__ import annotations

import asyncio

import pytest

from stoker.chains.errors import ChainError
from stoker.chains.solidity.ahead import Ahead
from stoker.chains.solidity.compilation import Compilation, CompilerSettings

SETTINGS = CompilerSettings()


class Compiling:
    """What is compiled, in the order of its beginnings; `bad` is not Solidity."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.held = asyncio.Event()
        self.held.set()

    async def __call__(self, script: str, settings: CompilerSettings) -> Compilation:
        self.begun.append(script)
        await self.held.wait()
        if script == "bad":
            raise ChainError("not Solidity")
        return Compilation(name=script, file="s", abi=[], bytecode=b"", runtime=b"")


def wanted(*scripts: str) -> list[tuple[str, CompilerSettings]]:
    return [(script, SETTINGS) for script in scripts]


def test_what_was_begun_is_compiled_once_for_who_asks_first() -> None:
    async def work() -> None:
        compiling = Compiling()
        compiling.held.clear()
        ahead = Ahead(compiling)
        ahead.begin(wanted("a", "b", "a"))
        asked = [asyncio.create_task(ahead.get(one, SETTINGS)) for one in ("a", "b", "c")]
        await asyncio.sleep(0)
        compiling.held.set()
        assert [one.name for one in await asyncio.gather(*asked)] == ["a", "b", "c"]
        assert sorted(compiling.begun) == ["a", "b", "c"]
        other = CompilerSettings(optimizer=True)
        ahead.begin(wanted("a"))
        for settings in (other, SETTINGS):
            assert (await ahead.get("a", settings)).name == "a"
        assert compiling.begun[3:] == ["a", "a"]

    asyncio.run(work())


def test_what_fails_is_told_to_who_asks() -> None:
    async def work() -> None:
        compiling = Compiling()
        ahead = Ahead(compiling)
        ahead.begin(wanted("bad"))
        await asyncio.sleep(0)
        for _ in range(2):
            with pytest.raises(ChainError, match="not Solidity"):
                await ahead.get("bad", SETTINGS)
        assert compiling.begun == ["bad", "bad"]

    asyncio.run(work())


def test_who_stops_asking_leaves_the_compiler_at_work() -> None:
    async def work() -> None:
        compiling = Compiling()
        compiling.held.clear()
        ahead = Ahead(compiling)
        ahead.begin(wanted("a"))
        asked = asyncio.create_task(ahead.get("a", SETTINGS))
        await asyncio.sleep(0)
        (task,) = ahead._running
        asked.cancel()
        await asyncio.wait([asked])
        assert not task.done()
        await ahead.close()
        assert task.cancelled()

    asyncio.run(work())


def test_only_so_many_are_begun_and_older_plans_give_way() -> None:
    async def work() -> None:
        compiling = Compiling()
        ahead = Ahead(compiling)
        ahead.begin(wanted(*(f"old {n}" for n in range(20))))
        ahead.begin(wanted(*(f"new {n}" for n in range(20))))
        for name in ("old 0", "old 19", "new 15", "new 16"):
            assert (await ahead.get(name, SETTINGS)).name == name
        assert compiling.begun.count("old 0") == 2
        assert [compiling.begun.count(one) for one in ("old 19", "new 15", "new 16")] == [1, 1, 1]
        assert len(compiling.begun) == 16 + 16 + 3

    asyncio.run(work())
