"""The MCP server: tools and resources on a client, over stdio or streamable HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import mcp_types as types
import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from stoker.client.client import Client
from stoker.client.errors import NotFound, StokerError
from stoker.mcp import chains, runs, tasks
from stoker.mcp.bounds import told
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
_RESOURCES: Final = {
    "stoker://runs/{run_id}": ("run", "A run with its steps and outputs", "application/json"),
    "stoker://attempts/{attempt_id}": ("attempt", "An attempt and its turns", "application/json"),
    "stoker://attempts/{attempt_id}/transcript": (
        "transcript",
        "All that the agent of an attempt said and did",
        "text/plain",
    ),
    "stoker://attempts/{attempt_id}/diff": (
        "diff",
        "What an attempt has changed, as a patch",
        "text/x-diff",
    ),
}
_URI: Final = re.compile(r"stoker://(runs|attempts)/([^/]+)(?:/(transcript|diff))?")


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

    async def list_templates(context: Context, params: object) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(
                    uri_template=uri, name=name, description=description, mime_type=mime
                )
                for uri, (name, description, mime) in _RESOURCES.items()
            ]
        )

    async def list_resources(context: Context, params: object) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[])

    async def read_resource(
        context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        try:
            text, mime = await _read(clients(context), uri)
        except StokerError as error:
            code = types.INVALID_PARAMS if isinstance(error, NotFound) else types.INTERNAL_ERROR
            raise MCPError(code=code, message=str(error), data={"uri": uri}) from error
        contents = types.TextResourceContents(uri=uri, text=text, mime_type=mime)
        return types.ReadResourceResult(contents=[contents])

    return Server(
        "stoker",
        version=_version(),
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
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


async def _read(client: Client, uri: str) -> tuple[str, str]:
    found = _URI.fullmatch(uri)
    if found is None or (found[1] == "runs" and found[3]):
        raise MCPError(code=types.INVALID_PARAMS, message=f"no resource {uri!r}")
    kind, key, part = found.groups()
    if kind == "runs":
        return msgspec.json.encode(await client.runs.show(key)).decode(), "application/json"
    if part == "diff":
        return (await client.attempts.patch(key)).decode(errors="replace"), "text/x-diff"
    view = await client.attempts.show(key)
    if part is None:
        return msgspec.json.encode(view).decode(), "application/json"
    turns = sorted({step.turn for step in view.steps if step.role == "agent"})
    said = [told((await client.attempts.transcript(key, turn)).entries) for turn in turns]
    return "\n\n".join(said), "text/plain"


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
