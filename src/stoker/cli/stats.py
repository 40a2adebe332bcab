"""`stoker stats`: where the time of a run, or of a plan's runs, went."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from msgspec import Struct

from stoker.cli import given
from stoker.cli.context import Context, UsageError
from stoker.cli.exit_codes import SUCCEEDED
from stoker.cli.output import Output, one_line, plural, seconds
from stoker.engine.stats import PlanStats, RunStats, Spread, plan_stats, run_stats
from stoker.engine.view import Standing, read_run
from stoker.journal.base import Journal

_SLOWEST = 10
_PATH = 40
"""Steps of a critical path that are printed."""


class Stats(Struct, frozen=True):
    """What `stoker stats --json` prints. Durations are in seconds."""

    run: RunStats | None
    plan: PlanStats


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker stats`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("run", nargs="?", metavar="RUN", help="id or its beginning (last)")
    what.add_argument("--plan", metavar="PLAN_ID", help="the runs of a plan, not one run")
    parser.add_argument(
        "--runs",
        type=given.at_least(1),
        default=20,
        metavar="N",
        help="look at the plan's last N runs (20)",
    )
    parser.add_argument("--gantt", metavar="FILE.svg", help="draw the run as an SVG picture")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.epilog = "examples:\n  stoker stats last --gantt run.svg\n  stoker stats --plan build\n"


async def run(args: argparse.Namespace, context: Context) -> int:
    """Print times; draw them with `--gantt`."""
    output = context.output
    async with context.journal() as journal:
        if args.plan is not None:
            if args.gantt:
                raise UsageError("--gantt draws one run, so it does not go with --plan")
            one = None
            plan = await plan_stats(journal, args.plan, limit=args.runs)
            if not plan.runs:
                raise UsageError(f"no run of plan {args.plan!r} is over")
        else:
            one = await _run(args, context, journal)
            plan = await plan_stats(journal, one.plan_id, limit=args.runs)
    if args.json:
        output.json(Stats(one, plan))
        return SUCCEEDED
    if one is not None:
        _print_run(one, output)
    _print_plan(plan, output)
    return SUCCEEDED


async def _run(args: argparse.Namespace, context: Context, journal: Journal) -> RunStats:
    from stoker.engine.engine import processors

    row = await context.find_run(journal, args.run or "last")
    standing = await read_run(journal, row.run_id)
    width = row.options.get("max_concurrency") or standing.state.plan.globals.max_concurrency
    now = time.time()
    stats = run_stats(standing, now=now, width=width or processors(), slowest=_SLOWEST)
    if args.gantt:
        _draw(args.gantt, standing, stats, now)
        context.output.note(f"wrote {args.gantt}")
    return stats


def _draw(file: str, standing: Standing, stats: RunStats, now: float) -> None:
    from stoker.cli.gantt import gantt

    critical = {step.id for step in stats.critical_path}
    Path(file).write_text(gantt(standing, critical, now=now), "utf-8")


def _print_run(stats: RunStats, output: Output) -> None:
    line = output.line
    line(f"run {stats.run_id} {stats.status} in {seconds(stats.elapsed_sec)}")
    line(
        f"{plural(stats.steps, 'step')}, {plural(stats.attempts, 'attempt')}, "
        f"{stats.retries} {'retry' if stats.retries == 1 else 'retries'}"
    )
    use = f", {stats.utilisation:.0%} of {stats.width}" if stats.utilisation is not None else ""
    line(
        f"{seconds(stats.busy_sec)} of work; at once: {stats.mean_parallel:.1f} on average, "
        f"{stats.peak_parallel} at most{use}"
    )
    if stats.critical_path:
        line()
        line(f"critical path ({seconds(stats.critical_path_sec)}):")
        for step in stats.critical_path[:_PATH]:
            waited = f"  after waiting {seconds(step.waited_sec)}" if step.waited_sec > 0.05 else ""
            line(f"  {seconds(step.seconds):>12}  {one_line(step.id)}{waited}")
        if len(stats.critical_path) > _PATH:
            line(f"  ... and {len(stats.critical_path) - _PATH} more (--json has all)")
        line()
        line("slowest steps:")
        for step in stats.slowest:
            again = f"  {step.attempts} attempts" if step.attempts > 1 else ""
            line(f"  {seconds(step.seconds):>12}  {one_line(step.id)}  {step.status}{again}")
    line()


def _print_plan(stats: PlanStats, output: Output) -> None:
    line = output.line
    if not stats.runs:
        line(f"no run of plan {one_line(stats.plan_id)} is over yet")
        return
    counts = ", ".join(f"{count} {status}" for status, count in stats.by_status.items())
    line(f"plan {one_line(stats.plan_id)}, last {stats.runs} finished runs: {counts}")
    if stats.duration is not None:
        line(f"a run that succeeds takes {_spread(stats.duration)}")
    line(f"  {'min':>12}{'median':>12}{'p95':>12}{'max':>12}  retries failures  step")
    for step in stats.steps[:_SLOWEST]:
        d = step.duration
        times = (d.min, d.median, d.p95, d.max) if d is not None else ()
        columns = "".join(f"{seconds(value):>12}" for value in times) or " " * 48
        line(f"  {columns}  {step.retries:>7} {step.failures:>8}  {one_line(step.id)}")
    if len(stats.steps) > _SLOWEST:
        line(f"  ... and {len(stats.steps) - _SLOWEST} faster steps (--json has all)")


def _spread(spread: Spread) -> str:
    return (
        f"{seconds(spread.median)} at the median ({seconds(spread.min)} to {seconds(spread.max)}, "
        f"p95 {seconds(spread.p95)})"
    )
