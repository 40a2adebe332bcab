"""`stoker task` where the repository is hosted: pushes, pull requests, the hook for commits."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from stoker.cli import exit_codes
from stoker.cli.context import Context
from stoker.cli.output import one_line, printable
from stoker.cli.task_find import attempt_of

if TYPE_CHECKING:
    from stoker.client import Client
    from stoker.tasks.model import PullRequest


def register(actions: Any, common: ArgumentParser) -> None:
    """The arguments of these actions."""
    push = _of_attempt(actions, common, "push", "push an attempt's branch")
    push.add_argument("--force", action="store_true", help="over what was last seen there")

    pull = _of_attempt(
        actions, common, "pr", "open a pull request for an attempt's work, or take it up"
    )
    pull.add_argument("--title", help="default: the task's")
    pull.add_argument("--body", help="default: the task's description, and the commits")
    pull.add_argument("--target", metavar="BRANCH", help="default: where the work is to go")
    pull.add_argument("--draft", action="store_true", help="not to be merged yet")
    pull.add_argument(
        "--refresh",
        action="store_true",
        help="how the one that is there stands; what reviewers wrote goes to the agent",
    )

    hook = actions.add_parser("hook", help="commits made by hand in a worktree name their task")
    hook.add_argument(
        "what", choices=("install", "uninstall"), help="put it there, or take it away"
    )


def _of_attempt(actions: Any, common: ArgumentParser, name: str, text: str) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(name, help=text, parents=[common])
    parser.add_argument("attempt", help="its id, or the beginning of it")
    return parser


async def push(args: Namespace, context: Context, client: Client) -> int:
    """Push."""

    attempt = await attempt_of(args, client)
    pushed = await client.pulls.push(attempt.attempt_id, force=args.force)
    if args.json:
        context.output.json(pushed)
    else:
        what = f"is at {pushed.commit[:10]} there now" if pushed.changed else "was there already"
        context.output.note(f"{pushed.remote_branch} {what}")
    return exit_codes.SUCCEEDED


async def pull_request(args: Namespace, context: Context, client: Client) -> int:
    """Open one, or ask how it stands."""
    from stoker.cli.task_turns import accompany

    attempt_id = (await attempt_of(args, client)).attempt_id
    if not args.refresh:
        made = await client.pulls.create(
            attempt_id,
            title=args.title,
            body=args.body,
            target_branch=args.target,
            draft=args.draft,
        )
        _tell(args, context, made, made)
        return exit_codes.SUCCEEDED
    found = await client.pulls.refresh(attempt_id)
    _tell(args, context, found.pull_request, found)
    for comment in found.new_comments:
        context.output.note(printable(one_line(f"{comment.author}: {comment.body}")))
    if found.untrusted:
        context.output.note(
            f"{found.untrusted} more by people who may not write to the repository: "
            "the agent was not told"
        )
    if found.started is None or args.json:
        return exit_codes.SUCCEEDED
    return await accompany(context, client, attempt_id, as_json=False)


def _tell(args: Namespace, context: Context, pull: PullRequest, document: Any) -> None:
    if args.json:
        context.output.json(document)
        return
    context.output.line(printable(pull.url))
    context.output.note(f"#{pull.number} {pull.status}: {printable(one_line(pull.title))}")


async def hook(args: Namespace, context: Context) -> int:
    """Install the git hook, or take it away."""
    from stoker.tasks import hook
    from stoker.workspace.repository import Repository

    repository = await Repository.open(context.cwd, discover=True)
    if args.what == "install":
        context.output.note(f"installed: {await hook.install(repository)}")
    elif await hook.uninstall(repository):
        context.output.note("the hook is gone")
    else:
        context.output.note("there was no hook of Stoker's")
    return exit_codes.SUCCEEDED
