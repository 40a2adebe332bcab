"""What one decision amounts to, as it is made: events (applied to the state at once),
effects, and the timers that are set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from stoker.engine.effects import ClearTimers, Effect, SetTimer, TimerKind
from stoker.engine.state import RunState
from stoker.journal.events import STEP_WAITING, Event
from stoker.plan.model import Step

_LIMITS = frozenset({"run_limit", "step_limit"})

# What of an event's data people or steps wrote. All else steers the run: a secret that
# happens to be a status or a file's name must not change what is done.
_TEXTS = frozenset({"reason", "error", "comment", "prompt", "detail"})
_WORDS = frozenset({"on_failure", "on_interrupt"})
_WORDED = frozenset({"step_def", "retry", "approval"})
"""Fields of a step whose own fields are words of the plan's format, too."""


class Recorder:
    """Collects events and effects until the run takes them. `redact` takes
    secrets out of a text."""

    def __init__(self, state: RunState, redact: Callable[[str], str] | None) -> None:
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
            data = {key: self._clean(key, value) for key, value in data.items()}
        event = Event(state.run_id, state.sequence + 1, type_, self.now, step, attempt, data)
        state.apply(event)
        self._events.append(event)

    def exposed(self, steps: Sequence[Step]) -> str | None:
        """Why new steps cannot be added: a secret stands in one. Masked, it would do
        something else; as it is, it would be kept."""
        if self._redact is None:
            return None
        for step in steps:
            fields = msgspec.to_builtins(step)
            values = {key: value for key, value in fields.items() if key not in _WORDS}
            keys = [name for key, value in values.items() for name in _names(key, value)]
            if self._masked(values) != values or self._masked(keys) != keys:
                message = f"step {step.id!r} would put a secret into the journal; "
                return self._masked(message) + "hand it on by env from inputs"  # type: ignore[no-any-return]
        return None

    def _clean(self, key: str, value: Any) -> Any:
        if key in _TEXTS:
            return self._masked(value)
        if key == "outputs":
            # An artefact's content was cleaned before it became a file.
            return {name: self._output(output) for name, output in value.items()}
        return value

    def _output(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [self._output(item) for item in value]
        return value if _is_artefact(value) else self._masked(value)

    def _masked(self, value: Any) -> Any:
        """Without secrets in its texts; keys are names, and stay."""
        if isinstance(value, str):
            return self._redact(value) if self._redact is not None else value
        if isinstance(value, dict):
            return {key: self._masked(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._masked(item) for item in value)
        return value

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

    def timed(self, kind: TimerKind) -> list[int]:
        """What has this timer set, in order."""
        return sorted(index for timer, index in self._timers if timer == kind)

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


def _names(field: str, value: Any) -> Iterator[str]:
    """What people chose of the keys in a step's field."""
    if isinstance(value, dict):
        if field not in _WORDED:
            yield from value
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _names("", item)


def _is_artefact(value: Any) -> bool:
    return isinstance(value, dict) and "$file" in value
