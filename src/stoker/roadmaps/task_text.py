"""A task as agents are told it."""

from __future__ import annotations

from typing import Final

from stoker.roadmaps.document import Task

_LONGEST: Final = 20_000
"""Characters of what is written with one task."""
_CUT: Final = "\n[... the rest is left out]"


def task_text(task: Task, level: int = 2) -> str:
    """All that its plan file says of it, below a heading of this level. What stands in the text
    that is written with it, as it does in Markdown, is not told twice."""
    written = task.context.strip()
    said = [] if task.description.strip() in written else [task.description.strip()]
    text = "\n\n".join(filter(None, (*said, written)))
    lines = [f"{'#' * level} {task.id}: {task.title}"]
    if text:
        lines.append(text if len(text) <= _LONGEST else text[:_LONGEST] + _CUT)
    criteria = [one.text for one in task.acceptance if one.text not in written]
    for name, values in (
        ("Files", task.files),
        ("It is done when", criteria),
        ("It refers to", task.references),
    ):
        if values:
            lines.append(f"{name}:\n" + "\n".join(f"- {value}" for value in values))
    if task.test_strategy:
        lines.append(f"Tests: {task.test_strategy}")
    if task.verify:
        lines.append(f"To be verified by: `{task.verify}`")
    if not written:
        lines += [f"```{block.language}\n{block.text}\n```" for block in task.code]
    lines += [task_text(sub, level + 1) for sub in task.subtasks if sub.title not in written]
    return "\n\n".join(lines)
