"""solc's standard JSON: what is asked, and what its answer means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from stoker.chains.errors import CompileFailed, LimitReached
from stoker.chains.solidity.compilation import Compilation, CompilerSettings, Diagnostic
from stoker.chains.solidity.forge_std import PREFIX
from stoker.chains.solidity.tokens import place

CODE: Final = (
    "abi",
    "evm.bytecode.object",
    "evm.bytecode.linkReferences",
    "evm.deployedBytecode.object",
)
_CREATION: Final = ("abi", "evm.bytecode.object")
_NO_MEMORY: Final = "std::bad_alloc"
_OTHER_VERSION: Final = "requires different compiler version"
_SEVERITIES: Final = frozenset({"error", "warning", "info"})


class Unfit(CompileFailed):
    """Not this compiler's: a pragma does not take it, or it does not know a setting."""


class Answer(msgspec.Struct, frozen=True):
    """Parts of solc's that are used."""

    errors: list[dict[str, Any]] = []
    contracts: dict[str, dict[str, dict[str, Any]]] = {}


def question(
    sources: Mapping[str, str],
    wanted: Iterable[str],
    created: Iterable[tuple[str, str]],
    settings: CompilerSettings,
) -> bytes:
    """Ask for the code of `wanted`, each `file:Name`, for the creation code of `created`, (file,
    name) each, and for the ABIs of all others."""
    selection: dict[str, dict[str, tuple[str, ...]]] = {
        file: {"*": ("abi",)} for file in sources if _is_told(file)
    }
    for file, name in created:
        selection.setdefault(file, {})[name] = _CREATION
    for one in wanted:
        file, _, name = one.rpartition(":")
        selection.setdefault(file, {})[name] = CODE
    return msgspec.json.encode(
        {
            "language": "Solidity",
            "sources": {name: {"content": text} for name, text in sources.items()},
            "settings": {
                "evmVersion": settings.evm_version,
                "optimizer": {"enabled": settings.optimizer, "runs": settings.runs},
                "viaIR": settings.via_ir,
                # Code that depends on nothing but the code.
                "metadata": {"bytecodeHash": "none"},
                "outputSelection": selection,
            },
        }
    )


def answer(text: bytes, sources: Mapping[str, str]) -> tuple[Answer, tuple[Diagnostic, ...]]:
    """What solc says, and its warnings. Raises `CompileFailed`, `Unfit`, `LimitReached`."""
    found = msgspec.json.decode(text, type=Answer)
    diagnostics = tuple(_diagnostic(one, sources) for one in found.errors)
    errors = [one for one in diagnostics if one.severity == "error"]
    if any(_NO_MEMORY in one.message for one in errors):
        raise LimitReached("the compiler took more memory on this source than it may")
    if any(one.get("type") == "JSONError" for one in found.errors) or any(
        _OTHER_VERSION in one.message for one in errors
    ):
        raise Unfit(errors)
    if errors:
        raise CompileFailed(errors)
    return found, diagnostics


def compilation(
    found: Answer,
    wanted: str,
    *,
    libraries: Mapping[str, Compilation],
    **rest: Any,
) -> Compilation:
    """The contract `wanted`, `file:Name`. `libraries`: those it links, in the order in which they
    are to be deployed; `rest`: further fields."""
    file, _, name = wanted.rpartition(":")
    told = found.contracts[file][name]
    code = told["evm"]["bytecode"]
    return Compilation(
        name=name,
        file=file,
        abi=told["abi"],
        bytecode=_code(code),
        runtime=_code(told["evm"]["deployedBytecode"]),
        links=links(found, wanted),
        libraries=tuple(libraries.values()),
        **rest,
    )


def links(found: Answer, wanted: str) -> dict[str, tuple[int, ...]]:
    """`file:Library` -> where its address goes in the creation code of `wanted`."""
    file, _, name = wanted.rpartition(":")
    told = found.contracts[file][name]["evm"]["bytecode"].get("linkReferences", {})
    return {
        f"{where}:{library}": tuple(one["start"] for one in places)
        for where, names in told.items()
        for library, places in names.items()
    }


def abis(found: Answer, given: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """By the contract's name; of several of one name that of the sources given counts."""
    files = sorted(found.contracts, key=lambda file: file in given)
    return {name: told["abi"] for file in files for name, told in found.contracts[file].items()}


def creations(found: Answer, created: Iterable[tuple[str, str]]) -> dict[str, bytes]:
    """Creation code of those, by name."""
    return {name: _code(found.contracts[file][name]["evm"]["bytecode"]) for file, name in created}


def _is_told(file: str) -> bool:
    """Whether a trace may need the ABIs: of forge-std, those of tokens alone."""
    return not file.startswith(PREFIX) or file.startswith(f"{PREFIX}interfaces/")


def _code(told: Mapping[str, Any]) -> bytes:
    text: str = told["object"]
    if "_" in text:  # `__$...$__`, 20 bytes for the address of a library.
        parts = text.split("__$")
        text = parts[0] + "".join("0" * 40 + part[37:] for part in parts[1:])
    return bytes.fromhex(text)


def _diagnostic(told: Mapping[str, Any], sources: Mapping[str, str]) -> Diagnostic:
    where = told.get("sourceLocation") or {}
    file = where.get("file", "")
    line = column = 0
    if file in sources and where.get("start", -1) >= 0:
        text = sources[file]
        # solc counts bytes.
        before = text.encode()[: where["start"]].decode(errors="ignore")
        line, column = place(text, len(before))
    severity = told.get("severity", "error")
    return Diagnostic(
        severity=severity if severity in _SEVERITIES else "error",
        message=str(told.get("message") or told.get("formattedMessage") or "").strip(),
        file=file if file in sources else "",
        line=line,
        column=column,
        code=str(told.get("errorCode", "")),
    )
