"""The protocol every kind of step implements, and the registry that finds kinds.

A kind turns one attempt of one step into *work*: a process for the engine to run (the
fast path: no task, no pipe, no await), or a coroutine that ends with a `Result`. It
never sees the graph, the journal or the scheduler. Third parties add a kind with an
entry point in the group `stoker.kinds` that names a `Kind` instance:

    [project.entry-points."stoker.kinds"]
    greet = "my_package.greet:KIND"
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from msgspec import Struct, field

from stoker.plan.model import InterruptPolicy, Plan, Step
from stoker.process.spec import Exit, ProcessSpec

if TYPE_CHECKING:
    import asyncio

    from stoker.engine.engine import Engine


class StepFailed(Exception):
    """Raised by a kind: the attempt failed, and the message says why to a person."""

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Result(Struct, frozen=True, kw_only=True):
    """How an attempt ended, as its kind sees it."""

    exit_code: int | None = None
    error: str | None = None
    """None: succeeded. Else the reason, for a person."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """Beside what the step wrote to `$STOKER_OUTPUT`, which counts only if it succeeded."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a person said to a question of an attempt."""

    allowed: bool
    comment: str = ""
    by: str = ""


class ProcessWork(Struct, frozen=True, kw_only=True):
    """A process to run, and how to read its end."""

    spec: ProcessSpec
    result: Callable[[Exit], Result] | None = None
    """None: exit code 0 is success."""


Work = ProcessWork | Coroutine[Any, Any, Result]


T = TypeVar("T")

Opener = Callable[["Engine"], AbstractAsyncContextManager[T]]
"""Opens something on an engine; see `Attempt.shared`."""


class Kept(Protocol):
    """A process under a keeper, as the kind that talks with it sees it."""

    ended: asyncio.Future[Exit]
    """How it ended; the cause is `lost` if nothing recorded that."""

    @property
    def leaving(self) -> bool:
        """Why the kind is cancelled. True: the engine lets go of the run, which may go on
        later; the process is to be left alone. False: the attempt is to end."""

    def stop(self, grace: float | None = None) -> None:
        """End its whole process tree; `grace` seconds (default: its spec's) lie between asking
        and ending it."""


class Attempt(Protocol):
    """What a kind may know and use while it carries out one attempt. Implemented by the engine."""

    run_id: str
    step_id: str
    number: int
    """1 for the first attempt."""
    token: str
    """An idempotency key: the same for all attempts that follow each other because a crash left
    the outcome of the one before unknown, another for a retry after a failure."""
    resumed: bool
    """True if a crashed engine began this very attempt and `on_interrupt` is `adopt`."""
    env: Mapping[str, str]
    """The step's whole environment, rendered."""
    cwd: str
    stdin: bytes | None
    directory: str
    """The run's directory, for files a kind must keep (absolute, exists)."""
    stdout_path: str
    stderr_path: str

    def process(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> ProcessSpec:
        """A process of this attempt: its environment, directory, logs and marker."""

    async def execute(self, argv: Sequence[str], *, cwd: str | None = None) -> tuple[Exit, bytes]:
        """Run a helper process of this attempt to its end; its stdout is returned (at most
        16 MiB) and its stderr goes to the attempt's log. Cancelling ends its whole tree."""

    async def keep(self, spec: ProcessSpec) -> Kept:
        """Start `spec`, which has a `keeper_dir`, or go on with the process that was started
        there, if one was: before a crash, or by an earlier step. Raises `SpawnError`."""

    def write(self, text: str, *, error: bool = False) -> None:
        """Append to the attempt's log; secrets are redacted."""

    def redact(self, text: str) -> str:
        """`text` with `***` for secrets. Needed only before a text is cut or taken apart: what
        a kind writes, puts out or raises is redacted anyway."""

    async def shared(self, opener: Opener[T]) -> T:
        """Something that attempts have together, such as a pool of connections: opened when the
        first asks for it, closed with the engine. Raises what opening it raises."""

    async def run_plan(
        self, plan: Plan, inputs: Mapping[str, Any], *, plan_dir: str | None = None
    ) -> Mapping[str, Any]:
        """Run a nested plan as a run of its own under this attempt, or go on with it if a
        crash cut it short; returns its outputs. `plan_dir`: its `run.plan_dir`; default: the
        attempt's directory. Raises `StepFailed` if it does not succeed."""

    async def ask(self, key: str, prompt: str) -> Answer:
        """What a person says to `prompt`, by `stoker approve` or `reject`; if nothing else is to
        be done, the run waits for it without an engine. One question at a time; after a crash
        the last with its `key` is the same question. Cancelled, it is taken back."""

    async def others(self, step_id: str) -> None:
        """Until another step of the run is over. Meanwhile this attempt takes no place of the
        run's width, and no slot."""


D = TypeVar("D", bound=Struct)


class Kind(Protocol, Generic[D]):
    """One kind of step. One whose steps run plan files may also say which, so that they are
    checked with the plan: see `stoker.plan.nesting.Nested`."""

    name: str
    """The `step_def.type` it answers to."""
    definition: type[D]
    """Fields of `step_def` beside `type`: a frozen Struct that forbids unknown fields.
    Strings in it are rendered (`${{ }}`) before `start` sees them."""
    on_interrupt: InterruptPolicy
    """Default for steps of this kind."""
    takes_slot: bool
    """Whether an attempt counts against the concurrency limits. False for what only waits
    for others, such as a nested plan, whose own steps count."""

    def check(self, step: Step, definition: D) -> list[str]:
        """Problems the types cannot express, found when the plan is loaded; no I/O."""

    def tool(self, step: Step, definition: D) -> str:
        """Default circuit-breaker key."""

    def start(self, step: Step, definition: D, attempt: Attempt) -> Work:
        """Begin. Must not block. Raises `StepFailed`."""
