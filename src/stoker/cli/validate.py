"""`stoker validate FILE...`: a gate for CI and for commits."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stoker.cli import exit_codes, given
from stoker.cli.context import Context

if TYPE_CHECKING:
    from stoker.plan.errors import Problem


_TOLD = ("file", "line", "column", "pointer", "severity", "message")


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker validate`."""
    parser.add_argument(
        "files", type=given.plan_file, metavar="FILE", nargs="+", help="plan files; - for stdin"
    )
    given.add_variables(parser)
    parser.add_argument("--json", action="store_true", help="print every problem as JSON")
    parser.epilog = (
        "examples:\n  stoker validate plan.yaml ci/*.plan.json\n\n"
        "Exit status: 0 if all files are valid, 2 if one is not. Warnings do not count.\n"
        "--json prints a list of {file, ok, problems: [{file, line, column, pointer, "
        "severity, message}]}. A problem can be in another file: a plan that a step runs."
    )


def run(args: Namespace, context: Context) -> int:
    """Check every file, telling all problems of all of them."""
    variables = given.variables(args)
    reports = [(name, _problems(name, variables)) for name in args.files]
    if args.json:
        context.output.json([_report(name, problems) for name, problems in reports])
    else:
        for name, problems in reports:
            for problem in problems:
                context.output.err.line(str(problem))
            if _is_valid(problems):
                context.output.line(f"{name}: ok")
    valid = all(_is_valid(problems) for _, problems in reports)
    return exit_codes.SUCCEEDED if valid else exit_codes.BAD_INPUT


def _problems(name: str, variables: Mapping[str, str]) -> tuple[Problem, ...]:
    from stoker.plan.errors import PlanError

    try:
        return given.plan(name, variables).warnings
    except PlanError as error:
        return error.problems


def _is_valid(problems: tuple[Problem, ...]) -> bool:
    return all(problem.severity == "warning" for problem in problems)


def _report(name: str, problems: tuple[Problem, ...]) -> dict[str, Any]:
    return {
        "file": name,
        "ok": _is_valid(problems),
        "problems": [
            {**{field: getattr(problem, field) for field in _TOLD}, "file": problem.file or name}
            for problem in problems
        ],
    }
