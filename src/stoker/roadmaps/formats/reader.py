"""One Markdown file, scanned: its sections, what stands where, what its boxes say."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property
from operator import attrgetter
from pathlib import Path

from stoker.roadmaps.document import Criterion, Mark, Status
from stoker.roadmaps.findings import Findings, Severity
from stoker.roadmaps.format import Reading, Source
from stoker.roadmaps.formats.scanned import BOXED, Box, Heading
from stoker.roadmaps.formats.scanner import scan

_STRUCK = re.compile(r"~~.+~~[\s.]*$")
_BLOCKED = re.compile(r"\(\s*blocked\b[^()]*\)", re.IGNORECASE)
STATES: dict[str, Status] = {
    "x": "done", "X": "done", "✓": "done", "✔": "done", "✅": "done",
    "~": "in_progress", "/": "in_progress", "-": "skipped", "⏭": "skipped",
}  # fmt: skip


class Reader:
    """One file, scanned, and what its format adds to it."""

    def __init__(
        self,
        source: Source,
        path: Path,
        reading: Reading,
        states: Mapping[str, Status] = STATES,
    ) -> None:
        """`states`: what the characters in boxes mean. Raises `NotReadable`."""
        self.above: tuple[str, ...] = ()
        """What its outermost headings stand under."""
        self.source = source
        self.path = path
        self.data = source.read(path)
        self.relative = source.relative(path)
        self.scanned = scan(self.data, self.relative, include_fenced=reading.include_fenced)
        self.main = path == source.path
        """It is the document's source, which tasks need not name."""
        self.problems = Findings(self.relative)
        self._states = states
        self._words = b"~~" in self.data or b"blocked" in self.small
        """Words can tell a status."""

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
    def small(self) -> bytes:
        """The file in lower case."""
        return self.data.lower()

    @cached_property
    def trails(self) -> dict[int, tuple[str, ...]]:
        """For each heading, by its line, itself and the headings it stands under, innermost
        first; without the title, which is the only heading of level 1. -1: no heading."""
        headings = self.scanned.headings
        found = {-1: self.above}
        stack: list[Heading] = []
        titled = sum(heading.level == 1 for heading in headings) == 1
        for heading in headings:
            if titled and heading.level == 1:
                found[heading.line] = self.above
                continue
            while stack and stack[-1].level >= heading.level:
                stack.pop()
            stack.append(heading)
            found[heading.line] = (*(open_.text for open_ in reversed(stack)), *self.above)
        return found

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
        if self._words and (found == "pending" or found == "skipped"):  # noqa: PLR1714 - faster
            text = box.text
            if "~~" in text and _STRUCK.match(text):
                return "skipped"
            if "(" in text and found == "pending" and _BLOCKED.search(text):
                return "blocked"
        return found

    def mark(self, box: Box) -> Mark:
        """Where its state is written."""
        return Mark(self.relative, box.start, box.end, box.state)

    def criterion(self, box: Box) -> Criterion:
        done = self._states.get(box.state) == "done"
        return Criterion(text=box.text, done=done, line=box.line + 1, mark=self.mark(box))

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
