"""The MCP servers that agents have in configuration files of their own.

Only the servers are changed: everything else in a file stays as it is, in TOML comments and
layout too. Values are handed on as they are; what they mean is the agent's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from stoker import whole_file
from stoker.agents import profiles


class McpConfig(Struct, frozen=True, kw_only=True):
    """What an agent's file says of MCP servers."""

    servers: dict[str, Any]
    """By name, as the agent wants them."""
    servers_path: tuple[str, ...]
    """Keys that lead to them in the file."""
    template: dict[str, Any]
    """What a new file begins with."""
    preconfigured: dict[str, Any] = {}
    """Servers to offer; none yet."""
    is_toml_config: bool = False


class Found(Struct, frozen=True, kw_only=True):
    """With the file it is in, which need not exist."""

    mcp_config: McpConfig
    config_path: str


class NoMcpConfig(Exception):
    """The executor is not known, or has no file of MCP servers."""


class BadMcpConfig(Exception):
    """The file, or what is to be written into it, is not as it should be; the message has
    the place."""


class _File(Struct, frozen=True):
    """Where an agent's file is, and the servers in it."""

    variable: str
    folder: str
    """Unless the variable names another."""
    name: str
    key: str
    template: dict[str, Any] = {}


_FILES: Final = {
    "CLAUDE_CODE": _File("CLAUDE_CONFIG_DIR", "", ".claude.json", "mcpServers"),
    "CODEX": _File("CODEX_HOME", ".codex", "config.toml", "mcp_servers"),
    "GEMINI": _File("GEMINI_CLI_HOME", "", ".gemini/settings.json", "mcpServers"),
    "QWEN_CODE": _File("QWEN_HOME", ".qwen", "settings.json", "mcpServers"),
    "OPENCODE": _File(
        "XDG_CONFIG_HOME",
        ".config",
        "opencode/opencode.json",
        "mcp",
        {"$schema": "https://opencode.ai/config.json"},
    ),
}


def read(executor: str, env: Mapping[str, str] = os.environ) -> Found:
    """The servers of an executor; `env` is the one its agent is started from. Raises
    `NoMcpConfig`, `BadMcpConfig`, `OSError`, `PlanError` (the file of profiles)."""
    file, path = _located(executor, env)
    _, servers = _open(file, path)
    return Found(
        mcp_config=McpConfig(
            servers=servers,
            servers_path=(file.key,),
            template={**file.template, file.key: {}},
            is_toml_config=path.suffix == ".toml",
        ),
        config_path=str(path),
    )


def write(executor: str, servers: Mapping[str, Any], env: Mapping[str, str] = os.environ) -> int:
    """Have the executor's file hold exactly these servers, all or nothing. Returns how many
    it held before. Raises as `read`."""
    for name, server in servers.items():
        if not name or not isinstance(server, dict):
            raise BadMcpConfig(f"servers: {name!r}: expected a name and a map, found {server!r}")
    file, path = _located(executor, env)
    document, before = _open(file, path)
    if path.suffix == ".toml":
        text = _toml(document, file.key, before, servers)
    else:
        whole = {**(document or file.template), file.key: servers}
        text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    # Where a link leads; servers may hold keys, so a new file is its owner's alone.
    whole_file.replace(Path(os.path.realpath(path)), text.encode(), mode=None, new=0o600)
    return len(before)


def _located(executor: str, env: Mapping[str, str]) -> tuple[_File, Path]:
    file = _FILES.get(executor)
    if file is None:
        known = ", ".join(_FILES)
        raise NoMcpConfig(f"executor {executor!r} has no MCP servers of its own; {known} have")
    own = profiles.load(profiles.place(env)).profile(executor).settings.env
    found = {name: value for name, value in {**env, **own}.items() if value}
    if executor == "OPENCODE" and "OPENCODE_CONFIG" in found:
        return file, Path(found["OPENCODE_CONFIG"])
    folder = found.get(file.variable) or f"{found.get('HOME', '')}/{file.folder}"
    return file, Path(folder, file.name)


def _open(file: _File, path: Path) -> tuple[Any, dict[str, Any]]:
    """The file's document, and the servers in it as plain data."""
    toml = path.suffix == ".toml"
    try:
        text = path.read_text()
        if toml:
            import tomlkit

            document: Any = tomlkit.parse(text)
            plain = document.unwrap()
        else:
            document = plain = json.loads(text) if text.strip() else {}
    except FileNotFoundError:
        return None, {}
    except ValueError as error:  # of text, JSON and TOML alike
        kind = "TOML" if toml else "JSON (without comments)"
        raise BadMcpConfig(f"{path}: expected {kind}: {error}") from error
    servers = plain.get(file.key, {}) if isinstance(plain, dict) else None
    if not isinstance(servers, dict):
        raise BadMcpConfig(f"{path}: {file.key}: expected a map of servers")
    return document, servers


def _toml(document: Any, key: str, before: dict[str, Any], servers: Mapping[str, Any]) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    document = document if document is not None else tomlkit.document()
    if key not in document:
        document[key] = tomlkit.table(is_super_table=True)
    table = document[key]
    for name in before.keys() - servers.keys():
        del table[name]
    for name, server in servers.items():
        if before.get(name) != server:
            try:
                table[name] = server
            except (TOMLKitError, TypeError, ValueError) as error:
                raise BadMcpConfig(f"servers: {name!r} cannot be said in TOML: {error}") from error
    return tomlkit.dumps(document)
