"""`stoker task`: what attempts have made."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from stoker.cli import exit_codes
from stoker.cli.context import Context
from stoker.cli.output import printable
from stoker.cli.task_find import attempt_of, told

if TYPE_CHECKING:
    from stoker.client import Client


async def diff(args: Namespace, context: Context, client: Client) -> int:
    """What it has changed."""
    from stoker.cli.task_turns import stat

    attempt = await attempt_of(args, client)
    if args.json or args.stat:
        found = await client.attempts.changes(attempt.attempt_id, contents=not args.stat)
        if args.json:
            context.output.json(found)
        for change in () if args.json else found.changes:
            context.output.line(stat(change))
    else:
        text = (await client.attempts.patch(attempt.attempt_id)).decode(errors="replace")
        context.output.out.write("\n".join(map(printable, text.split("\n"))))
    return exit_codes.SUCCEEDED


async def merge(args: Namespace, context: Context, client: Client) -> int:
    """Squash it into its target."""
    attempt = await attempt_of(args, client)
    merged = await client.attempts.merge(attempt.attempt_id)
    what = f"is at {merged.commit[:10]} now" if merged.changed else "had it all already"
    return told(args, context, merged, f"{attempt.target_branch} {what}")


async def rebase(args: Namespace, context: Context, client: Client) -> int:
    """Put it onto its target."""
    attempt = await attempt_of(args, client)
    if args.resume:
        await client.work.resolved(attempt.attempt_id)
    elif args.abort:
        kept = await client.work.abort(attempt.attempt_id)
        return told(args, context, kept, f"as before; what was given up: {kept.ref}")
    else:
        await client.work.rebase(attempt.attempt_id, onto=args.onto)
    status = await client.attempts.branch_status(attempt.attempt_id)
    return told(args, context, status, f"{attempt.branch} is {status.commits_ahead} ahead now")
