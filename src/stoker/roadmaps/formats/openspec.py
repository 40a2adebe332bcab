"""OpenSpec: openspec/changes/<id>/tasks.md, counted exactly as `openspec` itself counts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from stoker.roadmaps.document import DEEPEST, Phase, Roadmap, Task
from stoker.roadmaps.findings import Findings
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.formats.drafts import Draft, tasks_of
from stoker.roadmaps.formats.markdown import Markdown
from stoker.roadmaps.formats.reader import Reader
from stoker.roadmaps.formats.scanned import BOXED, FENCE, Box, Scan
from stoker.roadmaps.formats.scanner import starts
from stoker.roadmaps.formats.words import ticked, verification
from stoker.roadmaps.front_matter import yaml_of
from stoker.roadmaps.identity import Names, slug

# Its own pattern, applied to every line, in fences and comments too: a task that is not counted
# is one that nobody misses.
_BOX = re.compile(r"(\s*)(?:[-*+]|\d{1,9}[.)])\s*\[([\sxX])\]\s*(.*)", re.DOTALL)
_NUMBER = re.compile(r"(\d+(?:\.\d+)+)[.):]?\s+(.*)$", re.DOTALL)
_GROUP = re.compile(r"(\d+)[.):]\s*(.*)$")
_VERIFY = re.compile(r"(?<!\s)\s++[-–—]\s++verify:\s*+(.*)$", re.IGNORECASE)
_LINE = re.compile(rb"^[ \t]*[-*] \[[ xX]\] \d+\.\d+ ", re.MULTILINE)
_HEAD = re.compile(rb"^## \d+\. ", re.MULTILINE)


class OpenSpec(Markdown):
    """Numbered groups of numbered tasks. What is in the archive is done."""

    name = "openspec"
    title = "OpenSpec: openspec/changes/<id>/tasks.md"

    inside = "tasks.md"

    def recognises(self, source: Source) -> int:
        """See `Format`."""
        if source.path.is_dir() and not (
            _placed(source.path) and (source.path / "proposal.md").is_file()
        ):
            return 0
        return super().recognises(source)

    def sure(self, path: Path, data: bytes) -> int:
        """See `Markdown`."""
        if _placed(path) and path.name == "tasks.md":
            return 95
        return 65 if _HEAD.search(data) and _LINE.search(data) else 0

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `Format`."""
        files = _files(source)
        archived = "archive" in files[0].parts
        phases: list[Phase] = []
        names = Names()
        readers: list[Reader] = []
        tasks: list[Task] = []
        taken: set[str] = set()
        for path in files:
            reader = Reader(source, path, reading)
            reader.scanned = _every(reader.scanned, reader.data, reader.relative)
            readers.append(reader)
            drafts = _drafts(reader, phases, names, archived)
            for draft in drafts:
                if draft.explicit in taken:  # of another file of the change
                    draft.explicit, draft.given = "", f"{path.parent.name}-{draft.explicit}"
            tasks += tasks_of(reader, drafts)
            taken |= {draft.explicit for draft in drafts}
        change = source.path if source.path.is_dir() else source.path.parent
        title = readers[0].title()
        return self.of_readers(
            source,
            readers,
            tuple(tasks),
            title=title if title.lower() not in ("", "tasks") else change.name,
            phases=tuple(phases),
            documents=_documents(source, change),
        )


def _placed(path: Path) -> bool:
    """Whether it lies below `openspec/changes`."""
    parts = path.parts
    return "openspec" in parts and "changes" in parts[parts.index("openspec") :]


