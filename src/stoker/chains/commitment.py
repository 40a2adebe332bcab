"""What comes of asking that a group's effects be the plan's."""

from __future__ import annotations

from msgspec import Struct

from stoker.chains.evm.environment import Pin
from stoker.chains.evm.job import Captured


class Committed(Struct, frozen=True, kw_only=True):
    """A group's effects are the plan's. In the step's outputs, and enough to have them again
    after a restart."""

    index: int
    after: tuple[int, ...]
    """The groups whose effects it saw."""
    pins: dict[int, Pin]
    state: str
    """Path of the file with what it changed and looked at."""
    digest: str
    """SHA-256 of that."""
    position: int = 0
    """How many commits of the plan came before: groups' transactions are sent in this order."""
    transactions: tuple[Captured, ...] = ()
    """With the nonces that they have behind the groups committed before."""


class Conflict(Struct, frozen=True):
    """A group has looked at what these have changed meanwhile: it is to run again, after them."""

    groups: tuple[int, ...]
