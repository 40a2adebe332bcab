"""The scripted agent, for tests and demonstrations: it does what a script says, and speaks
Claude-style stream-json, as real agents do.

    python -m stoker.agents.scripted [--script FILE] [--resume=SESSION]

The script is a JSON list of actions: the file, else `$STOKER_SCRIPT`, else the prompt itself
if it begins with `[`; without one, it repeats what it was asked. An action is an object:

    {"say": "text"}                       a message
    {"stream": "text"}                    a message that comes word by word
    {"think": "text"}
    {"todos": [["text", "completed"]]}
    {"run": "command", "ask": true}       through sh -c; `ask`: after asking for permission
    {"edit": "path", "content": "text"}   a new file, or the old one anew; `ask` as above
    {"edit": "path", "old": "a", "new": "b"}
    {"usage": {"input_tokens": 1}, "cost": 0.1}
    {"wait": true}                        for the next message, which it repeats
    {"raw": "text"}                       a line that is no part of the protocol
    {"stderr": "text"}
    {"fail": "why"}                       the turn ends with an error
    {"exit": 3}                           the process ends
    {"hang": true}                        until it is interrupted; "deaf": whatever it is told
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import Any


class Failed(Exception):
    """The turn ends with an error."""


class Agent:
    """Carries out scripts, a turn for each user message."""

    def __init__(self, session: str, script: str | None) -> None:
        self.session = session
        self.script = script
        self.messages: queue.Queue[str | None] = queue.Queue()
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.interrupted = threading.Event()
        self.child: subprocess.Popen[str] | None = None
        self.asked: set[str] = set()
        self.made = 0
        self.usage: dict[str, int] = {}
        self.cost = 0.0
        self.owed = 0
        """Messages whose turns have not ended."""
        self.lock = threading.Lock()

    # Words.

    def write(self, message: dict[str, Any]) -> None:
        """One line."""
        self.raw(json.dumps({**message, "session_id": self.session}))

    def raw(self, line: str) -> None:
        """A line as it is."""
        with self.lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def assistant(self, *blocks: dict[str, Any]) -> None:
        """A message of the model."""
        self.made += 1
        content = {"id": f"msg_{self.made}", "role": "assistant", "content": list(blocks)}
        self.write({"type": "assistant", "message": content, "parent_tool_use_id": None})

    # Listening, on a thread of its own: an interrupt may come at any time.

    def listen(self) -> None:
        """Until stdin ends."""
        for line in sys.stdin:
            message = json.loads(line)
            kind = message["type"]
            if kind == "user":
                content = message["message"]["content"]
                if isinstance(content, list):
                    content = " ".join(block.get("text", "[image]") for block in content)
                self.owed += 1
                self.messages.put(content)
            elif kind == "control_response":
                self.answered(message["response"])
            elif kind == "control_request":
                self.controlled(message["request_id"], message["request"]["subtype"])
        self.messages.put(None)

    def answered(self, response: dict[str, Any]) -> None:
        """An answer to a request for permission; there must be one for each."""
        id = response["request_id"]
        if id in self.asked:
            self.asked.remove(id)
            self.answers.put(response["response"])
        else:
            self.assistant({"type": "text", "text": f"UNEXPECTED ANSWER to {id}"})

    def controlled(self, id: str, subtype: str) -> None:
        """A request of the client."""
        response = {"subtype": "success", "request_id": id, "response": {}}
        self.write({"type": "control_response", "response": response})
        if subtype == "interrupt" and self.owed:
            self.interrupted.set()
            self.answers.put({"behavior": "deny", "message": "interrupted"})
            self.messages.put("")
            self.end_child()

    def end_child(self) -> None:
        """End the command under way, if there is one, and all it has started."""
        if (child := self.child) is not None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)

    # Turns.

    def run(self) -> int:
        """A turn for each message; returns when there are no more."""
        threading.Thread(target=self.listen, daemon=True).start()
        tools = ["Bash", "Write", "Edit"]
        begun = False
        while (prompt := self.messages.get()) is not None:
            if not prompt:
                continue  # what ended a `wait`, or would have
            if not begun:
                begun = True
                init = {"subtype": "init", "model": "scripted", "tools": tools, "cwd": os.getcwd()}  # noqa: PTH109
                self.write({"type": "system", **init})
            self.turn(prompt)
        return 0

    def turn(self, prompt: str) -> None:
        """From a message to its result."""
        script = self.script or (prompt if prompt.lstrip().startswith("[") else None)
        actions = [{"say": f"I was asked: {prompt}"}]
        if script:  # images may come after it
            actions, _ = json.JSONDecoder().raw_decode(script.lstrip())
        said, error = "", ""
        for action in actions:
            try:
                said = self.act(action) or said
            except Failed as failure:
                error = str(failure)
            if self.interrupted.is_set():
                error = "interrupted"
            if error:
                break
        self.owed -= 1
        self.interrupted.clear()
        self.write(
            {
                "type": "result",
                "subtype": "error_during_execution" if error else "success",
                "is_error": bool(error),
                "result": error or said,
                "num_turns": 1,
                "total_cost_usd": self.cost,
                "usage": self.usage,
            }
        )
        self.usage = {}

    def act(self, action: dict[str, Any]) -> str | None:
        """One action; returns what was said."""
        if (text := action.get("say")) is not None:
            self.assistant({"type": "text", "text": text})
            return str(text)
        if (text := action.get("stream")) is not None:
            self.stream(text)
            return str(text)
        if (text := action.get("think")) is not None:
            self.assistant({"type": "thinking", "thinking": text})
        elif "todos" in action:
            items = [{"content": text, "status": status} for text, status in action["todos"]]
            self.tool("TodoWrite", {"todos": items}, False, lambda: "ok")
        elif "run" in action:
            given = {"command": action["run"]}
            self.tool("Bash", given, action.get("ask", False), lambda: self.shell(action["run"]))
        elif "edit" in action:
            self.edit(action)
        elif "usage" in action:
            self.usage, self.cost = action["usage"], self.cost + action.get("cost", 0)
        elif "wait" in action:
            told = self.messages.get()
            self.owed -= bool(told)
            self.assistant({"type": "text", "text": f"I was told: {told}"})
        elif "raw" in action:
            self.raw(action["raw"])
        elif "stderr" in action:
            sys.stderr.write(action["stderr"] + "\n")
            sys.stderr.flush()
        elif "fail" in action:
            raise Failed(action["fail"])
        elif "exit" in action:
            os._exit(action["exit"])
        elif "hang" in action:
            if action["hang"] == "deaf":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                threading.Event().wait()
            self.interrupted.wait()
        else:
            raise Failed(f"unknown action: {action}")
        return None

    def stream(self, text: str) -> None:
        """A message in pieces, and then as a whole."""

        def event(kind: str, **more: Any) -> None:
            piece = {"type": kind, **more}
            self.write({"type": "stream_event", "event": piece, "parent_tool_use_id": None})

        event("message_start", message={"id": f"msg_{self.made + 1}"})
        event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        for word in text.split(" "):
            delta = {"type": "text_delta", "text": word + " "}
            event("content_block_delta", index=0, delta=delta)
        self.assistant({"type": "text", "text": text})
        event("content_block_stop", index=0)
        event("message_stop")

    def edit(self, action: dict[str, Any]) -> None:
        """Write a file, or replace a text in it."""
        path = os.path.abspath(action["edit"])  # noqa: PTH100
        if "content" in action:
            name, given = "Write", {"content": action["content"]}
        else:
            name, given = "Edit", {"old_string": action["old"], "new_string": action["new"]}

        def change() -> str:
            file = Path(path)
            text = action.get("content")
            if text is None:
                text = file.read_text().replace(action["old"], action["new"])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            return "written"

        self.tool(name, {"file_path": path, **given}, action.get("ask", False), change)

    def tool(self, name: str, given: dict[str, Any], ask: bool, do: Any) -> None:
        """Use a tool, perhaps after asking for permission."""
        id = f"toolu_{os.urandom(4).hex()}"
        self.assistant({"type": "tool_use", "id": id, "name": name, "input": given})
        failed, text = False, ""
        if ask:
            answer = self.permission(id, name, given)
            failed, text = answer["behavior"] != "allow", answer.get("message", "")
        if not failed:
            try:
                text = do()
            except (OSError, Failed) as error:
                failed, text = True, str(error)
        result = {"type": "tool_result", "tool_use_id": id, "content": text, "is_error": failed}
        self.write({"type": "user", "message": {"role": "user", "content": [result]}})

    def permission(self, tool: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        id = f"ask-{os.urandom(4).hex()}"
        self.asked.add(id)
        request = {"subtype": "can_use_tool", "tool_name": name, "input": given}
        request["tool_use_id"] = tool
        self.write({"type": "control_request", "request_id": id, "request": request})
        return self.answers.get()

    def shell(self, command: str) -> str:
        """Run a command; an interrupt ends it."""
        import subprocess

        self.child = subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        if self.interrupted.is_set():
            self.end_child()
        output, _ = self.child.communicate()
        code, self.child = self.child.returncode, None
        if code:
            raise Failed(f"Exit code {code}\n{output}")
        return output


def main(arguments: list[str]) -> int:
    """Options of Claude Code that it does not need are taken, and change nothing."""
    session, script = "", os.environ.get("STOKER_SCRIPT") or None
    words = iter(arguments)
    for word in words:
        if word.startswith("--resume="):
            session = word.partition("=")[2]
        elif word == "--script":
            script = Path(next(words)).read_text()
    return Agent(session or os.urandom(16).hex(), script).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
