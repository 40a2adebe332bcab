"""What follows from all that was seen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from stoker.roadmaps.evidence import Command, Evidence, Fault, Tests, Verdict
from stoker.roadmaps.verify.protected import matches

_MOST: Final = 2_000
_TEXT: Final = frozenset((".md", ".rst", ".txt", ".adoc"))


def decide(faults: Sequence[Fault], proof: Sequence[str], silent: str) -> tuple[Verdict, str]:
    """The verdict and its reason. `proof`: what speaks for the work; `silent`: why nothing
    does."""
    if faults:
        first = faults[0].message.partition("\n")[0]
        more = f" ({len(faults) - 1} faults more)" if len(faults) > 1 else ""
        return "failed", f"{first}{more}"
    return ("verified", "; ".join(proof)) if proof else ("unverified", silent)


def silence(mode: str, paths: Sequence[str], ran: Sequence[Command], gone: Sequence[str]) -> str:
    """Why nothing speaks for the work, if nothing does; `ran`: commands, `gone`: programs that
    they needed."""
    if mode == "skip":
        return "verification is skipped: only files were looked at"
    if mode == "agent":
        return "no command is run: a second agent is to judge"
    if gone:
        return f"it could not be tested: {', '.join(gone)} is not there"
    if ran:
        return "no tests ran"
    if paths and only_text(paths):
        return "only text was changed, and no command verifies it"
    return "no command was found that verifies it"


def beside(paths: Sequence[str], promised: Sequence[str]) -> str:
    """Why tests that pass as before say nothing of what was changed; empty: they do."""
    if paths and only_text(paths):
        return "only text was changed, which no test is of"
    names = {PurePosixPath(one).name for one in promised}  # the path may be wrong
    if promised and not any(
        matches(path, promised) or PurePosixPath(path).name in names for path in paths
    ):
        return f"none of the files it names was changed: {', '.join(promised[:5])}"
    return ""


def only_text(paths: Sequence[str]) -> bool:
    """It is prose."""
    return all(PurePosixPath(path).suffix in _TEXT for path in paths)


def accepted(evidence: Evidence, faults: Sequence[Fault], reason: str) -> Evidence:
    """`evidence` with what a second agent says of the acceptance criteria: `faults`, or nothing
    against it, and `reason` in a sentence. It never makes good what failed."""
    verdict: Verdict = "failed" if faults or evidence.verdict == "failed" else "verified"
    return replace(
        evidence,
        verdict=verdict,
        reason=evidence.reason if evidence.verdict == "failed" else reason,
        levels=(*evidence.levels, "acceptance"),
        faults=(*evidence.faults, *faults),
    )


def bounded(tests: Tests) -> Tests:
    """As far as a record can hold it."""
    return Tests(**{name: getattr(tests, name)[:_MOST] for name in tests.__struct_fields__})
