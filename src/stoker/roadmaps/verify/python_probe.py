"""Run by the project's own Python, confined, as `python -I -c`: what is wrong with the syntax
and the imports of its files. Standard library only; it imports nothing of the project, but for
modules that import each other, each in a process of its own, to see whether that fails.

Argument: a JSON file, see `main`. Prints JSON: `[kind, path, line, message]` lists.
"""

# What it prints is read, and paths are text in what it reads.
# ruff: noqa: PTH100, PTH110, PTH112, PTH118, PTH119, PTH120, PTH123, T201, PLC0207, UP033

from __future__ import annotations

import ast
import functools
import importlib.util
import json
import os
import re
import subprocess
import symtable
import sys
import warnings
from collections.abc import Iterator
from typing import Any

CYCLE = "import sys, importlib; sys.path[:0] = sys.argv[2:]; importlib.import_module(sys.argv[1])"
CYCLES = 5
SECONDS = 20
ANY = re.compile(rb"import\s*\(?\s*\*|\.modules\b|\bglobals\s*\(")
MADE = {"__getattr__", "exec", "vars", "setattr"}
"""A module that has to do with these may have any names."""


def main(order: dict[str, Any]) -> list[list[Any]]:
    """`root`: directory; `files`: all Python files in it; `changed`: some of them, or none of them
    any more; `roots`: directories that modules are found in; `deep`: imports, too."""
    os.chdir(order["root"])
    warnings.simplefilter("ignore")
    found: list[list[Any]] = []
    sources: dict[str, bytes] = {}
    trees: dict[str, ast.Module] = {}
    changed = set(order["changed"])
    for path in order["files"] if order["deep"] else sorted(changed & set(order["files"])):
        try:
            with open(path, "rb") as file:
                sources[path] = file.read()
            trees[path] = ast.parse(sources[path], path)
            if path in changed:
                compile(trees[path], path, "exec", dont_inherit=True)
        except OSError:
            continue
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if path in changed:
                line = getattr(error, "lineno", 0) or 0
                message = getattr(error, "msg", "") or str(error) or type(error).__name__
                found.append(["syntax", path, line, message])
    if order["deep"]:
        found += Modules(order, sources, trees).problems(changed)
    return found


def names_of(path: str, roots: list[str]) -> Iterator[str]:
    """What a file may be imported as."""
    for root in roots:
        prefix = root + "/" if root else ""
        if path.startswith(prefix):
            yield re.sub(r"(^|\.)__init__$", "", path[len(prefix) : -3].replace("/", "."))


class Modules:
    """The project's modules by name, and what they import."""

    def __init__(
        self, order: dict[str, Any], sources: dict[str, bytes], trees: dict[str, ast.Module]
    ) -> None:
        self.sources, self.trees = sources, trees
        self.roots: list[str] = order["roots"]
        self.paths: dict[str, str] = {}
        self.names: dict[str, str] = {}
        for path in (*order["files"], *order["changed"]):
            names = list(names_of(path, self.roots))
            if names:  # the project's Python may be an old one
                self.names[path] = min(names, key=len)  # below the innermost root
        for path in order["files"]:
            for name in names_of(path, self.roots):
                self.paths.setdefault(name, path)
        parts = (name.split(".") for name in self.paths)
        self.packages = {".".join(one[:n]) for one in parts for n in range(1, len(one))}

    def problems(self, changed: set[str]) -> Iterator[list[Any]]:
        """Imports that lead nowhere, and circles that fail."""
        edges: dict[str, set[str]] = {}
        concerned = {name for path in changed for name in names_of(path, self.roots)}
        for path, tree in self.trees.items():
            targets = edges.setdefault(self.names.get(path, path), set())
            for node, lazy, guarded in imports(tree.body):
                for base, name in self.wanted(path, node):
                    target = base + "." + name if name and self.known(base + "." + name) else base
                    if not lazy:
                        targets.add(target)
                    if not guarded and (path in changed or base in concerned):
                        message = self.missing(path, base, name)
                        if message:
                            yield ["import", path, node.lineno, message]
        yield from self.circles(edges, sorted(self.names[p] for p in changed if p in self.names))

    def known(self, name: str) -> bool:
        return name in self.paths or name in self.packages

    def wanted(self, path: str, node: ast.Import | ast.ImportFrom) -> list[tuple[str, str | None]]:
        """`(module, name or None)` of an import statement, absolute."""
        if isinstance(node, ast.Import):
            return [(alias.name, None) for alias in node.names]
        package = self.names.get(path, "")
        if os.path.basename(path) != "__init__.py":
            package = package.rpartition(".")[0]
        try:
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        except ImportError:
            return []
        return [(base, None if alias.name == "*" else alias.name) for alias in node.names]

    def missing(self, path: str, base: str, name: str | None) -> str | None:
        """Why an import would fail; None: it would not, as far as can be seen."""
        top = base.split(".")[0]
        if not self.known(top):
            beside = os.path.dirname(path)
            if os.path.exists(os.path.join(beside, top + ".py")):
                return None
            if os.path.isdir(os.path.join(beside, top)) or available(top):
                return None
            return f"no module named {top!r}"
        if not self.known(base):
            # A distribution may share its first name with others, or be made when it is built.
            return None if available(base) else f"no module named {base!r}"
        if name is None or self.known(base + "." + name) or base not in self.paths:
            return None
        path = self.paths[base]
        names = bindings(self.sources[path]) if path in self.trees else None
        return None if not names or name in names else f"cannot import name {name!r} from {base!r}"

    def circles(self, edges: dict[str, set[str]], concerned: list[str]) -> Iterator[list[Any]]:
        for circle in [one for one in (way(edges, name) for name in concerned) if one][:CYCLES]:
            for member in circle:
                said = imported(member, self.roots)
                if "circular import" in said or "partially initialized" in said:
                    shown = " -> ".join([*circle, circle[0]])
                    path = self.paths.get(circle[0], circle[0])
                    yield ["import", path, 1, "circular import: " + shown]
                    return


