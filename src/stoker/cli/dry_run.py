"""`stoker run --dry-run`: what would run, in which order; nothing is run or written."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stoker.cli import exit_codes
from stoker.cli.context import Context
from stoker.cli.output import cells, padded, plural, printable

if TYPE_CHECKING:
    from stoker.plan.loader import LoadedPlan


def show(args: Namespace, context: Context, loaded: LoadedPlan, inputs: Mapping[str, Any]) -> int:
    """Print the waves with each step's command, inputs filled in, secrets masked. Raises
    `PlanError` for inputs that are wrong."""
    from stoker.plan.drawing import action
    from stoker.plan.inputs import resolve

    resolved = resolve(loaded.plan, inputs)
    shown = {n: "***" if n in resolved.secrets else v for n, v in resolved.values.items()}
    # There is no run yet: its id is shown as written.
    run = {"id": "${{ run.id }}", "plan_dir": loaded.directory or str(context.cwd)}
    scope = {"inputs": shown, "run": run}
    steps = loaded.plan.steps
    waves = [[steps[index] for index in wave] for wave in loaded.graph.waves()]
    if args.json:
        document = [[{"id": s.id, "action": action(s, scope)} for s in wave] for wave in waves]
        context.output.json({"plan_id": loaded.plan.plan_id, "waves": document})
        return exit_codes.SUCCEEDED
    for number, wave in enumerate(waves, start=1):
        context.output.line(context.output.style(f"wave {number}", "bold"))
        width = min(30, max(cells(step.id) for step in wave))
        for step in wave:
            context.output.line(f"  {padded(step.id, width)}  {printable(action(step, scope))}")
    context.output.line(f"{plural(len(steps), 'step')}; nothing was run")
    return exit_codes.SUCCEEDED
