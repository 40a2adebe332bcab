"""The server itself."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct


class Health(Struct, frozen=True):
    """It answers."""

    status: Literal["ok"] = "ok"


class ServerStats(Struct, frozen=True, kw_only=True):
    """The server at this moment."""

    uptime_sec: float
    runs: dict[str, int]
    """Runs of the journal that are not over, by status."""
    driven: int
    """Runs this server drives."""
    streams: int
    """Open ones."""


class AgentView(Struct, frozen=True, kw_only=True):
    """A way of using an agent."""

    executor: str
    variant: str
    driver: str
    model: str | None
    approvals: str
    """`ask`, `allow` or `deny`: what becomes of its requests."""
    program: str
    installed: bool
    """The program is there."""


class Agents(Struct, frozen=True):
    """All executors with their variants."""

    agents: list[AgentView]


class Info(Struct, frozen=True, kw_only=True):
    """The server and its machine."""

    version: str
    started_at: float
    """Seconds since the Unix epoch."""
    journal: str
    """Where it is, without credentials."""
    roots: list[str]
    """Directories that requests may name files in; relative paths start from the first."""
    editors: list[str]
    os: str
    release: str
    architecture: str
    python: str
    processors: int


class McpServers(Struct, frozen=True, kw_only=True):
    """The MCP servers that an agent has in a file of its own."""

    servers: dict[str, Any]
    """By name, as the agent wants them."""
    path: str
    """Of the file, which need not exist."""


class McpRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent's file is to hold."""

    servers: dict[str, dict[str, Any]]
