"""`stoker task`: coding agents at work on tasks, each in a git worktree of its own.

Everything goes through the server's API, of a server or in this process (`stoker.cli.door`).
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any, Final

from stoker.cli import door, exit_codes, task_hosting, task_work, verbs
from stoker.cli.context import Context, UsageError
from stoker.cli.output import one_line, printable
from stoker.cli.task_find import attempt_of, everything, find, project_of, told

if TYPE_CHECKING:
    from stoker.client import Client
    from stoker.tasks.model import Attempt
    from stoker.wire.attempts import AttemptView

_LOOKS: Final = ("list", "agents", "view", "logs", "diff")
_OF_ATTEMPT: Final = {
    "view": "how a task and its attempt stand",
    "logs": "what the agent said and did",
    "follow-up": "tell the agent more, and watch it",
    "stop": "end the turn under way; what the agent has done is kept",
    "approve": "allow what the agent asks for",
    "deny": "refuse what the agent asks for",
    "diff": "what an attempt has changed",
    "merge": "squash an attempt's work into its target branch",
    "rebase": "put an attempt's commits onto its target branch as it is now",
}


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker task`."""
    door.add_server(parser)
    common = verbs.common()
    parser.set_defaults(json=False)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    create = actions.add_parser("create", help="write a task down", parents=[common])
    start = actions.add_parser(
        "start", help="have an agent work at a task, and watch it", parents=[common]
    )
    for action in (create, start):
        many = None if action is create else "?"
        action.add_argument("title", nargs=many, help="what is to be done, in a line")
        action.add_argument("-d", "--description", metavar="TEXT", help="and in full")
        action.add_argument(
            "--setup", metavar="SHELL", help="run in new worktrees of the project, if it is new"
        )
        action.add_argument(
            "--copy",
            metavar="PATTERN",
            action="append",
            default=[],
            help="untracked files its worktrees get copies of, such as .env",
        )
    start.add_argument("--task", metavar="ID", help="one that is written down already")
    start.add_argument(
        "-a",
        "--agent",
        metavar="EXECUTOR[:VARIANT]",
        default="CLAUDE_CODE",
        help="a profile, such as CODEX or GEMINI:APPROVALS (default: CLAUDE_CODE)",
    )
    start.add_argument("--base", metavar="BRANCH", help="begin from it (default: the current one)")

    actions.add_parser("list", help="tasks and their attempts", parents=[common])
    actions.add_parser("agents", help="profiles that may be named", parents=[common])
    found = {
        name: actions.add_parser(
            name, help=text, parents=[common], aliases=["show"] if name == "logs" else []
        )
        for name, text in _OF_ATTEMPT.items()
    }
    for action in found.values():
        action.add_argument(
            "attempt", help="its id or the beginning of it; of a task: its last attempt"
        )
    found["logs"].add_argument("-f", "--follow", action="store_true", help="until it is done")
    found["follow-up"].add_argument("prompt", help="what to tell it")
    found["diff"].add_argument("--stat", action="store_true", help="only numbers")
    found["approve"].add_argument(
        "--always", action="store_true", help="and all that is like it, where the agent offers that"
    )
    rebase = found["rebase"].add_mutually_exclusive_group()
    rebase.add_argument("--onto", metavar="BRANCH", help="which is the target from then on")
    rebase.add_argument(
        "--continue", dest="resume", action="store_true", help="once conflicts are resolved"
    )
    rebase.add_argument("--abort", action="store_true", help="go back to before it")
    found["deny"].add_argument("--reason", default="", help="which the agent is told")
    for action in (start, found["follow-up"]):
        action.add_argument(
            "--detach", action="store_true", help="do not watch it; needs a server that does"
        )
    task_hosting.register(actions, common)
    verbs.add("task", actions, common)
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
    if "verb" in args:
        return await verbs.run(args, context)
    args.action = "logs" if args.action == "show" else args.action
    action = {
        "create": _create,
        "start": _start,
        "list": _list,
        "view": _view,
        "logs": _logs,
        "follow-up": _follow_up,
        "stop": _stop,
        "approve": _answer,
        "deny": _answer,
        "diff": task_work.diff,
        "merge": task_work.merge,
        "rebase": task_work.rebase,
        "agents": _agents,
        "push": task_hosting.push,
        "pr": task_hosting.pull_request,
    }.get(args.action)
    async with door.reported(context):
        if action is None:
            return await task_hosting.hook(args, context)
        async with door.opened(
            context,
            args.server,
            create=args.action in ("create", "start"),
            looks=args.action in _LOOKS and not getattr(args, "follow", False),
        ) as client:
            return await action(args, context, client)


async def _create(args: Namespace, context: Context, client: Client) -> int:
    project = await project_of(args, context, client)
    task = await client.tasks.create(
        project.project_id, title=args.title, description=args.description
    )
    return told(args, context, task, f"task {task.task_id[:8]} in {project.name}")


async def _start(args: Namespace, context: Context, client: Client) -> int:
    if (args.title is None) == (args.task is None):
        raise UsageError("expected exactly one of a title and --task ID")
    executor, _, variant = args.agent.partition(":")
    agent: Any = {"executor": executor, "variant": variant or None, "base_branch": args.base}
    if args.task is not None:
        _, task, _ = await find(args.task, client)
        begun = await client.tasks.start(task.task_id, **agent)
    else:
        project = await project_of(args, context, client)
        begun = await client.attempts.create_and_start(
            project_id=project.project_id,
            title=args.title,
            description=args.description,
            **agent,
        )
    attempt = begun.attempt
    context.output.note(
        f"attempt {attempt.attempt_id[:8]} on branch {attempt.branch}, in {attempt.worktree}"
    )
    return await watched(args, context, client, attempt)


