"""Task Master: `.taskmaster/tasks/tasks.json`, tagged or as it was before there were tags."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from stoker.roadmaps.document import (
    Criterion,
    Phase,
    Priority,
    Roadmap,
    Status,
    Task,
)
from stoker.roadmaps.editing import as_it_is, replacing
from stoker.roadmaps.findings import Findings, word
from stoker.roadmaps.format import Edit, NotReadable, Reading, Source
from stoker.roadmaps.json_spans import Span, recognised, spans, written
from stoker.roadmaps.text import Text

_STATUSES: Final[dict[str, Status]] = {
    "pending": "pending",
    "in-progress": "in_progress",
    "review": "review",
    "done": "done",
    "completed": "done",
    "blocked": "blocked",
    "deferred": "deferred",
    "cancelled": "skipped",
}
_WORDS: Final = {status: word for word, status in _STATUSES.items() if word != "completed"}
_PRIORITIES: Final[dict[str, Priority]] = {
    word: word for word in ("low", "medium", "high", "critical")
}
_RANKS: Final = {"critical": 0, "high": 1, "medium": 2, "low": 3}
_PLACES: Final = (".taskmaster/tasks/tasks.json", "tasks/tasks.json", "tasks.json")


class TaskMaster:
    """See `format.Format`."""

    name = "taskmaster"
    title = "Task Master: .taskmaster/tasks/tasks.json"

    def recognises(self, source: Source) -> int:
        """See `format.Format`."""
        path = _file(source)
        named = path is not None and path.parts[-3:] == (".taskmaster", "tasks", "tasks.json")
        return recognised(source, path, _lists, named=named)

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `format.Format`."""
        path = _file(source)
        if path is None:
            raise NotReadable(f"{source.path}: expected {' or '.join(_PLACES)} in it, found none")
        data = source.read(path)
        document = spans(Text(data, source.relative(path)))
        lists = _lists(document.value)
        if not lists:
            raise NotReadable(
                f"{source.relative(path)}: expected an object with a list `tasks` in each tag, "
                "found none"
            )
        tag = _tag(source, path, lists, reading)
        owner = document.members()[tag] if tag else document
        reader = _Reader(document.source, tag)
        members = owner.members()
        tasks = reader.tasks(members["tasks"])
        metadata = members["metadata"].value if "metadata" in members else {}
        aim = word(metadata.get("description")) if isinstance(metadata, dict) else ""
        line, _ = document.source.place(owner.start)
        reader.problems.check(tasks)
        return Roadmap(
            source=source.relative(path),
            root=str(source.root),
            format=self.name,
            sha256=sha256(data).hexdigest(),
            title=_title(document.value),
            text=aim,
            phases=(Phase(id=tag, name=tag, line=line, goal=aim),) if tag else (),
            tasks=tasks,
            problems=tuple(reader.problems),
        )

    def edits(self, source: Source, roadmap: Roadmap, task: Task, status: Status) -> Sequence[Edit]:
        """See `format.Format`. Raises `NotReadable`."""
        now = as_it_is(self.read(source, Reading(tag=task.phase)), task)
        if now.mark is None or now.status == status:
            return ()
        return replacing(source, now.mark, written(now.mark, "status", f'"{_WORDS[status]}"'))


FORMAT: Final = TaskMaster()


def ready(roadmap: Roadmap) -> tuple[Task, ...]:
    """What Task Master would work at next, best first: subtasks of tasks in progress, else
    tasks, whose dependencies are all done; by priority, then few dependencies, then id."""
    done = {task.id for task in roadmap.walk() if task.status == "done"}

    def open_(task: Task) -> bool:
        return task.status in ("pending", "in_progress") and done.issuperset(task.depends_on)

    found = [
        (child, child.priority or parent.priority)
        for parent in roadmap.tasks
        if parent.status == "in_progress"
        for child in parent.subtasks
        if open_(child)
    ] or [(task, task.priority) for task in roadmap.tasks if open_(task)]
    found.sort(key=lambda one: (_RANKS[one[1] or "medium"], len(one[0].depends_on), _order(one[0])))
    return tuple(task for task, _ in found)


