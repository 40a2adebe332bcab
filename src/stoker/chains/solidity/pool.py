"""Processes that compile, as many as are needed."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

from stoker.chains.errors import ChainError, LimitReached
from stoker.chains.solidity.process import NativeSolc, SolcJs, start
from stoker.chains.solidity.toolchain import Compiler

Process = SolcJs | NativeSolc
_PATIENCE: Final = 3
"""Questions that wait for each process before there is another: one starts in the time in which
fifty are answered."""


class Pool:
    """Processes of one compiler, started when questions wait, and ended with it."""

    def __init__(
        self, compiler: Compiler, warming: bytes, *, workers: int, seconds: float, memory: int
    ) -> None:
        """`warming`: asked of each process before anything else, so that what it must do but once
        is done."""
        self._warming = warming
        self._compiler = compiler
        self._most = workers
        self._seconds = seconds
        self._memory = memory
        self._idle: list[Process] = []
        self._all: set[Process] = set()
        self.version = compiler.full
        self._starting: set[asyncio.Task[None]] = set()
        self._waiting: deque[asyncio.Future[Process]] = deque()
        self._closed = False

    async def warm(self) -> None:
        """Have a process ready. Raises `ChainError`."""
        if not self._all:
            self._give(await self._take())

    async def ask(self, question: bytes) -> bytes:
        """Standard JSON to standard JSON. Raises `ChainError`, `LimitReached`."""
        one = await self._take()
        sound = False
        try:
            async with asyncio.timeout(self._seconds):
                answer = await one.ask(question)
            sound = not one.worn()
        except TimeoutError:
            raise LimitReached(f"the compiler took more than {self._seconds:g} s") from None
        else:
            return answer
        finally:
            if sound and not self._closed:
                self._give(one)
            else:
                self._all.discard(one)
                await asyncio.shield(one.close())
                self._grow()

    async def _take(self) -> Process:
        while self._idle:
            one = self._idle.pop()
            if not one.worn():
                return one
            self._all.discard(one)
            await one.close()
        if self._closed:
            raise ChainError("the compiler is closed")
        waiting: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._grow()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self._give(waiting.result())
            raise
        finally:
            with suppress(ValueError):
                self._waiting.remove(waiting)

    def _give(self, one: Process) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(one)
                return
        self._idle.append(one)

    def _grow(self) -> None:
        """Start one more if too many wait for those there are."""
        there = len(self._all) + len(self._starting)
        if not self._closed and there < self._most and len(self._waiting) > there * _PATIENCE:
            self._starting.add(asyncio.create_task(self._start()))

    async def _start(self) -> None:
        try:
            one = await start(self._compiler, self._memory)
            if not self._compiler.native:
                await self._warmed(one)
        except (ChainError, OSError) as error:
            told = error if isinstance(error, ChainError) else ChainError(str(error))
            for waiting in self._waiting if not self._all else ():
                if not waiting.done():
                    waiting.set_exception(told)
        else:
            self.version = one.version
            self._all.add(one)
            self._give(one)
        finally:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101
            self._starting.discard(task)

    async def _warmed(self, one: Process) -> None:
        try:
            await one.ask(self._warming)
        except BaseException:
            await one.close()
            raise

    async def close(self) -> None:
        """End all; what is being asked is over."""
        self._closed = True
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for one in list(self._all):
            await one.close()
        for waiting in self._waiting:
            waiting.cancel()
