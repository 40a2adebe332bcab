"""A view of chains as nodes: what programs that fork a chain ask for, answered on a socket from the
pinned state that all share, with a plan's changes on top. So they fork what a group sees, ask the
chains for nothing twice, need no network, and learn no RPC's URL, which may hold a secret."""

from __future__ import annotations

import asyncio
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from stoker.chains.errors import ChainError
from stoker.chains.evm.job import Pin
from stoker.chains.hexadecimal import data, quantity, text, word
from stoker.chains.state.change import Delta
from stoker.chains.state.overlay import Overlay
from stoker.chains.state.remote import Remote

_MOST: Final = 64 << 20
"""Bytes of one request."""
_METHODS: Final = frozenset(
    ("eth_getBalance", "eth_getTransactionCount", "eth_getCode", "eth_getStorageAt")
)
_GWEI: Final = 10**9


class View:
    """One chain as a node whose newest block is the pinned one."""

    def __init__(self, remote: Remote, pin: Pin, delta: Delta | None = None) -> None:
        self._remote = remote
        self._pin = pin
        self._state = Overlay(remote, pin, delta or Delta())
        self.failure: ChainError | None = None
        """Why something could not be answered: whoever asked tells it in words of its own."""

    async def answer(self, method: str, params: list[Any]) -> Any:
        """The result. Raises `ChainError`, and `ValueError` for what no node would understand."""
        pin = self._pin
        if method in _METHODS:
            return await self._read(method, data(params[0], 20), params)
        match method:
            case "eth_chainId":
                return hex(pin.chain_id)
            case "net_version":
                return str(pin.chain_id)
            case "eth_blockNumber":
                return hex(pin.number)
            case "eth_getBlockByNumber":
                number = params[0]
                if number in {"latest", "pending", "safe", "finalized", hex(pin.number)}:
                    return _block(pin, pin.number, pin.hash)
                asked = quantity(number)
                if asked > pin.number:
                    return None
                return _block(pin, asked, await self._remote.block_hash(pin, asked))
            case "eth_getBlockByHash":
                return _block(pin, pin.number, pin.hash) if params[0] == text(pin.hash) else None
            case "eth_gasPrice":
                return hex(pin.base_fee + _GWEI)
            case "eth_maxPriorityFeePerGas":
                return hex(_GWEI)
            case "eth_feeHistory":
                return {
                    "oldestBlock": hex(pin.number),
                    "baseFeePerGas": [hex(pin.base_fee)] * 2,
                    "gasUsedRatio": [0.5],
                    "reward": [[hex(_GWEI)] * len(params[2] if len(params) > 2 else ())],
                }
            case "web3_clientVersion":
                return "stoker"
        raise _Unknown(method)

    async def _read(self, method: str, address: bytes, params: list[Any]) -> str:
        if method == "eth_getStorageAt":
            return word(await self._state.slot(address, quantity(params[1])))
        (account,) = await self._state.accounts([address])
        if method == "eth_getCode":
            return text(account.code)
        return hex(account.balance if method == "eth_getBalance" else account.nonce)


class _Unknown(Exception):
    """A method that a view does not have."""


class StateServer:
    """Serves views, each on a socket of its own that only this user may open. Of one event loop; to
    be closed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="stoker-state-")
        self._servers: dict[Path, asyncio.Server] = {}
        self._made = 0

    async def serve(self, view: View) -> Path:
        """Where it is until `forget`."""
        self._made += 1
        path = Path(self._folder.name, f"{self._made}.ipc")
        self._servers[path] = await asyncio.start_unix_server(partial(_connected, view), path)
        return path

    def forget(self, path: Path) -> None:
        """Nobody can begin to ask."""
        self._servers.pop(path).close()
        path.unlink(missing_ok=True)

    def close(self) -> None:
        for path in list(self._servers):
            self.forget(path)
        self._folder.cleanup()


async def _connected(
    view: View, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Values of JSON follow each other, with nothing between them."""
    waiting = b""
    try:
        while part := await reader.read(1 << 16):
            waiting += part
            if len(waiting) > _MOST:
                break
            asked, waiting = _values(waiting)
            for one in asked:
                writer.write(await _answers(view, one))
            await writer.drain()
    except (ConnectionError, ValueError):
        pass  # it is gone, or speaks something else
    finally:
        writer.close()


def _values(text: bytes) -> tuple[list[Any], bytes]:
    """Those that are whole, and the rest."""
    found = []
    decoder = json.JSONDecoder()
    rest = text.decode()
    while rest := rest.lstrip():
        try:
            value, end = decoder.raw_decode(rest)
        except json.JSONDecodeError:
            break
        found.append(value)
        rest = rest[end:]
    return found, rest.encode()


async def _answers(view: View, asked: Any) -> bytes:
    if isinstance(asked, list):
        return msgspec.json.encode(await asyncio.gather(*(_answer(view, one) for one in asked)))
    return msgspec.json.encode(await _answer(view, asked))


async def _answer(view: View, asked: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"jsonrpc": "2.0", "id": asked.get("id")}
    try:
        told["result"] = await view.answer(asked["method"], asked.get("params") or [])
    except _Unknown as method:
        told["error"] = {"code": -32601, "message": f"no method {method}"}
    except ChainError as error:
        view.failure = error
        told["error"] = {"code": -32000, "message": str(error)}
    except (ValueError, LookupError, TypeError) as error:
        told["error"] = {"code": -32602, "message": f"invalid params: {error}"}
    return told


def _block(pin: Pin, number: int, hash_: bytes) -> dict[str, Any]:
    """With all that readers insist on; what a pin does not tell is zero."""
    nothing = word(0)
    return {
        "number": hex(number),
        "hash": text(hash_),
        "timestamp": hex(pin.timestamp),
        "baseFeePerGas": hex(pin.base_fee),
        "gasLimit": hex(pin.gas_limit),
        "miner": text(pin.coinbase),
        "mixHash": text(pin.prevrandao),
        "excessBlobGas": hex(pin.excess_blob_gas),
        "blobGasUsed": "0x0",
        "gasUsed": "0x0",
        "difficulty": "0x0",
        "totalDifficulty": "0x0",
        "size": "0x0",
        "nonce": "0x0000000000000000",
        "extraData": "0x",
        "logsBloom": f"0x{bytes(256).hex()}",
        "transactions": [],
        "uncles": [],
        "withdrawals": [],
    } | dict.fromkeys(
        (
            *("parentHash", "sha3Uncles", "stateRoot", "transactionsRoot", "receiptsRoot"),
            *("withdrawalsRoot", "parentBeaconBlockRoot"),
        ),
        nothing,
    )
