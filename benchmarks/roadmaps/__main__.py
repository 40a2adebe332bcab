"""`python -m benchmarks.roadmaps`: how far a tick can be trusted.

The truth is hidden tests and equality of bytes, never the executor. Agents are policies behind
real HTTP; files, git, tests and the executor are real.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.roadmaps.campaign import Cell, run
from benchmarks.roadmaps.corpus import ITEMS
from benchmarks.roadmaps.hosts import disturbed, killed, rolled_back
from benchmarks.roadmaps.interval import wilson
from benchmarks.roadmaps.item import Item
from benchmarks.roadmaps.policies import FAULTS, PROVIDER, Agent


def main() -> int:
    """Print the table; 1 if something was called done that is not, or something was harmed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roadmaps", description=__doc__)
    parser.add_argument("--items", type=int, default=len(ITEMS), help="of the corpus, spread")
    parser.add_argument("--only", nargs="+", metavar="AGENT", help="rows of the table")
    parser.add_argument("--kills", type=int, default=5, metavar="RUNS", help="killed and resumed")
    parser.add_argument("--seed", type=int, default=1, help="of the kills")
    parser.add_argument("--parallel", type=int, default=2, help="tasks at once")
    parser.add_argument("--output", type=Path, help="write the table there too")
    given = parser.parse_args()
    items = ITEMS[:: max(1, len(ITEMS) // given.items)][: given.items]
    table, ok = Table(title=f"{len(items)} tasks", show_lines=False), True
    for name in (
        *("agent", "done", "true success", "95%", "false done", "95%", "false reject"),
        *("at try 2", "at try 3", "user's tree", "file", "s"),
    ):
        table.add_column(name, no_wrap=True)
    for cell, seconds in _cells(items, given):
        table.add_row(*_row(cell), f"{seconds:.0f}")
        ok &= _sound(cell)
        Console(stderr=True).print(*_row(cell), f"{seconds:.0f} s")
    if given.only is None or "rollback" in given.only:
        exact = rolled_back(items[:6])
        table.add_row("rollback of all", "", "", "", "", "", "", "", "", "exact" if exact else "NO")
        ok &= exact
    console = Console(width=180)
    console.print(table)
    if given.output:
        with given.output.open("w") as file:
            Console(file=file, width=180).print(table)
    return 0 if ok else 1


def _cells(items: tuple[Item, ...], given: argparse.Namespace) -> Iterator[tuple[Cell, float]]:
    agents = {
        "oracle": Agent(),
        "does nothing": Agent(null="nothing"),
        "always claims": Agent(null="claims"),
        **{name: Agent(fault=name) for name in (*FAULTS, "loops")},
        **{f"provider: {name}": Agent(provider=name) for name in PROVIDER},
    }
    options = ("--parallel", str(given.parallel))
    for name, agent in agents.items():
        if given.only is None or name in given.only:
            began = time.monotonic()
            yield run(name, items, agent, options=options), time.monotonic() - began
    if given.only is None or "edited" in given.only:
        began = time.monotonic()
        yield disturbed(items[:6]), time.monotonic() - began
    if given.only is None or "killed" in given.only:
        for number in range(given.kills):
            began = time.monotonic()
            found = killed(items[:6], given.seed + number)
            if found.twice:
                raise SystemExit(f"done twice after {found.kills} kills: {found.twice}")
            yield found.cell, time.monotonic() - began


def _sound(cell: Cell) -> bool:
    return cell.intact and cell.minimal and not any(o.false_done for o in cell.outcomes)


def _row(cell: Cell) -> tuple[str, ...]:
    total = len(cell.outcomes)
    done = [o for o in cell.outcomes if o.status == "done"]
    right = [o for o in done if o.right]
    false = sum(o.false_done for o in cell.outcomes)
    return (
        cell.name,
        f"{len(done)}/{total}",
        f"{len(right) / total:.0%}",
        _interval(len(right), total),
        str(false),
        _interval(false, total),
        str(sum(o.false_reject for o in cell.outcomes)),
        str(sum(o.right and o.tries <= 2 for o in done)),
        str(sum(o.right and o.tries <= 3 for o in done)),
        "intact" if cell.intact else "HARMED",
        "exact" if cell.minimal else "WRONG",
    )


def _interval(hits: int, trials: int) -> str:
    low, high = wilson(hits, trials)
    return f"{low:.0%}-{high:.0%}"


if __name__ == "__main__":
    sys.exit(main())
