"""AGENTS.md and its like as plan files: there are no tasks in them, whatever boxes they have."""

from __future__ import annotations

from typing import Final

from stoker.roadmaps.document import Roadmap
from stoker.roadmaps.editing import Structured
from stoker.roadmaps.findings import Findings
from stoker.roadmaps.format import Reading, Source
from stoker.roadmaps.instructions import is_instruction
from stoker.roadmaps.text import Text


class Instructions(Structured):
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
        problems = Findings(relative)
        message = "instructions for agents are context; nothing in them is a task"
        problems.tell((1, 1), "no-tasks", message, "warning")
        text = Text(data, relative).text
        return self.document(
            source,
            relative,
            data,
            (),
            problems,
            title=source.path.name,
            text=text,
            documents=(relative,),
        )


FORMAT: Final = Instructions()
