"""Capture by `forge script`: for cheatcodes that the engine in process does not have, and to hold
it against.

forge is handed code that is compiled already: its compiler is a program that answers with that.
It sees the chains as a group does, on sockets, and nothing else: no network, no environment, no
files but its own, no other programs."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from stoker.chains.broadcast import files
from stoker.chains.broadcast.artefact import Sequence
from stoker.chains.errors import ChainError, LimitReached, ScriptRefused
from stoker.chains.evm.arena import Told, read_capture
from stoker.chains.evm.job import Capture, CaptureJob, Capturing
from stoker.chains.evm.stateserver import StateServer, View
from stoker.chains.hexadecimal import text
from stoker.chains.processes import Program, find
from stoker.chains.solidity.compilation import Compilation
from stoker.chains.state.remote import Remote

_SCRIPT: Final = "Group.s.sol"
_SOLC: Final = "0.8.30"
"""What the compiler says it is: forge asks, and some versions it does not know."""
_SYSTEM: Final = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache")
_MOST: Final = 256 << 20
_CONFIG: Final = """[profile.default]
src = "."
script = "."
test = "none"
libs = []
solc = "./solc"
offline = true
ffi = false
fs_permissions = []
auto_detect_remappings = false
no_storage_caching = true
no_rpc_rate_limit = true
gas_limit = "{gas}"
[lint]
lint_on_build = false
[rpc_endpoints]
{endpoints}"""
_PRAGMA: Final = "pragma solidity ^0.8.0;\n"
_COMPILER: Final = """#!/bin/sh
case "$1" in
    --version) echo "solc, the solidity compiler"; echo "Version: {version}+commit.00000000" ;;
    *) while read -r _; do :; done; exec /bin/cat output.json ;;
