"""A workspace: roadmaps of several repositories as one run.

    checkpoint = [["lib", "api"], ["site"]]     # default: all together
    [settings]                                  # of all, over those of .stoker/roadmap.toml
    agent = "CODEX"

    [project.lib]
    path = "lib"                                # from the file's directory
    [project.api]
    path = "services/api"
    roadmap = "docs/tasks.md"                   # default: ROADMAP.md
    [project.api.settings]
    retries = 4
    [project.site]
    path = "site"
    depends_on = ["api"]                        # all of it comes first

Each project's roadmap is a nested run, on `roadmap-work/NAME`. When all projects of a checkpoint
have succeeded, their branches `roadmap/NAME` move on to it together.
"""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.engine.creation import nested_run_id, stored_plan
from stoker.journal.base import Journal, UnknownRun
from stoker.plan.errors import PlanError, Problem
from stoker.plan.literally import written
from stoker.plan.loader import loads
from stoker.plan.model import Plan, Step
from stoker.plan.template import render_value
from stoker.plan.validate import Kinds
from stoker.roadmaps import begin
from stoker.roadmaps.begin import Prepared
from stoker.roadmaps.checkpoint_kind import Ref
from stoker.roadmaps.identity import slug
from stoker.roadmaps.rollback import waiting
from stoker.roadmaps.standing import standing


