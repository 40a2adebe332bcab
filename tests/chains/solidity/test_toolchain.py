"""How compilers get onto a machine, and what of Stoker's own they need."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stoker.chains.errors import ChainError
from stoker.chains.evm.pyevm import cheats
from stoker.chains.evm.pyevm.cheats.table import CHEATS
from stoker.chains.solidity import forge_std, toolchain
from stoker.chains.solidity.compilation import CompilerSettings
from stoker.chains.solidity.compiler import SolidityCompiler

ROOT = Path(__file__).parents[3]


@pytest.fixture
def registry(packages, monkeypatch):
    """An npm registry on loopback, with the packages that solc-js is made of."""
    modules = packages / "node_modules"

    def tarball(name: str) -> bytes:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(modules / name, "package")
        return file.getvalue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/")
            body = tarball(name.removesuffix(".tgz")) if name.endswith(".tgz") else told(name)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_port}"

    def told(name: str) -> bytes:
        package = json.loads((modules / name / "package.json").read_text())
        digest = base64.b64encode(hashlib.sha512(tarball(name)).digest()).decode()
        package["dist"] = {"tarball": f"{address}/{name}.tgz", "integrity": f"sha512-{digest}"}
        version = package["version"]
        whole = {"name": name, "dist-tags": {"latest": version}, "versions": {version: package}}
        return json.dumps(whole).encode()

    threading.Thread(target=server.serve_forever).start()
    monkeypatch.setenv("npm_config_registry", address)
    yield server
    server.shutdown()
    server.server_close()


def test_setup_installs_the_pinned_solc_js_once_and_it_compiles(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))

    async def use():
        package = await toolchain.install(tmp_path / "cache")
        registry.shutdown()
        assert await toolchain.install(tmp_path / "cache") == package
        async with SolidityCompiler(project=tmp_path, cache=tmp_path / "cache") as compiler:
            assert [one.argv[-1] for one in await compiler.compilers()] == [str(package)]
            text = "pragma solidity 0.8.37; contract A { function run() external {} }"
            return await compiler.compile({"a.s.sol": text}, None, CompilerSettings())

    assert asyncio.run(use()).name == "A"
    assert not list((tmp_path / "cache").glob(".solc-js-*"))


def test_setup_that_fails_says_what_npm_says_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with pytest.raises(ChainError, match=r"npm could not install solc 0\.8\.37: .*ECONNREFUSED"):
        asyncio.run(toolchain.install(tmp_path / "cache"))
    assert not list((tmp_path / "cache").iterdir())


def test_the_wheel_has_what_the_compiler_is_handed(tmp_path):
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    folder = "stoker/chains/solidity"
    generated = {f"{forge_std.PREFIX}console.sol"}
    assert {f"{folder}/{one}" for one in forge_std.sources().keys() - generated} <= names
    assert f"{folder}/worker.cjs" in names


def test_scripts_may_call_what_the_engine_knows_and_nothing_else(shared):
    assert cheats
    question = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in forge_std.sources().items()},
        "settings": {"outputSelection": {"forge-std/Vm.sol": {"Vm": ["evm.methodIdentifiers"]}}},
    }

    async def use(compiler):
        return json.loads(await compiler.ask(json.dumps(question).encode()))

    machine = shared(use)["contracts"]["forge-std/Vm.sol"]["Vm"]
    assert set(machine["evm"]["methodIdentifiers"]) == {one.signature for one in CHEATS.values()}
