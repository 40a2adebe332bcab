"""What a model found to matter in the sources of a contract."""

from __future__ import annotations

from msgspec import Struct


class ExtractedFunction(Struct, frozen=True):
    signature: str
    abi: str
    description: str | None = None
    body: str | None = None
    arguments: tuple[str, ...] | None = None


class ExtractedContractInfo(Struct, frozen=True):
    address: str
    interface_name: str
    functions: tuple[ExtractedFunction, ...]
    storages: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    description: str | None = None
