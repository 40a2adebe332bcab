"""From a scanned Markdown file to tasks: what all Markdown formats have in common."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from itertools import takewhile
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from msgspec import Struct

from stoker.roadmaps.document import (
    DEEPEST,
    CodeBlock,
    Criterion,
    Mark,
    Roadmap,
    Status,
    Task,
)
from stoker.roadmaps.findings import Findings, Severity
from stoker.roadmaps.format import Edit, NotReadable, Reading, Source
from stoker.roadmaps.formats.nesting import shallow
from stoker.roadmaps.formats.scanner import BOXED, FENCE, TEXT, Box, Heading, scan
from stoker.roadmaps.formats.waiting import resolve
from stoker.roadmaps.formats.words import verification
from stoker.roadmaps.identity import Said, name

_CRITERIA = re.compile(
    r"[\s#*_>\-+]*(?:acceptance(?: criteria)?|definition of done|success criteria|exit criteria|"
    r"done when|completion criteria)\b[\s*_:.]*+(?:\([^)]*\))?[\s*_:]*$",
    re.IGNORECASE,
)
_WORDS = (b"acceptance", b" of done", b" criteria", b"done when")
_STRUCK = re.compile(r"~~.+~~[\s.]*$")
_BLOCKED = re.compile(r"\(\s*blocked\b[^()]*\)", re.IGNORECASE)
STATES: dict[str, Status] = {
    "x": "done", "X": "done", "✓": "done", "✔": "done", "✅": "done",
    "~": "in_progress", "/": "in_progress", "-": "skipped", "⏭": "skipped",
}  # fmt: skip


class Draft(Struct, gc=False):
    """A task on its way: what its format has made out of its line."""

    box: int
    title: str
    explicit: str = ""
    """The id its author gave it."""
    given: str = ""
    """The one its format gives it."""
    status: Status | None = None
    """None: what its box says."""
    phase: str | None = None
    under: int = -1
    """The box of the task it is a part of, where its indentation does not say so."""
    fields: dict[str, Any] = {}
    """Further fields of `Task`. `depends_on` is as its author says it."""


class Criteria(NamedTuple):
    """Boxes that are no tasks but say what must hold."""

    boxes: frozenset[int]
    general: tuple[Criterion, ...]
    """Those of the whole."""
    of: Mapping[int, Sequence[Criterion]]
    """Those of a task, by its box."""


class Reader:
    """One file, scanned, and what its format adds to it."""

    above: tuple[str, ...] = ()
    """What its outermost headings stand under."""

    def __init__(
        self,
        source: Source,
        path: Path,
        reading: Reading,
        states: Mapping[str, Status] = STATES,
    ) -> None:
        """`states`: what the characters in boxes mean. Raises `NotReadable`."""
        self.source = source
        self.path = path
        self.data = source.read(path)
        self.relative = source.relative(path)
        self.scanned = scan(self.data, self.relative, include_fenced=reading.include_fenced)
        self.main = path == source.path
        """It is the document's source, which tasks need not name."""
        self.problems = Findings(self.relative)
        self._states = states

    @cached_property
    def sections(self) -> list[Heading | None]:
        """For each box the last heading before it."""
        found: list[Heading | None] = []
        current: Heading | None = None
        upcoming = iter((*self.scanned.headings, None))
        following = next(upcoming)
        for box in self.scanned.boxes:
            while following is not None and following.line < box.line:
                current, following = following, next(upcoming)
            found.append(current)
        return found

    @cached_property
    def trails(self) -> dict[int, tuple[str, ...]]:
        """For each heading, by its line, itself and the headings it stands under, innermost
        first; without the title, which is the only heading of level 1."""
        headings = self.scanned.headings
        found: dict[int, tuple[str, ...]] = {}
        stack: list[Heading] = []
        titled = sum(heading.level == 1 for heading in headings) == 1
        for heading in headings:
            if titled and heading.level == 1:
                found[heading.line] = ()
                continue
            while stack and stack[-1].level >= heading.level:
                stack.pop()
            stack.append(heading)
            found[heading.line] = tuple(open_.text for open_ in reversed(stack))
        return found

    def tasks_of(self, criteria: Criteria) -> Iterator[tuple[int, Box, int]]:
        """The boxes that are not `criteria`, by their indices, each with the line of the heading
        it stands under, or -1."""
        for index, (box, section) in enumerate(zip(self.scanned.boxes, self.sections, strict=True)):
            if index not in criteria.boxes:
                yield index, box, section.line if section else -1

    def text(self, first: int, last: int) -> str:
        """Lines as they stand in the file, without empty ones around them."""
        return "\n".join(self.scanned.lines[first:last]).strip("\n")

    def before_tasks(self, heading: Heading) -> str:
        """What stands between a heading and the next one or the first task."""
        kinds, headings = self.scanned.kinds, self.scanned.headings
        at = bisect_right(headings, heading.line, key=attrgetter("line"))
        end = headings[at].line if at < len(headings) else len(kinds)
        box = kinds.find(BOXED, heading.line + 1, end)
        return self.text(heading.line + 1, end if box < 0 else box)

    def intro(self) -> str:
        """What stands before the first heading below the title, or the first task."""
        below = [head.line for head in self.scanned.headings if head.level > 1]
        below += [box.line for box in self.scanned.boxes[:1]]
        title = next((head.line + 1 for head in self.scanned.headings if head.level == 1), 0)
        last = min(below, default=len(self.scanned.lines))
        return self.text(title if title <= last else 0, last)

    def title(self) -> str:
        """The first heading of level 1."""
        return next((head.text for head in self.scanned.headings if head.level == 1), "")

    def status(self, box: Box) -> Status:
        """What a box and its text say; a tick says more than any word."""
        found = self._states.get(box.state, "pending")
        if found == "pending" or found == "skipped":  # noqa: PLR1714 - twice as fast
            text = box.text
            if "~~" in text and _STRUCK.match(text):
                return "skipped"
            if "(" in text and found == "pending" and _BLOCKED.search(text):
                return "blocked"
        return found

    def criterion(self, box: Box) -> Criterion:
        mark = Mark(path=self.relative, start=box.start, end=box.end, text=box.state)
        done = self._states.get(box.state) == "done"
        return Criterion(text=box.text, done=done, line=box.line + 1, mark=mark)

    def tell(
        self,
        code: str,
        message: str,
        at: Box | Heading | int,
        severity: Severity = "warning",
    ) -> None:
        """Note a problem with its place, or line."""
        line = at if isinstance(at, int) else at.line
        column = at.column if isinstance(at, Box) else 0
        self.problems.tell((line + 1, column + 1), code, message, severity)

    @cached_property
    def criteria(self) -> Criteria:
        """The boxes that are no tasks but say what must hold, by the words above them. They
        belong to the task before them under the same heading, or to the whole."""
        lines, boxes, sections = self.scanned.lines, self.scanned.boxes, self.sections
        found: dict[int, int] = {}
        small = self.data.lower()
        last = -1  # the last task under this heading
        for index, box in enumerate(boxes) if any(map(small.__contains__, _WORDS)) else ():
            section = sections[index]
            if box.parent in found:
                found[index] = found[box.parent]
                continue
            grouped = box.group >= 0 and _CRITERIA.match(lines[box.group])
            if box.parent >= 0:
                if grouped:
                    found[index] = box.parent
                continue
            if last >= 0 and sections[last] is not section:
                last = -1
            above = box.line - 1
            while above >= 0 and not lines[above].strip():
                above -= 1
            previous = index - 1
            while previous >= 0 and boxes[previous].parent >= 0:
                previous = boxes[previous].parent
            goes_on = (
                previous in found
                and sections[previous] is section
                and self.scanned.ends[previous] > above
            )
            if (
                grouped
                or goes_on
                or (above >= 0 and _CRITERIA.match(lines[above]))
                or (section is not None and _CRITERIA.match(section.text))
            ):
                found[index] = last
            else:
                last = index
        return self.divide(found)

    def divide(self, owners: Mapping[int, int]) -> Criteria:
        """Criteria out of the boxes that are some, by box, and the boxes they belong to, or -1."""
        of: dict[int, list[Criterion]] = {}
        for index, owner in owners.items():
            of.setdefault(owner, []).append(self.criterion(self.scanned.boxes[index]))
        return Criteria(frozenset(owners), tuple(of.pop(-1, ())), of)

    def tasks(
        self,
        drafts: Sequence[Draft],
        criteria: Criteria | None = None,
        ends: Sequence[int] | None = None,
    ) -> tuple[Task, ...]:
        """Build the tasks. Boxes without a draft are no tasks: what is nested under them belongs
        to the next task above. `ends`: where what is written with each box ends, if that is not
        where its list item does."""
        boxes, sections = self.scanned.boxes, self.sections
        limits = ends if ends is not None else self.scanned.ends
        parents = self._parents(drafts)
        contexts = []
        for draft in drafts:
            first, last = boxes[draft.box].line + 1, limits[draft.box]
            contexts.append(self.text(first, last) if first < last else "")

        def said(number: int) -> Said:
            title, context, above = drafts[number].title, contexts[number], []
            while parents[number] >= 0:
                number = parents[number]
                above.append(drafts[number].title)
            section = sections[drafts[number].box]
            trail = self.trails[section.line] if section else ()
            return title, (*above, *trail, *self.above), context

        ids, twins = name([draft.explicit or draft.given for draft in drafts], said)
        for twin in twins:
            draft = drafts[twin]
            message = f"the id {draft.explicit} is another task's already: it is {ids[twin]} here"
            self.tell("duplicate-id", message, boxes[draft.box])
        resolve(self, drafts, ids, limits)
        inner: dict[int, list[Task]] = {parent: [] for parent in (-1, *parents)}
        path = "" if self.main else self.relative
        acceptance = criteria.of if criteria is not None else {}
        for number in range(len(drafts) - 1, -1, -1):
            draft, context = drafts[number], contexts[number]
            at = draft.box
            box, section = boxes[at], sections[at]
            fields = draft.fields
            if context:
                prose, code = self._prose(box.line + 1, limits[at])
                if prose and "description" in fields:
                    prose = f"{fields['description']}\n{prose}"
                fields = {**fields, "description": prose, "code": code}
                if "verify" not in fields and (command := verification(f"{box.text}\n{prose}")):
                    fields["verify"] = command
            if at in acceptance:
                fields = {**fields, "acceptance": tuple(acceptance[at])}
            inner[parents[number]].append(
                Task(
                    id=ids[number],
                    title=draft.title,
                    line=box.line + 1,
                    column=box.column + 1,
                    path=path,
                    context=context,
                    status=draft.status or self.status(box),
                    mark=Mark(path=self.relative, start=box.start, end=box.end, text=box.state),
                    explicit=draft.explicit != "",
                    phase=draft.phase,
                    section=section.text if section else None,
                    subtasks=tuple(reversed(inner[number])) if number in inner else (),
                    **fields,
                )
            )
        return tuple(reversed(inner[-1]))

    def _parents(self, drafts: Sequence[Draft]) -> list[int]:
        """For each draft the index of the one it is a part of, or -1."""
        boxes = self.scanned.boxes
        of_box = {draft.box: number for number, draft in enumerate(drafts)}
        found = []
        for draft in drafts:
            above = draft.under if draft.under in of_box else boxes[draft.box].parent
            while above >= 0 and above not in of_box:
                above = boxes[above].parent
            found.append(of_box.get(above, -1))
        deep = -1
        if any(draft.under >= 0 for draft in drafts):  # boxes alone are never too deep
            found, deep = shallow(found)
        if deep >= 0:
            message = f"task nested too deep: taken as of the {DEEPEST}th level"
            self.tell("deep-nesting", message, boxes[drafts[deep].box])
        return found

    def _prose(self, first: int, last: int) -> tuple[str, tuple[CodeBlock, ...]]:
        """The text before the first code block and the first box, and all code blocks."""
        scanned = self.scanned
        kinds, lines = scanned.kinds, scanned.lines
        prose = []
        for number in range(first, last):
            kind = kinds[number]
            if kind in (FENCE, BOXED):
                break
            if kind == TEXT:
                prose.append(lines[number])
        code = []
        if kinds.find(FENCE, first, last) >= 0:
            at = bisect_left(scanned.blocks, first, key=attrgetter("line"))
            for block in scanned.blocks[at:]:
                if block.line >= last:
                    break
                text = _outdented(lines[block.line + 1 : block.end])
                code.append(CodeBlock(language=block.language, text=text, line=block.line + 1))
        return _outdented(prose).strip(), tuple(code)


