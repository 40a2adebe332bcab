"""What is wrong with a script that no compiler need be asked for, told early and with its place.

The engine refuses at run time what a script may not do, however it is written; what is told here is
what can be seen, so that whoever wrote it hears of it at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import islice, pairwise
from typing import Final

from stoker.chains.errors import ChainError
from stoker.chains.solidity import forge_std
from stoker.chains.solidity.compilation import SCRIPT, Diagnostic
from stoker.chains.solidity.imports import GIVEN, too_large
from stoker.chains.solidity.outline import problem_of
from stoker.chains.solidity.tokens import Token, addresses, content, place, tokens

_HEVM: Final = 0x7109709ECFA91A80626FF3989D68F67F5B1DD12D
_HEVM_TEXT: Final = "hevm cheat code"
_MOST: Final = 50
"""Faults of one sort that are told."""
_NEAR: Final = 40
"""Tokens that a bracket is followed for."""
_CASTS: Final = frozenset(
    {"address", "payable", "uint160", "uint256", "bytes20", "bytes32", "keccak256", "bytes", "abi"}
)
_MODIFIERS: Final = frozenset(
    {"constant", "internal", "private", "public", "immutable", "memory", "storage", "calldata"}
)
_KEYWORDS: Final = frozenset(
    {"return", "emit", "new", "delete", "else", "revert", "is", "using", "for", "import", "as"}
)
_REASONS: Final = {
    "ffi": "a script runs no programs",
    "tryFfi": "a script runs no programs",
    "env": "the environment holds secrets, which never reach a script",
    "setEnv": "the environment is nobody's to change",
    "prompt": "nobody is there to be asked",
    "read": "a script reads no files",
    "write": "a script writes no files",
    "rememberKeys": "private keys never reach a script: vm.startBroadcast(address) names who signs",
    "sleep": "a script does not wait",
    "rpc": "a script reaches chains by their aliases alone",
}
_FORKS: Final = frozenset({"createFork", "createSelectFork"})
_CALLS: Final = frozenset({"call", "delegatecall", "staticcall", "callcode"})


def review(
    text: str,
    *,
    aliases: Collection[str] | None = None,
    foreign: bool = False,
) -> tuple[Diagnostic, ...]:
    """Faults in the order of their places. `aliases`: of the chains it may select, None: not
    known; `foreign`: whether cheatcodes that are not in the list may be used where nothing is known
    against them."""
    if len(text) > GIVEN:
        return (Diagnostic(message=too_large(len(text)), file=SCRIPT),)
    found = list(tokens(text))
    faults: list[tuple[int, str]] = []
    for some in (_cheatcodes(found, foreign), _forks(found, aliases), _checksums(text)):
        faults += islice(some, _MOST)
    told = [Diagnostic.at(at, what, file=SCRIPT, text=text) for at, what in sorted(faults)]
    problem = problem_of({SCRIPT: text})
    return (*told, problem) if isinstance(problem, Diagnostic) else tuple(told)


def edit(text: str, old: str, new: str) -> str:
    """`text` with its one `old` replaced. Raises `ChainError` if there is none, or several, or
    nothing would change."""
    if not old:
        raise ChainError("the text to replace is empty")
    if old == new:
        raise ChainError("the text to replace and what replaces it are the same")
    places = _places(text, old)
    if len(places) == 1:
        return text.replace(old, new)
    shown = repr(old if len(old) <= 200 else f"{old[:200]}...")
    if places:
        lines = ", ".join(str(place(text, at)[0]) for at in places[:20])
        raise ChainError(
            f"{shown} stands {len(places)} times in the script (lines {lines}): give more of what "
            "is around the one to replace"
        )
    if _spaceless(old) in _spaceless(text):
        raise ChainError(f"{shown} is in the script only with other spaces or line breaks")
    raise ChainError(f"{shown} is not in the script")


@lru_cache(maxsize=1)
def allowed() -> frozenset[str]:
    """Names of the cheatcodes that scripts may use."""
    interface = forge_std.sources()[f"{forge_std.PREFIX}Vm.sol"]
    found = list(tokens(interface))
    return frozenset(name.text for before, name in pairwise(found) if before.text == "function")


def _cheatcodes(found: list[Token], foreign: bool) -> Iterator[tuple[int, str]]:
    machines = _machines(found)
    for at in range(1, len(found) - 1):
        one, after = found[at], found[at + 1].text
        if one.kind != "word" or after not in {"(", "{"}:
            continue
        if found[at - 1].text != ".":
            if one.text in _CALLS and after == "(" and _names_hevm(_within(found, at + 1)):
                yield one.start, "assembly may not call the cheatcodes"
        elif one.text in _CALLS:
            if _is_machine(found, at - 2, machines | {"VM_ADDRESS"}):
                yield one.start, f"the cheatcodes may not be called by .{one.text}"
        elif one.text not in allowed() and _is_machine(found, at - 2, machines):
            why = next((why for begin, why in _REASONS.items() if one.text.startswith(begin)), None)
            if why is not None:
                yield one.start, f"the cheatcode {one.text} is refused: {why}"
            elif not foreign:
                yield one.start, _unlisted(one.text)


def _unlisted(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, allowed(), 3)
    hint = f"; near it are {', '.join(near)}" if near else ""
    return f"{name} is not among the cheatcodes that scripts may use{hint}"


def _machines(found: list[Token]) -> set[str]:
    """Types that stand for the cheatcodes, `Vm` and what their address is taken as, and names of
    that type. What is called `vm` is one of them, unless the script says that it is something
    else."""
    types = {"Vm", "VmSafe"}
    for at in range(len(found) - 1):
        one = found[at]
        named = one.kind == "word" and one.text not in _CASTS | _CALLS
        if named and found[at + 1].text == "(" and found[at - 1].text not in {".", "function"}:
            inside = _within(found, at + 1)
            if inside and not _is_list(inside) and _names_hevm(inside):
                types.add(one.text)
    names = {"vm", "vmSafe"}
    for at in range(len(found) - 1):
        if found[at].kind != "word" or found[at].text in _KEYWORDS | _MODIFIERS:
            continue
        end = at + 1
        while end < len(found) - 1 and found[end].text in _MODIFIERS:
            end += 1
        if found[end].kind == "word" and end < len(found) - 1:
            if found[at].text in types:
                names.add(found[end].text)
            elif found[end + 1].text in {"=", ";", ",", ")"}:
                names.discard(found[end].text)
    return types | names


def _is_machine(found: list[Token], at: int, machines: set[str]) -> bool:
    """Whether what ends at `at` is the cheatcodes: a name of them, `Vm(..)`, or their address."""
    if found[at].text != ")":
        return found[at].text in machines and (at == 0 or found[at - 1].text != ".")
    depth = 0
    for begin in range(at, max(-1, at - _NEAR), -1):
        depth += (found[begin].text == ")") - (found[begin].text == "(")
        if depth == 0:
            before = found[begin - 1].text if begin else ""
            inside = found[begin + 1 : at]
            named = _names_hevm(inside) or any(one.text in machines for one in inside)
            return before in machines or (before in _CASTS and named)
    return False


def _within(found: list[Token], at: int) -> list[Token]:
    """What stands in the bracket at `at`, as far as it is short."""
    depth = 0
    for end in range(at, min(len(found), at + _NEAR)):
        depth += (found[end].text == "(") - (found[end].text == ")")
        if depth == 0:
            return found[at + 1 : end]
    return []


def _is_list(inside: list[Token]) -> bool:
    return any(one.text == "," for one in inside)


def _names_hevm(inside: list[Token]) -> bool:
    return any(
        one.text in {"VM_ADDRESS", "HEVM_ADDRESS"}
        or (one.kind == "number" and _is_hevm(one.text))
        or (one.kind == "text" and content(one.text) == _HEVM_TEXT)
        for one in inside
    )


def _is_hevm(text: str) -> bool:
    try:
        return len(text) < 100 and int(text, 0) == _HEVM
    except ValueError:
        return False


def _forks(found: list[Token], aliases: Collection[str] | None) -> Iterator[tuple[int, str]]:
    if aliases is None:
        return
    for at in range(1, len(found) - 2):
        one = found[at]
        if one.text in _FORKS and found[at - 1].text == "." and found[at + 1].text == "(":
            given = found[at + 2]
            if given.kind == "text" and content(given.text) not in aliases:
                known = ", ".join(sorted(aliases)) or "none"
                yield (
                    given.start,
                    f"{given.text} is no alias of a chain that this script may select: {known}",
                )


def _checksums(text: str) -> Iterator[tuple[int, str]]:
    for at, found, right in addresses(text):
        if found != right:
            yield at, f"the checksum of {found} is wrong: expected {right}"


def _places(text: str, old: str) -> list[int]:
    """Overlapping ones too: which of them would be meant?"""
    places: list[int] = []
    at = text.find(old)
    while at >= 0 and len(places) < 1000:
        places.append(at)
        at = text.find(old, at + 1)
    return places


def _spaceless(text: str) -> str:
    return "".join(text.split())
