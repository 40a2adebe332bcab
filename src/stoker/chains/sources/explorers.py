"""Who knows sources of contracts: Etherscan's API, version 2, and Sourcify's, version 2."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from stoker.chains.address import BadAddress, checksummed, parsed
from stoker.chains.hexadecimal import excerpt
from stoker.chains.sources.answer import BadAnswer, NotVerified, abi_of, files_of, name_of
from stoker.chains.sources.contract_source import ContractSource
from stoker.chains.sources.web import Busy, Web

_LIMITED: Final = re.compile(r"rate limit|too many|timeout|busy|temporar|try again", re.IGNORECASE)
_FINAL: Final = re.compile(r"daily|api key", re.IGNORECASE)


class Etherscan:
    """One address for all chains."""

    name = "Etherscan"

    def __init__(self, web: Web, base: str, key: str) -> None:
        self.web = web
        self._url = f"{base.rstrip('/')}/v2/api"
        self._key = key

    async def ask(self, chain_id: int, address: str) -> ContractSource:
        """What it says itself, of a proxy, too. Raises `NotVerified`, `BadAnswer`."""
        query = {
            "chainid": str(chain_id),
            "module": "contract",
            "action": "getsourcecode",
            "address": address,
            **({"apikey": self._key} if self._key else {}),
        }
        return await self.web.get(
            self._url, query, lambda status, body: read_etherscan(status, body, chain_id, address)
        )


def read_etherscan(status: int, body: Any, chain_id: int, address: str) -> ContractSource:
    """Raises `NotVerified`, `Busy`, `BadAnswer`."""
    if status != 200 or not isinstance(body, dict):
        raise BadAnswer(f"HTTP {status}: {excerpt(body, 200)}")
    result = body.get("result")
    if body.get("status") != "1":
        said = f"{excerpt(body.get('message'), 200)}: {excerpt(result, 200)}"
        if _LIMITED.search(said) and not _FINAL.search(said):
            raise Busy(said)
        raise BadAnswer(said)
    record = result[0] if isinstance(result, list) and result else None
    if not isinstance(record, dict):
        raise BadAnswer(f"expected a list with one contract, found {excerpt(result, 200)}")
    abi, code = record.get("ABI"), record.get("SourceCode")
    if not isinstance(abi, str) or not isinstance(code, str):
        raise BadAnswer("expected ABI and SourceCode as texts")
    if "not verified" in abi.lower() or not code.strip():
        raise NotVerified(excerpt(abi, 200))
    name, compiler = (
        name_of(record.get("ContractName")),
        excerpt(record.get("CompilerVersion"), 100),
    )
    return ContractSource(
        chain_id=chain_id,
        address=address,
        name=name,
        abi=abi_of(abi),
        files=_files(code, f"{name}.{'vy' if compiler.startswith('vyper') else 'sol'}"),
        compiler=compiler,
        implementation=_implementation(record),
        origin="etherscan",
    )


def _files(code: str, alone: str) -> dict[str, str]:
    """Of flat text, of standard JSON input in double braces, or of a JSON of files."""
    text = code.strip()
    if text.startswith("{{") and text.endswith("}}"):
        text = text[1:-1]
    if not text.startswith("{"):
        return files_of({alone: {"content": code}})
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadAnswer(f"its SourceCode begins like JSON and is none: {error}") from error
    return files_of(value.get("sources", value) if isinstance(value, dict) else value)


def _implementation(record: dict[str, Any]) -> str | None:
    given = record.get("Implementation")
    if str(record.get("Proxy")) != "1" or not isinstance(given, str) or not given:
        return None
    try:
        return checksummed(parsed(given.lower()))
    except BadAddress as error:
        raise BadAnswer(f"its implementation: {error}") from error


class Sourcify:
    name = "Sourcify"

    def __init__(self, web: Web, base: str) -> None:
        self.web = web
        self._base = f"{base.rstrip('/')}/server/v2/contract"

    async def ask(self, chain_id: int, address: str) -> ContractSource:
        """What it says itself, of a proxy, too. Raises `NotVerified`, `BadAnswer`."""
        return await self.web.get(
            f"{self._base}/{chain_id}/{address}",
            {"fields": "abi,compilation,sources"},
            lambda status, body: read_sourcify(status, body, chain_id, address),
        )


def read_sourcify(status: int, body: Any, chain_id: int, address: str) -> ContractSource:
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
