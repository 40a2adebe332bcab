"""`stoker approve`: a person's yes to a step that waits for it."""

from __future__ import annotations

import argparse

from stoker.cli.answer import answer, register_answer
from stoker.cli.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker approve`."""
    register_answer(parser, "approve")


async def run(args: argparse.Namespace, context: Context) -> int:
    """Approve a step, and go on with the run here if nobody drives it."""
    return await answer(args, context, "approve", "approved")
