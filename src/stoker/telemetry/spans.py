"""Events of a run as spans: the run, its steps, their attempts. Ids follow from the journal, so
that whoever goes on with a run goes on with its trace."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from msgspec import Struct

from stoker.journal import events
from stoker.journal.events import Event

Attributes = dict[str, str | int | float | bool]

_NOTED: Final = {
    events.STEP_WAITING: ("for", "detail"),
    events.APPROVAL_REQUESTED: (),
    events.APPROVAL_DECIDED: ("decision", "by"),
}
"""Events that are told with the span of their step, and what of them."""
_FAILED: Final = frozenset({"failed", "timed_out", "lost", "quarantined"})


class Note(Struct, frozen=True):
    """Something that happened in a span's time."""

    name: str
    time: float
    attributes: Attributes


class Span(Struct, frozen=True, kw_only=True):
    """Something that took its time. Times in seconds since the Unix epoch."""

    key: str
    """Unique; that of its parent, if it has one, is `parent`."""
    parent: str | None
    name: str
    start: float
    end: float
    attributes: Attributes
    error: str | None = None
    notes: tuple[Note, ...] = ()
    remote: bool = False
    """It is a request to another system."""


def trace_id(run_id: str, created: float) -> int:
    """Of the outermost run. Ids of runs may come twice, on two journals."""
    return _number(f"{run_id}\0{created!r}", 16)


def span_id(trace: int, key: str) -> int:
    """Of the span with a key in a trace."""
    return _number(f"{trace}\0{key}", 8)


def _number(text: str, size: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:size]) or 1


def attempt_key(run_id: str, step: str, number: int) -> str:
    """The key of an attempt's span."""
    return f"{run_id}\0{step}\0{number}"


class Fold:
    """The spans of a run, from its events in their order."""

    def __init__(self, run_id: str, parent: str | None) -> None:
        """`parent`: the key of the span it is nested in."""
        self._run_id = run_id
        self._parent = parent
        self._plan = ""
        self._began = 0.0
        self._steps: dict[str, float] = {}
        self._again: dict[str, int] = {}
        self._notes: dict[str, list[Note]] = {}
        self.attempts: dict[str, Event] = {}
        """Of steps: how the attempt began that is under way, or was the last."""

    def add(self, event: Event) -> Span | None:
        """The span that ends with it."""
        step, data = event.step, event.data
        match event.type:
            case events.RUN_CREATED:
                self._began, self._plan = event.time, data.get("plan_id", "")
            case events.ATTEMPT_STARTING if step:
                self._steps.setdefault(step, event.time)
                self.attempts[step] = event
            case events.ATTEMPT_SETTLED if step and step in self.attempts:
                return self._attempt(step, event)
            case events.STEP_SETTLED if step:
                return self._step(step, event)
            case events.STEP_REOPENED if step:
                self._again[step] = self._again.get(step, 0) + 1
            case events.RUN_SETTLED:
                found: Attributes = {"stoker.plan.id": self._plan}
                name = f"run {self._plan}"
                return self._span(event, self._run_id, self._parent, name, self._began, found)
            case type_ if step and (names := _NOTED.get(type_)) is not None:
                self._steps.setdefault(step, event.time)
                told = {f"stoker.{name}": str(data[name]) for name in names if data.get(name)}
                self._notes.setdefault(step, []).append(Note(type_, event.time, dict(told)))
        return None

    def _step_key(self, step: str) -> str:
        again = self._again.get(step)
        return f"{self._run_id}\0{step}" + (f"\0again {again}" if again else "")

    def _attempt(self, step: str, event: Event) -> Span:
        began, number = self.attempts[step], event.attempt or 0
        found: Attributes = {
            "stoker.step.id": step,
            "stoker.attempt": number,
            "stoker.kind": began.data.get("kind", ""),
            "stoker.tool": began.data.get("tool") or "",
        }
        if (code := event.data.get("exit_code")) is not None:
            found["process.exit.code"] = code
        key = attempt_key(self._run_id, step, number)
        name = f"attempt {step} {number}"
        return self._span(event, key, self._step_key(step), name, began.time, found)

    def _step(self, step: str, event: Event) -> Span:
        start = self._steps.pop(step, event.time)
        notes = tuple(self._notes.pop(step, ()))
        key, name = self._step_key(step), f"step {step}"
        found: Attributes = {"stoker.step.id": step}
        return self._span(event, key, self._run_id, name, start, found, notes)

    def _span(
        self,
        event: Event,
        key: str,
        parent: str | None,
        name: str,
        start: float,
        attributes: Attributes,
        notes: tuple[Note, ...] = (),
    ) -> Span:
        status = event.data.get("status", "")
        error = event.data.get("error") or event.data.get("reason")
        return Span(
            key=key,
            parent=parent,
            name=name,
            start=start,
            end=event.time,
            attributes={"stoker.run.id": self._run_id, "stoker.status": status, **attributes},
            error=str(error or status) if status in _FAILED else None,
            notes=notes,
        )
