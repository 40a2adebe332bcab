"""Backlog.md: a directory with a Markdown file for each task and a `config.yml`.

The boxes in a task's file are its acceptance criteria and its definition of done; its status
is in the front matter. Ids know no case, and their prefix may have changed over time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from stoker.roadmaps.document import Criterion, Mark, Phase, Roadmap, Status, Task
from stoker.roadmaps.editing import Structured
from stoker.roadmaps.findings import Findings, priority, word, words
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.formats.nesting import nested
from stoker.roadmaps.front_matter import FrontMatter, front_matter, written, yaml_of
from stoker.roadmaps.text import Text

_CONFIGS: Final = ("config.yml", "config.yaml")
_HOMES: Final = ("backlog", ".backlog")
_DEFAULT: Final = ("To Do", "In Progress", "Done")
_KNOWN: Final[dict[str, Status]] = {
    "to do": "pending",
    "todo": "pending",
    "open": "pending",
    "backlog": "pending",
    "pending": "pending",
    "in progress": "in_progress",
    "doing": "in_progress",
    "in review": "review",
    "review": "review",
    "done": "done",
    "complete": "done",
    "completed": "done",
    "closed": "done",
    "blocked": "blocked",
    "deferred": "deferred",
    "on hold": "deferred",
    "cancelled": "skipped",
    "canceled": "skipped",
    "won't do": "skipped",
}
_SECTION: Final = "<!-- SECTION:DESCRIPTION:{} -->"
_OLD_SECTION: Final = re.compile(
    r"^## Description[ \t\r]*\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE
)
_LISTS: Final = re.compile(
    r"<!-- (AC|DOD):BEGIN -->(.*?)<!-- (?:AC|DOD):(?:END|BEGIN) -->", re.DOTALL
)
_OLD_LISTS: Final = re.compile(
    r"^## (Acceptance Criteria|Definition of Done)[^\n]*\n(.*?)(?=^## |\Z)",
    re.DOTALL | re.MULTILINE,
)
_BOX: Final = re.compile(r"^[ \t]*[-*] \[([ xX])\] (?:#\d+ )?([^\r\n]+)", re.MULTILINE)


class Backlog(Structured):
    """See `format.Format`."""

    name = "backlog"
    title = "Backlog.md: backlog/ with tasks/*.md and config.yml"

    def recognises(self, source: Source) -> int:
        """See `format.Format`."""
        if source.path.is_dir():
            return 90 if _home(source.path) else 0
        if source.path.suffix != ".md" or not _home_of(source.path):
            return 0
        try:
            head = front_matter(Text(source.read(source.path), ""))
        except NotReadable:
            return 60
        return 90 if head and "id" in head.value else 0

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `format.Format`."""
        alone = not source.path.is_dir()
        home = _home_of(source.path) if alone else _home(source.path)
        if home is None:
            raise NotReadable(
                f"{source.path}: expected a Backlog.md directory with tasks/ and config.yml"
            )
        files = [source.path] if alone else _files(home)
        reader = _Reader(source, _config(source, home))
        tasks = reader.tasks(files)
        return self.document(
            source,
            source.relative(source.path if alone else home),
            b"".join(reader.data),
            nested(tasks, reader.parents(tasks)),
            reader.problems,
            title=word(reader.config.get("project_name")) or home.parent.name,
            phases=_milestones(source, home, tasks),
        )

    def again(self, source: Source, task: Task) -> Roadmap:
        """See `Structured`. The task's file alone."""
        return self.read(Source(root=source.root, path=source.root / task.path), Reading())

    def says(self, source: Source, now: Task, mark: Mark, status: Status) -> str | None:
        """See `Structured`. The word is the one of `config.yml` that means `status`."""
        home = _home_of(source.root / mark.path)
        statuses = _statuses(_config(source, home) if home else {})
        name = next((one for one in statuses if _meaning(one, statuses) == status), None)
        return written(mark, "status", name) if name is not None else None


FORMAT: Final = Backlog()


class _File(Struct, frozen=True):
    """A task's file."""

    text: Text
    head: FrontMatter


