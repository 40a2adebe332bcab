"""Cursor's plans: `.cursor/plans/*.plan.md`, whose to-dos are in the front matter. Boxes below
it are prose."""

from __future__ import annotations

from typing import Any, Final

from stoker.roadmaps.document import Mark, Roadmap, Status, Task
from stoker.roadmaps.editing import Structured
from stoker.roadmaps.findings import Findings, word, words
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.front_matter import FrontMatter, front_matter, member, written
from stoker.roadmaps.text import Text

_STATUSES: Final[dict[str, Status]] = {
    "pending": "pending",
    "in_progress": "in_progress",
    "completed": "done",
    "cancelled": "skipped",
}
_WORDS: Final = {status: word for word, status in _STATUSES.items()}


class Cursor(Structured):
    """See `format.Format`."""

    name = "cursor"
    title = "Cursor plans: .cursor/plans/*.plan.md"

    def recognises(self, source: Source) -> int:
        """See `format.Format`."""
        if source.path.suffix != ".md" or source.path.is_dir():
            return 0
        named = source.path.name.endswith(".plan.md")
        try:
            head = front_matter(Text(source.read(source.path), ""))
        except NotReadable:
            return 60 if named else 0
        if head is None or not isinstance(head.value.get("todos"), list):
            return 0
        return 95 if named else 70

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `format.Format`."""
        data = source.read(source.path)
        relative = source.relative(source.path)
        text = Text(data, relative)
        head = front_matter(text)
        if head is None or not isinstance(head.value.get("todos"), list):
            raise NotReadable(f"{relative}:1: expected front matter with a list `todos`")
        problems = Findings(relative)
        overview = word(head.value.get("overview"))
        return self.document(
            source,
            relative,
            data,
            _todos(head, problems),
            problems,
            title=word(head.value.get("name")) or source.path.name.removesuffix(".plan.md"),
            text="\n\n".join(filter(None, (overview, text.text[head.body :].strip()))),
        )

    def says(self, source: Source, now: Task, mark: Mark, status: Status) -> str | None:
        """See `Structured`. There are no words for blocked, deferred and in review."""
        return written(mark, "status", _WORDS[status]) if status in _WORDS else None


FORMAT: Final = Cursor()


def _todos(head: FrontMatter, problems: Findings) -> tuple[Task, ...]:
    listed: Any = member(head.node, "todos")
    tasks: list[Task] = []
    for node, value in zip(listed.value, head.value["todos"], strict=True):
        place = head.line(node)
        if not isinstance(value, dict) or not word(value.get("id")):
            problems.no_id(place, "to-do", value)
            continue
        identity = value["id"]
        state = word(value.get("status")) or "pending"
        if state not in _STATUSES:
            expected = ", ".join(_STATUSES)
            message = f"status {state!r} is none of {expected}; taken as pending"
            problems.tell(place, "unknown-status", message, "warning")
        depends = value.get("dependencies")
        tasks.append(
            Task(
                id=identity,
                title=word(value.get("content")) or identity,
                line=place[0],
                column=place[1],
                status=_STATUSES.get(state, "pending"),
                mark=head.place_of(node, "status"),
                explicit=True,
                depends_on=words(depends),
            )
        )
    problems.check(tasks)
    return tuple(tasks)
