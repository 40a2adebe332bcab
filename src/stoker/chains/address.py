"""Addresses as text, with their checksum (EIP-55)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_ADDRESS: Final = re.compile(r"0[xX][0-9a-fA-F]{40}")


class BadAddress(ValueError):
    """What is no address, or not with the right checksum."""


@lru_cache(maxsize=4_096)
def checksummed(address: bytes) -> str:
    """`0x..` of 20 bytes."""
    from eth_hash.auto import keccak

    digits = address.hex()
    digest = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if nibble >= "8" else digit
        for digit, nibble in zip(digits, digest, strict=False)
    )


def parsed(text: str) -> bytes:
    """The 20 bytes of an address. One whose letters are all small, or all capital, has no
    checksum, and needs none. Raises `BadAddress`, which says what the checksum should be."""
    if not _ADDRESS.fullmatch(text):
        raise BadAddress(f"expected an address (0x and 40 hexadecimal digits), found {text!r:.80}")
    digits = text[2:]
    address = bytes.fromhex(digits)
    if digits not in (digits.lower(), digits.upper()) and text[2:] != checksummed(address)[2:]:
        raise BadAddress(
            f"the checksum of {text} is wrong: expected {checksummed(address)}, or all in small "
            "letters"
        )
    return address
