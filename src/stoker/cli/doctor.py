"""`stoker doctor`: what is installed, what is missing, how to get it; is the journal sound?"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sqlite3
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from stoker.cli import exit_codes
from stoker.cli.context import Context
from stoker.cli.output import plural

if TYPE_CHECKING:
    from stoker.hosting.settings import Settings

_PYTHON: Final = (3, 11)
_SQLITE: Final = (3, 35)
_FILES: Final = 1024
_DISK: Final = 1 << 30
_GIB: Final = 1 << 30

_HOST_SEC: Final = 8.0
_HOOKED: Final = ("; no webhook_secret: ask by `stoker task pr --refresh`", "; takes webhooks")

_COLOURS: Final = {"ok": "green", "absent": "yellow", "problem": "red"}


class Finding(Struct, frozen=True):
    """One thing looked at."""

    name: str
    status: Literal["ok", "absent", "problem"]
    """`absent`: some kinds of steps or features do not work; `problem`: Stoker does not."""
    detail: str
    remedy: str = ""


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker doctor`."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.epilog = "Exit status: 0, or 1 if something keeps Stoker from working."


async def run(args: Namespace, context: Context) -> int:
    """Look, and tell."""
    findings = [*_machine(), *_programs(), await _solidity(context), _disk(context)]
    findings += await _journal(context)
    findings += await _code_hosts(context)
    failed = any(finding.status == "problem" for finding in findings)
    if args.json:
        context.output.json({"ok": not failed, "findings": findings})
        return exit_codes.FAILED if failed else exit_codes.SUCCEEDED
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = context.output.style(f"{finding.status:<7}", _COLOURS[finding.status])
        context.output.line(f"{mark}  {finding.name:<{width}}  {finding.detail}")
        if finding.remedy:
            context.output.line(f"{'':<{width + 11}}{finding.remedy}")
    return exit_codes.FAILED if failed else exit_codes.SUCCEEDED


def _machine() -> Iterator[Finding]:
    version = platform.python_version()
    yield _needed("python", sys.version_info >= _PYTHON, f"{version} ({sys.executable})", "3.11")
    found = sqlite3.sqlite_version
    yield _needed("sqlite", sqlite3.sqlite_version_info >= _SQLITE, found, "3.35")
    yield _pidfd()
    yield _inotify()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= _FILES:
        yield Finding("open files", "ok", f"{soft} (at most {hard})")
    else:
        yield Finding("open files", "absent", f"only {soft}: few steps at once", "ulimit -n 4096")
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    shown = "unlimited" if processes == resource.RLIM_INFINITY else str(processes)
    yield Finding("processes", "ok", f"{shown}; {len(os.sched_getaffinity(0))} processors")


def _needed(name: str, fits: bool, detail: str, least: str) -> Finding:
    if fits:
        return Finding(name, "ok", detail)
    return Finding(name, "problem", detail, f"{least} or newer is needed")


def _pidfd() -> Finding:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (OSError, AttributeError) as error:
        return Finding("pidfd", "problem", str(error), "Linux 5.4 or newer is needed")
    return Finding("pidfd", "ok", f"Linux {platform.release()}")


def _inotify() -> Finding:
    limits = Path("/proc/sys/fs/inotify")
    try:
        instances = int((limits / "max_user_instances").read_text())
        watches = int((limits / "max_user_watches").read_text())
    except (OSError, ValueError) as error:
        return Finding("inotify", "problem", f"no inotify: {error}")
    detail = f"{instances} instances, {watches} watches a user"
    if instances >= 64 and watches >= 8192:
        return Finding("inotify", "ok", detail)
    remedy = "sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=65536"
    return Finding("inotify", "absent", f"{detail}: may not do for --watch and -f", remedy)


def _programs() -> Iterator[Finding]:
    yield _program("sh", ("sh",), "shell steps", "install a POSIX shell")
    yield _program("git", ("git",), "git steps", "install git: https://git-scm.com/downloads")
    yield _program(
        "powershell",
        ("pwsh", "powershell", "powershell.exe"),
        "powershell steps",
        "install PowerShell: https://aka.ms/install-powershell",
    )
    yield _program(
        "sandbox",
        ("bwrap",),
        "sandbox for agents: they can read all you can",
        "install bubblewrap: https://github.com/containers/bubblewrap",
    )
    yield _package("postgresql", "asyncpg", "journals on PostgreSQL", "postgres")
    yield _package("server", "litestar", "`stoker serve`", "server")
    yield _package("mcp", "mcp", "`stoker mcp`", "mcp")
    yield _package("telemetry", "opentelemetry", "traces and metrics", "otel")
    yield _package("outlines", "tree_sitter", "exact outlines for roadmaps' agents", "roadmaps")
    yield _package("chains", "eth", "chain groups", "chains")


async def _solidity(context: Context) -> Finding:
    from stoker.chains.errors import ChainError
    from stoker.chains.solidity.toolchain import REMEDY, compilers

    try:
        found = (await compilers(project=context.cwd))[0]
    except ChainError as error:
        return Finding("solidity", "absent", f"{error}: no scripts of chain groups", REMEDY)
    return Finding("solidity", "ok", f"{found.full}, {found.argv[-1]}")


def _package(name: str, package: str, use: str, extra: str) -> Finding:
    from importlib.util import find_spec

    if find_spec(package) is not None:
        return Finding(name, "ok", f"{package} is installed")
    return Finding(name, "absent", f"no {package}: no {use}", f"pip install 'stoker[{extra}]'")


def _program(name: str, commands: tuple[str, ...], use: str, remedy: str) -> Finding:
    for command in commands:
        if path := shutil.which(command):
            return Finding(name, "ok", path)
    return Finding(name, "absent", f"no {' or '.join(commands)} on PATH: no {use}", remedy)


def _disk(context: Context) -> Finding:
    place = context.directory
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    detail = f"{usage.free / _GIB:.1f} of {usage.total / _GIB:.1f} GiB free at {place}"
    if not os.access(place, os.W_OK):
        return Finding("disk", "problem", f"{place} cannot be written")
    if usage.free < _DISK:
        return Finding("disk", "absent", detail, "make room: `stoker gc` deletes old runs")
    return Finding("disk", "ok", detail)


async def _journal(context: Context) -> list[Finding]:
    from stoker.journal.base import JournalError

    if context.is_fresh():
        return [Finding("journal", "ok", f"none yet; will be at {context.location}")]
    try:
        async with context.journal() as journal:
            shown = journal.location
            problems = await journal.check()
            runs: list[Any] = await journal.runs(limit=1_000_000)
    except JournalError as error:
        return [Finding("journal", "problem", str(error))]
    if not problems:
        return [Finding("journal", "ok", f"{shown}: sound, {plural(len(runs), 'run')}")]
    return [
        Finding("journal", "problem", f"{shown}: {problem}", "restore it from a backup")
        for problem in problems
    ]


async def _code_hosts(context: Context) -> list[Finding]:
    """Those that `hosting.toml` names, and that of this directory's repository."""
    from stoker.hosting import settings
    from stoker.toml_file import BadFile

    try:
        known = settings.load(context.directory)
    except BadFile as error:
        return [
            Finding("code host", "problem", str(error), "`docs/tasks.md` says what it may hold")
        ]
    names = dict.fromkeys(known.hosts)
    remote = await _remote_host(context, known)
    return [await _code_host(name, known) for name in names | dict.fromkeys(remote)]


