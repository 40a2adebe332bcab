"""One transaction, sent once, however often it is tried.

What makes it one is its nonce, which is decided and journaled before anything is sent: a chain
takes each nonce of an account once. So whoever tries again looks first for what has that nonce."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from stoker.chains.broadcast.artefact import Request
from stoker.chains.errors import ChainError, RpcError
from stoker.chains.hexadecimal import data, quantity
from stoker.chains.rpc import Rpc

_FIRST, _LONGEST = 0.05, 2.0
"""Seconds between looks for a receipt: nodes do not tell of one over HTTP."""


class NotSent(ChainError):
    """It is not to be sent: the account's nonce has been used for something else, or is not yet
    due; or it was sent, and no block had it in time."""


class Mined(Struct, frozen=True):
    hash: str
    receipt: dict[str, Any]


class Reverted(ChainError):
    """A block has it, and it failed."""

    def __init__(self, mined: Mined) -> None:
        number = quantity(mined.receipt["blockNumber"])
        super().__init__(f"transaction {mined.hash} failed in block {number}")
        self.mined = mined


async def carry_out(rpc: Rpc, request: Request, *, since: int, wait: float) -> Mined:
    """See that it is in a block, and give its receipt. `since`: a block from before it was first
    tried; `wait`: seconds for a block to have it. Raises `NotSent`, `Reverted`, `RpcError`."""
    hash_ = None
    try:
        async with asyncio.timeout(wait):
            hash_ = await _sent(rpc, request, since)
            pause = _FIRST
            while (receipt := await _receipt(rpc, request, since, hash_)) is None:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST)
    except TimeoutError:
        raise NotSent(
            f"no block of {rpc} had transaction {hash_ or 'with nonce ' + request.nonce} within "
            f"{wait:g} s: it may come yet, which the next try will see"
        ) from None
    mined = Mined(str(receipt["transactionHash"]), receipt)
    if quantity(receipt["status"]) != 1:
        raise Reverted(mined)
    return mined


async def next_nonce(rpc: Rpc, address: str, block: str) -> int:
    """At `latest`, or at `pending`, which counts what waits for a block. Raises `RpcError`."""
    return await rpc.ask(
        "eth_getTransactionCount", [address, block], lambda told: quantity(told, 64)
    )


async def _sent(rpc: Rpc, request: Request, since: int) -> str | None:
    """Its hash, once the node has it; None: it has it already, under a hash that is not known."""
    nonce = quantity(request.nonce, 64)
    pause = _FIRST
    # before all else: the node's chain id is held against the configured one with this answer
    while (due := await next_nonce(rpc, request.from_, "latest")) < nonce:
        if await next_nonce(rpc, request.from_, "pending") < nonce:
            raise NotSent(
                f"the next nonce of {request.from_} on {rpc} is {due}, and not {nonce}: what comes "
                "before has not been sent"
            )
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST)
    if due > nonce or (await _by_nonce(rpc, request)) is not None:
        return await _found(rpc, request, since)
    try:
        return await rpc.ask("eth_sendTransaction", [_told(request)], _hash)
    except RpcError:
        # the answer may be lost, or an earlier try's may have been
        if await next_nonce(rpc, request.from_, "pending") > nonce:
            return await _found(rpc, request, since)
        raise


async def _receipt(
    rpc: Rpc, request: Request, since: int, hash_: str | None
) -> dict[str, Any] | None:
    """None: no block has it yet."""
    if hash_ is None and (hash_ := await _found(rpc, request, since)) is None:
        return None
    receipt: dict[str, Any] | None = await rpc.ask("eth_getTransactionReceipt", [hash_], _object)
    return receipt if receipt and receipt.get("blockNumber") else None


async def _found(rpc: Rpc, request: Request, since: int) -> str | None:
    """The hash of what was sent with the nonce. Raises `NotSent` if that is something else."""
    told = await _by_nonce(rpc, request) or await _in_blocks(rpc, request, since)
    if told is None:
        return None
    same = (
        (told["to"] or "").lower() == (request.to or "")
        and quantity(told.get("value")) == quantity(request.value)
        and data(told.get("input")) == data(request.input)
    )
    if not same:
        raise NotSent(
            f"nonce {quantity(request.nonce)} of {request.from_} on {rpc} was used by another "
            f"transaction, {told.get('hash')}"
        )
    return str(told["hash"])


async def _by_nonce(rpc: Rpc, request: Request) -> dict[str, Any] | None:
    """Some nodes can tell, and some of these only of what they have not pruned."""
    asked = [request.from_, request.nonce]
    try:
        return await rpc.ask("eth_getTransactionBySenderAndNonce", asked, _object)
    except RpcError as error:
        if error.code is None:  # it did not answer at all
            raise
        return None


async def _in_blocks(rpc: Rpc, request: Request, since: int) -> dict[str, Any] | None:
    """What others cannot, by looking through the blocks, newest first."""
    newest = await rpc.ask("eth_blockNumber", [], quantity)
    for number in range(newest, since - 1, -1):
        block = await rpc.ask("eth_getBlockByNumber", [hex(number), True], _object)
        for one in (block or {}).get("transactions", ()):
            same = str(one["from"]).lower() == request.from_
            if same and quantity(one["nonce"]) == quantity(request.nonce):
                return dict(one)
    return None


def _told(request: Request) -> dict[str, str]:
    told = {
        "from": request.from_,
        "value": request.value,
        "data": request.input,
        "nonce": request.nonce,
        "chainId": request.chain_id,
    }
    more = {"to": request.to, "gas": request.gas}
    return told | {name: value for name, value in more.items() if value is not None}


def _hash(told: Any) -> str:
    data(told, 32)
    return str(told)


def _object(told: Any) -> dict[str, Any] | None:
    if told is not None and not isinstance(told, dict):
        raise ValueError("no object")
    return told
