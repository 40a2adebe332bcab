"""What links a commit to the task, the attempt and the issue it was made for.

The lines are noted in the git directory of the attempt's worktree, where whoever commits
there finds them: the checkpoint after a turn, and the hook for commits made by hand.
"""

from __future__ import annotations

import re
from typing import Final

from stoker.tasks.model import Attempt, Task
from stoker.workspace.message import Trailers
from stoker.workspace.worktree import Worktree

FILE: Final = "stoker-trailers"
_LINE: Final = re.compile(r"(Stoker-Task|Stoker-Attempt|Issue): ([!-~]+)")


def trailers(task: Task, attempt: Attempt) -> Trailers:
    """Of all commits for a task in an attempt."""
    lines = [f"Stoker-Task: {task.task_id}", f"Stoker-Attempt: {attempt.attempt_id}"]
    return _parsed([*lines, f"Issue: {task.issue_url or ''}"])


def note(worktree: Worktree, lines: Trailers) -> None:
    """Keep them with the worktree."""
    path = worktree.git.git_dir / FILE
    path.write_text("".join(f"{key}: {value}\n" for key, value in lines))


def noted(worktree: Worktree) -> Trailers:
    """Those kept with the worktree. Agents can write there: what is none of ours is ignored."""
    try:
        text = (worktree.git.git_dir / FILE).read_text(errors="replace")
    except OSError:
        return ()
    return _parsed(text.splitlines())


def _parsed(lines: list[str]) -> Trailers:
    found = map(_LINE.fullmatch, lines)
    return tuple((match[1], match[2]) for match in found if match)
