"""The agents Stoker knows how to drive, before any file of profiles has its say.

`DEFAULT` does not ask: the worktree is the agent's own, and the sandbox keeps it there.
`APPROVALS` asks a person before commands and edits.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from stoker.agents.settings import Settings

_SCRIPTED = str(Path(__file__).with_name("scripted.py"))  # needs nothing but Python
_PACKAGES = str(Path(__file__).parents[2])  # where `stoker` is imported from
_STREAM = (
    *("-p", "--output-format", "stream-json", "--input-format", "stream-json"),
    *("--verbose", "--permission-prompt-tool", "stdio"),
)
_SCRIPTS = ("*.sh", "*.py", "*.js", "*.mjs", "*.ts")  # that settings may name
_EXTENDED = ("agents/", "commands/", "hooks/", "skills/")
_GEMINI = (
    *("settings.json", "trustedFolders.json", "trusted_hooks.json", ".env", "extensions/"),
    *("policies/", *_EXTENDED, "*.md", *_SCRIPTS),
)

EXECUTORS: Final[dict[str, dict[str, Settings]]] = {
    "CLAUDE_CODE": {
        "DEFAULT": Settings(
            driver="stream-json",
            command=("claude",),
            args=(*_STREAM, "--include-partial-messages"),
            model_option="--model",
            asking=("--settings", '{"permissions":{"ask":["Bash"]}}'),
            writable=("~/.claude/", "~/.claude.json"),
            guarded=(
                *("settings.json", "settings.local.json", "CLAUDE.md", "plugins/", "rules/"),
                *("output-styles/", "local*", *_EXTENDED, "*.md", *_SCRIPTS),
            ),
            # Among its state it has its MCP servers; and what it has its shells begin with.
            private=(".claude.json", "shell-snapshots"),
        ),
        "APPROVALS": Settings(approvals="ask"),
        "PLAN": Settings(plan=True),
    },
    "CODEX": {
        "DEFAULT": Settings(
            driver="codex",
            command=("codex",),
            args=("app-server",),
            asking=(),
            writable=("~/.codex/",),
            guarded=(
                *("config.toml", "managed_config.toml", "requirements.toml", "hooks.json"),
                *("AGENTS.md", "AGENTS.override.md", ".env", "plugins/", "prompts/", "rules/"),
                *(*_EXTENDED, "*.toml", "packages", *_SCRIPTS),
            ),
        ),
        "APPROVALS": Settings(approvals="ask"),
    },
    "GEMINI": {
        "DEFAULT": Settings(
            driver="acp",
            command=("gemini",),
            args=("--acp", "--skip-trust"),
            model_option="--model",
            asking=("--approval-mode", "default"),
            writable=("~/.gemini/",),
            guarded=("GEMINI.md", *_GEMINI),
        ),
        "APPROVALS": Settings(approvals="ask"),
    },
    "QWEN_CODE": {
        "DEFAULT": Settings(
            driver="acp",
            command=("qwen",),
            args=("--acp",),
            model_option="--model",
            asking=("--approval-mode", "default"),
            writable=("~/.qwen/",),
            guarded=("QWEN.md", *_GEMINI),
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
            guarded=("bin/", "node_modules/", "packages/", "package.json"),
        ),
        "APPROVALS": Settings(approvals="ask"),
    },
    "BUILTIN": {
        "DEFAULT": Settings(
            driver="stream-json",
            command=(sys.executable, "-m", "stoker.agents.builtin"),
            args=("--include-partial-messages",),
            model_option="--model",
            asking=("--ask", "execute"),
            env={"XDG_STATE_HOME": None},
            readable=(_PACKAGES,),
            writable=("~/.local/state/stoker/agents/",),
        ),
        "APPROVALS": Settings(approvals="ask"),
    },
    "COMMAND": {"DEFAULT": Settings(driver="command", command=("cat",))},
    "SCRIPTED": {
        "DEFAULT": Settings(driver="stream-json", command=(sys.executable, _SCRIPTED), asking=()),
        "APPROVALS": Settings(approvals="ask"),
    },
}
"""Executor -> variant -> settings; the other variants go over DEFAULT."""
