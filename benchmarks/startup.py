"""What stands between pressing return and the first step: imports and start-up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Bench, Case
from benchmarks.peers import MAKE, NINJA, OTHERS, PYTHON, STOKERS
from benchmarks.shapes import independent
from benchmarks.table import Row, at_most

_LIMIT_MS = 150
_ROUNDS = 11


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """A plan of one step from the shell, and `import stoker` beyond bare Python."""
    rounds = 2 if quick else _ROUNDS
    peers = (NINJA, MAKE, *STOKERS[:2], *(() if quick else OTHERS))
    shape = independent(1)
    found = bench.interleave(shape.name, [peer.case(shape, 2) for peer in peers], rounds=rounds)
    rows = []
    for name, samples in found.items():
        wall = samples.median("wall") * 1e3
        goal = at_most("", wall, _LIMIT_MS, " ms") if name == "stoker" else ("", None)
        rows.append(
            Row(
                measure="1 step, from the shell",
                who=name,
                value=wall,
                unit="ms",
                cpu=samples.median("cpu"),
                peak=samples.median("peak") / 1e6,
                goal=goal[0],
                met=goal[1],
            )
        )
    return [*rows, *_imports(bench, rounds)]


def _imports(bench: Bench, rounds: int) -> list[Row]:
    def program(code: str) -> Case:
        def prepare(folder: Path) -> Sequence[str | Path]:
            return [PYTHON, "-c", code]

        return Case(code, prepare)

    codes = ("pass", "import asyncio", "import stoker", "import stoker; stoker.run")
    found = bench.interleave("imports", [program(code) for code in codes], rounds=rounds)
    bare = found["pass"].median("wall") * 1e3
    rows = []
    for code in codes[1:]:
        beyond = found[code].median("wall") * 1e3 - bare
        goal = at_most("", beyond, _LIMIT_MS, " ms") if code == codes[-1] else ("", None)
        rows.append(
            Row(
                measure="import, beyond bare Python",
                who=code.removeprefix("import stoker; "),
                value=beyond,
                unit="ms",
                goal=goal[0],
                met=goal[1],
            )
        )
    return rows