def _outdented(lines: Sequence[str]) -> str:
    """Without the indentation that all of them have."""
    if len(lines) == 1:
        return lines[0].lstrip()
    indents = [line[: len(line) - len(line.lstrip())] for line in lines if line.strip()]
    least, most = min(indents, default=""), max(indents, default="")
    same = takewhile(lambda pair: pair[0] == pair[1], zip(least, most, strict=False))
    margin = sum(1 for _ in same)
    return "\n".join(line[margin:] if line.strip() else "" for line in lines)


class Markdown:
    """What formats of Markdown files share: how they are known and how a status is written."""

    name: str
    title: str
    marks: ClassVar[Mapping[Status, str]] = {"done": "x", "pending": " "}
    suffixes: ClassVar[Sequence[str]] = (".md",)
    inside: ClassVar[str] = ""
    """The file that a directory is read by."""

    def file(self, path: Path) -> Path:
        """The file with the tasks."""
        return path / self.inside if self.inside and path.is_dir() else path

    def recognises(self, source: Source) -> int:
        """See `Format`."""
        path = self.file(source.path)
        if path.suffix.lower() not in self.suffixes:
            return 0
        try:
            return self.sure(path, source.read(path))
        except NotReadable:
            return 0

    def sure(self, path: Path, data: bytes) -> int:
        """How sure it is of this content."""
        raise NotImplementedError

    def edits(self, source: Source, roadmap: Roadmap, task: Task, status: Status) -> list[Edit]:
        """See `Format`."""
        after = self.marks.get(status)
        if task.mark is None or after is None or task.status == status:
            return []
        mark = task.mark
        return [
            Edit(
                path=mark.path,
                start=mark.start,
                before=mark.text.encode(),
                after=after.encode(),
                on_line=task.title,
                below=task.context,
            )
        ]

    def document(
        self, source: Source, readers: Sequence[Reader], tasks: tuple[Task, ...], **fields: Any
    ) -> Roadmap:
        """A roadmap of what was read."""
        path = source.relative(source.path)
        found = (one for reader in readers for one in (*reader.scanned.problems, *reader.problems))
        problems = Findings(path, found)
        if not tasks:
            problems.tell((1, 1), "no-tasks", "expected at least one task, found none", "warning")
        digest = sha256()
        for reader in readers:
            digest.update(reader.data)
        fields = {"title": readers[0].title(), "text": readers[0].intro(), **fields}
        return Roadmap(
            source=path,
            root=str(source.root),
            format=self.name,
            sha256=digest.hexdigest(),
            tasks=tasks,
            problems=tuple(sorted(problems, key=attrgetter("path", "line"))),
            **fields,
        )
