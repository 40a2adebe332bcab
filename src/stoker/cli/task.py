"""`stoker task`: coding agents at work on tasks, each in a git worktree of its own."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from stoker.cli import exit_codes, task_hosting
from stoker.cli.context import Context, UsageError
from stoker.cli.output import one_line, printable

if TYPE_CHECKING:
    from stoker.tasks.catalog import ProjectChange
    from stoker.tasks.model import Attempt, Project
    from stoker.tasks.service import Tasks


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker task`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    start = actions.add_parser("start", help="have an agent work at a new task, and watch it")
    start.add_argument("title", help="what is to be done, in a line")
    start.add_argument("-d", "--description", metavar="TEXT", help="and in full")
    start.add_argument(
        "-a",
        "--agent",
        metavar="EXECUTOR[:VARIANT]",
        default="CLAUDE_CODE",
        help="a profile, such as CODEX or GEMINI:APPROVALS (default: CLAUDE_CODE)",
    )
    start.add_argument("--base", metavar="BRANCH", help="begin from it (default: the current one)")
    start.add_argument("--setup", metavar="SHELL", help="run in the new worktree, before the agent")
    start.add_argument(
        "--copy",
        metavar="PATTERN",
        action="append",
        default=[],
        help="untracked files the worktree gets copies of, such as .env",
    )

    tell = actions.add_parser("follow-up", help="tell the agent of an attempt more, and watch it")
    tell.add_argument("attempt", help="its id, or the beginning of it")
    tell.add_argument("prompt", help="what to tell it")

    actions.add_parser("list", help="tasks and their attempts").add_argument(
        "--json", action="store_true", help="as JSON"
    )
    for name, text in (
        ("show", "what the agent said and did"),
        ("diff", "what an attempt has changed"),
        ("merge", "squash an attempt's work into its target branch"),
        ("remove", "give an attempt's worktree up; its branch stays"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("attempt", help="its id, or the beginning of it")
        if name == "diff":
            action.add_argument("--stat", action="store_true", help="only numbers")
    task_hosting.register(actions)
    parser.epilog = (
        "Ctrl-C stops the agent; what it has done is committed to the attempt's branch.\n\n"
        "examples:\n"
        '  stoker task start "Fix the flaky test in test_io.py" --agent CODEX\n'
        "  stoker task diff 3f2a\n"
        '  stoker task follow-up 3f2a "Also add a test"\n'
        "  stoker task merge 3f2a\n"
        "  stoker task pr 3f2a --draft\n"
    )


async def run(args: Namespace, context: Context) -> int:
    """Carry out an action. Raises `UsageError`."""
    from stoker.hosting.errors import HostingError
    from stoker.plan.errors import PlanError
    from stoker.tasks.errors import TasksError
    from stoker.toml_file import BadFile
    from stoker.workspace.errors import WorkspaceError

    action = {
        "start": _start,
        "follow-up": _follow_up,
        "list": _list,
        "show": _show,
        "diff": _diff,
        "merge": _merge,
        "remove": _remove,
        "push": task_hosting.push,
        "pr": task_hosting.pull_request,
        "settings": task_hosting.settings,
    }.get(args.action)
    loop = asyncio.get_running_loop()
    context.output.out.attach(loop)
    context.output.err.attach(loop)
    try:
        if action is None:
            return await task_hosting.hook(args, context)
        async with _door(context, args.action) as tasks:
            return await action(args, context, tasks)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    except (TasksError, WorkspaceError, HostingError, BadFile) as error:
        raise UsageError(str(error)) from error
    except PlanError as error:
        raise UsageError("; ".join(problem.message for problem in error.problems)) from error
    finally:
        await context.output.out.detach()
        await context.output.err.detach()


@asynccontextmanager
async def _door(context: Context, action: str) -> AsyncIterator[Tasks]:
    """The tasks of the project. Who only looks, does not go on with what is under way."""
    from stoker.tasks.service import Tasks

    async with (
        context.journal(create=action in ("start", "settings")) as journal,
        context.engine(journal) as engine,
        Tasks(engine) as tasks,
    ):
        if action not in ("list", "show", "diff", "settings"):
            await tasks.recover()
        yield tasks


async def project_of(
    context: Context, tasks: Tasks, change: ProjectChange | None = None
) -> Project:
    """The project of the directory's repository, made (with `change`) if there is none."""
    from stoker.workspace.repository import Repository

    opened = await Repository.open(context.cwd, discover=True)
    for project in await tasks.catalog.projects():
        if project.repository == str(opened.path):
            return project
    return await tasks.catalog.create_project(opened.path.name, str(opened.path), change)


