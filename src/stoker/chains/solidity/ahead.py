"""Compilations that are begun before somebody asks for them: of scripts that are known early."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from stoker.chains.solidity.compilation import Compilation, CompilerSettings

_MOST: Final = 16
"""That wait to be asked for."""
_AT_ONCE: Final = 5
"""Enough to keep the compilers busy; each takes a moment of the event loop first."""
Compile = Callable[[str, CompilerSettings], Awaitable[Compilation]]


class Ahead:
    """Of one event loop; to be closed. What is never asked for gives way to what comes after."""

    def __init__(self, compile_: Compile) -> None:
        self._compile = compile_
        self._begun: OrderedDict[tuple[str, CompilerSettings], asyncio.Task[Compilation]] = (
            OrderedDict()
        )
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._running: set[asyncio.Task[Compilation]] = set()

    def begin(self, wanted: list[tuple[str, CompilerSettings]]) -> None:
        """Compile these soon, as many of them as may wait. What fails is told to who asks."""
        for key in wanted[:_MOST]:
            if key not in self._begun:
                task = asyncio.ensure_future(self._in_turn(*key))
                self._running.add(task)
                task.add_done_callback(self._over)
                self._begun[key] = task
        while len(self._begun) > _MOST:
            self._begun.popitem(last=False)

    async def _in_turn(self, script: str, settings: CompilerSettings) -> Compilation:
        async with self._turns:
            return await self._compile(script, settings)

    def _over(self, task: asyncio.Task[Compilation]) -> None:
        self._running.discard(task)
        _ = task.cancelled() or task.exception()

    async def get(self, script: str, settings: CompilerSettings) -> Compilation:
        """One that was begun, or is now. Raises as compiling does."""
        task = self._begun.pop((script, settings), None)
        if task is None or task.cancelled():
            return await self._compile(script, settings)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Begin nothing more; what is under way ends."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
