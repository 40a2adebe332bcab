"""What one decision amounts to, as it is made: events (applied to the state at once),
effects, and the timers that are set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stoker.engine.effects import ClearTimers, Effect, SetTimer, TimerKind
from stoker.engine.state import RunState
from stoker.journal.events import STEP_WAITING, Event

_LIMITS = frozenset({"run_limit", "step_limit"})


class Recorder:
    """Collects events and effects until the run takes them. `redact` cleans event data."""

    def __init__(
        self, state: RunState, redact: Callable[[dict[str, Any]], dict[str, Any]] | None
    ) -> None:
        self.now = 0.0
        """Seconds since the epoch; set at the start of every decision."""
        self._state = state
        self._redact = redact
        self._events: list[Event] = []
        self._effects: list[Effect] = []
        self._timers: set[tuple[TimerKind, int]] = set()

    def take(self) -> tuple[list[Event], list[Effect]]:
        """What was recorded since the last call."""
        events, effects = self._events, self._effects
        self._events, self._effects = [], []
        return events, effects

    def emit(
        self,
        type_: str,
        step: str | None = None,
        attempt: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Add an event and move the state on."""
        state = self._state
        data = data or {}
        if self._redact is not None:
            data = self._redact(data)
        event = Event(state.run_id, state.sequence + 1, type_, self.now, step, attempt, data)
        state.apply(event)
        self._events.append(event)

    def wait(self, index: int, reason: str, detail: dict[str, Any] | None = None) -> None:
        """A step waits for something."""
        step_id = self._state.steps[index].step.id
        self.emit(STEP_WAITING, step_id, data={"for": reason, **(detail or {})})

    def act(self, effect: Effect) -> None:
        self._effects.append(effect)

    # Timers. A step has at most one of each kind; the run's have index -1.

    @property
    def expects_timer(self) -> bool:
        """Whether time alone will make something happen, limits aside."""
        return any(kind not in _LIMITS for kind, _ in self._timers)

    def expects(self, kind: TimerKind, index: int) -> bool:
        """Whether this timer is set."""
        return (kind, index) in self._timers

    def set_timer(self, kind: TimerKind, index: int, delay_sec: float) -> None:
        self._timers.add((kind, index))
        self._effects.append(SetTimer(kind, index, max(0.0, delay_sec)))

    def timer_fired(self, kind: TimerKind, index: int) -> bool:
        """Whether it still counts: it may have been cleared since it went off."""
        if (kind, index) not in self._timers:
            return False
        self._timers.discard((kind, index))
        return True

    def clear_timers(self, index: int, *kinds: TimerKind) -> None:
        if self._timers:
            mine = tuple(kind for kind in kinds if (kind, index) in self._timers)
            if mine:
                self._timers.difference_update((kind, index) for kind in mine)
                self._effects.append(ClearTimers(index, mine))
