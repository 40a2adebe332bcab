"""Task Master: `.taskmaster/tasks/tasks.json`, tagged or as it was before there were tags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from stoker.roadmaps.document import Criterion, Mark, Phase, Roadmap, Status, Task
from stoker.roadmaps.editing import Structured
from stoker.roadmaps.findings import Findings, priority, word
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.json_spans import Json, Object, recognised, written
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
_PLACES: Final = (".taskmaster/tasks/tasks.json", "tasks/tasks.json", "tasks.json")


class TaskMaster(Structured):
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
        relative = source.relative(path)
        document = Json(Text(data, relative), "tasks", "subtasks", "status", "acceptanceCriteria")
        lists = _lists(document.value)
        if not lists:
            message = "expected an object with a list `tasks` in each tag, found none"
            raise NotReadable(f"{relative}: {message}")
        tag = _tag(source, path, lists, reading)
        owner = document.value[tag] if tag else document.value
        reader = _Reader(document, tag)
        tasks = reader.tasks(owner, "tasks")
        metadata = owner.get("metadata")
        aim = word(metadata.get("description")) if isinstance(metadata, dict) else ""
        line, _ = document.place(owner)
        reader.problems.check(tasks)
        return self.document(
            source,
            relative,
            data,
            tasks,
            reader.problems,
            title=_title(document.value),
            text=aim,
            phases=(Phase(id=tag, name=tag, line=line, goal=aim),) if tag else (),
        )

    def says(self, source: Source, now: Task, mark: Mark, status: Status) -> str:
        """See `Structured`."""
        return written(mark, "status", f'"{_WORDS[status]}"')


FORMAT: Final = TaskMaster()


class _Reader:
    """Of the tasks of one tag."""

    def __init__(self, document: Json, tag: str) -> None:
        self._document = document
        self._tag = tag
        self.problems = Findings(document.source.path)

    def tasks(self, owner: Object, name: str, parent: str = "") -> tuple[Task, ...]:
        found = []
        for place, item in self._document.items(owner, name):
            number = item.get("id") if isinstance(item, Object) else None
            if _is_id(number):
                found.append(self._task(item, place, word(f"{number}"), parent))
            else:
                self.problems.no_id(place, "task", item)
        return tuple(found)

    def _task(self, item: Object, place: tuple[int, int], number: str, parent: str) -> Task:
        identity = f"{parent}.{number}" if parent and "." not in number else number
        state = word(item.get("status", "pending")).lower()
        mark = self._document.mark(item, "status")
        if state not in _STATUSES:
            self.problems.tell(
                self._document.source.place(self._document.offset(item, "status")),
                "unknown-status",
                f"status {state!r} of task {identity} is none of {', '.join(_STATUSES)}; "
                "taken as pending",
                "warning",
            )
        title, description = word(item.get("title")), word(item.get("description"))
        return Task(
            id=identity,
            title=title or description or identity,
            line=place[0],
            column=place[1],
            description=description,
            context=word(item.get("details")),
            status=_STATUSES.get(state, "pending"),
            mark=mark,
            explicit=True,
            phase=self._tag or None,
            priority=priority(item.get("priority")),
            files=_files(item.get("relevantFiles")),
            depends_on=_dependencies(item.get("dependencies"), parent),
            test_strategy=word(item.get("testStrategy")),
            acceptance=tuple(self._criteria(item)) if "acceptanceCriteria" in item else (),
            subtasks=self.tasks(item, "subtasks", identity) if item.get("subtasks") else (),
        )

    def _criteria(self, item: Object) -> Iterator[Criterion]:
        name = "acceptanceCriteria"
        if isinstance(item[name], str):
            line, _ = self._document.source.place(self._document.offset(item, name))
            for text in item[name].splitlines():
                if text.strip(" -*\t"):
                    yield Criterion(text=text.strip(" -*\t"), line=line)
        for (line, _), value in self._document.items(item, name):
            if word(value):
                yield Criterion(text=word(value), line=line)


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
    if not value or not isinstance(value, list):
        return ()
    found = [f"{one}" for one in value if _is_id(one)]
    return tuple([f"{parent}.{one}" if parent and "." not in one else one for one in found])


def _files(value: Any) -> tuple[str, ...]:
    if not value or not isinstance(value, list):
        return ()
    paths = (one.get("path") if isinstance(one, dict) else one for one in value)
    return tuple(dict.fromkeys(path for path in paths if isinstance(path, str) and path))


def _is_id(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and bool(value.strip())
    )


def _title(value: Any) -> str:
    meta = value.get("meta") or value.get("metadata") if isinstance(value, dict) else None
    name = meta.get("projectName") if isinstance(meta, dict) else None
    return word(name)
