"""Scripts put together from lines."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.chains.address import checksummed
from stoker.chains.errors import CompileFailed
from stoker.chains.group import Amount
from stoker.chains.scripting.assembler import assemble
from stoker.chains.scripting.formats import CodeLine, ImportSpec, Interface, ScriptBlock
from stoker.chains.solidity.review import review
from stoker.chains.solidity.tokens import with_checksums

SENDER = "0x1804c8ab1f12e6bbf3894d4083f33e07309d1f38"
RIGHT = "0x1804c8AB1F12E6bbf3894d4083f33e07309d1f38"
WETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"
ALIASES = {"mainnet": 1, "op-main": 10}


def block(*lines: CodeLine | str) -> ScriptBlock:
    return ScriptBlock(tuple(CodeLine(one) if isinstance(one, str) else one for one in lines))


def test_a_whole_script():
    erc20 = (
        "interface IERC20 { function approve(address to, uint amount) external returns (bool); }"
    )
    text = assemble(
        block(
            CodeLine(
                f"IWETH({WETH}).deposit{{value: 1 ether}}()", ImportSpec("IWETH", "a/IWETH.sol")
            ),
            CodeLine(
                f"IERC20({WETH}).approve(address(1), 5); // no more",
                None,
                Interface("IERC20", erc20),
            ),
            CodeLine('console.log("done");', ImportSpec("IWETH", "a/IWETH.sol")),
        ),
        sender=SENDER,
        home=1,
        funds=(Amount(1, 5), Amount(1, 7, WETH)),
    )
    assert text == (
        """// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.20;

import {IWETH} from "a/IWETH.sol";
import {Script} from "forge-std/Script.sol";
import {StdCheats} from "forge-std/StdCheats.sol";
import {console} from "forge-std/console.sol";

interface IERC20 {
    function approve(address to, uint amount) external returns (bool);
}

interface IFunded {
    function balanceOf(address account) external view returns (uint256);
}

