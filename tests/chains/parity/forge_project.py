"""The corpus as a project of Foundry's: what real forge makes of its scripts."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import solc_program
from deploy import World
from nodes import ALIASES, EVM, MODULES, WALLET, Node, digest, program

from stoker.chains.solidity import forge_std

SCRIPTS = Path(__file__).parent / "scripts"
_NAMES = {"VAULT": "Vault", "ROUTER2": "UniswapV2Router02"}


def sources(worlds: dict[int, World]) -> dict[str, str]:
    """Of all scripts, by file, with the addresses of what is on chain 1."""
    head = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.24;\n"
    lines = [
        f"address constant {name} = {worlds[1][_NAMES.get(name, name)]};"
        for name in ("WETH", "USDC", "DAI", "VAULT", "ROUTER2")
    ]
    texts = {one.name: one.read_text() for one in sorted(SCRIPTS.glob("*.sol"))}
    return texts | {"World.sol": head + "\n".join(lines) + "\n"}


def scripts() -> list[str]:
    """`File.s.sol:Contract` of all."""
    return [
        f"{file.name}:{name}"
        for file in sorted(SCRIPTS.glob("*.s.sol"))
        for name in re.findall(r"^contract (\w+) is Script", file.read_text(), re.M)
    ]


@dataclass(frozen=True)
class Answer:
    """What forge says of a script."""

    succeeded: bool
    transactions: list[dict[str, Any]]
    said: str


class Project:
    """Answers are kept beside it, for they follow from what it is made of: corpus, compiler, forge
    and the nodes' state. Some are asked for again in every run, and all where the environment has
    STOKER_FORGE_ANEW."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def running(self, script: str, nodes: dict[int, Node], out: Path) -> Iterator[Running]:
        """A dry run from the wallet on chain 1; `out`: for what forge writes."""
        kept = self._folder / "answers" / f"{script}.json"
        again = crc32(script.encode()) % 8 == 0 or "STOKER_FORGE_ANEW" in os.environ
        if kept.exists() and not again:
            yield Running(None, out, kept)
            return
        ends = {f"{alias.upper()}_URL": nodes[one].url for one, alias in ALIASES.items()}
        process = subprocess.Popen(
            [
                *(program("forge"), "script", script, "--root", self._folder, "--offline"),
                *("--use", self._folder / "solc", "--fork-url", nodes[1].url, "--sender", WALLET),
                "--non-interactive",
            ],
            cwd=self._folder,
            env={
                **os.environ,
                **ends,
                **{"HOME": str(out), "NO_COLOR": "1", "FOUNDRY_BROADCAST": str(out)},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            try:
                yield Running(process, out, kept)
            finally:
                process.kill()


class Running:
    def __init__(self, process: subprocess.Popen[str] | None, out: Path, kept: Path) -> None:
        self._process = process
        self._out = out
        self._kept = kept

    def answer(self) -> Answer:
        if self._process is None:
            return Answer(**json.loads(self._kept.read_text()))
        said, _ = self._process.communicate(timeout=60)
        files = [*self._out.rglob("run-latest.json"), *self._out.rglob("*-latest/run.json")]
        runs = [json.loads(one.read_text()) for one in files]
        transactions = [
            one
            for run in runs
            for part in run.get("deployments", [run])
            for one in part["transactions"]
        ]
        found = Answer(self._process.returncode == 0, transactions, said)
        whole = self._out / "answer.json"
        whole.write_text(json.dumps(asdict(found)))
        self._kept.parent.mkdir(exist_ok=True)
        shutil.move(whole, self._kept)
        return found


def kept_project(worlds: dict[int, World], state: Path) -> Project:
    """Compiled once for this very corpus, and nodes with this very state."""
    texts = sources(worlds)
    std = forge_std.sources()
    name = digest(*texts.values(), *std.values(), state.name, Path(__file__), EVM / ".stoker-setup")
    folder = EVM / "cache" / f"parity-{name}"
    with (EVM / "cache" / "parity.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder, texts)
    return Project(folder)


def _build(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir()
    for file, text in texts.items():
        (folder / file).write_text(text)
    solc_program.write_forge_std(folder)
    (folder / "foundry.toml").write_text(
        '[profile.default]\nsrc = "."\nscript = "."\nevm_version = "prague"\noptimizer = false\n'
        'bytecode_hash = "none"\nlibs = ["lib"]\n'
        f'remappings = ["forge-std/=lib/forge-std/", "@openzeppelin/={MODULES}/@openzeppelin/"]\n'
        f'allow_paths = ["{MODULES}"]\n[rpc_endpoints]\n'
        + "".join(f'{alias} = "${{{alias.upper()}_URL}}"\n' for alias in ALIASES.values())
    )
    real = solc_program.write(folder / "real-solc", EVM)
    told = subprocess.run([real, "--version"], capture_output=True, text=True, check=True).stdout
    solc = folder / "solc"  # forge asks for its version twice each time
    solc.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo \'{told}\' && exit\nexec {real} "$@"\n'
    )
    solc.chmod(0o755)
    done = subprocess.run(
        [program("forge"), "build", "--root", folder, "--offline", "--use", solc],
        env={**os.environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "done").touch()
