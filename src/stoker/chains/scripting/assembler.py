"""From the lines that a model writes to a script: the same lines always give the same text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from stoker.chains.address import checksummed, parsed
from stoker.chains.errors import CompileFailed
from stoker.chains.group import Amount
from stoker.chains.scripting.formats import ImportSpec, ScriptBlock
from stoker.chains.scripting.interfaces import merged
from stoker.chains.solidity.compilation import Diagnostic
from stoker.chains.solidity.outline import outline
from stoker.chains.solidity.tokens import content, tokens, with_checksums

NAME: Final = "AomiScript"
_HEAD: Final = "// SPDX-License-Identifier: UNLICENSED\npragma solidity ^0.8.20;\n"
_OWN: Final = {
    "Script": "forge-std/Script.sol",
    "StdCheats": "forge-std/StdCheats.sol",
    "console": "forge-std/console.sol",
    "console2": "forge-std/console2.sol",
    "Vm": "forge-std/Vm.sol",
}
_WORD: Final = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_FUNDED: Final = "IFunded"
_INDENT: Final = " " * 8


def assemble(
    block: ScriptBlock,
    *,
    sender: str,
    home: int,
    funds: Sequence[Amount] = (),
    aliases: Mapping[str, int] | None = None,
) -> str:
    """The whole script. It begins on the chain `home`, and there and on the other chains of `funds`
    `sender` is given so much more than it has; `aliases`: of the chains it may select.

    Raises `CompileFailed` for imports and interfaces that contradict each other, and for funds on a
    chain that has no alias.
    """
    sender = checksummed(parsed(sender))
    lines = [line for one in block.codelines for line in _statements(one.line)]
    lines = [line for line in lines if _call(line) not in {"startBroadcast", "stopBroadcast"}]
    named = {word for line in lines for word in outline(line).words}
    by_id = {chain_id: alias for alias, chain_id in (aliases or {}).items()}
    selected = {alias for line in lines if (alias := _selected(line)) in (aliases or {})}
    forks = _forks(home, funds, by_id, selected)
    tokens_funded = any(one.token is not None for one in funds)

    body = [*_declared(forks), *_funding(sender, home, funds, by_id, forks)]
    body.append(f"vm.startBroadcast({sender});")
    for line in lines:
        if _call(line) in {"createSelectFork", "selectFork"}:
            alias = _selected(line)
            switch = line if alias not in forks else f"vm.selectFork({_variable(alias)});"
            body += ["vm.stopBroadcast();", switch, f"vm.startBroadcast({sender});"]
        else:
            body.append(line)
    body.append("vm.stopBroadcast();")

    wanted = {"Script", *(named & _OWN.keys()), *(("StdCheats",) if tokens_funded else ())}
    interfaces = merged(one.interface for one in block.codelines if one.interface is not None)
    if tokens_funded:
        interfaces += (
            f"\n\ninterface {_FUNDED} {{\n"
            "    function balanceOf(address account) external view returns (uint256);\n}"
        )
    declared = {one.name for one in outline(interfaces).declarations}
    imports = _imports(
        (one.import_spec for one in block.codelines if one.import_spec is not None),
        {name: _OWN[name] for name in sorted(wanted)},
        declared,
    )
    bases = "Script, StdCheats" if "StdCheats" in wanted else "Script"
    inner = "".join(f"{_INDENT}{line}\n" for line in body)
    parts = [
        _HEAD,
        "".join(f'import {{{name}}} from "{source}";\n' for name, source in imports.items()),
        f"{interfaces.strip()}\n" if interfaces.strip() else "",
        f"contract {NAME} is {bases} {{\n    function run() external {{\n{inner}    }}\n}}\n",
    ]
    return with_checksums("\n".join(part for part in parts if part))


def _statements(text: str) -> list[str]:
    """A line, which may be several, ended as a statement is."""
    text = text.strip()
    found = list(tokens(text))
    if not found:
        return []
    if found[-1].text not in {";", "}"}:
        end = found[-1].end
        text = f"{text[:end]};{text[end:]}"
    return [text.replace("\r\n", "\n").replace("\n", f"\n{_INDENT}")]


def _call(line: str) -> str | None:
    """Name of the cheatcode whose call is all of the line."""
    words = [one.text for one in tokens(line)]
    if words[:2] == ["vm", "."] and words[3:4] == ["("] and words[-2:] == [")", ";"]:
        return words[2] if words.count(";") == 1 else None
    return None


def _selected(line: str) -> str:
    """The alias, where the line is nothing but `vm.createSelectFork("alias");`."""
    found = list(tokens(line))
    if _call(line) == "createSelectFork" and len(found) == 7 and found[4].kind == "text":
        return content(found[4].text)
    return ""


def _forks(
    home: int, funds: Sequence[Amount], by_id: Mapping[int, str], selected: set[str]
) -> tuple[str, ...]:
    """Aliases of the chains to have a fork each, the home's first; none where it is the only one:
    the script is begun there. Each is made once, for what is done on one is done on no other."""
    strange = sorted({one.chain_id for one in funds} - {home} - by_id.keys())
    if strange:
        told = ", ".join(map(str, strange))
        raise _failed([f"funds are asked for on chain {told}, which has no alias"])
    others = {by_id[one.chain_id] for one in funds if one.chain_id != home} | selected
    if not others:
        return ()
    if home not in by_id:
        raise _failed([f"chain {home}, which the script begins on, has no alias to come back to"])
    return (by_id[home], *sorted(others - {by_id[home]}))


def _declared(forks: tuple[str, ...]) -> list[str]:
    made = [f'uint256 {_variable(one)} = vm.createFork("{one}");' for one in forks]
    return [*made, f"vm.selectFork({_variable(forks[0])});"] if forks else []


def _variable(alias: str) -> str:
    return "on_" + re.sub(r"\W", "_", alias, flags=re.ASCII)


def _funding(
    sender: str,
    home: int,
    funds: Sequence[Amount],
    by_id: Mapping[int, str],
    forks: tuple[str, ...],
) -> list[str]:
    lines: list[str] = []
    now = home
    for one in sorted(funds, key=lambda amount: (amount.chain_id != home, amount.chain_id)):
        if one.chain_id != now:
            lines.append(f"vm.selectFork({_variable(by_id[one.chain_id])});")
            now = one.chain_id
        if one.token is None:
            lines.append(f"vm.deal({sender}, {sender}.balance + {one.amount});")
        else:
            token = checksummed(parsed(one.token))
            has = f"{_FUNDED}({token}).balanceOf({sender})"
            lines.append(f"deal({token}, {sender}, {has} + {one.amount});")
    if now != home:
        lines.append(f"vm.selectFork({_variable(forks[0])});")
    return lines


def _imports(
    asked: Iterable[ImportSpec], own: Mapping[str, str], declared: set[str]
) -> dict[str, str]:
    """Symbol -> where from. One that the script declares itself needs none."""
    imports = dict(own)
    problems = []
    for one in asked:
        name, source = one.interface_name.strip(), one.source.strip()
        if not _WORD.fullmatch(name):
            problems.append(f"{name!r} is no name to import")
        elif any(sign in source for sign in "\"'\\\n\r"):
            problems.append(f"{source!r} is no path to import {name} from")
        elif name in _OWN or name in declared:
            continue
        elif imports.setdefault(name, source) != source:
            problems.append(f"{name} is imported from {imports[name]} and from {source}")
    if problems:
        raise _failed(problems)
    return dict(sorted(imports.items(), key=lambda item: (item[1], item[0])))


def _failed(problems: Sequence[str]) -> CompileFailed:
    return CompileFailed([Diagnostic(message=one) for one in problems])
