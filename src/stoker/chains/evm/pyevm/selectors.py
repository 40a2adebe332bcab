"""The first four bytes of a call."""

from __future__ import annotations


def selector(signature: str) -> bytes:
    from eth_utils.crypto import keccak

    return keccak(text=signature)[:4]
