"""What is imported is declared, where it is needed: without an extra, what is not its own works."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN = {  # parts that need an extra, which they or their callers tell if it is missing
    "stoker/journal/postgres": "postgres",
    "stoker/server/": "server",
    "stoker/server/mcp.py": "mcp",
    "stoker/mcp/": "mcp",
    "stoker/telemetry/otlp.py": "otel",
    "stoker/roadmaps/context/": "roadmaps",
    "stoker/chains/": "chains",
}
MODULES: dict[str, set[str]] = {}
"""What can be imported, by distribution."""
for module, distributions in packages_distributions().items():
    for distribution in distributions:
        MODULES.setdefault(distribution.lower().replace("_", "-"), set()).add(module)


def declared(extra: str | None) -> Iterator[str]:
    """The distributions of the core, or those that an extra adds."""
    for line in PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]:
        name, _, inner = re.match(r"([\w.-]+)(\[(\w+)\])?", line).groups()
        if name == "stoker":
            yield from declared(inner)
        else:
            yield name.lower()


def imported(tree: ast.AST) -> Iterator[str]:
    """Anywhere in a module, but not for type checkers alone."""
    match tree:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return
        case ast.Import(names=names):
            yield from (one.name.partition(".")[0] for one in names)
        case ast.ImportFrom(module=str(name)):
            yield name.partition(".")[0]
    for child in ast.iter_child_nodes(tree):
        yield from imported(child)


TEXTS = {
    str(file.relative_to(ROOT / "src")): file.read_text()
    for file in (ROOT / "src/stoker").rglob("*.py")
}


def extra_of(path: str) -> str | None:
    """The extra that a file may need: that of the innermost part it is in."""
    parts = [part for part in OWN if path.startswith(part)]
    return OWN[max(parts, key=len)] if parts else None


def test_what_is_imported_is_declared_by_the_core_or_by_the_extra_of_the_part() -> None:
    undeclared = set()
    for path, text in TEXTS.items():
        names = {*declared(None), *(declared(extra_of(path)))}
        here = {module for name in names for module in MODULES[name]}
        others = set(imported(ast.parse(text))) - sys.stdlib_module_names - {"stoker"} - here
        undeclared |= {(path, other) for other in others}
    assert not undeclared


@pytest.mark.parametrize("extra", [None, *dict.fromkeys(OWN.values())])
def test_what_is_declared_is_imported_by_what_needs_it(extra) -> None:
    parts = {extra, "server"} if extra == "mcp" else {extra}
    texts = [text for path, text in TEXTS.items() if extra is None or extra_of(path) in parts]
    for name in declared(extra):
        modules = "|".join(MODULES[name])
        used = re.compile(rf'(from|import) ({modules})\b|"({modules})"')  # or imported by its name
        assert any(used.search(text) for text in texts), name
