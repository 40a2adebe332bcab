"""What a session says: lines to stdout, as `protocol` has them."""

from __future__ import annotations

import os
from typing import Any, Literal

import msgspec

from stoker.agents.builtin.assembler import OnDelta
from stoker.agents.builtin.entries import Call, Ended
from stoker.agents.builtin.history import History
from stoker.agents.builtin.ledger import Ledger, Tell
from stoker.agents.builtin.protocol import Grant, entry_lines, question_line
from stoker.agents.builtin.transcript import Line


class Output:
    """Of the session of that id. `partial`: tell of an answer while it comes. All methods raise
    `OSError`, if nobody reads any more."""

    def __init__(self, session: str, *, partial: bool) -> None:
        self._session = session
        self._partial = partial
        self._encoder = msgspec.json.Encoder()

    def write(self, message: dict[str, Any]) -> None:
        """A line, whole before the next thing is done."""
        data = memoryview(self._encoder.encode(message) + b"\n")
        while data:
            data = data[os.write(1, data) :]

    def init(
        self, ledger: Ledger, *, resumed: bool, cwd: str, model: str, tools: list[str]
    ) -> None:
        """The first line."""
        last, history = ledger.last, ledger.history
        ended = last is not None and isinstance(last.entry, Ended)
        result = entry_lines(last, history, self._session, None)[0] if last and ended else None
        self._system(
            "init",
            cwd=cwd,
            model=model,
            tools=tools,
            permissionMode="default",
            resumed=resumed,
            turn_id=history.turn,
            last_result=result,
            pid=os.getpid(),
        )

    def teller(self, parent: str | None) -> Tell:
        """Tells of entries. `parent`: the call whose sub-agent they are of."""

        def tell(line: Line, history: History) -> None:
            for message in entry_lines(line, history, self._session, parent):
                self.write(message)

        return tell

    def retell(self, ledger: Ledger, parent: str | None) -> None:
        """What was told last, perhaps."""
        if ledger.last is not None:
            for message in entry_lines(ledger.last, ledger.history, self._session, parent):
                self.write({**message, "isReplay": True})

    def ask(self, question: str, call: Call, parent: str | None, always: Grant) -> None:
        """See `Gate`."""
        self.write(question_line(question, call, self._session, parent, always))

    def on_delta(self, parent: str | None) -> OnDelta:
        """Tells of the answers that the model is giving."""

        def ignore(kind: Literal["text", "thinking"], text: str) -> None:
            pass

        place = {"session_id": self._session, "parent_tool_use_id": parent}
        blocks: list[str] = []

        def event(kind: str, **more: Any) -> None:
            self.write({"type": "stream_event", "event": {"type": kind, **more}, **place})

        def tell(kind: Literal["text", "thinking"], text: str) -> None:
            if not blocks:
                event("message_start")
            if not blocks or blocks[-1] != kind:
                blocks.append(kind)
                block = {"type": kind, kind: ""}
                event("content_block_start", index=len(blocks) - 1, content_block=block)
            delta = {"type": f"{kind}_delta", kind: text}
            event("content_block_delta", index=len(blocks) - 1, delta=delta)

        return tell if self._partial else ignore

    def retrying(self, attempt: int, most: int, seconds: float, why: str) -> None:
        """The model is to be asked again."""
        delay = round(seconds * 1000)
        self._system(
            "api_retry", attempt=attempt, max_retries=most, retry_delay_ms=delay, error=why
        )

    def complain(self, text: str) -> None:
        """Something that came was not understood."""
        self._system("error", text=text)

    def _system(self, subtype: str, **more: Any) -> None:
        self.write({"type": "system", "subtype": subtype, "session_id": self._session, **more})
