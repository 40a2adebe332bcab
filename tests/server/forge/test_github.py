"""Signing in at GitHub by a code: a server of ours takes its place."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from forge_client import Forge
from serving import Server


@pytest.fixture
def github():
    """Its base URL, what it was asked, and what it answers next about the code."""
    asked, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def answer(self, told, status=200):
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            asked.append((self.path, {key: value for key, (value,) in form.items()}))
            if self.path == "/login/device/code":
                shown = {"user_code": "AB-CD", "verification_uri": "https://x/device"}
                self.answer({**shown, "device_code": "D", "expires_in": 900, "interval": 5})
            else:
                self.answer(answers.pop(0))

        def do_GET(self):
            right = self.headers["Authorization"] == "Bearer right"
            self.answer({"login": "dev"} if right else {}, 200 if right else 401)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked, answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_signing_in_by_a_code(tmp_path, github):
    base, asked, answers = github
    server = Server(tmp_path, "--rate", "0")
    server.environment = {"STOKER_GITHUB_URL": base, "STOKER_GITHUB_CLIENT_ID": "app"}
    with server, server.client() as client:
        forge = Forge(server, client, server.directory)
        assert forge.ask("GET", "/auth/github/check") == "INVALID"
        started = forge.ask("POST", "/auth/github/device/start")
        assert started == {
            "user_code": "AB-CD",
            "verification_uri": "https://x/device",
            "expires_in": 900,
            "interval": 5,
        }
        answers += [{"error": "authorization_pending"}, {"error": "slow_down"}]
        answers += [{"error": "expired_token"}, {"access_token": "right"}]
        body = {"json": {"device_code": "what the server does not need"}}
        for told in ("AUTHORIZATION_PENDING", "SLOW_DOWN"):
            assert forge.ask("POST", "/auth/github/device/poll", **body) == told
        assert "expired" in forge.refused("POST", "/auth/github/device/poll", 500)["message"]
        assert forge.ask("POST", "/auth/github/device/poll", **body) == "SUCCESS"
        assert asked[-1][1]["device_code"] == "D"
        assert forge.ask("GET", "/auth/github/check") == "VALID"
        settings = forge.ask("GET", "/config")["github"]
        assert (settings["username"], settings["oauth_token"]) == ("dev", "********")
    assert "right" not in server.log


def test_without_a_client_id_it_says_what_is_missing(common):
    told = common.refused("POST", "/auth/github/device/start", 500)
    assert "STOKER_GITHUB_CLIENT_ID" in told["message"]
    assert "no sign-in" in common.refused("POST", "/auth/github/device/poll", 500)["message"]
