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
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, field
from msgspec.structs import asdict, fields

from stoker.plan.errors import PlanError, Problem

FILE: Final = "roadmap.toml"
"""In the state directory."""
Strategy = Literal[
    "rollback_all",
    "rollback_failed",
    "retry_with_context",
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


class Said(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one place says of tasks; None: nothing."""

    agent: str | None = None
    """Profile: executor, or `EXECUTOR:VARIANT`."""
    model: str | None = None
    reviewer: str | None = None
    """Profile of a second agent, which reviews the work and may refuse it."""
    verify: str | None = None
    """`auto`, `agent` (and a second agent reviews), `skip`, or the name of a test runner."""
    command: str | None = None
    """A shell command to verify by; default: what is found in the repository."""
    strategy: Strategy | None = None
    retries: int | None = None
    timeout_sec: float | None = None
    """Of one try."""
    tokens: int | None = None
    cost_usd: float | None = None
    approve: Literal["never", "before", "after"] | None = None
    adapt: Adapt | None = None
    tests: Literal["protected", "free"] | None = None
    """`free`: the task is to change tests, and may."""
    context: int | None = None
    """Tokens of what an agent is told beside the task; 0: nothing."""
    pause_destructive: bool | None = None
    """Commands that destroy something wait for a person; see `stoker.agents.destructive`."""
    destructive: tuple[str, ...] | None = None
    """Patterns of commands that do, beside those that are known."""


class Options(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same, decided: what holds for one task."""

    agent: str = "BUILTIN"
    model: str | None = None
    reviewer: str | None = None
    verify: str = "auto"
    command: str | None = None
    strategy: Strategy = "retry_with_context"
    retries: int = 2
    timeout_sec: float | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    approve: Literal["never", "before", "after"] = "never"
    adapt: Adapt = "suggest"
    tests: Literal["protected", "free"] = "protected"
    context: int = 12_000
    pause_destructive: bool = False
    destructive: tuple[str, ...] = ()


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


class Settings(Said, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of a run. What `Said` says, said of all tasks."""

    mode: Literal["task", "todo"] = "task"
    """`todo`: each subtask is worked at and verified by itself."""
    grouping: Literal["none", "section", "smart"] = "none"
    parallel: int = 1
    max_tasks: int | None = None
    only: tuple[str, ...] = ()
    """Ids of the tasks that are to be done; none: all."""
    on_failure: Literal["stop", "continue"] = "continue"
    approve_every: int | None = None
    """A person's yes is needed after every so many tasks."""
    checkpoint_every: int | None = None
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
    phase: dict[str, Said] = field(default_factory=dict)
    task: dict[str, Said] = field(default_factory=dict)


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
    for name in ("parallel", "max_tasks", "approve_every", "checkpoint_every"):
        if (value := getattr(settings, name)) is not None and value < 1:
            raise _wrong(path, f"{name}: expected 1 or more, found {value}")
    for said in (settings, *settings.phase.values(), *settings.task.values()):
        if said.retries is not None and said.retries < 0:
            raise _wrong(path, f"retries: expected 0 or more, found {said.retries}")
    return settings


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
    layers = (settings, settings.phase.get(phase or ""), settings.task.get(task_id))
    said = {
        name: value
        for layer in layers
        if layer is not None
        for name in _NAMES
        if (value := getattr(layer, name)) is not None
    }
    return Options(**said)


def changed(settings: Settings) -> dict[str, Any]:
    """What is not as by default, for the journal and for people."""
    return {k: v for k, v in asdict(settings).items() if v != getattr(_DEFAULT, k)}


_NAMES: Final = tuple(one.name for one in fields(Said))
_DEFAULT: Final = Settings()
