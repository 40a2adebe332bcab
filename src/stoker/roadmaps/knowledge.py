"""What is known beside a task: of the repository, of the run so far, of the project."""

from __future__ import annotations

import sqlite3
from hashlib import sha256

from stoker.log import get_logger
from stoker.roadmaps.bench import Bench
from stoker.roadmaps.context.assembly import assemble
from stoker.roadmaps.context.model import Request
from stoker.roadmaps.memory import project
from stoker.roadmaps.memory.outcome import Outcome, decisions, shortened
from stoker.roadmaps.standing import RunStanding
from stoker.roadmaps.tries import Try
from stoker.roadmaps.unit import Job, Unit
from stoker.workspace.worktree import Worktree

log = get_logger(__name__)

_SUMMARY = 1200


def outcomes(run: RunStanding) -> tuple[Outcome, ...]:
    """What the tries of a run came to, in the order they ended: its memory. Files and verdicts are
    the evidence's, never the agent's."""
    found = [
        (one.ended, _outcome(standing.unit, one))
        for standing in run.units
        for one in standing.tries
        if one.evidence is not None
    ]
    return tuple(record for _, record in sorted(found, key=lambda pair: pair[0]))


def _outcome(unit: Unit, one: Try) -> Outcome:
    """Files and verdict are the evidence's, never the agent's."""
    assert one.evidence is not None  # noqa: S101 - chosen so
    return Outcome(
        task=unit.tasks[0].id,
        title=unit.title,
        attempt=one.number,
        verdict=one.evidence.verdict,
        files=one.evidence.files,
        commit=one.evidence.commit,
        summary=shortened(one.summary, _SUMMARY),
        decisions=decisions(one.summary),
        faults=one.evidence.faults,
        tokens=one.tokens,
        at=one.ended,
    )


async def context(
    bench: Bench,
    job: Job,
    unit: Unit,
    run_id: str,
    worktree: Worktree,
    tree: str,
    past: tuple[Try, ...],
    *,
    budget: int,
    conflicts: tuple[str, ...],
) -> str:
    """What to tell an agent of all that, with its tasks at most `budget` tokens; empty if there is
    no telling, which keeps nobody from working. `tree`: what is in `worktree`."""
    if not budget:
        return ""
    try:
        memory = project.read(worktree.repository.path)
    except project.Unreadable as error:
        log.warning("project memory left out", error=str(error))
        memory = project.ProjectMemory()
    request = Request(
        roadmap=(await bench.begun(run_id)).document,
        tasks=unit.tasks,
        budget=budget,
        outcomes=outcomes(await bench.standing(run_id)),
        memory=memory,
        faults=past[-1].faults if past else (),
        files=conflicts,
    )
    name = sha256(job.root.encode()).hexdigest()[:16]
    try:
        async with bench.index(bench.directory / "roadmaps" / "index" / f"{name}.db") as index:
            found = await assemble(index, worktree.git, tree, request)
    except (sqlite3.Error, OSError) as error:
        log.warning("context left out", error=str(error))
        return ""
    return found.text


async def remember(run: RunStanding, job: Job) -> None:
    """Have the project remember a run that is over; nobody waits for that to be possible."""
    from pathlib import Path

    root = Path(job.root)
    try:
        project.write(root, project.remember(project.read(root), run.run_id, outcomes(run)))
    except (project.Unreadable, OSError) as error:
        log.warning("project memory not written", error=str(error))