class _Reader:
    """Of the files of one backlog."""

    def __init__(self, source: Source, config: dict[str, Any]) -> None:
        self._source = source
        self.config = config
        self._statuses = _statuses(config)
        self.problems = Findings("")
        self.data: list[bytes] = []
        self._parents: dict[str, str] = {}
        """Of each task that has one, by id."""

    def tasks(self, files: Iterable[Path]) -> list[Task]:
        """In the order of their ordinals, then of their ids; dependencies by the ids' spelling."""
        read = list(filter(None, map(self._read, files)))
        names: dict[str, str] = {}
        bodies: dict[str, set[str]] = {}
        for file in read:
            identity = file.head.value["id"]
            names.setdefault(identity.casefold(), identity)
            bodies.setdefault(_body(identity), set()).add(identity)

        def canonical(name: str) -> str:
            """As the task itself spells it; of another prefix, if the number is one's alone."""
            same = bodies.get(_body(name), set())
            return names.get(name.casefold()) or (next(iter(same)) if len(same) == 1 else name)

        found = sorted(read, key=lambda file: (_ordinal(file), _natural(file.head.value["id"])))
        tasks = [self._task(file, canonical) for file in found]
        if len(read) > 1:
            self.problems.check(tasks, fold=True)
        return tasks

    def parents(self, tasks: Sequence[Task]) -> list[int]:
        """For each task the index of the one it is below, or -1."""
        places = {task.id: index for index, task in enumerate(tasks)}
        return [places.get(self._parents.get(task.id, ""), -1) for task in tasks]

    def _read(self, path: Path) -> _File | None:
        relative = self._source.relative(path)
        try:
            data = self._source.read(path)
            self.data.append(data)
            text = Text(data, relative)
            head = front_matter(text)
        except NotReadable as error:
            self.problems.tell((1, 1), "not-readable", str(error), path=relative)
            return None
        if head is None or not word(head.value.get("id")):
            self.problems.tell(
                (1, 1), "no-id", "expected front matter with an `id`, found none", path=relative
            )
            return None
        return _File(text, head)

    def _task(self, file: _File, canonical: Any) -> Task:
        text, head = file.text, file.head
        value = head.value
        state = word(value.get("status")) or self._statuses[0]
        if state.casefold() not in map(str.casefold, self._statuses):
            message = f"status {state!r} is none of config.yml's: {', '.join(self._statuses)}"
            place = head.line(head.node)
            self.problems.tell(place, "unknown-status", message, "warning", text.path)
        body = text.text[head.body :]
        identity = value["id"]
        parent = word(value.get("parent_task_id"))
        if parent:
            self._parents[identity] = canonical(parent)
        return Task(
            id=identity,
            title=word(value.get("title")) or identity,
            line=1,
            column=1,
            path=text.path,
            description=_description(body),
            context=body.strip(),
            status=_meaning(state, self._statuses),
            mark=head.place_of(head.node, "status"),
            explicit=True,
            phase=_named(value.get("milestone")),
            priority=priority(value.get("priority")),
            files=words(value.get("modified_files")),
            depends_on=tuple(map(canonical, words(value.get("dependencies")))),
            references=(*words(value.get("references")), *words(value.get("documentation"))),
            acceptance=tuple(_criteria(text, head.body)),
        )


def _description(body: str) -> str:
    """What stands between its sentinels; of files from before there were any, its section."""
    begin, end = (_SECTION.format(word) for word in ("BEGIN", "END"))
    _, _, rest = body.partition(begin)
    said, met, _ = rest.partition(end)
    old = None if met else _OLD_SECTION.search(body)
    return (old[1] if old else said if met else "").replace("\r\n", "\n").strip()


def _criteria(text: Text, start: int) -> Iterable[Criterion]:
    """The boxes between the sentinels; of files from before there were any, of the sections."""
    for pattern in (_LISTS, _OLD_LISTS):
        found = list(pattern.finditer(text.text, start))
        for part in found:
            for box in _BOX.finditer(text.text, part.start(2), part.end(2)):
                yield Criterion(
                    text=box[2].strip(),
                    done=box[1] != " ",
                    line=text.place(box.start(1))[0],
                    mark=text.mark(box.start(1), box.end(1)),
                )
        if found:
            return


def _milestones(source: Source, home: Path, tasks: Sequence[Task]) -> tuple[Phase, ...]:
    """Those that tasks name, by id or by title."""
    phases: dict[str, Phase] = {}
    titles: dict[str, tuple[str, Path]] = {}
    for path in sorted((home / "milestones").glob("*.md")):
        identity, _, title = path.stem.partition(" - ")
        titles[identity.casefold()] = titles[title.casefold()] = (title, path)
    for name in dict.fromkeys(task.phase for task in tasks if task.phase):
        title, path = titles.get(name.casefold(), (name, home))
        phases[name] = Phase(id=name, name=title, line=1, path=source.relative(path))
    return tuple(phases.values())


def _home(directory: Path) -> Path | None:
    """The backlog that a directory is or has."""
    for home in (directory, *(directory / name for name in _HOMES)):
        named = home.name in _HOMES or any((home / name).is_file() for name in _CONFIGS)
        if named and (home / "tasks").is_dir():
            return home
    return None


def _home_of(path: Path) -> Path | None:
    """The backlog of a task's file."""
    return _home(path.parent.parent) if path.parent.name in ("tasks", "completed") else None


def _files(home: Path) -> list[Path]:
    return [*sorted((home / "tasks").glob("*.md")), *sorted((home / "completed").glob("*.md"))]


def _config(source: Source, home: Path) -> dict[str, Any]:
    """Raises `NotReadable` if it is there and no YAML."""
    path = next((home / name for name in _CONFIGS if (home / name).is_file()), None)
    return yaml_of(source.read(path), source.relative(path)) if path is not None else {}


def _statuses(config: dict[str, Any]) -> tuple[str, ...]:
    return words(config.get("statuses")) or _DEFAULT


def _meaning(name: str, statuses: Sequence[str]) -> Status:
    """What a status of the team's own means: the first nothing yet, the last done."""
    known = _KNOWN.get(name.casefold())
    if known is not None:
        return known
    lowered = [one.casefold() for one in statuses]
    if name.casefold() == lowered[-1] and "done" not in map(_KNOWN.get, lowered):
        return "done"
    return "pending" if name.casefold() in (lowered[0], "draft") else "in_progress"


def _named(value: Any) -> str | None:
    return None if word(value) in ("", "null", "~") else word(value)


def _body(identity: str) -> str:
    """An id without its prefix."""
    return identity.rpartition("-")[2].casefold()


def _natural(identity: str) -> tuple[tuple[int, str], ...]:
    parts = _body(identity).split(".")
    return tuple(
        (int(part), "") if part.isdecimal() and len(part) < 18 else (1 << 60, part)
        for part in parts
    )


def _ordinal(file: _File) -> float:
    try:
        return float(file.head.value.get("ordinal", "inf"))
    except (TypeError, ValueError):
        return float("inf")