contract AomiScript is Script, StdCheats {
    function run() external {
        vm.deal(SENDER, SENDER.balance + 5);
        deal(WETH, SENDER, IFunded(WETH).balanceOf(SENDER) + 7);
        vm.startBroadcast(SENDER);
        IWETH(WETH).deposit{value: 1 ether}();
        IERC20(WETH).approve(address(1), 5); // no more
        console.log("done");
        vm.stopBroadcast();
    }
}
""".replace("(SENDER", f"({RIGHT}")
        .replace(" SENDER", f" {RIGHT}")
        .replace("(WETH", "(0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
    )


def test_what_comes_out_compiles(compiled):
    swap = (
        "interface IRouter {struct P {uint a;} event E(uint indexed x);"
        " function go(P calldata p) external;}"
    )
    text = assemble(
        block(
            CodeLine(f"IRouter({WETH}).go(IRouter.P(5))", None, Interface("IRouter", swap)),
            CodeLine('if (block.chainid == 1) { payable(address(3)).call{value: 1}(""); }'),
            'vm.createSelectFork("op-main");',
            "uint256 a = 5;\nrequire(a > 3);",
        ),
        sender=SENDER,
        home=1,
        funds=(Amount(10, 3, WETH), Amount(1, 10**30)),
        aliases=ALIASES,
    )
    assert compiled(text).name == "AomiScript"
    assert not review(text, aliases=ALIASES)


def test_chains_are_begun_once_and_funds_are_dealt_on_each_before_anything_is_sent():
    text = assemble(
        block(
            "a();",
            'vm.createSelectFork("op-main");',
            "b();",
            'vm.createSelectFork("mainnet")',
            "c();",
        ),
        sender=SENDER,
        home=1,
        funds=(Amount(10, 3), Amount(1, 4)),
        aliases=ALIASES,
    )
    run = [line.strip() for line in text.partition("run() external {\n")[2].splitlines()]
    assert run[:-2] == [
        'uint256 on_mainnet = vm.createFork("mainnet");',
        'uint256 on_op_main = vm.createFork("op-main");',
        "vm.selectFork(on_mainnet);",
        f"vm.deal({RIGHT}, {RIGHT}.balance + 4);",
        "vm.selectFork(on_op_main);",
        f"vm.deal({RIGHT}, {RIGHT}.balance + 3);",
        "vm.selectFork(on_mainnet);",
        f"vm.startBroadcast({RIGHT});",
        "a();",
        "vm.stopBroadcast();",
        "vm.selectFork(on_op_main);",
        f"vm.startBroadcast({RIGHT});",
        "b();",
        "vm.stopBroadcast();",
        "vm.selectFork(on_mainnet);",
        f"vm.startBroadcast({RIGHT});",
        "c();",
        "vm.stopBroadcast();",
    ]


def test_a_model_that_broadcasts_itself_does_so_once():
    text = assemble(
        block("vm.startBroadcast();", "a();", "vm.stopBroadcast()", "", "  "), sender=SENDER, home=1
    )
    assert text.count("startBroadcast") == text.count("stopBroadcast") == 1
    assert "        a();\n" in text


def test_what_lines_bring_of_one_interface_is_put_together():
    def line(code):
        return CodeLine("a();", None, Interface("I", code))

    text = assemble(
        block(
            line("interface I { function a(uint256 x) external; }"),
            line("// the same\ninterface I { function a(uint) external; function b() external; }"),
            line("pragma solidity ^0.8.0; interface I{function a(uint8)external;}"),
        ),
        sender=SENDER,
        home=1,
    )
    assert (
        "interface I {\n    function a(uint256 x) external;\n    function b() external;\n"
        "    function a(uint8)external;\n}\n" in text
    )


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            [
                CodeLine("a();", None, Interface("I", "interface I { function a() external; }")),
                CodeLine(
                    "a();", None, Interface("I", "interface I { function a() external view; }")
                ),
            ],
            r"I has two of 'function a\(\) external;'",
        ),
        (
            [
                CodeLine("a();", None, Interface("I", "interface I { struct S { uint a; } }")),
                CodeLine("a();", None, Interface("I", "interface I { struct S { uint b; } }")),
            ],
            "I has two of 'struct S",
        ),
        (
            [
                CodeLine("a();", None, Interface("I", "interface I {}")),
                CodeLine("a();", None, Interface("I", "interface I is J {}")),
            ],
            "interface I is declared as interface I is J too",
        ),
        ([CodeLine("a();", None, Interface("I", "function a() external;"))], "declares nothing"),
        (
            [
                CodeLine("a();", ImportSpec("I", "a.sol")),
                CodeLine("a();", ImportSpec("I", "b.sol")),
            ],
            r"I is imported from a\.sol and from b\.sol",
        ),
        ([CodeLine("a();", ImportSpec("I} from 'x'; import {J", "a.sol"))], "is no name to import"),
        ([CodeLine("a();", ImportSpec("I", 'a.sol";'))], "is no path to import I from"),
    ],
)
def test_contradictions_are_told(lines, told):
    with pytest.raises(CompileFailed, match=told):
        assemble(block(*lines), sender=SENDER, home=1)


def test_funds_on_a_chain_without_an_alias_are_told():
    with pytest.raises(CompileFailed, match="chain 10, which has no alias"):
        assemble(block("a();"), sender=SENDER, home=1, funds=(Amount(10, 1),))
    with pytest.raises(CompileFailed, match="chain 1, which the script begins on, has no alias"):
        assemble(block("a();"), sender=SENDER, home=1, funds=(Amount(10, 1),), aliases={"op": 10})


ADDRESS = st.binary(min_size=20, max_size=20).map(bytes.hex)
PIECE = st.one_of(
    ADDRESS.map(lambda one: ("0x" + one, True)),
    ADDRESS.map(lambda one: ("0x" + one.upper(), True)),
    ADDRESS.map(lambda one: (f'"0x{one}"', False)),
    ADDRESS.map(lambda one: (f"'\\'0x{one}'", False)),
    ADDRESS.map(lambda one: (f"0x{one}00", False)),
    ADDRESS.map(lambda one: (f"x0x{one}", False)),
    ADDRESS.map(lambda one: (f"// 0x{one}\n", False)),
    ADDRESS.map(lambda one: (f"/* 0x{one} */", False)),
    st.sampled_from([(" + ", False), ("foo(", False), (");", False), ("uint x = 0x12;", False)]),
)


@given(st.lists(PIECE))
def test_addresses_and_nothing_else_get_their_checksum(pieces):
    text = " ".join(piece for piece, _ in pieces)
    expected = " ".join(
        checksummed(bytes.fromhex(piece[2:])) if is_address else piece
        for piece, is_address in pieces
    )
    assert with_checksums(text) == expected
    assert with_checksums(expected) == expected


INTERFACES = [
    Interface("IOne", "interface IOne { function a(address x) external; }"),
    Interface("IOne", "interface IOne { function b() external view returns (uint256 y); }"),
    Interface("ITwo", f"interface ITwo {{ function c() external; }} // 0x{'ab' * 20}"),
    None,
]
LINES = st.builds(
    CodeLine,
    st.sampled_from(
        [
            f"IOne({WETH}).a({SENDER});",
            f'console.log("{WETH}")',
            "vm.startBroadcast();",
            'vm.createSelectFork("op-main");',
            "{ uint256 a = 1; }",
        ]
    ),
    st.sampled_from(
        [None, ImportSpec("IThree", "three/IThree.sol"), ImportSpec("Script", "x.sol")]
    ),
    st.sampled_from(INTERFACES),
)
FUNDS = st.builds(
    Amount, st.sampled_from([1, 10]), st.integers(0, 10**30), st.sampled_from([None, WETH])
)


@given(st.lists(LINES, max_size=6), st.lists(FUNDS, max_size=3))
def test_the_same_block_always_gives_the_same_text_whose_parts_are_there_once(lines, funds):
    def once():
        return assemble(block(*lines), sender=SENDER, home=1, funds=tuple(funds), aliases=ALIASES)

    text = once()
    assert once() == text
    assert with_checksums(text) == text
    named = re.findall(r"^(?:interface|contract) (\w+)|^import \{(\w+)\}", text, re.MULTILINE)
    assert len(named) == len(set(named))
    assert text.count("startBroadcast(") == text.count("stopBroadcast(")
    assert not [one for one in review(text, aliases=ALIASES) if "checksum" in one.message]
