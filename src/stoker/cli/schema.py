"""`stoker schema`: the JSON Schema of plan files, for editors and other tools."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from stoker.cli import exit_codes
from stoker.cli.context import Context


def register(parser: ArgumentParser) -> None:
    """No arguments but an example."""
    parser.epilog = "examples:\n  stoker schema > plan.schema.json"


def run(args: Namespace, context: Context) -> int:
    """Print the schema, with every kind of step that is installed."""
    from stoker.plan.schema import schema
    from stoker.steps.registry import kinds

    context.output.json(schema(kinds()))
    return exit_codes.SUCCEEDED