async def _start(args: Namespace, context: Context, tasks: Tasks) -> int:
    from stoker.tasks.catalog import ProjectChange

    change = ProjectChange(setup_script=args.setup or None, copy_files=tuple(args.copy))
    project = await project_of(context, tasks, change)
    executor, _, variant = args.agent.partition(":")
    begun = await tasks.starter.create_and_start(
        project.project_id,
        args.title,
        args.description,
        executor=executor,
        variant=variant or None,
        base_branch=args.base,
    )
    attempt = begun.attempt
    context.output.note(
        f"attempt {attempt.attempt_id[:8]} on branch {attempt.branch}, in {attempt.worktree}"
    )
    return await accompany(context, tasks, attempt)


async def _follow_up(args: Namespace, context: Context, tasks: Tasks) -> int:
    attempt = await attempt_of(args, tasks)
    if not await tasks.turns.follow_up(attempt.attempt_id, args.prompt):
        context.output.note("the agent is at work: it is told when its turn is over")
    return await accompany(context, tasks, attempt)


async def accompany(context: Context, tasks: Tasks, attempt: Attempt) -> int:
    """Show what the agent does until it is done; Ctrl-C stops it."""
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        if not stopping:
            context.output.note("stopping the agent; what it has done is kept")
            stopping.append(loop.create_task(tasks.turns.stop(attempt.attempt_id)))

    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        await _print_turns(context, tasks, attempt, live=True)
        await tasks.turns.settled(attempt.attempt_id)
        await asyncio.gather(*stopping)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    status = await tasks.progress.state(attempt)
    changed = await tasks.work.changes(attempt, contents=False)
    for change in changed:
        context.output.note(_stat(change))
    id_ = attempt.attempt_id[:8]
    context.output.note(f"see it: {context.hint('task', 'diff', id_)}")
    context.output.note(f"take it: {context.hint('task', 'merge', id_)}")
    if stopping:
        return exit_codes.CANCELED
    last = next(step for step in reversed(status.steps) if step.step.id.startswith("agent-"))
    if last.status != "succeeded":
        context.output.error(f"{last.step.id} {last.status}: {one_line(last.reason or '')}")
        return exit_codes.FAILED
    return exit_codes.SUCCEEDED


async def _print_turns(context: Context, tasks: Tasks, attempt: Attempt, *, live: bool) -> None:
    from stoker.tasks import plan
    from stoker.tasks.following import follow

    turn = 1 if not live else plan.last((await tasks.progress.state(attempt)).steps)
    while turn <= plan.last((await tasks.progress.state(attempt)).steps):
        shown = _Shown(context)
        async for entry in await follow(tasks, attempt.attempt_id, turn):
            shown.see(entry.index, entry.content)
            await context.output.out.drained()
        shown.finish()
        turn += 1
        if live:
            await tasks.turns.over(attempt.attempt_id)


