"""Asking whoever watches whether a call may run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from stoker.agents.builtin.entries import Call, Decided
from stoker.agents.builtin.protocol import Grant, input_of

Ask = Callable[[str, Call, str | None, Grant], None]
"""Told the question's id, the call, the call whose sub-agent asks, and what may be granted
for good."""


class Gate:
    """Questions that wait for answers. A question's id is the same when the agent, killed
    meanwhile, asks it again: an answer that was under way fits."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._waiting: dict[str, tuple[Call, Grant, asyncio.Future[Decided]]] = {}
        self._early: dict[str, Any] = {}
        self._closed = False

    async def pass_through(
        self, session: str, call: Call, parent: str | None, grant: Grant
    ) -> Decided:
        """The answer, whenever it comes."""
        question = f"{session}/{parent}/{call.id}" if parent else f"{session}/{call.id}"
        if question in self._early:
            return _decided(call, grant, self._early.pop(question))
        if self._closed:
            return _unattended(call)
        answer: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()
        self._waiting[question] = (call, grant, answer)
        self._ask(question, call, parent, grant)
        try:
            return await answer
        finally:
            del self._waiting[question]

    def answer(self, question: str, response: Any) -> None:
        """What came for `question`; kept if it is yet to be asked (again)."""
        if question not in self._waiting:
            self._early[question] = response
            return
        call, grant, waiting = self._waiting[question]
        if not waiting.done():
            waiting.set_result(_decided(call, grant, response))

    def close(self) -> None:
        """Nobody will answer any more."""
        self._closed = True
        for call, _, waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(_unattended(call))


def _unattended(call: Call) -> Decided:
    return Decided(call.id, False, "nobody is there to allow it")


def _decided(call: Call, grant: Grant, response: Any) -> Decided:
    given = response if isinstance(response, dict) else {}
    if given.get("behavior") != "allow":
        return Decided(call.id, False, str(given.get("message") or "it was not allowed"))
    changed = given.get("updatedInput")
    # Most say what they were asked about again, which changes nothing.
    if not isinstance(changed, dict) or changed == input_of(call):
        return Decided(call.id, True, always=grant if given.get("updatedPermissions") else None)
    return Decided(call.id, True, "", msgspec.json.encode(changed).decode())
