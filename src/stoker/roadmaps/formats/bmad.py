"""BMAD: stories such as docs/stories/1.2.slug.md, one of them or a directory of all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from stoker.roadmaps.document import Criterion, Phase, Roadmap, Task
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.formats.criteria import divide
from stoker.roadmaps.formats.drafts import Draft, tasks_of
from stoker.roadmaps.formats.markdown import Markdown
from stoker.roadmaps.formats.reader import Reader
from stoker.roadmaps.formats.scanned import TEXT, Heading
from stoker.roadmaps.formats.words import ticked
from stoker.roadmaps.front_matter import yaml_of

_FILE = re.compile(r"(?:story-)?(\d+)[.-](\d+)(?=[.-]|$)")
_STATUS = re.compile(
    r"[*_#\s]*+status[*_]*+\s*+:[*_]*+\s*+[*_`]*+([A-Za-z][A-Za-z -]*)", re.IGNORECASE
)
_STORY = re.compile(r"story\s+[\d.]+\s*[:.–—-]\s*(.*)$", re.IGNORECASE)
_NUMBERED = re.compile(r"\s*(?:[-*]\s+)?(?:\*\*)?(?:AC\s*#?)?(\d+)(?:\*\*)?[.):](?:\*\*)?\s*(.*)$")
_AC = re.compile(r"(?<!\s)\s*+\((?:AC|ACs)\b\s*+:?\s*+([^()]*)\)", re.IGNORECASE)
_TASK = re.compile(r"(?:Sub-?)?Task\s+(\d+(?:\.\d+)*)\s*[:.–—-]?\s*(.*)$", re.IGNORECASE)
_PLAIN = re.compile(r"(\d+(?:\.\d+)*)[.):]?\s+(.*)$")
_SHAPE = re.compile(rb"^##+ +Tasks\b", re.MULTILINE)
_STATED = re.compile(
    rb"^[*_#]*+[ \t]*+status[*_]*+[ \t]*+:|^## Status", re.MULTILINE | re.IGNORECASE
)
_NOT_READY = {"draft", "backlog", "drafted", "todo"}


class Bmad(Markdown):
    """A story is a phase; its acceptance criteria belong to the tasks that name them."""

    name = "bmad"
    title = "BMAD: stories in docs/stories/"

    def file(self, path: Path) -> Path:
        """The first story of a directory."""
        return next(iter(_stories(path)), path) if path.is_dir() else path

    def sure(self, path: Path, data: bytes) -> int:
        """See `Markdown`."""
        if not _SHAPE.search(data) or b"## Acceptance Criteria" not in data:
            return 0
        return 90 if _STATED.search(data) else 70 if _FILE.match(path.name) else 0

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `Format`."""
        files = _stories(source.path) if source.path.is_dir() else [source.path]
        if not files:
            where = source.relative(source.path)
            raise NotReadable(f"{where}: expected stories such as 1.2.name.md in it, found none")
        sprint = _sprint(source, files[0].parent)
        phases: dict[str, Phase] = {}
        tasks: list[Task] = []
        acceptance: list[Criterion] = []
        readers = [Reader(source, path, reading) for path in files]
        for reader in readers:
            story = _story_id(reader)
            if story in phases:
                story = reader.path.stem
            reader.above = (story,)
            phases[story] = _phase(reader, story)
            drafts, others = _drafts(reader, story, _criteria(reader))
            built = tasks_of(reader, drafts)
            tasks += built
            acceptance += divide(reader, dict.fromkeys(others, -1)).general
            _judge(reader, built, sprint)
        return self.of_readers(
            source,
            readers,
            tuple(tasks),
            title=readers[0].title() if len(readers) == 1 else source.path.name,
            text="",
            phases=tuple(phases.values()),
            acceptance=tuple(acceptance),
        )


def _stories(folder: Path) -> list[Path]:
    """The stories of a directory, by epic and number."""
    found = [(match, path) for path in folder.glob("*.md") if (match := _FILE.match(path.name))]
    return [
        path for match, path in sorted(found, key=lambda f: (int(f[0][1]), int(f[0][2]), f[1].name))
    ]


def _story_id(reader: Reader) -> str:
    found = _FILE.match(reader.path.name)
    return f"{found[1]}.{found[2]}" if found else reader.path.stem