async def _remote_host(context: Context, known: Settings) -> list[str]:
    from stoker.hosting.detection import detect
    from stoker.hosting.errors import NotHosted
    from stoker.workspace.errors import WorkspaceError
    from stoker.workspace.repository import Repository

    try:
        repository = await Repository.open(context.cwd, discover=True)
        return [detect(await repository.remote_url("origin") or "", known).host]
    except (WorkspaceError, NotHosted, OSError):
        return []  # no repository, or one that is hosted nowhere


async def _code_host(name: str, known: Settings) -> Finding:
    """Whether its API takes the token; without one, nothing is asked."""
    import asyncio

    from stoker.hosting import settings
    from stoker.hosting.client import connect
    from stoker.hosting.errors import HostingError
    from stoker.hosting.model import Remote
    from stoker.toml_file import BadFile

    host = known.host(name)
    if host is None or host.provider is None or host.api is None:
        return Finding(f"at {name}", "problem", "neither provider nor api is known")
    hooked = settings.webhook_secret(known, name, os.environ)
    remote = Remote(
        provider=host.provider,
        host=name,
        api=host.api.rstrip("/"),
        owner="",
        name="",
        push_url=None,
    )
    try:
        token = settings.token(known, name, os.environ)
        async with asyncio.timeout(_HOST_SEC), connect(remote, token, patience_sec=0) as client:
            login = await client.account()
    except TimeoutError:
        return Finding(
            f"at {name}", "absent", f"no answer within {_HOST_SEC:g} s: no pull requests"
        )
    except (HostingError, BadFile) as error:
        return Finding(f"at {name}", "absent", f"{error}: no pull requests")
    return Finding(f"at {name}", "ok", f"{host.provider}, as {login}{_HOOKED[hooked is not None]}")
