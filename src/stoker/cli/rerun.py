"""`stoker rerun`: a new run that reuses what an earlier one achieved."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from stoker.cli import given
from stoker.cli.ask import add_run
from stoker.cli.context import Context, UsageError
from stoker.cli.output import plural
from stoker.cli.progress import add_progress, choose_view
from stoker.cli.show import step_index
from stoker.engine.outputs import artefact
from stoker.engine.reuse import expansions, extensions, reusable
from stoker.engine.view import Standing, activity, read_run

if TYPE_CHECKING:
    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker rerun`."""
    add_run(parser)
    parser.add_argument(
        "--from",
        dest="steps",
        action="extend",
        nargs="+",
        default=[],
        metavar="STEP",
        help="run these steps again, and all that depend on them",
    )
    parser.add_argument("--failed", action="store_true", help="from the steps that failed")
    parser.add_argument("--run-id", metavar="ID", help="id of the new run")
    given.add_inputs(parser)
    given.add_resources(parser)
    add_progress(parser)
    parser.epilog = (
        "A new run of the same plan with the same inputs. Steps that succeeded, and that no step\n"
        "to be run again leads to, are not run: their outputs are taken over. Of a foreach step a\n"
        "child can be named; its siblings that succeeded are taken over too.\n\n"
        "examples:\n"
        "  stoker rerun last --failed\n"
        "  stoker rerun 20261121 --from build test\n"
        "  stoker rerun last --from 'convert[north.csv]'\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Start the new run and drive it to its end."""
    from stoker.cli.drive import drive
    from stoker.cli.run import run_id
    from stoker.engine.creation import new_run_id
    from stoker.engine.options import RunOptions

    async with context.journal_of(args.run) as journal:
        row = await context.find_run(journal, args.run)
        if activity(row) in ("live", "remote"):
            raise UsageError(f"run {row.run_id} is still being run; cancel it or let it end first")
        standing = await read_run(journal, row.run_id)
        state = standing.state
        news = given.inputs_again(args, state.plan, context, row)
        # Another input may make other items; and a manual run releases none of its children.
        same = all(row.inputs.get(name, value) == value for name, value in news.items())
        partly = same and not row.options.get("manual")
        reused = reusable(state, _again(args, standing), partly=partly)
        added = extensions(state, await journal.events(row.run_id), reused)
        plan = replace(state.plan, steps=(*state.plan.steps, *added))
        expanded = expansions(state, reused)
        steps = [*plan.steps, *(child for children in expanded.values() for child in children)]
        reused = {step.id: reused[step.id] for step in steps if step.id in reused}
        inputs = {**row.inputs, **news}
        chosen = run_id(args) or new_run_id()
        options = msgspec.convert(row.options, RunOptions)
        resources = {**options.resources, **given.amounts(args.resource)}
        options = replace(options, served=None, request=None, resources=resources)
        context.output.note(
            f"reusing {len(reused)} of {plural(len(steps), 'step')} of run {row.run_id}"
        )
        artefacts = context.directory / "runs" / chosen / "artefacts"

        async def begin(engine: Engine) -> RunHandle:
            return await engine.start(
                plan,
                inputs=inputs,
                options=options,
                run_id=chosen,
                park=not args.wait,
                reuse={step: _own(outputs, artefacts) for step, outputs in reused.items()},
                expanded=expanded,
            )

        view = await choose_view(args, context, journal, row.plan_id, options.max_concurrency)
        return await drive(context, journal, begin, view, resources=resources)


def _again(args: argparse.Namespace, standing: Standing) -> list[str]:
    """The steps to begin from. Raises `UsageError`."""
    state = standing.state
    steps = list(args.steps)
    for step_id in steps:
        step_index(standing, step_id)
    if args.failed:
        failed = [s for s in state.steps if s.status in ("failed", "quarantined")]
        # A step that was expanded failed because children of it did.
        parents = {s.parent for s in failed}
        steps += [s.step.id for s in failed if state.graph.index[s.step.id] not in parents]
        if not steps:
            raise UsageError(
                f"no step of run {state.run_id} failed (it is {state.status}); "
                "--from STEP says where to begin"
            )
    if not steps:
        raise UsageError("from where? give --from STEP, or --failed")
    return steps


def _own(value: Any, artefacts: Path) -> Any:
    """The outputs with their file artefacts linked into the new run's directory: they are to
    live as long as it does, not as long as the run they come from."""
    path = artefact(value)
    if path is not None:
        return {**value, "$file": str(_link(Path(path), artefacts))}
    if isinstance(value, dict):
        return {name: _own(item, artefacts) for name, item in value.items()}
    if isinstance(value, list):
        return [_own(item, artefacts) for item in value]
    return value


def _link(source: Path, artefacts: Path) -> Path:
    artefacts.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = artefacts / source.name
    if not target.exists():
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise UsageError(f"an output to be reused is gone: {source}") from None
        except OSError:  # another file system, or one without links
            import shutil

            shutil.copyfile(source, target)
    return target
