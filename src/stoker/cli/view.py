"""Watching a run from the command line: what every way of showing it can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from stoker.engine.handle import RunHandle
    from stoker.engine.run import Outcome
    from stoker.engine.state import RunState
    from stoker.journal.events import Event


class View(Protocol):
    """Shows one run while it goes on. Called in the event loop; must not block."""

    def begin(self, handle: RunHandle) -> None:
        """The run is about to start, or to go on."""

    def see(self, event: Event) -> None:
        """Something happened."""

    def end(self, outcome: Outcome, state: RunState, hints: Sequence[str]) -> None:
        """Nothing more will happen here. `hints`: what a person can do now."""
