"""Between an agent's process and its adapter: reads what it says, passes on what it is told,
and has each step stored before it is carried out, so that another engine can go on."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.agents import inbox, stream, warm
from stoker.agents.adapter import Adapter
from stoker.agents.store import Checkpoint, Store
from stoker.agents.stream import TurnEnded, Usage
from stoker.agents.warm import Idle, Lodging
from stoker.agents.watching import shared_watch
from stoker.engine.kinds import Answer, Kept
from stoker.process.spec import Exit
from stoker.process.tail import last_lines, read_chunk

INTERRUPT_SEC: Final = 1.0
"""What an agent gets to end its turn when it is asked to."""
GRACE_SEC: Final = 1.0
"""And to end after SIGTERM."""
LINGER_SEC: Final = 3.0
"""And to end after its turn, when its stdin has ended."""
_BLIND_SEC: Final = 0.5
_LONGEST: Final = 32 << 20
"""Bytes of a line."""
_LAST_WORDS: Final = 20


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


class Driver:
    """Drives one attempt of an agent; a dead engine's attempt from where that had come."""

    def __init__(
        self,
        adapter: Adapter,
        store: Store,
        *,
        stdout_path: str,
        stderr_path: str,
        ask: Ask | None = None,
        lodging: Lodging | None = None,
    ) -> None:
        """`ask`: what no policy answers goes there, beside the inbox. `lodging`: the process may
        be one that waits, and is to wait when it is done."""
        self.adapter = adapter
        self._store = store
        self._logs = (stdout_path, stderr_path)
        self._lodging = lodging
        self._ask = ask
        self._question: tuple[str, asyncio.Task[Answer]] | None = None
        """What a person is asked just now, by the id of the agent's request."""
        self._wake = asyncio.Event()
        self._told = b""
        """The beginning of a line of the inbox."""
        self._rest = bytearray()
        """The beginning of a line of stdout."""
        self._skipping = False
        """What comes up to the next line's beginning is of no use."""
        self._checkpoint: Checkpoint

    async def drive(self, start: Start) -> Driven:
        """To the end of the agent's process.

        Cancelled, it asks the agent to end, and sees to it, unless the engine only leaves.
        """
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

    def _begin(self) -> None:
        found = self._store.read() or self._offered()
        state = self.adapter.state
        if found is not None:
            state = msgspec.msgpack.decode(found.state, type=self.adapter.state_type)
            if found.stdout and not state.shown:
                keeper = self._store.keeper(found)
                if not warm.take(keeper, self._store.directory.name):
                    found = None  # too late
        if found is None:
            self._checkpoint = Checkpoint(state=_encoded(self.adapter.state))
            self._step(self.adapter.begin)
        else:
            self._checkpoint = found
            self.adapter.state = state
            if found.stdout and not state.shown:
                self._step(self.adapter.go_on)
        self._position = self._checkpoint.stdout_offset

    def _offered(self) -> Checkpoint | None:
        """Where a process stands that waits, and is to be taken over."""
        idle = self._lodging.find(self.adapter.assignment.session) if self._lodging else None
        if idle is None or self._lodging is None:
            return None
        adapter = self.adapter
        before = adapter.state
        adapter.take_over(msgspec.msgpack.decode(idle.state, type=adapter.state_type))
        checkpoint = Checkpoint(
            state=_encoded(adapter.state),
            keeper=str(self._lodging.earlier),
            stdout=idle.stdout,
            stderr=idle.stderr,
            stdout_offset=idle.stdout_offset,
            stdin_offset=idle.stdin_offset,
        )
        adapter.state = before
        self._store.write(checkpoint)  # before it is taken, lest nobody knows of it
        return checkpoint

    def _stay(self) -> None:
        """Leave the process to whoever goes on with it."""
        assert self._lodging is not None  # noqa: S101 - `_may_stay`
        self._save()
        found = self._checkpoint
        self._lodging.leave(
            self._store.keeper(found),
            Idle(
                key=self._lodging.key,
                session=self.adapter.state.session,
                state=found.state,
                stdout=self._stdout_path,
                stderr=self._stderr_path,
                stdout_offset=found.stdout_offset,
                stdin_offset=found.stdin_offset + len(found.outgoing),
            ),
        )

    @property
    def _may_stay(self) -> bool:
        ended = self.adapter.state.ended
        completed = ended is not None and ended.reason == "completed"
        return self._lodging is not None and completed and not self._checkpoint.closing

    @property
    def _stdout_path(self) -> str:
        return self._checkpoint.stdout or self._logs[0]

    @property
    def _stderr_path(self) -> str:
        return self._checkpoint.stderr or self._logs[1]

    async def _accompany(self, kept: Kept) -> Exit | None:
        """To its end; None if it stays."""
        self._kept = kept
        kept.ended.add_done_callback(self._rouse)
        lingering: asyncio.TimerHandle | None = None
        flags = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC
        self._stdout = os.open(self._stdout_path, flags, 0o600)
        self._inbox = os.open(self._store.inbox, flags, 0o600)
        try:
            with shared_watch() as self._watch:
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
                finally:
                    self._watch.forget_all(self._rouse)
            end = kept.ended.result()
            self._finish(end)
            return end
        finally:
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
            self._watch.once(self._stdout_path, self._rouse)
            self._watch.once(str(self._store.inbox), self._rouse)
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
                reply = inbox.Reply(
                    approval=id, allowed=said.allowed, by=said.by, reason=said.comment
                )
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

    # Steps.

    def _step(self, act: Callable[[], None], **changes: Any) -> None:
        self.adapter.now = time.time()
        act()
        self._save(**changes)

    def _save(self, **changes: Any) -> None:
        adapter, before = self.adapter, self._checkpoint
        step: dict[str, Any] = {
            "state": _encoded(adapter.state),
            "stream_offset": before.stream_offset + len(before.records),
            "stdin_offset": before.stdin_offset + len(before.outgoing),
            "records": stream.encode(adapter.records),
            "outgoing": bytes(adapter.outgoing),
            "log_offset": before.log_offset + len(before.logged),
            "logged": b"",
        }
        self._checkpoint = replace(before, **(step | changes))
        adapter.records.clear()
        adapter.outgoing.clear()
        self._store.write(self._checkpoint)

    def _hear_inbox(self) -> bool:
        offset = self._checkpoint.inbox_offset
        data = os.pread(self._inbox, 1 << 20, offset)
        lines, newline, _ = data.rpartition(b"\n")
        if not newline:
            return False

        def tell() -> None:
            for line in lines.split(b"\n"):
                try:
                    message = inbox.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    self.adapter.fail(f"message in the inbox not understood: {error}")
                else:
                    self._tell(message)

        self._step(tell, inbox_offset=offset + len(lines) + 1)
        return True

    @property
    def _settled(self) -> bool:
        """The process has nothing more to do."""
        adapter = self.adapter
        return adapter.done or adapter.state.restarting or self._checkpoint.closing

    def _tell(self, message: inbox.Message) -> None:
        closing = self._checkpoint.closing
        if closing and isinstance(message, inbox.Say):
            self.adapter.notice(f"this came too late for the agent: {message.text}")
            return
        self.adapter.tell(message)
        if closing and isinstance(message, inbox.Interrupt):
            self._kept.stop(GRACE_SEC)

    def _hear_stdout(self) -> bool:
        chunk = read_chunk(self._stdout, self._position)
        if chunk is None:
            return False
        lines: list[bytes] = []
        if chunk.dropped:
            self._rest.clear()
            self._skipping = True
        ending = chunk.data.rfind(b"\n")
        if ending < 0:
            self._rest += chunk.data
        else:
            self._rest += chunk.data[:ending]
            lines = bytes(self._rest).split(b"\n")
            self._rest[:] = chunk.data[ending + 1 :]
            if self._skipping:
                self._skipping = False
                del lines[0]
        self._position = chunk.next_offset
        too_long = len(self._rest) > _LONGEST
        if self._skipping or too_long:
            self._rest.clear()
            self._skipping = True
        if lines or chunk.dropped or too_long:

            def listen() -> None:
                self.adapter.state.warm = False  # it has heard what it was told
                if chunk.dropped:
                    self.adapter.notice(f"{chunk.dropped} bytes of the agent's output are lost")
                for line in lines:
                    if not self.adapter.state.restarting:
                        self.adapter.line(line.removesuffix(b"\r"))
                if too_long:
                    self.adapter.notice(f"a line of more than {_LONGEST} bytes was skipped")

            changes: dict[str, Any] = {"stdout_offset": self._position - len(self._rest)}
            if self._checkpoint.stdout:
                changes["logged"] = b"".join(line + b"\n" for line in lines)
            self._step(listen, **changes)
        return True

    def _finish(self, end: Exit, *, stopped: bool = False) -> None:
        """The process is over, and everything it has said was heard."""
        rest = bytes(self._rest)
        self._rest.clear()

        adapter = self.adapter
        adapter.now = time.time()
        if rest:
            adapter.line(rest)
        adapter.over(self._why(end), stopped=stopped)
        changes: dict[str, Any] = {"over": True, "stdout_offset": self._position}
        if adapter.state.restarting:
            adapter.state.restarting = False
            adapter.begin()
            changes |= self._store.another(self._checkpoint)
        self._save(**changes)
        self._position = self._checkpoint.stdout_offset

    def _why(self, end: Exit) -> str:
        if end.code == 0 and end.cause == "exited":
            return ""
        if end.cause == "stopped":
            how = "it was stopped"
        elif end.signal is not None:
            how = f"it was ended by signal {end.signal}"
        elif end.code is not None:
            how = f"exit code {end.code}"
        else:
            how = "its end was not recorded"
        try:
            words = last_lines(self._stderr_path, _LAST_WORDS)
        except OSError:
            words = []
        # What we wrote there ourselves, such as that there is no sandbox, is not why.
        return "\n".join([how, *(word for word in words if not word.startswith("stoker: "))])


def _encoded(state: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(state))
