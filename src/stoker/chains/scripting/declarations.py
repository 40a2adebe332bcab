"""ABIs as Solidity."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_INDENT: Final = "    "
_ARRAY: Final = re.compile(r"(?:\[\d*\])*$")
_WORD: Final = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_RESERVED: Final = frozenset(
    re.findall(
        r"\w+",
        """
        abstract after alias apply auto byte calldata case catch constant constructor contract
        copyof default define delete emit enum event external fallback final for function if
        immutable implements import in indexed inline interface internal let library macro
        mapping match memory modifier mutable null of override partial payable pragma private
        promise public pure receive reference relocatable return returns sealed sizeof static
        storage struct supports switch this throw try type typedef typeof unchecked using var
        view virtual while
        """,
    )
)
"""Names that parameters had before they became words of the language, or in another one."""


def functions(abi: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Those of an ABI, by their signature (see `signature`)."""
    return {
        signature(one): one
        for one in abi
        if one.get("type") == "function" and _WORD.fullmatch(str(one.get("name", "")))
    }


def signature(entry: Mapping[str, Any]) -> str:
    """`transfer(address,uint256)`; tuples as `(uint256,address)`."""
    types = ",".join(map(_canonical, entry.get("inputs", ())))
    return f"{entry.get('name', '')}({types})"


def _canonical(parameter: Mapping[str, Any]) -> str:
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(_canonical, parameter.get('components', ())))}){kind[5:]}"


def solidity(name: str, entries: Iterable[Mapping[str, Any]]) -> str:
    """An interface with these functions, and the structs they use."""
    structs: dict[str, str] = {}
    lines = [_declaration(one, structs) for one in entries]
    body = [*structs.values(), *lines]
    return "\n".join([f"interface {name} {{", *(f"{_INDENT}{one}" for one in body), "}"])


def declaration(entry: Mapping[str, Any]) -> str:
    """One function in a line, its structs by their names."""
    return _declaration(entry, {})


def _declaration(entry: Mapping[str, Any], structs: dict[str, str]) -> str:
    given = _list(entry.get("inputs", ()), structs, "calldata")
    taken = _list(entry.get("outputs", ()), structs, "memory")
    kind = entry.get("stateMutability") or (
        "payable" if entry.get("payable") else "view" if entry.get("constant") else ""
    )
    modifiers = "" if kind in ("", "nonpayable") else f" {kind}"
    returns = f" returns ({taken})" if taken else ""
    return f"function {entry['name']}({given}) external{modifiers}{returns};"


def _list(parameters: Iterable[Mapping[str, Any]], structs: dict[str, str], where: str) -> str:
    return ", ".join(_parameter(one, structs, f" {where}") for one in parameters)


def _parameter(parameter: Mapping[str, Any], structs: dict[str, str], where: str) -> str:
    kind = _type(parameter, structs)
    by_reference = kind in ("string", "bytes") or kind.endswith("]") or _is_tuple(parameter)
    name = str(parameter.get("name") or "")
    if name in _RESERVED:
        name += "_"
    named = f" {name}" if _WORD.fullmatch(name) else ""
    return f"{kind}{where if by_reference else ''}{named}"


def _is_tuple(parameter: Mapping[str, Any]) -> bool:
    return str(parameter["type"]).startswith("tuple")


def _type(parameter: Mapping[str, Any], structs: dict[str, str]) -> str:
    kind = str(parameter["type"])
    if kind == "function":
        return "bytes24"
    if not _is_tuple(parameter):
        return kind
    arrays = _ARRAY.search(kind)
    members = []
    for number, one in enumerate(parameter.get("components", ())):
        name = str(one.get("name") or "")
        name = name if _WORD.fullmatch(name) else f"member{number}"
        members.append(f"{_type(one, structs)} {name}{'_' if name in _RESERVED else ''};")
    body = f"{{ {' '.join(members)} }}"
    return f"{_struct(parameter, body, structs)}{arrays[0] if arrays else ''}"


def _struct(parameter: Mapping[str, Any], body: str, structs: dict[str, str]) -> str:
    """The name of the struct with this body, which may be a new one."""
    internal = _ARRAY.sub("", str(parameter.get("internalType", ""))).rpartition(".")[2]
    wanted = internal.removeprefix("struct ").strip()
    name = base = wanted if _WORD.fullmatch(wanted) else "Tuple"
    number = 1
    while name in structs and structs[name] != f"struct {name} {body}":
        number += 1
        name = f"{base}{number}"
    structs[name] = f"struct {name} {body}"
    return name
