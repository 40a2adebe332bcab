"""Where contracts that are created come to be."""

from __future__ import annotations

from eth_utils.crypto import keccak
from rlp import encode  # type: ignore[import-untyped]


def create_address(sender: bytes, nonce: int) -> bytes:
    return keccak(encode([sender, nonce]))[12:]


def create2_address(
    sender: bytes, salt: bytes, initcode: bytes = b"", *, code_hash: bytes | None = None
) -> bytes:
    return keccak(b"\xff" + sender + salt + (code_hash or keccak(initcode)))[12:]
