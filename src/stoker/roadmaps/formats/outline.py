"""From a scanned Markdown file to tasks: what all Markdown formats have in common."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from stoker.roadmaps.document import (
    CodeBlock,
    Criterion,
    Mark,
    Problem,
    Roadmap,
    Status,
    Task,
)
from stoker.roadmaps.format import Edit, Reading, Source
from stoker.roadmaps.formats.scanner import BOXED, FENCE, TEXT, Box, Heading, Scan, scan
from stoker.roadmaps.formats.words import verification
from stoker.roadmaps.identity import Naming, name

_CRITERIA = re.compile(
    r"[\s#*_>\-+]*(?:acceptance(?: criteria)?|definition of done|success criteria|exit criteria|"
    r"done when|completion criteria)\b[\s*_:.]*(?:\([^)]*\))?[\s*_:]*$",
    re.IGNORECASE,
)
_WORDS = (b"acceptance", b" of done", b" criteria", b"done when")
_STRUCK = re.compile(r"~~.+~~[\s.]*$")
_BLOCKED = re.compile(r"\(\s*blocked\b[^)]*\)", re.IGNORECASE)
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
    section: str | None = None
    ancestry: tuple[str, ...] = ()
    under: int = -1
    """The box of the task it is a part of, where its indentation does not say so."""
    fields: dict[str, Any] = {}
    """Further fields of `Task`."""


class Criteria(NamedTuple):
    """Boxes that are no tasks but say what must hold."""

    boxes: frozenset[int]
    general: tuple[Criterion, ...]
    """Those of the whole."""
    of: Mapping[int, tuple[Criterion, ...]]
    """Those of a task, by its box."""


class Reader(Struct):
    """One file, scanned, and what its format adds to it."""

    source: Source
    path: Path
    data: bytes
    scanned: Scan
    relative: str
    main: bool
    """It is the document's source, which tasks need not name."""
    states: Mapping[str, Status]
    """What the characters in boxes mean."""

    @classmethod
    def open(
        cls,
        source: Source,
        path: Path,
        reading: Reading,
        states: Mapping[str, Status] = STATES,
    ) -> Reader:
        """Raises `NotReadable`."""
        data = source.read(path)
        relative = source.relative(path)
        scanned = scan(data, relative, include_fenced=reading.include_fenced)
        return cls(source, path, data, scanned, relative, path == source.path, states)

    def sections(self) -> list[Heading | None]:
        """For each box the heading it stands under."""
        return place(self.scanned.boxes, self.scanned.headings)

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
        found = self.states.get(box.state, "pending")
        if found in ("pending", "skipped"):
            if "~~" in box.text and _STRUCK.match(box.text):
                return "skipped"
            if found == "pending" and "(" in box.text and _BLOCKED.search(box.text):
                return "blocked"
        return found

    def mark(self, box: Box) -> Mark:
        return Mark(path=self.relative, start=box.start, end=box.end, text=box.state)

    def criterion(self, box: Box) -> Criterion:
        done = self.states.get(box.state) == "done"
        return Criterion(text=box.text, done=done, line=box.line + 1, mark=self.mark(box))

    def problem(
        self,
        code: str,
        message: str,
        at: Box | Heading,
        severity: Literal["error", "warning", "note"] = "warning",
    ) -> Problem:
        """A problem with a place."""
        column = at.column + 1 if isinstance(at, Box) else 1
        return Problem(
            severity=severity,
            code=code,
            message=message,
            path=self.relative,
            line=at.line + 1,
            column=column,
        )

    def resolve(self, drafts: Sequence[Draft]) -> list[Problem]:
        """Take dependencies on what is not there away, and say so; on an id that two tasks have
        is an error."""
        ids = Counter(draft.explicit for draft in drafts if draft.explicit)
        problems: list[Problem] = []
        for draft in drafts:
            wanted = draft.fields.get("depends_on", ())
            box = self.scanned.boxes[draft.box]
            for other in wanted:
                if other == draft.explicit or not ids[other]:
                    said = "itself" if other == draft.explicit else f"{other}, which is not there"
                    problems.append(
                        self.problem("unknown-dependency", f"depends on {said}: not observed", box)
                    )
                elif ids[other] > 1:
                    said = f"depends on {other}, which is the id of {ids[other]} tasks"
                    problems.append(self.problem("ambiguous-dependency", said, box, "error"))
            if wanted:
                draft.fields["depends_on"] = tuple(
                    other for other in wanted if ids[other] and other != draft.explicit
                )
        return problems

    def criteria(self, sections: Sequence[Heading | None]) -> Criteria:
        """The boxes that are no tasks but say what must hold, by the words above them. They
        belong to the task before them under the same heading, or to the whole."""
        lines, boxes = self.scanned.lines, self.scanned.boxes
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
        of: dict[int, tuple[Criterion, ...]] = {}
        for index, owner in owners.items():
            of[owner] = (*of.get(owner, ()), self.criterion(self.scanned.boxes[index]))
        return Criteria(frozenset(owners), of.pop(-1, ()), of)

    def tasks(self, drafts: Sequence[Draft], ends: Sequence[int] | None = None) -> Built:
        """Build the tasks. Boxes without a draft are no tasks: what is nested under them belongs
        to the next task above. `ends`: where what is written with each box ends, if that is not
        where its list item does."""
        boxes = self.scanned.boxes
        limits = ends if ends is not None else self.scanned.ends
        of_box = {draft.box: number for number, draft in enumerate(drafts)}
        parents = [
            of_box[draft.under]
            if draft.under in of_box
            else _above(boxes, of_box, boxes[draft.box].parent)
            for draft in drafts
        ]
        contexts = [
            "" if limits[draft.box] == boxes[draft.box].line + 1
            else self.text(boxes[draft.box].line + 1, limits[draft.box])
            for draft in drafts
        ]  # fmt: skip
        above: list[tuple[str, ...]] = []
        namings = []
        for draft, parent, context in zip(drafts, parents, contexts, strict=True):
            ancestry = draft.ancestry if parent < 0 else (drafts[parent].title, *above[parent])
            above.append(ancestry)
            namings.append(Naming(draft.title, ancestry, context, draft.explicit or draft.given))
        ids, twins = name(namings)
        problems = [
            self.problem(
                "duplicate-id",
                f"the id {drafts[twin].explicit} is another task's already: it is {ids[twin]} here",
                boxes[drafts[twin].box],
            )
            for twin in twins
        ]
        inner: dict[int, list[Task]] = {}
        path = "" if self.main else self.relative
        for number in range(len(drafts) - 1, -1, -1):
            draft, context = drafts[number], contexts[number]
            box = boxes[draft.box]
            fields = draft.fields
            if context:
                prose, code = self._prose(box.line + 1, limits[draft.box])
                if prose and "description" in fields:
                    prose = f"{fields['description']}\n{prose}"
                fields = {**fields, "description": prose, "code": code}
                if "verify" not in fields and (command := verification(f"{box.text}\n{prose}")):
                    fields["verify"] = command
            children = inner.pop(number, None)
            task = Task(
                id=ids[number],
                title=draft.title,
                line=box.line + 1,
                column=box.column + 1,
                path=path,
                context=context,
                status=draft.status or self.status(box),
                mark=self.mark(box),
                explicit=bool(draft.explicit),
                phase=draft.phase,
                section=draft.section,
                subtasks=tuple(reversed(children)) if children else (),
                **fields,
            )
            inner.setdefault(parents[number], []).append(task)
        return Built(tuple(reversed(inner.get(-1, []))), problems, ids)

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
                text = dedent("\n".join(lines[block.line + 1 : block.end]))
                code.append(CodeBlock(language=block.language, text=text, line=block.line + 1))
        said = dedent("\n".join(prose)) if len(prose) > 1 else "".join(prose)
        return said.strip(), tuple(code)