def _every(scanned: Scan, data: bytes, path: str) -> Scan:
    """The scan with the boxes that OpenSpec counts."""
    boxes: list[Box] = []
    ends: list[int] = []
    open_: list[tuple[int, int]] = []
    begins = starts(data)
    stops = {heading.line for heading in scanned.headings}
    kinds = bytearray(scanned.kinds)
    for number, line in enumerate(scanned.lines):
        found = _BOX.match(line)
        if found is None:
            if number in stops:
                for _, index in open_:
                    ends[index] = number
                open_ = []
            continue
        indent = len(found[1].expandtabs(4))
        while open_ and (open_[-1][0] >= indent or len(open_) > DEEPEST):
            ends[open_.pop()[1]] = number
        parent = open_[-1][1] if open_ else -1
        start = begins[number] + len(line[: found.start(2)].encode())
        depth = boxes[parent].depth + 1 if parent >= 0 else 0
        end = start + len(found[2].encode())
        column = len(found[1])
        boxes.append(
            Box(number, column, parent, -1, depth, found[2], start, end, found[3].strip(), False)
        )
        ends.append(len(scanned.lines))
        open_.append((indent, len(boxes) - 1))
    fenced = [box.line + 1 for box in boxes if scanned.kinds[box.line] == FENCE]
    kept = (found for found in scanned.problems if not found.code.endswith("-boxes"))
    problems = Findings(path, kept)
    if fenced:
        lines = ", ".join(map(str, fenced[:10]))
        said = f"{len(fenced)} boxes in fenced code are tasks here, as OpenSpec counts them"
        problems.tell((fenced[0], 1), "fenced-boxes", f"{said}: line {lines}", "note")
    for box in boxes:
        kinds[box.line] = BOXED
    return scanned._replace(boxes=boxes, ends=ends, kinds=kinds, problems=problems)


def _drafts(reader: Reader, phases: list[Phase], names: Names, archived: bool) -> list[Draft]:
    """The tasks of one file; its groups are added to `phases`."""
    groups: dict[int, str | None] = {-1: None}
    group = None
    for heading in reader.scanned.headings:
        if heading.level == 2:
            found = _GROUP.match(heading.text)
            free = found and found[1] not in names
            group = names.take(found[1] if found and free else slug(heading.text))
            phases.append(
                Phase(
                    id=group,
                    name=found[2] if found else heading.text,
                    line=heading.line + 1,
                    path="" if reader.main else reader.relative,
                    text=reader.before_tasks(heading),
                )
            )
        groups[heading.line] = group
    drafts = []
    for index, (box, section) in enumerate(zip(reader.scanned.boxes, reader.sections, strict=True)):
        found = _NUMBER.match(box.text)
        text = found[2] if found else box.text
        draft = Draft(index, text, found[1] if found else "")
        draft.phase = groups[section.line if section else -1]
        if said := _VERIFY.search(text) if "erify" in text else None:
            draft.title = text[: said.start()]
            draft.verify = verification(f"verify: {said[1]}")
            draft.test_strategy = "" if draft.verify else said[1]
        draft.files = ticked(draft.title)
        draft.status = "done" if archived else None
        drafts.append(draft)
    return drafts


def _files(source: Source) -> list[Path]:
    """What holds the tasks of a change: what its schema tracks, which is tasks.md if it does not
    say. Raises `NotReadable` if there is none."""
    if not source.path.is_dir():
        return [source.path]
    tracked = _tracked(source) or "tasks.md"
    files = sorted(path for path in source.path.glob(tracked) if path.is_file())
    if not files:
        raise NotReadable(f"{source.relative(source.path)}: expected {tracked} in it, found none")
    return files


def _tracked(source: Source) -> str | None:
    """The glob of the task files by the change's schema, if it has one of its own."""

    def load(path: Path) -> dict[str, Any]:
        try:
            return yaml_of(source.read(path), path.name)
        except NotReadable:
            return {}

    folder = next((path for path in source.path.parents if path.name == "openspec"), None)
    name = load(source.path / ".openspec.yaml").get("schema")
    if folder is None or not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name):
        return None
    schema = load(folder / "schemas" / name / "schema.yaml")
    apply = schema.get("apply")
    tracks = apply.get("tracks") if isinstance(apply, dict) else None
    for artifact in schema.get("artifacts") or ():
        if isinstance(artifact, dict) and (
            artifact.get("generates") == tracks if tracks else artifact.get("id") == "tasks"
        ):
            tracks = artifact.get("generates")
    inside = isinstance(tracks, str) and not tracks.startswith("/") and ".." not in tracks
    return str(tracks) if inside and tracks else None


def _documents(source: Source, change: Path) -> tuple[str, ...]:
    beside = [
        change / "proposal.md",
        change / "design.md",
        *sorted(change.glob("specs/**/spec.md")),
    ]
    folder = next((path for path in change.parents if path.name == "openspec"), None)
    if folder:
        beside.append(folder / "project.md")
    return tuple(source.relative(file) for file in beside if file.is_file())


FORMAT = OpenSpec()
