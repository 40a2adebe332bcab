"""What tests said: from reports in JUnit's XML, `go test -json`, TAP, jest's JSON and the text
that cargo, dotnet and unittest print. All of it was written by what was tested: it is bounded,
and XML with a document type, which is what all attacks on parsers need, is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal
from xml.parsers import expat

from stoker.roadmaps.context.reading import Checkout

Outcome = Literal["passed", "failed", "skipped"]
Results = dict[str, Outcome]
"""By the tests' ids."""

_LIMIT: Final = 32 << 20
_MOST: Final = 100_000
_LONGEST: Final = 400
_LINE: Final = 2_000
_DEEPEST: Final = 32
"""Of suites in suites, their names."""
_RANK: Final = {"skipped": 0, "passed": 1, "failed": 2}


def add(results: Results, name: str, outcome: Outcome) -> None:
    """One test more. Of several with one name the worst counts."""
    name = "".join(c if c.isprintable() else " " for c in name)[:_LONGEST].strip()
    known = results.get(name)
    if name and (len(results) < _MOST or known) and (not known or _RANK[outcome] > _RANK[known]):
        results[name] = outcome


def file_of(test: str) -> str:
    """The file that a test's id begins with, if it does."""
    found = re.match(r"([\w./@+-]+\.\w{1,5})(?:::| > |$)", test)
    return found[1] if found else ""


def read(path: Path, *, within: str) -> bytes:
    """A report's content; nothing if there is none, or if it is no file of `within`."""
    return Checkout(Path(within)).read(str(path.relative_to(within)), _LIMIT) or b""


