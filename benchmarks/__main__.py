"""Every measure of Stoker in one table, beside its peers and the floors.

    python -m benchmarks [--quick] [--only NAME ...] [--rounds N] [--output FILE]
    python -m benchmarks profile [--steps N] [--width N]

Peers are installed into `.venv-bench` on the first run. Programs run one after the other,
interleaved, on 2 cores, each in a fresh directory; times are medians of whole processes and
ratios are medians of the ratios within a round. The first run takes about half an hour.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    agent,
    attempts,
    chains,
    environment,
    floors,
    graphs,
    handover,
    lines,
    many,
    plan_files,
    profile,
    resume,
    roadmap_context,
    roadmap_run,
    scale,
    server,
    startup,
)
from benchmarks.measure import CORES, Bench, use_cores
from benchmarks.table import Row, render

MEASURES: dict[str, Callable[..., list[Row]]] = {
    "startup": startup.measure,
    "handover": handover.measure,
    "lines": lines.measure,
    "floors": floors.measure,
    "graphs": graphs.measure,
    "many": many.measure,
    "resume": resume.measure,
    "attempts": attempts.measure,
    "server": server.measure,
    "scale": scale.measure,
    "agent": agent.measure,
    "chains": chains.measure,
    "roadmaps": plan_files.measure,
    "roadmap-context": roadmap_context.measure,
    "roadmap-run": roadmap_run.measure,
}

_ALONE = set(MEASURES) - {"startup", "graphs", "scale"}
"""These need no peers."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("what", nargs="?", choices=("measure", "profile"), default="measure")
    add("--quick", action="store_true", help="tiny sizes, one round: does it work at all?")
    add("--only", nargs="+", choices=MEASURES, metavar="NAME", help=f"of {', '.join(MEASURES)}")
    add("--rounds", type=int, default=3)
    add("--output", type=Path, metavar="FILE", help="write the table there too")
    add("--keep", action="store_true", help="leave the files of the runs where they are")
    add("--directory", type=Path, help="where to run (default: the system's temporary directory)")
    add("--steps", type=int, default=10_000, help="of the profiled run")
    add("--width", type=int, default=2, help="of the profiled run")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for; returns the exit status."""
    options = _arguments()
    use_cores()
    folder = Path(tempfile.mkdtemp(prefix="stoker-bench-", dir=options.directory))
    try:
        if options.what == "profile":
            print(profile.profile(folder, options.steps, options.width))
            return 0
        bench = Bench(folder, 1 if options.quick else options.rounds)
        rows: list[Row] = []
        names = options.only or list(MEASURES)
        if not _ALONE.issuperset(names):
            environment.ensure()
        for name in names:
            rows += MEASURES[name](bench, quick=options.quick)
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    machine = f"{CORES} cores, Linux {platform.release()}, Python {platform.python_version()}"
    text = f"{machine}\n\n{render(rows)}"
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
