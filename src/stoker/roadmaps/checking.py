"""A commit verified, as a step of a run does it."""

from __future__ import annotations

import re
import shutil
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from glob import escape
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from msgspec.structs import replace

from stoker.engine.kinds import Attempt
from stoker.roadmaps.bench import Bench
from stoker.roadmaps.document import Task
from stoker.roadmaps.evidence import Evidence
from stoker.roadmaps.try_plan import Frame
from stoker.roadmaps.unit import Unit, family, is_open
from stoker.roadmaps.verify import verification
from stoker.roadmaps.verify.owed import names_in
from stoker.roadmaps.verify.runner import Runner
from stoker.roadmaps.verify.work import Settings, Work

_TAKES_AWAY: Final = re.compile(r"\W*(delete|remove|rename|move|drop)\b", re.IGNORECASE)


async def check(attempt: Attempt, bench: Bench, frame: Frame, base: str, commit: str) -> Evidence:
    """The evidence of the work of a try between two commits, verified in a fresh checkout. Raises
    `StepFailed`, `WorkspaceError`, OSError."""
    job, unit, said = frame.job, frame.unit, frame.unit.options
    document = (await bench.begun(frame.run)).document
    shells = dict.fromkeys(task.verify for task in family(unit.tasks) if task.verify)
    work = Work(
        base=base,
        commit=commit,
        files=promised(unit),
        verify=tuple(shells),
        gate=unit.gate,
        tests_free=said.tests == "free",
        forbidden=tuple(map(escape, job.plan_files)),
        names=_names(family(unit.tasks)),
        others=_names(one for one in document.walk() if is_open(one) and one.id not in unit.ids),
        last=frame.last,
    )
    settings = Settings(mode=said.verify, command=said.command)
    repository = await bench.repository(job.root)
    async with (
        place(bench.directory) as (directory, scratch, own),
        bench.spares.somewhere(repository, commit, Path(directory)) as (index, there),
    ):
        runner = await Runner.open(
            attempt, directory=directory, scratch=scratch, state=str(bench.directory)
        )
        cache = bench.directory / "roadmaps" / "baselines"
        evidence = await verification.verify(
            repository, work, settings, runner, cache=cache, index=index or own, there=there
        )
    if runner.warning is None:
        return evidence
    attempt.write(f"{runner.warning}\n", error=True)
    return replace(evidence, notes=(*evidence.notes, runner.warning))


def promised(unit: Unit) -> tuple[str, ...]:
    """The files that must be there afterwards: what its tasks name, but for tasks that are to take
    files away."""
    kept = (task.files for task in family(unit.tasks) if not _TAKES_AWAY.match(task.title))
    return tuple(dict.fromkeys(path for files in kept for path in files))


def _names(tasks: Iterable[Task]) -> frozenset[str]:
    texts = (f"{t.title}\n{t.description}\n{[a.text for a in t.acceptance]}" for t in tasks)
    return names_in("\n".join(texts))


@asynccontextmanager
async def place(state: Path) -> AsyncIterator[tuple[str, str, Path]]:
    """Directories for a checkout and for what is reported of it, and a path for its index; in the
    engine's directory `state`, gone afterwards."""
    top = state / "roadmaps" / "checks"
    await to_thread(top.mkdir, mode=0o700, parents=True, exist_ok=True)
    made = Path(await to_thread(mkdtemp, dir=top))
    try:
        (made / "scratch").mkdir()
        yield str(made / "files"), str(made / "scratch"), made / "index"
    finally:
        await to_thread(shutil.rmtree, made, ignore_errors=True)
