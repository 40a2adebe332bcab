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
_MOST_REPORTS: Final = 2_000
MISSING: Final = frozenset((126, 127))
"""How a shell ends if there is no such program."""


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


async def run(check: Check, runner: Runner, *, seconds: float) -> Done:
    """Run `check` on what is in the runner's directory."""
    cwd = str(Path(runner.directory, check.directory))
    report = Path(runner.scratch, "report")
    _clear(runner, report, check)
    text = re.sub(r"\bgo test\b(?! -json)", "go test -json", check.text)
    guarded = _guard(check.program) + text
    env = {"STOKER_REPORT": str(report)}
    # Whatever is between the command and pytest hands these on.
    env["PYTEST_ADDOPTS"] = (
        f"--junitxml={report} -o junit_family=xunit1 -p no:cacheprovider"
        " --continue-on-collection-errors"
    )
    if _NODE.search(check.text):
        env["NODE_OPTIONS"] = f"--test-reporter=junit --test-reporter-destination={report}"
        env["NODE_OPTIONS"] += " --test-reporter=spec --test-reporter-destination=stdout"
    try:
        ran = await runner.run(["sh", "-c", guarded], cwd=cwd, env=env, seconds=seconds)
    except SpawnError as error:
        ran = Ran(exit_code=127, seconds=0.0, output=str(error).encode())
    said = _ESCAPES.sub("", ran.output.decode(errors="replace"))
    said = runner.redact(said)
    command = Command(
        level=check.level,
        argv=("sh", "-c", check.text),
        directory=check.directory or ".",
        exit_code=ran.exit_code,
        seconds=round(ran.seconds, 3),
        output=said[-_TAIL:],
        origin=check.origin,
    )
    results = _results(check, runner, report, ran.output, said)
    return Done(
        command=command,
        results=results,
        errors=tuple(dict.fromkeys(_errors(said)))[:200],
        none=not results and (reports.says_none(said) or _collected_none(check, ran.exit_code)),
        missing=(check.program or check.text.split()[0]) if ran.exit_code in MISSING else "",
        trouble=ran.trouble,
        expected=check.expected,
    )


def _clear(runner: Runner, report: Path, check: Check) -> None:
    """What was reported before is not said by this run."""
    for old in (report, *_found(runner.directory, check)):
        old.unlink(missing_ok=True)


def _guard(program: str) -> str:
    if program == "python":  # some systems have it under its whole name only
        return (
            "command -v python >/dev/null || { command -v python3 >/dev/null || exit 127;"
            ' python() { python3 "$@"; }; }\n'
        )
    return f"command -v {shlex.quote(program)} >/dev/null || exit 127\n" if program else ""


def _collected_none(check: Check, code: int | None) -> bool:
    return code == 5 and re.search(r"\b(pytest|unittest)\b", check.text) is not None


def _results(check: Check, runner: Runner, report: Path, output: bytes, said: str) -> Results:
    results: Results = {}
    files = [(report, runner.scratch)]
    files += [(path, runner.directory) for path in _found(runner.directory, check)]
    for path, within in files:
        if data := reports.read(path, within=within):
            read = reports.jest if data.lstrip().startswith(b"{") else reports.junit
            for name, outcome in read(data, directory=runner.directory).items():
                reports.add(results, name, outcome)
    if not results and "go test" in check.text:
        results = reports.go(output)
    if not results:
        results = next((found for parse in reports.TEXTS if (found := parse(said))), {})
    if check.directory:
        prefix = f"{check.directory}/"
        return {n if n.startswith(prefix) else prefix + n: o for n, o in results.items()}
    return results


def _found(directory: str, check: Check) -> list[Path]:
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
