"""What a journal promises, whichever database keeps it.

Events are the truth; `runs` and `step_attempts` are projected from them
(`stoker.journal.projection`), as far as `runs.last_sequence` says. Where rows of attempts are
written later than their events (SQLite), readers here fold what is missing: nobody sees one
without the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct, field

from stoker.journal.events import AttemptStatus, Event, RunStatus

if TYPE_CHECKING:
    from stoker.journal.session import Session

CommandKind = Literal[
    "cancel", "pause", "unpause", "next", "approve", "reject", "extend", "resolve"
]
Durability = Literal["process", "power"]


class JournalError(Exception):
    """The journal could not do what was asked; nothing was written."""


class UnknownRun(JournalError):
    """No run of that id."""


class RunExists(JournalError):
    """A run of that id is there already."""


class RunBusy(JournalError):
    """Another live engine holds the run's lease."""

    def __init__(self, message: str, lease_sec: float | None = None) -> None:
        super().__init__(message)
        self.lease_sec = lease_sec
        """Seconds the lease has left where nothing else tells whether its holder lives."""


class RunOver(JournalError):
    """The run is settled: there is nothing to go on with."""


class LeaseLost(JournalError):
    """This engine no longer holds the run's lease; it must not act on the run again."""


class JournalTooNew(JournalError):
    """Written by a newer Stoker."""


class EngineIdentity(Struct, frozen=True):
    """Which process holds a lease, told so that another can prove it dead."""

    engine_id: str
    host: str
    """Boot id and pid namespace: within one host, pids can be compared."""
    pid: int
    pid_started: int
    """Start time in clock ticks since boot (field 22 of /proc/PID/stat)."""


class Lease(Struct, frozen=True):
    """The right to write one run's events. `epoch` grows with every holder: the fence."""

    run_id: str
    epoch: int
    engine: EngineIdentity


class NewRun(Struct, frozen=True, kw_only=True):
    run_id: str
    plan_id: str
    plan_version: str
    plan_description: str
    plan_json: bytes
    """The plan as it will run: variables substituted, templates and secrets not."""
    inputs: dict[str, Any] = field(default_factory=dict)
    """Without the secret ones."""
    options: dict[str, Any] = field(default_factory=dict)
    parent_run_id: str | None = None
    parent_step_id: str | None = None
    opening: tuple[Event, ...] = ()
    """The run's first events, from sequence 1 on."""


class RunRow(Struct, frozen=True, kw_only=True):
    run_id: str
    plan_id: str
    plan_version: str
    status: RunStatus
    reason: str | None
    inputs: dict[str, Any]
    options: dict[str, Any]
    parent_run_id: str | None
    parent_step_id: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    last_sequence: int
    engine: EngineIdentity | None
    """Who holds the lease, dead or alive."""


class AttemptRow(Struct, frozen=True, kw_only=True):
    run_id: str
    step_id: str
    attempt: int
    status: AttemptStatus
    kind: str
    pid: int | None
    timeout_sec: float | None
    retries_attempted: int
    on_failure: str
    provides: list[str]
    consumes: list[str]
    exit_code: int | None
    error: str | None
    started_at: float
    finished_at: float | None
    stdout_path: str | None
    stderr_path: str | None


class Command(Struct, frozen=True, kw_only=True):
    """What a person or program asks of a run; durable until an engine has dealt with it."""

    id: int = 0
    run_id: str
    kind: CommandKind
    payload: dict[str, Any] = field(default_factory=dict)
    by: str = ""
    created_at: float = 0.0


class Circuit(Struct, frozen=True, kw_only=True):
    """The state of one tool's circuit breaker, shared by every run on the journal."""

    tool: str
    state: Literal["closed", "open", "half_open"] = "closed"
    failures: int = 0
    """Consecutive failures."""
    opened_at: float | None = None
    probe: str | None = None
    """`run/step` of the one probe that is under way."""
    version: int = 0


class CommitNow(Protocol):
    """See `Journal.commit`."""

    def __call__(
        self,
        lease: Lease,
        events: Sequence[Event],
        *,
        applied: Sequence[int] = (),
        barrier: bool = False,
    ) -> None: ...


