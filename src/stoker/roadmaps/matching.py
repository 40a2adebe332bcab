"""Which task of an edited plan file is which of the earlier one.

By what tasks say and under what they stand, and by the ids their authors gave them; never by
their titles alone or where they stand. What says the same under the same headings is the same
task even if it was numbered anew, so that a task put in before others does not inherit what
was done of them.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from msgspec import Struct

from stoker.roadmaps.document import Roadmap, Status, Task
from stoker.roadmaps.identity import fingerprint

_NUMBER = re.compile(r"^(?:phase\s+\S+?\s*[:-]|\d+(?:\.\d+)*[.):]?(?=\s))\s*", re.IGNORECASE)


class Matching(Struct, frozen=True, kw_only=True):
    """What became of the tasks and subtasks of the earlier document, by their ids."""

    same: Mapping[str, str]
    """Id in the earlier document to id in the edited one."""
    added: tuple[str, ...]
    """Ids of the edited document."""


class _Known(Struct, frozen=True):
    """A task and what it is recognised by."""

    task: Task
    whole: str
    """What it says and under what it stands."""
    headed: str
    """Its title and under what it stands."""
    said: str
    """What it says, wherever it stands."""
    body: str
    """What it says without its title, and under what it stands; empty if that is nothing."""
    number: str


def match(before: Roadmap, now: Roadmap) -> Matching:
    """Match two readings of a plan file."""
    old, new = list(_known(before)), list(_known(now))
    pairs: list[tuple[_Known, _Known]] = []

    def take(key: Callable[[_Known], Hashable], *, alone: bool, anew: bool = True) -> None:
        """Pair what has the same key. `alone`: only where it is nobody else's on either side.
        `anew`: also where their authors gave them other ids."""
        for mine, others in _groups(old, new, key):
            if alone and (len(mine) > 1 or len(others) > 1):
                continue
            for one, other in _pairs(mine, others):
                if anew or not (one.number and other.number and one.number != other.number):
                    pairs.append((one, other))
        gone = {id(one) for pair in pairs for one in pair}
        old[:] = [one for one in old if id(one) not in gone]
        new[:] = [one for one in new if id(one) not in gone]

    take(lambda one: (one.number, one.whole), alone=False)
    take(lambda one: one.whole, alone=False)
    take(lambda one: (one.number, one.headed), alone=False)
    take(lambda one: one.headed, alone=False)
    take(lambda one: one.number, alone=True)
    take(lambda one: one.said, alone=True, anew=False)
    take(lambda one: one.body, alone=True, anew=False)
    return Matching(
        same={one.task.id: other.task.id for one, other in pairs},
        added=tuple(one.task.id for one in new),
    )


def _known(roadmap: Roadmap) -> Iterator[_Known]:
    names = {phase.id: phase.name for phase in roadmap.phases}
    pending: list[tuple[Task, tuple[str, ...]]] = [(task, ()) for task in reversed(roadmap.tasks)]
    while pending:
        task, above = pending.pop()
        headings = (names.get(task.phase or "", ""), task.section or "", *above)
        ancestry = tuple(_NUMBER.sub("", one) for one in headings)
        body = "\n".join(filter(None, (task.description, task.context.strip())))
        if body in (task.title, task.description) and not task.description:
            body = ""
        yield _Known(
            task,
            whole=fingerprint(task.title, ancestry, body),
            headed=fingerprint(task.title, ancestry),
            said=fingerprint(task.title, (), body),
            body=fingerprint("", ancestry, body) if body else "",
            number=task.id if task.explicit else "",
        )
        pending += [(child, (*above, task.title)) for child in reversed(task.subtasks)]


def _groups(
    old: Sequence[_Known], new: Sequence[_Known], key: Callable[[_Known], Hashable]
) -> Iterator[tuple[list[_Known], list[_Known]]]:
    found: dict[Hashable, tuple[list[_Known], list[_Known]]] = {}
    for side, tasks in enumerate((old, new)):
        for task in tasks:
            name = key(task)
            if name:
                found.setdefault(name, ([], []))[side].append(task)
    return iter([group for group in found.values() if group[0] and group[1]])


def _pairs(mine: list[_Known], others: list[_Known]) -> Iterator[tuple[_Known, _Known]]:
    """Of tasks that nothing tells apart, those of one status first, in the order of the file."""
    left: dict[Status, deque[_Known]] = defaultdict(deque)
    for one in mine:
        left[one.task.status].append(one)
    rest = []
    for other in others:
        if same := left[other.task.status]:
            yield same.popleft(), other
        else:
            rest.append(other)
    yield from zip((one for same in left.values() for one in same), rest, strict=False)
