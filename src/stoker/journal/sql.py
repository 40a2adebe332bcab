"""Everything of the contract that is the same SQL in both databases.

Statements number their parameters `?1`, as SQLite does; PostgreSQL's session turns that
into `$1`. What differs (connections, the hot commit, notifications) is left to
`stoker.journal.sqlite` and `stoker.journal.postgres`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from stoker.journal import attempts, claims, rows
from stoker.journal.base import (
    LEASE_SECONDS,
    AttemptRow,
    Circuit,
    Command,
    EngineIdentity,
    JournalError,
    Lease,
    LeaseLost,
    NewRun,
    RunBusy,
    RunExists,
    RunRow,
    UnknownRun,
)
from stoker.journal.check import problems
from stoker.journal.events import Event, RunStatus
from stoker.journal.identity import is_dead
from stoker.journal.session import Session
from stoker.journal.waits import DeathWatch

OVER = ("succeeded", "failed", "canceled")
"""States a run does not leave by itself."""
_RECENT_RUNS = 5
"""How many runs of a plan tell how long its steps take."""

_LAST = "(SELECT COALESCE(MAX(sequence), 0) FROM run_events e WHERE e.run_id = runs.run_id)"
_RUN = f"SELECT {', '.join(rows.RUN_COLUMNS)} FROM runs".replace("last_sequence", _LAST)  # noqa: S608
_HELD = "SELECT 1 FROM runs WHERE run_id = ?1 AND lease_epoch = ?2"
_EVENTS = (
    f"SELECT {', '.join(rows.EVENT_COLUMNS)} FROM run_events "  # noqa: S608
    "WHERE run_id = ?1 AND sequence > ?2 ORDER BY sequence"
)
_COMMANDS = (
    f"SELECT {', '.join(rows.COMMAND_COLUMNS)} FROM run_commands "  # noqa: S608
    "WHERE run_id = ?1 AND applied_at IS NULL ORDER BY id"
)
_DURATIONS = """
    SELECT step_id, AVG(finished_at - started_at) FROM step_attempts
    WHERE status = 'succeeded' AND run_id IN (
        SELECT run_id FROM runs WHERE plan_id = ?1 ORDER BY created_at DESC LIMIT ?2)
    GROUP BY step_id"""


class SqlJournal(ABC):
    """The part of a `Journal` that is plain SQL."""

    location: str
    local = True

    def __init__(self, location: str) -> None:
        self.location = location
        self._watches: dict[str, DeathWatch] = {}
        """Open inboxes by engine id."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Session]:
        """A writing transaction: committed at the end, rolled back by an exception."""

    @abstractmethod
    def snapshot(self) -> AbstractAsyncContextManager[Session]:
        """A reading transaction: all its statements see one state."""

    @abstractmethod
    async def _fetch(self, sql: str, *args: Any) -> Sequence[rows.Row]:
        """One reading statement."""

    # Runs and leases.
    async def create_run(self, run: NewRun) -> None:
        digest = rows.plan_digest(run)
        inputs, options = rows.encode(run.inputs), rows.encode(run.options)
        opening = rows.event_tuples(run.run_id, run.opening) if run.opening else []
        plan = (run.plan_id, run.plan_version, run.plan_description, run.plan_json.decode())
        async with self.transaction() as session:
            now = await session.now()
            await session.fetch(
                "INSERT INTO plans (digest, plan_id, version, description, plan_json, created_at) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                digest,
                *plan,
                now,
            )
            created = await session.fetch(
                "INSERT INTO runs (run_id, plan_digest, plan_id, plan_version, inputs, options, "
                "parent_run_id, parent_step_id, created_at, last_sequence) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING "
                "RETURNING run_id",
                run.run_id,
                digest,
                run.plan_id,
                run.plan_version,
                inputs,
                options,
                run.parent_run_id,
                run.parent_step_id,
                now,
                len(opening),
            )
            if not created:
                raise RunExists(f"run {run.run_id} exists already in {self.location}")
            for event in opening:
                await session.fetch(
                    f"INSERT INTO run_events ({', '.join(rows.EVENT_COLUMNS)}) "  # noqa: S608
                    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    *event,
                )

    async def acquire(self, run_id: str, engine: EngineIdentity) -> Lease:
        async with self.transaction() as session:
            found = await session.fetch_locked(
                "SELECT lease_epoch, engine, lease_expires_at FROM runs WHERE run_id = ?1",
                run_id,
            )
            if not found:
                raise self._unknown(run_id)
            epoch, holder, expires = found[0]
            now = await session.now()
            _refuse_if_held(run_id, rows.decode_engine(holder), expires, now)
            await session.fetch(
                "UPDATE runs SET lease_epoch = ?2, engine = ?3, lease_expires_at = ?4 "
                "WHERE run_id = ?1",
                run_id,
                epoch + 1,
                rows.encode(engine),
                now + LEASE_SECONDS,
            )
            await claims.inherit(session, run_id)
        return Lease(run_id, epoch + 1, engine)

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        async with self.transaction() as session:
            expires = await session.now() + LEASE_SECONDS
            return [
                lease
                for lease in leases
                if not await session.fetch(
                    "UPDATE runs SET lease_expires_at = ?3 "
                    "WHERE run_id = ?1 AND lease_epoch = ?2 RETURNING run_id",
                    lease.run_id,
                    lease.epoch,
                    expires,
                )
            ]

    async def release(self, lease: Lease) -> None:
        async with self.transaction() as session:
            # The epoch grows here too: a late commit of the old holder must not pass.
            released = await session.fetch(
                "UPDATE runs SET engine = NULL, lease_expires_at = NULL, "
                "lease_epoch = lease_epoch + 1 WHERE run_id = ?1 AND lease_epoch = ?2 "
                "RETURNING run_id",
                lease.run_id,
                lease.epoch,
            )
            if released:
                await claims.let_go(session, lease.run_id)

    async def delete_run(self, run_id: str) -> None:
        async with self.transaction() as session:
            found = await session.fetch_locked(
                "SELECT status, engine, lease_expires_at, plan_digest FROM runs WHERE run_id = ?1",
                run_id,
            )
            if not found:
                raise self._unknown(run_id)
            status, holder, expires, digest = found[0]
            if status not in OVER:
                raise RunBusy(f"run {run_id} is {status}: only a run that is over can be deleted")
            _refuse_if_held(run_id, rows.decode_engine(holder), expires, await session.now())
            await claims.drop(session, run_id)
            for table in ("run_commands", "step_attempts", "run_events", "runs"):
                await session.fetch(f"DELETE FROM {table} WHERE run_id = ?1", run_id)  # noqa: S608
            await session.fetch(
                "DELETE FROM plans WHERE digest = ?1 "
                "AND NOT EXISTS (SELECT 1 FROM runs WHERE plan_digest = ?1)",
                digest,
            )

    # Commands.
    async def send(self, command: Command) -> int:
        payload = rows.encode(command.payload)
        async with self.transaction() as session:
            found = await session.fetch("SELECT engine FROM runs WHERE run_id = ?1", command.run_id)
            if not found:
                raise self._unknown(command.run_id)
            stored = await session.fetch(
                "INSERT INTO run_commands (run_id, kind, payload, sender, created_at) "
                "VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
                command.run_id,
                command.kind,
                payload,
                rows.text(command.by),
                await session.now(),
            )
            engine = rows.decode_engine(found[0][0])
            if engine is not None:
                await session.wake([engine.engine_id])
        number: int = stored[0][0]
        return number

    async def commands(self, run_id: str) -> list[Command]:
        return [rows.command_row(row) for row in await self._fetch(_COMMANDS, run_id)]

    # Reading.
    async def run(self, run_id: str) -> RunRow:
        found = await self._fetch(f"{_RUN} WHERE run_id = ?1", run_id)
        if not found:
            raise self._unknown(run_id)
        return rows.run_row(found[0])

    async def runs(
        self,
        *,
        limit: int = 50,
        plan_id: str | None = None,
        status: Sequence[RunStatus] | None = None,
        before: tuple[float, str] | None = None,
    ) -> list[RunRow]:
        args: list[Any] = [limit]
        wanted = ["1 = 1"]
        if plan_id is not None:
            args.append(plan_id)
            wanted.append(f"plan_id = ?{len(args)}")
        if status is not None:
            numbers = range(len(args) + 1, len(args) + len(status) + 1)
            args.extend(status)
            wanted.append(f"status IN ({', '.join(f'?{n}' for n in numbers) or 'NULL'})")
        if before is not None:
            args.extend(before)
            wanted.append(f"(created_at, run_id) < (?{len(args) - 1}, ?{len(args)})")
        found = await self._fetch(
            f"{_RUN} WHERE {' AND '.join(wanted)} ORDER BY created_at DESC, run_id DESC LIMIT ?1",
            *args,
        )
        return [rows.run_row(row) for row in found]

    async def plan_json(self, run_id: str) -> bytes:
        found = await self._fetch(
            "SELECT plan_json FROM runs JOIN plans ON digest = plan_digest WHERE run_id = ?1",
            run_id,
        )
        if not found:
            raise self._unknown(run_id)
        text: str = found[0][0]
        return text.encode()

    async def events(self, run_id: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        if limit is None:
            found = await self._fetch(_EVENTS, run_id, after)
        else:
            found = await self._fetch(f"{_EVENTS} LIMIT ?3", run_id, after, limit)
        return [rows.event_row(row) for row in found]

    async def attempts(self, run_id: str, step_id: str | None = None) -> list[AttemptRow]:
        async with self.snapshot() as session:
            found = await attempts.current(session.fetch, run_id)
        return sorted(
            (rows.attempt_row(row) for row in found.values() if step_id in (None, row[1])),
            key=lambda row: (row.started_at, row.step_id, row.attempt),
        )

    async def durations(self, plan_id: str) -> dict[str, float]:
        found = await self._fetch(_DURATIONS, plan_id, _RECENT_RUNS)
        return {step: mean for step, mean in found if mean is not None}

    # Shared by all runs.
    async def circuit(self, tool: str) -> Circuit:
        found = await self._fetch(
            f"SELECT {', '.join(rows.CIRCUIT_COLUMNS)} FROM circuits WHERE tool = ?1",  # noqa: S608
            tool,
        )
        return rows.circuit_row(found[0]) if found else Circuit(tool=tool)

    async def put_circuit(self, circuit: Circuit) -> bool:
        async with self.transaction() as session:
            written = await session.fetch(
                "INSERT INTO circuits (tool, state, failures, opened_at, probe, version) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (tool) DO UPDATE SET "
                "state = ?2, failures = ?3, opened_at = ?4, probe = ?5, version = ?6 "
                "WHERE circuits.version = ?7 RETURNING tool",
                circuit.tool,
                circuit.state,
                circuit.failures,
                circuit.opened_at,
                circuit.probe,
                circuit.version + 1,
                circuit.version,
            )
            if written and circuit.state == "closed":
                await claims.wake(session, "SELECT engine FROM runs WHERE engine IS NOT NULL")
            return bool(written)

    async def claim_locks(self, lease: Lease, step_id: str, names: Sequence[str]) -> bool:
        async with self.transaction() as session:
            if not await session.fetch_locked(_HELD, lease.run_id, lease.epoch):
                raise self._lost(lease)
            await session.lock_claims()
            await claims.enqueue(session, lease.run_id, step_id, names)
            waiting_for = await claims.blockers(session, lease.run_id, step_id)
        self._watch(lease, waiting_for)
        return not waiting_for

    async def blocked_steps(self, lease: Lease) -> set[str]:
        async with self.transaction() as session:
            await session.lock_claims()
            blocked, waiting_for = await claims.blocked(session, lease.run_id)
        self._watch(lease, waiting_for)
        return blocked

    def _watch(self, lease: Lease, waiting_for: claims.Blockers) -> None:
        if watch := self._watches.get(lease.engine.engine_id):
            for process, lease_sec in waiting_for.items():
                watch.watch(process, lease_sec)

    async def release_locks(self, lease: Lease, step_id: str) -> None:
        async with self.transaction() as session:
            # Without the lease there is nothing to give up: claims go with it.
            if await session.fetch(_HELD, lease.run_id, lease.epoch):
                await claims.drop(session, lease.run_id, step_id)

    async def check(self) -> list[str]:
        async with self.snapshot() as session:
            return await problems(session.fetch)

    def _unknown(self, run_id: str) -> UnknownRun:
        return UnknownRun(f"no run {run_id} in {self.location}")

    def _lost(self, lease: Lease) -> LeaseLost:
        return LeaseLost(f"run {lease.run_id}: this engine's lease (epoch {lease.epoch}) is over")

    async def _refused(self, session: Session, lease: Lease, first: int) -> JournalError:
        """Why a commit that begins with sequence `first` did not pass the fence."""
        found = await session.fetch(
            f"SELECT lease_epoch, {_LAST} FROM runs WHERE run_id = ?1",  # noqa: S608
            lease.run_id,
        )
        if not found or found[0][0] != lease.epoch:
            return self._lost(lease)
        return JournalError(
            f"run {lease.run_id}: sequence {first} does not follow the last one, {found[0][1]}"
        )


def _refuse_if_held(
    run_id: str, holder: EngineIdentity | None, expires: float | None, now: float
) -> None:
    if holder is None:
        return
    dead = is_dead(holder)
    if dead is False:
        raise RunBusy(f"run {run_id} is being run by process {holder.pid}")
    if dead is None and expires is not None and expires > now:
        raise RunBusy(
            f"run {run_id} is held by process {holder.pid} of another host or boot; unless that "
            f"renews it, the lease ends in {expires - now:.0f} s",
            expires - now,
        )
