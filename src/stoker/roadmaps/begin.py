"""A plan file made ready to be run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from stoker.agents.profiles import UnknownProfile, load, place
from stoker.journal.base import Journal
from stoker.plan.errors import PlanError, Problem
from stoker.plan.model import Plan
from stoker.plan.validate import Kinds
from stoker.roadmaps import detect, integration, plan, settings, sidecar
from stoker.roadmaps.claims import holder
from stoker.roadmaps.differing import Differing, differing
from stoker.roadmaps.document import Roadmap, Task
from stoker.roadmaps.format import NotReadable, Reading
from stoker.roadmaps.identity import slug
from stoker.roadmaps.order import Placed
from stoker.roadmaps.settings import Settings
from stoker.roadmaps.unit import Job, Unit, family, is_open
from stoker.workspace.errors import NotARepository, WorkspaceError
from stoker.workspace.repository import Repository
from stoker.workspace.status import entries

_MOST_SAID: Final = 10
_SAID: Final = 2_000
"""Characters of each."""


class Prepared(Struct, frozen=True, kw_only=True):
    """What is to be run."""

    roadmap: Roadmap
    settings: Settings
    job: Job
    plan: Plan | None
    """None: nothing is to be done."""
    units: tuple[Placed, ...]
    """In an order they can be done in."""
    notes: tuple[str, ...]
    """What a person should know."""
    differing: Differing | None = None
    """None: there is no journal."""


async def prepare(
    file: Path,
    state: Path,
    over: Mapping[str, Any],
    *,
    kinds: Kinds,
    format: str | None = None,
    reading: Reading | None = None,
    journal: Journal | None = None,
    retry_failed: bool = False,
) -> Prepared:
    """Read a plan file and its settings, which `over` goes before. What earlier runs in `journal`
    have done or left for review is not to be done again; `retry_failed`: only what has failed in
    them, or is left for review. Changes nothing; the branch is made by `open_branch`. Raises
    `PlanError`."""
    reading = reading or Reading()
    try:
        repository = await Repository.open(file.parent, discover=True)
        root = repository.path
        roadmap = detect.read(file, root=root, format=format, reading=reading)
        head = await repository.head()
        seen = await entries(repository.git)
    except NotARepository as error:
        hint = "agents work in branches of one: git init, and commit what is there"
        raise PlanError([Problem(message=f"{error} ({hint})")]) from error
    except (NotReadable, WorkspaceError) as error:
        raise PlanError([Problem(message=str(error))]) from error
    if head is None:
        message = f"{root}: expected a commit to begin from, found none (git add, git commit)"
        raise PlanError([Problem(message=message)])
    chosen = settings.load(state / settings.FILE, over)
    name = slug(roadmap.title or file.stem, "roadmap")
    branch = chosen.branch or f"roadmap/{name}"
    base, notes = await _base(repository, branch, head)
    job = Job(
        root=str(root),
        source=os.path.abspath(file),  # noqa: PTH100, ASYNC240 - asks nothing of the disk
        format=roadmap.format,
        branch=branch,
        base=base,
        sha256=roadmap.sha256,
        title=roadmap.title or file.stem,
        plan_files=_plan_files(roadmap),
        include_fenced=reading.include_fenced,
        tag=reading.tag,
        sync=chosen.sync,
        tag_every=chosen.checkpoint_every,
    )
    if finished := sidecar.completed_before(root) & {t.id for t in roadmap.walk() if is_open(t)}:
        notes.append(f"done by the older executor's state: {', '.join(sorted(finished))}")
        roadmap = _done(roadmap, finished)
    dirty = [path for path in (*seen.tracked, *seen.untracked) if path not in job.plan_files]
    if dirty:
        shown = ", ".join(dirty[:3]) + (", ..." if len(dirty) > 3 else "")
        notes.append(f"not committed, so not seen by the agents: {shown}")
    by_runs = await differing(journal, roadmap, job.plan_id) if journal else None
    if by_runs:
        if retry_failed:
            chosen = replace(chosen, only=_failed(roadmap, by_runs))
        roadmap = _done(roadmap, await _finished(repository, base, by_runs, chosen.only))
    nothing = retry_failed and not chosen.only
    units = () if nothing else tuple(plan.units_of(roadmap, chosen))
    if by_runs:
        units = tuple(replace(one, unit=_told(one.unit, by_runs)) for one in units)
    made = plan.plan(roadmap, units, job, chosen, kinds=kinds)
    return Prepared(
        roadmap=roadmap,
        settings=chosen,
        job=job,
        plan=made,
        units=units,
        notes=tuple(notes),
        differing=by_runs,
    )


async def open_branch(prepared: Prepared) -> None:
    """Make the roadmap's branch, or move it on to what it was cut from if it has nothing of its
    own. Raises `PlanError`, also if an agent is not there, or an engine works at the branch."""
    job = prepared.job
    _check_agents(prepared.units)
    try:
        repository = await Repository.open(job.root)
        if (other := holder(repository, job.branch)) is not None:
            message = f"{other} works at the branch {job.branch}: wait for it, or cancel it"
            raise PlanError([Problem(message=f"{message} (--branch NAME takes another branch)")])
        async with integration.queue(repository, job.branch):
            if await integration.prepare(repository, job.branch, job.base) != job.base:
                await integration.advance(repository, job.branch, job.base)
    except WorkspaceError as error:
        message = f"the branch {job.branch} cannot be made (--branch NAME takes another): {error}"
        raise PlanError([Problem(message=message)]) from error


def _check_agents(units: Iterable[Placed]) -> None:
    """That there are the agents, which is better known before anything is begun. Raises
    `PlanError`."""
    profiles = load(place())
    said = [one.unit.options for one in units]
    asked = [(name, one.pause_destructive) for one in said for name in (one.agent, one.reviewer)]
    for name, pause in dict.fromkeys((name, pause) for name, pause in asked if name):
        executor, _, variant = name.partition(":")
        try:
            profile = profiles.profile(executor, variant or None, pause_destructive=pause or None)
        except UnknownProfile as error:
            raise PlanError([Problem(message=str(error))]) from error
        if profile.command and shutil.which(profile.command[0]) is None:
            message = f"agent {name}: expected the program {profile.command[0]}, found none"
            raise PlanError([Problem(message=message)])


async def _base(repository: Repository, branch: str, head: str) -> tuple[str, list[str]]:
    """What the work begins from: the branch if it has work, else what is checked out."""
    (there,) = await repository.resolve(f"refs/heads/{branch}")
    if there is None:
        return head, []
    ahead, behind = await repository.ahead_behind(there, head)
    if not ahead:
        return head, []
    notes = [f"going on with {branch}, which has {_commits(ahead)} of its own"]
    if behind:
        notes.append(f"{branch} lacks {_commits(behind)} of what is checked out")
    return there, notes


def _commits(count: int) -> str:
    return "1 commit" if count == 1 else f"{count} commits"


def _plan_files(roadmap: Roadmap) -> tuple[str, ...]:
    paths = {task.path for task in roadmap.walk()} | {gate.path for gate in roadmap.gates}
    if Path(roadmap.root, roadmap.source).is_file():
        paths.add(roadmap.source)
    return tuple(sorted(filter(None, paths)))


def _failed(roadmap: Roadmap, by_runs: Differing) -> tuple[str, ...]:
    again = ("failed", "blocked", "deferred")
    return tuple(
        task.id
        for task in roadmap.walk()
        if is_open(task)
        and (found := by_runs.known.get(task.id)) is not None
        and (found.standing.status in again or found.standing.to_review)
    )


async def _finished(
    repository: Repository, base: str, by_runs: Differing, only: Sequence[str]
) -> frozenset[str]:
    """The tasks that are not to be done again, because the commit `base` has what earlier runs
    did for them, unless they are named by `only`."""
    named = [found.standing for name, found in by_runs.known.items() if name in only]
    finished = set()
    for name, found in ({**by_runs.review, **by_runs.owed}).items():
        if (commit := found.standing.commit) and found.standing not in named:
            args = ("merge-base", "--is-ancestor", commit, base)
            if (await repository.git.run(*args, accept=(0, 1, 128))).code == 0:
                finished.add(name)
    return frozenset(finished)


def _told(unit: Unit, by_runs: Differing) -> Unit:
    """With what people said of the work of earlier runs."""
    said = [text[:_SAID] for task in family(unit.tasks) for text in by_runs.said.get(task.id, ())]
    return replace(unit, said=tuple(dict.fromkeys(said))[-_MOST_SAID:])


def _done(roadmap: Roadmap, finished: frozenset[str]) -> Roadmap:
    """With these tasks done."""

    def changed(task: Task) -> Task:
        status = "done" if task.id in finished else task.status
        return replace(task, status=status, subtasks=tuple(map(changed, task.subtasks)))

    return replace(roadmap, tasks=tuple(map(changed, roadmap.tasks))) if finished else roadmap
