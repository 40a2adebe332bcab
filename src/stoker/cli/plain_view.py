"""Progress as plain lines, for pipes, files and CI."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal

from stoker.cli.output import one_line, plural, printable, seconds, status_style
from stoker.cli.progress import conclude
from stoker.journal import events as ev

if TYPE_CHECKING:
    from stoker.cli.context import Context
    from stoker.engine.handle import RunHandle
    from stoker.engine.run import Outcome
    from stoker.engine.state import RunState
    from stoker.journal.events import Event

Detail = Literal["quiet", "normal", "verbose"]

_LONG: Final = 200
"""Plans of more steps do not tell of each that succeeded."""
_TAIL: Final = 10
"""Lines of a failed step's log."""


class PlainView:
    """Lines with a time. `quiet`: nothing but the summary of a run that did not succeed;
    `normal`: ends of steps, in long plans only those that did not succeed; `verbose`: starts
    and retries too."""

    noun = "step"
    """What a step of the run is called."""

    def __init__(self, context: Context, detail: Detail) -> None:
        self._context = context
        self._detail = detail
        self._write = context.output.out.line
        self._style = context.output.style
        self._state: RunState
        self._starting: dict[str, Event] = {}
        """By step: its attempt under way, or the last one."""
        self._tells: dict[str, Callable[[Event], None]] = {}

    def begin(self, handle: RunHandle) -> None:
        """The first line, with the run's id."""
        self._state = state = handle.state
        if self._detail == "quiet":
            return
        self._tells = {ev.STEP_SETTLED: self._settled, ev.COMMAND_REFUSED: self._refused}
        every = self._detail == "verbose" or len(state.steps) <= _LONG
        if every:
            self._tells |= {
                ev.STEP_WAITING: self._waiting,
                ev.ATTEMPT_SETTLED: self._attempt_settled,
                ev.APPROVAL_REQUESTED: self._asked,
                ev.APPROVAL_DECIDED: self._decided,
                ev.RUN_PAUSED: self._run,
                ev.RUN_UNPAUSED: self._run,
                ev.RUN_EXTENDED: self._extended,
                ev.RUN_CANCELING: self._run,
            }
        if self._detail == "verbose":
            self._tells[ev.ATTEMPT_STARTING] = self._started
        self._every = every
        word = "goes on" if state.sequence > 1 else "started"
        total = plural(len(state.steps), self.noun)
        self._say(
            time.time(), f"run {state.run_id} {word}: {one_line(state.plan.plan_id)}, {total}"
        )

    def see(self, event: Event) -> None:
        """At most a line, and the last lines of a failed step's log."""
        if event.type == ev.ATTEMPT_STARTING:
            self._starting[event.step or ""] = event
        if tell := self._tells.get(event.type):
            tell(event)

    def end(self, outcome: Outcome, state: RunState, hints: Sequence[str]) -> None:
        """The summary."""
        if self._detail != "quiet" or outcome.status != "succeeded":
            conclude(outcome, state, self._context.output.out, hints, self._counts(state))

    def close(self) -> None:
        """It took nothing."""

    def _counts(self, state: RunState) -> str | None:
        """How many of its steps stand how; None: as the engine has it."""
        return None

    def _say(self, moment: float, text: str) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(moment))
        self._write(f"{self._style(clock, 'dim')} {text}")

    def _tell(self, event: Event, text: str) -> None:
        """What came of the event's step."""
        self._say(event.time, f"{one_line(event.step or '')} {text}")

    def _started(self, event: Event) -> None:
        number = f" (attempt {event.attempt})" if (event.attempt or 1) > 1 else ""
        self._tell(event, f"started{number}")

    def _attempt_settled(self, event: Event) -> None:
        status = event.data["status"]
        if status == "lost" or (status != "succeeded" and self._detail == "verbose"):
            error = printable(str(event.data.get("error") or ""))
            self._tell(event, f"attempt {event.attempt} {status}: {error}")

    def _waiting(self, event: Event) -> None:
        if event.data.get("for") == "backoff":
            pause = seconds(event.data.get("delay_sec") or 0.0)
            self._tell(event, f"failed, tries again in {pause}")
        elif self._detail == "verbose":
            self._tell(event, f"waits: {event.data.get('for')}")

    def _asked(self, event: Event) -> None:
        prompt = one_line(event.data.get("prompt") or "")
        self._tell(event, "waits for approval" + (f": {prompt}" if prompt else ""))

    def _decided(self, event: Event) -> None:
        data = event.data
        comment = f": {one_line(data['comment'])}" if data.get("comment") else ""
        word = {"approve": "approved", "reject": "rejected"}.get(data["decision"], "withdrawn")
        self._tell(event, f"{word} by {one_line(data.get('by') or '?')}{comment}")

    def _run(self, event: Event) -> None:
        reason = event.data.get("reason")
        word = "aborting" if event.data.get("abort") else event.type.rpartition(".")[2]
        text = f"run {word}" + (f": {one_line(reason)}" if reason else "")
        self._say(event.time, self._style(text, "yellow"))

    def _extended(self, event: Event) -> None:
        count = len(event.data["steps"])
        self._say(
            event.time,
            f"{plural(count, 'step')} added by {one_line(event.data.get('source') or '?')}",
        )

    def _refused(self, event: Event) -> None:
        self._say(event.time, f"{event.data['command']} refused: {printable(event.data['error'])}")

    def _settled(self, event: Event) -> None:
        data, step = event.data, event.step or ""
        status = data["status"]
        starting = self._starting.pop(step, None)
        failed = status in ("failed", "quarantined")
        if not failed and (not self._every or (status == "canceled" and starting is None)):
            return
        if status == "skipped" and self._state.aborting is not None:
            return  # all that is left; the summary counts it
        spent = f" in {seconds(event.time - starting.time)}" if starting is not None else ""
        reason = (
            f": {printable(data['reason'])}" if data.get("reason") and status != "canceled" else ""
        )
        mark = self._style(status, *status_style(status))
        step_state = self._state[step]
        aside = " (not critical)" if failed and not step_state.step.critical else ""
        self._tell(event, f"{mark}{spent}{aside}{reason}")
        if failed and starting is not None:
            paths = (starting.data.get("stderr_path"), starting.data.get("stdout_path"))
            for line in log_tail(*paths)[1]:
                self._write(self._style(f"  | {line}", "dim"))


def log_tail(*paths: str | None) -> tuple[str, list[str]]:
    """The first of these logs that holds something, and its last lines; of an attempt that is
    stderr, or else stdout."""
    from stoker.process.tail import last_lines

    for path in filter(None, paths):
        try:
            lines = last_lines(path, _TAIL)
        except OSError:
            continue  # nothing was written there, or another machine has it
        if lines:
            return path, [printable(line) for line in lines]
    return "", []
