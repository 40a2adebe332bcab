"""A roadmap's run as lines: which task is begun, what a try failed by, what a task came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from stoker.cli.output import one_line, seconds, status_style
from stoker.cli.plain_view import PlainView
from stoker.journal import events as ev
from stoker.roadmaps.plan import AGAIN
from stoker.roadmaps.standing import Outcome as Standing
from stoker.roadmaps.standing import is_unit, status_of

if TYPE_CHECKING:
    from stoker.engine.handle import RunHandle
    from stoker.engine.run import Outcome
    from stoker.engine.state import RunState
    from stoker.journal.events import Event

_STYLES = {"done": "succeeded", "done-unverified": "waiting", "skipped": "skipped"}
_TITLE = 60


class RoadmapView(PlainView):
    """`PlainView` in which a step is a task, and an attempt a try."""

    noun = "task"

    def begin(self, handle: RunHandle) -> None:
        """The first line; from then on each task's begin is told, too."""
        super().begin(handle)
        if self._tells:
            self._tells[ev.ATTEMPT_STARTING] = self._started

    def end(self, outcome: Outcome, state: RunState, hints: Sequence[str]) -> None:
        """The summary, and where evidence is."""
        if outcome.status in ("failed", "canceled"):
            hints = [f"see: {self._context.hint('roadmap', 'review', outcome.run_id)}"]
        super().end(outcome, state, hints)

    def _counts(self, state: RunState) -> str | None:
        found = Counter(status_of(step)[0] for step in state.steps if is_unit(step))
        return ", ".join(f"{found[one]} {one}" for one in get_args(Standing) if found[one]) or None

    def _started(self, event: Event) -> None:
        if event.attempt == 1:
            self._say(event.time, f"{self._name(event)} begun")

    def _waiting(self, event: Event) -> None:
        if event.data.get("for") != "backoff":
            super()._waiting(event)

    def _attempt_settled(self, event: Event) -> None:
        data = event.data
        if data["status"] == "failed" and data.get("exit_code") == AGAIN:
            why = one_line(data.get("error") or "")
            self._say(event.time, f"{event.step} try {event.attempt} failed: {why}; tries again")
        else:
            super()._attempt_settled(event)

    def _settled(self, event: Event) -> None:
        step = self._state[event.step or ""]
        starting = self._starting.pop(event.step or "", None)
        if starting is None and event.data["status"] in ("skipped", "canceled"):
            if event.data["status"] == "skipped" and self._state.aborting is None:
                self._say(event.time, f"{self._name(event)} waits for what failed")
            return
        told = step.outputs
        status = str(told.get("status", event.data["status"]))
        mark = self._style(status, *status_style(_STYLES.get(status, status)))
        began = step.first_started
        spent = f" in {seconds(event.time - began)}" if began is not None else ""
        why = one_line(event.data.get("reason") or str(told.get("reason") or ""))
        why = f": {why}" if why else ""
        parts = [f"{told['tries']} tries"] if told.get("tries", 1) > 1 else []
        parts += [f"{told['tokens']:,} tokens"] if told.get("tokens") else []
        aside = f" ({', '.join(parts)})" if parts else ""
        self._say(event.time, f"{self._name(event)} {mark}{spent}{why}{aside}")

    def _name(self, event: Event) -> str:
        step = self._state[event.step or ""].step
        return f"{step.id} {one_line(step.name or '')[:_TITLE]}".rstrip()
