"""Scripts of projects as one text."""

from __future__ import annotations

import pytest

from stoker.chains.errors import CompileFailed
from stoker.chains.solidity.flatten import flatten

HEAD = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\n"
FILES = {
    "foundry.toml": '[profile.default]\nremappings = ["own/=src/", "x:lib2/=vendor/lib2/src/"]\n',
    "remappings.txt": "@lib/=lib/at/\n",
    "script/Deploy.s.sol": HEAD
    + 'import {Script} from "forge-std/Script.sol";\nimport {ERC20}\n  from\n'
    '  "@openzeppelin/contracts/token/ERC20/ERC20.sol";\n'
    'import "../src/Token.sol"; import {B} from "own/b/B.sol"; import "@lib/C.sol";\n'
    'import "solmate/D.sol"; import "src/E.sol"; import {F} from "lib2/F.sol";\n'
    'contract Deploy is Script { string s = "import \\"x\\";"; function run() external {'
    " vm.startBroadcast(); new Token(); new B(); new C(); new D(); new E(); new F(); } }\n",
    "src/Token.sol": HEAD
    + 'import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";\nimport "./b/B.sol";\n'
    'contract Token is ERC20("T", "T") { B b; }',
    "src/b/B.sol": HEAD + 'import "../Token.sol";\nimport "./B.sol"; contract B { Token t; }',
    "lib/at/C.sol": "pragma solidity >=0.8.0; contract C {}",
    "lib/solmate/src/D.sol": HEAD + "contract D {}",
    "src/E.sol": HEAD + "contract E {}",
    "vendor/lib2/src/F.sol": HEAD + "contract F {}",
}


@pytest.fixture
def project(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_script_and_all_it_needs_compile_as_one(project, compiled):
    text = flatten(project / "script/Deploy.s.sol")
    assert text.count("SPDX") == text.count('"forge-std/Script.sol"') == 1
    assert text.count("@openzeppelin/contracts/token/ERC20/ERC20.sol") == 1
    assert text.count("pragma solidity") == 2
    found = compiled(text)
    assert found.name == "Deploy"
    assert set(found.creations) == {"Token", "B", "C", "D", "E", "F"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('import "./Nope.sol";', "script/a.s.sol:2:8: there is no file"),
        ('import "../../../secret.sol";', "script/a.s.sol:2:8: .* is not in"),
        ('import "own/Linked.sol";', "is not in"),
        ('import {E as G} from "../src/E.sol";', "script/a.s.sol:2:1: files of the project keep"),
        ('import * as G from "../src/E.sol";', "keep their names"),
    ],
)
def test_what_cannot_be_one_text_is_told_with_its_place(line, told, project, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.sol"
    outside.write_text("contract Secret {}")
    (project / "src/Linked.sol").symlink_to(outside)
    (project / "script/a.s.sol").write_text(f"\n{line}\n")
    with pytest.raises(CompileFailed, match=told):
        flatten(project / "script/a.s.sol")


def test_a_file_of_no_project_stands_alone(tmp_path):
    script = tmp_path / "a.s.sol"
    script.write_text(HEAD + "contract A {}")
    assert flatten(script) == HEAD + "contract A {}"
    with pytest.raises(FileNotFoundError):
        flatten(tmp_path / "b.s.sol")


def test_a_broken_foundry_toml_is_told(tmp_path):
    (tmp_path / "foundry.toml").write_text("[profile")
    (tmp_path / "a.sol").write_text('import "x/y.sol";')
    with pytest.raises(CompileFailed, match=r"foundry\.toml: "):
        flatten(tmp_path / "a.sol")
