"""What a group's node owns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from nodes import MODULES

import stoker
from stoker.chains.config import GroupConfig
from stoker.chains.errors import ChainError
from stoker.chains.group import Amount, Assertion, OperationGroup
from stoker.chains.load import keep
from stoker.chains.node import GroupNode
from stoker.chains.settings import ChainSettings, Settings
from stoker.chains.solidity.compilation import CompilerSettings
from stoker.chains.workshop import opened

SENDER = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
SETTINGS = Settings(
    chains={
        "one": ChainSettings(id=1, rpc="http://127.0.0.1:9", evm_version="cancun"),
        "ten": ChainSettings(id=10, rpc="http://127.0.0.1:9"),
    },
    sender=SENDER,
    solc=str(MODULES / "solc"),
)
SCRIPT = """pragma solidity ^0.8.0;
import "forge-std/Script.sol";
contract Own is Script { function run() external { vm.startBroadcast(); vm.stopBroadcast(); } }
"""
GROUP = OperationGroup(description="own", operations=("nothing",), script=SCRIPT)


def mutable(value: Any, path: str = "") -> Iterator[tuple[int, str]]:
    """What of all that a value leads to can be changed, and where it is."""
    if isinstance(value, msgspec.Struct):
        if not value.__struct_config__.frozen:
            yield id(value), path
        for name in value.__struct_fields__:
            yield from mutable(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, Mapping):
        yield id(value), path
        for key, item in value.items():
            yield from mutable(item, f"{path}[{key!r}]")
    elif isinstance(value, list | set | bytearray):
        yield id(value), path
        for number, item in enumerate(value):
            yield from mutable(item, f"{path}[{number}]")
    elif isinstance(value, tuple | frozenset):
        for number, item in enumerate(value):
            yield from mutable(item, f"{path}[{number}]")


def test_no_two_nodes_share_anything_that_can_be_changed(tmp_path: Path) -> None:
    async def go() -> None:
        async with stoker.open_engine(tmp_path / "journal.db") as engine:
            workshop = await engine.shared(opened)
            tools = await workshop.tools(keep(SETTINGS, tmp_path))
            backend = tools.backend()
            nodes = [GroupNode(index, GROUP, tools, backend, ()) for index in (0, 1)]
            for node in nodes:
                await node.compile_script(SCRIPT)
            owned = [dict(mutable((one.config, one.artifacts))) for one in nodes]
            others = dict(mutable(tools.settings))
            assert len(owned[0]) > 10
            assert not {owned[0][one] for one in owned[0].keys() & owned[1].keys()}
            assert not {owned[0][one] for one in owned[0].keys() & others.keys()}
            nodes[0].config.compiler = CompilerSettings(evm_version="shanghai")
            nodes[0].config.chains.clear()
            assert nodes[1].config == GroupConfig.of(GROUP, tools.settings)

    asyncio.run(go())


def test_how_a_group_is_done_follows_from_it_and_the_settings() -> None:
    config = GroupConfig.of(GROUP, SETTINGS)
    assert (config.home, config.compiler.evm_version) == (1, "cancun")
    assert config.sender == bytes.fromhex(SENDER[2:])
    assert config.aliases == {"one": 1, "ten": 10}
    elsewhere = replace(GROUP, funds=(Amount(10, 5),), sender="0x" + 40 * "1")
    config = GroupConfig.of(elsewhere, SETTINGS)
    assert (config.home, config.compiler.evm_version) == (10, "prague")
    assert config.sender == bytes.fromhex(40 * "1")


def test_a_chain_that_nobody_has_and_a_missing_sender_are_told() -> None:
    with pytest.raises(ChainError, match=r"chain 5 is not in the settings; there are: one \(1\)"):
        GroupConfig.of(replace(GROUP, assertions=(Assertion(5, SENDER, equals=1),)), SETTINGS)
    with pytest.raises(ChainError, match="expected a sender"):
        GroupConfig.of(GROUP, replace(SETTINGS, sender=None))
