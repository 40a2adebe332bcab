"""What a source imports and declares, known without compiling it."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from msgspec import Struct

from stoker.chains.solidity.tokens import Token, content, tokens


class Import(Struct, frozen=True):
    path: str
    at: int
    """Index of the path in the source."""


class Declaration(Struct, frozen=True, kw_only=True):
    """A contract, an interface or a library."""

    kind: Literal["contract", "interface", "library"]
    name: str
    abstract: bool
    bases: tuple[str, ...]
    runs: bool
    """Whether it has a function `run` of its own that takes nothing."""
    start: int
    """Index of the first character of the declaration,"""
    end: int
    """and of what follows its last."""


class Outline(Struct, frozen=True):
    imports: tuple[Import, ...]
    declarations: tuple[Declaration, ...]
    created: tuple[str, ...]
    """Names that follow `new`."""
    words: frozenset[str]
    """All that stand in it."""


@lru_cache(maxsize=1024)
def outline(source: str) -> Outline:
    """In time linear in the source's length."""
    found = list(tokens(source))
    imports: list[Import] = []
    declarations: list[Declaration] = []
    created: dict[str, None] = {}
    at = 0
    while at < len(found):
        word = found[at].text
        if word == "import":
            at = _import(found, at, imports)
        elif word in {"contract", "interface", "library"}:
            at = _declaration(found, at, declarations, created)
        else:
            at += 1
    words = frozenset(one.text for one in found if one.kind == "word")
    return Outline(tuple(imports), tuple(declarations), tuple(created), words)


def _import(found: list[Token], at: int, imports: list[Import]) -> int:
    while at < len(found) and found[at].text != ";":
        if found[at].kind == "text":
            imports.append(Import(content(found[at].text), found[at].start))
        at += 1
    return at


def _declaration(
    found: list[Token], at: int, declarations: list[Declaration], created: dict[str, None]
) -> int:
    begin = at
    at += 1
    if at >= len(found) or found[at].kind != "word":
        return at
    name = found[at].text
    bases: list[str] = []
    depth = 0
    at += 1
    while at < len(found) and found[at].text not in {"{", ";"}:
        sign = found[at].text
        depth += (sign == "(") - (sign == ")")
        if depth == 0 and found[at].kind == "word" and found[at - 1].text in {"is", ",", "."}:
            if found[at - 1].text == ".":
                bases.pop()
            bases.append(found[at].text)
        at += 1
    if at >= len(found) or found[at].text == ";":
        return at
    runs = False
    depth = 0
    while at < len(found):
        word = found[at].text
        depth += (word == "{") - (word == "}")
        if depth == 0:
            break
        if found[at - 1].text == "new" and found[at].kind == "word":
            while at + 2 < len(found) and found[at + 1].text == ".":
                at += 2
            created[found[at].text] = None
        elif word == "function" and depth == 1:
            runs = runs or [one.text for one in found[at + 1 : at + 4]] == ["run", "(", ")"]
        at += 1
    abstract = begin > 0 and found[begin - 1].text == "abstract"
    declarations.append(
        Declaration(
            kind=found[begin].text,  # type: ignore[arg-type]
            name=name,
            abstract=abstract,
            bases=tuple(bases),
            runs=runs,
            start=found[begin - abstract].start,
            end=found[min(at, len(found) - 1)].end,
        )
    )
    return at + 1
