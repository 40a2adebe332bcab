"""What the turns of a process work with, sub-agents' included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from msgspec import Struct

from stoker.agents.builtin.assembler import OnDelta
from stoker.agents.builtin.client import Client
from stoker.agents.builtin.gate import Gate
from stoker.agents.builtin.ledger import Ledger
from stoker.agents.builtin.protocol import Grant
from stoker.agents.builtin.settings import Settings
from stoker.agents.worktree import Worktree
from stoker.process.redact import Redactor
from stoker.process.spawner import Spawner


class Surroundings(Struct, frozen=True, kw_only=True):
    """What all of them share."""

    settings: Settings
    model: Client
    gate: Gate
    worktree: Worktree
    spawner: Spawner
    env: Mapping[str, str]
    """Of commands; without the agent's keys."""
    scratch: str
    """A directory for files that last as long as a call."""
    redactor: Redactor
    on_delta: Callable[[str | None], OnDelta]
    """For the sub-agent of a call, or the agent itself."""
    granted: set[Grant]
    """What need not be asked for any more."""
    open_ledger: Callable[[str, str], AbstractContextManager[Ledger]]
    """Of the sub-agent for the call of this id, with what it is to do."""
