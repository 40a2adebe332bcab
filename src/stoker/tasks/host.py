"""The code host that a project's repository comes from: its API, and what pushes
to it need."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from stoker.hosting import settings
from stoker.hosting.client import Client, connect
from stoker.hosting.detection import detect
from stoker.hosting.errors import InsufficientPermissions, NotHosted, TokenInvalid, TokenMissing
from stoker.hosting.model import Remote
from stoker.workspace.errors import AuthFailed
from stoker.workspace.remote import Credentials
from stoker.workspace.repository import Repository

REMOTE: Final = "origin"


class Host:
    """As the `hosting.toml` of a state directory has it, which is read each time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @asynccontextmanager
    async def api(self, repository: Repository) -> AsyncIterator[tuple[Client, Remote]]:
        """Raises `NotHosted`, `TokenMissing`, `BadFile`."""
        known = settings.load(self._directory)
        url = await repository.remote_url(REMOTE)
        if url is None:
            raise NotHosted(f"the repository has no remote {REMOTE!r}")
        where = detect(url, known)
        token = settings.token(known, where.host, os.environ)
        async with connect(where, token) as client:
            yield client, where

    @asynccontextmanager
    async def credentials(self, repository: Repository) -> AsyncIterator[Credentials | None]:
        """For a push within: over https the token, if there is one; else None, and the keys and
        credential helpers of whoever runs this must do. That the host refuses the token is told
        as by `api`: `TokenInvalid`, `InsufficientPermissions`. Raises `BadFile`."""
        known = settings.load(self._directory)
        try:
            where = detect(await repository.remote_url(REMOTE) or "", known)
            token = settings.token(known, where.host, os.environ)
        except (NotHosted, TokenMissing):
            where = None
        if where is None or where.push_origin is None:
            yield None
            return
        try:
            yield Credentials(where.push_origin, token)
        except AuthFailed as error:
            denied = "403" in error.stderr or "denied" in error.stderr.lower()
            kind = InsufficientPermissions if denied else TokenInvalid
            raise kind(where.host, where.path, "git push") from error
