"""Sources made to break the compiler, or whoever reads them before it."""

from __future__ import annotations

import pytest

from stoker.chains.errors import CompileFailed, LimitReached
from stoker.chains.solidity.compilation import CompilerSettings
from stoker.chains.solidity.review import review

HEAD = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\n"
FINE = HEAD + "contract A { function run() external {} }"
SETTINGS = CompilerSettings()
SIZE = 50_000


def run(body: str) -> str:
    return HEAD + f"contract A {{ function run() external {{ {body} }} }}"


SLOW = run("uint a; " + "a = a + 1; " * 45_000)
HOSTILE = {
    "brackets": run("uint x = " + "(" * SIZE + "1" + ")" * SIZE + ";"),
    "sum": run("uint x = 1" + "+1" * SIZE + ";"),
    "blocks": run("{" * SIZE + "}" * SIZE),
    "calls": run("a.log(" * SIZE + ")" * SIZE + ";"),
    "open string": run('"\\"' * SIZE),
    "open comments": run("/* " * SIZE),
    "number": run(f"uint x = {'9' * SIZE};"),
    "power": run("uint x = " + "**".join(["2"] * 10_000) + ";"),
    "hexadecimal": run(f'bytes memory x = hex"{"ab" * SIZE}";'),
    "array": run(f"uint[{'9' * 70}] memory x;"),
    "lineage": HEAD
    + "".join(f"contract C{at} is C{at + 1} {{}}\n" for at in range(1_000))
    + "contract C1000 { function run() external {} }",
    "interfaces": HEAD
    + "".join(f"interface I{at} {{ function f() external; }}\n" for at in range(2_000))
    + "contract A { function run() external {} }",
    "round": HEAD + "contract A is B { function run() external {} } contract B is A {}",
    "tuples": run("(" + "," * SIZE + ") = f();"),
    "nothing": "\0" * SIZE,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_compiler_survives(name, shared):
    async def use(compiler):
        try:
            await compiler.compile({"a.s.sol": HOSTILE[name]}, None, SETTINGS)
        except (CompileFailed, LimitReached) as error:
            assert str(error)
        return await compiler.compile({"a.s.sol": FINE}, None, SETTINGS)

    review(HOSTILE[name])
    assert shared(use).name == "A"


def test_one_that_takes_too_long_is_ended_and_the_next_is_compiled(with_compiler):
    async def use(compiler):
        with pytest.raises(LimitReached, match="took more than 1 s"):
            await compiler.compile({"a.s.sol": SLOW}, None, SETTINGS)
        return await compiler.compile({"a.s.sol": FINE}, None, SETTINGS)

    assert with_compiler(use, seconds=1).name == "A"


def test_one_that_takes_too_much_memory_is_ended_and_the_next_is_compiled(with_compiler):
    async def use(compiler):
        with pytest.raises(LimitReached, match=r"more memory|limit of 128 MiB"):
            await compiler.compile({"a.s.sol": SLOW[:480_000] + "}}"}, None, SETTINGS)
        return await compiler.compile({"a.s.sol": FINE}, None, SETTINGS)

    assert with_compiler(use, memory=128 << 20).name == "A"
