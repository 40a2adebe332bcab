"""Addresses that forge knows, and the code at them; where contracts that are created come to be."""

from __future__ import annotations

from eth_hash.auto import keccak

CALLER = bytes.fromhex("1804c8ab1f12e6bbf3894d4083f33e07309d1f38")
"""Who deploys scripts; the sender where none is given."""
CHEATCODES = bytes.fromhex("7109709ecfa91a80626ff3989d68f67f5b1dd12d")
CONSOLE = bytes.fromhex("000000000000000000636f6e736f6c652e6c6f67")
"""A call of it prints, and does nothing else."""
CREATE2_DEPLOYER = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
"""Through which CREATE2 is broadcast: its input is the salt and the creation code."""
CREATE2_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)


def create_address(sender: bytes, nonce: int) -> bytes:
    # To import it takes a quarter of a second.
    from rlp import encode  # type: ignore[import-untyped]

    return keccak(encode([sender, nonce]))[12:]


def create2_address(
    sender: bytes, salt: bytes, initcode: bytes = b"", *, code_hash: bytes | None = None
) -> bytes:
    return keccak(b"\xff" + sender + salt + (code_hash or keccak(initcode)))[12:]
