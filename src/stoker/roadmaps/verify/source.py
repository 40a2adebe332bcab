"""Syntax and imports of changed files, for what they are written in."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from stoker.roadmaps.context import imports
from stoker.roadmaps.evidence import Category, Fault
from stoker.roadmaps.verify.checkout import Checkout, Tree
from stoker.roadmaps.verify.protected import roots
from stoker.roadmaps.verify.runner import Runner

_SCRIPTS: Final = (".js", ".mjs", ".cjs")
_TYPED: Final = (".ts", ".tsx", ".mts", ".cts", ".jsx", ".vue", ".svelte")
_DATA: Final = (".json", ".yaml", ".yml", ".toml")
_COMMENTED: Final = re.compile(
    r"(ts|js)config.*\.json|.*\.(code-workspace|json5|jsonc)|\.\w+rc\.json"
)
_FOREIGN: Final = ("node_modules/", "vendor/", "third_party/", ".vscode/", ".devcontainer/")
_MOST_SCRIPTS: Final = 200
_MOST_MODULES: Final = 3_000
_SECONDS: Final = 120.0
_PROBE: Final = Path(__file__).with_name("python_probe.py")
_CATEGORIES: Final[dict[str, Category]] = {"syntax": "syntax_error", "import": "import_error"}
_DEPENDENCIES: Final = re.compile(
    r"pyproject\.toml|setup\.(py|cfg)|requirements.*\.(txt|in)|Pipfile"
)


async def check(
    checkout: Checkout, tree: Tree, changed: Sequence[str], runner: Runner
) -> tuple[list[Fault], list[str]]:
    """Faults of `tree`, which is in the runner's directory, as far as the `changed` files have to
    do with them, and notes on what could not be looked at. Paths in `changed` may be gone."""
    here = [path for path in changed if path in tree.entries and not path.startswith(_FOREIGN)]
    texts = await checkout.read(tree, (p for p in here if p.endswith((*_DATA, *_SCRIPTS, *_TYPED))))
    faults: list[Fault] = []
    for path, text in texts.items():
        if not path.endswith(_DATA):
            faults += unresolved(path, text.decode(errors="replace"), tree.entries)
        elif fault := data_fault(path, text):
            faults.append(fault)
    faults += await _scripts([path for path in here if path.endswith(_SCRIPTS)], runner)
    if not any(path.endswith(".py") for path in changed):
        return faults, []
    found, notes = await _python(checkout, tree, changed, runner)
    return [*faults, *found], notes


def data_fault(path: str, text: bytes) -> Fault | None:
    """What is wrong with a JSON, YAML or TOML file."""
    import tomllib

    import yaml

    try:
        if path.endswith(".toml"):
            tomllib.loads(text.decode())
        elif path.endswith(".json"):
            if not _COMMENTED.fullmatch(PurePosixPath(path).name):
                json.loads(text)
        elif b"{{" not in text:  # a template of YAML is none
            for _ in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                pass
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        why = str(getattr(error, "problem", None) or error)
        mark = getattr(error, "problem_mark", None)
        said = int((re.search(r"line (\d+)", why) or [0, 0])[1])
        line = mark.line + 1 if mark else getattr(error, "lineno", said)
        return Fault(category="syntax_error", message=why[:500], path=path, line=line)
    return None


async def _scripts(paths: list[str], runner: Runner) -> list[Fault]:
    faults = []
    for path in paths[:_MOST_SCRIPTS]:
        argv = ["node", "--check", f"./{path}"]
        ran = await runner.run(argv, cwd=runner.directory, env={}, seconds=_SECONDS)
        said = runner.redact(ran.output.decode(errors="replace"))
        if ran.exit_code and (found := re.search(r"^(\w*SyntaxError: .*)$", said, re.M)):
            line = int((re.search(r"^.*:(\d+)$", said, re.M) or [0, 0])[1])
            message = found[1][:500]
            faults.append(Fault(category="syntax_error", message=message, path=path, line=line))
    return faults


async def _python(
    checkout: Checkout, tree: Tree, changed: Sequence[str], runner: Runner
) -> tuple[list[Fault], list[str]]:
    files = [
        path
        for path, entry in tree.entries.items()
        if path.endswith(".py") and entry.readable and not path.startswith(_FOREIGN)
    ]
    notes = []
    if len(files) > _MOST_MODULES:
        notes.append(f"imports were not looked at: {len(files):,} Python files")
    order = {
        "root": runner.directory,
        "files": files,
        "changed": [path for path in changed if path.endswith(".py")],
        "roots": roots(files),
        "deep": len(files) <= _MOST_MODULES,
    }
    given = _given(runner.scratch, order)
    script = 'command -v python >/dev/null && exec python "$@"; exec python3 "$@"'
    argv = ["sh", "-c", script, "sh", "-I", "-c", _PROBE.read_text(), given]
    ran = await runner.run(argv, cwd=runner.directory, env={}, seconds=_SECONDS)
    try:
        answer = json.loads(ran.output.decode().rstrip().rpartition("\n")[2])
    except ValueError:
        notes.append("Python's syntax and imports were not looked at: no Python could be run")
        return [], notes
    declared = await _declared(checkout, tree)
    paid = any(_DEPENDENCIES.fullmatch(PurePosixPath(path).name) for path in changed)
    faults = []
    for kind, path, line, message in answer:
        outside = re.fullmatch(r"no module named '(\w+)'", message)
        if outside and (paid or outside[1].lower().replace("_", "-") in declared):
            notes.append(f"{path}:{line}: {message} here; it may be a dependency to be installed")
            continue
        faults.append(Fault(category=_CATEGORIES[kind], message=message, path=path, line=line))
    return faults, notes


def _given(scratch: str, order: dict[str, object]) -> str:
    """A file that says it; what may be in its place is a command's, and is not followed."""
    path = Path(scratch, "probe.json")
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(order))
    return str(path)


