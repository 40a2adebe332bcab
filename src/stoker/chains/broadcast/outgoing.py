"""Transactions of a group that are to be sent."""

from __future__ import annotations

from collections.abc import Sequence as Several

from msgspec import Struct
from msgspec.structs import replace

from stoker.chains.broadcast.artefact import Sequence
from stoker.chains.broadcast.describe import gas_limit, sequences
from stoker.chains.evm.job import Capture, Captured, Replayed
from stoker.chains.report.registry import Registry
from stoker.chains.solidity.compilation import Compilation


class Outgoing(Struct, frozen=True, kw_only=True):
    """Of one group; plain data, to be kept until somebody broadcasts it."""

    script: str
    """As the artefacts call it: `Name.s.sol`."""
    transactions: tuple[Captured, ...]
    """In order; each says how much gas it may use."""
    sequences: tuple[Sequence, ...]
    """The same, as Foundry tells them."""


def outgoing(
    script: str,
    transactions: Several[Captured],
    replayed: Several[Replayed],
    registry: Registry,
    *,
    timestamp: int,
    capture: Capture | None = None,
    compiled: Compilation | None = None,
) -> Outgoing:
    """`registry`: has learned what was created. `timestamp`: milliseconds since 1970."""
    return Outgoing(
        script=script,
        transactions=tuple(
            replace(one, gas=gas_limit(one, done))
            for one, done in zip(transactions, replayed, strict=True)
        ),
        sequences=tuple(
            sequences(
                transactions,
                replayed,
                registry,
                timestamp=timestamp,
                capture=capture,
                script=compiled,
            )
        ),
    )
