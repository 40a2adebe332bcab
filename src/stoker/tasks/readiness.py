"""Which tasks may be begun: dependencies, and how many may be in progress at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from stoker.tasks.model import Project, Task


def hindrance(project: Project, task: Task, others: Iterable[Task]) -> str | None:
    """Why a task cannot be begun now; `others`: the project's tasks."""
    known = {other.task_id: other for other in others}
    open_ = [known[one] for one in task.depends_on if one in known and known[one].status != "done"]
    if open_:
        return f"it waits for {', '.join(repr(one.title) for one in open_)}"
    at_work = sum(other.status == "inprogress" for other in known.values())
    if task.status != "inprogress" and project.wip_limit and at_work >= project.wip_limit:
        return f"{at_work} tasks are in progress, and the project's limit is {project.wip_limit}"
    return None


def ready(project: Project, tasks: Sequence[Task]) -> list[Task]:
    """The tasks that are to be begun now, in their order, as far as there is room."""
    chosen: list[Task] = []
    room = (project.wip_limit or len(tasks)) - Counter(t.status for t in tasks)["inprogress"]
    for task in tasks:
        if len(chosen) >= room:
            break
        if task.agent and task.status == "todo" and hindrance(project, task, tasks) is None:
            chosen.append(task)
    return chosen
