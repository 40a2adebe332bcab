"""The ways of driving an agent, by the name a profile gives."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from stoker.agents.adapter import Adapter
from stoker.agents.profiles import Driver

ADAPTERS: Final[dict[Driver, str]] = {
    "command": "stoker.agents.plain:PlainAdapter",
    "stream-json": "stoker.agents.claude:ClaudeAdapter",
    "codex": "stoker.agents.codex:CodexAdapter",
    "acp": "stoker.agents.acp:AcpAdapter",
}
"""Driver -> `module:CLASS`; a module is imported when a profile first uses it."""


def adapter_of(driver: Driver) -> type[Adapter]:
    """The adapter's class."""
    module, _, name = ADAPTERS[driver].partition(":")
    found: type[Adapter] = getattr(import_module(module), name)
    return found
