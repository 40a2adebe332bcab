"""A client of the Forge-compatible API with nothing but HTTP, and a repository for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
from repositories import script
from serving import Server
from websockets.sync.client import connect

ENVELOPE = {"success", "data", "error_data", "message"}


class Forge:
    """As callers of the API use it: `/api` before every path, an envelope around every answer."""

    def __init__(self, server: Server, client: httpx.Client, repository: Path) -> None:
        self.server = server
        self.client = client
        self.repository = repository

    def ask(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """The answer's data. As the client does, it is JSON by name also without a body."""
        headers = {} if "files" in options else {"Content-Type": "application/json"}
        answer = self.client.request(method, f"/api{path}", headers=headers, **options)
        assert answer.status_code == status, answer.text
        told = answer.json()
        assert set(told) == ENVELOPE
        assert told["success"] is True, told
        return told["data"]

    def refused(self, method: str, path: str, status: int, **options: Any) -> Any:
        """What is told of an error in an envelope."""
        answer = self.client.request(method, f"/api{path}", **options)
        assert answer.status_code == status, answer.text
        told = answer.json()
        assert set(told) == ENVELOPE
        assert (told["success"], told["data"]) == (False, None)
        return told

    def project(self, **more: Any) -> dict[str, Any]:
        """That of the repository; made when it is asked for first."""
        for one in self.ask("GET", "/projects"):
            if one["git_repo_path"] == str(self.repository):
                return one
        body = {"name": "P", "git_repo_path": str(self.repository), "use_existing_repo": True}
        return self.ask("POST", "/projects", json={**body, **more})

    def begin(self, *actions: dict[str, Any], variant: str = "DEFAULT", **task: Any) -> Any:
        """Create and start; the answer."""
        return self.ask(
            "POST",
            "/tasks/create-and-start",
            json={
                "task": {"project_id": self.project()["id"], "title": script(*actions), **task},
                "executor_profile_id": {"executor": "SCRIPTED", "variant": variant},
                "base_branch": "main",
            },
        )

    def processes(self, attempt: str) -> list[dict[str, Any]]:
        return self.ask("GET", "/execution-processes", params={"task_attempt_id": attempt})

    def settled(self, attempt: str) -> dict[str, Any]:
        """The attempt once its agent is at rest and its work kept: then its task is not in
        progress any more."""
        with self.tasks(self.ask("GET", f"/task-attempts/{attempt}")["project_id"]) as socket:
            board = json.loads(socket.recv(30))["JsonPatch"][0]["value"]
            task = self.ask("GET", f"/task-attempts/{attempt}")["task_id"]
            while board[task]["status"] == "inprogress" or board[task]["has_in_progress_attempt"]:
                for op in json.loads(socket.recv(30))["JsonPatch"]:
                    board[op["path"].rpartition("/")[2]] = op.get("value")
        return self.ask("GET", f"/task-attempts/{attempt}")

    def tasks(self, project: str) -> Any:
        return self.socket(f"/tasks/stream/ws?project_id={project}")

    def socket(self, path: str) -> Any:
        return connect(f"{self.server.ws}/api{path}", max_size=None, proxy=None)

    def frames(self, path: str) -> list[dict[str, Any]]:
        """All frames of a stream that ends."""
        with self.socket(path) as socket:
            found = [json.loads(frame) for frame in socket]
        assert socket.close_code == 1000
        assert found[-1] == {"finished": True}
        return found[:-1]


def ops(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The operations of all frames."""
    return [op for frame in frames for op in frame["JsonPatch"]]


def entries(frames: list[dict[str, Any]]) -> list[Any]:
    """What `/entries` is after them; an entry is added once, at the end, then replaced."""
    found: list[Any] = []
    for op in ops(frames):
        number = int(op["path"].removeprefix("/entries/"))
        if op["op"] == "add":
            assert number == len(found)
            found.append(op["value"])
        else:
            assert op["op"] == "replace"
            found[number] = op["value"]
    return found
