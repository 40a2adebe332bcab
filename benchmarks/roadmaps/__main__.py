"""`python -m benchmarks.roadmaps`: how far a tick can be trusted.

The truth is hidden tests and equality of bytes, never the executor. Agents are policies behind
real HTTP; files, git, tests and the executor are real.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.roadmaps import hosts, people
from benchmarks.roadmaps.campaign import Cell, run
from benchmarks.roadmaps.corpus import ITEMS
from benchmarks.roadmaps.interval import wilson
from benchmarks.roadmaps.item import Item
from benchmarks.roadmaps.policies import FAULTS, PROVIDER, Agent

_COLUMNS = (
    *("agent or fault", "done", "true success", "95%", "false done", "95%", "false reject"),
    *("at try 1", "2", "3", "unheard", "user's tree", "file", "done once", "s"),
)


def main() -> int:
    """Print the table; 1 if something was called done that is not, or something was harmed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roadmaps", description=__doc__)
    parser.add_argument("--items", type=int, default=len(ITEMS), help="of the corpus, spread")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="rows of the table")
    parser.add_argument("--seeds", type=int, default=5, help="of kills at random instants")
    parser.add_argument("--parallel", type=int, default=2, help="tasks at once")
    parser.add_argument("--output", type=Path, help="write the table there too")
    given = parser.parse_args()
    items = ITEMS[:: max(1, len(ITEMS) // given.items)][: given.items]
    rows = _rows(items, given.parallel, given.seeds)
    if unknown := set(given.only or ()) - rows.keys():
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    table, ok = Table(*_COLUMNS, title=f"{len(items)} tasks"), True
    for name, measure in rows.items():
        if given.only is None or name in given.only:
            began = time.monotonic()
            for cell in measure():
                row = (*_row(cell), f"{time.monotonic() - began:.0f}")
                table.add_row(*row)
                Console(stderr=True, width=200).print("|", " | ".join(row), "|")
                ok &= cell.sound
                began = time.monotonic()
    Console(width=200).print(table)
    if given.output:
        with given.output.open("w") as file:
            Console(file=file, width=200).print(table)
    return 0 if ok else 1


def _rows(
    items: tuple[Item, ...], parallel: int, seeds: int
) -> dict[str, Callable[[], Iterator[Cell]]]:
    agents = {
        "oracle": Agent,
        "does nothing": lambda: Agent(null="nothing"),
        "always claims": lambda: Agent(null="claims"),
        **{name: lambda name=name: Agent(fault=name) for name in (*FAULTS, "loops")},
        **{f"provider: {one}": lambda one=one: Agent(provider=one) for one in PROVIDER},
    }
    options = ("--parallel", str(parallel))
    few = items[:: max(1, len(items) // 6)][:6]

    def campaign(name: str) -> Callable[[], Iterator[Cell]]:
        return lambda: iter([run(name, items, agents[name](), options=options)])

    def disk() -> Iterator[Cell]:
        if (cell := hosts.full_disk(few[:3])) is not None:
            yield cell

    return {
        **{name: campaign(name) for name in agents},
        "edited": lambda: iter([people.edited(few)]),
        "switched": lambda: iter([people.switched(few)]),
        "two executors": lambda: iter([hosts.two_executors(few)]),
        "full disk": disk,
        "killed": lambda: (hosts.killed(few, 1 + seed) for seed in range(seeds)),
        "killed everywhere": lambda: iter([hosts.killed_everywhere(few[:1])]),
        "rollback": lambda: iter([hosts.rolled_back(few)]),
        "again": lambda: iter([_again(few)]),
    }


def _again(items: tuple[Item, ...]) -> Cell:
    """The same agents at the same items come to the same, whatever the time and the order of
    what goes on side by side. Raises RuntimeError."""
    name = "half an edit"
    one, other = (
        run("the same again", items, Agent(fault=name), options=("--parallel", parallel))
        for parallel in ("1", "2")
    )
    if one != other:
        raise RuntimeError(f"not the same: {one} and {other}")
    return one


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
        *(str(sum(o.right and o.tries <= budget for o in done)) for budget in (1, 2, 3)),
        str(cell.unheard),
        "intact" if cell.intact else "HARMED",
        "exact" if cell.minimal else "WRONG",
        "yes" if cell.once else "NO",
    )


def _interval(hits: int, trials: int) -> str:
    low, high = wilson(hits, trials)
    return f"{low:.0%}-{high:.0%}"


if __name__ == "__main__":
    sys.exit(main())
