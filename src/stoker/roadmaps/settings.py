"""How a roadmap is run: what the command line says over what `.stoker/roadmap.toml` says.

    agent = "CODEX"
    parallel = 2
    [budget]
    tokens = 2_000_000
    [phase.2]
    agent = "CLAUDE_CODE"
    [task.T012]
    verify = "skip"

What is said of a task goes before what is said of its phase, and that before the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from stoker.plan.errors import PlanError, Problem
from stoker.roadmaps.verify.work import MODES

FILE: Final = "roadmap.toml"
"""In the state directory."""
Strategy = Literal[
    "retry_with_context",
    "rollback_failed",
    "rollback_all",
    "branch_and_merge",
    "skip",
    "manual",
]
"""What becomes of work that is not verified:

`retry_with_context`: the next try goes on with it. `rollback_failed`: the next try begins
without it. `branch_and_merge`: as `retry_with_context`; given up, it is kept on a branch of its
own. `rollback_all`: given up, all the run has done is taken back. `skip`: one try, then the
next task. `manual`: a person is asked after each failed try."""
Adapt = Literal["no_adapt", "suggest", "auto_fix"]
"""Of what may help after a failed try: nothing; it is said to the next; and what is safe is done
in its worktree before it begins."""


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What holds for one task."""

    agent: str = "BUILTIN"
    """Profile: executor, or `EXECUTOR:VARIANT`."""
    model: str | None = None
    reviewer: str | None = None
    """Profile of a second agent, which reviews the work and may refuse it."""
    verify: str = "auto"
    """`auto`, `agent` (and a second agent reviews), `skip`, or the name of a test runner."""
    command: str | None = None
    """A shell command to verify by; default: what is found in the repository."""
    strategy: Strategy = "retry_with_context"
    retries: Annotated[int, Meta(ge=0)] = 2
    timeout_sec: float | None = None
    """Of one try."""
    tokens: int | None = None
    cost_usd: float | None = None
    approve: Literal["never", "before", "after"] = "never"
    adapt: Adapt = "suggest"
    tests: Literal["protected", "free"] = "protected"
    """`free`: the task is to change tests, and may."""
    context: int = 12_000
    """Tokens of the task, which is told whole, and of what an agent is told beside it; 0: nothing
    is told beside."""
    pause_destructive: bool = False
    """Commands that destroy something wait for a person; see `stoker.agents.destructive`."""
    destructive: tuple[str, ...] = ()
    """Patterns of commands that do, beside those that are known."""


Many = Annotated[int, Meta(ge=1)]


class Budget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits of a whole run; None: none. What is under way when one is reached is ended by the
    limits of its task, nothing more begins."""

    iterations: int | None = None
    """Tries of all tasks."""
    seconds: float | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    day_tokens: int | None = None
    """Of all roadmap runs of the journal on one day, in UTC."""
    day_cost_usd: float | None = None


class Settings(Options, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of a run: the options of all tasks, and what one phase or task has instead."""

    mode: Literal["task", "todo"] = "task"
    """`todo`: each subtask is worked at and verified by itself."""
    grouping: Literal["none", "section", "smart"] = "none"
    parallel: Many = 1
    max_tasks: Many | None = None
    only: tuple[str, ...] = ()
    """Ids of the tasks that are to be done; none: all."""
    on_failure: Literal["stop", "continue"] = "continue"
    approve_every: Many | None = None
    """A person's yes is needed after every so many tasks."""
    checkpoint_every: Many | None = None
    """A tag `roadmap/<name>/<commit>` after every so many tasks."""
    ignore_gates: bool = False
    optional: bool = False
    """Optional tasks are done, too."""
    sync: bool = True
    """Boxes are ticked in the file."""
    infer: bool = True
    """Tasks that name the same file follow each other, and what is imported comes before what
    imports it."""
    land: bool = False
    """At the end the work is merged into the branch it was cut from."""
    branch: str | None = None
    """Default: `roadmap/<name>`."""
    budget: Budget = Budget()
    phase: dict[str, dict[str, Any]] = {}
    task: dict[str, dict[str, Any]] = {}


def load(path: Path, over: Mapping[str, Any]) -> Settings:
    """The settings in the file `path`, if it is there, and `over` them what was given otherwise.
    Raises `PlanError` that names the file, the line or the field, and what was expected."""
    import tomllib

    document: dict[str, Any] = {}
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        pass
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, f"is not TOML: {error}") from error
    try:
        settings = msgspec.convert(_over(document, over), Settings)
    except msgspec.ValidationError as error:
        raise _wrong(path, str(error)) from error
    _check(settings, path)
    for what in ("phase", "task"):
        for name, said in getattr(settings, what).items():
            try:
                _check(msgspec.convert(said, Options), path)
            except msgspec.ValidationError as error:
                raise _wrong(path, f"{what}.{name}: {error}") from error
    return settings


def _check(said: Options, path: Path) -> None:
    if said.verify not in MODES:
        expected = f"{', '.join(MODES[:3])} or one of {', '.join(MODES[3:])}"
        raise _wrong(path, f"verify: expected {expected}, found {said.verify}")


def _over(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with what `more` says in its place, table by table."""
    found = dict(base)
    for name, value in more.items():
        old = found.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        found[name] = _over(old, value) if both else value  # type: ignore[arg-type]
    return found


def _wrong(path: Path, what: str) -> PlanError:
    return PlanError([Problem(message=f"{path}: {what}")])


def options(settings: Settings, task_id: str, phase: str | None) -> Options:
    """What holds for a task."""
    said = {name: getattr(settings, name) for name in Options.__struct_fields__}
    said |= {**settings.phase.get(phase or "", {}), **settings.task.get(task_id, {})}
    return msgspec.convert(said, Options)
