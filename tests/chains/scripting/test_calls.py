"""Calls as models write them."""

from __future__ import annotations

from typing import Any

import pytest

from stoker.agents.worktree import ToolError
from stoker.chains.scripting.calls import answer, calldata

ONE = "0x" + "11" * 20


@pytest.mark.parametrize(
    ("signature", "arguments", "expected"),
    [
        ("totalSupply()", [], "18160ddd"),
        ("balanceOf( address )", [ONE], "70a08231" + ONE[2:].zfill(64)),
        ("f(uint256)", ["1000000000000000000000"], f"b3de648b{10**21:064x}"),
        ("f(uint256)", ["0x10"], f"b3de648b{16:064x}"),
        ("f(uint256)", [7], f"b3de648b{7:064x}"),
    ],
)
def test_arguments_are_encoded(signature: str, arguments: list[Any], expected: str) -> None:
    assert calldata(signature, arguments).hex() == expected


def test_nested_arguments_are_encoded() -> None:
    data = calldata(
        "f((address,bytes32)[],bool[2],int8)", [[[ONE, "0x" + "ab" * 32]], [True, "false"], "-1"]
    )
    assert data[4:].hex().count("ab" * 32) == 1 and data[4:].hex().count("11" * 20) == 1


@pytest.mark.parametrize(
    ("signature", "arguments"),
    [
        ("balanceOf", [ONE]),
        ("", []),
        ("balanceOf(address)", []),
        ("balanceOf(address)", ["0x12"]),
        ("balanceOf(address)", [5]),
        ("f(uint8)", ["256"]),
        ("f(uint8)", ["many"]),
        ("f(uint8)", [1.5]),
        ("f(nonsense)", [1]),
        ("f(uint256[])", [1]),
        ("f((uint256,bool))", [[1]]),
        ("f(bytes)", ["xyz"]),
        ("f(" + "(" * 5_000, [1]),
        ("f(uint256" + "[]" * 500 + ")", [[]]),
    ],
)
def test_what_cannot_be_called_is_told(signature: str, arguments: list[Any]) -> None:
    with pytest.raises(ToolError):
        calldata(signature, arguments)


def test_answers_are_decoded_where_the_abi_says_how() -> None:
    outputs = [{"type": "address"}, {"type": "uint256[]"}, {"type": "bytes"}]
    abi = [{"type": "function", "name": "f", "inputs": [], "outputs": outputs}]
    from eth_abi.abi import encode

    data = encode(["address", "uint256[]", "bytes"], [ONE, [1, 2], b"\x01"])
    assert answer(data, "f()", abi) == f"address: {ONE}\nuint256[]: [1, 2]\nbytes: 0x01"
    assert answer(data[:40], "f()", abi) == f"0x{data[:40].hex()}"
    assert answer((5).to_bytes(32), "g()", abi) == f"0x{5:064x} = 5"
    assert answer(b"", "g()", ()) == "0x"


def test_answers_of_hostile_contracts_do_not_grow() -> None:
    """Arrays of arrays whose elements are all the same one: a million of 2,720 bytes."""
    level = (16).to_bytes(32) + (16 * 32).to_bytes(32) * 16
    data = (32).to_bytes(32) + level * 4 + (16).to_bytes(32) + bytes(16 * 32)
    abi = [{"type": "function", "name": "f", "outputs": [{"type": "uint256[][][][][]"}]}]
    assert answer(data, "f()", abi) == f"0x{data.hex()}"


def test_structs_are_answers_too() -> None:
    parts = [{"name": "a", "type": "uint256"}, {"name": "b", "type": "bool"}]
    abi = [{"type": "function", "name": "f", "outputs": [{"type": "tuple", "components": parts}]}]
    data = (7).to_bytes(32) + (1).to_bytes(32)
    assert answer(data, "f()", abi) == "(uint256,bool): (a: 7, b: true)"