def imports(
    body: list[ast.stmt], lazy: bool = False, guarded: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    """Import statements with `(node, not run at once, failure is provided for)`."""
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, lazy, guarded
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from imports(node.body, True, guarded)
        elif isinstance(node, ast.Try):
            caught = any(catches(handler.type) for handler in node.handlers)
            yield from imports(node.body, lazy, guarded or caught)
            for handler in node.handlers:
                yield from imports(handler.body, lazy, guarded or caught)
            yield from imports([*node.orelse, *node.finalbody], lazy, guarded)
        elif isinstance(node, ast.If):
            typing = "TYPE_CHECKING" in ast.dump(node.test)
            version = "version_info" in ast.dump(node.test) or "platform" in ast.dump(node.test)
            yield from imports(node.body, lazy or typing, guarded or version)
            yield from imports(node.orelse, lazy, guarded or version)
        else:
            inner = [n for field in ("body", "orelse") for n in getattr(node, field, [])]
            if inner and isinstance(inner[0], ast.stmt):
                yield from imports(inner, lazy, guarded)


def catches(handler: ast.expr | None) -> bool:
    if handler is None:
        return True
    text = ast.dump(handler)
    return any(one in text for one in ("ImportError", "ModuleNotFoundError", "'Exception'"))


@functools.lru_cache(maxsize=None)
def bindings(source: bytes) -> set[str] | None:
    """Names bound at the top of a module; None: it makes them in other ways."""
    try:
        symbols = symtable.symtable(source, "module", "exec").get_symbols()  # type: ignore[arg-type]
    except (SyntaxError, TypeError):  # of an old Python, which takes no bytes
        return None
    if ANY.search(source) or not MADE.isdisjoint(one.get_name() for one in symbols):
        return None
    names = {"__name__", "__file__", "__doc__", "__path__", "__spec__", "__package__", "__loader__"}
    bound = (s for s in symbols if s.is_assigned() or s.is_imported() or s.is_annotated())
    return names.union(one.get_name() for one in bound)


def way(edges: dict[str, set[str]], start: str) -> list[str] | None:
    """A circle of modules through `start`; None: there is none."""
    before: dict[str, str] = {}
    pending = [start]
    while pending:
        here = pending.pop(0)
        for target in sorted(edges.get(here, ())):
            if target == start:
                circle = [here]
                while circle[-1] != start:
                    circle.append(before[circle[-1]])
                return circle[::-1]
            if target in edges and target not in before:
                before[target] = here
                pending.append(target)
    return None


def available(name: str) -> bool:
    """Whether this Python has such a module, without running any."""
    top = name.split(".")[0]
    if top in sys.builtin_module_names or top in getattr(sys, "stdlib_module_names", ()):
        return True
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def imported(name: str, roots: list[str]) -> str:
    """What Python says when it imports a module."""
    paths = [os.path.abspath(root) for root in roots]
    try:
        done = subprocess.run(
            [sys.executable, "-c", CYCLE, name, *paths],
            capture_output=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stderr[-20000:].decode(errors="replace")


with open(sys.argv[1], "rb") as given:
    answer = main(json.load(given))
print("\n" + json.dumps(answer))
