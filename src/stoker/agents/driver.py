"""Between an agent's process and its adapter: reads what it says, passes on what it is told,
and has each step stored before it is carried out, so that another engine can go on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct

from stoker.agents.inbox import Reply
from stoker.agents.progress import GRACE_SEC, Progress
from stoker.agents.store import Checkpoint
from stoker.agents.stream import TurnEnded, Usage
from stoker.engine.kinds import Answer, Kept
from stoker.process.spec import Exit

INTERRUPT_SEC: Final = 1.0
"""What an agent gets to end its turn when it is asked to."""
LINGER_SEC: Final = 3.0
"""And to end after its turn, when its stdin has ended."""
_BLIND_SEC: Final = 0.5


Start = Callable[[str, bool], Awaitable[Kept]]
"""Starts the agent's process under a keeper in that directory, or finds it running there; True:
without a session."""


Ask = Callable[[str, str], Awaitable[Answer]]
"""Has a person asked, see `stoker.engine.kinds.Attempt.ask`."""


class Driven(Struct, frozen=True, kw_only=True):
    """What came of it."""

    ended: TurnEnded
    session: str
    usage: Usage
    exit: Exit | None
    """None: it was over before this driver began."""


class Driver(Progress):
    """Drives one attempt of an agent; a dead engine's attempt from where that had come."""

    _question: tuple[str, asyncio.Task[Answer]] | None = None
    """What a person is asked just now, by the id of the agent's request."""

    async def drive(self, start: Start, ask: Ask | None = None) -> Driven:
        """To the end of the agent's process. `ask`: what no policy answers goes there, beside
        the inbox.

        Cancelled, it asks the agent to end, and sees to it, unless the engine only leaves.
        """
        self._wake = asyncio.Event()
        self._armed: dict[str, int] = {}
        self._ask = ask
        self._store.create()
        self._begin()
        exit: Exit | None = None
        while not self._checkpoint.over:
            keeper = str(self._store.keeper(self._checkpoint))
            exit = await self._accompany(await start(keeper, self.adapter.state.lost))
            if exit is None:
                break
        state = self.adapter.state
        assert state.ended is not None  # noqa: S101 - it is over
        return Driven(ended=state.ended, session=state.session, usage=state.usage, exit=exit)

    def _stay(self) -> None:
        """Leave the process to whoever goes on with it."""
        assert self._lodging is not None  # noqa: S101 - `_may_stay`
        self._save()
        found = self._checkpoint
        checkpoint = Checkpoint(
            state=found.state,
            keeper=str(self._store.keeper(found)),
            stdout=self._stdout_path,
            stderr=self._stderr_path,
            stdout_offset=found.stdout_offset,
            stdin_offset=found.stdin_offset + len(found.outgoing),
        )
        self._lodging.leave(self.adapter.state.session, checkpoint)

    @property
    def _may_stay(self) -> bool:
        ended = self.adapter.state.ended
        completed = ended is not None and ended.reason == "completed"
        return self._lodging is not None and completed and not self._checkpoint.closing

    async def _accompany(self, kept: Kept) -> Exit | None:
        """To its end; None if it stays."""
        self._kept = kept
        kept.ended.add_done_callback(self._rouse)
        lingering: asyncio.TimerHandle | None = None
        flags = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC
        self._stdout = os.open(self._stdout_path, flags, 0o600)
        self._inbox = os.open(self._store.inbox, flags, 0o600)
        try:
            try:
                await self._talk(kept, lambda: self._settled)
                if not kept.ended.done() and self._may_stay:
                    with suppress(OSError):  # else it ends, like one that may not stay
                        self._stay()
                        return None
                if not kept.ended.done():
                    self._save(closing=True)
                    loop = asyncio.get_running_loop()
                    if self.adapter.idles:
                        lingering = loop.call_later(LINGER_SEC, kept.stop, GRACE_SEC)
                    await self._talk(kept, lambda: False)
            except asyncio.CancelledError:
                if not kept.leaving:
                    await self._stop(kept)
                raise
            except Exception:
                # Nobody would listen to it any more.
                kept.stop(GRACE_SEC)
                await asyncio.wait((kept.ended,))
                raise
            end = kept.ended.result()
            self._finish(end)
            return end
        finally:
            for number in self._armed.values():
                self._watch.forget(number, self._rouse)
            kept.ended.remove_done_callback(self._rouse)
            await self._unask()
            if lingering is not None:
                lingering.cancel()
            os.close(self._stdout)
            os.close(self._inbox)

    async def _stop(self, kept: Kept) -> None:
        """Ask it to interrupt its turn, then to end, then end it."""
        self._step(self.adapter.interrupt)
        with suppress(TimeoutError):
            async with asyncio.timeout(INTERRUPT_SEC):
                await self._talk(kept, lambda: self.adapter.done or not self.adapter.state.working)
        kept.stop(GRACE_SEC)
        await self._talk(kept, lambda: False)
        self._finish(kept.ended.result(), stopped=True)

    async def _talk(self, kept: Kept, until: Callable[[], bool]) -> None:
        """Deal with all that comes, until then or until the agent is over and heard out."""
        while True:
            # In this order: whatever comes after we looked, wakes us.
            self._wake.clear()
            over = kept.ended.done()
            if not over:
                self._arm()
            busy = self._hear_inbox()
            busy = self._hear_stdout() or busy
            busy = self._consult() or busy
            if until():
                return
            if busy:
                await asyncio.sleep(0)  # others wait for their turn, too
            elif over:
                return
            else:
                await self._wake.wait()

    def _arm(self) -> None:
        try:
            for path in (self._stdout_path, str(self._store.inbox)):
                self._armed[path] = self._watch.once(path, self._rouse)
        except OSError:  # no more watches to be had
            asyncio.get_running_loop().call_later(_BLIND_SEC, self._rouse)

    def _rouse(self, _: Any = None) -> None:
        self._wake.set()

    # What a person says.

    def _consult(self) -> bool:
        """Have a person asked what the agent waits for, one thing after the other, and tell it
        what was answered; whether it was told something."""
        found = self.adapter.asking
        id = found[1].id if found is not None else ""
        if self._question is not None:
            asked, answer = self._question
            if asked != id:
                answer.cancel()  # it was answered otherwise, or is not wanted any more
            elif not answer.done():
                return False
            self._question = None
            if asked == id:
                said = answer.result()
                reply = Reply(approval=id, allowed=said.allowed, by=said.by, reason=said.comment)
                self._step(lambda: self._tell(reply))
                return True
        if found is not None and self._ask is not None:
            index, request = found
            task = asyncio.ensure_future(self._ask(str(index), self.adapter.question(request)))
            task.add_done_callback(self._rouse)
            self._question = id, task
        return False

    async def _unask(self) -> None:
        if self._question is not None:
            _, task = self._question
            self._question = None
            task.cancel()
            await asyncio.wait((task,))
