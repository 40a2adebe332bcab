"""Telling people what happens: on the desktop, to a URL, by a command of theirs.

The file `notify.toml` of the state directory says where to; without it nobody is told.

    [desktop]                            # notify-send, where it is there
    [[webhooks]]
    url = "https://example.com/hook"
    secret_env = "HOOK_SECRET"           # or secret = "...": the body is signed with it
    events = ["approval_asked"]          # default: all
    [[commands]]
    argv = ["/usr/local/bin/tell-me"]    # gets the same JSON on its standard input
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import shutil
import uuid
from collections.abc import Awaitable
from html import escape
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from stoker.log import get_logger
from stoker.toml_file import BadFile, read
from stoker.workspace.errors import GitFailed, GitTimeout
from stoker.workspace.program import execute

log = get_logger(__name__)

FILE: Final = "notify.toml"
_SECONDS: Final = 10.0

NoticeEvent = Literal["turn_ended", "approval_asked", "pull_request"]


class Notice(Struct, frozen=True, kw_only=True):
    """What is told, as JSON for programs."""

    event: NoticeEvent
    title: str
    """Of the task."""
    text: str
    time: float
    """Seconds since the epoch."""
    project_id: str
    task_id: str
    attempt_id: str
    url: str | None = None
    """Of the pull request."""
    notice_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Sink(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where notices go."""

    events: tuple[NoticeEvent, ...] = ("turn_ended", "approval_asked", "pull_request")


class Webhook(Sink, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A URL that notices are posted to."""

    url: str
    secret: str | None = None
    secret_env: str | None = None


class Command(Sink, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program and its arguments; run in the state directory."""

    argv: tuple[str, ...]


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All of them."""

    desktop: Sink | None = None
    webhooks: tuple[Webhook, ...] = ()
    commands: tuple[Command, ...] = ()

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Whatever they are."""
        desktop = () if self.desktop is None else (self.desktop,)
        return (*desktop, *self.webhooks, *self.commands)


class Notifier:
    """Tells people. Nothing that goes wrong is raised: it is logged."""

    def __init__(self, directory: Path) -> None:
        """`directory`: of the state. The file is read again for each notice."""
        self._directory = directory

    def wanted(self, event: NoticeEvent) -> bool:
        """Whether anybody is to be told of such."""
        return any(event in sink.events for sink in self._settings().sinks)

    async def tell(self, notice: Notice) -> None:
        """Returns when all who want it were told, or could not be."""
        body = msgspec.json.encode(notice)
        telling = [
            _attempted(sink, self._send(sink, notice, body))
            for sink in self._settings().sinks
            if notice.event in sink.events
        ]
        await asyncio.gather(*telling)

    def _send(self, sink: Sink, notice: Notice, body: bytes) -> Awaitable[str | None]:
        if isinstance(sink, Webhook):
            return _post(sink, notice, body)
        if isinstance(sink, Command):
            return _run(sink.argv, body, self._directory)
        return _show(notice)

    def _settings(self) -> Settings:
        path = self._directory / FILE
        try:
            return read(path, Settings, secret=lambda it: any(hook.secret for hook in it.webhooks))
        except BadFile as error:
            log.warning("nobody is notified", error=str(error))
            return Settings()


async def _attempted(sink: Sink, sending: Awaitable[str | None]) -> None:
    problem = await sending
    if problem is not None:
        log.warning("not notified", by=type(sink).__name__.lower(), error=problem)


async def _post(hook: Webhook, notice: Notice, body: bytes) -> str | None:
    """What went wrong. The URL is not told: its path may be a secret."""
    import httpx

    host = urlsplit(hook.url).hostname
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "stoker",
        "X-Stoker-Event": notice.event,
    }
    secret = hook.secret
    if hook.secret_env is not None:
        secret = os.environ.get(hook.secret_env)
        if not secret:
            return f"${hook.secret_env} is not set"
    if secret:
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers["X-Stoker-Signature-256"] = f"sha256={signature}"
    try:
        async with asyncio.timeout(_SECONDS), httpx.AsyncClient(timeout=None) as client:  # noqa: S113
            answer = await client.post(hook.url, content=body, headers=headers)
    except TimeoutError:
        return f"no answer from {host} within {_SECONDS:g} s"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{host}: {type(error).__name__}"
    return None if answer.is_success else f"{host} answered {answer.status_code}"


async def _run(argv: tuple[str, ...], stdin: bytes = b"", cwd: Path | None = None) -> str | None:
    try:
        output = await execute(
            argv, cwd=str(cwd or os.sep), env=os.environ, stdin=stdin, timeout=_SECONDS
        )
    except GitTimeout:
        return f"{argv[0]} did not end within {_SECONDS:g} s"
    except (OSError, GitFailed) as error:
        return f"{argv[0]}: {error}"
    return None if output.code == 0 else f"{argv[0]} ended with {output.code}: {output.stderr}"


async def _show(notice: Notice) -> str | None:
    program = shutil.which("notify-send")
    if program is None:
        return "notify-send is not there"
    return await _run((program, "--app-name=Stoker", "--", notice.title, escape(notice.text)))