class _Reader:
    """Of the tasks of one tag."""

    def __init__(self, source: Text, tag: str) -> None:
        self._source = source
        self._tag = tag
        self.problems = Findings(source.path)

    def tasks(self, listed: Span, parent: str = "") -> tuple[Task, ...]:
        found = []
        for item in listed.items():
            members = item.members()
            number = members["id"].value if "id" in members else None
            if not _is_id(number):
                place = self._source.place(item.start)
                found_ = repr(item.value)[:80]
                self.problems.tell(place, "no-id", f"expected a task with an `id`, found {found_}")
                continue
            found.append(self._task(item, members, word(f"{number}"), parent))
        return tuple(found)

    def _task(self, item: Span, members: dict[str, Span], number: str, parent: str) -> Task:
        value: dict[str, Any] = item.value
        identity = f"{parent}.{number}" if parent and "." not in number else number
        line, column = self._source.place(item.start)
        status = members.get("status")
        state = word(value.get("status", "pending")).lower()
        if state not in _STATUSES:
            self.problems.tell(
                self._source.place((status or item).start),
                "unknown-status",
                f"status {state!r} of task {identity} is none of {', '.join(_STATUSES)}; "
                "taken as pending",
                "warning",
            )
        children = members.get("subtasks")
        return Task(
            id=identity,
            title=word(value.get("title")) or word(value.get("description")) or identity,
            line=line,
            column=column,
            description=word(value.get("description")),
            context=word(value.get("details")),
            status=_STATUSES.get(state, "pending"),
            mark=self._source.mark(status.start, status.end) if status else item.place_of("status"),
            explicit=True,
            phase=self._tag or None,
            priority=_PRIORITIES.get(word(value.get("priority")).lower()),
            files=_files(value.get("relevantFiles")),
            depends_on=_dependencies(value.get("dependencies"), parent),
            test_strategy=word(value.get("testStrategy")),
            acceptance=self._criteria(members.get("acceptanceCriteria")),
            subtasks=self.tasks(children, identity) if children else (),
        )

    def _criteria(self, listed: Span | None) -> tuple[Criterion, ...]:
        if listed is None:
            return ()
        if isinstance(listed.value, str):
            line, _ = self._source.place(listed.start)
            lines = (text.strip(" -*\t") for text in listed.value.splitlines())
            return tuple(Criterion(text=text, line=line) for text in lines if text)
        return tuple(
            Criterion(text=word(item.value), line=self._source.place(item.start)[0])
            for item in listed.items()
            if word(item.value)
        )


def _file(source: Source) -> Path | None:
    """The file of tasks, of a directory that has one."""
    if not source.path.is_dir():
        return source.path
    below = ("tasks/tasks.json",) if source.path.name == ".taskmaster" else _PLACES
    return next((source.path / name for name in below if (source.path / name).is_file()), None)


def _lists(value: Any) -> list[str]:
    """The tags of a file; `""` for one without tags; none if it is not of Task Master."""
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("tasks"), list):
        return [""]
    return [
        tag
        for tag, part in value.items()
        if isinstance(part, dict) and isinstance(part.get("tasks"), list)
    ]


def _tag(source: Source, path: Path, tags: list[str], reading: Reading) -> str:
    """Which tag is to be read. Raises `NotReadable` for one that is not there."""
    if reading.tag is not None:
        if reading.tag not in tags:
            there = ", ".join(tags) if tags != [""] else "it has no tags"
            raise NotReadable(
                f"{source.relative(path)}: no tag {reading.tag!r}; expected one of: {there}"
            )
        return reading.tag
    try:
        state = msgspec.json.decode(source.read(path.parent.parent / "state.json"))
        current = state.get("currentTag") if isinstance(state, dict) else None
    except (NotReadable, msgspec.DecodeError):
        current = None
    return next((tag for tag in (current, "master") if tag in tags), tags[0])


def _dependencies(value: Any, parent: str) -> tuple[str, ...]:
    """A subtask's are of its own parent, unless they are dotted."""
    listed = value if isinstance(value, list) else []
    found = (f"{one}" for one in listed if _is_id(one))
    return tuple(f"{parent}.{one}" if parent and "." not in one else one for one in found)


def _files(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    paths = (one.get("path") if isinstance(one, dict) else one for one in listed)
    return tuple(dict.fromkeys(path for path in paths if isinstance(path, str) and path))


def _is_id(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and bool(value.strip())
    )


def _order(task: Task) -> tuple[tuple[int, str], ...]:
    return tuple(
        (int(part), "") if part.isdecimal() else (1 << 60, part) for part in task.id.split(".")
    )


def _title(value: Any) -> str:
    meta = value.get("meta") or value.get("metadata") if isinstance(value, dict) else None
    name = meta.get("projectName") if isinstance(meta, dict) else None
    return word(name)
