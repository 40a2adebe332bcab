"""What can be asked of a code host, whichever provider it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from stoker.hosting.api import Api
from stoker.hosting.gitea import Gitea
from stoker.hosting.github import GitHub
from stoker.hosting.gitlab import GitLab
from stoker.hosting.model import Provider, Remote

Client = GitHub | GitLab
"""One repository at one code host. Every method raises `HostError`, in its kinds."""

_CLIENTS: Final[dict[Provider, type[Client]]] = {
    "github": GitHub,
    "gitlab": GitLab,
    "gitea": Gitea,
}


@asynccontextmanager
async def connect(
    remote: Remote, token: str, *, timeout_sec: float = 30.0, patience_sec: float = 60.0
) -> AsyncIterator[Client]:
    """A client for as long as it is needed; see `Api` for the limits."""
    kind = _CLIENTS[remote.provider]
    async with Api(
        remote, token, kind.headers(token), timeout_sec=timeout_sec, patience_sec=patience_sec
    ) as api:
        yield kind(api)
