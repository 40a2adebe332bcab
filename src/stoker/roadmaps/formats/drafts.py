"""Tasks on their way, from what a format has made out of their lines."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import takewhile
from operator import attrgetter

from msgspec import Struct

from stoker.roadmaps.document import DEEPEST, CodeBlock, Criterion, Mark, Priority, Status, Task
from stoker.roadmaps.formats.nesting import shallow
from stoker.roadmaps.formats.reader import Reader
from stoker.roadmaps.formats.scanned import BOXED, FENCE, TEXT
from stoker.roadmaps.formats.waiting import resolve
from stoker.roadmaps.formats.words import verification
from stoker.roadmaps.identity import Said, name


class Draft(Struct, gc=False):
    """A task on its way. What is not told here is as in `Task`."""

    box: int
    title: str
    explicit: str = ""
    """The id its author gave it."""
    given: str = ""
    """The one its format gives it."""
    phase: str | None = None
    files: tuple[str, ...] = ()
    priority: Priority | None = None
    optional: bool = False
    parallel: bool = False
    references: tuple[str, ...] = ()
    depends_on: tuple[str, ...] | None = None
    """As its author calls them; None: its text is looked through."""
    description: str = ""
    gate: bool = False
    verify: str | None = None
    test_strategy: str = ""
    acceptance: tuple[Criterion, ...] = ()
    status: Status | None = None
    """None: what its box says."""
    under: int = -1
    """The box of the task it is a part of, where its indentation does not say so."""


def tasks_of(
    reader: Reader,
    drafts: Sequence[Draft],
    acceptance: Mapping[int, Sequence[Criterion]] = {},
    ends: Sequence[int] | None = None,
) -> tuple[Task, ...]:
    """Build the tasks. Boxes without a draft are no tasks: what is nested under them belongs to
    the next task above. `acceptance`: criteria by boxes. `ends`: where what is written with each
    box ends, if that is not where its list item does."""
    boxes, sections, trails = reader.scanned.boxes, reader.sections, reader.trails
    limits = ends if ends is not None else reader.scanned.ends
    parents = _parents(reader, drafts)

    def said(number: int) -> Said:
        draft = drafts[number]
        section, above = sections[draft.box], parents[number]
        trail = trails[section.line if section else -1]
        if above < 0:
            return draft.title, trail
        titles = []
        while above >= 0:
            titles.append(drafts[above].title)
            above = parents[above]
        return draft.title, (*titles, *trail)

    def context(number: int) -> str:
        at = drafts[number].box
        return reader.text(boxes[at].line + 1, limits[at])

    ids, twins = name([draft.explicit or draft.given for draft in drafts], said, context)
    for twin in twins:
        draft = drafts[twin]
        message = f"the id {draft.explicit} is another task's already: it is {ids[twin]} here"
        reader.tell("duplicate-id", message, boxes[draft.box])
    resolve(reader, drafts, ids, limits)
    inner: dict[int, list[Task]] = {-1: []}
    path, relative = "" if reader.main else reader.relative, reader.relative
    for number in range(len(drafts) - 1, -1, -1):
        draft = drafts[number]
        at, parent = draft.box, parents[number]
        box, section = boxes[at], sections[at]
        line, last, state, start = box.line, limits[at], box.state, box.start
        description, verify, written = draft.description, draft.verify, ""
        code: tuple[CodeBlock, ...] = ()
        if line + 1 < last and (written := reader.text(line + 1, last)):
            prose, code = _prose(reader, line + 1, last)
            between = "\n" if description and prose else ""
            description = f"{description}{between}{prose}"
            verify = verify or verification(f"{box.text}\n{prose}")
        task = Task(  # by position: in a fifth of the time
            ids[number],
            draft.title,
            line + 1,
            box.column + 1,
            path,
            description,
            written,
            draft.status or reader.status(box),
            Mark(relative, start, box.end, state),
            draft.explicit != "",
            draft.phase,
            section.text if section else None,
            draft.priority,
            draft.files,
            draft.depends_on or (),
            draft.parallel,
            draft.optional,
            draft.gate,
            verify,
            draft.test_strategy,
            draft.references,
            tuple(acceptance[at]) if at in acceptance else draft.acceptance,
            code,
            tuple(reversed(inner.pop(number))) if number in inner else (),
        )
        if parent in inner:
            inner[parent].append(task)
        else:
            inner[parent] = [task]
    return tuple(reversed(inner[-1]))


def _parents(reader: Reader, drafts: Sequence[Draft]) -> list[int]:
    """For each draft the index of the one it is a part of, or -1."""
    boxes = reader.scanned.boxes
    if len(drafts) == len(boxes) and all(draft.under < 0 for draft in drafts):
        return [box.parent for box in boxes]
    of_box = {draft.box: number for number, draft in enumerate(drafts)}
    of_box[-1] = -1
    found = []
    for draft in drafts:
        above = draft.under
        if above < 0 or above not in of_box:
            above = boxes[draft.box].parent
        while above not in of_box:
            above = boxes[above].parent
        found.append(of_box[above])
    deep = -1
    if any(draft.under >= 0 for draft in drafts):  # boxes alone are never too deep
        found, deep = shallow(found)
    if deep >= 0:
        message = f"task nested too deep: taken as of the {DEEPEST}th level"
        reader.tell("deep-nesting", message, boxes[drafts[deep].box])
    return found


def _prose(reader: Reader, first: int, last: int) -> tuple[str, tuple[CodeBlock, ...]]:
    """The text before the first code block and the first box, and all code blocks."""
    kinds, lines, blocks = reader.scanned.kinds, reader.scanned.lines, reader.scanned.blocks
    fence, box = kinds.find(FENCE, first, last), kinds.find(BOXED, first, last)
    end = box if 0 <= box < fence or fence < 0 <= box else fence if fence >= 0 else last
    prose = lines[first:end]
    if any(kinds[first:end]):
        prose = [lines[number] for number in range(first, end) if kinds[number] == TEXT]
    code = []
    at = bisect_left(blocks, first, key=attrgetter("line")) if fence >= 0 else len(blocks)
    while at < len(blocks) and (block := blocks[at]).line < last:
        text = _outdented(lines[block.line + 1 : block.end])
        code.append(CodeBlock(language=block.language, text=text, line=block.line + 1))
        at += 1
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