esac
"""
_UNKNOWN: Final = "an unknown cheatcode"
"""As the engine in process says it, whose refusals come as texts. What it knows and refuses is
refused."""


class ForgeEngine:
    """`Capturing`. Of one event loop; to be closed."""

    def __init__(
        self, remote: Remote, program: str | None = None, *, confined: bool = True
    ) -> None:
        """`program`: forge; default: that on PATH. `confined`: in bubblewrap's sandbox; False is
        for scripts that are trusted, whose cheatcodes reach the network. Raises `ChainError` where
        there is no forge, or no sandbox."""
        self._remote = remote
        self._program = find("forge", program)
        self._bwrap = _sandbox() if confined else None
        self._server = StateServer()

    def close(self) -> None:
        """Nothing is served any more."""
        self._server.close()

    async def capture(self, job: CaptureJob) -> Capture:
        """Raises `LimitReached`, `RpcError`, and `ChainError` where forge does not do its part.
        What a script that fails would have sent is not known."""
        server, chains = self._server, job.chains
        views = {
            chain_id: View(self._remote, pin, chains.deltas.get(chain_id))
            for chain_id, pin in chains.pins.items()
        }
        served = {chain_id: await server.serve(view) for chain_id, view in views.items()}
        try:
            with tempfile.TemporaryDirectory(prefix="stoker-forge-") as home:
                _project(Path(home), job, served)
                done = await self._run(job, Path(home), served)
        except LimitReached:
            raise
        except ChainError:
            _raise(views.values())
            raise
        finally:
            for path in served.values():
                server.forget(path)
        if done.error is not None:
            _raise(views.values())
        return done

    async def _run(self, job: CaptureJob, home: Path, served: Mapping[int, Path]) -> Capture:
        argv = (
            *(() if self._bwrap is None else _confined(self._bwrap, self._program, home, served)),
            *(self._program, "script", _SCRIPT, "--target-contract", job.script.name),
            *("--sig", job.signature, "--sender", text(job.sender), "--fork-url"),
            str(served[job.chains.home]),
            *("--json", "--non-interactive", "--skip-simulation", "--offline"),
        )
        with (home / "stderr").open("w+b") as complaints:
            running = await Program.start(argv, home, complaints)
            try:
                async with asyncio.timeout(job.limits.seconds):
                    said = await running.read(_MOST)
            except TimeoutError:
                raise LimitReached(f"forge took more than {job.limits.seconds:g} s") from None
            finally:
                await running.stop()
            if said is None:
                raise LimitReached(f"forge tells more than {_MOST >> 20} MiB of the script")
            return _capture(home, said, complaints)


def _sandbox() -> str:
    from stoker.agents.bubblewrap import trouble

    found = shutil.which("bwrap")
    why = "there is no bwrap on PATH" if found is None else trouble(found, True)
    if found is None or why is not None:
        raise ChainError(f"capture by forge needs a sandbox (bubblewrap), and {why}")
    return found


def _confined(bwrap: str, program: str, home: Path, served: Mapping[int, Path]) -> tuple[str, ...]:
    system = [part for one in _SYSTEM for part in ("--ro-bind-try", one, one)]
    sockets = [part for one in served.values() for part in ("--ro-bind", str(one), str(one))]
    return (
        *(bwrap, "--unshare-all", "--die-with-parent", "--new-session", *system),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),  # noqa: S108
        *("--ro-bind", program, program, "--bind", str(home), str(home), *sockets),
        *("--chdir", str(home)),
    )


def _raise(views: Iterable[View]) -> None:
    """What forge could not be told is why it failed."""
    for view in views:
        if view.failure is not None:
            raise view.failure


def _capture(home: Path, said: bytes, complaints: IO[bytes]) -> Capture:
    complaints.seek(0)
    wrong = [
        line.removeprefix("Error: ")
        for line in complaints.read(1 << 16).decode(errors="replace").splitlines()
        if line.startswith("Error: ")
    ]
    lines = [line for line in said.splitlines() if line.startswith(b'{"logs"')]
    if not lines:
        why = wrong or [said[-500:].decode(errors="replace")]
        raise ChainError(f"forge did not run the script: {'; '.join(why)}")
    try:
        told = msgspec.json.decode(lines[0], type=Told)
    except msgspec.MsgspecError as error:
        raise ChainError(f"forge tells of the script in a way that is not known: {error}") from None
    if not told.success:
        why = [one.removeprefix("script failed: ") for one in wrong if "script failed" in one]
        return read_capture(told, (), why[0] if why else "execution reverted")
    return read_capture(told, _sequences(home), None)


def _sequences(home: Path) -> tuple[Sequence, ...]:
    """Of what is broadcast, in order, another for each change of the chain; forge writes no file
    where that is nothing."""
    if (home / files.FOLDER / "multi").exists():
        return files.read(home, _SCRIPT, dry_run=True)
    for folder in (home / files.FOLDER / _SCRIPT).glob("*"):
        return files.read(home, _SCRIPT, int(folder.name), dry_run=True)
    return ()


def _project(home: Path, job: CaptureJob, served: Mapping[int, Path]) -> None:
    endpoints = [
        f'"{alias}" = "{served[chain_id]}"'
        for alias, chain_id in job.chains.aliases.items()
        if chain_id in served
    ]
    config = _CONFIG.format(gas=job.limits.gas, endpoints="\n".join(endpoints))
    (home / "foundry.toml").write_text(config)
    names = {f"{one.file}:{one.name}": at for at, one in enumerate(job.script.libraries)}
    for one in job.script.libraries:
        path = home / _file(names, f"{one.file}:{one.name}")
        path.write_text(f"{_PRAGMA}contract {one.name} {{}}\n")
    imports = "".join(f'import "./{_file(names, one)}";\n' for one in names)
    (home / _SCRIPT).write_text(f"{_PRAGMA}{imports}contract {job.script.name} {{}}\n")
    (home / "output.json").write_bytes(msgspec.json.encode(_output(job.script, names)))
    compiler = home / "solc"
    compiler.write_text(_COMPILER.format(version=_SOLC))
    compiler.chmod(0o755)


def _file(names: Mapping[str, int], name: str) -> str:
    """Where forge has a contract: each in a file of its own."""
    return f"Library{names[name]}.sol" if name in names else _SCRIPT


def _output(script: Compilation, names: Mapping[str, int]) -> dict[str, Any]:
    """As solc would answer."""
    contracts = {
        _file(names, f"{one.file}:{one.name}"): {one.name: _contract(one, names)}
        for one in (*script.libraries, script)
    }
    sources = {file: {"id": at, "ast": _ast(file)} for at, file in enumerate(contracts)}
    return {"errors": [], "sources": sources, "contracts": contracts}


def _ast(file: str) -> dict[str, Any]:
    return {
        "absolutePath": file,
        "id": 1,
        "exportedSymbols": {},
        "nodeType": "SourceUnit",
        "src": "0:0:0",
        "nodes": [],
    }


def _contract(one: Compilation, names: Mapping[str, int]) -> dict[str, Any]:
    from eth_hash.auto import keccak

    code = one.bytecode.hex()
    references: dict[str, dict[str, Any]] = {}
    for name, places in one.links.items():
        file, library = _file(names, name), name.rpartition(":")[2]
        references.setdefault(file, {})[library] = [
            {"start": place, "length": 20} for place in places
        ]
        mark = f"__${keccak(f'{file}:{library}'.encode()).hex()[:34]}$__"
        for place in places:
            code = f"{code[: 2 * place]}{mark}{code[2 * place + 40 :]}"
    return {
        "abi": one.abi,
        "evm": {
            "bytecode": {"object": code, "linkReferences": references, "sourceMap": ""},
            "deployedBytecode": {
                "object": one.runtime.hex(),
                "linkReferences": {},
                "sourceMap": "",
                "immutableReferences": {},
            },
            "methodIdentifiers": {},
        },
    }


class FallbackEngine:
    """`Capturing`."""

    def __init__(self, first: Capturing, other: Capturing) -> None:
        self._first, self._other = first, other

    async def capture(self, job: CaptureJob) -> Capture:
        """Raises as the engine does that ends it."""
        try:
            return await self._first.capture(job)
        except ScriptRefused as error:
            if _UNKNOWN not in str(error):
                raise
        return await self._other.capture(job)
