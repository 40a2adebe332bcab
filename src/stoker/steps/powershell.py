"""Kind `powershell`: a script run by PowerShell, with arguments that are never part of code.

`powershell.ps1` beside this file is the wrapper every script runs in; what it is to run
travels apart from it, as JSON. Beside standard output and standard error, the error stream
is kept as JSON lines in `<step>.<attempt>.errors` beside the attempt's logs.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import field

from stoker.engine.kinds import Attempt, ProcessWork, Result, StepFailed
from stoker.plan.model import Step
from stoker.process.spec import Exit
from stoker.steps.kind import BaseKind, Definition
from stoker.steps.shell import MAX_SCRIPT

SHELLS: Final = ("pwsh", "powershell", "powershell.exe")
"""Looked for in this order on the step's `PATH`."""

_OPTIONS: Final = ("-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass")
_TAIL: Final = 64 * 1024
_PATHS: Final = re.compile(r"STOKER_(OUTPUT|EXTEND|POWERSHELL_ERRORS|INPUT_.*_FILE)")


class PowerShell(Definition, frozen=True):
    """A PowerShell script and its parameters. It fails on a terminating error (and errors
    terminate by default) and when the last native command's exit code is not 0."""

    script: str | None = None
    """Source text; a single path that ends in `.ps1` is taken for `file`."""
    file: str | None = None
    """A script file, relative to the step's directory."""
    args: dict[str, Any] | tuple[Any, ...] = field(default_factory=dict)
    """Parameters by name, with or without the dash, such as `{"-TargetBranch": "main"}`: null
    or true turns a switch on, false off, a list is an array. Or a list: by position."""
    shell: str | None = None
    """The program, a name or a path; default: the first of `pwsh`, `powershell` and
    `powershell.exe` on the step's `PATH`."""


class PowerShellKind(BaseKind[PowerShell]):
    """Runs a script through PowerShell."""

    name = "powershell"
    definition = PowerShell

    def check(self, step: Step, definition: PowerShell) -> list[str]:
        """Exactly one script, and no parameter named twice."""
        problems = []
        if (definition.script is None) == (definition.file is None):
            problems.append("expected exactly one of 'script' and 'file'")
        if isinstance(definition.args, dict):
            names = [name.lstrip("-").lower() for name in definition.args]
            problems += [
                f"args: parameter {name!r} is given more than once"
                for name in sorted({name for name in names if names.count(name) > 1})
            ]
            if "" in names:
                problems.append("args: expected a parameter's name, found nothing")
        return problems

    def start(self, step: Step, definition: PowerShell, attempt: Attempt) -> ProcessWork:
        """One process. Raises `StepFailed` where no PowerShell is installed."""
        request = json.dumps(_request(definition))
        if len(request) > MAX_SCRIPT - len("STOKER_POWERSHELL="):
            raise StepFailed(
                f"script and arguments have {len(request):,} bytes, more than the "
                f"{MAX_SCRIPT:,} that fit: put the script into a file"
            )
        shell = definition.shell or _installed(attempt.env.get("PATH", ""))
        errors = Path(attempt.stderr_path).with_suffix(".errors")
        # Records may hold secrets: readable by nobody else, like the logs. A process that is
        # adopted goes on writing to the file it has.
        flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | (0 if attempt.resumed else os.O_TRUNC)
        os.close(os.open(errors, flags, 0o600))
        env = {
            **attempt.env,
            "STOKER_POWERSHELL": request,
            "STOKER_POWERSHELL_ERRORS": str(errors),
        }
        if shell.endswith(".exe"):
            env["WSLENV"] = _across(env)
        wrapper = Path(__file__).with_suffix(".ps1").read_text(encoding="utf-8")
        encoded = b64encode(wrapper.encode("utf-16-le")).decode()
        # Without -OutputFormat an encoded command's errors are written as XML.
        argv = (shell, *_OPTIONS, "-OutputFormat", "Text", "-EncodedCommand", encoded)
        return ProcessWork(
            spec=attempt.process(argv, env=env), result=lambda exit_: _result(exit_, errors)
        )


def _across(env: Mapping[str, str]) -> str:
    """Names of the variables that pass the border of WSL: those that are the step's own.
    What ends in `/p` is a path, and is translated."""
    names = [env["WSLENV"]] if env.get("WSLENV") else []
    for name, value in env.items():
        if name not in ("PATH", "WSLENV") and os.environ.get(name) != value:
            names.append(name + ("/p" if _PATHS.fullmatch(name) else ""))
    return ":".join(names)


def _request(definition: PowerShell) -> dict[str, Any]:
    args = definition.args
    request: dict[str, Any] = {"named": {}, "positional": []}
    if isinstance(args, dict):
        request["named"] = {
            name.lstrip("-"): True if value is None else _marked(value)
            for name, value in args.items()
        }
    else:
        request["positional"] = _marked(args)
    source = definition.script or ""
    path = definition.file
    if path is None and source.strip().lower().endswith(".ps1") and len(source.split()) == 1:
        path = source.strip()
    request["script" if path is None else "file"] = _marked(source if path is None else path)
    return request


def _marked(value: Any) -> Any:
    """Strings with a leading `=`, which the wrapper takes off again."""
    if isinstance(value, str):
        return "=" + value
    if isinstance(value, list | tuple):
        return [_marked(item) for item in value]
    if isinstance(value, dict):
        return {name: _marked(item) for name, item in value.items()}
    return value


def _installed(path: str) -> str:
    import shutil

    for name in SHELLS:
        if found := shutil.which(name, path=path):
            return found
    raise StepFailed(
        f"no PowerShell is installed: looked for {', '.join(SHELLS)} in {path or 'an empty PATH'}; "
        "install: https://learn.microsoft.com/powershell/scripting/install/install-powershell"
    )


def _result(exit_: Exit, errors: Path) -> Result:
    """Exit code 0 is success; else the last error record says why."""
    code = exit_.exit_code
    if code == 0:
        return Result(exit_code=0)
    reason = f"exit code {code}" if exit_.signal is None else f"ended by signal {exit_.signal}"
    with errors.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        lines = file.read().splitlines()
    if lines:
        try:
            record = msgspec.json.decode(lines[-1], type=dict[str, Any])
        except msgspec.DecodeError:
            record = {}  # cut off by a kill or by our own limit
        if message := record.get("message"):
            where = f" (line {record['line']})" if record.get("line") else ""
            reason += f": {message}{where}"
    return Result(exit_code=code, error=reason)


KIND = PowerShellKind()
