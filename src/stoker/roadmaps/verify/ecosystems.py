"""What is usual to build, check and test a project with, by what it is written in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from stoker.roadmaps.verify.project import SUFFIXES, Check, Project, found


def _python(project: Project) -> Iterator[Check]:
    if project.has("mypy.ini", ".mypy.ini") or "[tool.mypy]" in project.files.get(
        "pyproject.toml", ""
    ):
        configured = re.search(r"^(files|packages|modules)\s*=", _mypy_text(project), re.M)
        text = "python -m mypy" if configured else "python -m mypy ."
        yield found("types", text, "mypy", project, "mypy", program="python")
    if project.has("pyrightconfig.json") or "[tool.pyright]" in project.files.get(
        "pyproject.toml", ""
    ):
        yield found("types", "pyright", "pyright", project, "pyright")
    if project.has("tox.ini") or "[tool.tox]" in project.files.get("pyproject.toml", ""):
        yield found("tests", "tox", "tox", project, "tox")
    if project.has("noxfile.py"):
        yield found("tests", "nox", "noxfile.py", project, "nox")
    if project.tests or project.has("pytest.ini"):
        yield from pytest(project.directory)


def pytest(directory: str) -> list[Check]:
    """pytest runs unittest's tests, too; without it Python does."""
    common = {"level": "tests", "directory": directory, "program": "python"}
    unittest = {"text": "python -m unittest discover -v", "origin": "Python", "runner": "unittest"}
    pytests = {"text": "python -m pytest", "origin": "Python", "runner": "pytest"}
    return [Check(**common, **one) for one in (pytests, unittest)]  # type: ignore[arg-type]


def _mypy_text(project: Project) -> str:
    text = project.files.get("mypy.ini") or project.files.get(".mypy.ini")
    return text or project.files.get("pyproject.toml", "").partition("[tool.mypy]")[2]


def _node(project: Project) -> Iterator[Check]:
    try:
        package = json.loads(project.files.get("package.json", "{}"))
    except (ValueError, RecursionError):
        return
    scripts = package.get("scripts") if isinstance(package, dict) else None
    scripts = scripts if isinstance(scripts, dict) else {}
    tool = "npm"
    if not project.directory:
        locks = {
            "pnpm-lock.yaml": "pnpm",
            "yarn.lock": "yarn",
            "bun.lock": "bun",
            "bun.lockb": "bun",
        }
        tool = next((one for lock, one in locks.items() if project.has(lock)), "npm")
    if project.has("tsconfig.json"):
        text = "npx --no-install tsc --noEmit"
        yield found("types", text, "tsconfig.json", project, "tsc", program="node_modules/.bin/tsc")
    if isinstance(scripts.get("build"), str):
        yield found("build", f"{tool} run build", "package.json", project, "npm", program=tool)
    script = scripts.get("test")
    if isinstance(script, str) and "no test specified" not in script:
        words = f"{tool} run test"
        separator = " --" if tool == "npm" else ""
        for name, arguments in _REPORTING.items():
            if re.search(rf"(?:^|[\s/]){name}\b[^&|;]*$", script):
                words += f"{separator} {arguments}"
                break
        yield found("tests", words, "package.json", project, "npm", program=tool)
    elif project.has("package.json"):
        yield found("tests", "node --test", "Node", project, "node")


REPORT: Final = "$STOKER_REPORT"
"""In commands: a file that their report is written to."""
_REPORTING: Final = {
    "vitest": f"--reporter=default --reporter=junit --outputFile.junit={REPORT}",
    "jest": f"--json --outputFile={REPORT}",
    "mocha": f"--reporter xunit --reporter-option output={REPORT}",
}


def _go(project: Project) -> Iterator[Check]:
    if project.has("go.mod"):
        yield found("build", "go build ./...", "Go", project, "go")
        yield found("tests", "go test ./...", "Go", project, "go")


def _cargo(project: Project) -> Iterator[Check]:
    if project.has("Cargo.toml"):
        yield found("build", "cargo build --offline", "Cargo", project, "cargo")
        yield found("tests", "cargo test --offline --no-fail-fast", "Cargo", project, "cargo")


def _jvm(project: Project) -> Iterator[Check]:
    if project.has("pom.xml"):
        tool = "./mvnw" if project.has("mvnw") else "mvn"
        yield found("tests", f"{tool} -o -B -q test", "Maven", project, "maven", program=tool)
    elif project.has("build.gradle", "build.gradle.kts"):
        tool = "./gradlew" if project.has("gradlew") else "gradle"
        text = f"{tool} --offline --no-daemon test"
        yield found("tests", text, "Gradle", project, "gradle", program=tool)


def _dotnet(project: Project) -> Iterator[Check]:
    if any(name.endswith(SUFFIXES) for name in project.files):
        yield found("build", "dotnet build", ".NET", project, "dotnet")
        text = 'dotnet test --logger "console;verbosity=normal"'
        yield found("tests", text, ".NET", project, "dotnet")


ECOSYSTEMS: Final = {
    **{"python": _python, "node": _node, "go": _go, "cargo": _cargo},
    **{"jvm": _jvm, "dotnet": _dotnet},
}
OUTERMOST: Final = ("python", "cargo", "jvm", "dotnet")
"""Of which one at the top knows those beneath."""
RUN_BY: Final = {
    "python": ("tox", "nox", "pytest", "unittest"),
    "node": ("npm", "node"),
    "go": ("go",),
    "cargo": ("cargo",),
    "jvm": ("maven", "gradle"),
    "dotnet": ("dotnet",),
}
