"""Proxies: where they lead is read from a real chain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from deploy import World
from explorers import Explorers
from nodes import Node

from stoker.chains.errors import RpcError, SourcesMissing
from stoker.chains.group import Contract
from stoker.chains.sources.contract_source import ContractSource
from stoker.chains.sources.fetcher import SourceFetcher
from stoker.chains.sources.proxy import ChainReader

PLACES = [f"0x{number:040x}" for number in range(0x7000, 0x7010)]
"""Addresses without letters need no checksum."""
IMPLEMENTATION = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
BEACON = "0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50"
SOME_CODE = "0x60006000fd"


class Reader:
    """The chains, through test nodes."""

    def __init__(self, nodes: dict[int, Node]) -> None:
        self._nodes = nodes
        self.asked = 0

    async def code(self, chain_id: int, address: str) -> bytes:
        return await self._ask(chain_id, "eth_getCode", address, "latest")

    async def storage(self, chain_id: int, address: str, slots: Sequence[int]) -> list[int]:
        return [
            int.from_bytes(
                await self._ask(chain_id, "eth_getStorageAt", address, hex(slot), "latest")
            )
            for slot in slots
        ]

    async def call(self, chain_id: int, to: str, data: bytes) -> bytes:
        return await self._ask(chain_id, "eth_call", {"to": to, "data": f"0x{data.hex()}"})

    async def _ask(self, chain_id: int, method: str, *params: object) -> bytes:
        self.asked += 1
        answer = await asyncio.to_thread(self._nodes[chain_id].rpc, method, *params)
        return bytes.fromhex(answer[2:])


class Down:
    """No chain can be reached."""

    async def code(self, chain_id: int, address: str) -> bytes:
        raise RpcError("chain 'mainnet': no answer")

    async def storage(self, chain_id: int, address: str, slots: Sequence[int]) -> list[int]:
        raise RpcError("chain 'mainnet': no answer")

    async def call(self, chain_id: int, to: str, data: bytes) -> bytes:
        raise RpcError("chain 'mainnet': no answer")


def fetch(
    explorers: Explorers, folder: Path, reader: ChainReader | None, address: str
) -> ContractSource:
    async def main() -> ContractSource:
        async with SourceFetcher(explorers.settings, folder, reader, pause=0.001) as fetcher:
            (found,) = await fetcher.get([Contract(1, address, "it")], 20)
            return found

    return asyncio.run(main())


def _word(address: str) -> str:
    return f"0x{address[2:].lower():0>64}"


def _clone(address: str) -> str:
    return f"0x363d3d373d3d3d363d73{address[2:].lower()}5af43d82803e903d91602b57fd5bf3"


def test_the_explorer_says_where_a_proxy_leads(worlds: dict[int, World], tmp_path: Path) -> None:
    with Explorers(worlds.values()) as explorers:
        found = fetch(explorers, tmp_path, None, worlds[1]["RegisterProxy"])
    register = worlds[1].contracts["Register"]
    assert found.address == worlds[1]["RegisterProxy"]
    assert found.implementation == register.address
    assert (found.name, found.abi, found.files) == ("Register", register.abi, register.files)


def test_the_chain_says_it_where_explorers_do_not(
    worlds: dict[int, World], nodes: dict[int, Node], tmp_path: Path
) -> None:
    with Explorers(worlds.values()) as explorers:
        explorers.tells_proxies = False
        alone = fetch(explorers, tmp_path, None, worlds[1]["RegisterProxy"])
        found = fetch(explorers, tmp_path, Reader(nodes), worlds[1]["RegisterProxy"])
    assert (alone.name, alone.implementation) == ("Proxy", None)
    assert (found.name, found.implementation) == ("Register", worlds[1]["Register"])


def test_clones_and_beacons_lead_on_and_need_no_source_of_their_own(
    worlds: dict[int, World], changing: dict[int, Node], tmp_path: Path
) -> None:
    node, (clone, proxy, beacon) = changing[1], PLACES[:3]
    register = worlds[1]["Register"]
    node.rpc("anvil_setCode", proxy, SOME_CODE)
    node.rpc("anvil_setStorageAt", proxy, BEACON, _word(beacon))
    # It answers everything with the address.
    node.rpc("anvil_setCode", beacon, f"0x73{register[2:].lower()}5f5260205ff3")
    node.rpc("anvil_setCode", clone, _clone(proxy))
    with Explorers(worlds.values()) as explorers:
        found = fetch(explorers, tmp_path, Reader(changing), clone)
    assert (found.address, found.name, found.implementation) == (clone, "Register", register)


def test_an_upgraded_proxy_is_followed_anew_though_its_source_is_kept(
    worlds: dict[int, World], changing: dict[int, Node], tmp_path: Path
) -> None:
    proxy = worlds[1]["RegisterProxy"]
    with Explorers(worlds.values()) as explorers:
        before = fetch(explorers, tmp_path, Reader(changing), proxy)
        changing[1].rpc("anvil_setStorageAt", proxy, IMPLEMENTATION, _word(worlds[1]["DAI"]))
        after = fetch(explorers, tmp_path, Reader(changing), proxy)
        asked = [one.address for one in explorers.asked]
    assert (before.name, after.name) == ("Register", "Token")
    assert asked.count(proxy) == 1


def test_what_cannot_be_a_proxy_costs_the_chain_no_question(
    worlds: dict[int, World], nodes: dict[int, Node], tmp_path: Path
) -> None:
    reader = Reader(nodes)
    with Explorers(worlds.values()) as explorers:
        fetch(explorers, tmp_path, reader, worlds[1]["UniswapV2Router02"])
    assert reader.asked == 0


def test_circles_end(worlds: dict[int, World], changing: dict[int, Node], tmp_path: Path) -> None:
    one, other = PLACES[:2]
    changing[1].rpc("anvil_setCode", one, _clone(other))
    changing[1].rpc("anvil_setCode", other, _clone(one))
    with (
        Explorers(worlds.values()) as explorers,
        pytest.raises(SourcesMissing, match=f"lead too far: {one} -> {other} -> {one}"),
    ):
        fetch(explorers, tmp_path, Reader(changing), one)


def test_long_ways_end(worlds: dict[int, World], changing: dict[int, Node], tmp_path: Path) -> None:
    for one, next_one in pairwise(PLACES):
        changing[1].rpc("anvil_setCode", one, _clone(next_one))
    with (
        Explorers(worlds.values()) as explorers,
        pytest.raises(SourcesMissing, match="lead too far"),
    ):
        fetch(explorers, tmp_path, Reader(changing), PLACES[0])


def test_no_code_is_not_the_same_as_no_source(
    worlds: dict[int, World], changing: dict[int, Node], tmp_path: Path
) -> None:
    empty, unverified, proxy = PLACES[:3]
    changing[1].rpc("anvil_setCode", unverified, SOME_CODE)
    changing[1].rpc("anvil_setCode", proxy, _clone(unverified))
    with Explorers(worlds.values()) as explorers:
        with pytest.raises(SourcesMissing, match="no contract: the account has no code"):
            fetch(explorers, tmp_path, Reader(changing), empty)
        with pytest.raises(SourcesMissing, match=r"chain 1\): Etherscan: not verified"):
            fetch(explorers, tmp_path, Reader(changing), unverified)
        with pytest.raises(SourcesMissing, match=f"a proxy of {unverified}, and of that: Ethers"):
            fetch(explorers, tmp_path, Reader(changing), proxy)
        with pytest.raises(SourcesMissing, match="whether it has code is not known: chain 'mainn"):
            fetch(explorers, tmp_path, Down(), empty)


def test_a_chain_that_is_down_does_not_hide_what_explorers_know(
    worlds: dict[int, World], tmp_path: Path
) -> None:
    with Explorers(worlds.values()) as explorers:
        found = fetch(explorers, tmp_path, Down(), worlds[1]["RegisterProxy"])
    assert found.name == "Register"