def junit(data: bytes, *, directory: str = "") -> Results:
    """As pytest, node, surefire, Gradle, vitest and mocha write it. `directory`: the absolute one
    that files are named relative to. What is no XML, or has a document type, says nothing."""
    results: Results = {}
    suites: list[str] = []
    case: list[str] = []
    outcome: list[Outcome] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "testsuite":
            suites.append(attributes.get("name", ""))
        elif tag == "testcase":
            case[:] = [_name(attributes, suites, directory)]
            outcome[:] = ["passed"]
        elif case and tag in ("failure", "error"):
            outcome[:] = ["failed"]
        elif case and tag == "skipped" and outcome != ["failed"]:
            outcome[:] = ["skipped"]

    def end(tag: str) -> None:
        if tag == "testsuite" and suites:
            suites.pop()
        elif tag == "testcase" and case:
            add(results, case.pop(), outcome[0])

    def refuse(*_: object) -> None:
        raise ValueError("a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError):
        return {}
    return results


def _name(attributes: dict[str, str], suites: list[str], directory: str) -> str:
    class_ = attributes.get("classname", "")
    name, file = attributes.get("name", ""), attributes.get("file", "")
    if directory:
        name, file = (one.removeprefix(f"{directory}/") for one in (name, file))
    if file.endswith(".py"):  # pytest: as on its own command line
        module = file[:-3].replace("/", ".")
        if not class_ and name == module:  # it cannot even be collected
            return file
        rest = class_.removeprefix(module).strip(".").split(".") if class_ != module else []
        return "::".join((file, *(word for word in rest if word), name))
    if class_ == "test":  # node
        if name and file.endswith(name):  # it cannot even be loaded
            return file
        return " > ".join(word for word in (file, *suites[:_DEEPEST], name) if word)
    return "::".join(word for word in (class_ or file, name) if word)


def go(output: bytes) -> Results:
    """Of `go test -json`. A package that does not build is a test that fails."""
    results: Results = {}
    inner: set[str] = set()
    ends: dict[str, Outcome] = {"pass": "passed", "fail": "failed", "skip": "skipped"}
    for event in _objects(output):
        package, test = str(event.get("Package", "")), event.get("Test")
        outcome = ends.get(str(event.get("Action")))
        if test:
            inner.add(package)
        if outcome and test:
            add(results, f"{package}.{test}", outcome)
        elif outcome == "failed" and package and package not in inner:
            add(results, package, "failed")
    for package in _UNBUILT.findall(output):
        add(results, package.decode(errors="replace"), "failed")
    return results


_UNBUILT: Final = re.compile(rb"^FAIL\t(\S+) \[(?:build|setup) failed\]", re.MULTILINE)


def _objects(output: bytes) -> Iterator[dict[str, object]]:
    for line in output.splitlines():
        if line.startswith(b"{"):
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                yield found


def jest(data: bytes, *, directory: str = "") -> Results:
    """Of `jest --json --outputFile`."""
    results: Results = {}
    try:
        files = json.loads(data)["testResults"]
        for file in files:
            name = str(file["name"]).removeprefix(f"{directory}/")
            if not file["assertionResults"] and file["status"] == "failed":
                add(results, name, "failed")
            for one in file["assertionResults"]:
                outcome = {"passed": "passed", "failed": "failed"}.get(one["status"], "skipped")
                add(results, f"{name} > {one['fullName']}", outcome)  # type: ignore[arg-type]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return results


_TAP: Final = re.compile(r"( *)(not )?ok\b(?: +\d+)?(?: +-)? *([^#\n]*)(?:# *(\w+).*)?")


def tap(text: str) -> Results:
    """The Test Anything Protocol; subtests, which are indented, are tests of their own."""
    results: Results = {}
    if not re.search(r"^ *(TAP version \d+|1\.\.\d+)", text, re.MULTILINE):
        return results
    for line in text.splitlines():
        if (found := _TAP.fullmatch(line.rstrip())) and (name := found[3].strip()):
            directive = (found[4] or "").lower()
            skipped = directive in ("skip", "skipped", "todo")
            add(results, name, "skipped" if skipped else "failed" if found[2] else "passed")
    return results


_PRINTED: Final = (
    re.compile(r"^test (?P<name>.+?)(?: - should panic)? \.\.\. (?P<how>ok|FAILED|ignored)", re.M),
    re.compile(r"^[ \t]*(?P<how>Passed|Failed|Skipped) (?P<name>\S[^\n]*)$", re.M),
    re.compile(
        r"^(?P<name>\w+) \((?P<place>[\w.]+)\)(?:\n.*?)? \.\.\. "
        r"(?P<how>ok|FAIL|ERROR|skipped|expected failure)",
        re.M,
    ),
)
"""By `cargo test`; `dotnet test --logger "console;verbosity=normal"`; `python -m unittest -v`."""
_TOOK: Final = re.compile(r" \[[^\[\]]*\]$")
_WORDS: Final[dict[str, Outcome]] = {
    **{"ok": "passed", "FAILED": "failed", "ignored": "skipped", "Passed": "passed"},
    **{"Failed": "failed", "Skipped": "skipped", "FAIL": "failed", "ERROR": "failed"},
    **{"skipped": "skipped", "expected failure": "passed"},
}


def printed(text: str) -> Results:
    """What tests print a line each of."""
    for pattern in _PRINTED:
        results: Results = {}
        for found in pattern.finditer(text):
            name = _TOOK.sub("", found["name"].rstrip()[-_LINE:])
            place = found.groupdict().get("place")
            if place is not None:
                name = f"{place.removesuffix(f'.{name}')}.{name}"
            if not name.endswith("!"):
                add(results, name, _WORDS[found["how"]])
        if results:
            return results
    return tap(text)


_NONE: Final = re.compile(
    r"\bno tests? (ran|found|collected|were found|to run|files?)\b|\bcollected 0 items\b"
    r"|\bRan 0 tests\b|^\S? ?tests 0$|no test specified|\brunning 0 tests\b",
    re.IGNORECASE | re.MULTILINE,
)


def says_none(text: str) -> bool:
    """It says that there was nothing to run."""
    return _NONE.search(text) is not None
