"""Which commands verify a project: found in its files, per sub-project, without running any."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from stoker.roadmaps.verify.ecosystems import ECOSYSTEMS, OUTERMOST, RUN_BY, pytest
from stoker.roadmaps.verify.project import SUFFIXES, Check, Project, found
from stoker.roadmaps.verify.protected import is_test

_MARKERS: Final = frozenset(
    (
        *("pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "tox.ini", "noxfile.py"),
        *("mypy.ini", ".mypy.ini", "pyrightconfig.json", "package.json", "tsconfig.json", "go.mod"),
        *("Cargo.toml", "pom.xml", "build.gradle", "build.gradle.kts", "Makefile", "makefile"),
        *("GNUmakefile", "justfile", ".justfile", "Justfile", "mise.toml", ".mise.toml"),
        *("Taskfile.yml", "Taskfile.yaml", "taskfile.yml", "AGENTS.md"),
        *("pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb", "gradlew", "mvnw"),
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
    projects = _projects(paths, texts)
    lists: list[list[Check]] = []
    covered: set[str] = set()
    for project in projects:
        whole = [*_instructed(project), *_runners(project)]
        parts = [
            one
            for name, ecosystem in ECOSYSTEMS.items()
            if name not in covered
            for one in ecosystem(project)
        ]
        tests = [one for one in parts if one.level == "tests"]
        lists += [[one] for one in parts if one.level != "tests"]
        if "all" in covered:
            continue
        if whole:
            # What the project says of itself comes before what is usual.
            lists.append([*whole, *tests])
        else:
            lists += _by_ecosystem(tests)
        if not project.directory:
            covered |= {one for one in OUTERMOST if any(c.runner in RUN_BY[one] for c in tests)}
            covered |= {"all"} if whole else set()
    if not lists and any(path.endswith(".py") and is_test(path) for path in paths):
        lists.append(pytest(""))
    return lists


def _by_ecosystem(tests: list[Check]) -> Iterator[list[Check]]:
    for names in RUN_BY.values():
        if some := [one for one in tests if one.runner in names]:
            yield some


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


_INSTRUCTION: Final = re.compile(
    r"(?:(?:uv|poetry|pdm|hatch|pipenv) run )?(?:python3? -m )?(?:pytest|unittest)\b"
    r"|(?:npm|pnpm|yarn|bun)(?: run)? test\b|node --test\b|go test\b|cargo (?:nextest run|test)\b"
    r"|make (?:test|check)\b|just test\b|mise run test\b|task test\b|(?:tox|nox)\b|dotnet test\b"
    r"|(?:mvn|\./mvnw) (?:test|verify)\b|(?:gradle|\./gradlew) (?:test|check)\b"
)
_LONGEST: Final = 500
_PARTIAL: Final = re.compile(r"[<>{}…]|::|\bpath/to\b|\.\.\.(?!$)|(?<!\S)-k\b|[\w/]+\.(py|ts|js)\b")


def _instructed(project: Project) -> Iterator[Check]:
    text = project.files.get("AGENTS.md", "")
    fenced = re.findall(r"^(?:```|~~~)[^\n]*\n(.*?)^(?:```|~~~)", text, re.M | re.S)
    lines = [line for block in fenced for line in block.splitlines()]
    for line in (*lines, *re.findall(r"`([^`\n]+)`", text)):
        words = line.strip().removeprefix("$ ").partition(" #")[0].strip()
        if len(words) > _LONGEST:
            continue
        if _INSTRUCTION.match(words) and not _PARTIAL.search(words.replace("./...", "")):
            yield found("tests", words, "AGENTS.md", project, _runner_of(words))
            return


def _runner_of(words: str) -> str:
    known = {"mvn": "maven", "./mvnw": "maven", "./gradlew": "gradle", "pnpm": "npm"}
    known |= {"yarn": "npm", "bun": "npm"}
    if word := re.search(r"\b(pytest|unittest)\b", words):
        return word[1]
    first = words.split(maxsplit=1)[0]
    return known.get(first, first)


def _runners(project: Project) -> Iterator[Check]:
    """Those that run whatever they are told to, for all that is beneath."""
    just = next(
        (project.files[n] for n in ("justfile", ".justfile", "Justfile") if project.has(n)), ""
    )
    if re.search(r"^@?test(?:\s[^:=\n]*)?:(?!=)", just, re.M):
        yield found("tests", "just test", "justfile", project, "just")
    mise = next((project.files[n] for n in ("mise.toml", ".mise.toml") if project.has(n)), "")
    if isinstance(_toml(mise).get("tasks"), dict) and "test" in _toml(mise)["tasks"]:
        yield found("tests", "mise run test", "mise.toml", project, "mise")
    for name in ("Taskfile.yml", "Taskfile.yaml", "taskfile.yml"):
        if re.search(r"^ +['\"]?test['\"]?:", project.files.get(name, ""), re.M):
            yield found("tests", "task test", name, project, "task")
    for name in ("GNUmakefile", "makefile", "Makefile"):
        target = re.search(r"^(test|check)\s*:(?!=)", project.files.get(name, ""), re.M)
        if target:
            yield found("tests", f"make {target[1]}", name, project, "make")


def _toml(text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
