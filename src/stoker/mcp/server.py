"""The MCP server: tools on a client, over stdio or streamable HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import mcp_types as types
import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from stoker.client.client import Client
from stoker.client.errors import StokerError
from stoker.mcp import chains, runs, tasks
from stoker.mcp.tool import Tool, schema, structured

Context = ServerRequestContext[Any]
Clients = Callable[[Context], Client]
"""The client that acts for whoever asks."""

TOOLS: Final[dict[str, Tool]] = {**tasks.TOOLS.all, **runs.TOOLS.all, **chains.TOOLS.all}
_INSTRUCTIONS: Final = (
    "Stoker has coding agents work at tasks, each in a git worktree of its own (list_projects, "
    "start_task, wait_for_attempt, attempt_diff, merge_attempt), and runs plans of steps "
    "(validate_plan, run_plan, wait_for_run, run_log). Groups of operations on EVM chains become "
    "transactions to sign (set_execution_plan, next_groups, get_results)."
)


def server(clients: Clients) -> Server[Any]:
    """The server, for any transport."""

    async def list_tools(context: Context, params: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(tool) for tool in TOOLS.values()])

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            raise MCPError(code=types.INVALID_PARAMS, message=f"no tool {params.name!r}")

        async def report(progress: float, said: str) -> None:
            await context.session.report_progress(progress, message=said)

        try:
            given = msgspec.convert(params.arguments or {}, tool.takes)
            found = await tool.act(clients(context), given, report)
        except (StokerError, msgspec.ValidationError) as error:
            return types.CallToolResult(content=[_text(str(error))], is_error=True)
        return types.CallToolResult(
            content=[_text(msgspec.json.encode(found).decode())],
            structured_content=structured(found, tool.gives),
        )

    return Server(
        "stoker",
        version=_version(),
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _described(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=schema(tool.takes),
        output_schema=schema(tool.gives),
        annotations=types.ToolAnnotations(
            read_only_hint=tool.reads,
            destructive_hint=tool.destroys,
            idempotent_hint=tool.reads,
            open_world_hint=not tool.reads,
        ),
    )


def _text(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)


def _version() -> str:
    from importlib.metadata import version

    return version("stoker")


async def over_stdio(client: Client) -> None:
    """Serve whoever started this process, until it closes stdin."""
    from mcp.server.stdio import stdio_server

    served = server(lambda _: client)
    async with stdio_server() as (incoming, outgoing):
        await served.run(incoming, outgoing, served.create_initialization_options())
