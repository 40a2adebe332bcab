"""`stoker mcp`: tools for a language model, over stdin and stdout."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from stoker.cli import door
from stoker.cli.context import Context, UsageError
from stoker.cli.exit_codes import SUCCEEDED

_EPILOG = """\
To be started by a client of the Model Context Protocol, such as an editor or an agent:

  {"mcpServers": {"stoker": {"command": "stoker", "args": ["mcp"], "cwd": "/srv/site"}}}

`stoker serve` offers the same tools over HTTP, at /mcp.
"""


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker mcp`."""
    door.add_server(parser)
    parser.epilog = _EPILOG


async def run(args: Namespace, context: Context) -> int:
    """Serve until stdin is closed."""
    from stoker.client.errors import StokerError

    try:
        from stoker.mcp.server import over_stdio
    except ModuleNotFoundError as error:
        raise door.needs(error, "`stoker mcp`", "mcp", ("mcp", "mcp_types")) from error
    try:
        async with door.opened(context, args.server, create=True) as client:
            await over_stdio(client)
    except StokerError as error:
        raise UsageError(str(error)) from error
    return SUCCEEDED