def _part(reader: Reader, name: str) -> tuple[Heading | None, int]:
    """The section whose heading begins so, and the line it ends at."""
    headings = reader.scanned.headings
    for index, heading in enumerate(headings):
        if heading.level >= 2 and heading.text.casefold().startswith(name):
            ends = (head.line for head in headings[index + 1 :] if head.level <= heading.level)
            return heading, next(ends, len(reader.scanned.lines))
    return None, 0


def _phase(reader: Reader, story: str) -> Phase:
    heading = next((head for head in reader.scanned.headings if head.level == 1), None)
    text = heading.text if heading else story
    named = _STORY.match(text)
    part, end = _part(reader, "story")
    goal = reader.text(part.line + 1, end) if part else ""
    status = _status(reader)
    if status and status.casefold() in _NOT_READY:
        said = f"the story's status is {status}, expected ready-for-dev or in-progress"
        reader.tell("not-ready", said, heading or 0)
    return Phase(
        id=story,
        name=named[1] if named else text,
        line=heading.line + 1 if heading else 1,
        path="" if reader.main else reader.relative,
        goal=" ".join(goal.replace("**", "").split()),
        barrier=True,
    )


def _status(reader: Reader) -> str:
    """Of the story: `Status: review`, or below a heading of that name."""
    scanned = reader.scanned
    for line, kind in zip(scanned.lines, scanned.kinds, strict=True):
        if kind == TEXT and (found := _STATUS.match(line)):
            return found[1].strip()
    part, end = _part(reader, "status")
    return reader.text(part.line + 1, end).strip("*_` \n") if part else ""


def _criteria(reader: Reader) -> dict[str, str]:
    """The acceptance criteria, by number."""
    part, end = _part(reader, "acceptance criteria")
    found: dict[str, str] = {}
    number = ""
    for line in reader.scanned.lines[part.line + 1 : end] if part else ():
        if match := _NUMBERED.match(line):
            number = match[1]
            found[number] = match[2].strip()
        elif number and line.strip():
            found[number] += f"\n{line.strip()}"
    return found


def _drafts(reader: Reader, story: str, wanted: Mapping[str, str]) -> tuple[list[Draft], list[int]]:
    """The tasks, and the boxes that are none because they stand elsewhere."""
    part, end = _part(reader, "tasks")
    drafts: list[Draft] = []
    others: list[int] = []
    for index, box in enumerate(reader.scanned.boxes):
        if part is None or not part.line < box.line < end:
            others.append(index)
            continue
        named = _AC.search(box.text)
        text = _AC.sub("", box.text).strip()
        found = _TASK.match(text) or _PLAIN.match(text)
        if found and found[2]:
            text = found[2]
        if named and named.end() < len(box.text.rstrip()):
            text = box.text  # named in its midst
        explicit = f"{story}-T{found[1]}" if found else ""
        draft = Draft(index, text, explicit, "", story, ticked(text))
        if named:
            numbers = re.findall(r"\d+", named[1])
            draft.references = tuple(f"AC {number}" for number in numbers)
            draft.acceptance = tuple(
                Criterion(text=wanted[number]) for number in numbers if number in wanted
            )
        drafts.append(draft)
    return drafts, others


def _judge(reader: Reader, tasks: tuple[Task, ...], sprint: Mapping[str, str]) -> None:
    """Tell where the story, its boxes and sprint-status.yaml say different things."""
    status = _status(reader).casefold().replace(" ", "-")
    if status == "done" and (left := sum(task.status != "done" for task in tasks)):
        said = f"the story's status is done, but {left} of its tasks are not"
        reader.tell("status-mismatch", said, 0)
    key = reader.path.stem.replace(".", "-")
    if status and key in sprint and sprint[key] != status:
        said = f"the story's status is {status}, in sprint-status.yaml it is {sprint[key]}"
        reader.tell("status-mismatch", said, 0, "note")


def _sprint(source: Source, folder: Path) -> dict[str, str]:
    """The stories' statuses of sprint-status.yaml, which lies with the stories or above them."""
    for place in (folder, *folder.parents):
        if not place.is_relative_to(source.root):
            break
        file = place / "sprint-status.yaml"
        if not file.is_file():
            continue
        try:
            statuses = yaml_of(source.read(file), file.name).get("development_status")
        except NotReadable:
            return {}
        return (
            {k: v for k, v in statuses.items() if isinstance(v, str)}
            if isinstance(statuses, dict)
            else {}
        )
    return {}


FORMAT = Bmad()
