"""Stoker over HTTP, for programs: `Client` with an event loop, `SyncClient` without.

async with Client("http://127.0.0.1:8470") as stoker:
    begun = await stoker.attempts.create_and_start(
        project_id=project_id, title="Fix the build", executor="CODEX"
    )
    async for entry in stoker.attempts.stream(begun.attempt.attempt_id, 1):
        print(entry.content)
"""

from __future__ import annotations

from stoker.client.client import Client, SyncClient
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
