"""A contract as its explorer knows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct


class ContractSource(Struct, frozen=True, kw_only=True):
    """Verified. Of a proxy, `abi` and `files` are its implementation's."""

    chain_id: int
    address: str
    """With its checksum."""
    name: str
    abi: list[dict[str, Any]]
    files: Mapping[str, str]
    """Path -> text. One, `NAME.sol`, where the explorer has flat text."""
    compiler: str
    implementation: str | None = None
    """Where this is a proxy: whose source it is."""
    origin: Literal["etherscan", "sourcify"]
