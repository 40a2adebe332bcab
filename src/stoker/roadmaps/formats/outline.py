"""From a scanned Markdown file to tasks: what all Markdown formats have in common."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from textwrap import dedent
from typing import Any

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
from stoker.roadmaps.identity import Naming, name

_CRITERIA = re.compile(
    r"[\s#*_>\-+]*(?:acceptance(?: criteria)?|definition of done|success criteria|exit criteria|"
    r"done when|completion criteria|abnahmekriterien)\b[\s*_:.]*(?:\([^)]*\))?[\s*_:]*$",
    re.IGNORECASE,
)
_STRUCK = re.compile(r"~~.+~~[\s.]*$")
_BLOCKED = re.compile(r"\(\s*blocked\b[^)]*\)|\[blocked\b[^\]]*\]", re.IGNORECASE)
STATES: dict[str, Status] = {
    "x": "done", "X": "done", "✓": "done", "✔": "done", "✅": "done",
    "~": "in_progress", "/": "in_progress", "-": "skipped", "⏭": "skipped",
}  # fmt: skip
_TICK = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(
    r"(?<![\w/.:@-])(?:\.{0,2}/)?(?:[\w.@+\[\]-]+/)+(?:[\w.@+\[\]-]*[\w\]])?(?![\w/])"
    r"|(?<![\w/.:@-])[\w-][\w.-]*\.[a-zA-Z][a-zA-Z0-9]{0,4}(?![\w/(])"
)
_VERIFY = re.compile(
    r"(?:^|\n|[-–—.;]\s)[\s*_-]*verify(?: with| by)?[*_]*\s*:[*_]*\s*(?:`([^`\n]+)`|([^\n]+))",
    re.IGNORECASE,
)


class Draft(Struct):
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
    fields: dict[str, Any] = {}
    """Further fields of `Task`."""


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
        kinds, last = self.scanned.kinds, heading.line + 1
        following = {head.line for head in self.scanned.headings}
        while last < len(kinds) and kinds[last] != BOXED and last not in following:
            last += 1
        return self.text(heading.line + 1, last)

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
            if _STRUCK.match(box.text):
                return "skipped"
            if found == "pending" and _BLOCKED.search(box.text):
                return "blocked"
        return found

    def mark(self, box: Box) -> Mark:
        return Mark(path=self.relative, start=box.start, end=box.end, text=box.state)

    def criterion(self, box: Box) -> Criterion:
        done = self.states.get(box.state) == "done"
        return Criterion(text=box.text, done=done, line=box.line + 1, mark=self.mark(box))

    def criteria(self, sections: Sequence[Heading | None]) -> dict[int, int]:
        """The boxes that are no tasks but what must hold, by the words above them, and whose they
        are: the box before them under the same heading, or -1."""
        lines = self.scanned.lines
        boxes = self.scanned.boxes
        found: dict[int, int] = {}
        if not any(_CRITERIA.match(line) for line in lines if line[-3:].strip()):
            return found
        last = -1  # the last task at the same place
        for index, box in enumerate(boxes):
            section = sections[index]
            if box.parent in found:
                found[index] = found[box.parent]
                continue
            if box.parent >= 0:
                if box.group >= 0 and _CRITERIA.match(lines[box.group]):
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
            if (
                (box.group >= 0 and _CRITERIA.match(lines[box.group]))
                or (above >= 0 and _CRITERIA.match(lines[above]))
                or (section is not None and _CRITERIA.match(section.text))
                or (
                    previous in found
                    and sections[previous] is section
                    and not self.text(self.scanned.ends[previous], box.line).strip()
                )
            ):
                found[index] = last
            else:
                last = index
        return found

    def tasks(self, drafts: Sequence[Draft], ends: Sequence[int] | None = None) -> Built:
        """Build the tasks. Boxes without a draft are no tasks: what is nested under them belongs
        to the next task above. `ends`: where what is written with each box ends, if that is not
        where its list item does."""
        boxes, lines = self.scanned.boxes, self.scanned.lines
        limits = ends if ends is not None else self.scanned.ends
        of_box = {draft.box: number for number, draft in enumerate(drafts)}
        parents = [_above(boxes, of_box, draft.box) for draft in drafts]
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
            Problem(
                severity="warning",
                code="duplicate-id",
                message=f"the id {drafts[twin].explicit} is another task's already; "
                f"it is {ids[twin]} here",
                path=self.relative,
                line=boxes[drafts[twin].box].line + 1,
                column=boxes[drafts[twin].box].column + 1,
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
        kinds = scanned.kinds[first:last]
        stop = min(_index(kinds, FENCE), _index(kinds, BOXED))
        prose = [
            line
            for line, kind in zip(scanned.lines[first : first + stop], kinds, strict=False)
            if kind == TEXT
        ]
        code: tuple[CodeBlock, ...] = ()
        if FENCE in kinds:
            code = tuple(
                CodeBlock(
                    language=block.language,
                    text=dedent("\n".join(scanned.lines[block.line + 1 : block.end])),
                    line=block.line + 1,
                )
                for block in scanned.blocks
                if first <= block.line < last
            )
        return dedent("\n".join(prose)).strip(), code


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
    if not any(True for _ in fields.get("tasks", ())) and not problems:
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


def slug(text: str, taken: Container[str] = ()) -> str:
    """A short id out of a heading, which is not `taken`."""
    base = found = re.sub(r"[\W_]+", "-", text.casefold()).strip("-")[:40].rstrip("-") or "part"
    number = 2
    while found in taken:
        found = f"{base}-{number}"
        number += 1
    return found


def paths(text: str, *, ticked_only: bool = False) -> tuple[str, ...]:
    """What looks like a path in a text: in backticks, or with a slash or an extension."""
    found = dict.fromkeys(part.strip() for part in _TICK.findall(text) if is_path(part.strip()))
    if not ticked_only:
        for part in _PATH.findall(_TICK.sub(" ", text)):
            if is_path(part):
                found.setdefault(part.rstrip("."))
    return tuple(found)


def is_path(text: str) -> bool:
    """Whether this can be the path of a file or directory of the repository."""
    if not re.fullmatch(r"(?!\.{1,2}$)[\w.@+\[\]/*-]+", text) or "//" in text:
        return False
    if text.startswith("/") or text.lower() in _NO_PATHS:
        return False
    stem, dot, suffix = text.rpartition("/")[2].rpartition(".")
    named = bool(dot and (stem or suffix) and suffix[:1].isalpha() and len(suffix) <= 10)
    return named or (text.endswith("/")) or ("/" in text and text.lower() not in _NO_PATHS)


_NO_PATHS = {
    "and/or",
    "e.g",
    "i.e",
    "e.g.",
    "i.e.",
    "etc.",
    "n/a",
    "node.js",
    "next.js",
    "vue.js",
    "read/write",
    "input/output",
    "client/server",
    "yes/no",
    "true/false",
    "he/she",
}


def verification(text: str) -> str | None:
    """The command of `verify: command`: one in backticks, or one that begins as commands do."""
    for ticked, plain in _VERIFY.findall(text):
        if ticked:
            return str(ticked).strip()
        words = plain.strip().split()
        if words and (words[0] in _COMMANDS or words[0].startswith("./")):
            return str(plain).strip()
    return None


_COMMANDS = frozenset(  # noqa: SIM905
    "bash bun bundle cargo cmake composer ctest curl deno docker dotnet go gradle grep jest just "
    "make mix mvn mypy node nox npm npx php phpunit pnpm poetry pytest python python3 rake ruff "
    "sh swift test tox tsc uv uvx vitest yarn".split()
)


def _index(kinds: bytes | bytearray, kind: int) -> int:
    found = kinds.find(kind)
    return len(kinds) if found < 0 else found


def _above(boxes: Sequence[Box], of_box: Mapping[int, int], box: int) -> int:
    parent = boxes[box].parent
    while parent >= 0 and parent not in of_box:
        parent = boxes[parent].parent
    return of_box.get(parent, -1)
