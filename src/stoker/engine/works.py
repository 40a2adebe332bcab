"""The attempts of one run that are under way: processes, kept processes, and tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from stoker.engine.effects import Start
from stoker.engine.fault import broke, words
from stoker.engine.kept import adopted
from stoker.engine.kinds import ProcessWork, Result, StepFailed
from stoker.engine.launch import Launcher
from stoker.engine.profile import Profile
from stoker.journal.base import JournalError
from stoker.log import get_logger
from stoker.plan.expression import EvaluationError, ExpressionError
from stoker.process.spawner import Child, Spawner, SpawnError
from stoker.process.spec import Exit
from stoker.process.tree import end_all

log = get_logger(__name__)

OnEnd = Callable[[int, int, ProcessWork | None, Exit | Result], None]


class Works:
    """Starts and stops attempts. `on_end(step, number, work, end)` is called once for each
    that was started, unless `leave` came first; `on_pid(step, pid)` for each process."""

    def __init__(
        self,
        launcher: Launcher,
        spawner: Spawner,
        *,
        run_id: str,
        profile_of: Callable[[int], Profile],
        on_end: OnEnd,
        on_pid: Callable[[int, int], None],
    ) -> None:
        self.group: asyncio.TaskGroup
        """Owns the tasks; set by whoever enters it, before the first start."""
        self._launcher = launcher
        self._spawner = spawner
        self._run_id = run_id
        self._profile_of = profile_of
        self._on_end = on_end
        self._on_pid = on_pid
        self._children: dict[int, Child] = {}
        self._tasks: dict[int, asyncio.Task[Any]] = {}
        self._kept: set[int] = set()
        """Steps whose process has a keeper and outlives this engine."""
        self._leaving = False
        self._drained: asyncio.Future[None] | None = None

    def start(self, start: Start) -> None:
        """Begin an attempt, or go on with one; its end is told in any case."""
        index, number = start.step, start.number
        try:
            profile = self._profile_of(index)
            work = self._launcher.begin(index, number, profile, resumed=start.resumed)
            if not isinstance(work, ProcessWork):
                self._carry(start, work)
                return
            on_exit = partial(self._ended, index, number, work)
            if start.resumed:
                self._adopt(index, number, on_exit)
                return
            child = self._spawner.spawn(work.spec, on_exit, self._launcher.redactor)
            if work.spec.keeper_dir is not None:
                self._kept.add(index)
        except (StepFailed, SpawnError) as error:
            self._ended(index, number, None, Result(exit_code=error.exit_code, error=str(error)))
        except (EvaluationError, ExpressionError, OSError) as error:
            self._ended(index, number, None, Result(error=words(error)))
        except Exception as error:  # a kind is foreign code: its step answers for it
            self._ended(index, number, None, self._broke(index, error))
        else:
            self._children[index] = child
            self._on_pid(index, child.pid)

    def _adopt(self, index: int, number: int, on_exit: Callable[[Exit], None]) -> None:
        found = self._spawner.adopt(self._launcher.keeper(index, number), on_exit)
        if found is None:
            self._tasks[index] = self.group.create_task(self._seek(index, number, on_exit))
        else:
            self._found(index, found, on_exit)

    def _found(self, index: int, found: Child | Exit, on_exit: Callable[[Exit], None]) -> None:
        if isinstance(found, Exit):
            on_exit(found)
            return
        self._children[index] = found
        self._kept.add(index)
        self._on_pid(index, found.pid)

    async def _seek(self, index: int, number: int, on_exit: Callable[[Exit], None]) -> None:
        """No word of a keeper yet."""
        marker = self._launcher.marker_of(index, number)
        place = self._launcher.keeper(index, number)
        found: Child | Exit | None
        try:
            found = await adopted(self._spawner, place, marker, on_exit)
        except asyncio.CancelledError:
            if self._leaving:
                raise
            await end_all(marker)
            found = Exit(cause="stopped")
        self._tasks.pop(index, None)
        self._found(index, found or Exit(cause="lost"), on_exit)

    def _carry(self, start: Start, work: Coroutine[Any, Any, Result]) -> None:
        index, number = start.step, start.number
        task = self._tasks[index] = self.group.create_task(self._result_of(start, work))

        def carried(task: asyncio.Task[Result]) -> None:
            self._tasks.pop(index, None)
            if task.cancelled():
                work.close()  # stopped before it had begun, perhaps
                result = Result(error="canceled")
            else:
                result = task.result()
            self._ended(index, number, None, result)

        task.add_done_callback(carried)

    async def _result_of(self, start: Start, work: Coroutine[Any, Any, Result]) -> Result:
        try:
            return await work
        except asyncio.CancelledError:
            if not start.resumed or self._leaving:
                raise
            return await self._abandoned(start)
        except StepFailed as error:
            return Result(exit_code=error.exit_code, error=str(error))
        except Exception as error:  # a kind is foreign code: its step answers for it
            return self._broke(start.step, error)

    async def _abandoned(self, start: Start) -> Result:
        """It may not have come to what it was to go on with."""
        try:
            await self._launcher.abandon(start.step, start.number)
        except JournalError as error:
            return self._broke(start.step, error)
        return Result(error="canceled")

    def _broke(self, index: int, error: Exception) -> Result:
        log.exception(
            "kind of step broke", redact=self._launcher.redactor.text, run_id=self._run_id
        )
        return Result(error=broke(error, self._profile_of(index).kind.name))

    def stop(self, index: int) -> None:
        """End a step's attempt, if one is under way; its end is told as any."""
        if child := self._children.get(index):
            child.stop()
        elif task := self._tasks.get(index):
            # Not before it has begun: what it goes on with after a crash is its to end.
            asyncio.get_running_loop().call_soon(task.cancel)

    def leave(self) -> None:
        """From here on ends are nobody's to hear; tasks are told to end."""
        self._leaving = True
        for task in self._tasks.values():
            task.cancel()

    def keep_nothing(self) -> None:
        """What was meant to outlive the engine must not: `end_processes` ends it too."""
        self._kept.clear()

    async def end_processes(self) -> None:
        """After `leave`: end what still runs and was not meant to outlive the engine."""
        self._leaving = True
        for index in self._kept:
            self._children.pop(index, None)
        for child in self._children.values():
            child.stop()
        if self._children:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def _ended(self, index: int, number: int, work: ProcessWork | None, end: Exit | Result) -> None:
        self._children.pop(index, None)
        self._kept.discard(index)
        if not self._leaving:
            self._on_end(index, number, work, end)
        elif self._drained is not None and not self._children:
            self._drained.set_result(None)
            self._drained = None
