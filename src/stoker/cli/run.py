"""`stoker run PLAN`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from stoker.cli import given
from stoker.cli.context import Context, UsageError
from stoker.cli.progress import add_progress, choose_view

if TYPE_CHECKING:
    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle
    from stoker.engine.options import RunOptions
    from stoker.plan.loader import LoadedPlan

_EPILOG = """\
examples:
  stoker run plan.yaml
  stoker run deploy.yaml --input target=prod --input 'regions:=["eu","us"]'
  STOKER_INPUT_TOKEN=... stoker run publish.yaml --detach
  stoker run build.yaml --watch
  generate | stoker run -

A secret input NAME is read from $STOKER_INPUT_<NAME>, which no other user can see and no
step inherits. Relative paths of the plan start from the current directory; the plan's own is
`${{ run.plan_dir }}`.
"""


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker run`."""
    parser.add_argument(
        "plan", type=given.plan_file, metavar="PLAN", help="plan file, JSON or YAML; - for stdin"
    )
    given.add_inputs(parser)
    given.add_variables(parser)
    add = parser.add_argument
    add("--run-id", metavar="ID", help="id of the new run (default: from the time)")
    add("--max-concurrency", type=given.at_least(1), metavar="N", help="steps at once")
    given.add_engine(parser)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="show what would run; run nothing")
    mode.add_argument("--detach", action="store_true", help="run in the background; print the id")
    mode.add_argument(
        "--watch", action="store_true", help="run again whenever files of the plan change"
    )
    add("--manual", action="store_true", help="run only what `stoker next` releases, in batches")
    add_progress(parser)
    parser.epilog = _EPILOG


async def run(args: Namespace, context: Context) -> int:
    """Run a plan. Raises `PlanError`, `UsageError`, `JournalError`."""
    if args.watch:
        from stoker.cli.watch import watch

        return await watch(args, context)
    loaded = load(args, context)
    inputs = given.inputs(args, loaded.plan, context)
    if args.dry_run:
        from stoker.cli.dry_run import show

        return show(args, context, loaded, inputs)
    if args.detach:
        from stoker.cli.detach import detach

        return await detach(args, context, loaded, inputs)
    return await run_once(args, context, loaded, inputs)


def load(args: Namespace, context: Context) -> LoadedPlan:
    """The plan the arguments name; its warnings go to stderr. Raises `PlanError`."""
    loaded = given.plan(args.plan, given.variables(args))
    for warning in loaded.warnings:
        context.output.note(str(warning))
    return loaded


async def run_once(
    args: Namespace, context: Context, loaded: LoadedPlan, inputs: dict[str, Any]
) -> int:
    """Run a loaded plan in the foreground; returns the exit status."""
    from stoker.cli.drive import drive

    plan, options = loaded.plan, run_options(args, context, loaded)
    width = options.max_concurrency or plan.globals.max_concurrency
    async with context.journal(create=True, durability=args.durability) as journal:
        view = await choose_view(args, context, journal, plan.plan_id, width)

        async def begin(engine: Engine) -> RunHandle:
            return await engine.start(
                plan, inputs=inputs, options=options, run_id=run_id(args), park=not args.wait
            )

        return await drive(context, journal, begin, view, resources=options.resources)


def run_options(args: Namespace, context: Context, loaded: LoadedPlan) -> RunOptions:
    """How the arguments want the run to be run."""
    from stoker.engine.options import RunOptions

    return RunOptions(
        cwd=str(context.cwd),
        plan_dir=loaded.directory,
        max_concurrency=args.max_concurrency,
        manual=args.manual,
        resources=given.amounts(args.resource),
        durability=args.durability,
    )


def run_id(args: Namespace) -> str | None:
    """The id asked for. Raises `UsageError` if it cannot name a directory."""
    chosen: str | None = args.run_id
    if chosen is not None and (
        not chosen.isprintable()
        or not 0 < len(chosen) <= 100
        or "/" in chosen
        or chosen[0] in ".-"
        or chosen == "last"
    ):
        raise UsageError(
            f"--run-id {chosen!r}: expected up to 100 printable characters without '/', "
            "not starting with '.' or '-', and not 'last'"
        )
    return chosen
