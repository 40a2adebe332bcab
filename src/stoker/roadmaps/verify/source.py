"""Syntax and imports of changed files, for what they are written in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from stoker.roadmaps.evidence import Category, Fault, Level
from stoker.roadmaps.verify.checkout import Checkout, Tree
from stoker.roadmaps.verify.protected import is_test
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
    checkout: Checkout, tree: Tree, changed: Sequence[str], levels: Iterable[Level], runner: Runner
) -> tuple[list[Fault], list[str]]:
    """Faults of `tree`, which is in the runner's directory, as far as the `changed` files have to
    do with them, and notes on what could not be looked at. Paths in `changed` may be gone."""
    levels = set(levels)
    here = [path for path in changed if path in tree.entries and not path.startswith(_FOREIGN)]
    faults: list[Fault] = []
    notes: list[str] = []
    if "syntax" in levels:
        texts = await checkout.read(tree, (path for path in here if path.endswith(_DATA)))
        faults += (fault for path, text in texts.items() if (fault := data_fault(path, text)))
        faults += await _scripts([p for p in here if p.endswith(_SCRIPTS)], runner)
    if "imports" in levels:
        texts = await checkout.read(tree, (p for p in here if p.endswith((*_SCRIPTS, *_TYPED))))
        for path, text in texts.items():
            faults += unresolved(path, text.decode(errors="replace"), tree.entries)
    if any(path.endswith(".py") for path in changed):
        found, said = await _python(checkout, tree, changed, "imports" in levels, runner)
        faults += (f for f in found if "syntax" in levels or f.category != "syntax_error")
        notes += said
    return faults, notes


def data_fault(path: str, text: bytes) -> Fault | None:
    """What is wrong with a JSON, YAML or TOML file."""
    name = PurePosixPath(path).name
    line, why = 0, ""
    try:
        if name.endswith(".toml"):
            import tomllib

            tomllib.loads(text.decode())
        elif name.endswith(".json"):
            if not _COMMENTED.fullmatch(name):
                json.loads(text)
        elif b"{{" not in text:  # a template of YAML is none
            _yaml(text)
    except UnicodeDecodeError as error:
        why = f"not UTF-8: {error.reason} at byte {error.start}"
    except RecursionError:
        why = "nested too deep"
    except ValueError as error:
        why = str(error)
        line = getattr(error, "lineno", 0) or int((re.search(r"line (\d+)", why) or [0, 0])[1])
    return Fault(category="syntax_error", message=why[:500], path=path, line=line) if why else None


def _yaml(text: bytes) -> None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for _ in yaml.parse(text, Loader=loader):
            pass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" at line {mark.line + 1}" if mark else ""
        raise ValueError(f"{getattr(error, 'problem', None) or 'not YAML'}{at}") from error


async def _scripts(paths: list[str], runner: Runner) -> list[Fault]:
    faults = []
    for path in paths[:_MOST_SCRIPTS]:
        argv = ["node", "--check", f"./{path}"]
        ran = await runner.run(argv, cwd=runner.directory, env={}, seconds=_SECONDS)
        said = runner.redact(ran.output.decode(errors="replace"))
        if ran.exit_code and (found := re.search(r"^(\w*SyntaxError: .*)$", said, re.M)):
            line = re.search(r"^.*:(\d+)$", said, re.M)
            faults.append(
                Fault(
                    category="syntax_error",
                    message=found[1][:500],
                    path=path,
                    line=int(line[1]) if line else 0,
                )
            )
    return faults


async def _python(
    checkout: Checkout, tree: Tree, changed: Sequence[str], deep: bool, runner: Runner
) -> tuple[list[Fault], list[str]]:
    files = [
        path
        for path, entry in tree.entries.items()
        if path.endswith(".py") and entry.readable and not path.startswith(_FOREIGN)
    ]
    notes = []
    if deep and len(files) > _MOST_MODULES:
        deep = False
        notes.append(f"imports were not looked at: {len(files):,} Python files")
    order = {
        "root": runner.directory,
        "files": files,
        "changed": [path for path in changed if path.endswith(".py")],
        "roots": roots(files),
        "deep": deep,
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


def roots(files: Iterable[str]) -> list[str]:
    """Directories that Python would find the project's modules in, the top first."""
    packages = {path.rpartition("/")[0] for path in files if path.endswith("/__init__.py")}
    found = {"": None, "src": None}
    for path in files:
        folder = path.rpartition("/")[0]
        while folder in packages:
            folder = folder.rpartition("/")[0]
        if folder and (folder.endswith("src") or path.endswith("/__init__.py") or is_test(path)):
            found[folder] = None
    return list(found)


_IMPORT: Final = re.compile(
    r"""^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"](\.[^'"\n]*)['"]"""
    r"""|^\s*import\s*['"](\.[^'"\n]*)['"]"""
    r"""|(?<![\w.])(?:require|import)\(\s*['"](\.[^'"\n]*)['"]\s*\)""",
    re.MULTILINE,
)
_COMMENT: Final = re.compile(r"^\s*//[^\n]*|/\*.*?\*/", re.MULTILINE | re.DOTALL)
_ENDINGS: Final = (
    *("", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".mts", ".cts", ".d.ts", ".json", ".node"),
    *(".vue", ".svelte", "/index.js", "/index.mjs", "/index.cjs", "/index.jsx", "/index.ts"),
    *("/index.tsx", "/package.json"),
)


def unresolved(path: str, text: str, files: Iterable[str]) -> Iterator[Fault]:
    """Relative imports of a JavaScript or TypeScript file that lead to no file."""
    known = files if isinstance(files, dict) else set(files)
    blank = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for found in _IMPORT.finditer(blank):
        name = (found[1] or found[2] or found[3]).partition("?")[0]
        target = _joined(PurePosixPath(path).parent, name)
        if target is None:
            continue
        plain = re.sub(r"\.([cm]?)jsx?$", "", target)
        typed = [plain + ending for ending in (".ts", ".tsx", ".mts", ".cts", ".d.ts")]
        if any(target + ending in known for ending in _ENDINGS) or any(t in known for t in typed):
            continue
        line = blank.count("\n", 0, found.end()) + 1
        message = f"cannot find {name!r}, which it imports"
        yield Fault(category="import_error", message=message, path=path, line=line)


def _joined(folder: PurePosixPath, name: str) -> str | None:
    parts = list(folder.parts)
    for part in name.split("/"):
        if part == ".." and not parts:
            return None
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
