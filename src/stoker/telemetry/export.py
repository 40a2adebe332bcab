"""Follows the runs of an engine and has them sent. It reads at its own pace, behind the runs:
where nobody listens, spans are lost and runs go on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from stoker import whole_file
from stoker.agents.store import STREAM, place
from stoker.agents.stream import decode
from stoker.engine.creation import nested_run_id
from stoker.engine.kinds import Opener
from stoker.log import get_logger
from stoker.telemetry.agents import agent_spans
from stoker.telemetry.spans import Fold, Span, attempt_key, trace_id

if TYPE_CHECKING:
    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle
    from stoker.telemetry.otlp import Sender

log = get_logger(__name__)

_PACE_SEC: Final = 0.5
"""Between two looks at a run."""
_LEAVE_SEC: Final = 5.0
"""For what is left to be sent when the engine is closed, unless the standard variable says."""
_MARK: Final = "traced"
"""File in a run's directory: the last event whose spans have arrived."""


def exporting(endpoint: str | None) -> Opener[Callable[[RunHandle], None]]:
    """Sends to `endpoint`, by default to where the standard variables say."""

    @asynccontextmanager
    async def opened(engine: Engine) -> AsyncIterator[Callable[[RunHandle], None]]:
        exporter = _Exporter(engine, endpoint)
        following: set[asyncio.Task[None]] = set()

        def observe(handle: RunHandle) -> None:
            task = asyncio.create_task(exporter.follow(handle))
            following.add(task)
            task.add_done_callback(following.discard)

        async def finish() -> None:
            await asyncio.gather(*following)
            await exporter.close()

        try:
            yield observe
        finally:
            try:
                limit = float(os.environ.get("OTEL_EXPORTER_OTLP_TIMEOUT") or _LEAVE_SEC)
                await asyncio.wait_for(finish(), limit)
            except TimeoutError:
                exporter.complain("not all could be sent before the engine was closed")

    return opened


class _Exporter:
    """What blocks is done by a thread of its own, which a process that ends does not wait for."""

    def __init__(self, engine: Engine, endpoint: str | None) -> None:
        self._engine = engine
        self._endpoint = endpoint
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._sender: Sender | None = None
        self._complained = False
        Thread(target=self._work, name="telemetry", daemon=True).start()

    def complain(self, why: str) -> None:
        """Once."""
        if not self._complained:
            self._complained = True
            log.warning("traces are not sent", error=why)

    async def follow(self, handle: RunHandle) -> None:
        """Send a run, after a crash from where it had been sent to."""
        try:
            await self._follow(handle)
        except Exception as error:  # whatever it is, the run has nothing to do with it
            self.complain(f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        """Send the metrics; nothing follows."""
        try:
            if self._sender is not None:
                await self._blocking(self._sender.close)
        finally:
            self._jobs.put(None)

    async def _follow(self, handle: RunHandle) -> None:
        run_id = handle.run_id
        trace, parent = await self._place(run_id)
        fold = Fold(run_id, parent)
        mark = self._engine.directory / "runs" / run_id / _MARK
        sent = await self._blocking(partial(_read, mark))
        async for events in handle.run.feed.batches(0, _PACE_SEC):
            spans: list[Span] = []
            for event in events:
                span = fold.add(event)
                if span is None or event.sequence <= sent:
                    continue
                if span.attributes.get("stoker.kind") == "agent":
                    spans += await self._blocking(partial(self._agent, run_id, span))
                else:
                    spans.append(span)
            if spans:
                last = events[-1].sequence
                await self._blocking(partial(self._send, trace, spans, mark, last))

    async def _place(self, run_id: str) -> tuple[int, str | None]:
        """The trace a run is in, and the key of the span it is nested in."""
        journal = self._engine.journal
        row = await journal.run(run_id)
        parent: str | None = None
        while row.parent_run_id is not None:
            outer, step = row.parent_run_id, row.parent_step_id or ""
            if parent is None:
                tried = [one.attempt for one in await journal.attempts(outer, step)]
                same = (n for n in tried if nested_run_id(outer, step, n) == run_id)
                parent = attempt_key(outer, step, next(same, max(tried, default=1)))
            row = await journal.run(outer)
        return trace_id(row.run_id, row.created_at), parent

    # On the thread.

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            do, done = job
            try:
                done.set_result(do())
            except BaseException as error:
                done.set_exception(error)

    async def _blocking(self, do: Callable[[], Any]) -> Any:
        done: Future[Any] = Future()
        self._jobs.put((do, done))
        return await asyncio.shield(asyncio.wrap_future(done))

    def _agent(self, run_id: str, span: Span) -> list[Span]:
        step, number = (
            str(span.attributes["stoker.step.id"]),
            int(span.attributes["stoker.attempt"]),
        )
        file = place(self._engine.directory / "runs" / run_id, step, number) / STREAM
        try:
            lines = file.read_bytes().splitlines()
        except FileNotFoundError:  # it did not come to that
            return [span]
        return agent_spans(span, str(span.attributes["stoker.tool"]), map(decode, lines))

    def _send(self, trace: int, spans: list[Span], mark: Path, last: int) -> None:
        if self._sender is None:
            from stoker.telemetry.otlp import Sender

            self._sender = Sender(self._endpoint)
        if self._sender.send(trace, spans):
            whole_file.replace(mark, str(last).encode())
        else:
            self.complain("they were not accepted")


def _read(mark: Path) -> int:
    try:
        return int(mark.read_text())
    except (OSError, ValueError):  # none arrived, or the machine went down as it was written
        return 0
