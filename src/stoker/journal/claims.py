"""Named locks over all engines: who stands where in which queue.

A claim queues for all its names under one ticket and holds them when it stands first in
every queue. Holding is derived, never stored, and tickets in one order rule deadlocks out.
A claim counts while its run's engine lives, and after that while processes of its step do:
what was kept to be adopted, and what a killed engine left behind. They are looked for on
this host only.
"""

from __future__ import annotations

from collections.abc import Sequence

from stoker.journal import rows
from stoker.journal.attempts import current
from stoker.journal.base import EngineIdentity
from stoker.journal.identity import is_dead, survivors
from stoker.journal.projection import STATUS
from stoker.journal.session import Session

Blockers = dict[EngineIdentity, float]
"""Processes that must end before a lock can be free, and the seconds their leases have left."""

_HEADS = """
    SELECT c.name, c.run_id, c.step_id, r.engine, r.lease_expires_at
    FROM (
        SELECT name, MIN(ticket) AS ticket FROM lock_claims
        WHERE name IN (
            SELECT name FROM lock_claims
            WHERE run_id = ?1 AND (CAST(?2 AS TEXT) IS NULL OR step_id = ?2))
        GROUP BY name
    ) first
    JOIN lock_claims c ON c.name = first.name AND c.ticket = first.ticket
    JOIN runs r ON r.run_id = c.run_id"""
_DELETE = "DELETE FROM lock_claims WHERE run_id = ?1 AND (CAST(?2 AS TEXT) IS NULL OR step_id = ?2)"


async def enqueue(session: Session, run_id: str, step_id: str, names: Sequence[str]) -> None:
    """Queue a step for all of `names`; it keeps its place if it stands there already."""
    names = [rows.text(name) for name in names]
    claimed = await session.fetch(
        "SELECT name FROM lock_claims WHERE run_id = ?1 AND step_id = ?2", run_id, step_id
    )
    if {name for (name,) in claimed} == set(names):
        return
    await drop(session, run_id, step_id)
    (last,) = (await session.fetch("SELECT COALESCE(MAX(ticket), 0) FROM lock_claims"))[0]
    for name in sorted(set(names)):
        await session.fetch(
            "INSERT INTO lock_claims (name, run_id, step_id, ticket) VALUES (?1, ?2, ?3, ?4)",
            name,
            run_id,
            step_id,
            last + 1,
        )


async def blockers(session: Session, run_id: str, step_id: str) -> Blockers:
    """Who stands first in the step's queues before it; nobody if it holds all its names."""
    return {
        process: lease_sec
        for claim, processes in (await _heads(session, run_id, step_id)).values()
        if claim != (run_id, step_id)
        for process, lease_sec in processes.items()
    }


async def blocked(session: Session, run_id: str) -> tuple[set[str], Blockers]:
    """The run's steps that stand behind others in some queue, and whom they wait for."""
    heads = await _heads(session, run_id, None)
    claims = await session.fetch("SELECT name, step_id FROM lock_claims WHERE run_id = ?1", run_id)
    waiting = {step for name, step in claims if heads[name][0] != (run_id, step)}
    return waiting, {
        process: lease_sec
        for _, processes in heads.values()
        for process, lease_sec in processes.items()
    }


async def _heads(
    session: Session, run_id: str, step_id: str | None
) -> dict[str, tuple[tuple[str, str], Blockers]]:
    """By name, for all names the step (or the run) queues for: the claim that holds it, as
    `(run_id, step_id)`, and its processes. Claims that do not count any more are removed."""
    now = await session.now()
    while True:
        heads = {}
        stale = set()
        for name, *claim, engine, expires in await session.fetch(_HEADS, run_id, step_id):
            run, step = claim
            processes = _living(rows.decode_engine(engine), expires, now)
            if not processes and step in await _under_way(session, run):
                processes = dict.fromkeys(survivors(run, step), 0.0)
            if not processes:
                stale.add((run, step))
            heads[name] = ((run, step), processes)
        if not stale:
            return heads
        for run, step in stale:
            await session.fetch(_DELETE, run, step)


def _living(engine: EngineIdentity | None, expires: float | None, now: float) -> Blockers:
    if engine is None or expires is None:
        return {}
    dead = is_dead(engine)
    return {} if dead or (dead is None and expires <= now) else {engine: expires - now}


async def _under_way(session: Session, run_id: str) -> set[str]:
    attempts = await current(session.fetch, run_id)
    return {row[1] for row in attempts.values() if row[STATUS] in ("starting", "running")}


async def inherit(session: Session, run_id: str) -> None:
    """The run has a new engine: of its claims only those of steps still at work go over."""
    found = "SELECT DISTINCT step_id FROM lock_claims WHERE run_id = ?1"
    if not await session.fetch(found, run_id):
        return
    await session.lock_claims()
    under_way = await _under_way(session, run_id)
    for (step,) in await session.fetch(found, run_id):
        if step not in under_way or not survivors(run_id, step):
            await drop(session, run_id, step)


async def let_go(session: Session, run_id: str) -> None:
    """The run's engine is done with it: claims of steps that may still be at work stay, and
    who waits for them is woken, to wait for these processes from now on."""
    names = await session.fetch("SELECT DISTINCT name FROM lock_claims WHERE run_id = ?1", run_id)
    if not names:
        return
    under_way = await _under_way(session, run_id)
    for (step,) in await session.fetch(
        "SELECT DISTINCT step_id FROM lock_claims WHERE run_id = ?1", run_id
    ):
        if step not in under_way:
            await session.fetch(_DELETE, run_id, step)
    await _wake_waiters(session, names)


async def drop(session: Session, run_id: str, step_id: str | None = None) -> None:
    """Give up a step's claim, or every claim of the run, and wake who waits for the names."""
    freed = await session.fetch(
        f"{_DELETE} RETURNING name",
        run_id,
        step_id,
    )
    await _wake_waiters(session, freed)


async def _wake_waiters(session: Session, freed: Sequence[rows.Row]) -> None:
    if not freed:
        return
    marks = ", ".join(f"?{n}" for n in range(1, len(freed) + 1))
    await wake(
        session,
        "SELECT DISTINCT r.engine FROM lock_claims c JOIN runs r ON r.run_id = c.run_id "  # noqa: S608
        f"WHERE r.engine IS NOT NULL AND c.name IN ({marks})",
        *(name for (name,) in freed),
    )


async def wake(session: Session, sql: str, *args: str) -> None:
    """Wake the engines that a query selects."""
    engines = [rows.decode_engine(engine) for (engine,) in await session.fetch(sql, *args)]
    await session.wake({engine.engine_id for engine in engines if engine is not None})
