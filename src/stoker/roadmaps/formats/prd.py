"""Ralph's `prd.json`: user stories, each of which passes or does not."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from stoker.roadmaps.document import Criterion, Roadmap, Status, Task
from stoker.roadmaps.editing import as_it_is, replacing
from stoker.roadmaps.findings import Findings, word, words
from stoker.roadmaps.format import Edit, NotReadable, Reading, Source
from stoker.roadmaps.json_spans import Span, recognised, spans, written
from stoker.roadmaps.text import Text

_PLACES: Final = ("prd.json", "scripts/ralph/prd.json")


class Prd:
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
        document = spans(Text(data, relative))
        members = document.members()
        stories = members.get("userStories")
        if stories is None or not isinstance(stories.value, list):
            raise NotReadable(f"{relative}: expected a list `userStories`, found none")
        problems = Findings(relative)
        found = [
            (_rank(item.value), task)
            for item in stories.items()
            if (task := _story(item, problems)) is not None
        ]
        found.sort(key=lambda one: one[0])
        tasks = _in_order(found)
        problems.check(tasks)
        progress = path.with_name("progress.txt")
        return Roadmap(
            source=relative,
            root=str(source.root),
            format=self.name,
            sha256=sha256(data).hexdigest(),
            title=word(document.value.get("project")) or path.parent.name,
            text=word(document.value.get("description")),
            tasks=tasks,
            documents=(source.relative(progress),) if progress.is_file() else (),
            problems=tuple(problems),
        )

    def edits(self, source: Source, roadmap: Roadmap, task: Task, status: Status) -> Sequence[Edit]:
        """See `format.Format`. A story passes or it does not: what is not done does not. Raises
        `NotReadable`."""
        now = as_it_is(self.read(source, Reading()), task)
        passes = status == "done"
        if now.mark is None or passes == (now.status == "done"):
            return ()
        return replacing(
            source, now.mark, written(now.mark, "passes", "true" if passes else "false")
        )


FORMAT: Final = Prd()


def _story(item: Span, problems: Findings) -> Task | None:
    source = item.source
    line, column = source.place(item.start)
    value = item.value
    if not isinstance(value, dict) or not word(value.get("id")):
        message = f"expected a story with an `id`, found {repr(value)[:80]}"
        problems.tell((line, column), "no-id", message)
        return None
    criteria = item.members().get("acceptanceCriteria")
    depends = value.get("dependsOn", value.get("dependencies"))
    return Task(
        id=value["id"],
        title=word(value.get("title")) or value["id"],
        line=line,
        column=column,
        description=word(value.get("description")),
        context=word(value.get("notes")),
        status="done" if value.get("passes") is True else "pending",
        mark=item.place_of("passes"),
        explicit=True,
        depends_on=words(depends),
        acceptance=tuple(
            Criterion(text=one.value, line=source.place(one.start)[0])
            for one in (criteria.items() if criteria else ())
            if word(one.value)
        ),
    )


def _in_order(found: Sequence[tuple[float, Task]]) -> tuple[Task, ...]:
    from msgspec.structs import replace

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
