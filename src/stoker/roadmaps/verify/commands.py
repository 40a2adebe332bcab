"""Which commands verify a project: found in its files, per sub-project, without running any."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from stoker.roadmaps.instructions import commands as instructed
from stoker.roadmaps.verify.ecosystems import ECOSYSTEMS, OUTERMOST
from stoker.roadmaps.verify.project import SUFFIXES, Check, Project
from stoker.roadmaps.verify.protected import is_test

_JUST: Final = ("justfile", ".justfile", "Justfile")
_MISE: Final = ("mise.toml", ".mise.toml")
_TASK: Final = ("Taskfile.yml", "Taskfile.yaml", "taskfile.yml")
_MAKE: Final = ("GNUmakefile", "makefile", "Makefile")
_MARKERS: Final = frozenset(
    (
        *("pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "tox.ini", "noxfile.py"),
        *("mypy.ini", ".mypy.ini", "pyrightconfig.json", "package.json", "tsconfig.json", "go.mod"),
        *("Cargo.toml", "pom.xml", "build.gradle", "build.gradle.kts", "AGENTS.md"),
        *("pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb", "gradlew", "mvnw"),
        *(*_JUST, *_MISE, *_TASK, *_MAKE),
    )
)
_FOREIGN: Final = frozenset(
    (
        *("node_modules", "vendor", "third_party", "testdata", "fixtures", "examples", "templates"),
        *(".venv", "venv", "dist", "build", "target"),
    )
)
_DEEPEST: Final = 4
_MOST: Final = 16
"""Sub-projects."""


def interesting(paths: Iterable[str]) -> list[str]:
    """The files whose contents `detect` wants."""
    return [path for path in paths if _is_marker(path)]


def detect(paths: Iterable[str], texts: Mapping[str, bytes]) -> list[list[Check]]:
    """What to run for the project: of each list the first that can be run and that runs
    something. `paths`: all files there are; `texts`: contents of those that are `interesting`."""
    paths = list(paths)
    lists: list[list[Check]] = []
    covered = set()
    whole_runs_all = False
    for project in _projects(paths, texts):
        usual = []
        for ecosystem in ECOSYSTEMS:
            if ecosystem in covered:
                continue
            found = list(ecosystem(project))
            lists += [[one] for one in found if one.level != "tests"]
            if tests := [one for one in found if one.level == "tests"]:
                usual.append(tests)
                if not project.directory and ecosystem in OUTERMOST:
                    covered.add(ecosystem)
        if whole_runs_all:
            continue
        if whole := list(_declared(project)):
            lists.append([*whole, *itertools.chain(*usual)])
            whole_runs_all = not project.directory
        else:
            lists += usual
    return lists


def _is_marker(path: str) -> bool:
    *folders, name = path.split("/")
    if name not in _MARKERS and not name.endswith(SUFFIXES):
        return False
    return len(folders) < _DEEPEST and _FOREIGN.isdisjoint(folders) and not is_test(path)


def _projects(paths: list[str], texts: Mapping[str, bytes]) -> list[Project]:
    folders: dict[str, dict[str, str]] = {"": {}}
    for path in interesting(paths):
        folder, _, name = path.rpartition("/")
        content = texts.get(path, b"").decode(errors="replace")
        folders.setdefault(folder, {})[name] = content
    made = []
    for folder in sorted(folders, key=lambda one: (one.count("/") + bool(one), one))[:_MOST]:
        prefix = f"{folder}/" if folder else ""
        tests = any(p.startswith(prefix) and p.endswith(".py") and is_test(p) for p in paths)
        made.append(Project(folder, folders[folder], tests))
    return made


_RUN_BY: Final = {
    **{"mvn": "maven", "./mvnw": "maven", "./gradlew": "gradle"},
    **{"pnpm": "npm", "yarn": "npm", "bun": "npm"},
}


def _runner_of(words: str) -> str:
    if word := re.search(r"\b(pytest|unittest)\b", words):
        return word[1]
    first = words.split(maxsplit=1)[0]
    return _RUN_BY.get(first, first)


def _declared(project: Project) -> Iterator[Check]:
    """What it says of itself, for all that is beneath."""
    for words in instructed(project.first("AGENTS.md"))[:1]:
        yield project.check("tests", words, "AGENTS.md", _runner_of(words))
    if re.search(r"^@?test(?:\s[^:=\n]*)?:(?!=)", project.first(*_JUST), re.M):
        yield project.check("tests", "just test", "justfile")
    tasks = _toml(project.first(*_MISE)).get("tasks")
    if isinstance(tasks, dict) and "test" in tasks:
        yield project.check("tests", "mise run test", "mise.toml")
    if re.search(r"^ +['\"]?test['\"]?:", project.first(*_TASK), re.M):
        yield project.check("tests", "task test", "Taskfile")
    if target := re.search(r"^(test|check)\s*:(?!=)", project.first(*_MAKE), re.M):
        yield project.check("tests", f"make {target[1]}", "Makefile")


def _toml(text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
