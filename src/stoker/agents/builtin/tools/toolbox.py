"""All tools there are."""

from __future__ import annotations

from typing import Final

from stoker.agents.builtin.tools.execute import EXECUTE
from stoker.agents.builtin.tools.files import EDIT_FILE, LS, READ_FILE, WRITE_FILE
from stoker.agents.builtin.tools.search import GLOB, GREP
from stoker.agents.builtin.tools.task import TASK
from stoker.agents.builtin.tools.todos import READ_TODOS, WRITE_TODOS
from stoker.agents.builtin.tools.tool import Tool

TOOLS: Final[dict[str, Tool]] = {
    tool.name: tool
    for tool in (
        LS,
        READ_FILE,
        WRITE_FILE,
        EDIT_FILE,
        GLOB,
        GREP,
        EXECUTE,
        WRITE_TODOS,
        READ_TODOS,
        TASK,
    )
}
SUBAGENT_TOOLS: Final = {name: tool for name, tool in TOOLS.items() if tool is not TASK}
"""A sub-agent has none of its own."""
