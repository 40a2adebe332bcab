"""Stoker over HTTP, for programs: `Client` with an event loop, `SyncClient` without.

async with Client("http://127.0.0.1:8470") as stoker:
    begun = await stoker.attempts.create_and_start(
        project_id=project_id, title="Fix the build", executor="CODEX"
    )
    async for entry in stoker.attempts.stream(begun.attempt.attempt_id, 1):
        print(entry.content)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stoker.client.errors import (
    ApiError,
    Conflict,
    Forbidden,
    InvalidRequest,
    Missed,
    NotFound,
    ServerFault,
    StokerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)

if TYPE_CHECKING:
    from stoker.client.client import Client, SyncClient

__all__ = [
    "ApiError",
    "Client",
    "Conflict",
    "Forbidden",
    "InvalidRequest",
    "Missed",
    "NotFound",
    "ServerFault",
    "StokerError",
    "SyncClient",
    "TooManyRequests",
    "Unauthorized",
    "Unreachable",
]


def __getattr__(name: str) -> Any:
    """The clients need httpx; what can be asked of a server does not."""
    if name not in ("Client", "SyncClient"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from stoker.client import client

    return getattr(client, name)