class Project(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One roadmap."""

    path: str
    roadmap: str = "ROADMAP.md"
    format: str | None = None
    depends_on: tuple[str, ...] = ()
    settings: dict[str, Any] = {}


class Workspace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file says."""

    project: dict[str, Project]
    settings: dict[str, Any] = {}
    checkpoint: tuple[tuple[str, ...], ...] | None = None

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Projects whose branches move together."""
        return (tuple(self.project),) if self.checkpoint is None else self.checkpoint

    @property
    def line(self) -> list[str]:
        """The projects in an order they can be done in. Raises `CycleError`."""
        graph = {name: one.depends_on for name, one in self.project.items()}
        return list(TopologicalSorter(graph).static_order())


class Ready(Struct, frozen=True, kw_only=True):
    """What is to be run."""

    projects: dict[str, Prepared]
    plan: Plan | None
    """None: nothing is to be done."""


def read(file: Path) -> Workspace:
    """Raises `PlanError` that says what was expected where."""
    import tomllib

    try:
        found = msgspec.convert(tomllib.loads(file.read_text()), Workspace)
    except (OSError, ValueError) as error:  # TOML's and msgspec's are these
        why = error.strerror if isinstance(error, OSError) else str(error)
        message = f"{file}: expected a workspace file: {why}"
        raise PlanError([Problem(message=message)]) from error
    known, problems = set(found.project), []
    for name, project in found.project.items():
        if not name or not set(name).isdisjoint(":/") or not slug(name, ""):
            problems.append(f"project {name!r}: expected a name with letters or digits, no : or /")
        unknown = sorted(set(project.depends_on) - known)
        problems += (f"project.{name}: there is no {one!r}" for one in unknown)
    grouped = [name for group in found.groups for name in group]
    if sorted(grouped) != sorted(known):
        problems.append("checkpoint: expected each project in one group")
    try:
        found.line  # noqa: B018 - whether there is one
    except CycleError as error:
        problems.append(f"projects wait for each other: {' -> '.join(reversed(error.args[1]))}")
    if problems:
        raise PlanError([Problem(message=f"{file}: {one}") for one in problems])
    return found


async def prepare(
    file: Path,
    state: Path,
    over: Mapping[str, Any],
    *,
    kinds: Kinds,
    journal: Journal | None = None,
    retry_failed: bool = False,
) -> Ready:
    """Read all of its roadmaps, with `over` before all settings: what it has as `only` are tasks
    as `PROJECT:ID`, its `max_tasks` are those of all projects. The rest: see `begin.prepare`."""
    workspace = read(file)
    ready: dict[str, Prepared] = {}
    refs: dict[str, Ref] = {}
    over = dict(over)
    only, left = over.pop("only", ()), over.pop("max_tasks", None)
    if unknown := [one for one in only if one.partition(":")[0] not in workspace.project]:
        names = ", ".join(workspace.project)
        message = f"{file}: {unknown[0]}: expected PROJECT:ID, with a project of {names}"
        raise PlanError([Problem(message=message)])
    for name in workspace.line:
        project = workspace.project[name]
        said = {**workspace.settings, **project.settings, **over}
        branch = said.pop("branch", f"roadmap/{slug(name)}")
        said["branch"] = f"roadmap-work/{slug(name)}"
        own = [one.partition(":")[2] for one in only if one.startswith(f"{name}:")]
        if left is not None:
            said["max_tasks"] = max(1, left)
        try:
            one = await begin.prepare(
                Path(file.parent, project.path, project.roadmap),
                state,
                said | ({"only": own} if own else {}),
                kinds=kinds,
                format=project.format,
                journal=journal,
                retry_failed=retry_failed,
            )
        except PlanError as error:
            told = [replace(p, message=f"project.{name}: {p.message}") for p in error.problems]
            raise PlanError(told) from error
        if (only and not own) or left == 0:
            one = replace(one, units=(), plan=None)
        if left is not None:
            left -= len(one.units)
        ready[name] = one
        refs[name] = Ref(root=one.job.root, work=one.job.branch, branch=branch)
    for places in (
        [(r.root, r.work) for r in refs.values()],
        [(r.root, r.branch) for r in refs.values()],
    ):
        if len(set(places)) < len(places):
            message = f"{file}: projects of one repository need other names and branches"
            raise PlanError([Problem(message=message)])
    ready = {name: ready[name] for name in workspace.project}
    if not any(one.units for one in ready.values()):
        return Ready(projects=ready, plan=None)
    steps: list[dict[str, Any]] = []
    for name, one in ready.items():
        if one.plan is None:
            continue
        text = msgspec.json.encode(one.plan).decode()
        before = [other for other in workspace.project[name].depends_on if ready[other].plan]
        definition = {"type": "roadmap-project", "plan": written(text)}
        steps.append({"id": name, "step_def": definition, "depends_on": before})
    for number, group in enumerate(workspace.groups, 1):
        steps += checkpoint_steps(
            number, [refs[name] for name in group], [name for name in group if ready[name].plan]
        )
    for step in steps:
        step["on_failure"] = "skip_dependents"
    plan = {"plan_id": f"roadmap-{slug(file.stem, 'workspace')}", "steps": steps}
    return Ready(projects=ready, plan=loads(msgspec.json.encode(plan), kinds=kinds).plan)


def checkpoint_steps(number: int, refs: list[Ref], after: list[str]) -> list[dict[str, Any]]:
    """Steps by which branches move together: what is to be done is in the journal first."""
    common = {
        "type": "roadmap-checkpoint",
        "refs": written(msgspec.to_builtins(refs)),
    }
    intent, done = f"intent:{number}", f"checkpoint:{number}"
    moves = f"${{{{ prev['{intent}'].outputs.moves }}}}"
    return [
        {"id": intent, "step_def": common, "depends_on": after},
        {"id": done, "step_def": {**common, "moves": moves}, "depends_on": [intent]},
    ]


def branches(plan: Plan) -> dict[tuple[str, str], str]:
    """By repository and branch with a project's work, the branch that moves on to it at a
    checkpoint of a workspace's run."""
    refs = [
        msgspec.convert(render_value((one.step_def or {})["refs"], {}), tuple[Ref, ...])
        for one in plan.steps
        if _type(one) == "roadmap-checkpoint"
    ]
    return {(ref.root, ref.work): ref.branch for group in refs for ref in group}


async def parts(journal: Journal, run_id: str) -> dict[str, str]:
    """The runs of a workspace's projects that have begun, by name; none if it is no
    workspace's. Raises `UnknownRun`."""
    found: dict[str, str] = {}
    for step in (await stored_plan(journal, run_id)).steps:
        if _type(step) == "roadmap-project":
            nested = nested_run_id(run_id, step.id, 1)
            try:
                await journal.run(nested)
            except UnknownRun:
                continue
            found[step.id] = nested
    return found


async def moving(journal: Journal, run_id: str) -> Plan:
    """The plan of a run that moves the branches of a workspace's run on once more."""
    plan = await stored_plan(journal, run_id)
    mine = [one for one in plan.steps if _type(one) == "roadmap-checkpoint"]
    ids = {one.id for one in mine}
    steps = tuple(
        replace(one, depends_on=tuple(name for name in one.depends_on if name in ids))
        for one in mine
    )
    return replace(plan, plan_id=f"checkpoint-{run_id}", steps=steps)


async def dependents(
    journal: Journal, run_id: str, runs: Mapping[str, str], tasks: list[str]
) -> list[str]:
    """Tasks of a run that were done and wait, directly or not, for tasks of other projects."""
    whole = {one.id: one for one in (await stored_plan(journal, run_id)).steps}
    waits: dict[str, set[str]] = {}
    for name, run in runs.items():
        found = await standing(journal, run)
        before = {f"{other}:" for other in whole[name].depends_on}
        for one in found.units:
            for task in one.unit.ids if one.commit else ():
                waits[f"{name}:{task}"] = before | {f"{name}:{other}" for other in one.waits}
        waits[f"{name}:"] = {f"{name}:{task}" for one in found.units for task in one.unit.ids}
    return [task for task in waiting(waits, tasks) if not task.endswith(":")]


def _type(step: Step) -> str:
    return str((step.step_def or {}).get("type"))
