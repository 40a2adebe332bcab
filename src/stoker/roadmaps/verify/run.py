"""Running one check, and reading what its tests said."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from stoker.process.resolve import SpawnError
from stoker.roadmaps.evidence import Command
from stoker.roadmaps.verify import reports
from stoker.roadmaps.verify.project import Check
from stoker.roadmaps.verify.reports import Results
from stoker.roadmaps.verify.runner import Ran, Runner

_TAIL: Final = 16 << 10
_NODE: Final = re.compile(r"\b(node|npm|npx|pnpm|yarn|make|just|mise|task)\b")
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_XML: Final = (
    *("target/surefire-reports/TEST-*.xml", "*/target/surefire-reports/TEST-*.xml"),
    *("build/test-results/*/TEST-*.xml", "*/build/test-results/*/TEST-*.xml"),
)
_TELLS: Final = re.compile(
    r"\b(pytest|unittest|node --test|go test|cargo test|mvn|mvnw|gradle|gradlew)\b|verbosity=normal"
)
_MOST_REPORTS: Final = 2_000
MISSING: Final = frozenset((126, 127))
"""How a shell ends if there is no such program."""
_NOT_FOUND: Final = re.compile(r"([\w./+-]+): (?:command )?not found|env: .(\S+).: No such file")


class Done(Struct, frozen=True, kw_only=True):
    """A check that was run. Kept as a part of baselines."""

    command: Command
    results: Results
    errors: tuple[str, ...] = ()
    """Lines that tell of errors, without numbers: what is the same before and after."""
    none: bool = False
    """It says that it had nothing to run."""
    missing: str = ""
    """The program that is not there."""
    trouble: str = ""

    @property
    def passed(self) -> bool:
        """It ended as it should."""
        return not self.missing and not self.trouble and self.command.exit_code == self.expected

    expected: int = 0

    @property
    def place(self) -> tuple[object, ...]:
        """The same before and after."""
        return self.command.level, self.command.argv, self.command.directory


async def run(check: Check, runner: Runner, *, seconds: float) -> Done:
    """Run `check` on what is in the runner's directory."""
    report = Path(runner.scratch, "report")
    for old in (report, *_xml(runner.directory, check)):
        old.unlink(missing_ok=True)  # it was not said by this run
    env = {
        "STOKER_REPORT": str(report),
        # Whatever is between the command and pytest hands these on.
        "PYTEST_ADDOPTS": f"--junitxml={report} -o junit_family=xunit1 -p no:cacheprovider"
        " --continue-on-collection-errors",
    }
    if _NODE.search(check.text):
        env["NODE_OPTIONS"] = (
            f"--test-reporter=junit --test-reporter-destination={report}"
            " --test-reporter=spec --test-reporter-destination=stdout"
        )
    text = guard(check.program) + re.sub(r"\bgo test\b(?! -json)", "go test -json", check.text)
    cwd = str(Path(runner.directory, check.directory))
    try:
        ran = await runner.run(["sh", "-c", text], cwd=cwd, env=env, seconds=seconds)
    except SpawnError as error:
        ran = Ran(exit_code=127, seconds=0.0, output=str(error).encode())
    said = runner.redact(_ESCAPES.sub("", ran.output.decode(errors="replace")))
    results = _results(check, runner, report, ran.output, said)
    return Done(
        command=Command(
            level=check.level,
            argv=("sh", "-c", check.text),
            directory=check.directory or ".",
            exit_code=ran.exit_code,
            seconds=round(ran.seconds, 3),
            output=said[-_TAIL:],
            origin=check.origin,
        ),
        results=results,
        errors=tuple(dict.fromkeys(_errors(said)))[:200],
        none=not results and _ran_none(check, ran.exit_code, said),
        missing=_missing(check, said) if ran.exit_code in MISSING else "",
        trouble=ran.trouble,
        expected=check.expected,
    )


def _missing(check: Check, said: str) -> str:
    found = _NOT_FOUND.search(said)
    return (found[1] or found[2]) if found else (check.program or check.text.split()[0])


def guard(program: str) -> str:
    """For a shell: end at once if the program is not there."""
    if program == "python":  # some systems have it under its whole name only
        return (
            "command -v python >/dev/null || { command -v python3 >/dev/null || exit 127;"
            ' python() { python3 "$@"; }; }\n'
        )
    return f"command -v {shlex.quote(program)} >/dev/null || exit 127\n" if program else ""


def _ran_none(check: Check, code: int | None, said: str) -> bool:
    """It says so, or says nothing of tests though it would if it had run any."""
    return (
        reports.says_none(said)
        or (code == 5 and re.search(r"\b(pytest|unittest)\b", check.text) is not None)
        or (code == check.expected and _TELLS.search(check.text) is not None)
    )


def _results(check: Check, runner: Runner, report: Path, output: bytes, said: str) -> Results:
    results: Results = {}
    for path in (report, *_xml(runner.directory, check)):
        within = runner.scratch if path == report else runner.directory
        if data := reports.read(path, within=within):
            read = reports.jest if data.lstrip().startswith(b"{") else reports.junit
            for name, outcome in read(data, directory=runner.directory).items():
                reports.add(results, name, outcome)
    if not results and "go test" in check.text:
        results = reports.go(output)
    if not results:
        results = reports.printed(said)
    if check.directory:
        prefix = f"{check.directory}/"
        return {n if n.startswith(prefix) else prefix + n: o for n, o in results.items()}
    return results


def _xml(directory: str, check: Check) -> list[Path]:
    """Reports that are written into the project."""
    if check.runner not in ("maven", "gradle"):
        return []
    top = Path(directory, check.directory)
    found = [path for one in _XML for path in top.glob(one)][:_MOST_REPORTS]
    return [path for path in found if path.resolve().is_relative_to(directory)]


_ERROR: Final = re.compile(r"\b(error|Error|ERROR)\b(?!s? *[:=]? *0\b)")
_NUMBERS: Final = re.compile(r"\d+")


def _errors(said: str) -> Iterator[str]:
    for line in said.splitlines():
        if _ERROR.search(line) and not line.startswith("Found "):
            yield _NUMBERS.sub("N", line.strip())[:300]
