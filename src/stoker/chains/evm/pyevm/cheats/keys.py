"""Addresses of keys, and signatures by them: worked out and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth_keys.datatypes import PrivateKey

from stoker.chains.evm.pyevm.addresses import CREATE2_DEPLOYER, create2_address, create_address
from stoker.chains.evm.pyevm.cheats.table import CheatFailed, cheat

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Computation
    from stoker.chains.evm.pyevm.script import Script

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def _key(number: int) -> PrivateKey:
    if not number:
        raise CheatFailed("private key cannot be 0")
    if number >= _ORDER:
        raise CheatFailed(f"private key must be less than the secp256k1 curve order ({_ORDER})")
    return PrivateKey(number.to_bytes(32, "big"))


def address_of_key(number: int) -> bytes:
    """Raises `CheatFailed`."""
    return _key(number).public_key.to_canonical_address()


@cheat("addr(uint256)", "rememberKey(uint256)", returns="(address)")
def addr(script: Script, caller: Computation, key: int) -> bytes:
    return address_of_key(key)


@cheat("sign(uint256,bytes32)", returns="(uint8,bytes32,bytes32)")
def sign(script: Script, caller: Computation, key: int, digest: bytes) -> tuple[int, bytes, bytes]:
    made = _key(key).sign_msg_hash(digest)
    return made.v + 27, made.r.to_bytes(32, "big"), made.s.to_bytes(32, "big")


@cheat("computeCreateAddress(address,uint256)", returns="(address)")
def compute_create(script: Script, caller: Computation, deployer: bytes, nonce: int) -> bytes:
    if nonce >= 2**64:
        raise CheatFailed("nonce must be less than 2^64")
    return create_address(deployer, nonce)


@cheat(
    "computeCreate2Address(bytes32,bytes32)",
    "computeCreate2Address(bytes32,bytes32,address)",
    returns="(address)",
)
def compute_create2(
    script: Script,
    caller: Computation,
    salt: bytes,
    code_hash: bytes,
    deployer: bytes = CREATE2_DEPLOYER,
) -> bytes:
    return create2_address(deployer, salt, code_hash=code_hash)
