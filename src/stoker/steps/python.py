"""Kind `python`: a callable, a file or code, always in a process of its own.

A child can be killed, cannot block the engine, and may be another interpreter with other
packages. The step's working directory is on `sys.path` for `callable` and `code`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from msgspec import field
from msgspec.structs import replace

from stoker.engine.kinds import Attempt, ProcessWork
from stoker.plan.model import Step
from stoker.plan.template import as_text
from stoker.steps.kind import BaseKind, Definition
from stoker.steps.shell import MAX_SCRIPT

_CHILD: Final = str(Path(__file__).with_name("python_child.py"))
_CALLABLE: Final = re.compile(r"[\w.]+:[\w.]+")


class Python(Definition, frozen=True):
    """What to run in a Python interpreter: exactly one of `callable`, `file` and `code`."""

    callable: str | None = None
    """`package.module:function`. A coroutine function is awaited. A dict it returns becomes
    the step's outputs, another JSON value the output `result`; an exception fails the step."""
    file: str | None = None
    """A script, relative to the step's directory."""
    code: str | None = None
    """Source text. Pass values by `args` or `env`: a template in it becomes code."""
    args: tuple[Any, ...] = ()
    """Positional arguments of the callable as they are, or `sys.argv[1:]` as text."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the callable."""
    python: str | None = None
    """The interpreter; default: the one Stoker runs on."""


class PythonKind(BaseKind[Python]):
    """Runs Python in a child process."""

    name = "python"
    definition = Python

    def check(self, step: Step, definition: Python) -> list[str]:
        """Exactly one thing to run, and keyword arguments only for a callable."""
        problems = []
        given = [definition.callable, definition.file, definition.code]
        if len(given) - given.count(None) != 1:
            problems.append("expected exactly one of 'callable', 'file' and 'code'")
        name = definition.callable
        if name is not None and "${{" not in name and not _CALLABLE.fullmatch(name):
            problems.append(f"callable: expected 'package.module:function', found {name!r}")
        if definition.kwargs and name is None:
            problems.append("kwargs: only a 'callable' takes them")
        if len((definition.code or "").encode()) > MAX_SCRIPT:
            problems.append(f"code: longer than {MAX_SCRIPT:,} bytes: put it into a file")
        return problems

    def start(self, step: Step, definition: Python, attempt: Attempt) -> ProcessWork:
        """One process; unbuffered, so that its lines can be followed."""
        python = (definition.python or sys.executable, "-u")
        if definition.callable is None:
            what = ("-c", definition.code) if definition.file is None else (definition.file,)
            args = map(as_text, definition.args)
            return ProcessWork(spec=attempt.process((*python, *map(str, what), *args)))
        # On standard input, before what the step has for it: arguments may hold secrets and
        # may be long, and this way they are in no file, no environment and no command line.
        request = json.dumps([definition.callable, definition.args, definition.kwargs]).encode()
        stdin = b"%16d" % len(request) + request + (attempt.stdin or b"")
        return ProcessWork(spec=replace(attempt.process((*python, _CHILD)), stdin=stdin))


KIND = PythonKind()
