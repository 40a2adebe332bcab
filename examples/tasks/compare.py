"""Several agents at one task: watch them all, compare what they made, merge the best.

    python compare.py REPOSITORY "What is to be done" --agent CODEX --agent GEMINI \\
        --agent BUILTIN --check "make test"

The server is the one at `$STOKER_URL` (see `stoker serve`). An attempt is fit if its agent
succeeded and the check does, run in its worktree; of those that are fit the one that changes
the fewest lines is merged. The others keep their branches.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass

from stoker.agents.stream import AssistantMessage, Command, FileEdit
from stoker.client import Client
from stoker.tasks.model import Attempt
from stoker.workspace.model import FileDiff


@dataclass(frozen=True)
class Made:
    """What an agent has made."""

    agent: str
    attempt: Attempt
    succeeded: bool
    fit: bool
    changes: list[FileDiff]

    @property
    def lines(self) -> int:
        """How many it adds and deletes."""
        return sum((one.additions or 0) + (one.deletions or 0) for one in self.changes)


def tell(line: str) -> None:
    """At once, as it is read while it is written."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def compete(
    stoker: Client, repository: str, title: str, agents: list[str], check: str | None
) -> list[Made]:
    """Have each agent try; all begin before the first is waited for."""
    known = {one.repository: one for one in (await stoker.projects.list()).projects}
    project = known.get(repository) or await stoker.projects.create(
        name="Comparison", repository=repository
    )
    task = await stoker.tasks.create(project.project_id, title=title)
    begun = []
    for agent in agents:
        executor, _, variant = agent.partition(":")
        started = await stoker.tasks.start(task.task_id, executor=executor, variant=variant or None)
        begun.append(started.attempt)
    async with asyncio.TaskGroup() as group:
        made = [
            group.create_task(follow(stoker, agent, attempt, check))
            for agent, attempt in zip(agents, begun, strict=True)
        ]
    return [one.result() for one in made]


async def follow(stoker: Client, agent: str, attempt: Attempt, check: str | None) -> Made:
    """Tell what an agent says and does, and then what has come of it."""
    shown: dict[int, str] = {}
    async for entry in stoker.attempts.stream(attempt.attempt_id, 1):
        match entry.content:
            case AssistantMessage(text=text):
                line = text
            case Command(command=command):
                line = f"$ {command}"
            case FileEdit(changes=changes):
                line = f"* {', '.join(change.path for change in changes)}"
            case _:
                continue
        if shown.setdefault(entry.index, line) is line:  # once, though it may grow
            tell(f"{agent:>20} | {line}")
    view = await stoker.attempts.show(attempt.attempt_id, wait_sec=60)
    changed = (await stoker.attempts.changes(attempt.attempt_id, contents=False)).changes
    succeeded = view.status == "succeeded"
    fit = succeeded and await passes(check, attempt.worktree)
    return Made(agent, attempt, succeeded, fit, changed)


async def passes(check: str | None, worktree: str) -> bool:
    """Whether a command succeeds there."""
    if check is None:
        return True
    process = await asyncio.create_subprocess_shell(
        check,
        cwd=worktree,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait() == 0


def best(made: list[Made]) -> Made | None:
    """Of those that are fit and have changed something, the one that changes least."""
    return min(
        (one for one in made if one.fit and one.changes), key=lambda one: one.lines, default=None
    )


async def main() -> int:
    """Compare and merge; 1 if nothing is fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", help="its path on the server's machine")
    parser.add_argument("title", help="what is to be done")
    parser.add_argument("--agent", action="append", required=True, metavar="EXECUTOR[:VARIANT]")
    parser.add_argument("--check", metavar="COMMAND", help="what must succeed in the worktree")
    args = parser.parse_args()
    async with Client() as stoker:
        made = await compete(stoker, args.repository, args.title, args.agent, args.check)
        tell("")
        for one in made:
            how = "fit" if one.fit else "fails the check" if one.succeeded else "failed"
            files = ", ".join(change.new_path or f"-{change.old_path}" for change in one.changes)
            tell(f"{one.agent:>20} | {how:15} | {one.lines:4} lines | {files}")
        winner = best(made)
        if winner is None:
            tell("\nnothing to merge")
            return 1
        merged = await stoker.attempts.merge(winner.attempt.attempt_id)
        tell(f"\nmerged {winner.agent}: {winner.attempt.target_branch} is at {merged.commit[:10]}")
        for one in made:
            await stoker.attempts.remove_worktree(one.attempt.attempt_id)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
