"""JSON-RPC with one chain's node. The node is not trusted: its chain id is held against the
configured one, its answers are bounded, and each is read strictly."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from stoker.chains.errors import RpcError
from stoker.chains.hexadecimal import excerpt, quantity
from stoker.chains.rpc_wire import Answer, Request, RpcFailure, RpcLimits, Wire

T = TypeVar("T")

_CHECK: Final = "eth_chainId"
_QUIET: Final = 4
"""Turns of the event loop; a microsecond each where there is nothing else to do."""
_DEFAULTS: Final = RpcLimits()


_CLOSED: Final = RpcFailure("its connection was closed")


class _Asked(Struct, eq=False):
    method: str
    params: Sequence[Any]
    read: Callable[[Any], Any]
    future: asyncio.Future[Any]


class Rpc:
    """One node. Of one event loop; to be closed.

    What is asked in one go of the event loop goes out in one round trip. That the node is of
    `chain_id` is asked once, along with the first requests, and none of their answers is given
    out before it is known."""

    def __init__(self, alias: str, chain_id: int, url: str, limits: RpcLimits = _DEFAULTS) -> None:
        self.alias, self.chain_id = alias, chain_id
        self.limits = limits
        self._wire = Wire(url, limits)
        self._batch = limits.batch
        self._checked = self._closed = False
        self._waiting: list[_Asked] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._ids = itertools.count(1)

    def __str__(self) -> str:
        """As errors name it."""
        return f"chain {self.alias!r} ({self._wire})"

    @property
    def trips(self) -> int:
        """Round trips so far, failed ones too."""
        return self._wire.trips

    async def close(self) -> None:
        """End what is under way: whoever waits for it, or asks for more, gets an `RpcError`."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._wire.close()

    async def ask(self, method: str, params: Sequence[Any], read: Callable[[Any], T]) -> T:
        """What `read` makes of the result. Raises `RpcError`: no answer, an error instead of one,
        or one that `read` refuses with a `ValueError` or `msgspec.ValidationError`."""
        return await self.send(method, params, read)

    def send(
        self, method: str, params: Sequence[Any], read: Callable[[Any], T]
    ) -> asyncio.Future[T]:
        """As `ask`; many at once need no task each."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush, 0, 0)
        self._waiting.append(_Asked(method, params, read, future))
        return future

    def _flush(self, before: int, quiet: int) -> None:
        """Send what waits, once nobody has asked for anything for a few turns: whoever asks for
        one thing may be about to ask for more, some calls deeper."""
        if len(self._waiting) > before or quiet < _QUIET:
            quiet = quiet + 1 if len(self._waiting) == before else 0
            asyncio.get_running_loop().call_soon(self._flush, len(self._waiting), quiet)
            return
        asked, self._waiting = self._waiting, []
        if self._closed:
            self._refuse(asked, _CLOSED)
            return
        for first in range(0, len(asked), self._batch):
            task = asyncio.create_task(self._deliver(asked[first : first + self._batch]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, asked: Sequence[_Asked]) -> None:
        """Have every future of these answered, one way or the other."""
        try:
            async with asyncio.timeout(self.limits.deadline):
                await self._portion(asked)
        except TimeoutError:
            self._refuse(asked, RpcFailure(f"no answer within {self.limits.deadline:g} s"))
        finally:
            self._refuse(asked, _CLOSED)

    async def _portion(self, asked: Sequence[_Asked]) -> None:
        """As `_deliver`, without a deadline. A batch that is refused is sent in halves, and no
        such large one again; one that is not answered in time is halved, too, for what can be
        answered not to wait for what cannot."""
        for attempt in itertools.count(1):
            try:
                return await self._trip(asked)
            except RpcFailure as failure:
                asked = [one for one in asked if not one.future.done()]
                if (failure.batch or failure.slow) and len(asked) > 1:
                    middle = len(asked) // 2
                    if failure.batch:
                        self._batch = max(1, min(self._batch, middle))
                    halves = self._portion(asked[:middle]), self._portion(asked[middle:])
                    await asyncio.gather(*halves)
                    return None
                if failure.batch and self._batch > 1:
                    self._batch = 1  # it was the check that made two of it
                    continue
                if not failure.again or attempt == self.limits.attempts:
                    times = f" ({attempt} times)" if attempt > 1 else ""
                    return self._refuse(asked, RpcFailure(f"{failure}{times}", code=failure.code))
                pause = min(8.0, self.limits.pause * 2 ** (attempt - 1))
                # Spread, so that those refused together do not come back together.
                pause *= random.uniform(0.75, 1.25)  # noqa: S311
                await asyncio.sleep(max(pause, failure.after))
        return None

    async def _trip(self, asked: Sequence[_Asked]) -> None:
        """Send these, and give out the answers there are. Raises `RpcFailure` for the rest."""
        requests = [self._request(one.method, one.params) for one in asked]
        checks = [] if self._checked else [self._request(_CHECK, ())]
        if self._batch == 1 and checks:
            self._verify(await self._wire.post(checks), checks[0])
            checks = []
        answers = await self._wire.post([*checks, *requests])
        for check in checks:
            self._verify(answers, check)
        rest: RpcFailure | None = None
        for request, one in zip(requests, asked, strict=True):
            answer = answers.get(request["id"])
            if answer is None:
                rest = RpcFailure("the answer to a batch lacks it", batch=True)
            elif answer.get("error") is None:
                self._give(one, answer.get("result"))
            elif (failure := self._wire.said(answer["error"])).again:
                rest = rest or failure
            else:
                self._refuse([one], failure)
        if rest is not None:
            raise rest

    def _request(self, method: str, params: Sequence[Any]) -> Request:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}

    def _verify(self, answers: dict[int, Answer], check: Request) -> None:
        answer = answers.get(check["id"])
        if answer is None:
            raise RpcFailure(f"the answer to a batch lacks {_CHECK}", batch=True)
        if answer.get("error") is not None:
            failure = self._wire.said(answer["error"])
            raise RpcFailure(f"{_CHECK}: {failure}", again=failure.again, code=failure.code)
        try:
            found = quantity(answer.get("result"))
        except ValueError as error:
            raise RpcFailure(f"{_CHECK}: {error}") from None
        if found != self.chain_id:
            raise RpcFailure(f"it is of chain {found}, not of {self.chain_id} as configured")
        self._checked = True

    def _give(self, one: _Asked, result: Any) -> None:
        if one.future.done():
            return
        try:
            one.future.set_result(one.read(result))
        except (ValueError, msgspec.ValidationError) as error:
            self._refuse([one], RpcFailure(str(error)))

    def _refuse(self, asked: Sequence[_Asked], failure: RpcFailure) -> None:
        for one in asked:
            if not one.future.done():
                what = excerpt(", ".join(map(_shown, one.params)), 120)
                one.future.set_exception(
                    RpcError(f"{self}: {one.method}({what}): {failure}", code=failure.code)
                )


def _shown(param: Any) -> str:
    return param if isinstance(param, str) else msgspec.json.encode(param).decode()
