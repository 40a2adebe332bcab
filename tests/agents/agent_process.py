"""A built-in agent as a process, as a test drives it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from model_server import ModelServer

KEY = "sk-the-key-of-the-test"
Line = dict[str, Any]
FREE = {"edit": "allow", "execute": "allow"}


class AgentProcess:
    """Started when made; ended when left. `lines` is all that it has said so far."""

    def __init__(
        self,
        server: ModelServer | None,
        folder: Path,
        *,
        prompt: str | None = None,
        wire: str = "openai",
        program: tuple[str, ...] = ("-m", "stoker.agents.builtin"),
        options: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        **settings: Any,
    ) -> None:
        """`folder` gets `work`, the worktree, and `state`. Whatever may be done is allowed,
        unless `settings` say otherwise."""
        self.folder = folder
        self.work = folder / "work"
        self.state = folder / "state"
        self.work.mkdir(exist_ok=True)
        base = {} if server is None else {"base_url": server.url + "/v1" * (wire == "openai")}
        whole = {"model": "scripted", "wire": wire, **base, "permissions": FREE, **settings}
        self.command = [
            *(sys.executable, *program, "--settings", json.dumps(whole)),
            *("--state", str(self.state), "--cwd", str(self.work)),
            *(() if prompt is None else ("--prompt", prompt)),
            *options,
        ]
        self.env = {**os.environ, "OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, **(env or {})}
        self.lines: list[Line] = []
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(30)
        self._reader.join()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._errors.close()

    @property
    def transcript(self) -> list[Line]:
        """Entries, as they are in the file."""
        text = (self.state / "transcript.jsonl").read_text()
        return [json.loads(line)["entry"] for line in text.splitlines()]

    @property
    def errors(self) -> str:
        """What it wrote to stderr."""
        return (self.folder / "stderr").read_text()

    def again(self) -> None:
        """Start it anew, after it ended or was killed."""
        self.process.wait(30)
        self._reader.join()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._errors.close()
        self.lines = []
        self._start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def say(self, message: Line) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, text: str, id: str | None = None) -> None:
        message = {"role": "user", "content": [{"type": "text", "text": text}]}
        self.say({"type": "user", "message": message, **({"uuid": id} if id else {})})

    def control(self, subtype: str, id: str = "q1") -> None:
        request = {"subtype": subtype}
        self.say({"type": "control_request", "request_id": id, "request": request})

    def decide(self, question: Line, response: Line) -> None:
        found = {"subtype": "success", "request_id": question["request_id"], "response": response}
        self.say({"type": "control_response", "response": found})

    def end_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def until(self, wanted: Callable[[Line], bool] | str, timeout: float = 30) -> Line:
        """The next line that is wanted, or of that type. Fails if none comes."""
        while True:
            line = self._queue.get(timeout=timeout)
            if line is None:
                raise AssertionError(f"it ended: {self.lines}\n{self.errors}")
            self.lines.append(line)
            if line["type"] == wanted if isinstance(wanted, str) else wanted(line):
                return line

    def finish(self, timeout: float = 60) -> Line:
        """Say no more, and wait until it has ended. Returns its last result, which may be from
        before it was started again."""
        if not self.process.stdin.closed:  # type: ignore[union-attr]
            self.end_input()
        while (line := self._queue.get(timeout=timeout)) is not None:
            self.lines.append(line)
        self.process.wait(30)
        results = [line for line in self.lines if line["type"] == "result"]
        last: Line | None = results[-1] if results else self.lines[0]["last_result"]
        assert last is not None, self.errors
        return last

    def outputs(self) -> list[str]:
        """Texts of all results of tools."""
        return [
            block["content"]
            for line in self.lines
            if line["type"] == "user"
            for block in line["message"]["content"]
        ]

    def _start(self) -> None:
        self._errors = (self.folder / "stderr").open("ab")
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=self.env,
        )
        self._queue: queue.Queue[Line | None] = queue.Queue()
        self._reader = threading.Thread(target=_read, args=(self.process, self._queue), daemon=True)
        self._reader.start()


def _read(process: subprocess.Popen[bytes], lines: queue.Queue[Line | None]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.put(json.loads(line))
    lines.put(None)
