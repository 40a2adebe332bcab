"""Named locks over all engines: who stands where in which queue.

A claim queues for all its names under one ticket and holds them when no older claim of a
live engine wants any of them. Holding is derived, never stored, so a claim whose engine
died stops counting at that instant, and tickets in one order rule deadlocks out.
"""

from __future__ import annotations

from collections.abc import Sequence

from stoker.journal import rows
from stoker.journal.base import EngineIdentity
from stoker.journal.identity import is_dead
from stoker.journal.session import Session

_QUEUE = """
    SELECT c.ticket, c.run_id, c.step_id, r.engine, r.lease_expires_at
    FROM lock_claims c JOIN runs r ON r.run_id = c.run_id
    WHERE c.name IN (SELECT name FROM lock_claims WHERE run_id = ?1 AND step_id = ?2)
    ORDER BY c.ticket"""


async def enqueue(session: Session, run_id: str, step_id: str, names: Sequence[str]) -> None:
    """Queue a step for all of `names`; it keeps its place if it stands there already."""
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


async def blockers(session: Session, run_id: str, step_id: str) -> dict[EngineIdentity, float]:
    """Live engines with an older claim on one of the step's names, and the seconds their
    leases have left; claims of dead engines are removed on the way."""
    now = await session.now()
    blockers: dict[EngineIdentity, float] = {}
    for _, other_run, other_step, engine, expires in await session.fetch(_QUEUE, run_id, step_id):
        if (other_run, other_step) == (run_id, step_id):
            break
        holder = rows.decode_engine(engine)
        if holder is not None and holder not in blockers:
            dead = is_dead(holder)
            if dead or (dead is None and expires <= now):
                holder = None
        if holder is None:
            await session.fetch("DELETE FROM lock_claims WHERE run_id = ?1", other_run)
        else:
            blockers[holder] = expires - now
    return blockers


async def drop(session: Session, run_id: str, step_id: str | None = None) -> None:
    """Give up a step's claim, or every claim of the run, and wake who waits for the names."""
    freed = await session.fetch(
        "DELETE FROM lock_claims WHERE run_id = ?1 "
        "AND (CAST(?2 AS TEXT) IS NULL OR step_id = ?2) RETURNING name",
        run_id,
        step_id,
    )
    await _wake_waiters(session, freed)


async def _wake_waiters(session: Session, freed: Sequence[rows.Row]) -> None:
    if not freed:
        return
    marks = ", ".join(f"?{n}" for n in range(1, len(freed) + 1))
    waiting = await session.fetch(
        "SELECT DISTINCT r.engine FROM lock_claims c JOIN runs r ON r.run_id = c.run_id "  # noqa: S608
        f"WHERE r.engine IS NOT NULL AND c.name IN ({marks})",
        *(name for (name,) in freed),
    )
    engines = [rows.decode_engine(engine) for (engine,) in waiting]
    await session.wake([engine.engine_id for engine in engines if engine is not None])