async def _follow_up(args: Namespace, context: Context, client: Client) -> int:
    attempt = await attempt_of(args, client)
    begun = await client.attempts.follow_up(attempt.attempt_id, prompt=args.prompt)
    if not begun.started:
        context.output.note("the agent is at work: it is told when its turn is over")
    return await watched(args, context, client, attempt)


async def watched(args: Namespace, context: Context, client: Client, attempt: Attempt) -> int:
    """Accompany it, unless it is to be left alone with a server."""
    from stoker.cli.task_turns import accompany
    from stoker.client.local import IN_PROCESS

    if not args.detach:
        return await accompany(context, client, attempt.attempt_id, as_json=args.json)
    if client.url == IN_PROCESS:
        context.output.note("no server runs here to go on with it: see `stoker serve`")
        return await accompany(context, client, attempt.attempt_id, as_json=args.json)
    view = await client.attempts.show(attempt.attempt_id)
    return told(args, context, view, f"watch it: stoker task logs -f {attempt.attempt_id[:8]}")


async def _list(args: Namespace, context: Context, client: Client) -> int:
    found = await everything(client)
    if args.json:
        context.output.json(
            [
                {"project": project, "task": task, "attempts": attempts}
                for project, task, attempts in found
            ]
        )
        return exit_codes.SUCCEEDED
    for project, task, attempts in found:
        name = printable(one_line(task.title))
        context.output.line(f"{task.status:10} {task.task_id[:8]}  {name}  [{project.name}]")
        for attempt in attempts:
            context.output.line(f"  {attempt.attempt_id[:8]}  {attempt.executor}  {attempt.branch}")
    return exit_codes.SUCCEEDED


async def _view(args: Namespace, context: Context, client: Client) -> int:
    project, task, found = await find(args.attempt, client)
    view = await client.attempts.show(found.attempt_id) if found else None
    if args.json:
        context.output.json({"project": project, "task": task, "attempt": view})
        return exit_codes.SUCCEEDED
    line = context.output.line
    line(printable(one_line(task.title)))
    line(f"task      {task.task_id}  {task.status}  in {printable(project.name)}")
    if view is not None:
        _view_attempt(context, view)
    return exit_codes.SUCCEEDED


def _view_attempt(context: Context, view: AttemptView) -> None:
    line, attempt = context.output.line, view.attempt
    line(f"attempt   {attempt.attempt_id}  {'at work' if view.busy else view.status}")
    line(f"agent     {attempt.executor}{':' + attempt.variant if attempt.variant else ''}")
    line(f"branch    {attempt.branch}, for {attempt.target_branch}")
    line(f"worktree  {attempt.worktree}")
    for step in view.steps:
        line(f"  {step.step:14} {step.status}  {printable(one_line(step.reason or ''))}".rstrip())
    if view.queued is not None and view.queued.queued:
        line(f"queued    {printable(one_line(view.queued.prompt))}")


async def _logs(args: Namespace, context: Context, client: Client) -> int:
    from stoker.cli import task_turns

    attempt = await attempt_of(args, client)
    view = await client.attempts.show(attempt.attempt_id)
    turn = 1
    while turn <= task_turns.last_turn(view):
        if args.follow and not args.json:
            await task_turns.follow(context, client, attempt.attempt_id, turn)
        else:
            if args.follow:
                view = await task_turns.rest(client, attempt.attempt_id, after=turn)
            entries = (await client.attempts.transcript(attempt.attempt_id, turn)).entries
            if args.json:
                for entry in entries:
                    context.output.json_line({"turn": turn, "entry": entry})
            else:
                task_turns.told(context, entries)
        if args.follow:
            view = await task_turns.rest(client, attempt.attempt_id, after=turn)
        turn += 1
    return exit_codes.SUCCEEDED


async def _stop(args: Namespace, context: Context, client: Client) -> int:
    attempt = await attempt_of(args, client)
    await client.attempts.stop(attempt.attempt_id)
    view = await client.attempts.show(attempt.attempt_id)
    return told(args, context, view, f"stopped; the work is on branch {attempt.branch}")


async def _answer(args: Namespace, context: Context, client: Client) -> int:
    attempt = await attempt_of(args, client)
    asking = (await client.attempts.asking()).approvals
    asked = next((one for one in asking if one.attempt_id == attempt.attempt_id), None)
    if asked is None:
        raise UsageError("the agent asks for nothing")
    pending = asked.approval
    allowed = args.action == "approve"
    await client.attempts.answer(
        attempt.attempt_id,
        asked.turn,
        pending.id,
        allowed=allowed,
        always=allowed and args.always,
        reason="" if allowed else args.reason,
    )
    said = f"{'allowed' if allowed else 'refused'}: {printable(one_line(pending.title))}"
    return told(args, context, {"allowed": allowed, "approval": pending}, said)


async def _agents(args: Namespace, context: Context, client: Client) -> int:
    found = await client.server.agents()
    if args.json:
        context.output.json(found)
    for one in () if args.json else found.agents:
        name = one.executor if one.variant == "DEFAULT" else f"{one.executor}:{one.variant}"
        lacks = "" if one.installed else f"  ({one.program} is not installed)"
        context.output.line(f"{name:32} {one.driver}{lacks}")
    return exit_codes.SUCCEEDED
