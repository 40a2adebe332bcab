"""What tests and other checks say of the work, held against what they said of the base. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from stoker.roadmaps.evidence import Category, Fault, Level, Tests
from stoker.roadmaps.verify.reports import Results, file_of
from stoker.roadmaps.verify.run import Done
from stoker.roadmaps.verify.tampering import tampered

_SHOWN: Final = 20
_SAID: Final = 3_000
_SCRIPT: Final = re.compile(r".+\.[cm]?[jt]sx?")
"""A file that node could not load. Before Node 24, ids of its tests have no file."""
_FRESH: Final[dict[Level, Category]] = {
    "build": "syntax_error",
    "types": "type_error",
    "tests": "test_failure",
}


def merged(done: Iterable[Done]) -> Results:
    """All tests of some checks."""
    return {
        n: how for one in done if one.command.level == "tests" for n, how in one.results.items()
    }


def tests_of(before: Results, now: Results) -> Tests:
    """How tests ended, beside how they did before."""

    def those(is_: str, was: str = "") -> tuple[str, ...]:
        both = sorted(name for name, how in now.items() if how == is_)
        return tuple(name for name in both if not was or before.get(name) == was)

    return Tests(
        passed=those("passed"),
        failed=those("failed"),
        skipped=those("skipped"),
        fixed=those("passed", "failed"),
        broken=those("failed", "passed"),
        failed_before=those("failed", "failed"),
        missing=tuple(sorted(before.keys() - now.keys())),
        added=tuple(sorted(now.keys() - before.keys())),
    )


def regressions(
    before: Results,
    protected: Results,
    whole: Results,
    *,
    changed: Sequence[str],
    free: bool,
    moved: Mapping[str, str],
    complete: bool,
    output: str,
) -> list[Fault]:
    """Faults by test ids. `before`: at the base; `protected`: of the work with the base's tests;
    `whole`: of the work as it is, the same if it changed no test. `changed`: tests and
    configuration that the task changed, `moved` what it renamed, old to new; `free`: it may;
    `complete`: what is not there was not run, and not only not come to."""
    faults: list[Fault] = []
    broken = tests_of(before, protected).broken
    for name in broken:
        mine = next((path for path in changed if name.startswith(path)), "")
        if mine and whole.get(name) == "passed":
            faults.append(
                tampered(f"{name} fails as it was before the task, which changed it", mine)
            )
        else:
            message = f"{name} passed before and fails now"
            faults.append(Fault(category="regression", message=message, path=file_of(name)))
    fresh = [
        name
        for name, how in sorted(whole.items())
        if how == "failed" and before.get(name) != "failed" and name not in broken
    ]
    faults += (Fault(category="test_failure", message=f"{n} fails", path=file_of(n)) for n in fresh)
    if not free:
        faults += (
            tampered(f"{name} was run before and is skipped now", file_of(name))
            for name, how in sorted(whole.items())
            if how == "skipped" and before.get(name) in ("passed", "failed")
        )
        if complete:
            faults += (
                tampered(f"{name} was there before and is not any more", file_of(name))
                for name in _lost(before, protected, whole, moved, fresh)
            )
    if faults and output:
        faults[0] = replace(faults[0], message=f"{faults[0].message}\n\n{output[-_SAID:]}")
    return few(faults)


def _lost(
    before: Results,
    protected: Results,
    whole: Results,
    moved: Mapping[str, str],
    uncollected: Sequence[str],
) -> Iterable[str]:
    """Tests that are not there any more. A case of a test whose cases are as many as before is
    another one of it; those of a file or package that fails as a whole are told of by that, and
    one that failed as a whole is not lost if its tests are there now."""
    stems = Counter(map(_stem, before))
    now = Counter(map(_stem, whole))
    for name in sorted(before.keys() - (whole.keys() & protected.keys())):
        stem = _stem(name)
        renamed = (name.replace(old, new) for old, new in moved.items() if old in name)
        if now[stem] >= stems[stem] or any(other in whole for other in renamed):
            continue
        if name.startswith(tuple(uncollected)):
            continue
        inner = tuple(name + mark for mark in ("::", " > ", "."))
        now_there = any(other.startswith(inner) for other in whole)
        if _SCRIPT.fullmatch(name) and name not in protected:
            now_there = now_there or any(
                not file_of(one) for one in protected.keys() - before.keys()
            )
        if before[name] != "failed" or not now_there:
            yield name


def moved_from(name: str, moved: Mapping[str, str]) -> set[str]:
    """What a test's id may have been before its file was renamed."""
    return {name.replace(new, old) for old, new in moved.items() if new in name}


def _stem(name: str) -> str:
    return name.partition("[")[0]


def few(faults: list[Fault]) -> list[Fault]:
    """As many as anybody reads."""
    if len(faults) <= _SHOWN:
        return faults
    rest = len(faults) - _SHOWN
    more = Fault(category=faults[-1].category, message=f"and {rest:,} more of this kind")
    return [*faults[:_SHOWN], more]


def ended(now: Done, before: Done | None) -> tuple[list[Fault], list[str]]:
    """Faults and notes by how a check ended, as far as no test tells more."""
    command = now.command
    what = f"{command.argv[-1]} ({command.origin})"
    if now.missing:
        return [], [f"{what} could not be run: {now.missing} is not there"]
    if now.trouble:
        if before is not None and before.trouble == now.trouble:
            return [], [f"{what}: {now.trouble}, as before the task"]
        category: Category = "timeout" if now.trouble == "timeout" else "tool_failure"
        said = "did not end in time" if now.trouble == "timeout" else "wrote too much"
        return [Fault(category=category, message=f"{what} {said}")], []
    if now.passed or now.none:
        return [], [f"{what} had nothing to run"] if now.none else []
    failed = f"{what} failed with exit code {command.exit_code}"
    if before is not None and not before.passed and not before.none:
        if now.command.level == "tests":
            return [], [] if now.results else [f"{failed}, as before the task"]
        fresh = [line for line in now.errors if line not in before.errors]
        if not fresh or before.missing or before.trouble:
            return [], [f"{failed}, as before the task"]
    if command.level == "tests" and "failed" in now.results.values():
        return [], []  # each is told of
    message = f"{failed}\n\n{command.output[-_SAID:]}"
    return [Fault(category=_category(now), message=message)], []


def _category(done: Done) -> Category:
    said = done.command.output
    if done.command.level == "command":
        return "test_failure" if done.results else "incomplete"
    if re.search(r"ModuleNotFoundError|ImportError|Cannot find module|cannot find package", said):
        return "import_error"
    if re.search(r"error TS\d+|mismatched types|cannot use .* as|incompatible types", said):
        return "type_error"
    if re.search(
        r"SyntaxError|IndentationError|expected .* found|syntax error|COMPILATION ERROR"
        r"|Compilation failed",
        said,
    ):
        return "syntax_error"
    return _FRESH.get(done.command.level, "test_failure")
