"""What was spent, from the journal, and whether more may be."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from stoker.roadmaps.bench import Bench
from stoker.roadmaps.settings import Budget, Options
from stoker.roadmaps.standing import of_roadmaps
from stoker.roadmaps.tries import Try

_DAY_SEC = 86_400.0


async def overspent(bench: Bench, run_id: str, budget: Budget) -> str | None:
    """Why no more tries may begin; None: they may."""
    if budget == Budget():
        return None
    run = await bench.standing(run_id)
    tries = [one for unit in run.units for one in unit.tries if one.began]
    if budget.iterations is not None and len(tries) >= budget.iterations:
        return f"the run's budget of {budget.iterations} tries is used up"
    if budget.seconds is not None and time.time() - run.created >= budget.seconds:
        return f"the run's time of {budget.seconds:g} s is over"
    if (why := _over(tries, budget.tokens, budget.cost_usd, "run")) is not None:
        return why
    if budget.day_tokens is None and budget.day_cost_usd is None:
        return None
    today = time.time() // _DAY_SEC * _DAY_SEC
    of_day = [one for one in await _recent(bench, today) if (one.ended or one.began) >= today]
    return _over(of_day, budget.day_tokens, budget.day_cost_usd, "day")


def spent_on(tries: Sequence[Try], options: Options) -> str | None:
    """Why a task may not be tried again; None: it may."""
    return _over(tries, options.tokens, options.cost_usd, "task")


async def _recent(bench: Bench, since: float) -> list[Try]:
    found: list[Try] = []
    async for row in of_roadmaps(bench.journal):
        if row.finished_at is None or row.finished_at >= since:
            run = await bench.standing(row.run_id)
            found += (one for unit in run.units for one in unit.tries)
    return found


def _over(
    tries: Iterable[Try], tokens: int | None, cost_usd: float | None, whose: str
) -> str | None:
    used, cost = 0, 0.0
    for one in tries:
        used, cost = used + one.tokens, cost + one.cost_usd
    if tokens is not None and used >= tokens:
        return f"the {whose}'s budget of {tokens} tokens is used up: {used} were used"
    if cost_usd is not None and cost >= cost_usd:
        return f"the {whose}'s budget of ${cost_usd:g} is used up: ${cost:.4f} was spent"
    return None
