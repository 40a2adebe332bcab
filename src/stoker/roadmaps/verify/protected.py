"""What verification itself rests on: tests, and the configuration of what runs them.

The tree that is verified has them as they were at the base. Those that are only added stay;
but not configuration that would hold for tests that were there before.
"""

from __future__ import annotations

import configparser
import io
import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, Final

from stoker.roadmaps.context import languages
from stoker.roadmaps.verify.checkout import Checkout, Entry, Tree
from stoker.roadmaps.verify.work import Work
from stoker.workspace.model import FileDiff

_CONFIG_NAMES: Final = re.compile(
    r"conftest\.py|\.?pytest\.(ini|toml)|tox\.(ini|toml)|noxfile\.py|\.coveragerc"
    r"|(jest|vitest|playwright|cypress|ava|karma|wtr|web-test-runner)\.(config|conf|workspace)\..*"
    r"|\.mocharc\..*|\.?justfile|GNUmakefile|[Mm]akefile|[Tt]askfile\.ya?ml|\.?mise\.toml"
    r"|\.npmrc|\.yarnrc(\.yml)?|bunfig\.toml|AGENTS\.md|CLAUDE\.md|GEMINI\.md|\.gitlab-ci\.yml|azure-pipelines\.yml|Jenkinsfile",
    re.IGNORECASE,
)
_CONFIG_PLACES: Final = (".github/workflows/*", ".circleci/*", ".mise/*", ".config/nextest.toml")
_HOOKS: Final = re.compile(r"(site|user)customize\.py|.*\.pth")
"""What Python runs before anything else."""
_INSTALLED: Final = re.compile(r"(.*/)?(node_modules|\.?venv|\.tox|\.nox)/.*")
"""Programs are taken from there before those of the system."""
_RUNNERS: Final = re.compile(
    r"pytest|_pytest|py|pluggy|iniconfig|packaging|exceptiongroup|tomli|pygments|colorama|xdist"
    r"|execnet|coverage|hypothesis|anyio|attrs?|typing_extensions|tox|nox|virtualenv|mypy"
    r"|_?(pytest|hypothesis)_\w+"
)
"""Modules of what runs tests of Python."""
_STANDARD: Final = sys.stdlib_module_names - {"test"}  # which is Python's own tests
_RUN_IN: Final = ("pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "tox.ini")
_MODULE: Final = re.compile(
    r"(?:(.*)/)?((?!__init__\.)\w+)(?:/__init__)?\.(?:py|pyc|(?:[\w-]+\.)?so)"
)
_SCRIPTS: Final = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte")
_SECTIONS: Final[dict[str, str | tuple[str, ...]]] = {
    "pyproject.toml": ".py",
    "setup.cfg": ".py",
    "package.json": _SCRIPTS,
}
"""Files of which only a part configures tests: those of what is written in files that end so."""
_TEST_SCRIPT: Final = re.compile(r"(pre|post)?tests?([:-].*)?")


def is_test(path: str) -> bool:
    """Tests, and whatever lies with them."""
    return languages.is_test(path) and not is_config(path)


def is_config(path: str) -> bool:
    """Configuration of what runs tests, and nothing else in it."""
    name = PurePosixPath(path).name
    return (
        _CONFIG_NAMES.fullmatch(name) is not None
        or is_hook(path)
        or any(fnmatchcase(path, place) for place in _CONFIG_PLACES)
    )


def is_hook(path: str) -> bool:
    """What is run before anything that is tested."""
    return _HOOKS.fullmatch(PurePosixPath(path).name) is not None


def is_installed(path: str) -> bool:
    """What was installed, and not written, and may hold what runs the tests."""
    found = _INSTALLED.fullmatch(path)
    return found is not None and not languages.is_test(found[1] or "")


def shadows(path: str, tree: Tree, base: Tree, promised: Collection[str]) -> bool:
    """A new module that Python finds in the place of one of what runs the tests, or of its own
    library, which that may come to import. A name of the library's that the plan itself gives to a
    file is meant."""
    found = _MODULE.fullmatch(path)
    if found is None:
        return False
    folder, name = found[1] or "", found[2]
    prefix = f"{folder}/" if folder else ""
    if any(one in base.entries for one in (f"{prefix}{name}.py", f"{prefix}{name}/__init__.py")):
        return False
    # Where commands are run is looked in whatever it is else.
    outer = any(f"{prefix}{one}" in tree.entries for one in _RUN_IN) or folder in ("", "src")
    if _RUNNERS.fullmatch(name):
        return outer or f"{prefix}__init__.py" not in tree.entries
    if name not in _STANDARD or any(p.startswith((path, f"{prefix}{name}/")) for p in promised):
        return False
    return outer or folder in roots([one for one in tree.entries if one.endswith(".py")])


def roots(files: Collection[str]) -> list[str]:
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


def has_section(path: str) -> bool:
    """Of which a part is such configuration."""
    return PurePosixPath(path).name in _SECTIONS


def judges(path: str) -> bool:
    """By which a task's work is judged, and not a part of what is judged."""
    return is_test(path) or is_config(path) or is_installed(path)


def matches(path: str, patterns: Iterable[str]) -> bool:
    """A directory stands for all in it; a file of just this name, as `[id].tsx`, is meant, too."""
    return any(
        fnmatchcase(path, pattern)
        or fnmatchcase(path, pattern.rstrip("/") + "/*")
        or f"{path}/".startswith(pattern.rstrip("/") + "/")
        for pattern in patterns
    )


async def restored(
    checkout: Checkout, base: Tree, tree: Tree, diff: Iterable[FileDiff], work: Work
) -> tuple[Tree, tuple[str, ...]]:
    """`tree` with what is protected as in `base`, and the paths that the task has changed of it,
    restored or not worth it (comments, say)."""
    if work.tests_free:
        return tree, ()
    tests = [path for path in base.entries if is_test(path)]
    changes: dict[str, Entry | None] = {}
    touched: list[str] = []
    for one in diff:
        old, new = one.old_path, one.new_path
        if old is not None and (is_test(old) or is_config(old) or is_installed(old)):
            changes[old] = base.entries[old]
            touched.append(old)
            if new is not None and new != old and one.change == "renamed":
                changes[new] = None  # there would be two of it
        if new is None:
            continue
        if new not in base.entries and (
            is_hook(new)
            or is_installed(new)
            or (is_config(new) and _governs(new, tests))
            or shadows(new, tree, base, work.files)
        ):
            changes[new] = None
            touched.append(new)
        elif has_section(new) and _governs(new, (p for p in tests if p.endswith(_language(new)))):
            before = await checkout.read(base, (new,))
            now = await checkout.read(tree, (new,))
            data = section_restored(new, before.get(new), now.get(new, b""))
            if data is not None:
                changes[new] = await checkout.entry(data, tree.entries[new].mode)
                touched.append(new)
    return await checkout.edited(tree, changes), tuple(dict.fromkeys(touched))


def _language(section: str) -> str | tuple[str, ...]:
    return _SECTIONS[PurePosixPath(section).name]


def _governs(config: str, tests: Iterable[str]) -> bool:
    folder = str(PurePosixPath(config).parent)
    return (folder == "." and any(tests)) or any(test.startswith(f"{folder}/") for test in tests)


def section_restored(path: str, before: bytes | None, now: bytes) -> bytes | None:
    """`now` with the part that configures tests as `before`; None: it is no other. All of a
    `pyproject.toml` is as before where tomlkit is not installed, which comes with an extra."""
    name = PurePosixPath(path).name
    read: Callable[[str], Any] = {"pyproject.toml": _toml, "setup.cfg": _cfg}.get(
        name, lambda text: json.loads(text or "{}")
    )
    try:
        old, new = read((before or b"").decode()), read(now.decode())
        changed = False
        for *above, key in _places(name, old, new):
            was, there = old, new
            for one in above:
                was, there = was.get(one, {}), there.setdefault(one, {})
            was = was.get(key)
            # By what others than tests are configured, too, may be added.
            if was == there.get(key) or (was is None and key in ("tox", "nox", "poe", "hatch")):
                continue
            changed = True
            if was is None:
                del there[key]
            else:
                there[key] = was
    except Exception:  # whatever was written there: a file that nobody can read configures nothing
        return before or b""
    if not changed:
        return None
    if name == "setup.cfg":
        parser, text = configparser.RawConfigParser(strict=False), io.StringIO()
        parser.read_dict(new)
        parser.write(text)
        return text.getvalue().encode()
    return (new.as_string() if name == "pyproject.toml" else json.dumps(new, indent=2)).encode()


def _places(name: str, *both: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Where tests are configured."""
    if name == "pyproject.toml":
        yield from (("tool", one) for one in ("pytest", "tox", "nox", "coverage", "poe", "hatch"))
    elif name == "setup.cfg":
        yield from ((one,) for one in ("tool:pytest", "tox:tox", "coverage:run", "coverage:report"))
    else:
        yield from ((one,) for one in ("jest", "vitest", "mocha", "ava", "nyc", "c8"))
        scripts = {script for one in both for script in one.get("scripts", ())}
        yield from (("scripts", one) for one in sorted(scripts) if _TEST_SCRIPT.fullmatch(one))


def _toml(text: str) -> Any:
    import tomlkit

    return tomlkit.parse(text)


def _cfg(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    return {section: dict(parser[section]) for section in parser.sections()}
