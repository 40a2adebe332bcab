"""`stoker run --detach`: a run that goes on in a process of its own."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stoker.cli import exit_codes, given
from stoker.cli.context import Context, UsageError
from stoker.cli.output import printable
from stoker.process.tail import last_lines

if TYPE_CHECKING:
    from stoker.plan.loader import LoadedPlan

_READY = b"ready\n"
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


async def detach(
    args: Namespace, context: Context, loaded: LoadedPlan, inputs: Mapping[str, Any]
) -> int:
    """Store the run, start `stoker resume` for it in a new session, and print its id once
    that engine holds the run. Raises `UsageError` if it cannot."""
    from stoker.cli.run import run_id, run_options
    from stoker.engine.creation import new_run
    from stoker.plan.inputs import resolve
    from stoker.plan.template import as_text

    resolved = resolve(loaded.plan, inputs)
    options = run_options(args, context, loaded)
    created = new_run(loaded.plan, resolved, options, run_id=run_id(args))
    async with context.journal(create=True, durability=args.durability) as journal:
        await journal.create_run(created)
    directory = context.directory / "runs" / created.run_id
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    secrets = {
        given.variable(name): as_text(inputs[name]) for name in resolved.secrets & inputs.keys()
    }
    words = ["resume", created.run_id, "--verbose", *(["--wait"] if args.wait else [])]
    log = directory / "engine.log"
    # By the environment, not as --db: a URL may hold a password.
    place = {"STOKER_DB": context.location} if args.db else {}
    if not _start(words, log, {**os.environ, **secrets, **place}):
        raise UsageError(_explain(created.run_id, log))
    if args.json:
        context.output.json_line({"run_id": created.run_id, "log": str(log)})
    else:
        context.output.line(created.run_id)
    return exit_codes.SUCCEEDED


def tell_ready(fd: int) -> None:
    """In the detached process: the run is ours. Closes `fd`."""
    with os.fdopen(fd, "wb") as pipe:
        pipe.write(_READY)


def _start(words: list[str], log: Path, environment: Mapping[str, str]) -> bool:
    """Start the engine's process; returns whether it came to hold the run."""
    import subprocess

    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as answer:
        try:
            with os.fdopen(os.open(log, _APPEND, 0o600), "ab") as file:
                subprocess.Popen(
                    [sys.executable, "-m", "stoker", *words, "--ready-fd", str(writing)],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env=environment,
                    pass_fds=(writing,),
                    start_new_session=True,
                )
        finally:
            os.close(writing)
        return answer.read() == _READY  # ends at once if the process does


def _explain(run_id: str, log: Path) -> str:
    lines = [printable(line) for line in last_lines(str(log), 5)]
    return "\n  ".join([f"the engine of run {run_id} ended before it could begin:", *lines])
