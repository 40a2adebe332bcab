"""Asking the world before a step starts: its files, its locks, its tool's circuit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from stoker.engine.circuits import Circuits
from stoker.engine.effects import Ask, ReleaseLocks, ReportTool
from stoker.engine.launch import Launcher
from stoker.engine.machine import RunMachine
from stoker.engine.uptodate import Fingerprints
from stoker.journal.base import Journal, Lease
from stoker.journal.events import CIRCUIT_CHANGED
from stoker.log import get_logger
from stoker.plan.expression import EvaluationError

log = get_logger(__name__)

_UNREADABLE = (OSError, EvaluationError, ValueError, NotImplementedError)
"""Why a step's files cannot be compared; the last two are for patterns that are none."""


class Gatekeeper:
    """Answers the gates of one run. `fact` hands an answer to the run's next tick."""

    def __init__(
        self,
        machine: RunMachine,
        launcher: Launcher,
        lease: Lease,
        journal: Journal,
        *,
        fingerprints: Fingerprints,
        fact: Callable[[Callable[[float], None]], None],
    ) -> None:
        self.group: asyncio.TaskGroup
        """Owns the tasks; set by whoever enters it, before the first question."""
        self._machine = machine
        self._launcher = launcher
        self._lease = lease
        self._journal = journal
        self._circuits = Circuits(journal)
        self._fingerprints = fingerprints
        self._fact = fact
        self._wanted: dict[int, None] = {}
        """Steps that wait for their locks."""

    async def consult(self, effect: Ask | ReleaseLocks | ReportTool) -> None:
        """Ask or tell; the answer comes back to the machine as a fact."""
        if isinstance(effect, Ask):
            if effect.gate == "files":
                self.group.create_task(self._check_files(effect.step))
            elif effect.gate == "locks":
                self._wanted[effect.step] = None
                await self._claim(effect.step)
            else:
                await self._ask_circuit(effect.step)
        elif isinstance(effect, ReleaseLocks):
            self._wanted.pop(effect.step, None)
            step = self._machine.state.steps[effect.step].step
            await self._journal.release_locks(self._lease, step.id)
        else:
            await self._report_tool(effect)

    async def _check_files(self, index: int) -> None:
        found = None
        try:
            step, cwd = self._launcher.filled_in(index)
            found = await asyncio.to_thread(self._fingerprints.fresh, step, cwd)
        except _UNREADABLE as error:
            step = self._machine.state.steps[index].step
            log.warning("cannot read a step's files", step=step.id, error=self._shown(error))
        if found is None:
            self._fact(lambda now: self._machine.gate(index, "files", None, now))
        else:
            values = found.values
            self._fact(lambda now: self._machine.up_to_date(index, values, now))

    async def record_files(self, index: int) -> None:
        """A step with `outputs_files` succeeded: remember what it read and wrote."""
        step, values = (
            self._machine.state.steps[index].step,
            self._machine.state.steps[index].outputs,
        )
        try:
            step, cwd = self._launcher.filled_in(index)
            await asyncio.to_thread(self._fingerprints.record, step, cwd, dict(values))
        except _UNREADABLE as error:
            log.warning("cannot remember a step's files", step=step.id, error=self._shown(error))

    def _shown(self, error: Exception) -> str:
        return self._launcher.redactor.text(str(error))

    async def _claim(self, index: int) -> None:
        step = self._machine.state.steps[index].step
        try:
            locks = self._launcher.locks(index)
        except EvaluationError as error:
            self._wanted.pop(index, None)
            reason = f"locks: {error}"
            self._fact(lambda now: self._machine.gate(index, "locks", reason, now))
            return
        if await self._journal.claim_locks(self._lease, step.id, locks):
            self._wanted.pop(index, None)
            self._fact(lambda now: self._machine.gate(index, "locks", None, now))

    async def _ask_circuit(self, index: int) -> None:
        breaker = self._machine.state.plan.globals.circuit_breaker
        assert breaker is not None  # noqa: S101 - only a breaker makes the machine ask
        tool = self._machine.profile_of(index).tool
        answer = await self._circuits.admit(tool, breaker, self._who(index), time.time())
        self._fact(lambda now: self._machine.gate(index, "circuit", answer, now))

    async def _report_tool(self, report: ReportTool) -> None:
        breaker = self._machine.state.plan.globals.circuit_breaker
        assert breaker is not None  # noqa: S101 - see above
        changed = await self._circuits.report(
            report.tool,
            breaker,
            self._who(report.step),
            succeeded=report.succeeded,
            now=time.time(),
        )
        if changed is not None:
            data = {"tool": changed.tool, "state": changed.state}
            self._fact(lambda now: self._machine.note(CIRCUIT_CHANGED, data, now))

    def _who(self, index: int) -> str:
        return f"{self._lease.run_id}/{self._machine.state.steps[index].step.id}"

    async def look_again(self) -> None:
        """Locks may have become free, circuits closed."""
        for tool, waiting in self._machine.held_by_circuits().items():
            if (await self._journal.circuit(tool)).state == "closed":
                for index in waiting:
                    self._fact(partial(self._machine.circuit_closed, index))
        if not self._wanted:
            return
        blocked = await self._journal.blocked_steps(self._lease)
        for index in list(self._wanted):
            if self._machine.state.steps[index].step.id not in blocked:
                await self._claim(index)
