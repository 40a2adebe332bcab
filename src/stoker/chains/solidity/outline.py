"""What a source imports and declares, and which of its contracts is the script, known without
compiling it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from stoker.chains.errors import CompileFailed
from stoker.chains.solidity.compilation import Diagnostic
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


def contract_of(sources: Mapping[str, str]) -> str:
    """`file:Name` of the one contract that has `run()`, by itself or from those it inherits, and
    that no other one builds upon. Raises `CompileFailed` if there is none, or several."""
    problem = problem_of(sources)
    if isinstance(problem, Diagnostic):
        raise CompileFailed([problem])
    return problem


def problem_of(sources: Mapping[str, str]) -> str | Diagnostic:
    """`contract_of`, or why there is none."""
    found = candidates(sources)
    if len(found) == 1:
        file, one = found[0]
        return f"{file}:{one.name}"
    if not found:
        file = next(iter(sources), "")
        return Diagnostic(
            message="no contract has a function run() that takes nothing",
            file=file,
            line=1 if file else 0,
            column=1 if file else 0,
        )
    file, second = found[1]
    names = ", ".join(one.name for _, one in found)
    message = f"several contracts have run(): {names}; which of them is the script?"
    return Diagnostic.at(second.start, message, file=file, text=sources[file])


def candidates(sources: Mapping[str, str]) -> list[tuple[str, Declaration]]:
    """File and declaration of what may be the script."""
    contracts = [
        (file, one)
        for file, text in sources.items()
        for one in outline(text).declarations
        if one.kind == "contract"
    ]
    by_name = {one.name: one for _, one in contracts}
    heirs: dict[str, list[str]] = {}
    for _, one in contracts:
        for base in one.bases:
            heirs.setdefault(base, []).append(one.name)
    running = _reached([one.name for _, one in contracts if one.runs], heirs)
    found = [(file, one) for file, one in contracts if one.name in running and not one.abstract]
    bases = {name: list(one.bases) for name, one in by_name.items()}
    inherited = _reached([base for _, one in found for base in one.bases], bases)
    return [(file, one) for file, one in found if one.name not in inherited]


def _reached(begin: Iterable[str], edges: Mapping[str, list[str]]) -> set[str]:
    found = set(begin)
    todo = list(found)
    while todo:
        for name in edges.get(todo.pop(), ()):
            if name not in found:
                found.add(name)
                todo.append(name)
    return found
