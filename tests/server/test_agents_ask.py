"""Agents with the network at a server that needs no token: what it does is done outside their
sandbox, so they are not let in."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest
from serving import Server, outcome, wait_for

from stoker.agents import bubblewrap, confine_main
from stoker.server import peer

BWRAP = shutil.which("bwrap")
MEANS = [
    pytest.param(
        "bwrap",
        marks=pytest.mark.skipif(
            BWRAP is None or bubblewrap.trouble(BWRAP, False) is not None,
            reason="bubblewrap does not work on this machine",
        ),
    ),
    pytest.param(
        "landlock",
        marks=pytest.mark.skipif(
            confine_main.abi() < confine_main.FILES, reason="this kernel's landlock does not do"
        ),
    ),
    "nothing",
]
SENT = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
body = b'{"plan": {"plan_id": "evil", "steps": [{"id": "a", "run": "true"}]}}'
head = b"POST /v1/runs HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\n"
connection.sendall(head + b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
connection.close()
"""
"""Does not wait for an answer."""
CONNECTED = """
import socket, sys
connection = socket.socket(int(sys.argv[1]))
connection.connect((sys.argv[2], int(sys.argv[3])))
input()
"""


@pytest.fixture(params=MEANS)
def means(request, tmp_path, monkeypatch):
    """What confines the agents of servers that are started then."""
    settings = {"confine": "never" if request.param == "nothing" else "auto", "network": "on"}
    profiles = {"executors": {"SCRIPTED": {"TEST": {"SCRIPTED": settings}}}}
    (tmp_path / "profiles.json").write_text(json.dumps(profiles))
    if request.param == "landlock":
        fake = tmp_path / "bin" / "bwrap"
        fake.parent.mkdir()
        fake.write_text("#!/bin/sh\nexit 1\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    return request.param


@pytest.fixture
def here(tmp_path, means, monkeypatch):
    made = Server(tmp_path, "--rate", "0")
    made.environment = {"STOKER_PROFILES": str(tmp_path / "profiles.json")}
    (tmp_path / "work").mkdir()
    with made:
        yield made


def agent(server, *commands, headers=None):
    """Have an agent run them; their outputs."""
    actions = [{"run": command} for command in commands]
    step = {"type": "agent", "profile": "SCRIPTED:TEST", "prompt": json.dumps(actions)}
    plan = {"plan_id": "p", "steps": [{"id": "s", "step_def": step}]}
    with server.client(headers=headers) as client:
        run = client.post("/v1/runs", json={"plan": plan, "cwd": "work"}).json()["run_id"]
        assert outcome(client, run) == "succeeded"
    stream = server.directory / ".stoker" / "runs" / run / "agents" / "s.1" / "stream"
    found = {}
    for line in stream.read_text().splitlines():
        record = json.loads(line)
        if record.get("content", {}).get("type") == "command":
            found[record["index"]] = record["content"].get("output", "").strip()
    return list(found.values())


def test_an_agent_needs_a_token_and_a_person_does_not(here, means):
    url = f"{here.url}/v1/runs"
    curl = f"curl -s -o /dev/null -w '%{{http_code}}' --noproxy '*' {url}"
    work = here.directory / "work"
    bare = f"env -i {shutil.which('curl')} -s --noproxy '*' {url}"
    away = f'setsid sh -c "{bare} > away.new; mv away.new away" &'
    port = here.url.rpartition(":")[2]
    (work / "sent.py").write_text(SENT)
    found = agent(
        here,
        curl,
        f"env -i {curl}",
        f"{curl}; true",
        f"curl -s --noproxy '*' {url}",
        f"curl -s --noproxy '*' {here.url}/healthz",
        f"{sys.executable} sent.py {port}",
        f"sh -c '{away}'; until test -e away; do sleep 0.01; done",
    )
    assert found[:3] == ["403"] * 3
    assert json.loads(found[3])["type"] == "urn:stoker:problem:agent"
    assert "token" in json.loads(found[3])["detail"]
    assert found[4] == '{"status":"ok"}'
    wait_for(work / "away")
    if means != "nothing":  # which leaves it no mark at all
        assert "urn:stoker:problem:agent" in (work / "away").read_text()
    with here.client() as client:
        listed = client.get("/v1/runs").json()["runs"]
        assert [run["plan_id"] for run in listed] == ["p"]
    token = here.stoker("serve", "token", "create", "--scope", "read", "--name", "a").stdout
    bearer = f"Authorization: Bearer {token.strip()}"
    admin = here.stoker("serve", "token", "create", "--scope", "admin", "--name", "b").stdout
    ((told,)) = agent(
        here, f"{curl} -H '{bearer}'", headers={"Authorization": f"Bearer {admin.strip()}"}
    )
    assert told == "200"


def test_who_has_gone_may_be_anybody(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        connection, there = listening.accept()
        with connection:
            assert not peer.Peer(there, connection.getsockname()).agent
            client.close()
            assert peer.Peer(there, connection.getsockname()).agent
            assert peer.Peer(None, connection.getsockname()).agent


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("table", [False, True])
def test_the_process_at_the_other_end_is_found(monkeypatch, host, table):
    if table:
        monkeypatch.setattr(peer, "_SOCK_DIAG", 9999)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = "127.0.0.1" if "127" in host else host
    with socket.create_server(
        (bound, 0), family=socket.AF_INET6 if bound == "::1" else socket.AF_INET
    ) as listening:
        port = listening.getsockname()[1]
        for marked in (False, True):
            environment = {**os.environ, **({"STOKER_AGENT": "r"} if marked else {})}
            process = subprocess.Popen(
                [sys.executable, "-c", CONNECTED, str(int(family)), host, str(port)],
                stdin=subprocess.PIPE,
                env=environment,
            )
            try:
                connection, there = listening.accept()
                with connection:
                    one = peer.Peer(there[:2], connection.getsockname()[:2])
                    assert one.agent == marked
            finally:
                process.communicate(b"\n")
