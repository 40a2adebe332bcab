"""Run by the project's own Python, confined, as `python -I -c`: what is wrong with the syntax
and the imports of its files. Standard library only; it imports nothing of the project, but for
modules that import each other, each in a process of its own, to see whether that fails.

Argument: a JSON file, see `main`. Prints JSON: `[kind, path, line, message]` lists.
"""

# What it prints is read, and paths are text in what it reads.
# ruff: noqa: PTH100, PTH110, PTH112, PTH118, PTH120, PTH123, T201, PLC0207

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

CYCLE = "import sys, importlib; sys.path[:0] = sys.argv[2:]; importlib.import_module(sys.argv[1])"
CYCLES = 5
SECONDS = 20


def main(order: dict[str, Any]) -> list[list[Any]]:
    """`root`: directory; `files`: all Python files in it; `changed`: some of them, or none of them
    any more; `roots`: directories that modules are found in; `deep`: imports, too."""
    os.chdir(order["root"])
    warnings.simplefilter("ignore")
    found: list[list[Any]] = []
    trees: dict[str, ast.Module] = {}
    changed = set(order["changed"])
    for path in order["files"] if order["deep"] else sorted(changed & set(order["files"])):
        try:
            with open(path, "rb") as file:
                trees[path] = ast.parse(file.read(), path)
            if path in changed:
                compile(trees[path], path, "exec", dont_inherit=True)
        except SyntaxError as error:
            if path in changed:
                found.append(["syntax", path, error.lineno or 0, error.msg or "not Python"])
        except (ValueError, RecursionError, MemoryError, OSError) as error:
            if path in changed and not isinstance(error, OSError):
                found.append(["syntax", path, 0, str(error) or type(error).__name__])
    if order["deep"]:
        found += Modules(order, trees).problems(changed)
    return found


class Modules:
    """The project's modules by name, and what they import."""

    def __init__(self, order: dict[str, Any], trees: dict[str, ast.Module]) -> None:
        self.trees = trees
        self.roots: list[str] = order["roots"]
        self.paths: dict[str, str] = {}
        self.packages: set[str] = set()
        self.bound: dict[str, set[str] | None] = {}
        for path in order["files"]:
            for root in self.roots:
                prefix = root + "/" if root else ""
                if not path.startswith(prefix):
                    continue
                parts = path[len(prefix) : -3].split("/")
                if parts[-1] == "__init__":
                    parts.pop()
                self.packages.update(".".join(parts[:n]) for n in range(1, len(parts)))
                self.paths.setdefault(".".join(parts), path)
        self.names: dict[str, str] = {}
        for name, path in self.paths.items():
            known = self.names.setdefault(path, name)
            if len(name) < len(known):  # below the innermost root
                self.names[path] = name

    def problems(self, changed: set[str]) -> Iterator[list[Any]]:
        """Imports that lead nowhere, and circles that fail."""
        edges: dict[str, set[str]] = {}
        concerned = {self.names[path] for path in changed if path in self.names}
        gone = {path for path in changed if path not in self.trees}
        for path, tree in self.trees.items():
            own = path in changed
            targets = edges.setdefault(self.names.get(path, path), set())
            for node, lazy, guarded in imports(tree.body):
                for base, name in self.wanted(path, node):
                    target = base + "." + name if name and self.known(base + "." + name) else base
                    if not lazy:
                        targets.add(target)
                    touched = own or base in concerned or self.was(base, gone)
                    if touched and not guarded:
                        message = self.missing(path, base, name)
                        if message:
                            yield ["import", path, node.lineno, message]
        yield from self.circles(edges, concerned)

    def known(self, name: str) -> bool:
        return name in self.paths or name in self.packages

    def was(self, name: str, gone: set[str]) -> bool:
        ending = name.replace(".", "/")
        return any(
            p in (ending + ".py", ending + "/__init__.py") or p.endswith("/" + ending + ".py")
            for p in gone
        )

    def wanted(self, path: str, node: ast.Import | ast.ImportFrom) -> list[tuple[str, str | None]]:
        """`(module, name or None)` of an import statement, absolute."""
        if isinstance(node, ast.Import):
            return [(alias.name, None) for alias in node.names]
        base = node.module or ""
        if node.level:
            parts = self.names.get(path, "").split(".")
            if not path.endswith("/__init__.py") and path != "__init__.py":
                parts = parts[:-1]
            parts = parts[: len(parts) - node.level + 1]
            base = ".".join([*parts, *([base] if base else [])])
        if not base:
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
        names = self.defined(self.paths[base])
        if names is None or name in names:
            return None
        return f"cannot import name {name!r} from {base!r}"

    def defined(self, path: str) -> set[str] | None:
        """The names a module has; None: that cannot be told."""
        if path not in self.bound:
            tree = self.trees.get(path)
            self.bound[path] = None if tree is None else bindings(tree)
        return self.bound[path]

    def circles(self, edges: dict[str, set[str]], concerned: set[str]) -> Iterator[list[Any]]:
        tried = 0
        for name in sorted(concerned):
            circle = way(edges, name)
            if circle is None:
                continue
            tried += 1
            if tried > CYCLES:
                return
            for member in circle:
                said = imported(member, self.roots)
                if "circular import" in said or "partially initialized" in said:
                    shown = " -> ".join([*circle, circle[0]])
                    yield ["import", self.paths.get(name, name), 1, "circular import: " + shown]
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


def bindings(tree: ast.Module) -> set[str] | None:
    """Names bound at the top of a module; None: it makes them in other ways."""
    names = {"__name__", "__file__", "__doc__", "__path__", "__spec__", "__package__", "__loader__"}
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name == "__getattr__":
                return None
            names.add(node.name)
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if alias.name == "*":
                    return None
                names.add(alias.asname or alias.name.split(".")[0])
        elif isinstance(node, ast.Name):
            if node.id in ("globals", "exec", "vars", "setattr", "modules"):
                return None
            if isinstance(node.ctx, ast.Store):
                names.add(node.id)
        elif isinstance(node, ast.Attribute) and node.attr == "modules":
            return None
        elif type(node).__name__ == "TypeAlias":
            names.add(node.name.id)  # type: ignore[attr-defined]
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
        pending.extend(ast.iter_child_nodes(node))
    return names


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
