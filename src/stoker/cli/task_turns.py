"""`stoker task`: what agents say and do, for a person to read."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from stoker.cli import exit_codes
from stoker.cli.context import Context
from stoker.cli.output import one_line, printable

if TYPE_CHECKING:
    from stoker.agents.stream import Put
    from stoker.client import Client
    from stoker.wire.attempts import AttemptView
    from stoker.workspace.model import FileDiff

_WAIT_SEC = 50.0


def last_turn(view: AttemptView) -> int:
    """The number of an attempt's last turn."""
    return max((step.turn for step in view.steps), default=0)


async def rest(client: Client, attempt_id: str, *, after: int) -> AttemptView:
    """The attempt as soon as there is a turn later than `after`, or it is at rest."""
    view = await client.attempts.show(attempt_id)
    while view.busy and last_turn(view) <= after:
        view = await client.attempts.show(attempt_id, wait_sec=_WAIT_SEC)
    return view


async def accompany(context: Context, client: Client, attempt_id: str, *, as_json: bool) -> int:
    """Show what the agent does until it is done, as JSON only how it ended; Ctrl-C stops it,
    a second one ends the command at once."""
    loop, stop = asyncio.get_running_loop(), _Stop(context, client, attempt_id)
    loop.add_signal_handler(signal.SIGINT, stop.interrupt)
    try:
        view = await client.attempts.show(attempt_id)
        stop.run_id = view.attempt.run_id
        turn = last_turn(view)
        while True:
            if not as_json:
                await follow(context, client, attempt_id, turn)
            view = await rest(client, attempt_id, after=turn)
            if last_turn(view) <= turn:
                break
            turn += 1
        if stop.begun is not None:
            await stop.begun
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    if as_json:
        context.output.json(view)
    else:
        for change in (await client.attempts.changes(attempt_id, contents=False)).changes:
            context.output.note(stat(change))
        context.output.note(f"see it: {context.hint('task', 'diff', attempt_id[:8])}")
        context.output.note(f"take it: {context.hint('task', 'merge', attempt_id[:8])}")
    if stop.begun is not None:
        return exit_codes.CANCELED
    ended = next((step for step in reversed(view.steps) if step.role == "agent"), None)
    if ended is None or ended.status != "succeeded":
        why = f"{ended.step} {ended.status}: {ended.reason or ''}" if ended else "no agent began"
        context.output.error(one_line(why))
        return exit_codes.FAILED
    return exit_codes.SUCCEEDED


class _Stop:
    """What Ctrl-C does: it stops the agent; once that is under way, it ends the command."""

    def __init__(self, context: Context, client: Client, attempt_id: str) -> None:
        self._context = context
        self._client = client
        self._attempt_id = attempt_id
        self.run_id = ""
        """Empty: not known yet."""
        self.begun: asyncio.Task[None] | None = None
        """None: not asked for, or it failed."""

    def interrupt(self) -> None:
        """Ctrl-C was pressed."""
        if self.begun is not None:
            self._end()
        self._context.output.note(
            "stopping the agent; what it has done is kept; Ctrl-C again ends the command at once"
        )
        self.begun = asyncio.get_running_loop().create_task(self._stop())

    async def _stop(self) -> None:
        from stoker.client.errors import StokerError

        try:
            await self._client.attempts.stop(self._attempt_id)
        except StokerError as error:
            self._context.output.error(
                f"the agent could not be stopped: {error}; Ctrl-C tries again"
            )
            self.begun = None

    def _end(self) -> NoReturn:
        from stoker.cli.drive import kill
        from stoker.client.local import IN_PROCESS

        if self.run_id and self._client.url == IN_PROCESS:  # nobody else would end the agent
            kill(self._context.directory, self.run_id)
        os._exit(exit_codes.CANCELED)


async def follow(context: Context, client: Client, attempt_id: str, turn: int) -> None:
    """Print a turn as it goes."""
    shown = Shown(context)
    async for entry in client.attempts.stream(attempt_id, turn):
        shown.see(entry.index, entry.content)
        await context.output.out.drained()
    shown.finish()


def told(context: Context, entries: Iterable[Put]) -> None:
    """Print a turn as it is."""
    shown = Shown(context)
    for entry in entries:
        shown.see(entry.index, entry.content)
    shown.finish()


class Shown:
    """Prints entries, each when the next has begun: until then it may change. What the agent asks
    is printed at once, for nothing comes behind it until it is answered."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open: dict[int, Any] = {}
        self._asked: set[int] = set()

    def see(self, index: int, content: Any) -> None:
        """An entry as it is now."""
        from stoker.agents import stream

        for earlier in [other for other in self._open if other < index]:
            self._print(self._open.pop(earlier))
        if not isinstance(content, stream.Approval):
            self._open[index] = content
        elif index not in self._asked:
            self._asked.add(index)
            self._print(content)

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


def stat(change: FileDiff) -> str:
    """A changed file in a line."""
    added = "binary" if change.additions is None else f"+{change.additions} -{change.deletions}"
    return f"{change.change} {printable(change.new_path or change.old_path or '')} ({added})"
