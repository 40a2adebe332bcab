"""Which contract of a source is the script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stoker.chains.errors import CompileFailed
from stoker.chains.solidity.diagnostic import Diagnostic
from stoker.chains.solidity.outline import Declaration, outline


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