async def _declared(checkout: Checkout, tree: Tree) -> set[str]:
    """Words of the files that dependencies are declared in."""
    named = [p for p in tree.entries if _DEPENDENCIES.fullmatch(PurePosixPath(p).name)]
    texts = await checkout.read(tree, named)
    words = (word for text in texts.values() for word in re.findall(rb"[\w.-]+", text))
    return {word.decode().lower().replace("_", "-") for word in words}


_IMPORT: Final = re.compile(
    r"""^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"](\.[^'"\n]*)['"]"""
    r"""|^\s*import\s*['"](\.[^'"\n]*)['"]"""
    r"""|(?<![\w.])(?:require|import)\(\s*['"](\.[^'"\n]*)['"]\s*\)""",
    re.MULTILINE,
)
_COMMENT: Final = re.compile(r"^\s*//[^\n]*|/\*.*?\*/", re.MULTILINE | re.DOTALL)
_LIKE_SCRIPTS: Final = re.compile(r"(?<=/)package\.json$|(?<=\.)(?:json|node|vue|svelte)$")


def unresolved(path: str, text: str, files: Collection[str]) -> Iterator[Fault]:
    """Relative imports of a JavaScript or TypeScript file that lead to no file."""
    blank = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    wanted = list(_IMPORT.finditer(blank))
    known = {key for one in files for key in _keys(one)} if wanted else set()
    for found in wanted:
        name = next(filter(None, found.groups())).partition("?")[0]
        ((key, _),) = imports.requires(path, "typescript", name)
        exact = os.path.normpath(os.path.join(os.path.dirname(path), name))  # noqa: PTH118, PTH120
        if exact in files or exact.startswith("..") or key in known:
            continue
        line = blank.count("\n", 0, found.end()) + 1
        message = f"cannot find {name!r}, which it imports"
        yield Fault(category="import_error", message=message, path=path, line=line)


def _keys(path: str) -> tuple[str, ...]:
    """By which scripts may import a file."""
    kind = _LIKE_SCRIPTS.search(path)
    if kind:
        path = path[: kind.start()] + ("index.js" if kind[0] == "package.json" else "js")
    return imports.provides(path, "typescript", "")
