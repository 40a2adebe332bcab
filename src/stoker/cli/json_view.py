"""The event stream as JSON lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from stoker.cli.summary import conclude

if TYPE_CHECKING:
    from stoker.cli.context import Context
    from stoker.engine.handle import RunHandle
    from stoker.engine.run import Outcome
    from stoker.engine.state import RunState
    from stoker.journal.events import Event


class JsonView:
    """Each event on a line of stdout, as `stoker events --jsonl` shows it; what a person
    should know at the end, on stderr."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._write = context.output.out.write
        self._encode = msgspec.json.Encoder().encode

    def begin(self, handle: RunHandle) -> None:
        """Nothing: the events say it."""

    def see(self, event: Event) -> None:
        """One line."""
        self._write(self._encode(event).decode() + "\n")

    def end(self, outcome: Outcome, state: RunState, hints: Sequence[str]) -> None:
        """The summary, out of the stream's way."""
        if outcome.status != "succeeded":
            conclude(outcome, state, self._context.output.err, hints)
