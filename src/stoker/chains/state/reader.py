"""What is asked of one chain's node about a pinned block."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NoReturn

import msgspec

from stoker.chains.errors import RpcError
from stoker.chains.evm.job import Pin
from stoker.chains.hexadecimal import data, quantity, text, word
from stoker.chains.log import log
from stoker.chains.rpc import Rpc
from stoker.chains.state.change import Override
from stoker.chains.state.store import Key, RemoteAccount, Value
from stoker.chains.state.told import (
    Call,
    call_object,
    read_access_list,
    read_hash,
    read_pin,
    read_prestate,
    tracer_options,
)

_CHANGING: Final = re.compile("anvil|hardhat|ganache|ethereumjs", re.IGNORECASE)
_BAD_PARAMS: Final = frozenset((-32602, -32600))
_BAD_WORDS: Final = re.compile(
    r"invalid (argument|params|type|block)|cannot unmarshal|deserializ|parse", re.IGNORECASE
)
_NO_BLOCK: Final = re.compile(
    r"(header|block|resource) (\S+ )?not found|unknown block|out ?of ?range", re.IGNORECASE
)
_NO_STATE: Final = re.compile(
    r"missing trie node|state .*not |not available|unavailable|prune|histor|archive|old data",
    re.IGNORECASE,
)


class Reader:
    """One chain's node, and what has been found out about it."""

    def __init__(self, node: Rpc) -> None:
        self.node = node
        self.lasting: bool | None = None
        """Whether what a block holds stays the same. Nodes for development are told to change it
        (`anvil_setBalance`), and the block's hash does not. None: not asked yet."""
        self._numbered = False
        """It does not take blocks by their hashes."""
        self._traces: bool | None = None
        """Whether it traces calls; False: it makes access lists only."""
        self._lists = True
        """Whether its access lists are made with overrides: newer nodes do."""
        self._slow = False
        """Whether it took too long to trace a call: it is not asked again."""

    async def pin(self, number: int | None) -> Pin:
        """A block as it is now; None: the latest. Raises `RpcError`."""
        block = "latest" if number is None else hex(number)
        asking = self.node.send("eth_getBlockByNumber", [block, False], read_pin)
        found, *about = await _all([asking, *self._about()])
        self._learn(about)
        if isinstance(found, BaseException):
            raise found
        if found is None or number not in {None, found.number}:
            instead = "none" if found is None else f"block {found.number}"
            raise RpcError(f"{self.node}: asked for block {block}, it has {instead}")
        pin: Pin = msgspec.structs.replace(found, chain_id=self.node.chain_id)
        return pin

    async def read(self, pin: Pin, keys: Sequence[Key]) -> dict[Key, Value]:
        """Values of keys, in one round trip. A URL may have several nodes behind it, not all of
        which have a new block yet: that one is waited for, 3.5 s at most. Raises `RpcError`."""
        numbered = any(isinstance(key, int) for key in keys)
        for pauses in (2, 4, 8, 0):
            about = self._about()
            answers = await self._at(
                pin, lambda at: [one for key in keys for one in self._ask(key, at)], numbered
            )
            self._learn(await _all(about))
            error = next((one for one in answers if isinstance(one, BaseException)), None)
            if error is None:
                break
            if not pauses or not await self._may_come(pin, error):
                await self._explain(pin, error)
            await asyncio.sleep(pauses * self.node.limits.pause)
        told: Iterator[Any] = iter(answers)
        return {
            key: RemoteAccount(next(told), next(told), next(told))
            if isinstance(key, bytes)
            else next(told)
            for key in keys
        }

    async def trace(
        self, pin: Pin, calls: Sequence[Call], overrides: Mapping[bytes, Override]
    ) -> tuple[dict[Key, Value], list[Key]]:
        """What calls touch, in one round trip: values, and what else is worth to be read, by nodes
        that make access lists only. One that nothing is known of is asked for both at once. Raises
        `RpcError`; a call that could not be traced brings nothing."""
        if self._slow:
            return {}, []
        options, told = tracer_options(overrides), [call_object(call) for call in calls]
        known, more = self._traces, [options["stateOverrides"]] if overrides and self._lists else []

        def asked(at: object) -> list[asyncio.Future[Any]]:
            traces = zip(calls, told, strict=True) if known is not False else ()
            lists = told if not known else ()
            return [
                *(
                    self.node.send(
                        "debug_traceCall",
                        [one, at, options],
                        partial(read_prestate, call=call, overrides=overrides),
                    )
                    for call, one in traces
                ),
                *(
                    self.node.send("eth_createAccessList", [one, at, *more], read_access_list)
                    for one in lists
                ),
            ]

        values: dict[Key, Value] = {}
        touched: list[Key] = []
        for answer in await self._at(pin, asked):
            if isinstance(answer, dict):
                values |= answer
            elif isinstance(answer, list):
                touched += answer
            else:
                log.debug("a call was not traced", node=str(self.node), why=str(answer))
                self._slow |= "no answer within" in str(answer)
                if "eth_createAccessList" in str(answer) and _not_taken(answer):
                    self._lists = False
        if known is None and (values or touched):
            self._traces = bool(values)
        return values, [] if self._traces else touched

    def _about(self) -> list[asyncio.Future[str]]:
        """Asks what the node is, unless that is known."""
        return [] if self.lasting is not None else [self.node.send("web3_clientVersion", [], str)]

    def _learn(self, answers: list[Any | BaseException]) -> None:
        for answer in answers:
            self.lasting = isinstance(answer, BaseException) or not _CHANGING.match(answer)

    async def _at(
        self, pin: Pin, asked: Callable[[object], list[asyncio.Future[Any]]], numbered: bool = False
    ) -> list[Any | BaseException]:
        """Answers about the pinned block to what `asked` asks of it: by its hash (EIP-1898), or,
        where the node does not take that, by its number, with the hash held against it."""
        answers: list[Any | BaseException] = []
        if not (numbered or self._numbered):
            answers = await _all(asked({"blockHash": text(pin.hash), "requireCanonical": False}))
            answered = any(not isinstance(answer, BaseException) for answer in answers)
            if answered or not any(map(_not_taken, answers)):
                return answers
        header = self.node.send("eth_getBlockByNumber", [hex(pin.number), False], read_pin)
        first, *others = await _all([header, *asked(hex(pin.number))])
        if isinstance(first, BaseException):
            raise first
        if first is None:
            return [RpcError(f"{self.node}: block {pin.number} not found")]
        self._same(pin, first)
        pairs = zip(answers, others, strict=False)
        if any(_not_taken(old) and not _not_taken(new) for old, new in pairs):
            self._numbered = True
        return others

    async def _may_come(self, pin: Pin, error: BaseException) -> bool:
        """Whether it is for a block that is not there yet, and none else is in its place."""
        if not isinstance(error, RpcError) or not _NO_BLOCK.search(str(error)):
            return False
        asked = [hex(pin.number), False]
        found = await self.node.ask("eth_getBlockByNumber", asked, read_pin)
        return found is None or found.hash == pin.hash

    async def _explain(self, pin: Pin, error: BaseException) -> NoReturn:
        """Raise an error, with what it comes from where the block or its state is lost."""
        said = str(error)
        if isinstance(error, RpcError) and (_NO_BLOCK.search(said) or _NO_STATE.search(said)):
            number = [hex(pin.number), False]
            self._same(pin, await self.node.ask("eth_getBlockByNumber", number, read_pin))
            raise RpcError(
                f"{error}; the node has block {pin.number}, but not its state any more: it was"
                " pruned. Pin a newer block, or use an archive node",
                code=error.code,
            )
        raise error

    def _same(self, pin: Pin, found: Pin | None) -> None:
        """Raises `RpcError` if the chain has another block in the pinned one's place."""
        if found is None or found.hash != pin.hash:
            now = "not there any more" if found is None else f"{text(found.hash)} now"
            raise RpcError(
                f"{self.node}: the chain was reorganised: block {pin.number}, pinned as"
                f" {text(pin.hash)}, is {now}"
            )

    def _ask(self, key: Key, at: object) -> list[asyncio.Future[Any]]:
        send = self.node.send
        match key:
            case bytes():
                who = text(key)
                return [
                    send("eth_getBalance", [who, at], quantity),
                    send("eth_getTransactionCount", [who, at], partial(quantity, bits=64)),
                    send("eth_getCode", [who, at], data),
                ]
            case (address, slot):
                return [send("eth_getStorageAt", [text(address), word(slot), at], quantity)]
            case number:
                return [send("eth_getBlockByNumber", [hex(number), False], read_hash)]


async def _all(futures: Sequence[asyncio.Future[Any]]) -> list[Any | BaseException]:
    return await asyncio.gather(*futures, return_exceptions=True)


def _not_taken(answer: object) -> bool:
    """Whether a node does not understand blocks that are given by their hashes."""
    return isinstance(answer, RpcError) and (
        answer.code in _BAD_PARAMS or bool(_BAD_WORDS.search(str(answer)))
    )
