"""`python -m stoker.agents.builtin`: the built-in agent, driven by lines on stdin.

Exit status: 0 if the last turn was done, 1 if it ended otherwise, 2 if what it was given is
wrong, 3 if the transcript or stdout could not be written, 143 after SIGTERM or SIGINT. A turn
that a signal has cut goes on when the agent is started again with the same state.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import uuid
from pathlib import Path

import msgspec

from stoker.agents.builtin.settings import Settings


def main() -> int:
    """Runs the agent. Returns its exit status."""
    given = _arguments()
    try:
        settings = _settings(given)
    except (OSError, ValueError) as error:
        return _wrong(f"settings: {error}")
    return asyncio.run(_run(given, settings))


async def _run(given: argparse.Namespace, settings: Settings) -> int:
    # Costs more than all else together: not before the arguments are known to be right, and
    # without httpx's own command line, which would have click and rich along.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    from stoker.agents.builtin.ledger import TranscriptFailed
    from stoker.agents.builtin.permissions import BadRule
    from stoker.agents.builtin.session import Session
    from stoker.agents.builtin.transcript import SessionInUse, TranscriptDamaged
    from stoker.agents.builtin.worktree import ToolError

    try:
        session = Session(
            settings,
            session=given.session,
            state=given.state,
            cwd=given.cwd,
            partial=given.include_partial_messages,
        )
    except (BadRule, OSError, TranscriptDamaged, SessionInUse, ToolError) as error:
        return _wrong(str(error))
    running = asyncio.ensure_future(session.run(given.prompt))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        ended = await running
    except asyncio.CancelledError:
        return 143
    except TranscriptFailed as error:
        _wrong(str(error))
        return 3
    except BrokenPipeError:
        return 1  # nobody listens any more
    except OSError as error:
        _wrong(f"stdout: {error.strerror}")
        return 3
    return 0 if ended is None or ended.reason == "done" else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stoker.agents.builtin")
    parser.add_argument("--settings", default="{}", help="a JSON document, or a file that holds it")
    parser.add_argument("--model", help="in place of the one in the settings")
    parser.add_argument("--state", type=Path, required=True, help="the session's own directory")
    parser.add_argument("--session", default="", help="its id; by default the state's")
    parser.add_argument("--cwd", default=".", help="the worktree")
    parser.add_argument("--prompt", help="the first turn's; ignored when a session goes on")
    parser.add_argument("--include-partial-messages", action="store_true")
    given = parser.parse_args()
    given.session = given.session or _kept_id(given.state)
    return given


def _settings(given: argparse.Namespace) -> Settings:
    text = given.settings
    data = text.encode() if text.lstrip().startswith("{") else Path(text).read_bytes()
    found = msgspec.json.decode(data)
    if given.model is not None:
        found["model"] = given.model
    settings = msgspec.convert(found, Settings)
    from stoker.agents.builtin.prices import price_of

    if settings.limits.cost_usd is not None and price_of(settings) is None:
        raise ValueError(f"limits.cost_usd needs a price of {settings.model} in `prices`")
    return settings


def _kept_id(state: Path) -> str:
    """The session's id is in the first entry of its transcript."""
    try:
        with (state / "transcript.jsonl").open("rb") as file:
            found = msgspec.json.decode(file.readline())
        return str(found["entry"]["id"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return str(uuid.uuid4())


def _wrong(text: str) -> int:
    sys.stderr.write(f"stoker agent: {text}\n")
    return 2


if __name__ == "__main__":
    # Nothing is left to be tidied up, and the thread that waits for stdin is not waited for.
    status = main()
    sys.stderr.flush()
    os._exit(status)
