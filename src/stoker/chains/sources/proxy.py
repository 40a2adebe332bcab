"""Where a proxy leads, as its chain says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Final

from stoker.chains.address import checksummed
from stoker.chains.errors import RpcError
from stoker.chains.hexadecimal import data, quantity, text, word
from stoker.chains.rpc import Rpc
from stoker.together import both

_SLOTS: Final = (
    0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC,  # EIP-1967
    0xC5F16F0FCC639FA48A6947836D9850F504798523BF8C9A3A87D5876CF622BCF7,  # EIP-1822
    0x7050C9E0F4CA769C69BD3A8EF740BC37934F8E2C036E5A723FD8EE048ED3F8C3,  # OpenZeppelin before it
)
_BEACON: Final = 0xA3F0AD74E5423AEBFD80D3EF4346578335A9A72AEAEE59FF6CB3582B35133D50
_IMPLEMENTATION: Final = bytes.fromhex("5c60da1b")
"""Selector of `implementation()`, which beacons have."""
_CLONES: Final = (
    re.compile(
        rb"\x36\x3d\x3d\x37\x3d\x3d\x3d\x36\x3d\x73(.{20})\x5a\xf4.*", re.DOTALL
    ),  # EIP-1167
    re.compile(rb"\x36\x5f\x5f\x37\x5f\x5f\x36\x5f\x73(.{20})\x5a\xf4.*", re.DOTALL),  # ERC-7511
    re.compile(rb"\xef\x01\x00(.{20})", re.DOTALL),  # EIP-7702
)


class NoCode(Exception):
    """There is no contract at the address."""


class ChainReader:
    """The chains as they are now. `nodes`: by chain id."""

    def __init__(self, nodes: Mapping[int, Rpc]) -> None:
        self._nodes = nodes

    async def code(self, chain_id: int, address: str) -> bytes:
        """Empty: no contract. Raises `RpcError`."""
        return await self._node(chain_id).ask("eth_getCode", [address, "latest"], data)

    async def storage(self, chain_id: int, address: str, slots: Sequence[int]) -> list[int]:
        """Values, in the order asked for. Raises `RpcError`."""
        node = self._node(chain_id)
        asked = (
            node.ask("eth_getStorageAt", [address, word(slot), "latest"], quantity)
            for slot in slots
        )
        return await asyncio.gather(*asked)

    async def call(self, chain_id: int, to: str, payload: bytes) -> bytes:
        """Raises `RpcError`, also if it reverts."""
        asked = [{"to": to, "data": text(payload)}, "latest"]
        return await self._node(chain_id).ask("eth_call", asked, data)

    def _node(self, chain_id: int) -> Rpc:
        if (node := self._nodes.get(chain_id)) is None:
            raise RpcError(f"chain {chain_id} is not in the settings")
        return node


async def implementation_of(reader: ChainReader, chain_id: int, address: str) -> str | None:
    """The contract whose code runs when this one is called; None: its own. Raises `NoCode`,
    `RpcError`."""
    code, (*found, beacon) = await both(
        reader.code(chain_id, address), reader.storage(chain_id, address, (*_SLOTS, _BEACON))
    )
    if not code:
        raise NoCode
    for clone in _CLONES:
        if match := clone.fullmatch(code):
            return checksummed(match[1])
    for value in found:
        if value:
            return _address(value)
    if beacon:
        answer = await reader.call(chain_id, _address(beacon), _IMPLEMENTATION)
        return _address(int.from_bytes(answer[:32]))
    return None


def _address(word: int) -> str:
    return checksummed((word & ((1 << 160) - 1)).to_bytes(20))
