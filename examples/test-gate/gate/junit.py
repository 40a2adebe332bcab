"""Test results in JUnit's XML, which pytest and most others write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Tests:
    """Counts of one test run, and what failed."""

    run: int
    skipped: int
    failed: list[str]


def read(file: Path) -> Tests | None:
    """The results; None if there are none to read."""
    try:
        cases = list(ElementTree.parse(file).iter("testcase"))  # noqa: S314 - the project's own
    except (FileNotFoundError, ElementTree.ParseError):
        return None
    failed = [
        f"{case.get('classname', '')}::{case.get('name', '')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    return Tests(len(cases), sum(case.find("skipped") is not None for case in cases), failed)
