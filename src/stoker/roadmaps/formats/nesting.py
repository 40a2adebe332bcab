"""What is a part of what: no deeper than it can be handled, and never of itself."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from stoker.roadmaps.document import DEEPEST, Phase, Task
from stoker.roadmaps.identity import Names, slug


class Phases(dict[str, Phase]):
    """Phases out of the names of sections, by these names."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = Names()

    def of(self, section: str | None, line: int) -> str | None:
        """The id of a section's phase, which begins at this line if there was none yet."""
        if not section:
            return None
        if section not in self:
            identity = self._ids.take(slug(section))
            self[section] = Phase(id=identity, name=section, line=line)
        return self[section].id


def shallow(parents: Sequence[int]) -> tuple[list[int], int]:
    """Parents, by index or -1, with those of what would be too deep, or a part of itself, taken
    farther up; and the first that was too deep, or -1."""
    levels = [-1] * len(parents)
    found = list(parents)
    first = -1
    for index in range(len(parents)):
        path: list[int] = []
        at = index
        while at >= 0 and levels[at] < 0:
            levels[at] = 0
            path.append(at)
            at = parents[at]
        if at in path:
            found[at] = -1
        for one in reversed(path):
            above = found[one]
            if above >= 0 and levels[above] >= DEEPEST:
                found[one] = above = found[above]
                first = one if first < 0 else first
            levels[one] = levels[above] + 1 if above >= 0 else 0
    return found, first


def nested(tasks: Sequence[Task], parents: Sequence[int]) -> tuple[Task, ...]:
    """Tasks with those whose parents they are, in their order."""
    children: dict[int, list[int]] = {}
    for index, parent in enumerate(shallow(parents)[0]):
        children.setdefault(parent, []).append(index)

    def below(parent: int) -> tuple[Task, ...]:
        return tuple(
            replace(tasks[index], subtasks=below(index)) if index in children else tasks[index]
            for index in children.get(parent, ())
        )

    return below(-1)
