"""The client for a remote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from stoker.hosting.api import Api
from stoker.hosting.client import Client
from stoker.hosting.gitea import Gitea
from stoker.hosting.github import GitHub
from stoker.hosting.gitlab import GitLab
from stoker.hosting.model import Provider, Remote

_CLIENTS: Final[Mapping[Provider, type[GitHub | GitLab]]] = {
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
