"""The report of a gate: for people as Markdown, for tools as JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gate import check, coverage, junit

_MARKS = {"success": "passed", "failed": "**FAILED**", "canceled": "canceled"}


def collect(statuses: Mapping[str, str], advice: Collection[str], reports: Path) -> dict[str, Any]:
    """All there is to report; `open` says whether the gate lets the change through."""
    checks = {}
    for name, status in statuses.items():
        checked, tests = check.read(name, reports), junit.read(reports / f"{name}.xml")
        checks[name] = {
            "status": status,
            "advice": name in advice,
            **(asdict(checked) if checked else {"tail": check.tail(name, reports)}),
            **({"tests": asdict(tests)} if tests else {}),
        }
    report: dict[str, Any] = {
        "open": not any(c["status"] == "failed" and not c["advice"] for c in checks.values()),
        "checks": checks,
    }
    if statuses.get("coverage") == "success":
        measured = reports / "coverage.json"
        report["coverage"] = {
            "percent": coverage.percent(measured),
            "least_covered": coverage.worst(measured),
        }
    return report


def markdown(report: Mapping[str, Any]) -> str:
    """The report for people."""
    lines = [f"# The gate is {'open' if report['open'] else 'closed'}", ""]
    lines += ["| check | result | seconds | tests |", "|---|---|---|---|"]
    for name, found in report["checks"].items():
        result = _MARKS.get(found["status"], found["status"])
        if found["advice"]:
            result += " (advice)"
        lines.append(f"| {name} | {result} | {found.get('seconds', '')} | {_tests(found)} |")
    if covered := report.get("coverage"):
        lines += ["", f"Covered: {covered['percent']} %."]
        lines += [f"- {name}: {percent} %" for name, percent in covered["least_covered"]]
    for name, found in report["checks"].items():
        if found["status"] == "failed" and found.get("tail"):
            how = "it was ended: its time was up, or somebody killed it"
            if "exit_code" in found:
                how = f"`{found['command']}`: exit code {found['exit_code']}"
            lines += ["", f"## {name}", "", how, "", *(f"    {line}" for line in found["tail"])]
    return "\n".join(lines) + "\n"


def _tests(found: Mapping[str, Any]) -> str:
    tests = found.get("tests")
    if tests is None:
        return ""
    failed = f", {len(tests['failed'])} failed" if tests["failed"] else ""
    return f"{tests['run']}{failed}"
