"""The state of chains at pinned blocks, read once for all plans: from memory, from a file of
earlier runs, from the chains' nodes."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NoReturn, cast

import msgspec
from msgspec import Struct

from stoker.chains.errors import ChainError, RpcError
from stoker.chains.evm.environment import Pin
from stoker.chains.hexadecimal import data, quantity, text, word
from stoker.chains.rpc import Rpc
from stoker.chains.state.change import Override
from stoker.chains.state.header import read_hash, read_pin
from stoker.chains.state.store import Key, RemoteAccount, StateStore, Value
from stoker.chains.state.traced import (
    Call,
    call_object,
    read_access_list,
    read_prestate,
    tracer_options,
)

LOG: Final = logging.getLogger("stoker.chains")

_BAD_PARAMS: Final = frozenset((-32602, -32600))
_BAD_WORDS: Final = re.compile(
    r"invalid (argument|params|type|block)|cannot unmarshal|deserializ|parse", re.IGNORECASE
)
_LOST_WORDS: Final = re.compile(
    r"missing trie node|(header|block|resource|state) .*not |not found|unknown block|not available"
    r"|unavailable|prune|histor|archive|old data|out ?of ?range",
    re.IGNORECASE,
)


class _Block(Struct, frozen=True, eq=False):
    """What is known of one pinned block."""

    items: dict[Key, Value]
    flights: dict[Key, asyncio.Task[None]]
    """Who is reading it."""


class Remote:
    """`RemoteState` over nodes, by the ids of their chains. Of one event loop; to be closed, which
    closes the nodes and the store.

    `blocks`: how many pinned blocks are kept in memory, those used last."""

    def __init__(
        self, nodes: Mapping[int, Rpc], store: StateStore | None = None, *, blocks: int = 16
    ) -> None:
        self._nodes, self._store, self._most = nodes, store, blocks
        self._blocks: OrderedDict[tuple[int, bytes], _Block] = OrderedDict()
        self._numbered: set[int] = set()
        """Chains whose nodes do not take blocks by their hashes."""
        self._traces: dict[int, bool] = {}
        """Chains whose nodes are known to trace calls, or to make access lists only."""

    @property
    def trips(self) -> int:
        """Round trips to nodes so far."""
        return sum(node.trips for node in self._nodes.values())

    async def close(self) -> None:
        """End what is under way."""
        for node in self._nodes.values():
            await node.close()
        flights = {task for block in self._blocks.values() for task in block.flights.values()}
        await asyncio.gather(*flights, return_exceptions=True)
        if self._store is not None:
            self._store.close()

    async def pin(self, chain_id: int, number: int | None = None) -> Pin:
        """A block as it is now; None: the latest. Raises `RpcError`, and `ChainError` for a chain
        that is not configured."""
        block = "latest" if number is None else hex(number)
        node = self._node(chain_id)
        found = await node.ask("eth_getBlockByNumber", [block, False], read_pin)
        if found is None or number not in {None, found.number}:
            instead = "none" if found is None else f"block {found.number}"
            raise RpcError(f"{node}: asked for block {block}, it has {instead}")
        return msgspec.structs.replace(found, chain_id=chain_id)

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
        """Have at hand what these calls touch: in one round trip where the node traces calls, in
        two where it makes access lists only. See `RemoteState`."""
        ends = [address for call in calls for address in call[:2] if address is not None]
        done = await asyncio.gather(
            self._read(pin, ends), self._trace(pin, calls, overrides or {}), return_exceptions=True
        )
        for error in done:
            if isinstance(error, ChainError):
                LOG.debug("chain %d: little was read ahead: %s", pin.chain_id, error)
            elif isinstance(error, BaseException):
                raise error

    def _node(self, chain_id: int) -> Rpc:
        if (node := self._nodes.get(chain_id)) is None:
            known = ", ".join(map(str, sorted(self._nodes))) or "none"
            raise ChainError(f"chain {chain_id} is not configured: {known} are")
        return node

    def _block(self, pin: Pin) -> _Block:
        key = (pin.chain_id, pin.hash)
        block = self._blocks.setdefault(key, _Block({}, {}))
        self._blocks.move_to_end(key)
        if len(self._blocks) > self._most:
            self._blocks.popitem(last=False)
        return block

    async def _read(self, pin: Pin, keys: Sequence[Key]) -> list[Value]:
        """Values of keys; what nobody has read yet is read once, whoever waits for it."""
        block = self._block(pin)
        missing = self._missing(pin, block, keys)
        fresh = [key for key in missing if key not in block.flights]
        if fresh:
            task = asyncio.create_task(self._fetch(pin, block, fresh))
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

    def _missing(self, pin: Pin, block: _Block, keys: Iterable[Key]) -> list[Key]:
        missing = [key for key in dict.fromkeys(keys) if key not in block.items]
        unread = [key for key in missing if key not in block.flights]
        if unread and self._store is not None:
            block.items.update(self._store.load(pin, unread))
            missing = [key for key in missing if key not in block.items]
        return missing

    def _keep(self, pin: Pin, block: _Block, found: Mapping[Key, Value]) -> None:
        fresh = {key: value for key, value in found.items() if key not in block.items}
        block.items.update(fresh)
        if fresh and self._store is not None:
            self._store.save(pin, fresh)

    async def _fetch(self, pin: Pin, block: _Block, keys: Sequence[Key]) -> None:
        try:
            node = self._node(pin.chain_id)
            numbers = any(isinstance(key, int) for key in keys)
            answers = await self._at(
                pin, lambda at: [one for key in keys for one in _ask(node, key, at)], numbers
            )
            for answer in answers:
                if isinstance(answer, BaseException):
                    await self._explain(pin, node, answer)
            self._keep(pin, block, _values(keys, answers))
        finally:
            for key in keys:
                del block.flights[key]

    async def _at(
        self, pin: Pin, asked: Callable[[object], list[asyncio.Future[Any]]], numbered: bool = False
    ) -> list[Any | BaseException]:
        """Answers about the pinned block to what `asked` asks of it: by its hash (EIP-1898), or,
        where the node does not take that, by its number, with the hash held against it."""
        answers: list[Any | BaseException] = []
        if not numbered and pin.chain_id not in self._numbered:
            answers = await _all(asked({"blockHash": text(pin.hash), "requireCanonical": False}))
            if not any(map(_not_taken, answers)):
                return answers
        node = self._node(pin.chain_id)
        header = node.send("eth_getBlockByNumber", [hex(pin.number), False], read_pin)
        first, *others = await _all([header, *asked(hex(pin.number))])
        if isinstance(first, BaseException):
            raise first
        _same(pin, node, first)
        if any(
            _not_taken(old) and not _not_taken(new)
            for old, new in zip(answers, others, strict=False)
        ):
            self._numbered.add(pin.chain_id)
        return others

    async def _explain(self, pin: Pin, node: Rpc, error: BaseException) -> NoReturn:
        """Raise an error, with what it comes from where the block or its state is lost."""
        if isinstance(error, RpcError) and _LOST_WORDS.search(str(error)):
            number = [hex(pin.number), False]
            _same(pin, node, await node.ask("eth_getBlockByNumber", number, read_pin))
            raise RpcError(
                f"{error}; the node has block {pin.number}, but not its state any more: it was"
                " pruned. Pin a newer block, or use an archive node",
                code=error.code,
            )
        raise error

    async def _trace(
        self, pin: Pin, calls: Sequence[Call], overrides: Mapping[bytes, Override]
    ) -> None:
        """A node that nothing is known of is asked for traces and for access lists at once."""
        chain, node, block = pin.chain_id, self._node(pin.chain_id), self._block(pin)
        options, told = tracer_options(overrides), [call_object(call) for call in calls]

        def asked(at: object) -> list[asyncio.Future[Any]]:
            traces = [] if self._traces.get(chain) is False else list(zip(calls, told, strict=True))
            lists = [] if self._traces.get(chain) else told
            return [
                *(
                    node.send(
                        "debug_traceCall", [one, at, options], partial(_prestate, call, overrides)
                    )
                    for call, one in traces
                ),
                *(node.send("eth_createAccessList", [one, at], read_access_list) for one in lists),
            ]

        known = self._traces.get(chain)
        answers = await self._at(pin, asked)
        touched: list[Key] = []
        for answer in answers:
            if isinstance(answer, dict):
                self._traces[chain] = True
                self._keep(pin, block, answer)
            elif isinstance(answer, list):
                touched.extend(answer)
            else:
                LOG.debug("chain %d: not traced: %s", chain, answer)
        if self._traces.get(chain) is not True and touched:
            if known is None:
                self._traces[chain] = False
            await self._read(pin, touched)


async def _all(futures: Sequence[asyncio.Future[Any]]) -> list[Any | BaseException]:
    return await asyncio.gather(*futures, return_exceptions=True)


def _not_taken(answer: object) -> bool:
    """Whether a node does not understand blocks that are given by their hashes."""
    return isinstance(answer, RpcError) and (
        answer.code in _BAD_PARAMS or bool(_BAD_WORDS.search(str(answer)))
    )


def _same(pin: Pin, node: Rpc, found: Pin | None) -> None:
    """Raises `RpcError` if the chain has another block in the pinned one's place."""
    if found is None or found.hash != pin.hash:
        now = "not there any more" if found is None else f"{text(found.hash)} now"
        raise RpcError(
            f"{node}: the chain was reorganised: block {pin.number}, pinned as {text(pin.hash)},"
            f" is {now}"
        )


def _ask(node: Rpc, key: Key, at: object) -> list[asyncio.Future[Any]]:
    match key:
        case bytes():
            who = text(key)
            return [
                node.send("eth_getBalance", [who, at], quantity),
                node.send("eth_getTransactionCount", [who, at], _nonce),
                node.send("eth_getCode", [who, at], data),
            ]
        case (address, slot):
            return [node.send("eth_getStorageAt", [text(address), word(slot), at], quantity)]
        case number:
            return [node.send("eth_getBlockByNumber", [hex(number), False], read_hash)]


def _values(keys: Sequence[Key], answers: Sequence[Any]) -> dict[Key, Value]:
    told = iter(answers)
    return {
        key: RemoteAccount(next(told), next(told), next(told))
        if isinstance(key, bytes)
        else next(told)
        for key in keys
    }


def _nonce(result: Any) -> int:
    return quantity(result, 64)


def _prestate(call: Call, overrides: Mapping[bytes, Override], result: Any) -> dict[Key, Value]:
    return read_prestate(result, call, overrides)
