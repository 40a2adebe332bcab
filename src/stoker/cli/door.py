"""Through which a command talks to the server's API: a server that is named, the one that runs
on the journal, or none at all, and then the same API in this process."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from stoker.cli.context import Context, UsageError

if TYPE_CHECKING:
    from stoker.client import Client

_PATIENCE_SEC = 3.0
OF_SERVER = ("litestar", "prometheus_client", "uvicorn", "websockets")


def add_server(parser: ArgumentParser) -> None:
    """The option that names a server."""
    parser.add_argument(
        "--server",
        metavar="URL",
        default=None,
        help="a server of Stoker's (default: $STOKER_URL, else the one that runs on the journal, "
        "else none is needed); its token is in $STOKER_TOKEN",
    )


def needs(error: ModuleNotFoundError, what: str, extra: str, names: tuple[str, ...]) -> UsageError:
    """What to tell about an extra that is not installed. Raises `error` if it is none of it."""
    if (error.name or "").partition(".")[0] not in names:
        raise error
    return UsageError(
        f"{what} needs {error.name}, which is not installed: pip install 'stoker[{extra}]'"
    )


@asynccontextmanager
async def reported(context: Context) -> AsyncIterator[None]:
    """Around a command that talks to the API: what it prints never makes it wait, and what is
    refused is the person's to know. Raises `UsageError`."""
    from stoker.client.errors import StokerError
    from stoker.workspace.errors import WorkspaceError

    loop = asyncio.get_running_loop()
    context.output.out.attach(loop)
    context.output.err.attach(loop)
    try:
        yield
    except (StokerError, WorkspaceError) as error:
        raise UsageError(str(error)) from error
    finally:
        await context.output.out.detach()
        await context.output.err.detach()


@asynccontextmanager
async def opened(
    context: Context, server: str | None, *, create: bool = False, looks: bool = False
) -> AsyncIterator[Client]:
    """A client. Without a server, the journal is made if need be (`create`), and who only `looks`
    does not go on with what is under way. Raises `UsageError`, `JournalError`."""
    from stoker.client import Client
    from stoker.client.local import running

    url, token = server or context.environment.get("STOKER_URL"), None
    if not url and (found := running(context.directory, context.location)):
        url, token = found.url, found.token
    if url:
        async with Client(url, token=token, patience_sec=_PATIENCE_SEC) as client:
            yield client
        return
    try:
        from stoker.server import transport
    except ModuleNotFoundError as error:
        what = "without a server (--server URL), this command"
        raise needs(error, what, "server", OF_SERVER) from error
    from stoker.tasks import service

    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(context.journal(create=create))
        engine = await stack.enter_async_context(context.engine(journal))
        if looks:
            tasks = await stack.enter_async_context(service.Tasks(engine))
        else:
            tasks = await engine.shared(service.opened)
        yield await stack.enter_async_context(transport.opened(engine, tasks, context.cwd))