class _Shown:
    """Prints entries, each when the next has begun: until then it may change."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open: dict[int, Any] = {}

    def see(self, index: int, content: Any) -> None:
        """An entry as it is now."""
        for earlier in [other for other in self._open if other < index]:
            self._print(self._open.pop(earlier))
        self._open[index] = content

    def finish(self) -> None:
        """No more entries."""
        for content in self._open.values():
            self._print(content)

    def _print(self, content: Any) -> None:
        for line in _lines(content):
            self._context.output.line(printable(line))


def _lines(content: Any) -> list[str]:
    from stoker.agents import stream

    match content:
        case stream.UserMessage():
            return ["> " + line for line in content.text.splitlines()]
        case stream.AssistantMessage() if content.text.strip():
            return content.text.rstrip().splitlines()
        case stream.Command():
            code = f" (exit {content.exit_code})" if content.exit_code else ""
            return [f"$ {one_line(content.command)}{code}"]
        case stream.FileEdit():
            return [f"* {change.change} {change.path}" for change in content.changes]
        case stream.ToolCall():
            return [f"* {content.name} {one_line(content.title)}".rstrip()]
        case stream.Failure():
            return [f"! {one_line(content.message)}"]
        case stream.Approval() if content.answer is None:
            return [f"? asks: {one_line(content.title)}"]
        case stream.Notice():
            return [f"- {one_line(content.text)}"]
    return []


async def _list(args: Namespace, context: Context, tasks: Tasks) -> int:
    found = []
    for project in await tasks.catalog.projects():
        for task in await tasks.catalog.tasks(project.project_id):
            found.append((project, task, await tasks.catalog.attempts(task.task_id)))
    if args.json:
        context.output.json(
            [
                {"project": project, "task": task, "attempts": attempts}
                for project, task, attempts in found
            ]
        )
        return exit_codes.SUCCEEDED
    for project, task, attempts in found:
        context.output.line(f"{task.status:10} {printable(one_line(task.title))}  [{project.name}]")
        for attempt in attempts:
            context.output.line(f"  {attempt.attempt_id[:8]}  {attempt.executor}  {attempt.branch}")
    return exit_codes.SUCCEEDED


async def _show(args: Namespace, context: Context, tasks: Tasks) -> int:
    await _print_turns(context, tasks, await attempt_of(args, tasks), live=False)
    return exit_codes.SUCCEEDED


async def _diff(args: Namespace, context: Context, tasks: Tasks) -> int:
    attempt = await attempt_of(args, tasks)
    if args.stat:
        for change in await tasks.work.changes(attempt, contents=False):
            context.output.line(_stat(change))
    else:
        text = (await tasks.work.patch(attempt)).decode(errors="replace")
        context.output.out.write("\n".join(map(printable, text.split("\n"))))
    return exit_codes.SUCCEEDED


async def _merge(args: Namespace, context: Context, tasks: Tasks) -> int:
    attempt = await attempt_of(args, tasks)
    merged = await tasks.work.merge(attempt.attempt_id)
    what = f"is at {merged.commit[:10]} now" if merged.changed else "had it all already"
    context.output.note(f"{attempt.target_branch} {what}")
    return exit_codes.SUCCEEDED


async def _remove(args: Namespace, context: Context, tasks: Tasks) -> int:
    attempt = await attempt_of(args, tasks)
    await tasks.work.remove_worktree(attempt.attempt_id)
    context.output.note(f"the worktree is gone; the work is on branch {attempt.branch}")
    return exit_codes.SUCCEEDED


async def attempt_of(args: Namespace, tasks: Tasks) -> Attempt:
    """The attempt a person means: its id or a unique beginning of it. Raises `UsageError`."""
    found = [
        one for one in await tasks.catalog.attempts() if one.attempt_id.startswith(args.attempt)
    ]
    if len(found) != 1 or not args.attempt:
        count = f"{len(found)} attempts begin" if found else "no attempt begins"
        raise UsageError(f"{count} with {args.attempt!r}; see `stoker task list`")
    return found[0]


def _stat(change: Any) -> str:
    added = "binary" if change.additions is None else f"+{change.additions} -{change.deletions}"
    return f"{change.change} {printable(change.path)} ({added})"
