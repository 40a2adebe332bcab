"""One turn: ask the model, run what it calls, ask again, until it has no more to call.

Where a turn stands is read from the history alone, so that a turn which another process
began goes on as if nothing had been.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec.structs import replace

from stoker.agents.bounds import clip
from stoker.agents.builtin.assembler import ContextOverflow, ModelError
from stoker.agents.builtin.budget import exceeded, left
from stoker.agents.builtin.entries import Acting, Answer, Call, Decided, Ended, Noted, Result, Usage
from stoker.agents.builtin.ledger import Ledger, TranscriptFailed
from stoker.agents.builtin.prices import cost, price_of
from stoker.agents.builtin.protocol import Grant
from stoker.agents.builtin.repetition import rounds
from stoker.agents.builtin.room import LEVELS, Room
from stoker.agents.builtin.settings import Limits
from stoker.agents.builtin.tools.tool import MAX_OUTPUT, Context, Output, Tool
from stoker.agents.builtin.wire import Request
from stoker.agents.worktree import ToolError
from stoker.process.tree import end_all

if TYPE_CHECKING:
    from stoker.agents.builtin.session import Session

_MAX_CUTS = 3
_UNKNOWN = (
    "Error: the agent was killed while this ran. Whether it took effect, wholly or in part, is "
    "unknown. Look before you do it again."
)
_CUT = "[Your answer was cut off at its limit of length. Go on where it ended.]"
_EMPTY = "[Your answer was empty. Go on, or say that you are done.]"


class Loop:
    """Drives the turn in course of `ledger` to its end, with what `session` has. `parent`: the
    call whose sub-agent this is."""

    def __init__(
        self,
        session: Session,
        ledger: Ledger,
        tools: Mapping[str, Tool],
        limits: Limits,
        parent: str | None = None,
    ) -> None:
        self._session = session
        self._settings = session.settings
        self._ledger = ledger
        self._history = ledger.history
        self._tools = tools
        self._limits = limits
        self._parent = parent
        self._offers = list(tools.values())
        self._price = price_of(session.settings)
        self._children: dict[str, Loop] = {}
        if self._history.session is None:
            raise ValueError("the transcript does not say whose it is")
        self._began = self._history.session
        overhead = len(self._began.system) + sum(one.size for one in self._offers)
        self._room = Room(ledger, session.client, self._settings, overhead)

    async def run(self) -> Ended:
        """Returns the end, which is recorded. Raises `TranscriptFailed`. When cancelled, the
        turn stays open: `close` it, or leave it to whoever goes on with it."""
        try:
            ended = await self._turn()
        except ModelError as error:
            ended = Ended(reason="error", text=str(error))
        self._ledger.record(ended)
        return ended

    def close(self, reason: str, text: str) -> Ended:
        """End a turn that was cancelled. What was under way has no outcome that is known."""
        for call in tuple(self._history.pending.values()):
            ran = call.id in self._history.acting
            remark = "it may have taken effect in part" if ran else "nothing was done"
            child = self._children.get(call.id)
            spent = child._history.spent if child else None
            self._ledger.record(
                Result(
                    call=call.id,
                    text=f"Error: {text}; {remark}",
                    is_error=True,
                    usage=spent.usage if spent else Usage(),
                    cost=spent.cost if spent else 0.0,
                )
            )
        ended = Ended(reason=reason, text=text)
        self._ledger.record(ended)
        return ended

    async def _turn(self) -> Ended:
        level = -1
        while True:
            await self._act()
            ended = self._judged() or exceeded(self._limits, self._history.spent)
            if ended is not None:
                return ended
            await self._room.make()
            try:
                answer = await self._ask()
            except ContextOverflow:
                # The provider counts otherwise than we do.
                level = await self._room.force(level)
                if level == LEVELS:
                    raise
                continue
            level = -1
            self._ledger.record(answer)

    def _judged(self) -> Ended | None:
        """Whether the turn ends here. May tell the model something instead."""
        last = self._history.messages[-1]
        if isinstance(last, Result):
            return self._circling()
        if not isinstance(last, Answer):
            return None
        if last.stop == "refused":
            return Ended(reason="refused", text=last.text or "the provider refused to answer")
        remark = _CUT if last.stop == "length" else _EMPTY if not last.text.strip() else None
        if remark is None:
            return Ended(reason="done", text=last.text)
        said = self._history.messages[-2 * _MAX_CUTS :]
        if sum(isinstance(one, Noted) and one.text == remark for one in said) < _MAX_CUTS:
            self._ledger.record(Noted(remark))
            return None
        text = "the answer was cut off" if remark == _CUT else "the answer was empty"
        return Ended(reason="error", text=f"{text} {_MAX_CUTS + 1} times in a row")

    def _circling(self) -> Ended | None:
        most = self._settings.max_repeats
        times = rounds(self._history.steps)
        if times >= 2 * most:
            name = ", ".join(call[0] for call in self._history.steps[-1])
            text = f"the same calls gave the same results {times} times in a row, last: {name}"
            return Ended(reason="loop", text=text)
        if times >= most:
            remark = f"[You have done this {times} times with the same result. Try something else.]"
            self._ledger.record(Noted(remark))
        return None

    async def _ask(self) -> Answer:
        request = Request(self._began.system, self._history.messages, self._offers)
        answer = await self._session.client.ask(request, self._session.out.on_delta(self._parent))
        price = cost(answer.usage, self._price)
        return replace(answer, calls=self._identified(answer.calls), cost=price)

    def _identified(self, calls: Iterable[Call]) -> tuple[Call, ...]:
        """Each with an id of its own: some providers count from 0 in each answer."""
        found: dict[str, Call] = {}
        for index, call in enumerate(calls):
            name = call.id
            if not name or name in found or name in self._history.seen:
                name = f"call_{self._history.total.turns}_{index}"
            found[name] = replace(call, id=name)
        return tuple(found.values())

    # Calls

    async def _act(self) -> None:
        """Run what is to be run. Sub-agents called next to each other work together."""
        calls = list(self._history.pending.values())
        while calls:
            together = [calls.pop(0)]
            while together[0].name == "task" and calls and calls[0].name == "task":
                together.append(calls.pop(0))
            if len(together) == 1:
                await self._call(together[0])
                continue
            try:
                async with asyncio.TaskGroup() as group:
                    for call in together:
                        group.create_task(self._call(call))
            except BaseExceptionGroup as failures:
                # The first one says what is wrong; `TranscriptFailed` is all there can be.
                raise failures.exceptions[0] from failures

    async def _call(self, call: Call) -> None:
        try:
            output = await self._outcome(call)
        except ToolError as error:
            output = Output(text=f"Error: {error}", is_error=True)
        except (TranscriptFailed, asyncio.CancelledError):
            raise
        except Exception as error:
            # Whatever is wrong with a tool, the model can go another way.
            traceback.print_exc(file=sys.stderr)
            output = Output(text=f"Error: {type(error).__name__}: {error}", is_error=True)
        # A file's name may be what no text can be.
        plain = output.text.encode("utf-8", "replace").decode()
        text = clip(self._session.redactor.text(plain), MAX_OUTPUT)
        self._ledger.record(
            Result(
                call=call.id,
                text=text,
                is_error=output.is_error,
                usage=output.usage,
                cost=output.cost,
            )
        )

    async def _outcome(self, call: Call) -> Output:
        marker = f"agent/{self._began.id}/{short(call.id)}"
        if call.id in self._history.acting:
            # It began in a process that is no more; what it left behind goes on.
            await end_all(marker, 0)
            return Output(text=_UNKNOWN, is_error=True)
        tool = self._tools.get(call.name)
        if tool is None:
            names = ", ".join(self._tools)
            raise ToolError(f"there is no tool {call.name!r}; there are {names}")
        arguments = tool.decode(call.arguments)
        session = self._session
        subject = tool.subject(arguments, session.worktree)
        decision = self._settings.permissions.decide(tool.kind)
        if decision == "deny":
            raise ToolError(f"not permitted: {tool.name} {subject}")
        remark = ""
        grant = (tool.kind, subject if tool.kind == "execute" else "")
        if decision == "ask" and (call.id in self._history.decided or grant not in session.granted):
            given = await self._consent(call, grant)
            if not given.allowed:
                raise ToolError(f"refused by the user: {given.message}")
            if given.arguments is not None:
                remark = f"\n[The user changed the arguments: {given.arguments}]"
                arguments = tool.decode(given.arguments)
        if not tool.repeatable:
            self._ledger.record(Acting(call.id))
        context = Context(
            worktree=session.worktree,
            settings=self._settings,
            spawner=session.spawner,
            env=session.env,
            scratch=session.scratch,
            marker=marker,
            todos=lambda: self._history.todos,
            delegate=lambda prompt: self._delegate(call.id, prompt),
        )
        output = await tool.run(arguments, context)
        return replace(output, text=output.text + remark)

    async def _consent(self, call: Call, grant: Grant) -> Decided:
        if call.id not in self._history.decided:
            gate, name = self._session.gate, self._began.id
            self._ledger.record(await gate.pass_through(name, call, self._parent, grant))
            self._session.granted.update(self._history.granted)
        return self._history.decided[call.id]

    async def _delegate(self, call: str, prompt: str) -> Output:
        from stoker.agents.builtin.tools.toolbox import SUBAGENT_TOOLS

        with self._session.open_ledger(call, prompt) as ledger:
            limits = left(self._limits, self._history.spent, self._settings.subagent_turns)
            loop = Loop(self._session, ledger, SUBAGENT_TOOLS, limits, call)
            self._children[call] = loop
            ended = ledger.history.ended or await loop.run()
            spent = ledger.history.spent
        done = ended.reason == "done"
        text = ended.text if done else f"Error: the sub-agent ended ({ended.reason}): {ended.text}"
        return Output(text=text, is_error=not done, usage=spent.usage, cost=spent.cost)


def short(call: str) -> str:
    """A name for files and markers; what a provider calls a call may be anything."""
    return sha256(call.encode("utf-8", "surrogatepass")).hexdigest()[:16]
