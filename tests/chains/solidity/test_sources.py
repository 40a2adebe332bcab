"""Tokens, outlines and imports."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.chains.errors import CompileFailed
from stoker.chains.solidity import forge_std
from stoker.chains.solidity.compilation import CompilerSettings
from stoker.chains.solidity.imports import reach
from stoker.chains.solidity.outline import outline
from stoker.chains.solidity.tokens import place, tokens


@given(st.text(alphabet="ab0x \n\"'\\/*{}();é", max_size=60))
def test_tokens_are_pieces_of_the_source_in_their_order(source):
    end = 0
    for one in tokens(source):
        assert one.start >= end and source[one.start : one.end] == one.text and one.text.strip()
        end = one.end


def test_places_count_from_one():
    assert [place("ab\nc", at) for at in range(4)] == [(1, 1), (1, 2), (1, 3), (2, 1)]


def test_an_outline():
    found = outline(
        """pragma solidity >=0.8.0<0.9.0; pragma abicoder v2;
        import "a.sol"; import {X as Y} from './b.sol'; import * as Z from "c.sol";
        interface I { function run() external; }
        abstract contract B is I, Z.C(1, 2) layout at 5 { function run() external virtual; }
        contract D is B { string s = "contract E {}"; function run(uint a) external { new I.F(); } }
        library L {}
        """
    )
    assert [one.path for one in found.imports] == ["a.sol", "./b.sol", "c.sol"]
    assert [
        (one.kind, one.name, one.abstract, one.bases, one.runs) for one in found.declarations
    ] == [
        ("interface", "I", False, (), True),
        ("contract", "B", True, ("I", "C"), True),
        ("contract", "D", False, ("B",), False),
        ("library", "L", False, (), False),
    ]
    assert found.created == ("F",)


def test_only_what_is_reached_is_there_and_of_forge_std_only_what_is_named():
    script = (
        'import "./b.sol"; import "forge-std/Script.sol";'
        " contract A { function f() external { vm.deal(a, 1); } }"
    )
    reached = reach({"x/a.sol": script, "x/b.sol": "", "x/c.sol": ""}, None)
    assert "forge-std/console.sol" not in reached and "forge-std/StdCheats.sol" not in reached
    machine = reached["forge-std/Vm.sol"]
    assert "function deal(" in machine and "function etch(" not in machine
    whole = forge_std.sources()["forge-std/Vm.sol"]
    assert machine.count("\n") == whole.count("\n")


def test_calls_of_the_console_get_the_overloads_that_they_may_mean():
    body = 'console.log("a", 5, x); console.log(f(console.log(1, true))); console.log();'
    script = f'import "forge-std/Script.sol"; contract A {{ function f() external {{ {body} }} }}'
    reached = reach({"a.sol": script}, None)
    console = reached["forge-std/console.sol"]
    taken = [
        line.partition("(")[2].partition(")")[0]
        for line in console.splitlines()
        if "function log(" in line
    ]
    assert {line for line in taken if line.count(",") == 2} == {
        f"string memory p0, uint256 p1, {kind} p2"
        for kind in ("uint256", "string memory", "bool", "address")
    }
    assert {line for line in taken if line.count(",") == 1} == {"uint256 p0, bool p1"}
    assert {"", "uint256 p0", "int256 p0", "string memory p0", "bool p0", "address p0"} == {
        line for line in taken if "," not in line
    }


def test_whatever_is_named_of_forge_std_compiles_without_the_rest(shared):
    files = ("StdCheats", "StdCheatsSafe", "StdUtils", "console")
    texts = [forge_std.sources()[f"forge-std/{file}.sol"] for file in files]
    names = {name for text in texts for name in re.findall(r"function ([a-z]\w*)\(", text)}

    async def use(compiler):
        told = []
        for name in sorted(names):
            script = (
                "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;"
                'import "forge-std/Script.sol"; import "forge-std/StdCheats.sol";'
                'import "forge-std/console.sol"; contract A is Script, StdCheats {'
                f" struct S {{ uint {name}; }} function run() external {{}} }}"
            )
            sources = {"a.s.sol": script}
            told += (await compiler.compile(sources, None, CompilerSettings())).warnings
        return told

    assert len(names) > 15
    assert [one for one in shared(use) if one.code != "2519"] == []  # a name that shadows another


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../../../etc/passwd", "leads out of the sources"),
        ("/etc/passwd", "no relative path and no package's"),
        ("file:///etc/passwd", "no relative path"),
        ("@openzeppelin/contracts/../../../../secret.sol", "leaves its package"),
        ("@openzeppelin/contracts\\..\\x.sol", "no relative path"),
        ("forge-std/Nope.sol", "forge-std has no 'forge-std/Nope.sol'; it has forge-std/Base.sol"),
        ("@openzeppelin/contracts/package.json", "is no file of a package"),
        (
            "@openzeppelin/contracts/token/Nope.sol",
            "cannot be read from package @openzeppelin/contracts",
        ),
        ("@uniswap/v9-core/contracts/A.sol", "npm install @uniswap/v9-core"),
        ("linked/secret.sol", "leads out of its package"),
        ("A.sol", "is not among the sources"),
    ],
)
def test_imports_that_lead_nowhere_are_told_with_their_place(path, why, packages, tmp_path):
    (tmp_path / "secret.sol").write_text("contract Secret {}")
    modules = tmp_path / "node_modules"
    (modules / "linked").mkdir(parents=True)
    (modules / "linked/secret.sol").symlink_to(tmp_path / "secret.sol")
    (modules / "@openzeppelin").symlink_to(packages / "node_modules/@openzeppelin")
    with pytest.raises(CompileFailed) as caught:
        reach({"a.s.sol": f'\nimport "{path}";'}, tmp_path)
    assert str(caught.value).startswith("a.s.sol:2:8: ")
    assert why in str(caught.value)


def test_packages_are_found_above_the_project(packages):
    script = 'import "@openzeppelin/contracts/token/ERC20/ERC20.sol";'
    reached = reach({"a.s.sol": script}, packages / "no/such")
    assert "@openzeppelin/contracts/utils/Context.sol" in reached


def test_imports_may_go_round_in_circles():
    given_ = {
        "a/x.sol": 'import "../b/y.sol";',
        "b/y.sol": 'import "../a/./x.sol"; import "y.sol";',
        "y.sol": "",
    }
    assert set(reach(given_, None)) == set(given_)
