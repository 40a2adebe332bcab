"""Kiro: .kiro/specs/<name>/tasks.md, and cc-sdd, which writes the same with more to say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from stoker.roadmaps.document import Roadmap, Status
from stoker.roadmaps.findings import Findings
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.formats.criteria import criteria_of
from stoker.roadmaps.formats.drafts import Draft, tasks_of
from stoker.roadmaps.formats.markdown import Markdown
from stoker.roadmaps.formats.reader import STATES, Reader
from stoker.roadmaps.formats.words import ticked

_NUMBER = re.compile(r"(\d+(?:\.\d+)*)[.)]?\s+(.*)$")
_LINE = re.compile(rb"^[ \t]*[-*] \[[ xX~-]\]\*? \d+(?:\.\d+)*\.? ", re.MULTILINE)
_DIALECT = re.compile(
    rb"_\s*(?:Requirements|Depends|Boundary|Contracts)\s*:|^[ \t]*- \[.\]\* ", re.MULTILINE
)
_KEYED = re.compile(r"_\s*(Requirements?|Depends(?: on)?|Boundary|Contracts?|Files?)\s*[:：](.*)_$",
                    re.IGNORECASE)  # fmt: skip
_PROPERTY = re.compile(r"\*\*(Property\s+\d+[^*]*?)\*\*", re.IGNORECASE)
_VALIDATES = re.compile(r"\*\*Validates:\s*(?:Requirements?\s*)?([^*]+)\*\*", re.IGNORECASE)
_ID = re.compile(r"\d+(?:\.\d+)*")


class Kiro(Markdown):
    """Numbered tasks and their parts; `[ ]*` is optional,
    `[-]` in progress. A checkpoint is a gate."""

    name = "kiro"
    title = "Kiro and cc-sdd: .kiro/specs/<name>/tasks.md"
    marks: ClassVar[Mapping[Status, str]] = {"done": "x", "pending": " ", "in_progress": "-"}
    inside = "tasks.md"

    def sure(self, path: Path, data: bytes) -> int:
        """See `Markdown`."""
        known = len(_LINE.findall(data))
        if ".kiro" in path.parts and path.name == "tasks.md":
            return 95 if known else 60
        return 70 if known > 1 and _DIALECT.search(data) else 0

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `Format`."""
        path = self.file(source.path)
        reader = Reader(source, path, reading, {**STATES, "-": "in_progress"})
        criteria = criteria_of(reader)
        drafts: list[Draft] = []
        numbered: dict[str, int] = {}
        for index, box, _ in criteria.others(reader):
            found = _NUMBER.match(box.text)
            number, text = (found[1], found[2]) if found else ("", box.text)
            draft = Draft(index, text, number, optional=box.star)
            _detail(draft, reader.text(box.line + 1, _first(reader, index)))
            if "(P)" in text:
                draft.parallel = True
                # In its midst it stays: what is written on the line tells whether it is that one.
                draft.title = text.removeprefix("(P)").removesuffix("(P)").strip()
            draft.gate = draft.title.lower().startswith("checkpoint")
            if number:
                if box.parent < 0:
                    draft.under = numbered.get(number.rpartition(".")[0], -1)
                numbered.setdefault(number, index)
            drafts.append(draft)
        tasks = tasks_of(reader, drafts, criteria.of)
        _approvals(reader)
        return self.of_readers(
            source,
            [reader],
            tasks,
            acceptance=criteria.general,
            documents=_documents(source, path),
        )


def _first(reader: Reader, index: int) -> int:
    """Where the text of a task ends: at its first part."""
    boxes = reader.scanned.boxes
    following = boxes[index + 1].line if index + 1 < len(boxes) else len(reader.scanned.lines)
    return min(following, reader.scanned.ends[index])


def _detail(draft: Draft, detail: str) -> None:
    """What the lines below a task say in Kiro's words and in those of cc-sdd."""
    references: dict[str, None] = {}
    files = dict.fromkeys(ticked(detail))
    keyed = (
        _KEYED.search(line) for line in map(str.rstrip, detail.split("\n")) if line[-1:] == "_"
    )
    for said in filter(None, keyed):
        key, value = said[1], said[2].strip()
        word = key.lower()
        if word.startswith("requirement"):
            references |= dict.fromkeys(_parts(value))
        elif word.startswith("depends"):
            draft.depends_on = tuple(_ID.findall(value))
        elif word.startswith("file"):
            files |= dict.fromkeys(part.strip("`") for part in _parts(value))
        else:
            references[f"{key}: {value}"] = None
    references |= dict.fromkeys(_PROPERTY.findall(detail))
    for value in _VALIDATES.findall(detail):
        references |= dict.fromkeys(_parts(value))
    draft.references, draft.files = tuple(references), tuple(files)


def _parts(value: str) -> list[str]:
    return [part for piece in re.split(r"[,，、]", value) if (part := piece.strip())]


def _documents(source: Source, path: Path) -> tuple[str, ...]:
    beside = [path.parent / name for name in ("requirements.md", "design.md", "research.md")]
    folder = next((parent for parent in path.parents if parent.name == ".kiro"), None)
    steering = sorted((folder / "steering").glob("*.md")) if folder else []
    return tuple(source.relative(file) for file in (*beside, *steering) if file.is_file())


def _approvals(reader: Reader) -> None:
    """Tell what spec.json of cc-sdd says is not approved yet."""
    file = reader.path.parent / "spec.json"
    if not file.is_file():
        return
    problems = Findings(reader.source.relative(file))
    try:
        spec = msgspec.json.decode(reader.source.read(file))
    except (NotReadable, UnicodeError, msgspec.DecodeError) as error:
        problems.tell((1, 1), "bad-json", f"expected JSON: {error}", "warning")
        spec = None
    approvals = spec.get("approvals") if isinstance(spec, dict) else None
    for name, said in approvals.items() if isinstance(approvals, dict) else ():
        if isinstance(said, dict) and said.get("approved") is False:
            message = f"its {name} are not approved yet"
            problems.tell((1, 1), "not-approved", message, "warning")
    reader.problems += problems


FORMAT = Kiro()
