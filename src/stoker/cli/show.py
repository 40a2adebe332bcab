"""`stoker show`: where a run stands."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Final

from stoker.cli.context import Context, UsageError
from stoker.cli.exit_codes import SUCCEEDED
from stoker.cli.output import (
    Output,
    cells,
    one_line,
    padded,
    plural,
    printable,
    seconds,
    status_style,
)
from stoker.cli.plain_view import log_tail
from stoker.cli.standing import hints, word
from stoker.engine.view import RunView, Standing, StepView, read_run, schema, view
from stoker.plan.suggest import did_you_mean

_STEPS: Final = 100
"""Steps shown of a large run."""
_FAILURES: Final = 10
_ORDER: Final = {
    status: place
    for place, status in enumerate(
        ("failed", "quarantined", "waiting", "running", "canceled", "pending", "skipped")
    )
}
"""Which steps of a large run are worth a line."""


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker show`."""
    parser.add_argument(
        "run", nargs="?", default="last", metavar="RUN", help="id or its beginning (last)"
    )
    parser.add_argument("--step", metavar="ID", help="all about one step")
    parser.add_argument("--all", action="store_true", help="every step, also of a large run")
    parser.add_argument("--json", action="store_true", help="the documented, versioned format")
    parser.add_argument("--schema", action="store_true", help="the JSON Schema of --json")
    parser.epilog = (
        "examples:\n"
        "  stoker show last\n"
        "  stoker show last --json | jq '.steps[] | select(.status == \"failed\")'\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Print where a run stands."""
    output = context.output
    if args.schema:
        output.json(schema())
        return SUCCEEDED
    async with context.journal() as journal:
        row = await context.find_run(journal, args.run)
        standing = await read_run(journal, row.run_id)
    document = view(standing)
    if args.step is not None:
        step = document.steps[step_index(standing, args.step)]
        if args.json:
            output.json(step)
        else:
            _one(step, output)
        return SUCCEEDED
    if args.json:
        output.json(document)
    else:
        _summary(standing, document, context, everything=args.all)
    return SUCCEEDED


def step_index(standing: Standing, step_id: str) -> int:
    """Where a run has a step. Raises `UsageError` if it has none of that id."""
    index = standing.state.graph.index.get(step_id)
    if index is None:
        hint = did_you_mean(step_id, standing.state.graph.ids)
        raise UsageError(f"no step {step_id!r} in run {standing.row.run_id}{hint}")
    return index


def _summary(standing: Standing, document: RunView, context: Context, *, everything: bool) -> None:
    output = context.output
    _head(standing, document, output)
    steps = _families(document.steps)
    if not everything and len(steps) > _STEPS:
        steps = [step for step in steps if step.status in _ORDER]
        steps = sorted(steps, key=lambda step: _ORDER[step.status])[:_STEPS]
    output.line()
    width = min(40, max((cells(step.id) + 2 for step in steps), default=0))
    now = time.time()
    for step in steps:
        _row(standing, step, width, now, output)
    if len(steps) < len(document.steps):
        output.line(f"... and {len(document.steps) - len(steps)} more (--all shows every step)")
    failed = [step for step in document.steps if step.status in ("failed", "quarantined")]
    # A foreach failed because of its children: theirs are the logs to look at.
    told = [step for step in failed if step.attempts] or failed
    for step in told[:_FAILURES]:
        _failure(step, output)
    if len(told) > _FAILURES:
        output.line(f"\n... and {len(told) - _FAILURES} more failed")
    found = hints(standing, document, context)
    if document.status == "failed":
        found = [f"again from what failed: {context.hint('rerun', document.run_id, '--failed')}"]
    if found:
        output.line()
        for hint in found:
            output.line(hint)


def _families(steps: list[StepView]) -> list[StepView]:
    """Each expanded step followed by its children."""
    children: dict[str | None, list[StepView]] = {}
    for step in steps:
        children.setdefault(step.parent, []).append(step)
    return [
        member for step in children.get(None, ()) for member in (step, *children.get(step.id, ()))
    ]


def _head(standing: Standing, document: RunView, output: Output) -> None:
    state = standing.state
    status = word(standing, document)
    words = [f"run {document.run_id}", output.style(status, *status_style(status))]
    if state.started_at is not None:
        if state.finished_at is not None:
            words.append(f"in {seconds(state.finished_at - state.started_at)}")
        elif document.activity == "live":
            words.append(f"for {seconds(time.time() - state.started_at)}")
    output.line(" ".join(words))
    output.line(f"plan {one_line(document.plan_id)} (version {one_line(document.plan_version)})")
    if document.started_at is not None:
        output.line(f"started {document.started_at}")
    if document.parent_run_id is not None:
        output.line(f"part of run {document.parent_run_id}, step {document.parent_step_id}")
    if document.reason:
        output.line(f"reason: {printable(document.reason)}")
    counts = Counter(step.status for step in document.steps)
    shown = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    output.line(f"{plural(len(document.steps), 'step')}: {shown}" if shown else "no steps")


def _row(standing: Standing, step: StepView, width: int, now: float, output: Output) -> None:
    rows = standing.attempts.get(step.id, ())
    took = ""
    if rows:
        end = rows[-1].finished_at
        took = seconds((now if end is None else end) - rows[0].started_at)
    status = output.style(f"{step.status:<11}", *status_style(step.status))
    label = f"  {one_line(step.id)}" if step.parent is not None else one_line(step.id)
    words = f"  {status} {padded(label, width)} {took:>10}"
    if len(rows) > 1:
        words += f"  {len(rows)} attempts"
    if step.reason:
        words += f"  {one_line(step.reason)}"
    output.line(words.rstrip())


def _failure(step: StepView, output: Output) -> None:
    output.line()
    output.line(f"{output.style(one_line(step.id), 'bold')}: {printable(step.reason or '')}")
    if step.attempts:
        attempt = step.attempts[-1]
        _log("", output, attempt.stderr_path, attempt.stdout_path)


def _log(label: str, output: Output, *paths: str | None) -> None:
    """The last lines of the first of these logs that has any."""
    path, lines = log_tail(*paths)
    if lines:
        output.line(output.style(f"  {label}{path}", "dim"))
    for line in lines:
        output.line(f"  | {line}")


def _one(step: StepView, output: Output) -> None:
    name = f" ({one_line(step.name)})" if step.name else ""
    output.line(f"step {one_line(step.id)}{name}")
    output.line(f"status: {output.style(step.status, *status_style(step.status))}")
    if step.reason:
        output.line(f"reason: {printable(step.reason)}")
    if step.approval is not None:
        output.line(f"asks: {one_line(step.approval.prompt) or 'for approval'}")
    for key, value in step.outputs.items():
        output.line(f"output {key}: {printable(str(value))}")
    for attempt in step.attempts:
        status = output.style(attempt.status, *status_style(attempt.status))
        code = f", exit code {attempt.exit_code}" if attempt.exit_code is not None else ""
        output.line(f"attempt {attempt.number}: {status}{code}")
        output.line(f"  {attempt.started_at} to {attempt.finished_at or 'now'}")
        if attempt.error:
            output.line(f"  {printable(attempt.error)}")
        _log("stdout ", output, attempt.stdout_path)
        _log("stderr ", output, attempt.stderr_path)
