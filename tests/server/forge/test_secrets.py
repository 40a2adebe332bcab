"""Keys in profiles and in agents' files are told only to whoever may change them."""

from __future__ import annotations

import json

EXECUTORS = {"CODEX": {"MINE": {"CODEX": {"env": {"API_KEY": "sesame", "GONE": None}}}}}


def test_only_an_admin_reads_profiles_and_mcp_servers(serve_forge):
    forge, codex = serve_forge, {"executor": "CODEX"}
    forge.ask("PUT", "/profiles", json={"executors": EXECUTORS})
    servers = {"one": {"command": "x", "env": {"KEY": "sesame"}}}
    forge.ask("POST", "/mcp-config", params=codex, json={"servers": servers})
    for scope in ("read", "run", "admin"):
        words = ("serve", "token", "create", "--scope", scope, "--name", scope)
        token = forge.server.stoker(*words).stdout.strip()
        forge.client.headers["Authorization"] = f"Bearer {token}"
        for path, params in (("/profiles", {}), ("/mcp-config", codex)):
            if scope == "admin":
                assert "sesame" in json.dumps(forge.ask("GET", path, params=params))
            else:
                told = forge.refused("GET", path, 403, params=params)
                assert "scope admin" in told["message"]
        for path in ("/api/info", "/api/config", "/v1/agents", "/v1/info"):
            answer = forge.client.get(path)
            assert answer.status_code == 200
            assert "sesame" not in answer.text


def test_hidden_variables_of_profiles_that_are_sent_back_stay_as_they_were(serve_forge):
    forge = serve_forge
    forge.ask("PUT", "/profiles", json={"executors": EXECUTORS})
    executors = forge.ask("GET", "/info")["executors"]
    mine = executors["CODEX"]["MINE"]["CODEX"]
    assert mine == {"env": {"API_KEY": "********", "GONE": None}}
    mine["model"] = "gpt-5"
    forge.ask("PUT", "/profiles", json={"executors": executors})
    content = json.loads(forge.ask("GET", "/profiles")["content"])
    env = EXECUTORS["CODEX"]["MINE"]["CODEX"]["env"]
    assert content["executors"]["CODEX"]["MINE"]["CODEX"] == {"env": env, "model": "gpt-5"}
