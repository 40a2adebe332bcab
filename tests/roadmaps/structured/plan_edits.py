"""Reading plan files in tests, and making a format's edits on them."""

from __future__ import annotations

from stoker.roadmaps import writing
from stoker.roadmaps.format import Reading, Source


def parse(format, path, root=None, **reading):
    source = Source(root=root or path.parent, path=path)
    return source, format.read(source, Reading(**reading))


def marks_hold(roadmap):
    """Every mark says what stands in the file."""
    for task in roadmap.walk():
        for mark in [task.mark, *(criterion.mark for criterion in task.acceptance)]:
            if mark is not None:
                with open(f"{roadmap.root}/{mark.path}", "rb") as file:
                    assert file.read()[mark.start : mark.end] == mark.text.encode()


def set_all(format, source, roadmap, status):
    """Make the edits of all tasks; returns how many there were."""
    edits = [
        edit for task in roadmap.walk() for edit in format.edits(source, roadmap, task, status)
    ]
    writing.apply(source.root, edits)
    return len(edits)
