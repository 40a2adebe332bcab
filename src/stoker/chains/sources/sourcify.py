"""Sourcify's API, version 2."""

from __future__ import annotations

from typing import Any

from stoker.chains.hexadecimal import excerpt
from stoker.chains.sources.answer import BadAnswer, NotVerified, abi_of, files_of, name_of
from stoker.chains.sources.contract_source import ContractSource
from stoker.chains.sources.web import Web


class Sourcify:
    """See `fetcher.Explorer`."""

    name = "Sourcify"

    def __init__(self, web: Web, base: str) -> None:
        self._web = web
        self._base = f"{base.rstrip('/')}/server/v2/contract"

    async def ask(self, chain_id: int, address: str) -> ContractSource:
        """See `fetcher.Explorer`."""
        return await self._web.get(
            f"{self._base}/{chain_id}/{address}",
            {"fields": "abi,compilation,sources"},
            lambda status, body: read(status, body, chain_id, address),
        )


def read(status: int, body: Any, chain_id: int, address: str) -> ContractSource:
    """Raises `NotVerified`, `BadAnswer`."""
    if not isinstance(body, dict):
        raise BadAnswer(f"HTTP {status}: {excerpt(body, 200)}")
    if status == 404:
        raise NotVerified("it is not known there")
    if status != 200:
        raise BadAnswer(f"HTTP {status}: {excerpt(body.get('message') or body, 200)}")
    found = (str(body.get("chainId")), str(body.get("address")).lower())
    if found != (str(chain_id), address.lower()):
        raise BadAnswer(f"it answered for {excerpt(found[1])} on chain {excerpt(found[0], 20)}")
    compilation = body.get("compilation")
    if not isinstance(compilation, dict):
        raise BadAnswer("it has no compilation")
    return ContractSource(
        chain_id=chain_id,
        address=address,
        name=name_of(compilation.get("name") or compilation.get("fullyQualifiedName")),
        abi=abi_of(body.get("abi")),
        files=files_of(body.get("sources")),
        compiler=excerpt(compilation.get("compilerVersion"), 100),
        origin="sourcify",
    )
