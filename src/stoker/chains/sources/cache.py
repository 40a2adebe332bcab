"""Verified sources on disk. What is verified stays so: an entry is kept for good."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from stoker.chains.log import log
from stoker.chains.sources.contract_source import ContractSource
from stoker.whole_file import replace

_VERSION = "1"


class Cache:
    """Of what explorers say, as they say it: where proxies lead may change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _VERSION

    async def get(self, chain_id: int, address: str) -> ContractSource | None:
        """None: not there, or not readable."""
        return await asyncio.to_thread(self._read, chain_id, address)

    async def put(self, source: ContractSource) -> None:
        """Keep it, if the disk lets us."""
        try:
            content = msgspec.json.encode(source)
            path = self._path(source.chain_id, source.address)
            await asyncio.to_thread(replace, path, content)
        except OSError as error:
            log.warning("sources not kept", path=error.filename, reason=error.strerror)

    def _read(self, chain_id: int, address: str) -> ContractSource | None:
        try:
            content = self._path(chain_id, address).read_bytes()
            found = msgspec.json.decode(content, type=ContractSource)
        except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        return found if (found.chain_id, found.address) == (chain_id, address) else None

    def _path(self, chain_id: int, address: str) -> Path:
        return self._folder / str(chain_id) / f"{address.lower()}.json"
