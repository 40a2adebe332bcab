"""How far a run is and how long it will take, from past durations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stoker.journal import events as ev

if TYPE_CHECKING:
    from stoker.engine.state import RunState
    from stoker.journal.events import Event

_HELD = {"approval": "for a person", "backoff": "to try again", "circuit": "for its tool"}
"""What a step waits for, by the name that events have for it."""
_ENOUGH = 3
"""Steps that must have ended before their durations alone make an estimate."""


class Estimate:
    """Follows a run's events; pure. `durations`: mean seconds by step id over past runs;
    `width`: how many steps run at once."""

    def __init__(self, state: RunState, durations: Mapping[str, float], width: int) -> None:
        self._state = state
        self._durations = dict(durations)
        self._known = bool(durations)
        self._width = max(1, width)
        self.running: dict[str, float] = {}
        """When each running step started (seconds since the epoch), oldest first."""
        self.waiting: dict[str, str] = {}
        """By step that something holds up: what it waits for, with its name."""
        for step in state.steps:
            if step.status == "waiting" and not step.expanded:
                self._waits(step.step.id, step.reason)
        self._ended: list[float] = []
        self._usual = sum(durations.values()) / len(durations) if durations else 0.0
        self._count()

    def see(self, event: Event) -> None:
        """Take an event into account."""
        step = event.step
        if step is None:
            if event.type == ev.RUN_EXTENDED:
                self._count()
        elif event.type == ev.ATTEMPT_STARTING:
            self.waiting.pop(step, None)
            self.running[step] = event.time
        elif event.type == ev.STEP_WAITING:
            self._waits(step, event.data.get("for"))
        elif event.type == ev.APPROVAL_REQUESTED:
            self._waits(step, "approval")
        elif event.type == ev.APPROVAL_DECIDED:
            self.waiting.pop(step, None)
        elif event.type == ev.ATTEMPT_SETTLED:
            started = self.running.pop(step, None)
            if started is not None and event.data["status"] == "succeeded":
                self._ended.append(event.time - started)
        elif event.type == ev.STEP_SETTLED:
            self.waiting.pop(step, None)
            self._left -= self._of(step)
        elif event.type in (ev.STEP_EXPANDED, ev.STEP_REOPENED):
            self._count()

    def _waits(self, step: str, reason: str | None) -> None:
        self.waiting[step] = f"{step} {_HELD.get(reason or '', f'for {reason}')}"

    def expected(self, step: str) -> float | None:
        """Seconds the step usually takes, if that is known."""
        return self._durations.get(step)

    def remaining(self, now: float) -> float | None:
        """Seconds until the run ends: what is left of its longest chain or, where that is
        more, all that is left by the steps at once. None if there is nothing to go by."""
        if not self._known and len(self._ended) < _ENOUGH:
            return None
        scale = 1.0
        if not self._known:
            scale = sum(self._ended) / len(self._ended)
        left = self._left * scale
        chain = 0.0
        index = self._state.graph.index
        for step, started in self.running.items():
            elapsed = now - started
            left -= min(elapsed, self._of(step) * scale)
            chain = max(chain, self._chains[index[step]] * scale - elapsed)
        return max(left / self._width, chain, 0.0)

    def next(self, count: int) -> list[str]:
        """The steps most urgent of those not started."""
        steps, found = self._state.steps, list[str]()
        while self._place < len(self._order):
            if steps[self._order[self._place]].status == "pending":
                break
            self._place += 1
        for index in self._order[self._place : self._place + 64]:
            step = steps[index]
            if step.status == "pending" and index not in self._state.graph.fallback_of:
                found.append(step.step.id)
                if len(found) == count:
                    break
        return found

    def _of(self, step: str) -> float:
        return self._durations.get(step, self._usual if self._known else 1.0)

    def _count(self) -> None:
        """Begin anew: there are other steps than before."""
        state = self._state
        self._chains = state.graph.priorities(self._durations)
        self._order = sorted(range(len(state.steps)), key=lambda i: -self._chains[i])
        self._place = 0
        self._left = sum(
            self._of(step.step.id)
            for index, step in enumerate(state.steps)
            if step.satisfied is None and index not in state.graph.fallback_of
        )
