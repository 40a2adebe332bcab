"""What is told of a script before a compiler runs."""

from __future__ import annotations

import pytest

from stoker.chains.errors import ChainError
from stoker.chains.solidity.review import allowed, edit, review

HEAD = 'pragma solidity ^0.8.20;\nimport "forge-std/Script.sol";\n'


def script(body: str, before: str = "") -> str:
    inner = f"    function run() external {{\n{body}\n    }}\n"
    return f"{HEAD}{before}contract S is Script {{\n{inner}}}\n"


def told(text: str, **known) -> list[str]:
    return [str(one) for one in review(text, **known)]


HEVM = "0x7109709ECfa91a80626fF3989D68f67F5b1DD12D"


@pytest.mark.parametrize(
    "body",
    [
        'vm.deal(msg.sender, 1); vm.startBroadcast(); vm.label(address(1), "vm.ffi(x)");',
        "// vm.ffi(x)\n/* vm.envUint(1) */",
        f"Vm({HEVM}).deal(address(1), 1);",
        "Vm other = Vm(VM_ADDRESS); other.prank(address(1));",
        "Vm.Log[] memory logs = vm.getRecordedLogs();",
        'foo.env(1); bar.vm.read("x"); token.call("");',
        'address(1).call(""); payable(msg.sender).call{value: 1}("");',
        "assembly { let x := staticcall(gas(), 4, 0, 0, 0, 0) }",
        'vm.createSelectFork("op"); vm.createFork("main", 5); vm.createSelectFork(name);',
        "address(vm); bytes memory x = abi.encodeCall(Vm.deal, (a, 1));",
        "IVault vm = IVault(address(1)); vm.withdraw(1);",
    ],
)
def test_nothing_is_told_of_what_may_be(body):
    assert told(script(body), aliases={"op", "main"}) == []


def test_cheatcodes_of_another_engine_may_be_used_but_for_those_that_reach_out():
    body = f'ICheats({HEVM}).toBase64("a"); vm.ffi(a);'
    assert len(told(script(body))) == 2
    (only,) = told(script(body), foreign=True)
    assert "ffi is refused" in only


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("vm.ffi(args);", "5:4: the cheatcode ffi is refused: a script runs no programs"),
        ('uint256 key = vm.envUint("KEY");', "the cheatcode envUint is refused: the environment"),
        ('vm.readFile("/etc/passwd");', "readFile is refused: a script reads no files"),
        ('vm\n  .\n  writeFile("a", "b");', "7:3: the cheatcode writeFile is refused"),
        ('Vm(address(1)).prompt("?");', "prompt is refused: nobody is there"),
        ("vmSafe.sleep(1);", "sleep is refused"),
        ("Vm alias_ = vm; alias_.ffi(a);", "ffi is refused"),
        ("Vm(address(uint160(uint256(keccak256('hevm cheat code'))))).ffi(a);", "ffi is refused"),
        (f"ICheats({HEVM}).tryFfi(a);", "tryFfi is refused"),
        (
            'address(vm).call(abi.encodeWithSignature("ffi(string[])", a));',
            "may not be called by .call",
        ),
        ('VM_ADDRESS.staticcall("");', "may not be called by .staticcall"),
        (f'address({HEVM}).call("");', "may not be called by .call"),
        (f"assembly {{ pop(call(gas(), {HEVM}, 0, 0, 0, 0, 0)) }}", "assembly may not call"),
        (
            "vm.dael(msg.sender, 1);",
            "dael is not among the cheatcodes that scripts may use; near it are deal",
        ),
        (
            'vm.createSelectFork("http://evil");',
            '"http://evil" is no alias of a chain that this script may select: main, op',
        ),
        (
            "foo(0x1804c8AB1F12E6bbf3894d4083f33e07309D1f38);",
            "expected 0x1804c8AB1F12E6bbf3894d4083f33e07309d1f38",
        ),
        ("foo(0x1804c8ab1f12e6bbf3894d4083f33e07309d1f38);", "5:5: the checksum of 0x1804c8ab"),
    ],
)
def test_what_may_not_be_is_told_with_its_place(body, message):
    (found,) = told(script(body), aliases={"op", "main"})
    assert found.startswith("Script.s.sol:5:") or message[0].isdigit()
    assert message in found


def test_an_alias_of_the_machine_in_a_field_is_known():
    text = script(
        "cheats.ffi(a);", f"interface Cheats {{}}\nCheats constant cheats = Cheats({HEVM});\n"
    )
    assert ["ffi is refused" in one for one in told(text)] == [True]


def test_the_script_must_be_one_contract():
    assert "no contract has a function run()" in told(HEAD + "contract A {}")[0]
    assert told(HEAD + "abstract contract A { function run() external {} }") != []
    assert told(HEAD + "contract A { function run(uint x) external {} }") != []
    two = (
        HEAD
        + "contract A { function run() external {} }\ncontract B { function run() external {} }"
    )
    assert told(two) == [
        "Script.s.sol:4:1: several contracts have run(): A, B; which of them is the script?"
    ]
    assert told(HEAD + "contract A { function run() public {} }\ncontract B is A {}") == []
    assert told(HEAD + "abstract contract A { function run() public {} }\ncontract B is A {}") == []


def test_a_script_that_is_too_large_is_told_and_not_looked_at():
    assert told(script("vm.ffi(a);") + " " * (1 << 19)) == [
        "the script has 524,416 characters; 524,288 is the most"
    ]


def test_faults_are_told_in_the_order_of_their_places_and_not_by_thousands():
    text = script("vm.ffi(a);\n" * 1000 + "foo(0x1804c8ab1f12e6bbf3894d4083f33e07309d1f38);")
    found = review(text)
    assert [one.line for one in found] == [*range(5, 55), 1005]


def test_the_list_is_that_of_our_own_forge_std():
    assert {"deal", "startBroadcast", "createSelectFork", "assertEq"} <= allowed()
    assert not any(one.startswith(("env", "ffi", "readF", "write", "prompt")) for one in allowed())


def test_the_one_occurrence_of_a_text_is_replaced():
    assert edit("a b c", "b", "d") == "a d c"
    for text, old, new, why in [
        ("a b c", "x", "d", "'x' is not in the script"),
        ("a\nb b", "b", "d", r"'b' stands 2 times in the script \(lines 2, 2\)"),
        ("aaa", "aa", "d", "stands 2 times"),
        ("f(a,\n  b)", "f(a, b)", "d", "only with other spaces"),
        ("a", "", "d", "is empty"),
        ("a", "a", "a", "are the same"),
    ]:
        with pytest.raises(ChainError, match=why):
            edit(text, old, new)
