"""Stoker's own `forge-std`: as much of it as scripts use, and of that what one of them names, so
that it compiles fast: a function that a compiler reads and drops costs up to a millisecond."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Final

from stoker.chains.solidity.outline import outline
from stoker.chains.solidity.tokens import Token, tokens

PREFIX: Final = "forge-std/"
_FILES: Final = Path(__file__).with_name("forge-std")
_CONSOLE: Final = f"{PREFIX}console.sol"
_PART: Final = re.compile(
    r"^import \{(?P<symbol>\w+)\} from [^;]+; // if named$"
    r"|^    function (?P<function>\w+)\((?:[^{;]*;|[^{;]*\{ .* \}|[^{;]*\{\n[\s\S]*?^    \})$",
    re.MULTILINE,
)
"""As our files are written. Interfaces of tokens stay whole: contracts implement them."""
_WHOLE: Final = f"{PREFIX}interfaces/"
_LOGGED: Final = ("uint256", "string memory", "bool", "address")
_MOST: Final = 4


@lru_cache(maxsize=1)
def sources() -> Mapping[str, str]:
    """Name, with `forge-std/` -> text."""
    files = {path.relative_to(_FILES).as_posix(): path for path in sorted(_FILES.rglob("*.sol"))}
    found = {PREFIX + name: path.read_text(encoding="utf-8") for name, path in files.items()}
    return {**found, _CONSOLE: _console(None)}


def needed(imported: Iterable[str], texts: Iterable[str]) -> dict[str, str]:
    """Of the files imported, and those that they import, what `texts` name. Lines stay where they
    are. Raises `KeyError` for a file that is not there."""
    texts = list(texts)
    named = {word for text in texts for word in outline(text).words}
    calls: set[tuple[str, ...]] = set().union(*map(_calls, texts))
    own = {**sources(), _CONSOLE: _console(calls)}
    kept: dict[str, str] = {}
    files = set(imported)
    while True:
        before = len(named), len(files)
        for name in sorted(files):
            kept[name] = (
                own[name]
                if name.startswith(_WHOLE)
                else _trimmed(own[name], _parts(own[name]) & named)
            )
            left = outline(kept[name])
            named |= left.words
            base = name.rpartition("/")[0]
            files |= {f"{base}/{one.path.removeprefix('./')}" for one in left.imports}
        if before == (len(named), len(files)):
            break
    return kept


@lru_cache(maxsize=64)
def _parts(text: str) -> frozenset[str]:
    return frozenset(match["symbol"] or match["function"] for match in _PART.finditer(text))


@lru_cache(maxsize=256)
def _trimmed(text: str, named: frozenset[str]) -> str:
    """`named`: of its parts those that are to be there."""

    def part(match: re.Match[str]) -> str:
        name = match["symbol"] or match["function"]
        return match[0] if name in named else "\n" * match[0].count("\n")

    return _PART.sub(part, text)


def _calls(source: str) -> set[tuple[str, ...]]:
    """The types that calls of `log` may have: those of literals are known, others may be any."""
    calls: set[tuple[str, ...]] = set()
    if "log" not in outline(source).words:
        return calls
    open_: list[list[list[Token]] | None] = [None]
    before = ["", ""]
    for one in tokens(source):
        if one.kind == "sign" and one.text in "([{":
            if (arguments := open_[-1]) is not None:
                arguments[-1] += one, one  # No literal, whatever it is.
            open_.append([[]] if one.text == "(" and before == [".", "log"] else None)
        elif one.kind == "sign" and one.text in ")]}":
            arguments = open_.pop() if len(open_) > 1 else None
            if arguments == [[]]:
                calls.add(())
            elif arguments is not None and len(arguments) <= _MOST:
                calls.update(product(*map(_types, arguments)))
        elif (arguments := open_[-1]) is not None:
            if one.text == ",":
                arguments.append([])
            else:
                arguments[-1].append(one)
        before = [before[1], one.text]
    return calls


def _types(argument: list[Token]) -> tuple[str, ...]:
    if len(argument) != 1:
        return _LOGGED
    match argument[0].kind, argument[0].text:
        case "text", _:
            return ("string memory",)
        case "number", _:
            return ("uint256",)
        case _, "true" | "false":
            return ("bool",)
    return _LOGGED


def _console(calls: set[tuple[str, ...]] | None) -> str:
    """`log` of up to four values of four types in any order: said by rule rather than by hand.
    `calls`: those there are to be; None: all."""
    everything = (types for count in range(_MOST + 1) for types in product(_LOGGED, repeat=count))
    logs = [_log("log", types) for types in (everything if calls is None else sorted(calls))]
    logs.append(_log("log", ("int256",)))
    for kind in (*_LOGGED, "int256", "bytes memory", "bytes32"):
        name = kind.removesuffix(" memory").removesuffix("256")
        logs.append(_log(f"log{name[0].upper()}{name[1:]}", (kind,)))
    return (
        "// SPDX-License-Identifier: MIT\npragma solidity >=0.8.13 <0.9.0;\n\n"
        "library console {\n"
        "    function _send(bytes memory payload) private pure {\n"
        "        function(bytes memory) view sent = _sent;\n"
        "        function(bytes memory) pure pretended;\n"
        "        assembly { pretended := sent }\n"
        "        pretended(payload);\n"
        "    }\n"
        "    function _sent(bytes memory payload) private view {\n"
        "        assembly {\n"
        "            pop(staticcall(gas(), 0x000000000000000000636F6e736F6c652e6c6f67,"
        " add(payload, 32), mload(payload), 0, 0))\n"
        "        }\n"
        "    }\n" + "".join(logs) + "}\n"
    )


def _log(name: str, types: tuple[str, ...]) -> str:
    parameters = ", ".join(f"{kind} p{at}" for at, kind in enumerate(types))
    signature = ",".join(kind.removesuffix(" memory") for kind in types)
    values = "".join(f", p{at}" for at in range(len(types)))
    return (
        f"    function {name}({parameters}) internal pure {{"
        f' _send(abi.encodeWithSignature("log({signature})"{values})); }}\n'
    )
