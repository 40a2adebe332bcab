"""The steps of the plan. What one hands to the next is a file in `$DOC_IDS_WORK`."""

from __future__ import annotations

import base64
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from doc_ids import report
from doc_ids.choice import Choice, Restore, Unresolved, choose
from doc_ids.git import Git, GitFailed
from doc_ids.history import trace
from doc_ids.rewrite import Changed, digest_of, rewrite
from doc_ids.scan import Problem, Scan, scan


def main(phase: str) -> int:
    """Run one phase; returns its exit status."""
    phases = {
        "scan": _scan,
        "trace": _trace,
        "report": _report,
        "rewrite": _rewrite,
        "verify": _verify,
    }
    try:
        return phases[phase](Git(Path(os.environ["DOC_IDS_REPOSITORY"])))
    except (GitFailed, Changed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _scan(git: Git) -> int:
    found = scan(git, os.environ["DOC_IDS_ROOT"])
    _save("scan.json", asdict(found))
    for problem in found.faults:
        what = f"{problem.id!r} is not the only one" if problem.id else problem.reason
        _say(f"{problem.path}: {problem.kind}{': ' if what else ''}{what}")
    _output(documents=found.documents, problems=len(found.faults))
    return 0


def _trace(git: Git) -> int:
    found = _load("scan.json")
    problems = [Problem(**problem) for problem in found.pop("problems")]
    looked_at = Scan(problems=problems, **found)
    past = trace(git, (problem.path for problem in problems))
    choice = choose(git.top, looked_at, past)
    _save("choice.json", asdict(choice))
    for restore in choice.restores:
        _say(f"{restore.path}: {restore.id} (from {restore.commit[:12]})")
    for item in choice.unresolved:
        _say(f"{item.path}: {item.reason}")
    _output(restorable=len(choice.restores), unresolved=len(choice.unresolved))
    return 0


def _report(git: Git) -> int:
    choice = _choice()
    text = report.markdown(_load("scan.json")["documents"], choice)
    _work("report.md").write_bytes(text.encode())
    _work("changes.diff").write_bytes(report.diff(git.top, choice))
    _say(text)
    _output(report=str(_work("report.md").resolve()))
    return 0


def _rewrite(git: Git) -> int:
    _output(rewritten=rewrite(git.top, _choice().restores))
    return 0


def _verify(git: Git) -> int:
    """Exit status 1 unless all is well; says what is not."""
    choice = _choice()
    wrong = [
        f"{restore.path}: is not what the rewrite made of it"
        for restore in choice.restores
        if digest_of(Path(git.top, restore.path)) != restore.after
    ]
    known = {item.path: item.reason for item in choice.unresolved}
    wrong += [f"{path}: {reason}" for path, reason in known.items()]
    wrong += [
        f"{problem.path}: {problem.kind}"
        for problem in scan(git, os.environ["DOC_IDS_ROOT"]).faults
        if problem.path not in known
    ]
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    _say(f"{len(choice.restores)} ids restored, {len(wrong)} documents need a person")
    return 1 if wrong else 0


def _choice() -> Choice:
    found = _load("choice.json")
    return Choice(
        [Restore(**item) for item in found["restores"]],
        [Unresolved(**item) for item in found["unresolved"]],
    )


def _work(name: str) -> Path:
    directory = Path(os.environ["DOC_IDS_WORK"])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / ".gitignore").write_text("*\n")
    return directory / name


def _save(name: str, value: Any) -> None:
    text = json.dumps(value, indent=1, default=lambda line: {"base64": _encoded(line)})
    _work(name).write_text(text)


def _load(name: str) -> Any:
    return json.loads(_work(name).read_text(), object_hook=_decoded)


def _encoded(line: bytes) -> str:
    return base64.b64encode(line).decode()


def _decoded(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if value.keys() == {"base64"} else value


def _say(text: str) -> None:
    sys.stdout.write(text.encode(errors="backslashreplace").decode() + "\n")


def _output(**values: Any) -> None:
    """Outputs of the step, when Stoker runs it."""
    if path := os.environ.get("STOKER_OUTPUT"):
        Path(path).write_text(json.dumps(values))
