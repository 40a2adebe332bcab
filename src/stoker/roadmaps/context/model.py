"""What is asked of the context of a task, and what it is."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from stoker.roadmaps.document import Roadmap, Task
from stoker.roadmaps.evidence import Fault
from stoker.roadmaps.memory.outcome import Outcome
from stoker.roadmaps.memory.project import ProjectMemory

SectionName = Literal[
    "neighbours",
    "instructions",
    "done",
    "memory",
    "project",
    "map",
    "passages",
    "dependencies",
]
BUDGET: Final = 12_000
"""Tokens of a task's context if nobody says otherwise."""
_BYTES_PER_TOKEN: Final = 3.5
"""Of code and English, on the safe side of what tokenisers of the large models make of them."""


class Request(Struct, frozen=True, kw_only=True):
    """For which work context is wanted, and what is known of it beside the repository."""

    roadmap: Roadmap
    tasks: tuple[Task, ...]
    """One, or those of a group, in the order of the file; subtasks come with their parents."""
    budget: int = BUDGET
    """Tokens, as `tokens` counts them, of the tasks themselves (`task_text`) and the context."""
    outcomes: tuple[Outcome, ...] = ()
    """The run's so far, in the order of the journal."""
    memory: ProjectMemory = ProjectMemory()
    faults: tuple[Fault, ...] = ()
    """Of the tries before this one: what they name is looked for, what they taught is told."""
    files: tuple[str, ...] = ()
    """More files that matter, relative to the repository, such as those of a conflict."""


class Section(Struct, frozen=True, kw_only=True):
    """One labelled part of a context."""

    name: SectionName
    text: str
    tokens: int
    cut: bool = False
    """There was more than its share allowed."""


class Context(Struct, frozen=True, kw_only=True):
    """What to tell an agent before its work. The same for the same tree and request."""

    text: str
    """The sections, labelled and fenced as data; empty if there was room for none."""
    tokens: int
    sections: tuple[Section, ...]
    files: tuple[str, ...]
    """Those it shows something of, the most important first."""


def tokens(text: str) -> int:
    """About how many tokens a model makes of `text`."""
    return -int(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)
