"""Ralph's `prd.json`: user stories, each of which passes or does not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from stoker.roadmaps.document import Criterion, Mark, Roadmap, Status, Task
from stoker.roadmaps.editing import Structured
from stoker.roadmaps.findings import Findings, word, words
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.json_spans import Json, Object, recognised, written
from stoker.roadmaps.text import Text

_PLACES: Final = ("prd.json", "scripts/ralph/prd.json")


class Prd(Structured):
    """See `format.Format`. Stories are worked at by `priority`, 1 first; those of a number
    depend on those of the number before, unless dependencies are written."""

    name = "prd"
    title = "Ralph: prd.json of user stories"

    def recognises(self, source: Source) -> int:
        """See `format.Format`."""
        path = _file(source)
        named = path is not None and path.name == "prd.json"
        return recognised(source, path, _has_stories, named=named)

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `format.Format`."""
        path = _file(source)
        if path is None:
            raise NotReadable(f"{source.path}: expected {' or '.join(_PLACES)} in it, found none")
        data = source.read(path)
        relative = source.relative(path)
        document = Json(Text(data, relative), "userStories", "passes", "acceptanceCriteria")
        if not _has_stories(document.value):
            raise NotReadable(f"{relative}: expected a list `userStories`, found none")
        problems = Findings(relative)
        found = [
            (_rank(story), task)
            for place, story in document.items(document.value, "userStories")
            if (task := _story(document, place, story, problems)) is not None
        ]
        found.sort(key=lambda one: one[0])
        tasks = _in_order(found)
        problems.check(tasks)
        progress = path.with_name("progress.txt")
        return self.document(
            source,
            relative,
            data,
            tasks,
            problems,
            title=word(document.value.get("project")) or path.parent.name,
            text=word(document.value.get("description")),
            documents=(source.relative(progress),) if progress.is_file() else (),
        )

    def says(self, source: Source, now: Task, mark: Mark, status: Status) -> str | None:
        """See `Structured`. A story passes or it does not: what is not done does not."""
        passes = status == "done"
        if passes == (now.status == "done"):
            return None
        return written(mark, "passes", "true" if passes else "false")


FORMAT: Final = Prd()


def _story(document: Json, place: tuple[int, int], story: Any, problems: Findings) -> Task | None:
    if not isinstance(story, Object) or not word(story.get("id")):
        problems.no_id(place, "story", story)
        return None
    return Task(
        id=story["id"],
        title=word(story.get("title")) or story["id"],
        line=place[0],
        column=place[1],
        description=word(story.get("description")),
        context=word(story.get("notes")),
        status="done" if story.get("passes") is True else "pending",
        mark=document.mark(story, "passes"),
        explicit=True,
        depends_on=words(story.get("dependsOn", story.get("dependencies"))),
        acceptance=tuple(
            Criterion(text=one, line=line)
            for (line, _), one in document.items(story, "acceptanceCriteria")
            if word(one)
        ),
    )


def _in_order(found: Sequence[tuple[float, Task]]) -> tuple[Task, ...]:
    if any(task.depends_on for _, task in found):
        return tuple(task for _, task in found)
    tasks: list[Task] = []
    before: tuple[str, ...] = ()
    same: list[str] = []
    last: float | None = None
    for rank, task in found:
        if rank != last:
            before, same, last = tuple(same), [], rank
        same.append(task.id)
        tasks.append(replace(task, depends_on=before))
    return tuple(tasks)


def _file(source: Source) -> Path | None:
    if not source.path.is_dir():
        return source.path
    return next((source.path / one for one in _PLACES if (source.path / one).is_file()), None)


def _has_stories(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("userStories"), list)


def _rank(value: Any) -> float:
    rank = value.get("priority") if isinstance(value, dict) else None
    return rank if isinstance(rank, int | float) else float("inf")
