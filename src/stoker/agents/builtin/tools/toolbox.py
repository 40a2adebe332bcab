"""All tools there are."""

from __future__ import annotations

from typing import Final

from stoker.agents.builtin.tools.execute import execute
from stoker.agents.builtin.tools.files import edit_file, ls, read_file, write_file
from stoker.agents.builtin.tools.search import glob, grep
from stoker.agents.builtin.tools.task import task
from stoker.agents.builtin.tools.todos import read_todos, write_todos

_ALL: Final = (
    *(ls, read_file, write_file, edit_file, glob, grep),
    *(execute, write_todos, read_todos, task),
)
TOOLS: Final = {tool.name: tool for tool in _ALL}
SUBAGENT_TOOLS: Final = {name: tool for name, tool in TOOLS.items() if tool is not task}
"""A sub-agent has none of its own."""
