"""The state of chains at pinned blocks, read once for all plans: from memory, from a file of
earlier runs, from the chains' nodes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import cast

from msgspec import Struct

from stoker.chains.errors import ChainError, RpcError
from stoker.chains.evm.job import Pin
from stoker.chains.log import log
from stoker.chains.rpc import Rpc
from stoker.chains.state.change import Override
from stoker.chains.state.reader import Reader
from stoker.chains.state.store import Key, RemoteAccount, StateStore, Value
from stoker.chains.state.told import Call


class _Block(Struct, frozen=True, eq=False):
    """What is known of one pinned block."""

    pin: Pin
    reader: Reader
    items: dict[Key, Value]
    flights: dict[Key, asyncio.Task[None]]
    """Who is reading it."""
    ahead: set[asyncio.Task[None]]
    """What is being read ahead."""


class Remote:
    """Immutable, so that whoever asks first asks for all. Over nodes, by the ids of their chains.
    Of one event loop; to be closed, which closes the nodes and the store.

    `blocks`: how many pinned blocks are kept in memory, those used last."""

    def __init__(
        self, nodes: Sequence[Rpc], store: StateStore | None = None, *, blocks: int = 16
    ) -> None:
        self._readers = {node.chain_id: Reader(node) for node in nodes}
        self._store, self._most = store, blocks
        self._blocks: OrderedDict[tuple[int, bytes], _Block] = OrderedDict()

    @property
    def trips(self) -> int:
        """Round trips to nodes so far."""
        return sum(reader.node.trips for reader in self._readers.values())

    async def close(self) -> None:
        """End what is under way."""
        for reader in self._readers.values():
            await reader.node.close()
        for block in self._blocks.values():
            under_way = {*block.flights.values(), *block.ahead}
            await asyncio.gather(*under_way, return_exceptions=True)
        if self._store is not None:
            self._store.close()

    async def pin(self, chain_id: int, number: int | None = None) -> Pin:
        """A block as it is now; None: the latest. Raises `RpcError`, and `ChainError` for a chain
        that is not configured."""
        return await self._reader(chain_id).pin(number)

    async def accounts(self, pin: Pin, addresses: Sequence[bytes]) -> list[RemoteAccount]:
        """In the order asked for. Raises `RpcError`."""
        return cast(list[RemoteAccount], await self._read(pin, addresses))

    async def slots(self, pin: Pin, asked: Sequence[tuple[bytes, int]]) -> list[int]:
        """Values of (address, slot), in the order asked for. Raises `RpcError`."""
        return cast(list[int], await self._read(pin, asked))

    async def block_hash(self, pin: Pin, number: int) -> bytes:
        """Of a block that is no newer than the pinned one. Raises `RpcError`."""
        if number == pin.number:
            return pin.hash
        return cast(bytes, (await self._read(pin, [number]))[0])

    async def prefetch(
        self,
        pin: Pin,
        calls: Sequence[Call],
        overrides: Mapping[bytes, Override] | None = None,
    ) -> None:
        """Have at hand what these calls, each on its own, touch: in one round trip where the node
        traces calls, in two where it makes access lists only. `overrides`, by address, hold for all
        of them. It is an attempt: nothing is raised, and what it did not bring is asked for when
        somebody looks at it."""
        block = self._block(pin)
        task = asyncio.create_task(self._read_ahead(block, calls, overrides or {}))
        block.ahead.add(task)
        task.add_done_callback(block.ahead.discard)
        await asyncio.wait([task])

    def _reader(self, chain_id: int) -> Reader:
        if (reader := self._readers.get(chain_id)) is None:
            known = ", ".join(map(str, sorted(self._readers))) or "none"
            raise ChainError(f"chain {chain_id} is not configured: {known} are")
        return reader

    def _block(self, pin: Pin) -> _Block:
        key = (pin.chain_id, pin.hash)
        if (block := self._blocks.get(key)) is None:
            block = _Block(pin, self._reader(pin.chain_id), {}, {}, set())
            self._blocks[key] = block
        self._blocks.move_to_end(key)
        if len(self._blocks) > self._most:
            self._blocks.popitem(last=False)
        return block

    async def _read(self, pin: Pin, keys: Sequence[Key]) -> list[Value]:
        """Values of keys; what nobody has read yet is read once, whoever waits for it."""
        block = self._block(pin)
        if block.ahead and self._missing(block, keys):
            await asyncio.wait(block.ahead)  # which may bring them
        return await self._get(block, keys)

    async def _get(self, block: _Block, keys: Sequence[Key]) -> list[Value]:
        missing = self._missing(block, keys)
        fresh = [key for key in missing if key not in block.flights]
        if fresh:
            task = asyncio.create_task(self._fetch(block, fresh))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            block.flights.update(dict.fromkeys(fresh, task))
        flights = {block.flights[key] for key in missing}
        if flights:
            await asyncio.wait(flights)  # which go on if this one is cancelled: others wait, too
            for task in flights:
                if (error := task.exception()) is not None:
                    if isinstance(error, RpcError):  # one of its own for each who waits
                        raise RpcError(str(error), code=error.code) from error
                    raise error
        return [block.items[key] for key in keys]

    def _missing(self, block: _Block, keys: Sequence[Key]) -> list[Key]:
        missing = [key for key in dict.fromkeys(keys) if key not in block.items]
        unread = [key for key in missing if key not in block.flights]
        if unread and self._store is not None:
            block.items.update(self._store.load(block.pin, unread))
            missing = [key for key in missing if key not in block.items]
        return missing

    def _keep(self, block: _Block, found: Mapping[Key, Value]) -> None:
        fresh = {key: value for key, value in found.items() if key not in block.items}
        block.items.update(fresh)
        if fresh and self._store is not None and block.reader.lasting:
            self._store.save(block.pin, fresh)

    async def _fetch(self, block: _Block, keys: Sequence[Key]) -> None:
        try:
            self._keep(block, await block.reader.read(block.pin, keys))
        finally:
            for key in keys:
                del block.flights[key]

    async def _read_ahead(
        self, block: _Block, calls: Sequence[Call], overrides: Mapping[bytes, Override]
    ) -> None:
        ends = [address for call in calls for address in call[:2] if address is not None]
        done = await asyncio.gather(
            self._get(block, [*ends, block.pin.coinbase]),
            self._trace(block, calls, overrides),
            return_exceptions=True,
        )
        for error in done:
            if isinstance(error, ChainError):
                log.debug("little was read ahead", chain=block.pin.chain_id, why=str(error))
            elif isinstance(error, BaseException):
                raise error

    async def _trace(
        self, block: _Block, calls: Sequence[Call], overrides: Mapping[bytes, Override]
    ) -> None:
        values, touched = await block.reader.trace(block.pin, calls, overrides)
        self._keep(block, values)
        await self._get(block, touched)
