"""Executables that stand for solc, called as other programs do, by real forge too."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import solc_program

from stoker.chains.solidity import forge_std
from stoker.chains.solidity.compilation import CompilerSettings

INPUT = json.dumps(
    {
        "language": "Solidity",
        "sources": {"a.sol": {"content": "contract A {}"}},
        "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}},
    }
)
SCRIPT = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
import "forge-std/Script.sol";
import {StdCheats} from "forge-std/StdCheats.sol";
import {Test} from "forge-std/Test.sol";
library L { function f(uint a) external pure returns (uint) { return a + 1; } }
contract Made { uint public x = 1; }
contract S is Script, StdCheats {
    function run() external {
        deal(msg.sender, 1 ether);
        deal(makeAddr("token"), msg.sender, 5);
        console.log("%s %s", "a", uint256(1), msg.sender);
        vm.startBroadcast(computeCreateAddress(msg.sender, L.f(1)));
        new Made();
        vm.stopBroadcast();
        string memory shown = vm.toString(uint256(3));
        require(bytes(shown).length == 1, "no");
    }
}
"""


def test_one_that_starts_solc_js_answers_as_solc_does(tmp_path, packages):
    program = solc_program.write(tmp_path / "solc", packages)
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "Version: 0.8.37"
    done = subprocess.run(
        [program, "--standard-json"], input=INPUT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["contracts"]["a.sol"]["A"]["evm"]["bytecode"]["object"]
    wrong = subprocess.run([program, "x.sol"], check=False, capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_one_that_is_served_answers_while_the_block_lasts(shared):
    async def call(program, *arguments, given=b""):
        process = await asyncio.create_subprocess_exec(
            program, *arguments, stdin=-1, stdout=-1, stderr=-1
        )
        said, complained = await process.communicate(given)
        return process.returncode, said, complained

    async def use(compiler):
        async with solc_program.serving(compiler) as program:
            status, told, _ = await call(program, "--version")
            assert status == 0 and told.splitlines()[-1].startswith(b"Version: 0.8.37+commit.")
            status, answer, _ = await call(program, "--standard-json", given=INPUT.encode())
            assert status == 0 and b'"object"' in answer
            kept = program.read_text()
        assert not program.exists()
        program.parent.mkdir()
        program.write_text(kept)
        program.chmod(0o755)
        status, answer, _ = await call(program, "--standard-json", given=INPUT.encode())
        program.unlink()
        program.parent.rmdir()
        return status, answer

    status, answer = shared(use)
    assert status != 0 and answer == b""


def test_a_native_solc_is_as_good(with_compiler, shared, tmp_path, packages):
    """What the program answers is solc-js's, what calls it is what calls a native one."""
    program = solc_program.write(tmp_path / "solc", packages)
    script = SCRIPT.replace("L.f(1)", "1")

    async def use(compiler):
        return await compiler.compile({"a.s.sol": script}, None, CompilerSettings())

    native = with_compiler(use, solc=str(program), memory=4 << 30)  # a native one needs no Node
    assert native.bytecode == shared(use).bytecode
    assert native.solc == "0.8.37"


def test_forge_compiles_the_same_script_with_the_same_solc_to_the_same_code(
    tmp_path, packages, shared
):
    solc_program.write_forge_std(tmp_path)
    (tmp_path / "a.s.sol").write_text(SCRIPT)
    (tmp_path / "foundry.toml").write_text(
        '[profile.default]\nsrc = "."\nscript = "."\nevm_version = "prague"\noptimizer = false\n'
        'bytecode_hash = "none"\nremappings = ["forge-std/=lib/forge-std/"]\nlibs = ["lib"]\n'
    )
    (forge,) = packages.glob("node_modules/@foundry-rs/forge-*/bin/forge")

    async def use(compiler):
        async with solc_program.serving(compiler) as program:
            process = await asyncio.create_subprocess_exec(
                forge,
                "build",
                "--use",
                program,
                "--offline",
                "--root",
                tmp_path,
                "a.s.sol",
                stdout=-1,
                stderr=-1,
                env={**os.environ, "HOME": str(tmp_path)},
            )
            said, complained = await process.communicate()
            assert process.returncode == 0, (said + complained).decode()
        return await compiler.compile({"a.s.sol": SCRIPT}, None, CompilerSettings())

    ours = shared(use)
    theirs = json.loads(Path(tmp_path, "out/a.s.sol/S.json").read_text())
    assert len(ours.libraries) == 1
    code = theirs["bytecode"]["object"].removeprefix("0x")
    (places,) = ours.links.values()
    for at in places:
        assert code[2 * at :].startswith("__$")
        code = f"{code[: 2 * at]}{'0' * 40}{code[2 * at + 40 :]}"
    assert code == ours.bytecode.hex()


def test_each_file_of_forge_std_compiles_whole(shared):
    """None has a warning, whatever of it is taken."""
    question = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in forge_std.sources().items()},
        "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}},
    }

    async def use(compiler):
        return json.loads(await compiler.ask(json.dumps(question).encode()))

    answer = shared(use)
    assert "errors" not in answer
    assert set(answer["contracts"]) >= {"forge-std/Vm.sol", "forge-std/console.sol"}
