"""MCP servers in the agents' own files: what is read, what is written, and what is left alone."""

from __future__ import annotations

import json
import tomllib

import msgspec
import pytest

from stoker.agents.mcp_config import BadMcpConfig, NoMcpConfig, read, write

DOCS = {"command": "npx", "args": ["-y", "docs"], "env": {"KEY": "k"}}
PLACES = {
    "CLAUDE_CODE": (".claude.json", "mcpServers"),
    "CODEX": (".codex/config.toml", "mcp_servers"),
    "GEMINI": (".gemini/settings.json", "mcpServers"),
    "QWEN_CODE": (".qwen/settings.json", "mcpServers"),
    "OPENCODE": (".config/opencode/opencode.json", "mcp"),
}


@pytest.fixture
def env(tmp_path):
    return {"HOME": str(tmp_path)}


@pytest.mark.parametrize("executor", PLACES)
def test_servers_are_written_where_the_agent_reads_them(executor, env, tmp_path):
    place, key = PLACES[executor]
    found = read(executor, env)
    assert found.mcp_config.servers == {}
    assert found.config_path == str(tmp_path / place)
    assert write(executor, {"docs": DOCS}, env) == 0
    text = (tmp_path / place).read_text()
    parsed = tomllib.loads(text) if executor == "CODEX" else json.loads(text)
    assert parsed[key] == {"docs": DOCS}
    assert json.loads(msgspec.json.encode(read(executor, env).mcp_config)) == {
        "servers": {"docs": DOCS},
        "servers_path": [key],
        "template": {**({"$schema": parsed["$schema"]} if "$schema" in parsed else {}), key: {}},
        "preconfigured": {},
        "is_toml_config": executor == "CODEX",
    }
    assert (tmp_path / place).stat().st_mode & 0o777 == 0o600
    assert write(executor, {}, env) == 1
    assert read(executor, env).mcp_config.servers == {}


def test_all_else_in_toml_stays_as_it_is(env, tmp_path):
    file = tmp_path / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text(
        '# mine\nmodel = "m"  # the good one\n\n[mcp_servers.kept]\n# why\ncommand = "a"\n\n'
        '[mcp_servers.gone]\ncommand = "b"\n\n[profiles.fast]\nmodel   = "f"\n'
        '[mcp_servers.late]\ncommand = "c"\n'
    )
    kept = {"kept": {"command": "a"}, "late": {"command": "changed"}}
    assert write("CODEX", {**kept, "docs": DOCS}, env) == 3
    text = file.read_text()
    for line in ("# mine", 'model = "m"  # the good one', "# why", 'model   = "f"'):
        assert line in text.splitlines()
    parsed = tomllib.loads(text)
    assert parsed["mcp_servers"] == {**kept, "docs": DOCS}
    assert parsed["profiles"] == {"fast": {"model": "f"}}


def test_all_else_in_json_stays_and_so_do_link_and_mode(env, tmp_path):
    file = tmp_path / "dotfiles.json"
    file.write_text(json.dumps({"é": 1, "mcpServers": {"old": {}}, "last": [1.5]}))
    file.chmod(0o640)
    link = tmp_path / ".claude.json"
    link.symlink_to(file)
    assert write("CLAUDE_CODE", {"docs": DOCS}, env) == 1
    assert link.is_symlink()
    text = file.read_text()
    assert list(json.loads(text).items()) == [
        ("é", 1),
        ("mcpServers", {"docs": DOCS}),
        ("last", [1.5]),
    ]
    assert "é" in text
    assert file.stat().st_mode & 0o777 == 0o640


def test_variables_and_the_profile_say_where_the_file_is(env, tmp_path):
    where = {**env, "CODEX_HOME": str(tmp_path / "a"), "OPENCODE_CONFIG": str(tmp_path / "o.json")}
    assert read("CODEX", where).config_path == str(tmp_path / "a" / "config.toml")
    assert read("OPENCODE", where).config_path == str(tmp_path / "o.json")
    told = {"executors": {"CODEX": {"DEFAULT": {"env": {"CODEX_HOME": str(tmp_path / "b")}}}}}
    where["STOKER_PROFILES"] = str(tmp_path / "profiles.json")
    (tmp_path / "profiles.json").write_text(json.dumps(told))
    assert read("CODEX", where).config_path == str(tmp_path / "b" / "config.toml")


@pytest.mark.parametrize("executor", ["SCRIPTED", "BUILTIN", "NOBODY"])
def test_an_executor_without_them_is_told(executor, env):
    with pytest.raises(NoMcpConfig, match=f"'{executor}' has no MCP servers"):
        read(executor, env)


@pytest.mark.parametrize(
    ("executor", "text", "why"),
    [
        ("GEMINI", "{ // mine\n}", "expected JSON .without comments.: .*line 1"),
        ("GEMINI", "[]", "mcpServers: expected a map"),
        ("CODEX", "mcp_servers = 1", "mcp_servers: expected a map"),
        ("CODEX", "a = ", "expected TOML: .*line 1"),
    ],
)
def test_a_file_that_is_not_understood_is_left_alone(executor, text, why, env, tmp_path):
    file = tmp_path / PLACES[executor][0]
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(BadMcpConfig, match=why):
        write(executor, {"docs": DOCS}, env)
    assert file.read_text() == text
    assert list(file.parent.iterdir()) == [file]


def test_what_is_no_server_is_refused(env, tmp_path):
    with pytest.raises(BadMcpConfig, match="servers: 'x': expected"):
        write("CODEX", {"x": 1}, env)
    with pytest.raises(BadMcpConfig, match="'x' cannot be said in TOML"):
        write("CODEX", {"x": {"command": None}}, env)
    assert list(tmp_path.iterdir()) == []