class Journal(Protocol):
    """Durable memory of every run. Methods raise `JournalError` when the database fails."""

    location: str
    """Path or URL, without credentials."""
    local: bool
    """On this host only: whether another engine lives is seen, not told from its lease."""

    # Writing; only the lease's holder may.
    async def create_run(self, run: NewRun) -> None:
        """Store plan, run (status pending) and opening events. Raises `RunExists`."""

    async def acquire(self, run_id: str, engine: EngineIdentity) -> Lease:
        """Take the run's lease. Raises `UnknownRun`, `RunBusy`."""

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """Extend leases by `LEASE_SECONDS`; returns those that are lost."""

    async def release(self, lease: Lease) -> None: ...

    async def commit(
        self,
        lease: Lease,
        events: Sequence[Event],
        *,
        applied: Sequence[int] = (),
        barrier: bool = False,
    ) -> None:
        """Append events (sequences must follow the last one) and project them, in one
        transaction; mark commands `applied` in it. `barrier` makes this commit survive a
        power cut whatever the durability mode. Raises `LeaseLost`."""

    @property
    def commit_now(self) -> CommitNow | None:
        """`commit` without waiting; None where there is a server to wait for."""

    # Asking of a run; anyone may.
    async def send(self, command: Command) -> int:
        """Store a command, wake the engine that holds the run; returns the command's id."""

    async def commands(self, run_id: str) -> list[Command]:
        """Commands not yet applied, oldest first."""

    # Reading.
    async def run(self, run_id: str) -> RunRow: ...

    async def runs(
        self,
        *,
        limit: int = 50,
        plan_id: str | None = None,
        status: Sequence[RunStatus] | None = None,
        before: tuple[float, str] | None = None,
    ) -> list[RunRow]:
        """Newest first; `before`: only those behind the run with this `created_at` and id."""

    async def plan_json(self, run_id: str) -> bytes: ...

    async def events(
        self, run_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[Event]: ...

    async def attempts(self, run_id: str, step_id: str | None = None) -> list[AttemptRow]: ...

    async def durations(self, plan_id: str) -> dict[str, float]:
        """Mean seconds of a step's succeeded attempts over recent runs of the plan."""

    # Shared by all runs on the journal.
    async def circuit(self, tool: str) -> Circuit: ...

    async def put_circuit(self, circuit: Circuit) -> bool:
        """Compare-and-set on `version`; False if somebody was faster. A circuit that is closed
        wakes the engines that run something."""

    async def claim_locks(self, lease: Lease, step_id: str, names: Sequence[str]) -> bool:
        """Queue for all of `names` (first come, first served over all engines) and tell
        whether they are held now. Claims of a run without a live engine
        count while processes of their steps live on this host. Idempotent."""

    async def blocked_steps(self, lease: Lease) -> set[str]:
        """Of the run's steps that have queued, those that others' claims stand before."""

    async def release_locks(self, lease: Lease, step_id: str) -> None:
        """Give up a claim and wake engines that wait for its names."""

    # Notifications, never polled.
    def inbox(
        self, engine: EngineIdentity, wake: Callable[[], None]
    ) -> AbstractAsyncContextManager[None]:
        """While entered, `wake` is called in the event loop whenever there may be new
        commands, freed locks or closed circuits for this engine."""

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Yields at once and then whenever any run may have new events."""

    def transaction(self) -> AbstractAsyncContextManager[Session]:
        """A writing transaction on the tables of the doors: committed at the end, rolled back by
        an exception."""

    def snapshot(self) -> AbstractAsyncContextManager[Session]:
        """A reading transaction on them: all its statements see one state. Unlike a writing one
        it waits for nobody and wakes nobody."""

    # Keeping house.
    async def delete_run(self, run_id: str) -> None:
        """Forget a run that is over. Raises `RunBusy` for one that is not."""

    async def check(self) -> list[str]:
        """Integrity problems; empty when sound."""

    async def close(self) -> None: ...


LEASE_SECONDS = 30.0
