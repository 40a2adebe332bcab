"""What a project is, at a glance: its languages, where it begins, what its manifests say."""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from stoker.roadmaps.context.languages import NOT_CODE
from stoker.roadmaps.context.reading import Checkout

_ENTRY: Final = re.compile(
    r"(?:^|/)(?:__main__|manage|wsgi|asgi)\.py$|^(?:src/)?(?:main|app|cli)\.py$"
    r"|(?:^|/)(?:src/)?main\.(?:rs|go)$|^(?:src/)?(?:index|main|server|app)\.[cm]?[jt]sx?$"
    r"|(?:^|/)(?:Main|Application)\.java$"
)
_ENTRIES: Final = frozenset(
    ("__main__", "manage", "wsgi", "asgi", "main", "app", "cli", "index", "server", "Main")
) | {"Application"}
"""What the names of such files begin with."""
_NAMES: Final = (
    "pyproject.toml package.json go.mod Cargo.toml Makefile justfile Taskfile.yml tox.ini "
    "noxfile.py pom.xml build.gradle build.gradle.kts requirements.txt setup.py setup.cfg "
    "pytest.ini mise.toml"
)
_MANIFESTS: Final = frozenset(_NAMES.split())
_TARGET: Final = re.compile(r"^([A-Za-z][\w-]*)[ \t]*(?:[^:=\n]*)?:(?!=)", re.MULTILINE)
_TESTING: Final = re.compile(r"test|check|lint|typecheck|build", re.I)
_FACTS: Final = 12
_DEPENDENCIES: Final = 20


class Project(Struct, frozen=True, kw_only=True):
    """What was found."""

    files: int
    languages: tuple[tuple[str, int], ...]
    """With how many files, the most first."""
    entry_points: tuple[str, ...]
    facts: tuple[str, ...]
    """Names, dependencies, scripts; a line each."""
    tests: tuple[str, ...]
    """How it says, or is likely, to be tested; a line each."""

    def text(self) -> str:
        """For a prompt."""
        kinds = ", ".join(f"{name} ({count})" for name, count in self.languages)
        lines = [f"{self.files} files; languages: {kinds or 'none that is known'}"]
        lines += [f"begins at: {', '.join(self.entry_points)}"] if self.entry_points else []
        lines += [*self.facts, *(f"tests: {line}" for line in self.tests)]
        return "\n".join(lines)


def scan(checkout: Checkout, languages: Mapping[str, str]) -> Project:
    """Look at the files (with their languages), and into the manifests nearest the top."""
    counts = Counter(languages.values())
    manifests, entries = [], []
    for path in languages:
        name = path.rpartition("/")[2]
        if name in _MANIFESTS:
            manifests.append(path)
        elif name.partition(".")[0] in _ENTRIES and _ENTRY.search(path):
            entries.append(path)
    manifests = sorted(manifests, key=lambda path: (path.count("/"), path))[:_FACTS]
    facts: list[str] = []
    tests: list[str] = []
    for path in manifests:
        text = checkout.text(path) or ""
        try:
            _look(path, text, facts, tests)
        except (ValueError, TypeError, AttributeError) as error:
            facts.append(f"{path}: cannot be read ({type(error).__name__})")
    return Project(
        files=len(languages),
        languages=tuple(
            sorted(
                ((kind, count) for kind, count in counts.items() if kind not in NOT_CODE),
                key=lambda item: (-item[1], item[0]),
            )[:8]
        ),
        entry_points=tuple(sorted(entries)[:8]),
        facts=tuple(facts),
        tests=tuple(dict.fromkeys(tests)),
    )


def _look(path: str, text: str, facts: list[str], tests: list[str]) -> None:
    name = posixpath.basename(path)
    if name == "pyproject.toml":
        data = tomllib.loads(text)
        project: Mapping[str, Any] = data.get("project", {})
        needs = [re.split(r"[\s<>=!~;\[]", need)[0] for need in project.get("dependencies", ())]
        facts.append(_fact(path, project.get("name"), needs, project.get("scripts", {})))
        if "pytest" in data.get("tool", {}):
            tests.append(f"pytest ({path})")
    elif name == "package.json":
        data = json.loads(text)
        scripts: Mapping[str, str] = data.get("scripts", {})
        facts.append(_fact(path, data.get("name"), [*data.get("dependencies", {})], scripts))
        tests += [
            f"npm run {script}: {command} ({path})"
            for script, command in scripts.items()
            if _TESTING.search(script)
        ]
    elif name == "Cargo.toml":
        data = tomllib.loads(text)
        package = data.get("package", {}).get("name")
        facts.append(_fact(path, package, [*data.get("dependencies", {})], {}))
        tests.append(f"cargo test ({path})")
    elif name == "go.mod":
        module = re.search(r"^module\s+(\S+)", text, re.MULTILINE)
        needs = re.findall(r"^\s*(?:require\s+)?(\S+\.\S+/\S+) v", text, re.MULTILINE)
        facts.append(_fact(path, module and module[1], needs, {}))
        tests.append(f"go test ./... ({path})")
    elif name in ("Makefile", "justfile"):
        targets = dict.fromkeys(_TARGET.findall(text))
        runner = "make" if name == "Makefile" else "just"
        tests += [f"{runner} {target} ({path})" for target in targets if _TESTING.search(target)]
    elif name == "pom.xml":
        tests.append(f"mvn test ({path})")
    elif name.startswith("build.gradle"):
        tests.append(f"gradle test ({path})")
    elif name in ("tox.ini", "noxfile.py", "pytest.ini"):
        tests.append(f"{name.partition('.')[0].removesuffix('file')} ({path})")


def _fact(path: str, name: object, needs: list[str], scripts: Mapping[str, Any]) -> str:
    more = " ..." if len(needs) > _DEPENDENCIES else ""
    depends = f"; depends on {', '.join(needs[:_DEPENDENCIES])}{more}" if needs else ""
    runs = f"; scripts: {', '.join(list(scripts)[:_DEPENDENCIES])}" if scripts else ""
    return f"{path}: {name or 'without a name'}{depends}{runs}"
