"""Everything that a group meets: two nodes, their explorers, a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from deploy import World
from explorers import Explorers
from model_server import ModelServer
from models import Writer, model_settings
from nodes import ALIASES, MODULES, WALLET, Node

from stoker.chains.settings import ChainSettings, RepairSettings, Settings


@dataclass(frozen=True)
class Surroundings:
    explorers: Explorers
    writer: Writer
    """What the model says."""
    settings: Settings


@pytest.fixture
def around(nodes: dict[int, Node], worlds: dict[int, World]) -> Iterator[Surroundings]:
    writer = Writer()
    with Explorers(worlds.values()) as explorers, ModelServer(writer, by_schema=True) as server:
        settings = Settings(
            chains={
                ALIASES[chain_id]: ChainSettings(id=chain_id, rpc=node.url, signs=True)
                for chain_id, node in nodes.items()
            },
            sender=WALLET,
            solc=str(MODULES / "solc"),
            sources=explorers.settings,
            model=model_settings(server),
            repair=RepairSettings(rounds=4, seconds=60),
        )
        yield Surroundings(explorers, writer, settings)
