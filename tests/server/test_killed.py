"""The server is killed, more than once, with twenty agents at work: they go on, nothing is lost."""

from __future__ import annotations

import json
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from repositories import script
from tasking import asked, begin, project, settled
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

ROUNDS = int(os.environ.get("STOKER_KILL_ROUNDS", "1"))

WAIT = {"run": "until [ -e go ]; do sleep 0.05; done; rm go"}
WORK = script(
    *({"say": f"before {n}"} for n in range(20)),
    WAIT,
    *({"say": f"after {n}"} for n in range(20)),
    {"edit": "b", "content": "x"},
)
ASK = script({"say": "I ask"}, {"run": "touch allowed", "ask": True}, {"edit": "b", "content": "x"})
ASK_LATER = script(WAIT, {"run": "touch allowed", "ask": True}, {"edit": "b", "content": "x"})
FAIL = script(WAIT, {"edit": "b", "content": "half"}, {"fail": "tired"})
HANG = script({"say": "now"}, {"run": "sleep 300"})
EACH = {
    "work": (WORK, 8),
    "ask": (ASK, 4),
    "later": (ASK_LATER, 4),
    "fail": (FAIL, 2),
    "hang": (HANG, 2),
}


class Watcher:
    """A client that reads an agent's stream over a WebSocket, and comes back when it is cut off."""

    def __init__(self, server, key: str) -> None:
        self.server = server
        self.key = key
        self.streams: list[list[dict]] = []
        """What each connection was told, from the beginning."""
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        while True:
            told: list[dict] = []
            self.streams.append(told)
            try:
                with connect(f"{self.server.ws}/v1/attempts/{self.key}/turns/1/stream/ws") as ws:
                    for frame in ws:
                        told.append(json.loads(frame))
                if told and told[-1]["content"]["type"] == "turn_ended":
                    return
            except (OSError, WebSocketException):
                self.server.running.wait(30)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_twenty_agents_outlive_their_server(server, repository, seed):
    chance = random.Random(seed)
    server.running = threading.Event()
    server.running.set()
    with server.client() as client, ThreadPoolExecutor(20) as pool:
        project(client, repository)
        wanted = [(name, prompt) for name, (prompt, many) in EACH.items() for _ in range(many)]
        begun = list(
            pool.map(
                lambda one: (
                    one[0],
                    begin(
                        client,
                        repository,
                        one[1],
                        variant="APPROVALS" if "touch" in one[1] else None,
                    ),
                ),
                wanted,
            )
        )
        assert {answer.status_code for _, answer in begun} == {201}
        attempts = {name: [] for name in EACH}
        for name, answer in begun:
            attempts[name].append(answer.json()["attempt"])
        for attempt in attempts["ask"]:
            assert asked(client, attempt["attempt_id"])
        (queued, *_) = attempts["work"]
        later = {"prompt": script({"edit": "c", "content": "y"})}
        told = client.post(f"/v1/attempts/{queued['attempt_id']}/follow-up", json=later)
        assert told.json() == {"started": False}
    watchers = [
        Watcher(server, one["attempt_id"]) for name in ("work", "fail") for one in attempts[name]
    ]
    for kill in range(3):
        threading.Event().wait(chance.random() * 0.5)  # the moment is the test's input
        server.running.clear()
        server.kill()
        if kill == 1:  # these end, fail and ask while no server lives
            for attempt in (*attempts["work"][:4], *attempts["later"], *attempts["fail"]):
                Path(attempt["worktree"], "go").touch()
        server.start()
        server.running.set()
    for attempt in attempts["work"][4:]:
        Path(attempt["worktree"], "go").touch()
    with server.client() as client:
        for attempt in (*attempts["ask"], *attempts["later"]):
            key = attempt["attempt_id"]
            path = f"/v1/attempts/{key}/turns/1/approvals/{asked(client, key)}"
            assert client.post(path, json={"allowed": True}).status_code == 202
        for attempt in attempts["hang"]:
            assert client.post(f"/v1/attempts/{attempt['attempt_id']}/stop").status_code == 204
        for name, ones in attempts.items():
            for one in ones:
                check(client, name, one, turns=2 if one is queued else 1)
    for watcher in watchers:
        watcher.thread.join(30)
        assert not watcher.thread.is_alive()
        without_gap_or_duplicate(watcher.streams)


def check(client: httpx.Client, name: str, attempt: dict, *, turns: int) -> None:
    """How an attempt ended, and what it has left."""
    key = attempt["attempt_id"]
    view = settled(client, key)
    if turns == 2:
        assert view["queued"] is None
    ends = {step["step"]: step["status"] for step in view["steps"]}
    agent = {"fail": "failed", "hang": "canceled"}.get(name, "succeeded")
    assert ends["agent-1"] == agent
    assert len(ends) == 2 * turns
    if name != "hang":
        assert ends["checkpoint-1"] == "succeeded"
    changed = client.get(f"/v1/attempts/{key}/changes").json()["changes"]
    made = {"hang": set(), "ask": {"b", "allowed"}, "later": {"b", "allowed"}}.get(name, {"b"})
    assert {one["new_path"] for one in changed} == (made | {"c"} if turns == 2 else made)


def without_gap_or_duplicate(streams: list[list[dict]]) -> None:
    """Each connection is told the same from the beginning, as far as it was told."""
    last = streams[-1]
    texts = [
        one["content"]["text"]
        for one in last
        if one["content"]["type"] == "assistant_message" and one["content"]["text"]
    ]
    if len(texts) > 2:
        assert texts == [f"before {n}" for n in range(20)] + [f"after {n}" for n in range(20)]
    for told in streams[:-1]:
        assert told == last[: len(told)]