class Built(Struct, frozen=True):
    """Tasks, and what was found while they were built."""

    tasks: tuple[Task, ...]
    problems: list[Problem]
    ids: list[str]
    """Of the drafts, in their order."""


class Markdown:
    """What formats of Markdown files share: how a status is written."""

    marks: Mapping[Status, str] = {"done": "x", "pending": " "}

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
    name: str, source: Source, readers: Sequence[Reader], title: str = "", **fields: Any
) -> Roadmap:
    """A roadmap of what was read. `problems` among `fields` come after the scanner's."""
    problems = [problem for reader in readers for problem in reader.scanned.problems]
    problems += fields.pop("problems", ())
    if not fields.get("tasks"):
        problems.append(
            Problem(
                severity="warning",
                code="no-tasks",
                message="expected at least one task, found none",
                path=source.relative(source.path),
                line=1,
            )
        )
    digest = sha256()
    for reader in readers:
        digest.update(reader.data)
    return Roadmap(
        source=source.relative(source.path),
        root=str(source.root),
        format=name,
        sha256=digest.hexdigest(),
        title=title or (readers[0].title() if readers else ""),
        problems=tuple(sorted(problems, key=lambda problem: (problem.path, problem.line))),
        **fields,
    )


def place(boxes: Sequence[Box], headings: Sequence[Heading]) -> list[Heading | None]:
    """For each box the last heading before it."""
    found: list[Heading | None] = []
    current: Heading | None = None
    upcoming = iter((*headings, None))
    following = next(upcoming)
    for box in boxes:
        while following is not None and following.line < box.line:
            current, following = following, next(upcoming)
        found.append(current)
    return found


def trail(headings: Sequence[Heading]) -> dict[int, tuple[str, ...]]:
    """For each heading, by its line, itself and the headings it stands under, innermost first;
    without the title, which is the only heading of level 1."""
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


def _above(boxes: Sequence[Box], of_box: Mapping[int, int], box: int) -> int:
    while box >= 0 and box not in of_box:
        box = boxes[box].parent
    return of_box.get(box, -1)
