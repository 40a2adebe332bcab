"""Interfaces that stand in a script, each once: what several lines bring of one is put together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from stoker.chains.errors import CompileFailed
from stoker.chains.scripting.formats import Interface
from stoker.chains.solidity.compilation import Diagnostic
from stoker.chains.solidity.outline import outline
from stoker.chains.solidity.tokens import Token, tokens

_PLACES: Final = frozenset({"memory", "calldata", "storage"})


class _Member(Struct, frozen=True):
    key: tuple[str, ...]
    """What it may not share with another: of a function, its name and the types it takes."""
    meaning: tuple[str, ...]
    """All of it, but for the names of parameters."""
    text: str


def merged(interfaces: Iterable[Interface]) -> str:
    """The declarations, in the order of their names' first. Raises `CompileFailed` where two of
    one name say different things."""
    heads: dict[str, str] = {}
    whole: dict[str, str] = {}
    members: dict[str, dict[tuple[str, ...], _Member]] = {}
    problems: list[str] = []
    for one in interfaces:
        declarations = outline(one.solidity_code).declarations
        if not declarations:
            problems.append(f"the code of interface {one.name} declares nothing")
        for declared in declarations:
            text = one.solidity_code[declared.start : declared.end]
            head, _, body = text.partition("{")
            name = declared.name
            if heads.setdefault(name, _joined(head)) != _joined(head):
                problems.append(f"{heads[name]} is declared as {_joined(head)} too")
            elif declared.kind != "interface":
                if _joined(whole.setdefault(name, text)) != _joined(text):
                    problems.append(f"{heads[name]} is declared twice, and not the same")
            else:
                problems += _add(name, members.setdefault(name, {}), body.rpartition("}")[0])
    if problems:
        raise CompileFailed([Diagnostic(message=one) for one in problems])
    return "\n\n".join(whole.get(name) or _interface(heads[name], members[name]) for name in heads)


def _interface(head: str, members: dict[tuple[str, ...], _Member]) -> str:
    lines = "".join(f"    {one.text}\n" for one in members.values())
    return f"{head} {{\n{lines}}}"


def _add(name: str, members: dict[tuple[str, ...], _Member], body: str) -> list[str]:
    """What contradicts a member there is."""
    problems = []
    for one in _members(body):
        there = members.setdefault(one.key, one)
        if there.meaning != one.meaning:
            problems.append(f"{name} has two of {there.text!r}, the other is {one.text!r}")
    return problems


def _members(body: str) -> list[_Member]:
    found: list[_Member] = []
    open_: list[Token] = []
    depth = 0
    for one in tokens(body):
        open_.append(one)
        if one.kind != "sign":
            continue
        depth += (one.text in "([{") - (one.text in ")]}")
        if depth == 0 and one.text in {";", "}"}:
            found.append(_member(open_, body))
            open_ = []
    if open_:
        found.append(_member(open_, body))
    return found


def _member(found: list[Token], body: str) -> _Member:
    text = body[found[0].start : found[-1].end]
    words = [one.text for one in found]
    if words[0] not in {"function", "event", "error"}:
        return _Member(tuple(words[:2]), tuple(words), text)
    name = words[1] if len(words) > 1 else ""
    lists: list[tuple[str, ...]] = []
    rest: list[str] = []
    at = 0
    while at < len(words):
        if words[at] == "(":
            end = _closing(words, at)
            lists.append(_types(words[at + 1 : end]))
            at = end
        else:
            rest.append(words[at])
        at += 1
    taken = lists[0] if lists else ()
    meaning = [*sorted(rest), *(one for types in lists for one in ("(", *types))]
    return _Member((words[0], name, *taken), tuple(meaning), text)


def _closing(words: list[str], at: int) -> int:
    depth = 0
    for end in range(at, len(words)):
        depth += (words[end] == "(") - (words[end] == ")")
        if depth == 0:
            return end
    return len(words)


def _types(words: list[str]) -> tuple[str, ...]:
    """Of a list of parameters, without where they are kept and what they are called."""
    types: list[str] = []
    one: list[str] = []
    depth = 0
    for word in (*words, ","):
        depth += (word in {"(", "["}) - (word in {")", "]"})
        if word == "," and depth == 0:
            if len(one) > 1 and _is_name(one[-1]) and one[-2] != ".":
                one.pop()
            types.append(
                "".join({"uint": "uint256", "int": "int256"}.get(part, part) for part in one)
            )
            one = []
        elif word not in _PLACES:
            one.append(word)
    return tuple(one for one in types if one)


def _is_name(word: str) -> bool:
    return (word[0].isalpha() or word[0] in "_$") and word not in {"payable", "indexed"}


def _joined(text: str) -> str:
    return " ".join(one.text for one in tokens(text))
