"""The files of a task's work: what it promised, and what it must leave alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from stoker.roadmaps.evidence import Fault
from stoker.roadmaps.verify.checkout import Tree
from stoker.roadmaps.verify.protected import matches
from stoker.roadmaps.verify.work import Work


def check(
    work: Work, base: Tree, tree: Tree, changed: Sequence[str]
) -> tuple[list[Fault], list[str]]:
    """Faults and notes; `tree`: the work's, `changed`: paths that differ from the base. A plan
    may name a path that is not: that the one file of the same name was changed which had been
    there before is what it meant."""
    faults: list[Fault] = []
    notes: list[str] = []
    if not changed and not work.gate:
        message = "nothing was changed: no file differs from the base"
        faults.append(Fault(category="incomplete", message=message))
    for promised in work.files:
        if not _there(promised.removeprefix("./"), tree):
            meant = _namesakes(promised, base)
            if len(meant) == 1 and meant[0] in changed and meant[0] in tree.entries:
                notes.append(f"{promised} is not there; {meant[0]} was changed in its place")
                continue
            message = f"{promised} was promised and is not there"
            if meant:
                message += f"; {', '.join(meant[:3])} is there"
            faults.append(Fault(category="file_not_found", message=message, path=promised))
        elif promised in changed and promised not in base.entries:
            for path in _namesakes(promised, base)[:3]:
                notes.append(f"{promised} is new, and {path} was there before: is that meant?")
    for path in changed:
        if matches(path, work.forbidden):
            message = f"{path} is not for the task to change"
            faults.append(Fault(category="scope_creep", message=message, path=path))
    if changed and work.files and not any(matches(path, work.files) for path in changed):
        notes.append(f"none of the promised files was changed: {', '.join(work.files)}")
    return faults, notes


def _namesakes(promised: str, base: Tree) -> list[str]:
    name = PurePosixPath(promised).name
    return [path for path in base.entries if PurePosixPath(path).name == name]


def _there(promised: str, tree: Tree) -> bool:
    return promised in tree.entries or any(matches(path, (promised,)) for path in tree.entries)
