"""A real server process on a free port, and clients over real sockets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

from stoker.engine.attempt import realm
from stoker.process.survivors import Scan


class Server:
    """`stoker serve` in a directory of its own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory = directory
        self.arguments = arguments
        self.environment: dict[str, str] = {}
        """What it is started with beside the tests' own."""
        self.program = ["-m", "stoker"]
        """What Python is to run."""
        self.process: subprocess.Popen[str]
        self.url = ""
        (directory / ".stoker").mkdir(parents=True, exist_ok=True)

    def start(self) -> Server:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("STOKER_")}
        environment |= self.environment
        self.process = subprocess.Popen(
            [sys.executable, *self.program, "serve", "--port", "0", *self.arguments],
            cwd=self.directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=(self.directory / "server.log").open("ab"),
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("serving on "), self.log
        self.url = line.split()[-1]
        return self

    @property
    def log(self) -> str:
        return (self.directory / "server.log").read_text()

    @property
    def ws(self) -> str:
        return self.url.replace("http", "ws", 1)

    def client(self, **options) -> httpx.Client:
        options.setdefault("timeout", 30)
        return httpx.Client(base_url=self.url, trust_env=False, **options)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stoker(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stoker", *words],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self.process.stdout.close()
        for survivor in Scan():  # agents outlive servers, but not tests
            if survivor.marker.startswith(realm(self.directory / ".stoker")):
                with suppress(ProcessLookupError):
                    os.kill(survivor.pid, signal.SIGKILL)


def begin(client: httpx.Client, *steps: dict, **fields) -> str:
    """Begin a run; its id."""
    plan = {"plan_id": "p", "steps": list(steps), **fields.pop("plan", {})}
    answer = client.post("/v1/runs", json={"plan": plan, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["run_id"]


def events(client: httpx.Client, run_id: str, *, until: str | None = None, after: int = 0) -> list:
    """The run's events from its stream, to its end or to the first of type `until`."""
    found = []
    with client.stream(
        "GET",
        f"/v1/runs/{run_id}/events",
        params={"after": after},
        headers={"Accept": "text/event-stream"},
    ) as answer:
        assert answer.status_code == 200, answer.read()
        for line in answer.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
                if found[-1]["type"] == until:
                    break
    return found


def outcome(client: httpx.Client, run_id: str) -> str:
    """The run's status, once it is over."""
    events(client, run_id)
    return client.get(f"/v1/runs/{run_id}").json()["status"]


def wait_for(path: Path) -> None:
    """Wait for a file that a step makes."""
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} was never made"
        time.sleep(0.01)


def problem(answer, status, name):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert told["type"] == (f"urn:stoker:problem:{name}" if name else "about:blank")
    return told
