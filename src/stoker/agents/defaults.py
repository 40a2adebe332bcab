"""The agents Stoker knows how to drive, before any file of profiles has its say.

`DEFAULT` does not ask: the worktree is the agent's own, and the sandbox keeps it there.
`APPROVALS` asks a person before commands and edits.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from stoker.agents.profiles import Settings

_SCRIPTED = str(Path(__file__).with_name("scripted.py"))  # needs nothing but Python
_PACKAGES = str(Path(__file__).parents[2])  # where `stoker` is imported from
_STREAM = (
    *("-p", "--output-format", "stream-json", "--input-format", "stream-json"),
    *("--verbose", "--permission-prompt-tool", "stdio"),
)

EXECUTORS: Final[dict[str, dict[str, Settings]]] = {
    "CLAUDE_CODE": {
        "DEFAULT": Settings(
            driver="stream-json",
            command=("claude",),
            args=(*_STREAM, "--include-partial-messages"),
            model_option="--model",
            writable=("~/.claude/", "~/.claude.json"),
        ),
        "APPROVALS": Settings(approvals="ask"),
        "PLAN": Settings(plan=True),
    },
    "CODEX": {
        "DEFAULT": Settings(
            driver="codex", command=("codex",), args=("app-server",), writable=("~/.codex/",)
        ),
        "APPROVALS": Settings(approvals="ask"),
    },
    "GEMINI": {
        "DEFAULT": Settings(
            driver="acp",
            command=("gemini",),
            args=("--acp", "--skip-trust"),
            model_option="--model",
            writable=("~/.gemini/",),
        ),
        "APPROVALS": Settings(approvals="ask"),
    },
    "QWEN_CODE": {
        "DEFAULT": Settings(
            driver="acp",
            command=("qwen",),
            args=("--acp",),
            model_option="--model",
            writable=("~/.qwen/",),
        ),
        "APPROVALS": Settings(approvals="ask"),
    },
    "OPENCODE": {
        "DEFAULT": Settings(
            driver="acp",
            command=("opencode",),
            args=("acp",),
            writable=("~/.local/share/opencode/", "~/.local/state/opencode/", "~/.cache/opencode/"),
            readable=("~/.config/opencode",),
        ),
        "APPROVALS": Settings(approvals="ask"),
    },
    "BUILTIN": {
        "DEFAULT": Settings(
            driver="stream-json",
            command=(sys.executable, "-m", "stoker.agents.builtin"),
            args=("--include-partial-messages",),
            model_option="--model",
            env={"XDG_STATE_HOME": None},
            readable=(_PACKAGES,),
            writable=("~/.local/state/stoker/agents/",),
        ),
        "APPROVALS": Settings(approvals="ask"),
    },
    "COMMAND": {"DEFAULT": Settings(driver="command", command=("cat",))},
    "SCRIPTED": {
        "DEFAULT": Settings(driver="stream-json", command=(sys.executable, _SCRIPTED)),
        "APPROVALS": Settings(approvals="ask"),
    },
}
"""Executor -> variant -> settings; the other variants go over DEFAULT."""
