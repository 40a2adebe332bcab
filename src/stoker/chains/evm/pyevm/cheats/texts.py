"""Values as texts, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth_utils.address import is_checksum_formatted_address, to_checksum_address

from stoker.chains.evm.pyevm.cheats.table import CheatFailed, cheat
from stoker.chains.evm.pyevm.console import text_of

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Computation
    from stoker.chains.evm.pyevm.script import Script

_WORD = 2**256


def _listed(kind: str) -> None:
    @cheat(f"toString({kind})", returns="(string)")
    def to_string(script: Script, caller: Computation, value: object) -> str:
        return text_of(kind, value)


for _kind in ("address", "bytes", "bytes32", "bool", "uint256", "int256"):
    _listed(_kind)


def _number(text: str, low: int, high: int, what: str) -> int:
    try:
        value = int(text.strip(), 16 if text.strip().lower().startswith(("0x", "-0x")) else 10)
    except ValueError:
        raise CheatFailed(f'failed parsing "{text}" as type `{what}`') from None
    if not low <= value < high:
        raise CheatFailed(f'failed parsing "{text}" as type `{what}`: it does not fit')
    return value


@cheat("parseUint(string)", returns="(uint256)")
def parse_uint(script: Script, caller: Computation, text: str) -> int:
    return _number(text, 0, _WORD, "uint256")


@cheat("parseInt(string)", returns="(int256)")
def parse_int(script: Script, caller: Computation, text: str) -> int:
    return _number(text, -_WORD // 2, _WORD // 2, "int256")


def _bytes(text: str, what: str, size: int | None = None) -> bytes:
    try:
        data = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        raise CheatFailed(f'failed parsing "{text}" as type `{what}`') from None
    if size is not None and len(data) != size:
        raise CheatFailed(f'failed parsing "{text}" as type `{what}`: it has {len(data)} bytes')
    return data


@cheat("parseBytes(string)", returns="(bytes)")
def parse_bytes(script: Script, caller: Computation, text: str) -> bytes:
    return _bytes(text, "bytes")


@cheat("parseBytes32(string)", returns="(bytes32)")
def parse_bytes32(script: Script, caller: Computation, text: str) -> bytes:
    return _bytes(text, "bytes32", 32)


@cheat("parseAddress(string)", returns="(address)")
def parse_address(script: Script, caller: Computation, text: str) -> bytes:
    address = _bytes(text, "address", 20)
    if is_checksum_formatted_address(text) and to_checksum_address(address) != text:
        raise CheatFailed(f'failed parsing "{text}" as type `address`: bad checksum')
    return address


@cheat("parseBool(string)", returns="(bool)")
def parse_bool(script: Script, caller: Computation, text: str) -> bool:
    found = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
    if found is None:
        raise CheatFailed(f'failed parsing "{text}" as type `bool`')
    return found


@cheat("toLowercase(string)", returns="(string)")
def to_lowercase(script: Script, caller: Computation, text: str) -> str:
    return text.lower()


@cheat("toUppercase(string)", returns="(string)")
def to_uppercase(script: Script, caller: Computation, text: str) -> str:
    return text.upper()
