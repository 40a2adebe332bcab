"""What is to be rewritten, for people: a report and a diff."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path

from doc_ids import front_matter
from doc_ids.choice import Choice


def markdown(documents: int, choice: Choice) -> str:
    """The report."""
    lines = ["# Document ids", "", f"{documents} documents looked at.", ""]
    if choice.restores:
        lines += ["| document | has | gets back | from commit |", "|---|---|---|---|"]
        lines += [
            f"| {_cell(r.path)} | {_cell(r.was)} | `{_cell(r.id)}` | {r.commit[:12]} |"
            for r in choice.restores
        ]
    else:
        lines.append("Nothing to restore.")
    if choice.unresolved:
        lines += ["", "Left to a person:", ""]
        lines += [f"- {_cell(item.path)}: {_cell(item.reason)}" for item in choice.unresolved]
    return "\n".join(lines) + "\n"


def diff(top: Path, choice: Choice) -> bytes:
    """What a rewrite changes; documents that have changed since are left out."""
    parts: list[bytes] = []
    for restore in choice.restores:
        content = Path(top, restore.path).read_bytes()
        if hashlib.sha256(content).hexdigest() != restore.before:
            continue
        new = front_matter.with_line(content, restore.line)
        name = restore.path.encode(errors="surrogateescape")
        parts += difflib.diff_bytes(
            difflib.unified_diff,
            content.splitlines(keepends=True),
            new.splitlines(keepends=True),
            b"a/" + name,
            b"b/" + name,
            n=1,
        )
    return b"".join(parts)


def _cell(text: str) -> str:
    readable = text.encode(errors="backslashreplace").decode()
    return readable.replace("|", "\\|").replace("\n", " ")
