"""The words of pull requests: what is proposed, and what its reviewers said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from stoker.hosting.model import Comment, Remote
from stoker.tasks.checkpoint import subject
from stoker.tasks.model import Attempt, PullRequest, Task
from stoker.tasks.trailers import trailers

_COMMITS: Final = 50
_NUMBER: Final = re.compile(r"/issues/([1-9][0-9]*)")


def title(task: Task) -> str:
    """Of a task's pull request."""
    return subject(task.title)


def body(task: Task, attempt: Attempt, commits: Sequence[str], remote: Remote) -> str:
    """The task's description, the subjects of the attempt's commits, and what links it all.
    `commits`: oldest first."""
    parts = [task.description or ""]
    told = [line for line in commits if line != title(task)]  # as the work of every turn is called
    if told:
        more = [f"- and {len(told) - _COMMITS} more"] if len(told) > _COMMITS else []
        parts.append("\n".join([*(f"- {line}" for line in told[:_COMMITS]), *more]))
    if closing := _closing(task.issue_url, remote):
        parts.append(closing)
    # Last, so that they are trailers of a squashed commit too.
    parts.append("\n".join(f"{key}: {value}" for key, value in trailers(task, attempt)))
    return "\n\n".join(filter(None, (part.strip() for part in parts)))


def issue(task: Task) -> str:
    """The body of a task's issue."""
    return f"{task.description or task.title}\n\n{mark(task)}"


def mark(task: Task) -> str:
    """By which its issue is known."""
    return f"Stoker-Task: {task.task_id}"


def _closing(issue_url: str | None, remote: Remote) -> str | None:
    """The line with which a merge closes the issue, where that is in the same repository."""
    path = urlsplit(issue_url or "").path
    found = _NUMBER.search(path)
    if found is None or f"/{remote.path}/" not in path:
        return None
    return f"Closes #{found[1]}"


def prompt(pull: PullRequest, comments: Sequence[Comment]) -> str:
    """Review comments, as an agent is told of them."""
    parts = [f"Reviewers have commented on pull request #{pull.number}, which proposes your work:"]
    for comment in comments:
        place = f"{comment.path}:{comment.line}" if comment.line else comment.path
        about = f" on {place}" if place else ""
        quoted = "\n".join(f"> {line}".rstrip() for line in comment.body.splitlines())
        parts.append(f"{comment.author}{about}:\n{quoted}")
    parts.append("Do what they ask for; where you do not, say why.")
    return "\n\n".join(parts)
