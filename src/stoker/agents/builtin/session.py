"""A session: turn after turn, with whoever is at the other end of stdin and stdout."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from stoker.agents.builtin.client import Client, Wire
from stoker.agents.builtin.entries import Asked, Began, Ended, Turn
from stoker.agents.builtin.gate import Gate
from stoker.agents.builtin.keys import take_key
from stoker.agents.builtin.ledger import Ledger
from stoker.agents.builtin.loop import Loop, short
from stoker.agents.builtin.output import Output
from stoker.agents.builtin.prompt import subagent_prompt, system_prompt
from stoker.agents.builtin.protocol import heard, read_lines
from stoker.agents.builtin.settings import Settings
from stoker.agents.builtin.tools.toolbox import TOOLS
from stoker.agents.builtin.transcript import Transcript
from stoker.agents.builtin.wire_anthropic import Anthropic
from stoker.agents.builtin.wire_openai import OpenAI
from stoker.agents.worktree import Worktree
from stoker.process.logs import LogBounds, LogWatch
from stoker.process.redact import Redactor
from stoker.process.spawner import Spawner

_MAX_COMMAND_OUTPUT = 64 << 20
WIRES: Mapping[str, type[Wire]] = {"openai": OpenAI, "anthropic": Anthropic}


class Session:
    """One process of an agent, and what its turns work with, sub-agents' included. `state`: the
    directory of this session alone, where it is kept; what another process began there goes on."""

    def __init__(
        self,
        settings: Settings,
        *,
        session: str,
        state: Path,
        cwd: str,
        partial: bool = False,
    ) -> None:
        """`partial`: tell of an answer while it comes. Takes the key out of the environment of
        this process. Raises `ValueError` (of the URL), `OSError`, `TranscriptDamaged`,
        `SessionInUse`, `ToolError` (of `cwd`)."""
        self.id = session
        self.settings = settings
        self._state = state
        self.out = Output(session, partial=partial)
        claude = settings.model.rpartition("/")[2].startswith("claude")
        wire = WIRES[settings.wire or ("anthropic" if claude else "openai")]()
        key = take_key(settings.key_env or wire.key_env)
        self.redactor = Redactor([key])
        self.worktree = Worktree(cwd)
        self.worktree.entries(".")
        self.gate = Gate(self.out.ask)
        self.client = Client(wire, settings, key, self.redactor, self.out.retrying)
        self.spawner: Spawner
        """While it runs."""
        # Whatever holds the key is kept from commands, under whichever name.
        self.env = {
            name: value for name, value in os.environ.items() if not key or key not in value
        }
        self._ledger = Ledger(Transcript(state / "transcript.jsonl"), self.out.teller(None))
        self.scratch = _emptied(state / "scratch")
        """A directory for files that last as long as a call."""
        self.granted = set(self._ledger.history.granted)
        """What need not be asked for any more."""
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._over = False
        self._turn: asyncio.Task[Ended] | None = None
        self._interrupted = False

    async def run(self, prompt: str | None) -> Ended | None:
        """Until stdin ends or it is told to end, and all that was asked is done. Returns how
        the last turn ended. Raises `TranscriptFailed`, `OSError`."""
        history = self._ledger.history
        resumed = history.session is not None
        if not resumed:
            system = system_prompt(self.worktree, self.settings.instructions)
            began = Began(self.id, self.settings.model, self.worktree.root, system)
            self._ledger.record(began)
        self.out.init(
            self._ledger,
            resumed=resumed,
            cwd=self.worktree.root,
            model=self.settings.model,
            tools=list(TOOLS),
        )
        if history.turn is not None:
            self.out.retell(self._ledger, None)
        if prompt is not None and not history.seen:
            self._ledger.record(Asked(str(uuid.uuid4()), prompt))
        loop = asyncio.get_running_loop()

        def on_line(line: bytes | None) -> None:
            with suppress(RuntimeError):  # the loop has ended, and nobody listens
                loop.call_soon_threadsafe(self._lines.put_nowait, line)

        read_lines(0, on_line)
        listening = asyncio.create_task(self._listen())
        watch = LogWatch(loop)
        bounds = LogBounds(watch, loop, limit=_MAX_COMMAND_OUTPUT)
        self.spawner = Spawner(loop, bounds=bounds)
        try:
            working = asyncio.create_task(self._work())
            try:
                await asyncio.wait((working, listening), return_when=asyncio.FIRST_COMPLETED)
                if not working.done():
                    await listening  # raises, or stdin is over
                return await working
            finally:
                await _end(working)
        finally:
            await _end(listening)
            self.spawner.close()
            watch.close()
            await self.client.close()
            self._ledger.close()

    async def _work(self) -> Ended | None:
        history = self._ledger.history
        while True:
            if history.turn is None and history.queue:
                self._ledger.record(Turn(history.queue[0].id))
            if history.turn is not None:
                await self._drive(Loop(self, self._ledger, TOOLS, self.settings.limits))
            elif self._over:
                return history.ended
            else:
                self._changed.clear()
                await self._changed.wait()

    async def _drive(self, loop: Loop) -> None:
        """One turn, to its end, its interruption or its limit of time."""
        seconds = self.settings.limits.seconds
        history = self._ledger.history
        if seconds is not None:
            seconds -= history.last_at - history.began_at
        self._interrupted = False
        self._turn = asyncio.create_task(loop.run())
        try:
            done, _ = await asyncio.wait((self._turn,), timeout=seconds)
            if not done:
                self._turn.cancel()
                await asyncio.wait((self._turn,))
            if not self._turn.cancelled():
                self._turn.result()
            elif self._interrupted:
                loop.close("interrupted", "interrupted by the user")
            else:
                limit = self.settings.limits.seconds
                loop.close("max_seconds", f"the limit of {limit:g} s is reached")
        finally:
            turn, self._turn = self._turn, None
            await _end(turn)

    @contextmanager
    def open_ledger(self, call: str, prompt: str) -> Iterator[Ledger]:
        """Of the sub-agent for the call of this id, with what it is to do."""
        transcript = Transcript(self._state / f"task-{short(call)}.jsonl")
        ledger = Ledger(transcript, self.out.teller(call))
        try:
            history = ledger.history
            session = self._ledger.history.session
            if history.session is None and session is not None:
                system = subagent_prompt(session.system)
                ledger.record(Began(self.id, session.model, session.cwd, system))
            else:
                self.out.retell(ledger, call)
            if not history.seen:
                ledger.record(Asked(call, prompt))
            if history.queue:
                ledger.record(Turn(call))
            yield ledger
        finally:
            ledger.close()

    # What comes

    async def _listen(self) -> None:
        while (line := await self._lines.get()) is not None:
            try:
                message = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                self.out.complain(f"a line that is no JSON: {error}")
                continue
            if isinstance(message, dict):
                self._take(message)
        self.gate.close()
        self._over = True
        self._changed.set()

    def _take(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "user":
                id = str(message.get("uuid") or uuid.uuid4())
                text, images = heard(message)
                if (text or images) and id not in self._ledger.history.seen:
                    self._ledger.record(Asked(id, text, images))
                    self._changed.set()
            case "control_response":
                response = message.get("response")
                if isinstance(response, dict):
                    # An error instead of an answer is no consent.
                    self.gate.answer(str(response.get("request_id")), response.get("response"))
            case "control_request":
                self._control(message)
            case kind:
                self.out.complain(f"a line of type {kind!r} is not known")

    def _control(self, message: dict[str, Any]) -> None:
        request = message.get("request")
        subtype = request.get("subtype") if isinstance(request, dict) else None
        response: dict[str, Any] = {"subtype": "success", "request_id": message.get("request_id")}
        if subtype == "interrupt":
            if self._turn is not None:
                self._interrupted = True
                self._turn.cancel()
        elif subtype == "end_session":
            self._over = True
            self._changed.set()
        elif subtype == "initialize":
            response["response"] = {"commands": [], "models": [self.settings.model]}
        else:
            response = {**response, "subtype": "error", "error": f"not known: {subtype!r}"}
        self.out.write({"type": "control_response", "response": response})


def _emptied(folder: Path) -> str:
    folder.mkdir(mode=0o700, exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    return str(folder)


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel, and wait until it has come to it."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
