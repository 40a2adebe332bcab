"""`python -m stoker.agents.builtin`: the built-in agent, driven by lines on stdin.

Exit status: 0 if the last turn was done, 1 if it ended otherwise, 2 if what it was given is
wrong, 3 if the transcript or stdout could not be written, 143 after SIGTERM or SIGINT. A turn
that a signal has cut goes on when the agent is started again with the same state.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
import uuid
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from stoker.agents.builtin.settings import Decision, Settings

_MODES: Final[dict[str, dict[str, Decision]]] = {
    "default": {},
    "plan": {"edit": "deny", "execute": "deny"},
    "acceptEdits": {"edit": "allow"},
    "bypassPermissions": {"edit": "allow", "execute": "allow"},
}
"""What they decide in place of the settings."""


def main() -> int:
    """Runs the agent. Returns its exit status."""
    given = _arguments()
    try:
        settings = _settings(given)
        state, id = _located(given)
    except (OSError, ValueError) as error:
        return _wrong(str(error))
    return asyncio.run(_run(given, settings, state, id))


async def _run(given: argparse.Namespace, settings: Settings, state: Path, id: str) -> int:
    # Costs more than all else together: not before the arguments are known to be right, and
    # without httpx's own command line, which would have click and rich along.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    from stoker.agents.builtin.ledger import TranscriptFailed
    from stoker.agents.builtin.session import Session
    from stoker.agents.builtin.transcript import SessionInUse, TranscriptDamaged
    from stoker.agents.worktree import ToolError

    try:
        session = Session(
            settings,
            session=id,
            state=state,
            cwd=given.cwd,
            partial=given.include_partial_messages,
        )
    except (ValueError, OSError, TranscriptDamaged, SessionInUse, ToolError) as error:
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
    add = parser.add_argument
    add("--settings", default="{}", help="a JSON document, or a file that holds it")
    add("--model", help="in place of the one in the settings")
    add("--state", type=Path, help="this session's own directory (default: one in the user's)")
    add("--session", default="", help="the id of a new session")
    add("--resume", default="", metavar="ID", help="go on with this session")
    add("--cwd", default=".", help="the worktree")
    add("--prompt", help="the first turn's; ignored when a session goes on")
    add("--include-partial-messages", action="store_true")
    add("--permission-mode", choices=_MODES, default="default")
    add("--ask", action="append", default=[], choices=("edit", "execute"), help="ask, if allowed")
    add("--dangerously-skip-permissions", action="store_true", help="ask for nothing")
    return parser.parse_args()


def _located(given: argparse.Namespace) -> tuple[Path, str]:
    """The session's directory and id. Raises `ValueError`."""
    session = given.resume or given.session
    if session and not re.fullmatch(r"\w[\w.-]{0,127}", session, re.ASCII):
        raise ValueError(f"{session!r} is no id of a session")
    if given.state is not None:
        return given.state, session or _kept_id(given.state) or str(uuid.uuid4())
    session = session or str(uuid.uuid4())
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    state = Path(home, "stoker", "agents", session)
    if given.resume and _kept_id(state) is None:
        raise ValueError(f"No conversation found with session ID: {session}")
    return state, session


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
    mode = "bypassPermissions" if given.dangerously_skip_permissions else given.permission_mode
    permissions = replace(settings.permissions, **_MODES[mode])
    asked = {kind: "ask" for kind in given.ask if permissions.decide(kind) == "allow"}
    return replace(settings, permissions=replace(permissions, **asked))


def _kept_id(state: Path) -> str | None:
    """The session's id is in the first entry of its transcript."""
    try:
        with (state / "transcript.jsonl").open("rb") as file:
            found = msgspec.json.decode(file.readline())
        return str(found["entry"]["id"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return None


def _wrong(text: str) -> int:
    sys.stderr.write(f"stoker agent: {text}\n")
    return 2


if __name__ == "__main__":
    # Nothing is left to be tidied up, and the thread that waits for stdin is not waited for.
    status = main()
    sys.stderr.flush()
    os._exit(status)
