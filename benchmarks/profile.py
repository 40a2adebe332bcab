"""Where the time of a run goes: the engine's process, by the part that has the processor.

Every function at the border of a part is wrapped; a part's time is what passes within it
but not within another one that it calls. So the times add up to the whole run, and the
wrapping costs about 1 us for each call.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stoker.cli.main import main

_PARTS = (
    ("start of a process", "stoker.process.spawner", "Spawner.spawn"),
    ("posix_spawn itself", "os", "posix_spawn"),
    ("end of a process", "stoker.process.spawner", "Spawner._poll"),
    ("wait for children", "selectors", "EpollSelector.select"),
    ("journal", "stoker.journal.sqlite", "SqliteJournal.commit_now"),
    ("machine", "stoker.engine.machine", "RunMachine.begin"),
    ("machine", "stoker.engine.machine", "RunMachine.attempt_ended"),
    ("machine", "stoker.engine.machine", "RunMachine.admit"),
    ("attempt made", "stoker.engine.launch", "Launcher.begin"),
    ("result read", "stoker.engine.launch", "Launcher.result"),
    ("result read", "stoker.engine.launch", "Launcher.extension"),
    ("tick", "stoker.engine.run", "Run._turn"),
    ("view", "stoker.cli.plain_view", "PlainView.see"),
    ("plan loaded", "stoker.plan.loader", "load"),
)
REST = "event loop, start-up, rest"


class _Account:
    """Time by part; the innermost part open has the clock."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        self._open = [REST]
        self._since = time.perf_counter_ns()

    def _charge(self) -> None:
        now = time.perf_counter_ns()
        part = self._open[-1]
        self.spent[part] = self.spent.get(part, 0) + now - self._since
        self._since = now

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with an account. A coroutine of Stoker's that never suspends (a
        commit in SQLite) is charged too; of others only what passes before they suspend."""

        def enter() -> None:
            self._charge()
            self._open.append(part)
            self.calls[part] = self.calls.get(part, 0) + 1

        def leave() -> None:
            self._charge()
            self._open.pop()

        if function.__class__.__name__ == "function" and function.__code__.co_flags & 0x80:

            @functools.wraps(function)
            async def wrapped_coroutine(*args: Any, **kwargs: Any) -> Any:
                enter()
                try:
                    return await function(*args, **kwargs)
                finally:
                    leave()

            return wrapped_coroutine

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            enter()
            try:
                return function(*args, **kwargs)
            finally:
                leave()

        return wrapped

    def close(self) -> None:
        self._charge()


def profile(folder: Path, steps: int, width: int) -> str:
    """Run `steps` no-op steps at `width` in this process; the account as text."""
    account = _Account()
    for part, module_name, path in _PARTS:
        owner: Any = importlib.import_module(module_name)
        *classes, name = path.split(".")
        for class_name in classes:
            owner = getattr(owner, class_name)
        setattr(owner, name, account.wrap(part, getattr(owner, name)))
    plan = {
        "plan_id": "profile",
        "steps": [{"id": f"s{number}", "command": "/bin/true"} for number in range(steps)],
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    os.chdir(folder)
    processor = time.process_time()
    main(["run", "plan.json", "--quiet", f"--max-concurrency={width}"])
    processor = time.process_time() - processor
    account.close()
    whole = sum(account.spent.values()) / 1e9
    lines = [
        f"{steps:,} steps, width {width}: {whole:.2f} s, "
        f"of which this process had a processor {processor:.2f} s",
        f"{'part':28} {'s':>7} {'share':>6} {'us a step':>10} {'calls':>8}",
    ]
    for part, spent in sorted(account.spent.items(), key=lambda entry: -entry[1]):
        lines.append(
            f"{part:28} {spent / 1e9:7.2f} {spent / 1e9 / whole:6.1%} "
            f"{spent / steps / 1e3:10.1f} {account.calls.get(part, 0):8,}"
        )
    return "\n".join(lines)
