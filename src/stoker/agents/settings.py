"""What a profile may say of an agent."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

Driver = Literal["command", "stream-json", "codex", "acp"]
Confine = Literal["auto", "always", "never"]
Network = Literal["on", "off"] | tuple[str, ...]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a variant says. None: the executor's default says it."""

    # How it is driven.
    driver: Driver | None = None
    """`command`: its stdout is what it says. `stream-json`: as Claude Code. `codex`: by its
    app-server. `acp`: the Agent Client Protocol."""
    command: tuple[str, ...] | None = None
    """Program and first arguments."""
    args: tuple[str, ...] | None = None
    """Arguments that have it speak the driver's protocol."""
    base_command_override: str | None = None
    """Takes the place of `command`; words as in a shell."""
    additional_params: tuple[str, ...] | None = None
    """Arguments after all others."""
    model: str | None = None
    model_option: str | None = None
    """Option that names the model on its command line, such as `--model`; empty: none."""
    append_prompt: str | None = None
    """Text after each prompt."""
    env: dict[str, str | None] = field(default_factory=dict)
    """Variables to set; null takes one away."""
    # What it may do.
    approvals: Literal["ask", "allow", "deny"] | bool | None = None
    """What becomes of the agent's requests; `true` is `ask`, `false` is `allow`."""
    allow_commands: tuple[str, ...] | None = None
    """See `Policy.commands`."""
    allow_paths: tuple[str, ...] | None = None
    """See `Policy.paths`."""
    pause_destructive: bool | None = None
    """See `Policy.pause`; whatever else is said, the agent is told to ask before commands."""
    destructive: tuple[str, ...] | None = None
    """Patterns of commands that wait as well; see `stoker.agents.destructive`."""
    asking: tuple[str, ...] | None = None
    """Arguments by which it asks before each command; empty: it does by itself."""
    dangerously_skip_permissions: bool | None = None
    """`true`: approvals `allow`, and the agent is told not to ask at all."""
    yolo: bool | None = None
    """The same."""
    auto_approve: bool | None = None
    """The same."""
    plan: bool | None = None
    """It is to plan and to change nothing (`stream-json`)."""
    confine: Confine | None = None
    """Sandbox: `auto`, where the machine can; `always`: fail where it cannot."""
    network: Network | None = None
    """In the sandbox: `on`, `off`, or a list of hosts, see `stoker.agents.hosts`."""
    warm_sec: float | None = None
    """How long its process may stay after a turn, for one that follows; 0: not at all.
    Default: 300."""
    readable: tuple[str, ...] | None = None
    """Paths that the sandbox shows beside the system and the worktree; `~` is the home."""
    writable: tuple[str, ...] | None = None
    """Paths that may be written beside the worktree, such as the agent's own state. One that
    ends with `/` is a directory, which is made if it is missing."""
    guarded: tuple[str, ...] | None = None
    """Names, or patterns, in directories that may be written of what may not, such as settings
    and hooks. Those that are missing are made, so that the agent cannot; one that ends with `/`
    is a directory. With bubblewrap."""
    private: tuple[str, ...] | None = None
    """Names there of files that an agent has a copy of, and of directories that are empty for
    it. With bubblewrap."""
    # Of codex.
    sandbox: Literal["auto", "read-only", "workspace-write", "danger-full-access"] | None = None
    ask_for_approval: (
        Literal["untrusted", "unless-trusted", "on-failure", "on-request", "never"] | None
    ) = None
    model_reasoning_effort: str | None = None
    model_reasoning_summary: str | None = None
    base_instructions: str | None = None
    developer_instructions: str | None = None
    # Accepted, because other tools write them; they change nothing.
    oss: bool | None = None
    profile: str | None = None
    include_plan_tool: bool | None = None
    include_apply_patch_tool: bool | None = None
    compact_prompt: str | None = None
    claude_code_router: bool | None = None
    disable_api_key: bool | None = None
    agent: str | None = None
    mode: str | None = None
