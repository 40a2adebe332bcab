"""What is usual to build, check and test a project with, by what it is written in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from stoker.roadmaps.verify.project import SUFFIXES, Check, Project

PYTEST: Final = "python -m pytest"
UNITTEST: Final = "python -m unittest discover -v"
NODE: Final = "node --test"


def _python(project: Project) -> Iterator[Check]:
    pyproject = project.first("pyproject.toml")
    if project.has("mypy.ini", ".mypy.ini") or "[tool.mypy]" in pyproject:
        said = project.first("mypy.ini", ".mypy.ini") or pyproject.partition("[tool.mypy]")[2]
        configured = re.search(r"^(files|packages|modules)\s*=", said, re.M)
        text = "python -m mypy" if configured else "python -m mypy ."
        yield project.check("types", text, "mypy", "mypy")
    if project.has("pyrightconfig.json") or "[tool.pyright]" in pyproject:
        yield project.check("types", "pyright", "pyright")
    if project.has("tox.ini") or "[tool.tox]" in pyproject:
        yield project.check("tests", "tox", "tox")
    if project.has("noxfile.py"):
        yield project.check("tests", "nox", "noxfile.py")
    if project.tests or project.has("pytest.ini"):
        # It runs unittest's tests, too; without it Python does.
        yield project.check("tests", PYTEST, "Python", "pytest")
        yield project.check("tests", UNITTEST, "Python", "unittest")


REPORT: Final = "$STOKER_REPORT"
"""In commands: a file that their report is written to."""
_REPORTING: Final = {
    "vitest": f"--reporter=default --reporter=junit --outputFile.junit={REPORT}",
    "jest": f"--json --outputFile={REPORT}",
    "mocha": f"--reporter xunit --reporter-option output={REPORT}",
}
_LOCKS: Final = {
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}


def _node(project: Project) -> Iterator[Check]:
    try:
        package = json.loads(project.files.get("package.json", "{}"))
    except (ValueError, RecursionError):
        return
    scripts = package.get("scripts") if isinstance(package, dict) else None
    scripts = scripts if isinstance(scripts, dict) else {}
    locked = (tool for lock, tool in _LOCKS.items() if project.has(lock))
    tool = "npm" if project.directory else next(locked, "npm")
    if project.has("tsconfig.json"):
        text = "npx --no-install tsc --noEmit"
        yield project.check("types", text, "tsconfig.json", "tsc", "node_modules/.bin/tsc")
    if isinstance(scripts.get("build"), str):
        yield project.check("build", f"{tool} run build", "package.json", "npm")
    script = scripts.get("test")
    if isinstance(script, str) and "no test specified" not in script:
        words = f"{tool} run test"
        separator = " --" if tool == "npm" else ""
        for name, arguments in _REPORTING.items():
            if re.search(rf"(?:^|[\s/]){name}\b[^&|;]*$", script):
                words += f"{separator} {arguments}"
                break
        yield project.check("tests", words, "package.json", "npm")
    elif project.has("package.json"):
        yield project.check("tests", NODE, "Node")


def _go(project: Project) -> Iterator[Check]:
    if project.has("go.mod"):
        yield project.check("build", "go build ./...", "Go")
        yield project.check("tests", "go test ./...", "Go")


def _cargo(project: Project) -> Iterator[Check]:
    if project.has("Cargo.toml"):
        yield project.check("build", "cargo build --offline", "Cargo")
        yield project.check("tests", "cargo test --offline --no-fail-fast", "Cargo")


def _jvm(project: Project) -> Iterator[Check]:
    if project.has("pom.xml"):
        tool = "./mvnw" if project.has("mvnw") else "mvn"
        yield project.check("tests", f"{tool} -o -B -q test", "Maven", "maven")
    elif project.has("build.gradle", "build.gradle.kts"):
        tool = "./gradlew" if project.has("gradlew") else "gradle"
        text = f"{tool} --offline --no-daemon test"
        yield project.check("tests", text, "Gradle", "gradle")


def _dotnet(project: Project) -> Iterator[Check]:
    if any(name.endswith(SUFFIXES) for name in project.files):
        yield project.check("build", "dotnet build", ".NET")
        text = 'dotnet test --logger "console;verbosity=normal"'
        yield project.check("tests", text, ".NET")


ECOSYSTEMS: Final = (_python, _node, _go, _cargo, _jvm, _dotnet)
OUTERMOST: Final = frozenset((_python, _cargo, _jvm, _dotnet))
"""Of which one at the top knows those beneath."""
