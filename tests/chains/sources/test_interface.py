"""ABIs as Solidity: the compiler makes the same functions of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from deploy import World
from nodes import EVM

from stoker.chains.scripting.declarations import functions, signature, solidity
from stoker.chains.scripting.library import passages
from stoker.chains.solidity.compilation import Compilation, CompilerSettings
from stoker.chains.solidity.compiler import SolidityCompiler

PRAGMA = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\n"
SCRIPT = "contract Nothing { function run() external {} }\n"


def compiled(cache: Path, *parts: str) -> Compilation:
    async def main() -> Compilation:
        async with SolidityCompiler(project=EVM, solc=str(EVM), cache=cache) as compiler:
            text = "\n".join([PRAGMA, *parts, SCRIPT])
            return await compiler.compile({"a.sol": text}, "a.sol:Nothing", CompilerSettings())

    return asyncio.run(main())


def kinds(abi: Any) -> dict[str, Any]:
    return {
        one: (entry.get("stateMutability"), [each["type"] for each in entry["outputs"]])
        for one, entry in functions(abi).items()
    }


def test_interfaces_of_all_that_is_deployed_compile_to_its_functions(
    worlds: dict[int, World], tmp_path: Path
) -> None:
    abis = {f"I{one.contract}": one.abi for one in worlds[1].contracts.values()}
    texts = [solidity(name, functions(abi).values()) for name, abi in abis.items()]
    made = compiled(tmp_path, *texts).contracts
    for name, abi in abis.items():
        assert kinds(made[name]) == kinds(abi)
        assert kinds(abi) or name == "IProxy"
    # Tuples are in there, too.
    assert any("((" in one for one in functions(abis["INonfungiblePositionManager"]))


def test_old_and_strange_abis_are_solidity_too(tmp_path: Path) -> None:
    point = {
        "type": "tuple[2][]",
        "name": "points",
        "components": [
            {"type": "uint8", "name": "x"},
            {"type": "tuple", "name": "", "components": [{"type": "string", "name": "mapping"}]},
        ],
    }
    other = {**point, "name": "", "components": [{"type": "bytes", "name": "x"}]}
    back = {**point, "name": "same", "internalType": "struct C.Point[2][]"}
    abi = [
        {"type": "function", "name": "old", "constant": True, "inputs": [], "outputs": []},
        {"type": "function", "name": "paid", "payable": True, "inputs": [], "outputs": []},
        {
            "type": "function",
            "name": "vyper",
            "stateMutability": "nonpayable",
            "inputs": [
                {"type": "address", "name": "from"},
                {"type": "uint256", "name": "in"},
                {"type": "function", "name": "match"},
                {"type": "bytes", "name": ""},
            ],
            "outputs": [{"type": "uint256[3]", "name": "returns"}],
        },
        {"type": "function", "name": "take", "inputs": [point, other], "outputs": [back]},
        {"type": "event", "name": "E", "inputs": []},
        {"type": "constructor", "inputs": []},
    ]
    found = functions(abi)
    assert list(found) == [
        "old()",
        "paid()",
        "vyper(address,uint256,function,bytes)",
        "take((uint8,(string))[2][],(bytes)[2][])",
    ]
    made = compiled(tmp_path, solidity("IStrange", found.values())).contracts["IStrange"]
    # A function is 24 bytes in a call.
    assert {signature(one) for one in made} == {one.replace("function", "bytes24") for one in found}
    states = {one["name"]: one["stateMutability"] for one in made}
    assert states == {"old": "view", "paid": "payable", "vyper": "nonpayable", "take": "nonpayable"}


def test_sources_are_cut_into_members(worlds: dict[int, World]) -> None:
    by_title = {one.title: one.text for one in passages(worlds[1].contracts["Vault"].files)}
    assert by_title["ERC4626.previewRedeem"].startswith("/// @inheritdoc IERC4626\n")
    assert (
        "return _convertToAssets(shares, Math.Rounding.Floor);" in by_title["ERC4626.previewRedeem"]
    )
    assert by_title["IERC20.Approval"].endswith(
        "event Approval(address indexed owner, address indexed spender, uint256 value);"
    )
    assert by_title["ERC20._balances"] == "mapping(address account => uint256) private _balances;"
    assert "@dev Implementation of the ERC-4626" in by_title["ERC4626"]
    weth = [one.title for one in passages(worlds[1].contracts["WETH"].files)]
    assert weth[-6:] == [
        f"WETH9.{name}"
        for name in ("deposit", "withdraw", "totalSupply", "approve", "transfer", "transferFrom")
    ]


def test_vyper_is_cut_too() -> None:
    source = """# @version 0.3.10
interface ERC20:
    def transfer(to: address) -> bool: nonpayable

event Swap:
    buyer: indexed(address)

@external
@nonreentrant("lock")
def exchange(i: int128, j: int128, dx: uint256) -> uint256:
    \"\"\"
    @notice Swaps coin i for coin j
    \"\"\"
    return dx

@view
def fee() -> uint256:
    return 1
"""
    by_name = {one.name: one.text for one in passages({"Pool.vy": source})}
    assert set(by_name) == {"ERC20", "Swap", "exchange", "fee"}
    assert "@notice Swaps coin i" in by_name["exchange"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "}}}{{{",
        "contract A {",
        "contract A { function f() { ",
        "contract {} interface",
        "contract A { ; } ; }",
        '// contract A { }\n/* contract B { function f(); } */ string s = "contract C { }";',
        "contract A { function () { } } function free() {} contract B { uint = 1; uint x => y; }",
        "library L { struct S { uint a; } } contract A { using L for L.S; error E(); }",
    ],
)
def test_no_source_breaks_the_cutting(text: str) -> None:
    for one in passages({"a.sol": text}):
        assert one.text in text and one.contract not in ("B" * text.startswith("//"), "C")
