"""AGENTS.md and its like as plan files: there are no tasks in them, whatever boxes they have."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from stoker.roadmaps.document import Problem, Roadmap, Status, Task
from stoker.roadmaps.format import Edit, Reading, Source
from stoker.roadmaps.instructions import is_instruction
from stoker.roadmaps.text import Text


class Instructions:
    """See `format.Format`."""

    name = "instructions"
    title = "instructions for agents (AGENTS.md, CLAUDE.md, ...): context, never tasks"

    def recognises(self, source: Source) -> int:
        """See `format.Format`."""
        return 100 if source.path.is_file() and is_instruction(source.path) else 0

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `format.Format`."""
        data = source.read(source.path)
        relative = source.relative(source.path)
        return Roadmap(
            source=relative,
            root=str(source.root),
            format=self.name,
            sha256=sha256(data).hexdigest(),
            title=source.path.name,
            text=Text(data, relative).text,
            documents=(relative,),
            problems=(
                Problem(
                    severity="warning",
                    code="no-tasks",
                    message="instructions for agents are context; nothing in them is a task",
                    path=relative,
                    line=1,
                ),
            ),
        )

    def edits(self, source: Source, roadmap: Roadmap, task: Task, status: Status) -> Sequence[Edit]:
        """See `format.Format`. Nothing."""
        return ()


FORMAT: Final = Instructions()
