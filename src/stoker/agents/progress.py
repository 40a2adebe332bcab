"""How far the conversation with an agent has come: each step of it is stored before it is carried
out, so that another engine can go on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from stoker.agents import inbox, stream, warm
from stoker.agents.adapter import Adapter
from stoker.agents.lines import LONGEST, Lines
from stoker.agents.store import Checkpoint, Store
from stoker.agents.warm import Lodging
from stoker.engine.kinds import Kept
from stoker.process.logs import LogWatch
from stoker.process.spec import Exit
from stoker.process.tail import last_lines

GRACE_SEC: Final = 1.0
"""What an agent gets to end after SIGTERM."""
_LAST_WORDS: Final = 20


class Progress:
    """Of one attempt of an agent; of a dead engine's attempt from where that had come."""

    _kept: Kept
    _stdout: int
    _inbox: int
    """Descriptors, while there is a process."""

    def __init__(
        self,
        adapter: Adapter,
        store: Store,
        *,
        stdout_path: str,
        stderr_path: str,
        watch: LogWatch,
        lodging: Lodging | None = None,
    ) -> None:
        """`lodging`: the process may be one that waits, and is to wait when it is done."""
        self.adapter = adapter
        self._store = store
        self._logs = (stdout_path, stderr_path)
        self._watch = watch
        self._lodging = lodging
        self._checkpoint: Checkpoint

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
        self._lines = Lines(self._checkpoint.stdout_offset)

    def _offered(self) -> Checkpoint | None:
        """Where a process stands that waits, and is to be taken over."""
        adapter = self.adapter
        found = self._lodging.find(adapter.assignment.session) if self._lodging else None
        if found is None:
            return None
        before = adapter.state
        adapter.take_over(msgspec.msgpack.decode(found.state, type=adapter.state_type))
        found = replace(found, state=_encoded(adapter.state))
        adapter.state = before
        self._store.write(found)  # before it is taken, lest nobody knows of it
        return found

    @property
    def _stdout_path(self) -> str:
        return self._checkpoint.stdout or self._logs[0]

    @property
    def _stderr_path(self) -> str:
        return self._checkpoint.stderr or self._logs[1]

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
        data = os.pread(self._inbox, os.fstat(self._inbox).st_size - offset, offset)
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
        heard = self._lines.read(self._stdout)
        if heard is None:
            return False
        if heard.lines or heard.lost or heard.too_long:

            def listen() -> None:
                self.adapter.state.warm = False  # it has heard what it was told
                if heard.lost:
                    self.adapter.notice(f"{heard.lost} bytes of the agent's output are lost")
                for line in heard.lines:
                    if not self.adapter.state.restarting:
                        self.adapter.line(line.removesuffix(b"\r"))
                if heard.too_long:
                    self.adapter.notice(f"a line of more than {LONGEST} bytes was skipped")

            changes: dict[str, Any] = {"stdout_offset": self._lines.offset}
            if self._checkpoint.stdout:
                changes["logged"] = b"".join(line + b"\n" for line in heard.lines)
            self._step(listen, **changes)
        return True

    def _finish(self, end: Exit, *, stopped: bool = False) -> None:
        """The process is over, and everything it has said was heard."""
        adapter = self.adapter
        adapter.now = time.time()
        if rest := self._lines.end():
            adapter.line(rest)
        adapter.over(self._why(end), stopped=stopped)
        changes: dict[str, Any] = {"over": True, "stdout_offset": self._lines.offset}
        if adapter.state.restarting:
            adapter.state.restarting = False
            adapter.begin()
            changes |= self._store.another(self._checkpoint)
        self._save(**changes)
        self._lines = Lines(self._checkpoint.stdout_offset)

    def _why(self, end: Exit) -> str:
        how = "it was stopped" if end.cause == "stopped" else end.why()
        if how is None:
            return ""
        try:
            words = last_lines(self._stderr_path, _LAST_WORDS)
        except OSError:
            words = []
        # What we wrote there ourselves, such as that there is no sandbox, is not why.
        return "\n".join([how, *(word for word in words if not word.startswith("stoker: "))])


def _encoded(state: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(state))
