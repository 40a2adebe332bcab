"""`stoker task`: which task or attempt a person means, and how they are told."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from stoker.cli import exit_codes
from stoker.cli.context import Context, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from stoker.client import Client
    from stoker.tasks.model import Attempt, Project, Task


def told(args: Namespace, context: Context, document: Any, said: str) -> int:
    """What has become of it, as JSON or in a line."""
    if args.json:
        context.output.json(document)
    else:
        context.output.note(said)
    return exit_codes.SUCCEEDED


async def standing_project(context: Context, client: Client) -> Project:
    """The project of the directory's repository. Raises `UsageError`."""
    repository, found = await _of_directory(context, client)
    if found is None:
        raise UsageError(f"{repository} is no project yet: `stoker project add`")
    return found


async def _of_directory(context: Context, client: Client) -> tuple[Path, Project | None]:
    from stoker.workspace.repository import Repository

    repository = (await Repository.open(context.cwd, discover=True)).path
    known = (await client.projects.list()).projects
    return repository, next((one for one in known if one.repository == str(repository)), None)


async def project_of(args: Namespace, context: Context, client: Client) -> Project:
    """The project of the directory's repository, made if there is none."""
    repository, found = await _of_directory(context, client)
    if found is not None:
        return found
    return await client.projects.create(
        name=repository.name,
        repository=str(repository),
        setup_script=getattr(args, "setup", None) or None,
        copy_files=tuple(getattr(args, "copy", ())),
    )


async def attempt_of(args: Namespace, client: Client) -> Attempt:
    """The attempt a person means. Raises `UsageError`."""
    _, _, attempt = await find(args.attempt, client)
    if attempt is None:
        raise UsageError(f"the task {args.attempt!r} has no attempt: `stoker task start --task`")
    return attempt


async def find(name: str, client: Client) -> tuple[Project, Task, Attempt | None]:
    """What a person means: an id or a unique beginning of one, of an attempt or of a task, whose
    last attempt is meant then. Raises `UsageError`."""
    found: list[tuple[Project, Task, Attempt | None]] = []
    for project, task, attempts in await everything(client) if name else ():
        for attempt in attempts:
            if attempt.attempt_id.startswith(name):
                found.append((project, task, attempt))
        if task.task_id.startswith(name):
            found.append((project, task, attempts[-1] if attempts else None))
    if len(found) != 1:
        count = f"{len(found)} attempts or tasks begin" if found else "no attempt begins"
        raise UsageError(f"{count} with {name!r}; see `stoker task list`")
    return found[0]


async def everything(client: Client) -> list[tuple[Project, Task, list[Attempt]]]:
    """All tasks with their attempts, oldest first."""
    found = []
    for project in (await client.projects.list()).projects:
        cursor: str | None = None
        while True:
            page = await client.tasks.list(project.project_id, cursor=cursor)
            found += [(project, one.task, one.attempts) for one in page.tasks]
            if (cursor := page.next_cursor) is None:
                break
    return found
