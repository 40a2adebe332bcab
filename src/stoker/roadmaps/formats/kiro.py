"""Kiro: .kiro/specs/<name>/tasks.md, and cc-sdd, which writes the same with more to say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from stoker.roadmaps.document import Problem, Roadmap
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.formats.outline import STATES, Draft, Markdown, Reader, document, trail
from stoker.roadmaps.formats.words import paths

_NUMBER = re.compile(r"(\d+(?:\.\d+)*)[.)]?\s+(.*)$")
_LINE = re.compile(rb"^\s*[-*] \[[ xX~-]\]\*? \d+(?:\.\d+)*\.? ", re.MULTILINE)
_DIALECT = re.compile(
    rb"_\s*(?:Requirements|Depends|Boundary|Contracts)\s*:|^[ \t]*- \[.\]\* ", re.MULTILINE
)
_KEYED = re.compile(r"_\s*(Requirements?|Depends(?: on)?|Boundary|Contracts?|Files?)\s*[:：]\s*"
                    r"(.*?)\s*_\s*$", re.IGNORECASE | re.MULTILINE)  # fmt: skip
_PROPERTY = re.compile(r"\*\*(Property\s+\d+[^*]*?)\*\*", re.IGNORECASE)
_VALIDATES = re.compile(r"\*\*Validates:\s*(?:Requirements?\s*)?([^*]+)\*\*", re.IGNORECASE)
_PARALLEL = re.compile(r"\s*\(P\)\s*")
_ID = re.compile(r"\d+(?:\.\d+)*")


class Kiro(Markdown):
    """Numbered tasks and their parts; `[ ]*` is optional,
    `[-]` in progress. A checkpoint is a gate."""

    name = "kiro"
    title = "Kiro and cc-sdd: .kiro/specs/<name>/tasks.md"
    marks = {"done": "x", "pending": " ", "in_progress": "-"}  # noqa: RUF012

    def recognises(self, source: Source) -> int:
        """See `Format`."""
        path = _tasks(source.path)
        try:
            data = source.read(path)
        except NotReadable:
            return 0
        known = len(_LINE.findall(data))
        if ".kiro" in path.parts and path.name == "tasks.md":
            return 95 if known else 60
        return 70 if known > 1 and path.suffix == ".md" and _DIALECT.search(data) else 0

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `Format`."""
        path = _tasks(source.path)
        reader = Reader.open(source, path, reading, {**STATES, "-": "in_progress"})
        sections = reader.sections()
        trails = trail(reader.scanned.headings)
        criteria = reader.criteria(sections)
        drafts: list[Draft] = []
        boxes = reader.scanned.boxes
        numbered: dict[str, int] = {}
        for index, box in enumerate(boxes):
            if index in criteria.boxes:
                continue
            section = sections[index]
            found = _NUMBER.match(box.text)
            number, text = (found[1], found[2]) if found else ("", box.text)
            detail = reader.text(box.line + 1, _first(reader, index))
            fields = _fields(detail)
            if _PARALLEL.search(text):
                fields["parallel"] = True
                text = _PARALLEL.sub(" ", text).strip()
            fields["optional"] = box.star
            fields["gate"] = text.lower().startswith("checkpoint")
            if index in criteria.of:
                fields["acceptance"] = criteria.of[index]
            under = -1
            if number:
                under = numbered.get(number.rpartition(".")[0], -1) if box.parent < 0 else -1
                numbered.setdefault(number, index)
            drafts.append(
                Draft(
                    index,
                    text,
                    explicit=number,
                    section=section.text if section else None,
                    ancestry=trails.get(section.line, ()) if section else (),
                    under=under,
                    fields=fields,
                )
            )
        problems = reader.resolve(drafts)
        built = reader.tasks(drafts)
        return document(
            self.name,
            source,
            [reader],
            text=reader.intro(),
            tasks=built.tasks,
            acceptance=criteria.general,
            documents=_documents(source, path),
            problems=(*problems, *built.problems, *_approvals(source, path)),
        )


def _tasks(path: Path) -> Path:
    return path / "tasks.md" if path.is_dir() else path


def _first(reader: Reader, index: int) -> int:
    """Where the text of a task ends: at its first part."""
    boxes = reader.scanned.boxes
    following = boxes[index + 1].line if index + 1 < len(boxes) else len(reader.scanned.lines)
    return min(following, reader.scanned.ends[index])


def _fields(detail: str) -> dict[str, Any]:
    """What the lines below a task say in Kiro's words and in those of cc-sdd."""
    if not detail:
        return {}
    fields: dict[str, Any] = {}
    references: dict[str, None] = {}
    files = dict.fromkeys(paths(detail, ticked_only=True))
    for key, value in _KEYED.findall(detail):
        word = key.lower()
        if word.startswith("requirement"):
            references |= dict.fromkeys(_parts(value))
        elif word.startswith("depends"):
            fields["depends_on"] = tuple(_ID.findall(value))
        elif word.startswith("file"):
            files |= dict.fromkeys(part.strip("`") for part in _parts(value))
        else:
            references[f"{key}: {value}"] = None
    references |= dict.fromkeys(_PROPERTY.findall(detail))
    for value in _VALIDATES.findall(detail):
        references |= dict.fromkeys(_parts(value))
    return fields | {"references": tuple(references), "files": tuple(files)}


def _parts(value: str) -> list[str]:
    return [part for piece in re.split(r"[,，、]", value) if (part := piece.strip())]


def _documents(source: Source, path: Path) -> tuple[str, ...]:
    beside = [path.parent / name for name in ("requirements.md", "design.md", "research.md")]
    folder = next((parent for parent in path.parents if parent.name == ".kiro"), None)
    steering = sorted((folder / "steering").glob("*.md")) if folder else []
    return tuple(source.relative(file) for file in (*beside, *steering) if file.is_file())


def _approvals(source: Source, path: Path) -> list[Problem]:
    """What spec.json of cc-sdd says is not approved yet."""
    import msgspec

    file = path.parent / "spec.json"
    if not file.is_file():
        return []

    def warn(code: str, message: str) -> Problem:
        return Problem(
            severity="warning", code=code, message=message, path=source.relative(file), line=1
        )

    try:
        spec = msgspec.json.decode(source.read(file))
    except msgspec.DecodeError as error:
        return [warn("bad-json", f"expected JSON: {error}")]
    approvals = spec.get("approvals") if isinstance(spec, dict) else None
    if not isinstance(approvals, dict):
        return []
    return [
        warn("not-approved", f"its {name} are not approved yet")
        for name, said in approvals.items()
        if isinstance(said, dict) and said.get("approved") is False
    ]


FORMAT = Kiro()
