"""`stoker plan show|graph FILE`: a plan to read, or its graph as a picture."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from stoker.cli import exit_codes, given
from stoker.cli.context import Context, UsageError
from stoker.cli.output import printable

if TYPE_CHECKING:
    from stoker.plan.loader import LoadedPlan


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker plan`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="inputs, limits, and every step with its policies")
    graph = actions.add_parser("graph", help="the steps in waves, as text or as a picture")
    for action in (show, graph):
        action.add_argument(
            "plan",
            type=given.plan_file,
            metavar="FILE",
            help="plan file, JSON or YAML; - for stdin",
        )
        given.add_variables(action)
    show.add_argument("--json", action="store_true", help="the plan as Stoker understood it")
    graph.add_argument(
        "--format",
        choices=("text", "mermaid", "dot", "svg"),
        default="text",
        help="what to draw it in (default: text)",
    )
    graph.add_argument("--output", "-o", metavar="FILE", help="write there instead of stdout")
    parser.epilog = (
        "examples:\n  stoker plan show plan.yaml\n"
        "  stoker plan graph plan.yaml --format svg -o plan.svg"
    )


def run(args: Namespace, context: Context) -> int:
    """Show or draw a plan. Raises `PlanError`, `UsageError`."""
    from stoker.cli.run import load

    loaded = load(args, context)
    if args.action == "show":
        if args.json:
            context.output.json(loaded.plan)
        else:
            from stoker.plan.render_text import summary

            _print(context, summary(loaded.plan, loaded.graph))
        return exit_codes.SUCCEEDED
    drawing = _drawing(args.format, loaded)
    if args.output is None:
        _print(context, drawing)
    else:
        try:
            Path(args.output).write_text(drawing, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{args.output} cannot be written: {error.strerror}") from error
    return exit_codes.SUCCEEDED


def _print(context: Context, text: str) -> None:
    context.output.out.write("\n".join(map(printable, text.split("\n"))))


def _drawing(form: str, loaded: LoadedPlan) -> str:
    from stoker.plan import drawing, render_svg, render_text

    match form:
        case "mermaid":
            return drawing.mermaid(loaded.graph)
        case "dot":
            return drawing.dot(loaded.plan.plan_id, loaded.graph)
        case "svg":
            return render_svg.render(loaded.plan, loaded.graph)
    return render_text.waves(loaded.graph)
