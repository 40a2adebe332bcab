"""Cheatcodes of Foundry that scripts may use, by what they are about. A handler is listed with the
signature that it answers to; importing this package lists them all."""

from stoker.chains.evm.pyevm.cheats import (
    accounts,
    assertions,
    blocks,
    broadcasts,
    forks,
    keys,
    records,
    texts,
)

__all__ = [
    "accounts",
    "assertions",
    "blocks",
    "broadcasts",
    "forks",
    "keys",
    "records",
    "texts",
]
